/* SPDX-License-Identifier: MIT */
/* See device/virtio.h. */
#include "device/virtio.h"

#include <string.h>

enum virtio_register {
	REG_MAGIC = 0x000,
	REG_VERSION = 0x004,
	REG_DEVICE = 0x008,
	REG_VENDOR = 0x00c,
	REG_FEATURES = 0x010,
	REG_FEATURES_SEL = 0x014,
	REG_DRIVER_FEATURES = 0x020,
	REG_DRIVER_FEATURES_SEL = 0x024,
	REG_QUEUE_SEL = 0x030,
	REG_QUEUE_MAX = 0x034,
	REG_QUEUE_SIZE = 0x038,
	REG_QUEUE_READY = 0x044,
	REG_NOTIFY = 0x050,
	REG_INTERRUPTS = 0x060,
	REG_INTERRUPTS_ACK = 0x064,
	REG_STATUS = 0x070,
	REG_DESCRIPTORS = 0x080, /* low word, high word */
	REG_DRIVER = 0x090,
	REG_DEVICE_AREA = 0x0a0,
	REG_SHARED_MEMORY = 0x0b0, /* length and base of the region selected: there is none */
	REG_SHARED_MEMORY_END = 0x0bc,
	REG_GENERATION = 0x0fc,
	REG_CONFIG = 0x100,
	MAGIC = 0x74726976,  /* "virt" */
	VENDOR = 0x58445453, /* "STDX" */
	VERSION = 2,
};

enum { INTERRUPT_USED = 1, INTERRUPT_CONFIG = 2 };

enum {
	STATUS_DRIVER_OK = 4,
	STATUS_FEATURES_OK = 8,
	STATUS_NEEDS_RESET = 64,
	STATUS_BITS = 0xcf,
};

enum {
	DESCRIPTOR = 16,
	DESC_NEXT = 1,
	DESC_WRITE = 2,
	DESC_INDIRECT = 4,
	AVAIL_NO_INTERRUPT = 1,
	AVAIL_INDEX = 2,
	AVAIL_RING = 4,
	USED_INDEX = 2,
	USED_RING = 4,
	USED_ELEMENT = 8,
	/* Requests that one notification is worth: more than a driver can have given before it
	 * notified. */
	PASS = 2 * VIRTIO_QUEUE_SIZE,
};

static uint64_t features(const struct virtio *v)
{
	return v->kind->features | VIRTIO_F_VERSION_1;
}

bool virtio_has(const struct virtio *v, uint64_t wanted)
{
	return (v->s.driver_features & wanted) == wanted;
}

static void look(struct virtio *v)
{
	v->memory->irq(v->arg, v->s.interrupts != 0);
}

static void interrupt(struct virtio *v, uint32_t why)
{
	v->s.interrupts |= why;
	look(v);
}

static void broken(struct virtio *v)
{
	v->s.status |= STATUS_NEEDS_RESET;
	interrupt(v, INTERRUPT_CONFIG);
}

/* --- queues --- */

static bool read16(struct virtio *v, uint64_t gpa, uint16_t *value)
{
	return v->memory->read(v->arg, gpa, value, sizeof(*value));
}

struct descriptor {
	uint64_t gpa;
	uint32_t size;
	uint16_t flags, next;
};

/* What there is to read comes before the room (2.7.4.2). False: it is no chain. */
static bool gather(struct virtio_request *r, const struct virtio_queue_state *q, unsigned at)
{
	struct virtio *v = r->v;
	struct descriptor d = {.flags = DESC_NEXT, .next = (uint16_t)at};

	r->n = 0;
	r->out = r->in = 0;
	while (d.flags & DESC_NEXT) {
		if (d.next >= q->size || r->n == q->size ||
		    !v->memory->read(v->arg, q->descriptors + (uint64_t)d.next * DESCRIPTOR, &d,
				     sizeof(d)))
			return false;
		if (d.flags & DESC_INDIRECT || (r->in && !(d.flags & DESC_WRITE)))
			return false;
		r->buffer[r->n++] = (struct virtio_buffer){d.gpa, d.size, d.flags & DESC_WRITE};
		*(d.flags & DESC_WRITE ? &r->in : &r->out) += d.size;
	}
	return true;
}

static bool give_back(struct virtio *v, struct virtio_queue_state *q, uint16_t head, uint32_t len)
{
	const uint32_t element[2] = {head, len};
	const uint16_t next = (uint16_t)(q->used + 1);

	if (!v->memory->write(v->arg,
			      q->device + USED_RING + (uint64_t)(q->used % q->size) * USED_ELEMENT,
			      element, sizeof(element)) ||
	    !v->memory->write(v->arg, q->device + USED_INDEX, &next, sizeof(next)))
		return false;
	q->used = next;
	return true;
}

