/* SPDX-License-Identifier: MIT */
/* A virtio disk without a kernel: a driver's requests, and rings of one that wants out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "device/virtio_bank.h"
#include "device/virtio_block.h"

enum {
	MAGIC = 0x000,
	VERSION = 0x004,
	DEVICE = 0x008,
	FEATURES = 0x010,
	FEATURES_SEL = 0x014,
	DRIVER_FEATURES = 0x020,
	DRIVER_FEATURES_SEL = 0x024,
	QUEUE_SEL = 0x030,
	QUEUE_MAX = 0x034,
	QUEUE_SIZE = 0x038,
	QUEUE_READY = 0x044,
	NOTIFY = 0x050,
	INTERRUPTS = 0x060,
	ACK = 0x064,
	STATUS = 0x070,
	DESCRIPTORS = 0x080,
	DRIVER = 0x090,
	USED = 0x0a0,
	CONFIG = 0x100,
	ACKNOWLEDGED = 1 | 2,
	FEATURES_OK = 8,
	DRIVER_OK = 4,
	NEEDS_RESET = 64,
	RO = 1 << 5,
	FLUSH = 1 << 9,
	NEXT = 1,
	WRITE = 2,
	INDIRECT = 4,
	MEMORY = 0x10000,
	AT_DESCRIPTORS = 0x1000,
	AT_DRIVER = 0x2000,
	AT_USED = 0x3000,
	AT_HEADER = 0x4000,
	AT_STATUS = 0x4100,
	AT_DATA = 0x5000,
	SECTORS = 16,
	QUEUE = 8,
};

struct rig {
	struct virtio v;
	struct virtio_block disk;
	uint8_t memory[MEMORY], image[SECTORS * 512];
	unsigned rises, flushes;
	uint64_t touched; /* accesses to memory */
	bool line, fails;
	uint16_t given;
};

static bool inside(uint64_t pa, size_t len)
{
	return pa < MEMORY && len <= MEMORY - pa;
}

static bool read_memory(void *arg, uint64_t gpa, void *buf, size_t len)
{
	struct rig *r = arg;

	r->touched++;
	if (inside(gpa, len))
		memcpy(buf, r->memory + gpa, len);
	return inside(gpa, len);
}

static bool write_memory(void *arg, uint64_t gpa, const void *buf, size_t len)
{
	struct rig *r = arg;

	r->touched++;
	if (inside(gpa, len))
		memcpy(r->memory + gpa, buf, len);
	return inside(gpa, len);
}

static void irq(void *arg, bool high)
{
	struct rig *r = arg;

	r->rises += high && !r->line;
	r->line = high;
}

static bool load(void *arg, uint64_t offset, void *buf, size_t len)
{
	struct rig *r = arg;

	assert_true(offset <= sizeof(r->image) && len <= sizeof(r->image) - offset);
	memcpy(buf, r->image + offset, len);
	return !r->fails;
}

static bool store(void *arg, uint64_t offset, const void *buf, size_t len)
{
	struct rig *r = arg;

	assert_true(offset <= sizeof(r->image) && len <= sizeof(r->image) - offset);
	memcpy(r->image + offset, buf, len);
	return !r->fails;
}

static bool flush(void *arg)
{
	struct rig *r = arg;

	r->flushes++;
	return !r->fails;
}

static const struct virtio_memory memory = {read_memory, write_memory, irq};
static const struct virtio_block_ops block = {load, store, flush};

static void set(struct rig *r, uint64_t offset, uint32_t value)
{
	virtio_write(&r->v, offset, 4, value);
}

static uint32_t get(struct rig *r, uint64_t offset)
{
	return (uint32_t)virtio_read(&r->v, offset, 4);
}

static void power_on(struct rig *r, bool read_only)
{
	memset(r, 0, sizeof(*r));
	for (unsigned i = 0; i < sizeof(r->image); i++)
		r->image[i] = (uint8_t)(i * 7 + i / 512);
	virtio_block_init(&r->disk, sizeof(r->image) + 100, read_only, &block, r);
	virtio_init(&r->v, &r->disk.kind, &memory, r);
}

