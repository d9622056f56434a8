/* SPDX-License-Identifier: MIT */
/* An I/O APIC (82093AA, with the EOI register of its successors): interrupt lines in, messages to
 * local APICs out.
 *
 * A message is an MSI, address and data; apic_msi() reads it. Lines are active when high, whatever
 * the guest says of their polarity. The owner serializes all calls. Nothing is allocated. */
#ifndef DEVICE_IOAPIC_H
#define DEVICE_IOAPIC_H

#include <stdbool.h>
#include <stdint.h>

enum { IOAPIC_PINS = 24, IOAPIC_SIZE = 0x1000 };
#define IOAPIC_ADDRESS 0xfec00000u

struct ioapic_ops {
	void (*msi)(void *arg, uint64_t address, uint32_t data);
};

struct ioapic {
	const struct ioapic_ops *ops;
	void *arg;
	uint64_t entry[IOAPIC_PINS];
	uint32_t lines; /* their levels */
	uint8_t select, id;
};

/* Plain data, of this machine's byte order. */
struct ioapic_state {
	uint64_t entry[IOAPIC_PINS];
	uint32_t lines;
	uint8_t select, id, pad[2];
};

/* State after power-on: everything is masked. */
void ioapic_init(struct ioapic *io, const struct ioapic_ops *ops, void *arg);
/* Its registers, by offset in IOAPIC_SIZE bytes; of 32 bits each. */
uint32_t ioapic_read(const struct ioapic *io, uint64_t offset);
void ioapic_write(struct ioapic *io, uint64_t offset, uint32_t value);
void ioapic_save(const struct ioapic *io, struct ioapic_state *s);
/* After ioapic_init(): any bytes make some state that a guest could have made. Nothing is sent. */
void ioapic_load(struct ioapic *io, const struct ioapic_state *s);
/* The level of an interrupt line, pin below IOAPIC_PINS. */
void ioapic_line(struct ioapic *io, unsigned pin, bool high);
/* A local APIC is done with a level-triggered interrupt (struct apic_ops' eoi). */
void ioapic_eoi(struct ioapic *io, uint8_t vector);

#endif
