/* SPDX-License-Identifier: MIT */
/* The virtio devices of a TD, in its shared memory: a window and a pin of the I/O APIC each. Safe
 * for several threads; the lock of a device comes before that of the interrupt line. */
#ifndef TOOLS_RUN_VIRTIO_H
#define TOOLS_RUN_VIRTIO_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/virtio.h"

enum { RUN_VIRTIOS = 8 };

struct run_virtio_ops {
	/* Shared memory. False: not all of it is. */
	bool (*read)(void *arg, uint64_t gpa, void *buf, size_t len);
	bool (*write)(void *arg, uint64_t gpa, const void *buf, size_t len);
	void (*irq)(void *arg, unsigned pin, bool high);
};

struct run_virtio {
	const struct run_virtio_ops *ops;
	void *arg;
	struct run_virtio_device {
		struct run_virtio *all;
		pthread_mutex_t lock;
		unsigned pin;
		struct virtio virtio;
	} device[RUN_VIRTIOS];
};

/* kind: RUN_VIRTIOS of them, NULL where there is no device. */
void run_virtio_open(struct run_virtio *v, struct virtio_kind *const *kind,
		     const struct run_virtio_ops *ops, void *arg);
void run_virtio_close(struct run_virtio *v);
/* False: the address is no device's. */
bool run_virtio_read(struct run_virtio *v, uint64_t gpa, unsigned size, uint64_t *data);
bool run_virtio_write(struct run_virtio *v, uint64_t gpa, unsigned size, uint64_t data);

#endif
