/* SPDX-License-Identifier: MIT */
/* A VT-d unit that remaps interrupts and nothing else (Intel's specification of virtualization for
 * directed I/O, chapters 5, 6, 7 and 11): messages of devices and of I/O APICs in, what the guest's
 * table makes of them out.
 *
 * It supports no address width, so that no driver tries to translate DMA with it, which goes by
 * unchanged. Invalidations come by the queue; nothing is cached, so that they have nothing to do
 * but to be answered. One fault can be recorded. Whatever is in the guest's memory: an address is
 * used only by way of the owner, who refuses what is no memory, and a queue is gone through once.
 * The owner serializes all calls. Nothing is allocated. */
#ifndef DEVICE_VTD_H
#define DEVICE_VTD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/apic.h"

enum { VTD_SIZE = 0x1000 };
#define VTD_ADDRESS 0xfed90000u

/* Whose interrupts these are: bus, device and function. Of the I/O APIC, as chipsets have it. */
#define VTD_IOAPIC_BUS	  0xf0
#define VTD_IOAPIC_DEVICE 0x1f
#define VTD_IOAPIC_SOURCE (VTD_IOAPIC_BUS << 8 | VTD_IOAPIC_DEVICE << 3)

struct vtd_ops {
	/* The guest's memory. False: there is none, all of it or in part; nothing was done. */
	bool (*read)(void *arg, uint64_t pa, void *buf, size_t len);
	bool (*write)(void *arg, uint64_t pa, const void *buf, size_t len);
	/* To the local APICs. */
	void (*send)(void *arg, const struct apic_message *m);
};

/* Plain data, of this machine's byte order. */
struct vtd_state {
	uint64_t status, root_table;		      /* what GCMD asked for */
	uint64_t fault_status, fault_low, fault_high; /* the one record */
	uint64_t queue, head, tail;		      /* of invalidations */
	uint64_t completed;			      /* a wait that asked for an interrupt */
	uint64_t table_wanted, table;		      /* of interrupts: written, in force */
	struct vtd_event {
		uint32_t control, data, low, high;
	} fault_event, completion_event;
};

struct vtd {
	const struct vtd_ops *ops;
	void *arg;
	struct vtd_state s;
};

/* State after power-on: messages go by unchanged. */
void vtd_init(struct vtd *v, const struct vtd_ops *ops, void *arg);
/* Its registers, by offset in VTD_SIZE bytes; of 4 or 8 bytes each, aligned to that: anything else
 * reads as 0. */
uint64_t vtd_read(const struct vtd *v, uint64_t offset, unsigned size);
void vtd_write(struct vtd *v, uint64_t offset, unsigned size, uint64_t value);
/* A message-signalled interrupt of that source. */
void vtd_msi(struct vtd *v, uint16_t source, uint64_t address, uint32_t data);
void vtd_save(const struct vtd *v, struct vtd_state *s);
/* After vtd_init(): any bytes make some state that a guest could have made. Nothing is sent. */
void vtd_load(struct vtd *v, const struct vtd_state *s);

#endif
