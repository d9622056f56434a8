/* SPDX-License-Identifier: MIT */
/* A machine's places for virtio devices: windows one after the other, an interrupt line each. Safe
 * for several threads: each device has a lock, which is held while a request of it is served, on
 * the thread of the processor that notifies, and comes before whatever lock the owner's functions
 * take. */
#ifndef DEVICE_VIRTIO_BANK_H
#define DEVICE_VIRTIO_BANK_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/virtio.h"

enum { VIRTIO_BANK = 8 };

/* by: whose access it is done for, as it was given. */
struct virtio_bank_ops {
	/* What the devices may touch. False: not all of it. */
	bool (*read)(void *arg, void *by, uint64_t gpa, void *buf, size_t len);
	bool (*write)(void *arg, void *by, uint64_t gpa, const void *buf, size_t len);
	/* The interrupt line of the device at this place. */
	void (*irq)(void *arg, unsigned place, bool high);
};

struct virtio_bank {
	const struct virtio_bank_ops *ops;
	void *arg;
	struct virtio_bank_device {
		struct virtio_bank *bank;
		unsigned place;
		pthread_mutex_t lock; /* of what follows */
		void *by;
		struct virtio virtio;
	} device[VIRTIO_BANK];
};

/* By place; NULL: there is no device. What is pointed to is to stay. */
void virtio_bank_init(struct virtio_bank *b, const struct virtio_kind *const kind[VIRTIO_BANK],
		      const struct virtio_bank_ops *ops, void *arg);
/* Nobody uses it. */
void virtio_bank_destroy(struct virtio_bank *b);
/* By the offset from the first window; no register is longer than 8 bytes, and what is, reads as 0.
 * False: the offset is no device's. */
bool virtio_bank_read(struct virtio_bank *b, void *by, uint64_t offset, unsigned size,
		      uint64_t *value);
bool virtio_bank_write(struct virtio_bank *b, void *by, uint64_t offset, unsigned size,
		       uint64_t value);

#endif