/* One request. False: the queue is broken. */
static bool serve(struct virtio *v, unsigned queue)
{
	struct virtio_queue_state *q = &v->s.queue[queue];
	struct virtio_request r = {.v = v, .queue = queue};
	uint16_t head;
	int64_t len;

	if (!read16(v, q->driver + AVAIL_RING + 2ull * (q->next % q->size), &head) ||
	    head >= q->size || !gather(&r, q, head))
		return false;
	len = v->kind->request(v->kind->arg, &r);
	if (len < 0 || (uint64_t)len > r.in || len > UINT32_MAX)
		return false;
	q->next++;
	return give_back(v, q, head, (uint32_t)len);
}

static void notified(struct virtio *v, uint32_t queue)
{
	struct virtio_queue_state *q;
	bool served = false;
	uint16_t index, flags = 0;

	if (queue >= v->kind->queues || !(v->s.status & STATUS_DRIVER_OK))
		return;
	q = &v->s.queue[queue];
	for (unsigned n = 0; n < PASS && !(v->s.status & STATUS_NEEDS_RESET); n++) {
		if (!q->ready)
			break;
		if (!read16(v, q->driver + AVAIL_INDEX, &index) ||
		    (uint16_t)(index - q->next) > q->size) {
			broken(v);
			break;
		}
		if (index == q->next)
			break;
		if (serve(v, queue))
			served = true;
		else
			broken(v);
	}
	if (served && read16(v, q->driver, &flags) && !(flags & AVAIL_NO_INTERRUPT))
		interrupt(v, INTERRUPT_USED);
}

/* --- a request's bytes --- */

static bool copy(const struct virtio_request *r, bool in, uint64_t offset, uint8_t *buf, size_t len)
{
	const struct virtio_memory *m = r->v->memory;

	for (unsigned i = 0; i < r->n && len; i++) {
		const struct virtio_buffer *b = &r->buffer[i];
		size_t n;

		if (b->in != in)
			continue;
		if (offset >= b->size) {
			offset -= b->size;
			continue;
		}
		n = b->size - (size_t)offset < len ? b->size - (size_t)offset : len;
		if (in ? !m->write(r->v->arg, b->gpa + offset, buf, n)
		       : !m->read(r->v->arg, b->gpa + offset, buf, n))
			return false;
		offset = 0;
		buf += n;
		len -= n;
	}
	return len == 0;
}

bool virtio_get(const struct virtio_request *r, uint64_t offset, void *buf, size_t len)
{
	return copy(r, false, offset, buf, len);
}

bool virtio_put(const struct virtio_request *r, uint64_t offset, const void *buf, size_t len)
{
	return copy(r, true, offset, (uint8_t *)(uintptr_t)buf, len);
}

/* --- registers --- */

static void reset(struct virtio *v)
{
	v->s = (struct virtio_state){0};
	for (unsigned i = 0; i < VIRTIO_QUEUES; i++)
		v->s.queue[i].size = VIRTIO_QUEUE_SIZE;
}

void virtio_init(struct virtio *v, const struct virtio_kind *kind,
		 const struct virtio_memory *memory, void *arg)
{
	*v = (struct virtio){.kind = kind, .memory = memory, .arg = arg};
	reset(v);
}

/* Features that are not there, or not what is needed, are told by FEATURES_OK staying clear. */
static void set_status(struct virtio *v, uint32_t value)
{
	const bool agreed = v->s.status & STATUS_FEATURES_OK;

	if (!value) {
		reset(v);
		look(v);
		return;
	}
	value &= STATUS_BITS & ~(uint32_t)STATUS_NEEDS_RESET;
	if (!agreed && value & STATUS_FEATURES_OK &&
	    (v->s.driver_features & ~features(v) ||
	     !virtio_has(v, v->kind->needed | VIRTIO_F_VERSION_1)))
		value &= ~(uint32_t)STATUS_FEATURES_OK;
	if (!(value & STATUS_FEATURES_OK))
		value &= ~(uint32_t)STATUS_DRIVER_OK;
	v->s.status = value | (v->s.status & STATUS_NEEDS_RESET);
}

static struct virtio_queue_state *selected(struct virtio *v)
{
	return v->s.queue_sel < v->kind->queues ? &v->s.queue[v->s.queue_sel] : NULL;
}

static uint64_t read_config(const struct virtio *v, uint64_t offset, unsigned size)
{
	uint64_t value = 0;

	if (offset < v->kind->config_size && size <= v->kind->config_size - offset &&
	    size <= sizeof(value))
		memcpy(&value, v->kind->config + offset, size);
	return value;
}

