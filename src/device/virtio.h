/* SPDX-License-Identifier: MIT */
/* A virtio device behind a register window (virtio 1.2, 4.2: virtio-mmio, version 2): its
 * registers, its split virtqueues, and an interrupt line, level while something is to be told.
 *
 * What kind of device it is, is the owner's: a struct virtio_kind, whose request() gets one chain
 * of buffers at a time, as bytes to read and room to write, and is done with it when it returns. A
 * driver is not trusted: a chain is walked once and holds no more buffers than its queue, an
 * address is used only by way of struct virtio_memory, whose owner refuses what the device may not
 * touch, and one notification is worth a bounded number of requests. A driver that breaks its queue
 * gets DEVICE_NEEDS_RESET.
 *
 * Indirect descriptors, event indices and packed queues are not offered. The owner serializes all
 * calls. Nothing is allocated. */
#ifndef DEVICE_VIRTIO_H
#define DEVICE_VIRTIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	VIRTIO_SIZE = 0x1000, /* of the window */
	VIRTIO_QUEUES = 2,
	VIRTIO_QUEUE_SIZE = 256,
	VIRTIO_CONFIG_MAX = 64,
	VIRTIO_BLOCK = 2, /* kinds */
	VIRTIO_FILES = 26,
};

#define VIRTIO_F_VERSION_1 (1ull << 32)
/* Addresses are the platform's: a TD's shared ones. */
#define VIRTIO_F_ACCESS_PLATFORM (1ull << 33)

/* What the device may touch. False: not all of it. */
struct virtio_memory {
	bool (*read)(void *arg, uint64_t gpa, void *buf, size_t len);
	bool (*write)(void *arg, uint64_t gpa, const void *buf, size_t len);
	/* The interrupt line. */
	void (*irq)(void *arg, bool high);
};

struct virtio;

struct virtio_request {
	struct virtio *v;
	unsigned queue, n;
	uint64_t out, in; /* bytes to read, room to write */
	struct virtio_buffer {
		uint64_t gpa;
		uint32_t size;
		bool in;
	} buffer[VIRTIO_QUEUE_SIZE];
};

struct virtio_kind {
	uint32_t id;	   /* VIRTIO_BLOCK ...; 0: there is no device */
	uint64_t features; /* of the kind; VERSION_1 is always there */
	uint64_t needed;   /* of these, what a driver has to take */
	unsigned queues;
	unsigned config_size; /* at most VIRTIO_CONFIG_MAX */
	uint8_t config[VIRTIO_CONFIG_MAX];
	/* How many bytes of the room were written, from its beginning; -1: the device cannot go on.
	 */
	int64_t (*request)(void *arg, struct virtio_request *r);
	void *arg;
};

/* Plain data, of this machine's byte order. */
struct virtio_state {
	uint64_t driver_features;
	uint32_t device_sel, driver_sel, queue_sel, status, interrupts, pad;
	struct virtio_queue_state {
		uint64_t descriptors, driver, device; /* addresses */
		uint16_t size, next, used;
		uint16_t ready;
	} queue[VIRTIO_QUEUES];
};

struct virtio {
	const struct virtio_kind *kind;
	const struct virtio_memory *memory;
	void *arg;
	struct virtio_state s;
};

/* State after power-on. What is pointed to is to stay. */
void virtio_init(struct virtio *v, const struct virtio_kind *kind,
		 const struct virtio_memory *memory, void *arg);
/* Its registers, of 4 bytes each, aligned; configuration also of 1, 2 and 8. Anything else reads as
 * 0. */
uint64_t virtio_read(struct virtio *v, uint64_t offset, unsigned size);
void virtio_write(struct virtio *v, uint64_t offset, unsigned size, uint64_t value);
/* Did the driver take all of these features? */
bool virtio_has(const struct virtio *v, uint64_t features);
void virtio_save(const struct virtio *v, struct virtio_state *s);
/* After virtio_init(): any bytes make some state that a guest could have made. The line is as that
 * says. */
void virtio_load(struct virtio *v, const struct virtio_state *s);

/* In request(): a piece of what there is to read, or of the room. False: it is not inside, or not
 * memory. */
bool virtio_get(const struct virtio_request *r, uint64_t offset, void *buf, size_t len);
bool virtio_put(const struct virtio_request *r, uint64_t offset, const void *buf, size_t len);

#endif
