/* SPDX-License-Identifier: MIT */
/* VT-d's interrupt remapping alone: as a driver meets it, and as one that wants to break it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "device/ioapic.h"
#include "device/vtd.h"
#include "machine/splitmix.h"

enum {
	VERSION = 0x00,
	CAP = 0x08,
	ECAP = 0x10,
	COMMAND = 0x18,
	STATUS = 0x1c,
	FAULT_STATUS = 0x34,
	FAULT_CONTROL = 0x38,
	FAULT_DATA = 0x3c,
	FAULT_ADDRESS = 0x40,
	FAULT_UPPER = 0x44,
	HEAD = 0x80,
	TAIL = 0x88,
	QUEUE = 0x90,
	COMPLETED = 0x9c,
	COMPLETION_CONTROL = 0xa0,
	COMPLETION_DATA = 0xa4,
	COMPLETION_ADDRESS = 0xa8,
	TABLE = 0xb8,
	RECORD = 0x220,
	QIE = 1 << 26,
	IRE = 1 << 25,
	SIRTP = 1 << 24,
	CFI = 1 << 23,
	EIME = 1 << 11,
	SOURCE = VTD_IOAPIC_SOURCE,
	MEMORY = 0x10000,
	AT_TABLE = 0x4000, /* of 256 entries */
	AT_QUEUE = 0x8000,
	AT_STATUS = 0xc000,
};

struct rig {
	struct vtd v;
	uint8_t memory[MEMORY];
	unsigned n, touched; /* messages; accesses to memory */
	struct apic_message last;
};

static bool inside(uint64_t pa, size_t len)
{
	return pa < MEMORY && len <= MEMORY - pa;
}

static bool read_memory(void *arg, uint64_t pa, void *buf, size_t len)
{
	struct rig *r = arg;

	r->touched++;
	if (inside(pa, len))
		memcpy(buf, r->memory + pa, len);
	return inside(pa, len);
}

static bool write_memory(void *arg, uint64_t pa, const void *buf, size_t len)
{
	struct rig *r = arg;

	r->touched++;
	if (inside(pa, len))
		memcpy(r->memory + pa, buf, len);
	return inside(pa, len);
}

static void send(void *arg, const struct apic_message *m)
{
	struct rig *r = arg;

	r->n++;
	r->last = *m;
}

static const struct vtd_ops ops = {read_memory, write_memory, send};

static void set(struct rig *r, uint64_t offset, uint32_t value)
{
	vtd_write(&r->v, offset, 4, value);
}

static uint32_t get(const struct rig *r, uint64_t offset)
{
	return (uint32_t)vtd_read(&r->v, offset, 4);
}

static void put64(struct rig *r, uint64_t pa, uint64_t value)
{
	memcpy(r->memory + pa, &value, sizeof(value));
}

static void entry(struct rig *r, unsigned i, uint64_t low, uint64_t high)
{
	put64(r, AT_TABLE + 16 * i, low);
	put64(r, AT_TABLE + 16 * i + 8, high);
}

static void start(struct rig *r)
{
	memset(r, 0, sizeof(*r));
	vtd_init(&r->v, &ops, r);
}

/* As a driver does. */
static void remapping(struct rig *r)
{
	start(r);
	vtd_write(&r->v, TABLE, 8, AT_TABLE | EIME | 7);
	set(r, COMMAND, SIRTP);
	assert_int_equal(get(r, STATUS), SIRTP);
	set(r, COMMAND, IRE);
	assert_int_equal(get(r, STATUS), SIRTP | IRE);
}

/* The message that names an entry. */
static void msi(struct rig *r, unsigned index)
{
	vtd_msi(&r->v, SOURCE, 0xfee00010 | (index & 0x7fff) << 5 | (index >> 15) << 2, 0);
}

/* 0: nothing is recorded. */
static unsigned fault(const struct rig *r)
{
	const uint64_t high = vtd_read(&r->v, RECORD + 8, 8);

	assert_int_equal(high >> 63, get(r, FAULT_STATUS) >> 1 & 1);
	return high >> 63 ? (unsigned)(high >> 32) & 0xff : 0;
}

static void clear_fault(struct rig *r)
{
	set(r, RECORD + 12, 1u << 31);
	set(r, FAULT_STATUS, ~0u);
	assert_int_equal(get(r, FAULT_STATUS), 0);
}

