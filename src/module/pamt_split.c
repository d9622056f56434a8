/* SPDX-License-Identifier: MIT */
/* Splitting and merging PAMT entries; see pamt_split.h. */
#include "module/pamt_split.h"

#include "module/transition.h"

enum { PARTS = 512, PAGE_PARTS = PARTS / 2 };

static void set_type(struct pamt_entry *e, enum tdx_page_type type)
{
	__atomic_store_n(&e->type, (uint8_t)type, __ATOMIC_RELAXED);
}

static struct tdx_status check_page(struct tx *tx, hpa_t pa, enum tdx_operand op)
{
	struct pamt_ref ref;
	struct tdx_status s = tx_pamt_walk(tx, pa, op, LOCK_SHARED, TDX_LEVEL_4K, &ref);

	if (!tdx_is_success(s))
		return s;
	if ((ref.entry->type & 0x1f) != TDX_PT_NDA)
		return tdx_error_op(TDX_PAGE_NOT_FREE, op);
	return s;
}

struct tdx_status tx_pamt_take_pair(struct tx *tx, const struct pamt_pair *pair,
				    enum tdx_operand op)
{
	enum tdx_operand ops[2] = {op, (enum tdx_operand)(op + 1)};
	struct tdx_status s;

	for (unsigned i = 0; i < 2; i++)
		if (!tx_hpa_valid(tx, pair->page[i], TDX_PAGE_SIZE))
			return tdx_error_op(TDX_OPERAND_INVALID, ops[i]);
	for (unsigned i = 0; i < 2; i++)
		if (!pamt_1g(tx->mod, pair->page[i].v))
			return tdx_error_op(TDX_OPERAND_ADDR_RANGE_ERROR, ops[i]);
	for (unsigned i = 0; i < 2; i++) {
		s = check_page(tx, pair->page[i], ops[i]);
		if (!tdx_is_success(s))
			return s;
	}
	if (!pamt_bitmap_set(tx->mod, pair->page[0].v))
		return tdx_error_op(TDX_PAGE_NOT_FREE, ops[0]);
	if (!pamt_bitmap_set(tx->mod, pair->page[1].v)) {
		pamt_bitmap_clear(tx->mod, pair->page[0].v);
		return tdx_error_op(TDX_PAGE_NOT_FREE, ops[1]);
	}
	return s;
}

static void fill(struct pamt_entry *e, unsigned n, const struct pamt_entry *whole)
{
	for (; n > 0; n--, e++) {
		e->owner0 = whole->owner0;
		e->owner1 = whole->owner1;
		__atomic_store_n(&e->bepoch, 0, __ATOMIC_RELAXED);
		set_type(e, (enum tdx_page_type)(whole->type & 0x1f));
	}
}

/* New pages, as opposed to the entries that are always there: locks are cleared as well. */
static void fill_pair(const struct tx *tx, const struct pamt_entry *whole,
		      const struct pamt_pair *pair)
{
	for (unsigned i = 0; i < 2; i++) {
		void *page = machine_ptr(tx->m, pair->page[i].v);

		__builtin_memset(page, 0, TDX_PAGE_SIZE);
		fill(page, PAGE_PARTS, whole);
		machine_wrote(tx->lp->hw, pair->page[i].v, tx->mod->hkid);
	}
}

void pamt_split(const struct tx *tx, const struct pamt_ref *large, const struct pamt_pair *pair)
{
	struct pamt_entry *e = large->entry;

	if (!pamt_uses_pair(tx, large->level)) {
		enum tdx_level part = large->level - 1;

		fill(pamt_of_size(tx->mod, large->pa.v, part), PARTS, e);
		set_type(e, TDX_PT_NDA);
		return;
	}
	fill_pair(tx, e, pair);
	pamt_set_node(e, pair->page[0], pair->page[1]);
	e->bepoch |= PARTS;
}

void pamt_merge(const struct tx *tx, const struct pamt_ref *large, struct pamt_pair *pair)
{
	struct pamt_entry *e = large->entry;
	struct pamt_entry *part =
		pamt_of_size(tx->mod, large->pa.v, (enum tdx_level)(large->level - 1));
	enum tdx_page_type type;

	if (!part) {
		module_fatal(tx->lp);
		return;
	}
	type = (enum tdx_page_type)(part->type & 0x1f);
	if (pamt_uses_pair(tx, large->level)) {
		*pair = (struct pamt_pair){{pamt_node_page0(e), pamt_node_page1(e)}};
		__atomic_store_n(&e->bepoch, 0, __ATOMIC_RELAXED);
	}
	e->owner0 = part->owner0;
	e->owner1 = part->owner1;
	set_type(e, type);
	if (pamt_uses_pair(tx, large->level)) {
		pamt_bitmap_clear(tx->mod, pair->page[0].v);
		pamt_bitmap_clear(tx->mod, pair->page[1].v);
		return;
	}
	for (unsigned i = 0; i < PARTS; i++)
		set_type(&part[i], TDX_PT_NDA);
}
