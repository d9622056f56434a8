/* SPDX-License-Identifier: MIT */
/* What `swtdx run` answers a guest's port accesses with: a serial port on the terminal, power-off,
 * an exit port, and nothing else. Safe for several threads. */
#ifndef TOOLS_RUN_PORTS_H
#define TOOLS_RUN_PORTS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "device/clock.h"
#include "device/uart.h"
#include "tools/run_console.h"

enum { RUN_UNKNOWN_MAX = 32 };

struct run_ports {
	pthread_mutex_t lock;
	struct run_console *console; /* outlives it */
	struct uart uart;
	struct clock clock;
	_Atomic int outcome;		   /* -1 the guest goes on; else how it ended */
	bool restarting;		   /* the last access was to the shutdown status */
	uint16_t unknown[RUN_UNKNOWN_MAX]; /* ports of absent devices asked for already */
	unsigned nunknown;
	void (*report)(void *arg, const char *line); /* an absent device, by name; once each */
	void *arg;
};

/* `memory`: how much the TD has, for its firmware to find. */
void run_ports_open(struct run_ports *p, struct run_console *console, uint64_t memory);
void run_ports_close(struct run_ports *p);
uint32_t run_ports_in(struct run_ports *p, unsigned port, unsigned size);
void run_ports_out(struct run_ports *p, unsigned port, unsigned size, uint32_t data);
/* The guest has said what is to follow its restart: that it goes now is a reset. */
bool run_ports_restarting(struct run_ports *p);

#endif
