/* SPDX-License-Identifier: MIT */
/* What a driver may do to a virtio disk, VT-d and an I/O APIC, with memory that it fills: they stay
 * inside their memory and their disk, an access ends after a bounded number of its own, and what
 * they are saved as is what they are loaded as. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "device/ioapic.h"
#include "device/virtio_block.h"
#include "device/vtd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum {
	MEMORY = 0x8000,
	DISK = 64 * 512,
	OPERATIONS_MAX = 4096,
	/* Of one access: twice the longest queue, of requests with as many descriptors each, and
	 * pieces of the disk for each of these. */
	TOUCHED_MAX = 2 * VIRTIO_QUEUE_SIZE * 4 * (VIRTIO_QUEUE_SIZE + 4),
	/* A driver's first steps, so that not each input has to find them. */
	AT_DESCRIPTORS = 0x1000,
	AT_DRIVER = 0x2000,
	AT_USED = 0x3000,
};

struct rig {
	struct virtio v;
	struct virtio_block disk;
	struct vtd vtd;
	struct ioapic ioapic;
	unsigned touched;
	uint8_t memory[MEMORY], image[DISK];
};

static void must(bool holds)
{
	if (!holds)
		abort();
}

/* --- what is around them --- */

static bool inside(struct rig *r, uint64_t pa, size_t len)
{
	must(++r->touched <= TOUCHED_MAX);
	return pa < MEMORY && len <= MEMORY - pa;
}

static bool reads(void *arg, uint64_t pa, void *buf, size_t len)
{
	struct rig *r = arg;
	const bool ok = inside(r, pa, len);

	if (ok)
		memcpy(buf, r->memory + pa, len);
	return ok;
}

static bool writes(void *arg, uint64_t pa, const void *buf, size_t len)
{
	struct rig *r = arg;
	const bool ok = inside(r, pa, len);

	if (ok)
		memcpy(r->memory + pa, buf, len);
	return ok;
}

static bool load(void *arg, uint64_t offset, void *buf, size_t len)
{
	must(offset <= DISK && len <= DISK - offset);
	memcpy(buf, ((struct rig *)arg)->image + offset, len);
	return true;
}

static bool store(void *arg, uint64_t offset, const void *buf, size_t len)
{
	must(offset <= DISK && len <= DISK - offset);
	memcpy(((struct rig *)arg)->image + offset, buf, len);
	return true;
}

static bool flush(void *arg)
{
	return arg;
}

static void line(void *arg, bool high)
{
	ioapic_line(&((struct rig *)arg)->ioapic, 16, high);
}

static void msi(void *arg, uint64_t address, uint32_t data)
{
	vtd_msi(&((struct rig *)arg)->vtd, VTD_IOAPIC_SOURCE, address, data);
}

static void message(void *arg, const struct apic_message *m)
{
	must(arg && m->shorthand == APIC_TO_DEST);
}

static const struct virtio_memory memory = {reads, writes, line};
static const struct virtio_block_ops block = {load, store, flush};
static const struct vtd_ops vtd_ops = {reads, writes, message};
static const struct ioapic_ops ioapic_ops = {msi};

/* --- the driver --- */

static void set(struct rig *r, uint64_t offset, uint32_t value)
{
	virtio_write(&r->v, offset, 4, value);
}

static void start(struct rig *r)
{
	set(r, 0x070, 0);
	set(r, 0x070, 3);
	set(r, 0x024, 0);
	set(r, 0x020, VIRTIO_BLOCK_F_FLUSH);
	set(r, 0x024, 1);
	set(r, 0x020, 1);
	set(r, 0x070, 11);
	set(r, 0x038, 16);
	set(r, 0x080, AT_DESCRIPTORS);
	set(r, 0x090, AT_DRIVER);
	set(r, 0x0a0, AT_USED);
	set(r, 0x044, 1);
	set(r, 0x070, 15);
}