static void it_remaps_interrupts_and_translates_nothing(void **state)
{
	struct rig r;

	(void)state;
	start(&r);
	assert_int_equal(get(&r, VERSION), 0x10);
	assert_int_equal(vtd_read(&r.v, CAP, 8) >> 8 & 0x1f, 0); /* widths */
	assert_int_equal((vtd_read(&r.v, CAP, 8) >> 24 & 0x3ff) * 16, RECORD);
	assert_int_equal(vtd_read(&r.v, ECAP, 8) & 0x5f, 1 << 4 | 1 << 3 | 1 << 1 | 1);
	set(&r, COMMAND, 1u << 31);
	assert_int_equal(get(&r, STATUS), 0);
	set(&r, CAP, 0);
	set(&r, VERSION, 0);
	assert_int_equal(get(&r, VERSION), 0x10);
	/* Nothing but whole, aligned words. */
	assert_int_equal(vtd_read(&r.v, ECAP, 2), 0);
	assert_int_equal(vtd_read(&r.v, ECAP + 1, 4), 0);
	assert_int_equal(vtd_read(&r.v, VTD_SIZE, 8), 0);
}

static void messages_go_by_until_it_remaps(void **state)
{
	struct rig r;

	(void)state;
	start(&r);
	vtd_msi(&r.v, SOURCE, 0xfee03000, 0x41);
	assert_int_equal(r.n, 1);
	assert_int_equal(r.last.dest, 3);
	assert_int_equal(r.last.vector, 0x41);
	assert_int_equal(r.touched, 0);
}

static void a_message_is_what_its_entry_says(void **state)
{
	struct rig r;

	(void)state;
	remapping(&r);
	/* To x2APIC id 0x12345, vector 0x52, edge, fixed, physical; from the I/O APIC alone. */
	entry(&r, 5, 0x12345ull << 32 | 0x52 << 16 | 1, 1ull << 18 | SOURCE);
	msi(&r, 5);
	assert_int_equal(r.n, 1);
	assert_int_equal(r.last.dest, 0x12345);
	assert_int_equal(r.last.vector, 0x52);
	assert_int_equal(r.last.mode, APIC_FIXED);
	assert_false(r.last.logical || r.last.level);
	/* Logical, level, one of them. */
	entry(&r, 5, 3ull << 32 | 0x52 << 16 | 1 << 4 | 1 << 3 | 1 << 2 | 1, 0);
	msi(&r, 5);
	assert_int_equal(r.last.mode, APIC_LOWEST);
	assert_true(r.last.logical && r.last.level);
	/* A handle and a sub-handle. */
	entry(&r, 7, 9ull << 32 | 0x60 << 16 | 1, 0);
	vtd_msi(&r.v, SOURCE, 0xfee00018 | 4 << 5, 3);
	assert_int_equal(r.last.dest, 9);
	assert_int_equal(r.n, 3);
	assert_int_equal(fault(&r), 0);
	/* Without EIME ids are of 8 bits. */
	vtd_write(&r.v, TABLE, 8, AT_TABLE | 7);
	set(&r, COMMAND, IRE | SIRTP);
	entry(&r, 7, 0xff00ull << 32 | 0x60 << 16 | 1, 0);
	msi(&r, 7);
	assert_int_equal(r.last.dest, ~0u);
}

static void what_is_wrong_is_recorded_and_not_sent(void **state)
{
	struct rig r;

	(void)state;
	remapping(&r);
	msi(&r, 1);
	assert_int_equal(fault(&r), 0x22); /* not present */
	assert_int_equal(vtd_read(&r.v, RECORD, 8) >> 48, 1);
	assert_int_equal(vtd_read(&r.v, RECORD + 8, 8) & 0xffff, SOURCE);
	msi(&r, 2);
	assert_int_equal(get(&r, FAULT_STATUS), 3); /* pending, and more than one */
	assert_int_equal(vtd_read(&r.v, RECORD, 8) >> 48, 1);
	clear_fault(&r);
	msi(&r, 256);
	assert_int_equal(fault(&r), 0x21); /* past the table */
	clear_fault(&r);
	vtd_msi(&r.v, SOURCE, 0xfee00018, 0x10000);
	assert_int_equal(fault(&r), 0x20);
	clear_fault(&r);
	entry(&r, 1, 1 << 15 | 1, 0); /* a posted interrupt */
	msi(&r, 1);
	assert_int_equal(fault(&r), 0x24);
	clear_fault(&r);
	entry(&r, 1, 1, 1ull << 18 | 0x0123);
	msi(&r, 1);
	assert_int_equal(fault(&r), 0x26);
	clear_fault(&r);
	entry(&r, 1, 1, 1ull << 18 | 3ull << 16 | (SOURCE ^ 7)); /* any function of the device */
	msi(&r, 1);
	entry(&r, 1, 1, 2ull << 18 | 0xe0ff); /* buses 0xe0 to 0xff */
	msi(&r, 1);
	assert_int_equal(r.n, 2);
	entry(&r, 1, 1, 2ull << 18 | 0xe0ef);
	msi(&r, 1);
	assert_int_equal(fault(&r), 0x26);
	clear_fault(&r);
	vtd_msi(&r.v, SOURCE, 0xfee00000, 0x41); /* of the old kind */
	assert_int_equal(fault(&r), 0x25);
	clear_fault(&r);
	set(&r, COMMAND, IRE | CFI); /* which EIME forbids even so */
	vtd_msi(&r.v, SOURCE, 0xfee00000, 0x41);
	assert_int_equal(fault(&r), 0x25);
	clear_fault(&r);
	entry(&r, 1, 1 << 1, 0); /* asks for silence */
	msi(&r, 1);
	assert_int_equal(fault(&r), 0);
	vtd_write(&r.v, TABLE, 8, 0xfffffffffffff000ull | EIME | 7);
	set(&r, COMMAND, IRE | SIRTP);
	msi(&r, 1);
	assert_int_equal(fault(&r), 0x23); /* the table is nowhere */
	assert_int_equal(r.n, 2);
}