/* Features of the kind. True: the device agrees. */
static bool negotiate(struct rig *r, uint32_t features, uint32_t upper)
{
	set(r, STATUS, 0);
	set(r, STATUS, ACKNOWLEDGED);
	set(r, DRIVER_FEATURES_SEL, 0);
	set(r, DRIVER_FEATURES, features);
	set(r, DRIVER_FEATURES_SEL, 1);
	set(r, DRIVER_FEATURES, upper);
	set(r, STATUS, ACKNOWLEDGED | FEATURES_OK);
	return get(r, STATUS) & FEATURES_OK;
}

static void start(struct rig *r, uint32_t features)
{
	assert_true(negotiate(r, features, 1));
	set(r, QUEUE_SEL, 0);
	set(r, QUEUE_SIZE, QUEUE);
	set(r, DESCRIPTORS, AT_DESCRIPTORS);
	set(r, DRIVER, AT_DRIVER);
	set(r, USED, AT_USED);
	set(r, QUEUE_READY, 1);
	set(r, STATUS, ACKNOWLEDGED | FEATURES_OK | DRIVER_OK);
	r->given = 0;
}

static void put16(struct rig *r, uint64_t at, uint16_t v)
{
	memcpy(r->memory + at, &v, 2);
}

static uint16_t get16(const struct rig *r, uint64_t at)
{
	uint16_t v;

	memcpy(&v, r->memory + at, 2);
	return v;
}

static void descriptor(struct rig *r, unsigned i, uint64_t gpa, uint32_t size, unsigned flags,
		       unsigned next)
{
	uint8_t *d = r->memory + AT_DESCRIPTORS + 16 * i;
	const uint16_t words[2] = {(uint16_t)flags, (uint16_t)next};

	memcpy(d, &gpa, 8);
	memcpy(d + 8, &size, 4);
	memcpy(d + 12, words, 4);
}

static void give(struct rig *r, unsigned head)
{
	put16(r, AT_DRIVER + 4 + 2 * (r->given++ % QUEUE), (uint16_t)head);
	put16(r, AT_DRIVER + 2, r->given);
}

/* A request in three buffers; its status. */
static int ask(struct rig *r, uint32_t type, uint64_t sector, uint32_t size, bool in)
{
	const uint32_t words[2] = {type, 0};

	memcpy(r->memory + AT_HEADER, words, 8);
	memcpy(r->memory + AT_HEADER + 8, &sector, 8);
	r->memory[AT_STATUS] = 0xee;
	descriptor(r, 0, AT_HEADER, 16, NEXT, 1);
	descriptor(r, 1, AT_DATA, size, NEXT | (in ? WRITE : 0), 2);
	descriptor(r, 2, AT_STATUS, 1, WRITE, 0);
	give(r, 0);
	set(r, NOTIFY, 0);
	assert_int_equal(get16(r, AT_USED + 2), r->given);
	return r->memory[AT_STATUS];
}

static void a_driver_finds_a_disk(void **state)
{
	struct rig *r = malloc(sizeof(*r));

	(void)state;
	power_on(r, false);
	assert_int_equal(get(r, MAGIC), 0x74726976);
	assert_int_equal(get(r, VERSION), 2);
	assert_int_equal(get(r, DEVICE), 2);
	assert_int_equal(get(r, QUEUE_MAX), VIRTIO_QUEUE_SIZE);
	set(r, QUEUE_SEL, 1);
	assert_int_equal(get(r, QUEUE_MAX), 0);
	assert_int_equal(virtio_read(&r->v, CONFIG, 8), SECTORS); /* whole ones */
	assert_int_equal(virtio_read(&r->v, CONFIG + 100, 8), 0);
	assert_int_equal(virtio_read(&r->v, MAGIC, 2), 0);
	set(r, FEATURES_SEL, 1);
	assert_int_equal(get(r, FEATURES), 1);
	set(r, FEATURES_SEL, 2);
	assert_int_equal(get(r, FEATURES), 0);
	/* What is not offered, and what is not taken and needed. */
	assert_false(negotiate(r, 1u << 28, 1));
	assert_false(negotiate(r, 0, 0));
	assert_true(negotiate(r, FLUSH, 1));
	r->disk.kind.features |= VIRTIO_F_ACCESS_PLATFORM;
	r->disk.kind.needed = VIRTIO_F_ACCESS_PLATFORM;
	assert_false(negotiate(r, FLUSH, 1));
	assert_true(negotiate(r, FLUSH, 3));
	free(r);
}

