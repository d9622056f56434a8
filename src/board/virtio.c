/* SPDX-License-Identifier: MIT */
/* The virtio devices of the board. A request is served on the thread of the processor that
 * notifies, which waits for it. */
#include "board/internal.h"

#include <assert.h>
#include <string.h>

#include "../firmware/layout.h"

static_assert((unsigned)VIRTIO_BANK == FW_VIRTIOS, "as the ACPI tables have it");
static_assert(VIRTIO_SIZE == FW_VIRTIO_SIZE, "as the ACPI tables have it");

static bool reads(void *board, void *by, uint64_t gpa, void *buf, size_t len)
{
	return board_dma_read(board, by, gpa, buf, len);
}

static bool writes(void *board, void *by, uint64_t gpa, const void *buf, size_t len)
{
	return board_dma_write(board, by, gpa, buf, len);
}

static void irq(void *board, unsigned place, bool high)
{
	struct board *b = board;

	pthread_mutex_lock(&b->io);
	ioapic_line(&b->ioapic, FW_VIRTIO_IRQ + place, high);
	pthread_mutex_unlock(&b->io);
}

void board_virtio_start(struct board *b)
{
	static const struct virtio_bank_ops ops = {.read = reads, .write = writes, .irq = irq};

	virtio_bank_init(&b->virtio, b->cfg.virtio, &ops, b);
}

bool board_virtio_access(struct board_cpu *c, uint64_t pa, void *data, unsigned size, bool write)
{
	struct virtio_bank *bank = &c->board->virtio;
	const uint64_t offset = pa - FW_VIRTIO;
	uint64_t value = 0;
	const unsigned some = size < sizeof(value) ? size : sizeof(value);
	bool is;

	if (write)
		memcpy(&value, data, some);
	is = write ? virtio_bank_write(bank, c, offset, size, value)
		   : virtio_bank_read(bank, c, offset, size, &value);
	if (is && !write) {
		memset(data, 0, size);
		memcpy(data, &value, some);
	}
	return is;
}
