/* SPDX-License-Identifier: MIT */
/* ACPI tables of a machine with nothing but processors, serial ports, perhaps an I/O APIC for them
 * and for virtio devices, and a power switch, for whoever writes them: a TD's firmware, or the
 * board of a host. */
#ifndef FIRMWARE_ACPI_H
#define FIRMWARE_ACPI_H

#include <stdint.h>

struct acpi_machine {
	uint8_t *at; /* the tables' memory, `size` bytes at physical address `pa` */
	uint64_t pa;
	unsigned size;
	unsigned processors;
	const uint32_t *apic_id; /* of each; NULL: 0, 1, 2 ... */
	uint32_t ioapic;	 /* its address; 0: none, and nothing that interrupts through it */
	unsigned serials;	 /* ports: 1 or 2 */
	uint64_t vtd;		 /* registers of the unit that remaps interrupts; 0: none */
	uint16_t ioapic_source;	 /* how that knows the I/O APIC: bus, device, function */
	uint64_t mailbox;	 /* of the multiprocessor wake-up */
	uint64_t reset;		 /* where a processor goes back into it; 0: it cannot */
	uint64_t log, log_size;	 /* a TD's event log; size 0: none */
};

/* The physical address of the RSDP; 0: there are more processors than room. */
uint64_t acpi_build(const struct acpi_machine *m);

#endif
