/* SPDX-License-Identifier: MIT */
/* See device/vtd.h. */
#include "device/vtd.h"

#include <string.h>

#include "arch/x86.h"

enum vtd_register {
	REG_VERSION = 0x00,
	REG_CAP = 0x08,
	REG_ECAP = 0x10,
	REG_COMMAND = 0x18, /* its upper half is the status */
	REG_STATUS = 0x1c,
	REG_ROOT_TABLE = 0x20,
	REG_FAULT_STATUS = 0x34,
	REG_FAULT_EVENT = 0x38, /* control, data, address, its upper half */
	REG_QUEUE_HEAD = 0x80,
	REG_QUEUE_TAIL = 0x88,
	REG_QUEUE = 0x90,
	REG_COMPLETED = 0x9c,
	REG_COMPLETION_EVENT = 0xa0,
	REG_TABLE = 0xb8,
	REG_FAULT = 0x220, /* of 16 bytes */
	REG_FAULT_TOP = 0x22c,
};

#define VERSION 0x10ull
/* No address width; one fault record, at REG_FAULT. */
#define CAP ((uint64_t)REG_FAULT / 16 << 24)
/* Coherent, a queue of invalidations, interrupts remapped, x2APIC ids of 32 bits; an invalidation
 * names up to 2^15 entries; what is not there of an IOTLB would be at 0x100. */
#define ECAP_BITS	   (1ull << 0 | 1ull << 1 | 1ull << 3 | 1ull << 4)
#define ECAP		   (ECAP_BITS | 0x10ull << 8 | 15ull << 20)

#define COMMAND_ROOT_TABLE (1u << 30)
#define COMMAND_QUEUE	   (1u << 26)
#define COMMAND_REMAP	   (1u << 25)
#define COMMAND_TABLE	   (1u << 24)
#define COMMAND_COMPAT	   (1u << 23)
/* What stays as the command says, and what is done once and stays done. */
#define COMMAND_LASTING	  (COMMAND_QUEUE | COMMAND_REMAP | COMMAND_COMPAT)
#define COMMAND_ONCE	  (COMMAND_ROOT_TABLE | COMMAND_TABLE)

#define EVENT_MASKED	  (1u << 31)
#define EVENT_PENDING	  (1u << 30)

#define FAULT_OVERFLOW	  (1u << 0)
#define FAULT_PENDING	  (1u << 1)
#define FAULT_QUEUE	  (1u << 4)
#define FAULT_STATUS_ENDS (FAULT_OVERFLOW | FAULT_QUEUE) /* by writing a 1 */
#define FAULT_RECORDED	  (1ull << 63)
#define COMPLETED	  1u

enum fault {
	FAULT_RESERVED = 0x20, /* bits of the message */
	FAULT_INDEX = 0x21,
	FAULT_NOT_PRESENT = 0x22,
	FAULT_TABLE = 0x23, /* cannot be read */
	FAULT_ENTRY = 0x24, /* reserved bits of it */
	FAULT_COMPAT = 0x25,
	FAULT_SOURCE = 0x26,
};

#define QUEUE_PLACES  0x7fff0ull /* of head and tail */
#define QUEUE_BITS    0xfffffffffffff007ull
#define TABLE_BITS    0xfffffffffffff80full
#define TABLE_ADDRESS 0xfffffffffffff000ull
#define TABLE_EIME    (1ull << 11) /* ids of 32 bits */

enum { DESCRIPTOR = 16, ENTRY = 16 };
enum { INVALIDATE_CONTEXT = 1, INVALIDATE_IOTLB = 2, INVALIDATE_ENTRIES = 4, WAIT = 5 };
#define WAIT_INTERRUPT (1ull << 4)
#define WAIT_STATUS    (1ull << 5)

/* A message's address, in the format that names an entry. */
#define MSI_REMAPPED	(1u << 4)
#define MSI_SUBHANDLE	(1u << 3)

#define ENTRY_PRESENT	(1ull << 0)
#define ENTRY_SILENT	(1ull << 1) /* its faults are not recorded */
#define ENTRY_LOGICAL	(1ull << 2)
#define ENTRY_HINT	(1ull << 3)
#define ENTRY_LEVEL	(1ull << 4)
#define ENTRY_RESERVED	0xff00f000ull
#define ENTRY_RESERVED1 0xfffffffffff00000ull

void vtd_init(struct vtd *v, const struct vtd_ops *ops, void *arg)
{
	*v = (struct vtd){.ops = ops, .arg = arg};
	v->s.fault_event.control = EVENT_MASKED;
	v->s.completion_event.control = EVENT_MASKED;
}