static void an_empty_place_is_no_device(void **state)
{
	static const struct virtio_kind none = {0};
	struct rig *r = malloc(sizeof(*r));

	(void)state;
	power_on(r, false);
	virtio_init(&r->v, &none, &memory, r);
	assert_int_equal(get(r, MAGIC), 0x74726976);
	assert_int_equal(get(r, DEVICE), 0);
	for (uint64_t at = 0; at < VIRTIO_SIZE; at += 4)
		set(r, at, ~0u);
	assert_int_equal(r->touched, 0);
	assert_false(r->line);
	free(r);
}

static void it_reads_and_writes(void **state)
{
	struct rig *r = malloc(sizeof(*r));

	(void)state;
	power_on(r, false);
	start(r, FLUSH);
	assert_int_equal(ask(r, 0, 3, 1024, true), 0);
	assert_memory_equal(r->memory + AT_DATA, r->image + 3 * 512, 1024);
	assert_true(r->line);
	assert_int_equal(get(r, INTERRUPTS), 1);
	set(r, ACK, 1);
	assert_false(r->line);
	memset(r->memory + AT_DATA, 0x5a, 512);
	assert_int_equal(ask(r, 1, 15, 512, false), 0);
	assert_memory_equal(r->memory + AT_DATA, r->image + 15 * 512, 512);
	assert_int_equal(r->flushes, 0);
	assert_int_equal(ask(r, 4, 0, 0, false), 0);
	assert_int_equal(r->flushes, 1);
	assert_int_equal(ask(r, 8, 0, 20, true), 0);
	assert_memory_equal(r->memory + AT_DATA, "swtdx", 5);
	assert_int_equal(ask(r, 77, 0, 20, true), 2);
	/* Whose driver does not flush is not to lose anything. */
	start(r, 0);
	assert_int_equal(ask(r, 1, 0, 512, false), 0);
	assert_int_equal(r->flushes, 2);
	/* It may ask not to be told. */
	set(r, ACK, 1);
	put16(r, AT_DRIVER, 1);
	assert_int_equal(ask(r, 0, 3, 1024, true), 0);
	assert_false(r->line);
	free(r);
}

static void what_is_not_on_the_disk_is_an_error(void **state)
{
	struct rig *r = malloc(sizeof(*r));

	(void)state;
	power_on(r, false);
	start(r, FLUSH);
	assert_int_equal(ask(r, 0, SECTORS, 512, true), 1);
	assert_int_equal(ask(r, 0, SECTORS - 1, 1024, true), 1);
	assert_int_equal(ask(r, 0, ~0ull, 512, true), 1);
	assert_int_equal(ask(r, 0, 1ull << 55, 512, true), 1);
	assert_int_equal(ask(r, 0, 0, 100, true), 1);
	assert_int_equal(ask(r, 1, SECTORS, 512, false), 1);
	r->fails = true;
	assert_int_equal(ask(r, 0, 0, 512, true), 1);
	assert_int_equal(ask(r, 1, 0, 512, false), 1);
	assert_int_equal(ask(r, 4, 0, 0, false), 1);
	power_on(r, true);
	start(r, FLUSH | RO);
	r->memory[AT_DATA] = (uint8_t)~r->image[0];
	assert_int_equal(ask(r, 1, 0, 512, false), 1);
	assert_int_equal(r->image[0], 0);
	free(r);
}

