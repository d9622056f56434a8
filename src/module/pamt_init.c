/* SPDX-License-Identifier: MIT */
/* Filling a TDMR's PAMT, piece by piece: every page free, those in holes reserved.
 * Lock: the TDMR's, held by the caller. Nobody reads entries of a 1G block not yet complete. */
#include <string.h>
#include "module/tdmr.h"

enum {
	PIECE = 1024,	      /* 4K entries a call */
	DYNAMIC_PIECE = 4096, /* bits of the page bitmap a call */
};

static bool reserved(const struct tdmr *t, uint64_t offset)
{
	for (uint32_t i = 0; i < t->num_rsvd; i++)
		if (offset - t->rsvd[i].base < t->rsvd[i].size)
			return true;
	return false;
}

static void wrote(const struct tx *tx, uint64_t pa, uint64_t len)
{
	for (uint64_t end = pa + len, p = pa & ~(TDX_PAGE_SIZE - 1); p < end; p += TDX_PAGE_SIZE)
		machine_wrote(tx->lp->hw, p, tx->mod->hkid);
}

static void init_4k(const struct tx *tx, const struct tdmr *t, uint64_t first)
{
	uint64_t pa = t->pamt_4k_base + first * sizeof(struct pamt_entry);
	struct pamt_entry *e = machine_ptr(tx->m, pa);

	memset(e, 0, PIECE * sizeof(*e));
	for (unsigned i = 0; t->num_rsvd && i < PIECE; i++)
		if (reserved(t, (first + i) * TDX_PAGE_SIZE))
			e[i].type = TDX_PT_RSVD;
	wrote(tx, pa, PIECE * sizeof(*e));
}

/* With dynamic PAMT the area is a bitmap of pages that are not there to be given. */
static void init_bitmap(const struct tx *tx, const struct tdmr *t, uint64_t first)
{
	uint64_t pa = t->pamt_4k_base + first / 8;
	uint64_t *w = machine_ptr(tx->m, pa);

	memset(w, 0, DYNAMIC_PIECE / 8);
	for (unsigned i = 0; t->num_rsvd && i < DYNAMIC_PIECE; i++)
		if (reserved(t, (first + i) * TDX_PAGE_SIZE))
			w[i / 64] |= 1ull << i % 64;
	wrote(tx, pa, DYNAMIC_PIECE / 8);
}

/* Entries of a larger size whose last 4K page is in [first, end). */
static void init_nodes(const struct tx *tx, uint64_t area, uint64_t first, uint64_t end,
		       uint64_t pages_each)
{
	uint64_t from = first / pages_each, n = end / pages_each - from;
	uint64_t pa = area + from * sizeof(struct pamt_entry);

	if (!n)
		return;
	memset(machine_ptr(tx->m, pa), 0, n * sizeof(struct pamt_entry));
	wrote(tx, pa, n * sizeof(struct pamt_entry));
}

uint64_t tdmr_init_pamt(const struct tx *tx, struct tdmr *t)
{
	uint64_t first = (t->last_initialized - t->base) / TDX_PAGE_SIZE;
	uint64_t n = tx->mod->dynamic_pamt ? DYNAMIC_PIECE : PIECE;

	if (tx->mod->dynamic_pamt)
		init_bitmap(tx, t, first);
	else
		init_4k(tx, t, first);
	init_nodes(tx, t->pamt_2m_base, first, first + n, TDX_SIZE_2M / TDX_PAGE_SIZE);
	init_nodes(tx, t->pamt_1g_base, first, first + n, TDX_SIZE_1G / TDX_PAGE_SIZE);
	return n * TDX_PAGE_SIZE;
}
