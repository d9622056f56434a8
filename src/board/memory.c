/* SPDX-License-Identifier: MIT */
/* What is at a physical address: RAM, the wake-up mailbox, a device, or nothing, which reads as
 * ones. */
#include "board/internal.h"

#include <string.h>

#include "x86/line_store.h"

#define HOLE	 0x80000000ull /* between RAM below and above 4 GiB */
#define HOLE_END 0x100000000ull

bool board_is_ram(const struct machine *m, uint64_t pa)
{
	const struct machine_range *seam = &m->cfg.platform->seamrr;

	return machine_is_ram(m, pa, TDX_PAGE_SIZE) && (pa < HOLE || pa >= HOLE_END) &&
	       pa - seam->base >= seam->size && pa != BOARD_MAILBOX;
}

/* Poison is a machine check, not only a report. */
static bool checks(const struct board *b)
{
	return b->cfg.poison || b->cfg.partial_write;
}

unsigned board_gpa_map(struct x86_cpu *x86, uint64_t pa, unsigned access, void **host,
		       uint64_t *qual)
{
	struct board_cpu *c = board_cpu_of(x86);
	const struct board *b = c->board;

	(void)qual;
	if (!board_is_ram(b->m, pa))
		return X86_MAP_R | X86_MAP_W | X86_MAP_MMIO;
	*host = machine_ptr(b->m, pa);
	if (!b->san)
		return X86_MAP_R | X86_MAP_W | X86_MAP_X;
	if (!(access & X86_MAP_W))
		return board_sanitizer_load(c, pa) || !checks(b) ? X86_MAP_R | X86_MAP_X : 0;
	/* It may be written, and is read through here. */
	if (!board_sanitizer_store(c, pa, x86_stores_line(x86)) && checks(b))
		return X86_MAP_W;
	return X86_MAP_R | X86_MAP_W | X86_MAP_X;
}

void board_mmio(struct x86_cpu *x86, uint64_t pa, void *data, unsigned size, bool write)
{
	struct board_cpu *c = board_cpu_of(x86);

	if ((pa & ~(TDX_PAGE_SIZE - 1)) == BOARD_MAILBOX) {
		board_mailbox_access(c->board, pa - BOARD_MAILBOX, data, size, write);
		return;
	}
	if (board_device(c, pa, data, size, write) || board_virtio_access(c, pa, data, size, write))
		return;
	board_is_missing(c, BOARD_ADDRESS, pa & ~(TDX_PAGE_SIZE - 1));
	if (!write)
		memset(data, 0xff, size);
}
