/* SPDX-License-Identifier: MIT */
/* See device/ioapic.h. An edge at a masked pin is forgotten, as the 82093AA's manual has it. */
#include "device/ioapic.h"

#include <string.h>

#include "arch/x86.h"

enum {
	OFFSET_SELECT = 0x00,
	OFFSET_WINDOW = 0x10,
	OFFSET_EOI = 0x40,
	REG_ID = 0,
	REG_VERSION = 1,
	REG_ARBITRATION = 2,
	REG_ENTRY = 0x10, /* two words a pin */
	VERSION = 0x20,	  /* the first with an EOI register */
	ID_SHIFT = 24,
	ID_MASK = 0xf,
	ENTRY_MODE_SHIFT = 8,
	ENTRY_DEST_SHIFT = 56,
	ENTRY_EXTENDED_SHIFT = 48, /* what chipsets of today have of it in a message's 11:4 */
	MSI_EXTENDED_SHIFT = 4,
};

#define ENTRY_LOGICAL	 (1ull << 11)
#define ENTRY_BUSY	 (1ull << 12) /* delivery status: never */
#define ENTRY_REMOTE_IRR (1ull << 14) /* a level was sent and has not been ended */
#define ENTRY_LEVEL	 (1ull << 15)
#define ENTRY_MASKED	 (1ull << 16)
#define ENTRY_BITS	 0xffff00000001ffffull
#define ENTRY_READ_ONLY	 (ENTRY_BUSY | ENTRY_REMOTE_IRR)

void ioapic_init(struct ioapic *io, const struct ioapic_ops *ops, void *arg)
{
	memset(io, 0, sizeof(*io));
	io->ops = ops;
	io->arg = arg;
	for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
		io->entry[pin] = ENTRY_MASKED;
}

static void send(struct ioapic *io, unsigned pin)
{
	const uint64_t e = io->entry[pin];
	const uint64_t dest = e >> ENTRY_DEST_SHIFT;
	const uint64_t extended = e >> ENTRY_EXTENDED_SHIFT & 0xff;
	const unsigned mode = (unsigned)(e >> ENTRY_MODE_SHIFT) & 7;
	uint32_t data = (uint32_t)(e & 0xff) | mode << MSI_MODE_SHIFT;

	if (e & ENTRY_LEVEL)
		data |= MSI_LEVEL | MSI_ASSERT;
	io->ops->msi(io->arg,
		     MSI_ADDRESS | dest << MSI_DEST_SHIFT | extended << MSI_EXTENDED_SHIFT |
			     (e & ENTRY_LOGICAL ? MSI_LOGICAL : 0),
		     data);
}

/* A level-triggered pin sends while its line is high and the one before has been ended. */
static void look(struct ioapic *io, unsigned pin)
{
	const uint64_t e = io->entry[pin];

	if (!(e & ENTRY_LEVEL) || e & (ENTRY_MASKED | ENTRY_REMOTE_IRR) || !(io->lines >> pin & 1))
		return;
	io->entry[pin] |= ENTRY_REMOTE_IRR;
	send(io, pin);
}

void ioapic_line(struct ioapic *io, unsigned pin, bool high)
{
	const bool rises = high && !(io->lines >> pin & 1);

	io->lines = (io->lines & ~(1u << pin)) | (uint32_t)high << pin;
	if (rises && !(io->entry[pin] & (ENTRY_LEVEL | ENTRY_MASKED)))
		send(io, pin);
	else
		look(io, pin);
}

void ioapic_eoi(struct ioapic *io, uint8_t vector)
{
	for (unsigned pin = 0; pin < IOAPIC_PINS; pin++) {
		if (!(io->entry[pin] & ENTRY_LEVEL) || (uint8_t)io->entry[pin] != vector)
			continue;
		io->entry[pin] &= ~ENTRY_REMOTE_IRR;
		look(io, pin);
	}
}

static uint32_t read_register(const struct ioapic *io)
{
	const unsigned pin = (io->select - REG_ENTRY) / 2u;

	switch (io->select) {
	case REG_ID:
	case REG_ARBITRATION:
		return (uint32_t)io->id << ID_SHIFT;
	case REG_VERSION:
		return VERSION | (IOAPIC_PINS - 1) << 16;
	default:
		if (io->select < REG_ENTRY || pin >= IOAPIC_PINS)
			return 0;
		return (uint32_t)(io->entry[pin] >> (io->select & 1 ? 32 : 0));
	}
}

/* Edge-triggered, a pin forgets what was sent: so do drivers end a level by force. */
static void write_entry(struct ioapic *io, unsigned pin, bool upper, uint32_t value)
{
	const uint64_t word = upper ? 0xffffffffull << 32 : 0xffffffffull;
	const uint64_t keep = ~(word & ENTRY_BITS) | ENTRY_READ_ONLY;
	uint64_t *e = &io->entry[pin];

	*e = (*e & keep) | (((uint64_t)value << (upper ? 32 : 0)) & ~keep);
	if (!(*e & ENTRY_LEVEL))
		*e &= ~ENTRY_REMOTE_IRR;
	look(io, pin);
}

static void write_register(struct ioapic *io, uint32_t value)
{
	const unsigned pin = (io->select - REG_ENTRY) / 2u;

	if (io->select == REG_ID)
		io->id = value >> ID_SHIFT & ID_MASK;
	else if (io->select >= REG_ENTRY && pin < IOAPIC_PINS)
		write_entry(io, pin, io->select & 1, value);
}

uint32_t ioapic_read(const struct ioapic *io, uint64_t offset)
{
	switch (offset) {
	case OFFSET_SELECT:
		return io->select;
	case OFFSET_WINDOW:
		return read_register(io);
	default:
		return 0;
	}
}

void ioapic_write(struct ioapic *io, uint64_t offset, uint32_t value)
{
	switch (offset) {
	case OFFSET_SELECT:
		io->select = (uint8_t)value;
		break;
	case OFFSET_WINDOW:
		write_register(io, value);
		break;
	case OFFSET_EOI:
		ioapic_eoi(io, (uint8_t)value);
		break;
	default:
		break;
	}
}

void ioapic_save(const struct ioapic *io, struct ioapic_state *s)
{
	*s = (struct ioapic_state){.lines = io->lines, .select = io->select, .id = io->id};
	memcpy(s->entry, io->entry, sizeof(s->entry));
}

void ioapic_load(struct ioapic *io, const struct ioapic_state *s)
{
	for (unsigned pin = 0; pin < IOAPIC_PINS; pin++)
		io->entry[pin] = s->entry[pin] & (ENTRY_BITS | ENTRY_REMOTE_IRR);
	io->lines = s->lines & ((1u << IOAPIC_PINS) - 1);
	io->select = s->select;
	io->id = s->id & ID_MASK;
}