/* Each breaks the queue, and a reset mends it. */
static void a_queue_that_cannot_be_needs_a_reset(void **state)
{
	struct rig *r = malloc(sizeof(*r));

	(void)state;
	for (unsigned how = 0; how < 12; how++) {
		power_on(r, false);
		start(r, FLUSH);
		descriptor(r, 0, AT_HEADER, 16, NEXT, 1);
		descriptor(r, 1, AT_STATUS, 1, WRITE, 0);
		switch (how) {
		case 0: /* around for ever */
			descriptor(r, 1, AT_STATUS, 1, NEXT | WRITE, 1);
			break;
		case 1:
			descriptor(r, 0, AT_HEADER, 16, NEXT, QUEUE);
			break;
		case 2:
			descriptor(r, 0, AT_HEADER, 16, NEXT | INDIRECT, 1);
			break;
		case 3: /* what is read comes after the room */
			descriptor(r, 0, AT_STATUS, 1, NEXT | WRITE, 1);
			descriptor(r, 1, AT_HEADER, 16, 0, 0);
			break;
		case 4: /* no place for the status */
			descriptor(r, 0, AT_HEADER, 16, 0, 0);
			break;
		case 5:
			descriptor(r, 1, ~0ull, 1, WRITE, 0);
			break;
		case 6:
			descriptor(r, 0, AT_HEADER, 15, NEXT, 1);
			break;
		case 7:
			give(r, QUEUE);
			put16(r, AT_DRIVER + 4, QUEUE);
			break;
		case 8: /* more than there can be */
			r->given = QUEUE + 1;
			break;
		case 9:
			set(r, QUEUE_READY, 0);
			set(r, DESCRIPTORS + 4, ~0u);
			set(r, QUEUE_READY, 1);
			break;
		case 10:
			set(r, QUEUE_READY, 0);
			set(r, USED, MEMORY - 8);
			set(r, QUEUE_READY, 1);
			break;
		default: /* more room than there are addresses */
			descriptor(r, 0, AT_HEADER, 16, NEXT, 1);
			descriptor(r, 1, ~0ull - 8, ~0u, NEXT | WRITE, 2);
			descriptor(r, 2, AT_STATUS, ~0u, WRITE, 0);
			break;
		}
		give(r, 0);
		r->touched = 0;
		set(r, NOTIFY, 0);
		if (!(get(r, STATUS) & NEEDS_RESET))
			fail_msg("%u breaks nothing", how);
		assert_int_equal(get(r, INTERRUPTS) & 2, 2);
		assert_in_range(r->touched, 0, 64);
		set(r, NOTIFY, 0); /* and it stays so */
		assert_true(get(r, STATUS) & NEEDS_RESET);
		memset(r->memory, 0, MEMORY);
		start(r, FLUSH);
		assert_int_equal(ask(r, 0, 3, 512, true), 0);
	}
	free(r);
}