static void a_fault_is_told_of_when_it_may_be(void **state)
{
	struct rig r;

	(void)state;
	remapping(&r);
	vtd_write(&r.v, FAULT_DATA, 4, 0x33);
	set(&r, FAULT_ADDRESS, 0xfee05000);
	set(&r, FAULT_UPPER, 0x100);
	msi(&r, 1);
	assert_int_equal(r.n, 0); /* masked after power-on */
	assert_int_equal(get(&r, FAULT_CONTROL), 3u << 30);
	set(&r, FAULT_CONTROL, 0);
	assert_int_equal(r.n, 1);
	assert_int_equal(r.last.vector, 0x33);
	assert_int_equal(r.last.dest, 0x105);
	assert_int_equal(get(&r, FAULT_CONTROL), 0);
	msi(&r, 1); /* it knows already */
	assert_int_equal(r.n, 1);
	clear_fault(&r);
	msi(&r, 1);
	assert_int_equal(r.n, 2);
}

static void descriptor(struct rig *r, unsigned i, uint64_t low, uint64_t high)
{
	put64(r, AT_QUEUE + 16 * i, low);
	put64(r, AT_QUEUE + 16 * i + 8, high);
}

static void with_queue(struct rig *r)
{
	start(r);
	vtd_write(&r->v, QUEUE, 8, AT_QUEUE);
	set(r, TAIL, 0);
	set(r, COMMAND, QIE);
	assert_int_equal(get(r, STATUS), QIE);
}

static void the_queue_answers_waits(void **state)
{
	struct rig r;
	uint32_t status;

	(void)state;
	with_queue(&r);
	descriptor(&r, 0, 4, 0);
	descriptor(&r, 1, 0x2ull << 32 | 1 << 5 | 5, AT_STATUS);
	vtd_write(&r.v, TAIL, 8, 0x20);
	memcpy(&status, r.memory + AT_STATUS, 4);
	assert_int_equal(status, 2);
	assert_int_equal(get(&r, HEAD), 0x20);
	assert_int_equal(get(&r, COMPLETED), 0);
	/* Around its end. */
	for (unsigned i = 2; i < 256; i++)
		descriptor(&r, i, 1, 0);
	descriptor(&r, 0, 1 << 4 | 5, 0);
	set(&r, COMPLETION_DATA, 0x44);
	set(&r, COMPLETION_ADDRESS, 0xfee00000);
	set(&r, COMPLETION_CONTROL, 0);
	set(&r, TAIL, 0x10);
	assert_int_equal(get(&r, HEAD), 0x10);
	assert_int_equal(get(&r, COMPLETED), 1);
	assert_int_equal(r.n, 1);
	assert_int_equal(r.last.vector, 0x44);
	set(&r, COMPLETED, 1);
	assert_int_equal(get(&r, COMPLETED), 0);
	/* Switched on anew, it begins anew. */
	set(&r, COMMAND, 0);
	assert_int_equal(get(&r, HEAD), 0);
}

static void the_queue_stops_at_what_is_none(void **state)
{
	struct rig r;

	(void)state;
	with_queue(&r);
	descriptor(&r, 0, 4, 0);
	descriptor(&r, 1, 0xe, 0);
	descriptor(&r, 2, 0x1ull << 32 | 1 << 5 | 5, AT_STATUS);
	set(&r, TAIL, 0x30);
	assert_int_equal(get(&r, FAULT_STATUS), 1 << 4);
	assert_int_equal(get(&r, HEAD), 0x10);
	descriptor(&r, 1, 4, 0);
	set(&r, TAIL, 0x30);
	assert_int_equal(get(&r, HEAD), 0x10); /* until it is cleared */
	set(&r, FAULT_STATUS, 1 << 4);
	assert_int_equal(get(&r, HEAD), 0x30);
	assert_int_equal(r.memory[AT_STATUS], 1);
	/* A tail past the end, a queue that is nowhere. */
	set(&r, TAIL, 0x7fff0);
	assert_int_equal(get(&r, FAULT_STATUS), 1 << 4);
	with_queue(&r);
	vtd_write(&r.v, QUEUE, 8, ~0ull);
	set(&r, TAIL, 0x7fff0);
	assert_int_equal(get(&r, FAULT_STATUS), 1 << 4);
	assert_int_equal(get(&r, HEAD), 0);
}

