/* SPDX-License-Identifier: MIT */
/* A disk behind virtio (virtio 1.2, 5.2): sectors of 512 bytes, kept by whoever owns it. */
#ifndef DEVICE_VIRTIO_BLOCK_H
#define DEVICE_VIRTIO_BLOCK_H

#include "device/virtio.h"

struct virtio_block_ops {
	/* Inside the disk. False: it cannot be. */
	bool (*read)(void *arg, uint64_t offset, void *buf, size_t len);
	bool (*write)(void *arg, uint64_t offset, const void *buf, size_t len);
	/* All that was written is to stay. */
	bool (*flush)(void *arg);
};

/* Of the configuration: sectors; bytes and number of the segments a request may have. */
enum {
	VIRTIO_BLOCK_CAPACITY = 0,
	VIRTIO_BLOCK_SIZE_MAX = 8,
	VIRTIO_BLOCK_SEG_MAX = 12,
	VIRTIO_BLOCK_CONFIG = 60,
	VIRTIO_BLOCK_SEGMENT = 65536,
	VIRTIO_BLOCK_SEGMENTS = VIRTIO_QUEUE_SIZE - 2,
	/* A request's last byte. */
	VIRTIO_BLOCK_OK = 0,
	VIRTIO_BLOCK_ERROR = 1,
	VIRTIO_BLOCK_UNSUPPORTED = 2,
};

#define VIRTIO_BLOCK_F_SIZE_MAX	    (1ull << 1)
#define VIRTIO_BLOCK_F_SEG_MAX	    (1ull << 2)
#define VIRTIO_BLOCK_F_RO	    (1ull << 5)
#define VIRTIO_BLOCK_F_BLK_SIZE	    (1ull << 6)
#define VIRTIO_BLOCK_F_FLUSH	    (1ull << 9)
#define VIRTIO_BLOCK_F_TOPOLOGY	    (1ull << 10)
#define VIRTIO_BLOCK_F_DISCARD	    (1ull << 13)
#define VIRTIO_BLOCK_F_WRITE_ZEROES (1ull << 14)

struct virtio_block {
	const struct virtio_block_ops *ops;
	void *arg;
	uint64_t sectors;
	bool read_only;
	struct virtio_kind kind; /* for virtio_init() */
};

/* Bytes beyond the last whole sector are not seen. */
void virtio_block_init(struct virtio_block *d, uint64_t size, bool read_only,
		       const struct virtio_block_ops *ops, void *arg);

#endif
