/* SPDX-License-Identifier: MIT */
/* See device/virtio_block.h. A request has a bounded number of segments of bounded size: one is
 * served in some milliseconds. Who does not take FLUSH is promised that what is written stays. */
#include "device/virtio_block.h"

#include <string.h>

enum {
	SECTOR = 512,
	SECTOR_SHIFT = 9,
	HEADER = 16, /* type, reserved, sector */
	CHUNK = 16384,
	TYPE_IN = 0,
	TYPE_OUT = 1,
	TYPE_FLUSH = 4,
	TYPE_ID = 8,
	ID_SIZE = 20,
};

struct header {
	uint32_t type, reserved;
	uint64_t sector;
};

static bool inside(const struct virtio_block *d, uint64_t sector, uint64_t len)
{
	return len % SECTOR == 0 && len <= VIRTIO_BLOCK_SEGMENTS * VIRTIO_BLOCK_SEGMENT &&
	       sector <= d->sectors && len >> SECTOR_SHIFT <= d->sectors - sector;
}

static bool load(struct virtio_block *d, const struct virtio_request *r, uint64_t at, uint64_t len)
{
	uint8_t buf[CHUNK];
	size_t n;

	for (uint64_t done = 0; done < len; done += n) {
		n = len - done < CHUNK ? (size_t)(len - done) : CHUNK;
		if (!d->ops->read(d->arg, at + done, buf, n) || !virtio_put(r, done, buf, n))
			return false;
	}
	return true;
}

static bool store(struct virtio_block *d, const struct virtio_request *r, uint64_t at, uint64_t len)
{
	uint8_t buf[CHUNK];
	size_t n;

	for (uint64_t done = 0; done < len; done += n) {
		n = len - done < CHUNK ? (size_t)(len - done) : CHUNK;
		if (!virtio_get(r, HEADER + done, buf, n) ||
		    !d->ops->write(d->arg, at + done, buf, n))
			return false;
	}
	return virtio_has(r->v, VIRTIO_BLOCK_F_FLUSH) || d->ops->flush(d->arg);
}

/* The request's status; *written is what of the room before it was. */
static uint8_t serve(struct virtio_block *d, const struct virtio_request *r, uint64_t *written)
{
	static const char id[ID_SIZE] = "swtdx (simulated)";
	const uint64_t room = r->in - 1;
	struct header h;

	if (!virtio_get(r, 0, &h, sizeof(h)))
		return VIRTIO_BLOCK_ERROR;
	switch (h.type) {
	case TYPE_IN:
		if (!inside(d, h.sector, room) || !load(d, r, h.sector << SECTOR_SHIFT, room))
			return VIRTIO_BLOCK_ERROR;
		*written = room;
		return VIRTIO_BLOCK_OK;
	case TYPE_OUT:
		return !d->read_only && inside(d, h.sector, r->out - HEADER) &&
				       store(d, r, h.sector << SECTOR_SHIFT, r->out - HEADER)
			       ? VIRTIO_BLOCK_OK
			       : VIRTIO_BLOCK_ERROR;
	case TYPE_FLUSH:
		return d->ops->flush(d->arg) ? VIRTIO_BLOCK_OK : VIRTIO_BLOCK_ERROR;
	case TYPE_ID:
		*written = room < ID_SIZE ? room : ID_SIZE;
		return virtio_put(r, 0, id, (size_t)*written) ? VIRTIO_BLOCK_OK
							      : VIRTIO_BLOCK_ERROR;
	default:
		return VIRTIO_BLOCK_UNSUPPORTED;
	}
}

static int64_t request(void *arg, struct virtio_request *r)
{
	uint64_t written = 0;
	uint8_t status;

	if (r->in < 1 || r->out < HEADER)
		return -1; /* there is no place for an answer */
	status = serve(arg, r, &written);
	if (!virtio_put(r, r->in - 1, &status, 1))
		return -1;
	return (int64_t)written + 1;
}

void virtio_block_init(struct virtio_block *d, uint64_t size, bool read_only,
		       const struct virtio_block_ops *ops, void *arg)
{
	const uint32_t limits[2] = {VIRTIO_BLOCK_SEGMENT, VIRTIO_BLOCK_SEGMENTS};

	*d = (struct virtio_block){
		.ops = ops,
		.arg = arg,
		.sectors = size >> SECTOR_SHIFT,
		.read_only = read_only,
		.kind = {.id = VIRTIO_BLOCK,
			 .features = VIRTIO_BLOCK_F_SIZE_MAX | VIRTIO_BLOCK_F_SEG_MAX |
				     VIRTIO_BLOCK_F_FLUSH | (read_only ? VIRTIO_BLOCK_F_RO : 0),
			 .queues = 1,
			 .config_size = VIRTIO_BLOCK_CONFIG,
			 .request = request,
			 .arg = d},
	};
	memcpy(d->kind.config + VIRTIO_BLOCK_CAPACITY, &d->sectors, sizeof(d->sectors));
	memcpy(d->kind.config + VIRTIO_BLOCK_SIZE_MAX, limits, sizeof(limits));
}
