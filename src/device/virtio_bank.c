/* SPDX-License-Identifier: MIT */
/* See device/virtio_bank.h. */
#include "device/virtio_bank.h"

static bool reads(void *arg, uint64_t gpa, void *buf, size_t len)
{
	const struct virtio_bank_device *d = arg;

	return d->bank->ops->read(d->bank->arg, d->by, gpa, buf, len);
}

static bool writes(void *arg, uint64_t gpa, const void *buf, size_t len)
{
	const struct virtio_bank_device *d = arg;

	return d->bank->ops->write(d->bank->arg, d->by, gpa, buf, len);
}

static void irq(void *arg, bool high)
{
	const struct virtio_bank_device *d = arg;

	d->bank->ops->irq(d->bank->arg, d->place, high);
}

void virtio_bank_init(struct virtio_bank *b, const struct virtio_kind *const kind[VIRTIO_BANK],
		      const struct virtio_bank_ops *ops, void *arg)
{
	static const struct virtio_memory memory = {.read = reads, .write = writes, .irq = irq};
	static const struct virtio_kind none = {0};

	b->ops = ops;
	b->arg = arg;
	for (unsigned i = 0; i < VIRTIO_BANK; i++) {
		struct virtio_bank_device *d = &b->device[i];

		d->bank = b;
		d->place = i;
		d->by = NULL;
		pthread_mutex_init(&d->lock, NULL);
		virtio_init(&d->virtio, kind[i] ? kind[i] : &none, &memory, d);
	}
}

void virtio_bank_destroy(struct virtio_bank *b)
{
	for (unsigned i = 0; i < VIRTIO_BANK; i++)
		pthread_mutex_destroy(&b->device[i].lock);
}

static struct virtio_bank_device *lock_device(struct virtio_bank *b, void *by, uint64_t offset)
{
	struct virtio_bank_device *d;

	if (offset >= (uint64_t)VIRTIO_BANK * VIRTIO_SIZE)
		return NULL;
	d = &b->device[offset / VIRTIO_SIZE];
	pthread_mutex_lock(&d->lock);
	d->by = by;
	return d;
}

static void unlock_device(struct virtio_bank_device *d)
{
	d->by = NULL;
	pthread_mutex_unlock(&d->lock);
}

bool virtio_bank_read(struct virtio_bank *b, void *by, uint64_t offset, unsigned size,
		      uint64_t *value)
{
	struct virtio_bank_device *d = lock_device(b, by, offset);

	if (!d)
		return false;
	*value = virtio_read(&d->virtio, offset % VIRTIO_SIZE, size);
	unlock_device(d);
	return true;
}

bool virtio_bank_write(struct virtio_bank *b, void *by, uint64_t offset, unsigned size,
		       uint64_t value)
{
	struct virtio_bank_device *d = lock_device(b, by, offset);

	if (!d)
		return false;
	virtio_write(&d->virtio, offset % VIRTIO_SIZE, size, value);
	unlock_device(d);
	return true;
}