/* Through the I/O APIC, whose entry has the index where it had the destination. */
static void via_ioapic(void *arg, uint64_t address, uint32_t data)
{
	vtd_msi(&((struct rig *)arg)->v, SOURCE, address, data);
}

static void an_ioapic_names_entries(void **state)
{
	static const struct ioapic_ops io_ops = {.msi = via_ioapic};
	const unsigned index = 0x8123;
	struct ioapic io;
	struct rig r;

	(void)state;
	remapping(&r);
	vtd_write(&r.v, TABLE, 8, EIME | 15); /* 65536 entries, from 0 on */
	set(&r, COMMAND, SIRTP | IRE);
	ioapic_init(&io, &io_ops, &r);
	ioapic_write(&io, 0, 0x10 + 2 * 4 + 1);
	ioapic_write(&io, 0x10, (index & 0x7fff) << 17 | 1 << 16);
	ioapic_write(&io, 0, 0x10 + 2 * 4);
	ioapic_write(&io, 0x10, (index >> 15) << 11 | 4);
	ioapic_line(&io, 4, true);
	assert_int_equal(fault(&r), 0x23); /* there is so much table, but no memory */
	assert_int_equal(vtd_read(&r.v, RECORD, 8) >> 48, index);
}

/* One bit in eight. */
static uint64_t scarce(uint64_t *seed)
{
	const uint64_t a = splitmix_next(seed), b = splitmix_next(seed);

	return a & b & splitmix_next(seed);
}

/* Whatever is written, wherever the tables are: it ends, and touches memory a bounded number of
 * times (the longest queue has 32768 descriptors, of two accesses at most). */
static void nothing_written_breaks_it(void **state)
{
	static const uint16_t registers[] = {COMMAND, FAULT_STATUS, FAULT_CONTROL, TAIL,
					     QUEUE,   COMPLETED,    TABLE,	   RECORD + 8};
	uint64_t seed = 0x9e3779b97f4a7c15ull;
	struct vtd_state saved;
	struct rig r;

	(void)state;
	start(&r);
	for (unsigned i = 0; i < MEMORY / 8; i++)
		put64(&r, 8 * i, scarce(&seed));
	for (unsigned i = 0; i < 20000; i++) {
		const uint64_t w = splitmix_next(&seed), value = splitmix_next(&seed);
		const unsigned size = w & 1 ? 4 : 8;
		uint64_t offset = w >> 8 & 0xfff;

		if (w & 2)
			offset = registers[w >> 20 & 7] + (w & 4 ? 4 : 0);
		r.touched = 0;
		vtd_write(&r.v, offset, size, w & 8 ? value & 0xffff0 : value);
		assert_in_range(r.touched, 0, 2 * 32768);
		vtd_read(&r.v, offset, size);
		vtd_msi(&r.v, (uint16_t)value, value, (uint32_t)splitmix_next(&seed));
		assert_in_range(get(&r, HEAD), 0, 0x7fff0);
		if (w >> 40 & 15)
			continue;
		for (unsigned j = 0; j < sizeof(saved); j++)
			((uint8_t *)&saved)[j] = (uint8_t)splitmix_next(&seed);
		vtd_load(&r.v, &saved);
	}
}

static void it_is_saved_whole(void **state)
{
	struct vtd_state saved;
	struct rig r, other;

	(void)state;
	remapping(&r);
	entry(&r, 5, 0x12345ull << 32 | 0x52 << 16 | 1, 0);
	set(&r, FAULT_DATA, 0x33);
	vtd_save(&r.v, &saved);
	start(&other);
	memcpy(other.memory, r.memory, MEMORY);
	vtd_load(&other.v, &saved);
	assert_memory_equal(&other.v.s, &r.v.s, sizeof(r.v.s));
	msi(&other, 5);
	assert_int_equal(other.last.dest, 0x12345);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_remaps_interrupts_and_translates_nothing),
		cmocka_unit_test(messages_go_by_until_it_remaps),
		cmocka_unit_test(a_message_is_what_its_entry_says),
		cmocka_unit_test(what_is_wrong_is_recorded_and_not_sent),
		cmocka_unit_test(a_fault_is_told_of_when_it_may_be),
		cmocka_unit_test(the_queue_answers_waits),
		cmocka_unit_test(the_queue_stops_at_what_is_none),
		cmocka_unit_test(an_ioapic_names_entries),
		cmocka_unit_test(nothing_written_breaks_it),
		cmocka_unit_test(it_is_saved_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