static uint32_t read_register(struct virtio *v, uint64_t offset)
{
	const struct virtio_queue_state *q = selected(v);

	switch (offset) {
	case REG_MAGIC:
		return MAGIC;
	case REG_VERSION:
		return VERSION;
	case REG_DEVICE:
		return v->kind->id;
	case REG_VENDOR:
		return VENDOR;
	case REG_FEATURES:
		return v->s.device_sel > 1 ? 0 : (uint32_t)(features(v) >> 32 * v->s.device_sel);
	case REG_QUEUE_MAX:
		return q ? VIRTIO_QUEUE_SIZE : 0;
	case REG_QUEUE_READY:
		return q ? q->ready : 0;
	case REG_INTERRUPTS:
		return v->s.interrupts;
	case REG_STATUS:
		return v->s.status;
	case REG_SHARED_MEMORY ... REG_SHARED_MEMORY_END:
		return ~0u;
	default:
		return 0;
	}
}

uint64_t virtio_read(struct virtio *v, uint64_t offset, unsigned size)
{
	if (offset >= REG_CONFIG)
		return read_config(v, offset - REG_CONFIG, size);
	return size == 4 && offset % 4 == 0 ? read_register(v, offset) : 0;
}

static void set_word(uint64_t *address, bool upper, uint32_t value)
{
	const unsigned shift = upper ? 32 : 0;

	*address = (*address & ~(0xffffffffull << shift)) | (uint64_t)value << shift;
}

/* A queue is where it is while it is ready. */
static void write_queue(struct virtio *v, uint64_t offset, uint32_t value)
{
	struct virtio_queue_state *q = selected(v);

	if (!q)
		return;
	if (offset == REG_QUEUE_READY) {
		q->ready = value & 1;
		if (!q->ready)
			q->next = q->used = 0;
		return;
	}
	if (q->ready)
		return;
	switch (offset) {
	case REG_QUEUE_SIZE:
		/* Sizes are powers of two; another is not taken. */
		if (value && value <= VIRTIO_QUEUE_SIZE && !(value & (value - 1)))
			q->size = (uint16_t)value;
		break;
	case REG_DESCRIPTORS:
	case REG_DESCRIPTORS + 4:
		set_word(&q->descriptors, offset & 4, value);
		break;
	case REG_DRIVER:
	case REG_DRIVER + 4:
		set_word(&q->driver, offset & 4, value);
		break;
	case REG_DEVICE_AREA:
	case REG_DEVICE_AREA + 4:
		set_word(&q->device, offset & 4, value);
		break;
	default:
		break;
	}
}

static void write_register(struct virtio *v, uint64_t offset, uint32_t value)
{
	switch (offset) {
	case REG_FEATURES_SEL:
		v->s.device_sel = value;
		break;
	case REG_DRIVER_FEATURES_SEL:
		v->s.driver_sel = value;
		break;
	case REG_DRIVER_FEATURES:
		if (v->s.driver_sel < 2 && !(v->s.status & STATUS_FEATURES_OK))
			set_word(&v->s.driver_features, v->s.driver_sel, value);
		break;
	case REG_QUEUE_SEL:
		v->s.queue_sel = value;
		break;
	case REG_NOTIFY:
		notified(v, value);
		break;
	case REG_INTERRUPTS_ACK:
		v->s.interrupts &= ~value;
		/* What is left is told again, to who listens for edges too. */
		v->memory->irq(v->arg, false);
		look(v);
		break;
	case REG_STATUS:
		set_status(v, value);
		break;
	default:
		write_queue(v, offset, value);
		break;
	}
}

/* Nothing of any configuration can be written. */
void virtio_write(struct virtio *v, uint64_t offset, unsigned size, uint64_t value)
{
	if (v->kind->id && offset < REG_CONFIG && size == 4 && offset % 4 == 0)
		write_register(v, offset, (uint32_t)value);
}

void virtio_save(const struct virtio *v, struct virtio_state *s)
{
	*s = v->s;
}

void virtio_load(struct virtio *v, const struct virtio_state *state)
{
	v->s = *state;
	v->s.status &= STATUS_BITS;
	v->s.interrupts &= INTERRUPT_USED | INTERRUPT_CONFIG;
	if (!v->kind->id)
		reset(v);
	for (unsigned i = 0; i < VIRTIO_QUEUES; i++) {
		struct virtio_queue_state *q = &v->s.queue[i];

		if (!q->size || q->size > VIRTIO_QUEUE_SIZE || q->size & (q->size - 1))
			q->size = VIRTIO_QUEUE_SIZE;
		q->ready &= 1;
	}
	look(v);
}
