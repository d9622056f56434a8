/* SPDX-License-Identifier: MIT */
/* See tools/kernel_memory.h. */
#include "tools/kernel_memory.h"

#include <string.h>

#include "arch/x86.h"
#include "board/board.h"

enum { TABLE = 4096, ENTRY_BITS = 9, PAGE_BITS = 12, LEVELS = 4, LEVELS_LA57 = 5 };

/* Where Linux has its image, moved or not, and how finely it is moved. */
#define IMAGE_SPACE 0xffffffff80000000ull
#define IMAGE_END   0xffffffffc0000000ull
#define IMAGE_STEP  0x200000ull
#define TABLE_MASK  0x000ffffffffff000ull

struct kernel_memory kernel_memory(const struct board *b, unsigned cpu)
{
	struct kernel_memory m = {.board = b};
	struct board_state s;

	board_state_get(b, cpu, &s);
	if (s.cr0 & CR0_PG && s.efer & EFER_LMA) {
		m.root = s.cr3 & TABLE_MASK;
		m.levels = s.cr4 & CR4_LA57 ? LEVELS_LA57 : LEVELS;
	}
	return m;
}

/* The physical address; *left: bytes of its page from there. */
static bool translate(const struct kernel_memory *m, uint64_t address, uint64_t *pa, uint64_t *left)
{
	uint64_t table = m->root;

	for (unsigned level = m->levels; level-- > 0;) {
		const unsigned shift = PAGE_BITS + ENTRY_BITS * level;
		const uint64_t size = 1ull << shift;
		const uint8_t *t = board_ram(m->board, table, TABLE);
		uint64_t entry;

		if (!t)
			return false;
		memcpy(&entry, t + (address >> shift & ((1u << ENTRY_BITS) - 1)) * sizeof(entry),
		       sizeof(entry));
		if (!(entry & PTE_P))
			return false;
		table = entry & TABLE_MASK;
		if (level && !(entry & PTE_PS))
			continue;
		if (level > 2)
			return false;
		*pa = (table & ~(size - 1)) | (address & (size - 1));
		*left = size - (address & (size - 1));
		return true;
	}
	return false;
}

bool kernel_read(const struct kernel_memory *m, uint64_t address, void *to, size_t len)
{
	uint8_t *p = to;

	while (len) {
		const uint8_t *from;
		uint64_t pa, left;

		if (!translate(m, address, &pa, &left))
			return false;
		left = left < len ? left : len;
		from = board_ram(m->board, pa, left);
		if (!from)
			return false;
		memcpy(p, from, left);
		p += left;
		address += left;
		len -= left;
	}
	return true;
}

bool kernel_image(const struct kernel_memory *m, uint64_t *address, uint64_t *pa)
{
	uint64_t left;

	for (uint64_t at = IMAGE_SPACE; at < IMAGE_END; at += IMAGE_STEP) {
		if (translate(m, at, pa, &left)) {
			*address = at;
			return true;
		}
	}
	return false;
}