/* --- what it says itself --- */

/* Its own messages are not remapped; with large ids the upper address has the rest of one. */
static void send_event(struct vtd *v, struct vtd_event *e)
{
	struct apic_message m;

	if (e->control & EVENT_MASKED) {
		e->control |= EVENT_PENDING;
		return;
	}
	e->control &= ~EVENT_PENDING;
	m = apic_msi(e->low, e->data);
	if (v->s.table & TABLE_EIME)
		m.dest = (e->low >> MSI_DEST_SHIFT & 0xff) | (e->high & 0xffffff00);
	v->ops->send(v->arg, &m);
}

static uint32_t fault_status(const struct vtd *v)
{
	return (uint32_t)v->s.fault_status | (v->s.fault_high & FAULT_RECORDED ? FAULT_PENDING : 0);
}

/* Of an interrupt. Software is told when the first comes. */
static void record(struct vtd *v, enum fault why, uint16_t source, unsigned index)
{
	const bool news = fault_status(v) == 0;

	if (v->s.fault_high & FAULT_RECORDED) {
		v->s.fault_status |= FAULT_OVERFLOW;
		return;
	}
	v->s.fault_low = (uint64_t)index << 48;
	v->s.fault_high = FAULT_RECORDED | (uint64_t)why << 32 | source;
	if (news)
		send_event(v, &v->s.fault_event);
}

/* --- the queue --- */

static uint64_t queue_size(const struct vtd *v)
{
	return 0x1000ull << (v->s.queue & 7);
}

/* False: it is none that can be. */
static bool invalidate(struct vtd *v, const uint64_t d[2])
{
	const uint32_t data = (uint32_t)(d[0] >> 32);

	/* Types above 15 have their upper bits in 11:9. */
	switch ((d[0] & 0xf) | (d[0] >> 5 & 0x70)) {
	case INVALIDATE_CONTEXT:
	case INVALIDATE_IOTLB:
	case INVALIDATE_ENTRIES:
		return true;
	case WAIT:
		/* A status that has nowhere to go is lost. */
		if (d[0] & WAIT_STATUS)
			v->ops->write(v->arg, d[1] & ~3ull, &data, sizeof(data));
		if (d[0] & WAIT_INTERRUPT && !v->s.completed) {
			v->s.completed = COMPLETED;
			send_event(v, &v->s.completion_event);
		}
		return true;
	default:
		return false;
	}
}

/* To the tail; an error stops it at its descriptor, until software has cleared it. */
static void run_queue(struct vtd *v)
{
	struct vtd_state *s = &v->s;
	const uint64_t size = queue_size(v);
	uint64_t d[2];

	if (!(s->status & COMMAND_QUEUE) || s->fault_status & FAULT_QUEUE)
		return;
	for (uint64_t n = size / DESCRIPTOR; n && s->head != s->tail; n--) {
		if (s->tail >= size ||
		    !v->ops->read(v->arg, (s->queue & TABLE_ADDRESS) + s->head, d, sizeof(d)) ||
		    !invalidate(v, d)) {
			const bool news = fault_status(v) == 0;

			s->fault_status |= FAULT_QUEUE;
			if (news)
				send_event(v, &s->fault_event);
			return;
		}
		s->head = (s->head + DESCRIPTOR) % size;
	}
}

/* --- registers --- */

static void command(struct vtd *v, uint32_t value)
{
	struct vtd_state *s = &v->s;
	const bool queue = value & ~(uint32_t)s->status & COMMAND_QUEUE;

	s->status = (s->status & COMMAND_ONCE) | (value & (COMMAND_LASTING | COMMAND_ONCE));
	if (value & COMMAND_TABLE)
		s->table = s->table_wanted;
	if (!(value & COMMAND_QUEUE) || queue)
		s->head = 0;
	run_queue(v);
}

static uint64_t words(uint32_t low, uint32_t high)
{
	return low | (uint64_t)high << 32;
}

