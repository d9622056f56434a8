/* SPDX-License-Identifier: MIT */
/* What `swtdx run` answers a guest's accesses to ports and devices with: two serial ports with
 * their interrupts through an I/O APIC, a clock, an interval timer that counts, power-off, an exit
 * port, virtio devices, and nothing else. Safe for several threads. */
#ifndef TOOLS_RUN_PORTS_H
#define TOOLS_RUN_PORTS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "device/clock.h"
#include "device/ioapic.h"
#include "device/pit.h"
#include "device/uart.h"
#include "device/virtio_bank.h"
#include "tools/run_console.h"

enum { RUN_UNKNOWN_MAX = 32, RUN_SERIALS = 2 };

struct run_ports;

struct run_com {
	struct run_ports *ports;
	struct run_console *console; /* outlives it */
	struct uart uart;
	unsigned port, irq;
};

struct run_ports {
	pthread_mutex_t lock;
	struct run_com serial[RUN_SERIALS];
	struct ioapic ioapic;
	struct clock clock;
	struct pit pit;
	struct virtio_bank virtio;			    /* whose locks come before `lock` */
	const struct virtio_kind *virtio_kind[VIRTIO_BANK]; /* NULL: none there */
	_Atomic int outcome;		   /* -1 the guest goes on; else how it ended */
	bool restarting;		   /* the last access was to the shutdown status */
	uint16_t unknown[RUN_UNKNOWN_MAX]; /* ports of absent devices asked for already */
	unsigned nunknown;
	void (*report)(void *arg, const char *line); /* an absent device, by name; once each */
	void (*heard)(void *arg);		     /* the guest writes to standard output */
	void (*msi)(void *arg, uint64_t address, uint32_t data); /* an interrupt for the guest */
	/* The guest's shared memory, for devices; NULL: none has anything to do with it. */
	bool (*shared_read)(void *arg, uint64_t gpa, void *buf, size_t len);
	bool (*shared_write)(void *arg, uint64_t gpa, const void *buf, size_t len);
	void *arg;
};

/* `console` has RUN_SERIALS; `memory`: how much the TD has, for its firmware to find. What reports
 * and takes interrupts, and what devices there are, is set by the caller before anything else. */
void run_ports_open(struct run_ports *p, struct run_console *console, uint64_t memory);
void run_ports_close(struct run_ports *p);
uint32_t run_ports_in(struct run_ports *p, unsigned port, unsigned size);
void run_ports_out(struct run_ports *p, unsigned port, unsigned size, uint32_t data);
/* The guest has said what is to follow its restart: that it goes now is a reset. */
bool run_ports_restarting(struct run_ports *p);
uint64_t run_ports_mmio_read(struct run_ports *p, uint64_t gpa, unsigned size);
void run_ports_mmio_write(struct run_ports *p, uint64_t gpa, unsigned size, uint64_t data);
/* Something came for the guest from a console. False: not now, the ports are busy. Never waits. */
bool run_ports_came(struct run_ports *p, unsigned serial);

#endif
