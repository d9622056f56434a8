/* SPDX-License-Identifier: MIT */
/* See tools/run_virtio.h. A request is served on the thread of the vCPU that notifies. */
#include "tools/run_virtio.h"

#include <assert.h>

#include <swtdx/boot.h>

static_assert((unsigned)RUN_VIRTIOS == TDX_BOOT_VIRTIOS, "as the ACPI tables have it");
static_assert(VIRTIO_SIZE == TDX_BOOT_VIRTIO_SIZE, "as the ACPI tables have it");

static bool reads(void *arg, uint64_t gpa, void *buf, size_t len)
{
	const struct run_virtio *v = ((struct run_virtio_device *)arg)->all;

	return v->ops->read(v->arg, gpa, buf, len);
}

static bool writes(void *arg, uint64_t gpa, const void *buf, size_t len)
{
	const struct run_virtio *v = ((struct run_virtio_device *)arg)->all;

	return v->ops->write(v->arg, gpa, buf, len);
}

static void irq(void *arg, bool high)
{
	const struct run_virtio_device *d = arg;

	d->all->ops->irq(d->all->arg, d->pin, high);
}

void run_virtio_open(struct run_virtio *v, struct virtio_kind *const *kind,
		     const struct run_virtio_ops *ops, void *arg)
{
	static const struct virtio_memory memory = {.read = reads, .write = writes, .irq = irq};
	static const struct virtio_kind none = {0};

	*v = (struct run_virtio){.ops = ops, .arg = arg};
	for (unsigned i = 0; i < RUN_VIRTIOS; i++) {
		struct run_virtio_device *d = &v->device[i];

		d->all = v;
		d->pin = TDX_BOOT_VIRTIO_PIN + i;
		pthread_mutex_init(&d->lock, NULL);
		virtio_init(&d->virtio, kind[i] ? kind[i] : &none, &memory, d);
	}
}

void run_virtio_close(struct run_virtio *v)
{
	for (unsigned i = 0; i < RUN_VIRTIOS; i++)
		pthread_mutex_destroy(&v->device[i].lock);
}

static struct run_virtio_device *device_at(struct run_virtio *v, uint64_t gpa)
{
	const uint64_t offset = gpa - TDX_BOOT_VIRTIO;

	return offset < (uint64_t)RUN_VIRTIOS * VIRTIO_SIZE ? &v->device[offset / VIRTIO_SIZE]
							    : NULL;
}

bool run_virtio_read(struct run_virtio *v, uint64_t gpa, unsigned size, uint64_t *data)
{
	struct run_virtio_device *d = device_at(v, gpa);

	if (!d)
		return false;
	pthread_mutex_lock(&d->lock);
	*data = virtio_read(&d->virtio, gpa % VIRTIO_SIZE, size);
	pthread_mutex_unlock(&d->lock);
	return true;
}

bool run_virtio_write(struct run_virtio *v, uint64_t gpa, unsigned size, uint64_t data)
{
	struct run_virtio_device *d = device_at(v, gpa);

	if (!d)
		return false;
	pthread_mutex_lock(&d->lock);
	virtio_write(&d->virtio, gpa % VIRTIO_SIZE, size, data);
	pthread_mutex_unlock(&d->lock);
	return true;
}