static uint64_t read_register(const struct vtd *v, uint64_t offset)
{
	const struct vtd_state *s = &v->s;

	switch (offset) {
	case REG_VERSION:
		return VERSION;
	case REG_CAP:
		return CAP;
	case REG_ECAP:
		return ECAP;
	case REG_COMMAND:
		return words(0, (uint32_t)s->status);
	case REG_ROOT_TABLE:
		return s->root_table;
	case REG_FAULT_STATUS - 4:
		return words(0, fault_status(v));
	case REG_FAULT_EVENT:
		return words(s->fault_event.control, s->fault_event.data);
	case REG_FAULT_EVENT + 8:
		return words(s->fault_event.low, s->fault_event.high);
	case REG_QUEUE_HEAD:
		return s->head;
	case REG_QUEUE_TAIL:
		return s->tail;
	case REG_QUEUE:
		return s->queue;
	case REG_COMPLETED - 4:
		return words(0, (uint32_t)s->completed);
	case REG_COMPLETION_EVENT:
		return words(s->completion_event.control, s->completion_event.data);
	case REG_COMPLETION_EVENT + 8:
		return words(s->completion_event.low, s->completion_event.high);
	case REG_TABLE:
		return s->table_wanted;
	case REG_FAULT:
		return s->fault_low;
	case REG_FAULT + 8:
		return s->fault_high;
	default:
		return 0;
	}
}

static bool is_access(uint64_t offset, unsigned size)
{
	return (size == 4 || size == 8) && offset % size == 0 && offset < VTD_SIZE;
}

uint64_t vtd_read(const struct vtd *v, uint64_t offset, unsigned size)
{
	uint64_t value;

	if (!is_access(offset, size))
		return 0;
	value = read_register(v, offset & ~7ull);
	return size == 8 ? value : (uint32_t)(value >> (offset & 4) * 8);
}

static void set_half(uint64_t *reg, bool upper, uint32_t value, uint64_t bits)
{
	const unsigned shift = upper ? 32 : 0;

	*reg = ((*reg & ~(0xffffffffull << shift)) | (uint64_t)value << shift) & bits;
}

static void write_event(struct vtd *v, struct vtd_event *e, unsigned word, uint32_t value)
{
	switch (word) {
	case 0:
		e->control = (e->control & EVENT_PENDING) | (value & EVENT_MASKED);
		if (e->control == EVENT_PENDING)
			send_event(v, e);
		break;
	case 1:
		e->data = value & 0xffff;
		break;
	case 2:
		e->low = value & ~3u;
		break;
	default:
		e->high = value;
		break;
	}
}

/* Nothing is left to tell of. */
static void fault_ended(struct vtd *v)
{
	if (!fault_status(v))
		v->s.fault_event.control &= ~EVENT_PENDING;
}

static void write_word(struct vtd *v, uint64_t offset, uint32_t value)
{
	struct vtd_state *s = &v->s;
	const bool upper = offset & 4;

	switch (offset) {
	case REG_COMMAND:
		command(v, value);
		break;
	case REG_ROOT_TABLE:
	case REG_ROOT_TABLE + 4:
		set_half(&s->root_table, upper, value, TABLE_ADDRESS);
		break;
	case REG_FAULT_STATUS:
		s->fault_status &= ~(uint64_t)(value & FAULT_STATUS_ENDS);
		fault_ended(v);
		run_queue(v);
		break;
	case REG_FAULT_EVENT ... REG_FAULT_EVENT + 12:
		write_event(v, &s->fault_event, (unsigned)(offset - REG_FAULT_EVENT) / 4, value);
		break;
	case REG_QUEUE_TAIL:
		s->tail = value & QUEUE_PLACES;
		run_queue(v);
		break;
	case REG_QUEUE:
	case REG_QUEUE + 4:
		set_half(&s->queue, upper, value, QUEUE_BITS);
		break;
	case REG_COMPLETED:
		s->completed &= ~(uint64_t)value;
		if (!s->completed)
			s->completion_event.control &= ~EVENT_PENDING;
		break;
	case REG_COMPLETION_EVENT ... REG_COMPLETION_EVENT + 12:
		write_event(v, &s->completion_event, (unsigned)(offset - REG_COMPLETION_EVENT) / 4,
			    value);
		break;
	case REG_TABLE:
	case REG_TABLE + 4:
		set_half(&s->table_wanted, upper, value, TABLE_BITS);
		break;
	case REG_FAULT_TOP:
		if (value & (uint32_t)(FAULT_RECORDED >> 32))
			s->fault_high &= ~FAULT_RECORDED;
		fault_ended(v);
		break;
	default: /* read-only, or not there */
		break;
	}
}

void vtd_write(struct vtd *v, uint64_t offset, unsigned size, uint64_t value)
{
	if (!is_access(offset, size))
		return;
	write_word(v, offset, (uint32_t)value);
	if (size == 8)
		write_word(v, offset + 4, (uint32_t)(value >> 32));
}

/* --- messages --- */