/* A state that a driver has brought about is saved and loaded as it is. */
static void again(struct rig *r)
{
	struct virtio_state v, v2;
	struct vtd_state t, t2;
	struct ioapic_state i, i2;
	struct rig *other = calloc(1, sizeof(*other));

	if (!other)
		return;
	ioapic_init(&other->ioapic, &ioapic_ops, other);
	vtd_init(&other->vtd, &vtd_ops, other);
	virtio_init(&other->v, &r->disk.kind, &memory, other);
	ioapic_save(&r->ioapic, &i);
	ioapic_load(&other->ioapic, &i);
	ioapic_save(&other->ioapic, &i2);
	must(!memcmp(&i, &i2, sizeof(i)));
	vtd_save(&r->vtd, &t);
	vtd_load(&other->vtd, &t);
	vtd_save(&other->vtd, &t2);
	must(!memcmp(&t, &t2, sizeof(t)));
	virtio_save(&r->v, &v);
	virtio_load(&other->v, &v);
	virtio_save(&other->v, &v2);
	must(!memcmp(&v, &v2, sizeof(v)));
	free(other);
}

/* An operation: what, width, where, value. Returns the bytes taken. */
static size_t operate(struct rig *r, const uint8_t *op, size_t size)
{
	const unsigned width = 1u << (op[0] >> 4 & 3);
	const uint64_t at = (uint64_t)op[1] | (uint64_t)op[2] << 8;
	struct virtio_state v;
	struct vtd_state t;
	uint64_t value;
	size_t n;

	memcpy(&value, op + 4, sizeof(value));
	r->touched = 0;
	switch (op[0] & 0xf) {
	case 0: /* memory: what follows */
		n = op[3] < size - 12 ? op[3] : size - 12;
		if (at < MEMORY && n <= MEMORY - at)
			memcpy(r->memory + at, op + 12, n);
		return 12 + n;
	case 1: /* the next request of the driver's */
		r->memory[AT_DRIVER + 2]++;
		set(r, 0x050, 0);
		break;
	case 2:
		virtio_write(&r->v, at, width, value);
		break;
	case 3:
		(void)virtio_read(&r->v, at, width);
		break;
	case 4:
		vtd_write(&r->vtd, at, width, value);
		break;
	case 5:
		(void)vtd_read(&r->vtd, at, width);
		break;
	case 6:
		vtd_msi(&r->vtd, (uint16_t)at, value & 0xffffffff, (uint32_t)(value >> 32));
		break;
	case 7:
		ioapic_write(&r->ioapic, at, (uint32_t)value);
		break;
	case 8:
		ioapic_line(&r->ioapic, op[1] % IOAPIC_PINS, op[2] & 1);
		break;
	case 9:
		ioapic_eoi(&r->ioapic, op[1]);
		break;
	case 10:
		start(r);
		break;
	case 11:
		again(r);
		break;
	default: /* another's state: any bytes */
		if (size >= 12 + sizeof(v)) {
			memcpy(&v, op + 12, sizeof(v));
			virtio_load(&r->v, &v);
		}
		if (size >= 12 + sizeof(t)) {
			memcpy(&t, op + 12, sizeof(t));
			vtd_load(&r->vtd, &t);
		}
		break;
	}
	return 12;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rig *r = calloc(1, sizeof(*r));
	uint8_t *copy = malloc(size ? size : 1);
	size_t at = 0;

	if (!r || !copy)
		abort();
	if (size)
		memcpy(copy, data, size);
	virtio_block_init(&r->disk, sizeof(r->image), false, &block, r);
	ioapic_init(&r->ioapic, &ioapic_ops, r);
	vtd_init(&r->vtd, &vtd_ops, r);
	virtio_init(&r->v, &r->disk.kind, &memory, r);
	start(r);
	for (unsigned n = 0; n < OPERATIONS_MAX && size - at >= 12; n++)
		at += operate(r, copy + at, size - at);
	again(r);
	free(copy);
	free(r);
	return 0;
}
