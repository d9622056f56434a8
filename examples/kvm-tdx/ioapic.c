/* SPDX-License-Identifier: MIT */
/* An I/O APIC beside KVM's local APICs (KVM_CAP_SPLIT_IRQCHIP): lines of devices become MSIs. As
 * much of it as an edge-triggered line needs. */
#include "vmm.h"

enum {
	SELECT = 0x00,
	WINDOW = 0x10,
	REG_ID = 0,
	REG_VERSION = 1,
	REG_TABLE = 0x10,
	VERSION = 0x20,
	DATA_BITS = 0x87ff, /* vector, delivery mode, trigger mode of an entry's low half */
	DEST_LOGICAL = 1 << 11,
	MASKED = 1 << 16,
};
#define MSI_ADDRESS	 0xfee00000u
#define MSI_DEST_LOGICAL (1u << 2)

void ioapic_init(struct td *td)
{
	for (unsigned i = 0; i < IOAPIC_PINS; i++)
		td->ioapic.low[i] = MASKED;
}

static uint32_t *entry(struct td *td, uint32_t reg)
{
	const uint32_t i = (reg - REG_TABLE) / 2;

	if (reg < REG_TABLE || i >= IOAPIC_PINS)
		return NULL;
	return reg & 1 ? &td->ioapic.high[i] : &td->ioapic.low[i];
}

uint32_t ioapic_read(struct td *td, uint64_t offset)
{
	const uint32_t *e = entry(td, td->ioapic.select);

	if (offset == SELECT)
		return td->ioapic.select;
	if (offset != WINDOW)
		return 0;
	if (td->ioapic.select == REG_VERSION)
		return VERSION | (IOAPIC_PINS - 1) << 16;
	return e ? *e : 0; /* the id is 0 */
}

void ioapic_write(struct td *td, uint64_t offset, uint32_t value)
{
	uint32_t *e = entry(td, td->ioapic.select);

	if (offset == SELECT)
		td->ioapic.select = value & 0xff;
	else if (offset == WINDOW && e)
		*e = value;
}

void ioapic_edge(struct td *td, unsigned pin)
{
	const uint32_t low = td->ioapic.low[pin];
	struct kvm_msi msi = {
		.address_lo = MSI_ADDRESS | td->ioapic.high[pin] >> 24 << 12 |
			      (low & DEST_LOGICAL ? MSI_DEST_LOGICAL : 0),
		.data = low & DATA_BITS,
	};

	if (!(low & MASKED))
		ioctl(td->vm, KVM_SIGNAL_MSI, &msi);
}