/* By its source's id or bus, as the entry asks; 5.1.4. */
static bool is_source(uint64_t check, uint16_t source)
{
	static const uint16_t ignored[4] = {0, 4, 6, 7}; /* function bits that do not count */
	const uint16_t id = (uint16_t)check;

	switch (check >> 18 & 3) {
	case 0:
		return true;
	case 1:
		return ((id ^ source) & ~ignored[check >> 16 & 3]) == 0;
	case 2:
		return source >> 8 >= id >> 8 && source >> 8 <= (id & 0xff);
	default:
		return false;
	}
}

/* True: `m` is what the entry says. False: why not; whether to record it is in the entry. */
static bool remap(const struct vtd *v, uint16_t source, const uint64_t e[2], struct apic_message *m,
		  enum fault *why)
{
	const enum apic_mode mode = (enum apic_mode)(e[0] >> 5 & 7);
	const uint32_t dest = (uint32_t)(e[0] >> 32);

	*why = FAULT_NOT_PRESENT;
	if (!(e[0] & ENTRY_PRESENT))
		return false;
	*why = FAULT_ENTRY;
	if (e[0] & ENTRY_RESERVED || e[1] & ENTRY_RESERVED1 || (e[1] >> 18 & 3) == 3)
		return false;
	*why = FAULT_SOURCE;
	if (!is_source(e[1], source))
		return false;
	*m = (struct apic_message){
		.vector = (uint8_t)(e[0] >> 16),
		.mode = mode == APIC_FIXED && e[0] & ENTRY_HINT ? APIC_LOWEST : mode,
		.shorthand = APIC_TO_DEST,
		.logical = e[0] & ENTRY_LOGICAL,
		.level = e[0] & ENTRY_LEVEL,
		.assert = true,
	};
	if (v->s.table & TABLE_EIME)
		m->dest = dest;
	else
		m->dest = (dest >> 8 & 0xff) == 0xff ? ~0u : dest >> 8 & 0xff;
	return true;
}

static void look_up(struct vtd *v, uint16_t source, uint64_t address, uint32_t data)
{
	unsigned index = (unsigned)(address >> 5 & 0x7fff) | (unsigned)(address & 4) << 13;
	struct apic_message m;
	enum fault why;
	uint64_t e[2];

	if (address & MSI_SUBHANDLE) {
		if (data >> 16) {
			record(v, FAULT_RESERVED, source, index);
			return;
		}
		index += data;
	}
	if (index >= 2u << (v->s.table & 0xf)) {
		record(v, FAULT_INDEX, source, index);
		return;
	}
	if (!v->ops->read(v->arg, (v->s.table & TABLE_ADDRESS) + index * ENTRY, e, sizeof(e))) {
		record(v, FAULT_TABLE, source, index);
		return;
	}
	if (remap(v, source, e, &m, &why))
		v->ops->send(v->arg, &m);
	else if (!(e[0] & ENTRY_SILENT))
		record(v, why, source, index);
}

void vtd_msi(struct vtd *v, uint16_t source, uint64_t address, uint32_t data)
{
	struct apic_message m;

	if (v->s.status & COMMAND_REMAP && address & MSI_REMAPPED) {
		look_up(v, source, address, data);
	} else if (v->s.status & COMMAND_REMAP &&
		   (!(v->s.status & COMMAND_COMPAT) || v->s.table & TABLE_EIME)) {
		record(v, FAULT_COMPAT, source, 0);
	} else {
		m = apic_msi(address, data);
		v->ops->send(v->arg, &m);
	}
}

void vtd_save(const struct vtd *v, struct vtd_state *s)
{
	*s = v->s;
}

static void cut_event(struct vtd_event *e)
{
	e->control &= EVENT_MASKED | EVENT_PENDING;
	e->data &= 0xffff;
	e->low &= ~3u;
}

void vtd_load(struct vtd *v, const struct vtd_state *state)
{
	struct vtd_state *s = &v->s;

	*s = *state;
	s->status &= COMMAND_LASTING | COMMAND_ONCE;
	s->root_table &= TABLE_ADDRESS;
	s->fault_status &= FAULT_STATUS_ENDS;
	s->fault_low &= 0xffffull << 48;
	s->fault_high &= FAULT_RECORDED | 0xffull << 32 | 0xffff;
	s->queue &= QUEUE_BITS;
	s->head &= QUEUE_PLACES & (queue_size(v) - 1);
	s->tail &= QUEUE_PLACES;
	s->completed &= COMPLETED;
	s->table_wanted &= TABLE_BITS;
	s->table &= TABLE_BITS;
	cut_event(&s->fault_event);
	cut_event(&s->completion_event);
}
