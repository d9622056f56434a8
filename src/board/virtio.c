/* SPDX-License-Identifier: MIT */
/* The virtio devices of the board: a window and a pin of the I/O APIC each. A request is served on
 * the thread of the processor that notifies, which waits for it. */
#include "board/internal.h"

#include <assert.h>
#include <string.h>

#include "../firmware/layout.h"

static_assert(BOARD_VIRTIOS == FW_VIRTIOS, "as the ACPI tables have it");
static_assert(VIRTIO_SIZE == FW_VIRTIO_SIZE, "as the ACPI tables have it");

static bool reads(void *arg, uint64_t gpa, void *buf, size_t len)
{
	struct board_virtio *d = arg;

	return board_dma_read(d->board, d->accesses, gpa, buf, len);
}

static bool writes(void *arg, uint64_t gpa, const void *buf, size_t len)
{
	struct board_virtio *d = arg;

	return board_dma_write(d->board, d->accesses, gpa, buf, len);
}

static void irq(void *arg, bool high)
{
	struct board_virtio *d = arg;

	pthread_mutex_lock(&d->board->io);
	ioapic_line(&d->board->ioapic, d->pin, high);
	pthread_mutex_unlock(&d->board->io);
}

void board_virtio_start(struct board *b)
{
	static const struct virtio_memory memory = {.read = reads, .write = writes, .irq = irq};
	static const struct virtio_kind none = {0};

	for (unsigned i = 0; i < BOARD_VIRTIOS; i++) {
		struct board_virtio *d = &b->virtio[i];

		d->board = b;
		d->pin = FW_VIRTIO_IRQ + i;
		pthread_mutex_init(&d->lock, NULL);
		virtio_init(&d->virtio, b->cfg.virtio[i] ? b->cfg.virtio[i] : &none, &memory, d);
	}
}

void board_virtio_end(struct board *b)
{
	for (unsigned i = 0; i < BOARD_VIRTIOS; i++)
		if (b->virtio[i].board)
			pthread_mutex_destroy(&b->virtio[i].lock);
}

bool board_virtio_access(struct board_cpu *c, uint64_t pa, void *data, unsigned size, bool write)
{
	const uint64_t offset = pa - FW_VIRTIO;
	struct board_virtio *d;
	uint64_t value = 0;

	if (offset >= (uint64_t)BOARD_VIRTIOS * VIRTIO_SIZE)
		return false;
	d = &c->board->virtio[offset / VIRTIO_SIZE];
	if (size > sizeof(value)) { /* no register is so long */
		memset(data, 0, size);
		return true;
	}
	if (write)
		memcpy(&value, data, size);
	pthread_mutex_lock(&d->lock);
	d->accesses = c;
	if (write)
		virtio_write(&d->virtio, offset % VIRTIO_SIZE, size, value);
	else
		value = virtio_read(&d->virtio, offset % VIRTIO_SIZE, size);
	d->accesses = NULL;
	pthread_mutex_unlock(&d->lock);
	if (!write)
		memcpy(data, &value, size);
	return true;
}