static uint64_t random_word(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

/* A descriptor that has some chance to be one. */
static void random_descriptor(struct rig *r, unsigned i, uint64_t *seed)
{
	const uint64_t w = random_word(seed);
	const uint64_t gpa = w & 7 ? random_word(seed) % MEMORY : random_word(seed);
	const uint32_t size = w & 0x38 ? (uint32_t)(w >> 32 & 0x7ff) : (uint32_t)(w >> 20);

	descriptor(r, i, gpa, size, (unsigned)(w >> 8) & (w & 0x40 ? 3 : 7),
		   (unsigned)(w >> 16) & (QUEUE + 1));
}

/* Whatever is in its rings and registers: each notification ends after so many accesses (twice the
 * longest queue, of a whole disk and as many descriptors each at most), memory and disk are
 * accessed inside alone (their callbacks look), and a reset brings it back. */
static void nothing_in_memory_breaks_it(void **state)
{
	static const uint16_t registers[] = {STATUS, QUEUE_SIZE,   QUEUE_READY,	   NOTIFY,
					     ACK,    QUEUE_SEL,	   DESCRIPTORS,	   DRIVER,
					     USED,   FEATURES_SEL, DRIVER_FEATURES};
	struct rig *r = malloc(sizeof(*r));
	uint64_t seed = 0x853c49e6748fea9bull;
	struct virtio_state saved;

	(void)state;
	power_on(r, false);
	for (unsigned i = 0; i < 40000; i++) {
		const uint64_t w = random_word(&seed);

		if (i % 64 == 0) {
			start(r, FLUSH);
			for (unsigned j = 0; j < 64; j++)
				r->memory[AT_HEADER + j] = (uint8_t)(w >> j % 8 & 1);
		}
		random_descriptor(r, w >> 8 & (QUEUE - 1), &seed);
		if (w & 1)
			give(r, w >> 16 & (QUEUE - 1));
		if ((w >> 20 & 0xf) == 0)
			put16(r, w >> 24 & (MEMORY - 2), (uint16_t)(w >> 48));
		if ((w >> 40 & 0xf) == 0)
			set(r, registers[w >> 44 & 7], (uint32_t)random_word(&seed));
		if ((w >> 40 & 0xff) == 1)
			virtio_write(&r->v, w >> 50 & 0xfff, w & 2 ? 4 : 8, random_word(&seed));
		if ((w >> 40 & 0xff) == 2) {
			for (unsigned j = 0; j < sizeof(saved); j++)
				((uint8_t *)&saved)[j] = (uint8_t)random_word(&seed);
			virtio_load(&r->v, &saved);
		}
		r->touched = 0;
		set(r, NOTIFY, w & 0x100000000ull ? 0 : (uint32_t)w);
		assert_in_range(r->touched, 0, 1u << 20);
	}
	memset(r->memory, 0, MEMORY);
	start(r, FLUSH);
	assert_int_equal(ask(r, 0, 3, 512, true), 0);
	free(r);
}

static void it_is_saved_whole(void **state)
{
	struct rig *r = malloc(sizeof(*r)), *other = malloc(sizeof(*other));
	struct virtio_state saved;

	(void)state;
	power_on(r, false);
	start(r, FLUSH);
	assert_int_equal(ask(r, 0, 3, 512, true), 0);
	virtio_save(&r->v, &saved);
	power_on(other, false);
	memcpy(other->memory, r->memory, MEMORY);
	virtio_load(&other->v, &saved);
	assert_true(other->line);
	other->given = r->given;
	assert_int_equal(ask(other, 0, 4, 512, true), 0);
	assert_memory_equal(other->memory + AT_DATA, other->image + 4 * 512, 512);
	free(other);
	free(r);
}

struct bank {
	struct virtio_bank bank;
	struct rig *rig;
	void *by;      /* of the last access to memory */
	unsigned high; /* lines, by place */
};

static bool bank_reads(void *arg, void *by, uint64_t gpa, void *buf, size_t len)
{
	struct bank *b = arg;

	b->by = by;
	return read_memory(b->rig, gpa, buf, len);
}

static bool bank_writes(void *arg, void *by, uint64_t gpa, const void *buf, size_t len)
{
	struct bank *b = arg;

	b->by = by;
	return write_memory(b->rig, gpa, buf, len);
}

static void bank_irq(void *arg, unsigned place, bool high)
{
	struct bank *b = arg;

	b->high = high ? b->high | 1u << place : b->high & ~(1u << place);
}

static const struct virtio_bank_ops bank_ops = {bank_reads, bank_writes, bank_irq};

static void a_bank_has_a_device_a_window(void **state)
{
	enum { LAST = VIRTIO_BANK - 1 };
	const uint64_t at = LAST * VIRTIO_SIZE;
	struct bank *b = calloc(1, sizeof(*b));
	const struct virtio_kind *kind[VIRTIO_BANK] = {0};
	uint64_t v;
	int me;

	(void)state;
	b->rig = malloc(sizeof(*b->rig));
	power_on(b->rig, false);
	start(b->rig, FLUSH);
	assert_int_equal(ask(b->rig, 0, 3, 512, true), 0);
	kind[0] = kind[LAST] = &b->rig->disk.kind;
	virtio_bank_init(&b->bank, kind, &bank_ops, b);
	for (unsigned i = 0; i < VIRTIO_BANK; i++) {
		assert_true(virtio_bank_read(&b->bank, NULL, i * VIRTIO_SIZE + DEVICE, 4, &v));
		assert_int_equal(v, i == 0 || i == LAST ? VIRTIO_BLOCK : 0);
	}
	assert_false(virtio_bank_read(&b->bank, NULL, VIRTIO_BANK * VIRTIO_SIZE, 4, &v));
	assert_false(virtio_bank_write(&b->bank, NULL, -(uint64_t)VIRTIO_SIZE, 4, 0));

	/* The last one goes on with the queue of the rig's own device. */
	set(b->rig, ACK, 1);
	virtio_load(&b->bank.device[LAST].virtio, &b->rig->v.s);
	give(b->rig, 0);
	assert_true(virtio_bank_write(&b->bank, &me, at + NOTIFY, 4, 0));
	assert_ptr_equal(b->by, &me);
	assert_int_equal(b->high, 1u << LAST);
	assert_true(virtio_bank_write(&b->bank, NULL, at + ACK, 4, 1));
	assert_int_equal(b->high, 0);
	virtio_bank_destroy(&b->bank);
	free(b->rig);
	free(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_driver_finds_a_disk),
		cmocka_unit_test(an_empty_place_is_no_device),
		cmocka_unit_test(it_reads_and_writes),
		cmocka_unit_test(what_is_not_on_the_disk_is_an_error),
		cmocka_unit_test(a_queue_that_cannot_be_needs_a_reset),
		cmocka_unit_test(nothing_in_memory_breaks_it),
		cmocka_unit_test(it_is_saved_whole),
		cmocka_unit_test(a_bank_has_a_device_a_window),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
