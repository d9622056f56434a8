/* SPDX-License-Identifier: MIT */
/* Where a processor is, for people: kernels without frame pointers leave no chain to follow, so
 * what looks like an address of code on the stack is taken for a return address. */
#include "board/internal.h"

enum { WORDS = 64 };

/* Where Linux has its code and its modules. */
#define TEXT_START    0xffffffff80000000ull
#define TEXT_END      0xffffffffff000000ull
#define MODULES_START 0xffffffffa0000000ull

void board_set_text(struct board *b, uint64_t start, uint64_t end)
{
	b->text_start = start;
	b->text_end = end;
}

static bool is_text(const struct board *b, uint64_t v)
{
	const uint64_t end = atomic_load_explicit(&b->text_end, memory_order_relaxed);

	if (!end)
		return v >= TEXT_START && v < TEXT_END;
	return (v >= atomic_load_explicit(&b->text_start, memory_order_relaxed) && v < end) ||
	       (v >= MODULES_START && v < TEXT_END);
}

void board_chain(struct board_cpu *c, struct board_chain *chain)
{
	struct x86_cpu *x = c->x86;
	const uint64_t rsp = x->regs.rsp & ~7ull, left = (0x1000 - (rsp & 0xfff)) / 8;
	const unsigned n = left < WORDS ? (unsigned)left : WORDS;
	uint64_t word[WORDS];

	chain->rip[0] = x86_insn_rip(x);
	chain->n = 1;
	if (x->cpl == 3 || x86_peek(x, rsp, word, n * 8))
		return;
	for (unsigned i = 0; i < n && chain->n < BOARD_CHAIN; i++)
		if (is_text(c->board, word[i]))
			chain->rip[chain->n++] = word[i];
}
