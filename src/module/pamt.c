/* SPDX-License-Identifier: MIT */
/* PAMT entries by address, and walks that lock their way down. */
#include "module/pamt_walk.h"

#include "module/transition.h"

struct pamt_entry *pamt_1g(struct module *mod, uint64_t pa)
{
	const struct tdmr *t = pamt_block(mod, pa);

	return t ? pamt_entry_1g(mod, t, pa) : NULL;
}

struct pamt_entry *pamt_2m(struct module *mod, uint64_t pa)
{
	const struct tdmr *t = pamt_block(mod, pa);

	return t ? pamt_entry_2m(mod, t, pa) : NULL;
}

struct pamt_entry *pamt_4k(struct module *mod, uint64_t pa)
{
	const struct tdmr *t = pamt_block(mod, pa);
	const struct pamt_entry *node;

	if (!t)
		return NULL;
	node = pamt_entry_2m(mod, t, pa);
	if (mod->dynamic_pamt && pamt_type(node) != TDX_PT_PAMT)
		return NULL;
	return pamt_entry_4k(mod, t, pa, node);
}

struct pamt_entry *pamt_of_size(struct module *mod, uint64_t pa, enum tdx_level size)
{
	return size == TDX_LEVEL_4K   ? pamt_4k(mod, pa)
	       : size == TDX_LEVEL_2M ? pamt_2m(mod, pa)
				      : pamt_1g(mod, pa);
}

/* --- dynamic PAMT: the bitmap of pages that are PAMT pages themselves, and the counts --- */

static uint64_t *bitmap_word(struct module *mod, uint64_t pa, uint64_t *bit)
{
	const struct tdmr *t = pamt_tdmr(mod, pa);
	uint64_t n = (pa - t->base) >> 12;

	*bit = 1ull << (n & 63);
	return machine_ptr(mod->m, t->pamt_4k_base + n / 64 * 8);
}

bool pamt_bitmap_get(struct module *mod, uint64_t pa)
{
	uint64_t bit, *w = bitmap_word(mod, pa, &bit);

	return __atomic_load_n(w, __ATOMIC_RELAXED) & bit;
}

bool pamt_bitmap_set(struct module *mod, uint64_t pa)
{
	uint64_t bit, *w = bitmap_word(mod, pa, &bit);

	return !(__atomic_fetch_or(w, bit, __ATOMIC_RELAXED) & bit);
}

void pamt_bitmap_clear(struct module *mod, uint64_t pa)
{
	uint64_t bit, *w = bitmap_word(mod, pa, &bit);

	__atomic_fetch_and(w, ~bit, __ATOMIC_RELAXED);
}

bool pamt_range_2m_free(struct module *mod, uint64_t pa)
{
	if (mod->dynamic_pamt) {
		uint64_t bit, *w = bitmap_word(mod, pa, &bit);

		for (unsigned i = 0; i < 512 / 64; i++)
			if (__atomic_load_n(&w[i], __ATOMIC_RELAXED))
				return false;
		return true;
	}
	for (const struct pamt_entry *e = pamt_4k(mod, pa), *end = e + 512; e < end; e++)
		if (pamt_type(e) != TDX_PT_NDA)
			return false;
	return true;
}

static bool counts(const struct tx *tx, const struct pamt_ref *ref)
{
	return tx->mod->dynamic_pamt && ref->node && pamt_type(ref->node) == TDX_PT_PAMT;
}

void pamt_count_inc(const struct tx *tx, const struct pamt_ref *ref)
{
	if (counts(tx, ref))
		__atomic_fetch_add((uint16_t *)&ref->node->bepoch, 1, __ATOMIC_RELAXED);
}

uint64_t pamt_count_dec(const struct tx *tx, const struct pamt_ref *ref)
{
	if (!counts(tx, ref))
		return 0;
	return (__atomic_fetch_sub((uint16_t *)&ref->node->bepoch, 1, __ATOMIC_RELAXED) & 0x3ff) ==
			       1
		       ? PAMT_REMOVAL_HINT
		       : 0;
}

/* --- locking walks --- */

struct tdx_status tx_pamt_walk(struct tx *tx, hpa_t pa, enum tdx_operand op, enum lock_mode mode,
			       enum tdx_level target, struct pamt_ref *ref)
{
	return pamt_walk(tx, pa, op, mode, target, ref);
}

struct tdx_status tx_page(struct tx *tx, hpa_t pa, enum tdx_operand op, enum lock_mode mode,
			  enum tdx_page_type type, enum tdx_level size, struct pamt_ref *ref)
{
	return pamt_page(tx, pa, op, mode, type, size, ref);
}

struct tdx_status tx_pamt_implicit(struct tx *tx, hpa_t pa, enum tdx_operand op,
				   enum lock_mode mode, enum tdx_level size, struct pamt_ref *ref)
{
	static const enum lock_resource res[] = {LOCK_PAMT_4K, LOCK_PAMT_2M, LOCK_PAMT_1G};

	ref->pa = pa;
	ref->level = size;
	ref->entry = pamt_of_size(tx->mod, pa.v, size);
	ref->node = size == TDX_LEVEL_4K ? pamt_2m(tx->mod, pa.v) : NULL;
	if (!ref->entry) {
		module_fatal(tx->lp);
		return tdx_error_op(TDX_OPERAND_INVALID, op);
	}
	return tx_lock(tx, res[size], pa.v & ~(tdx_level_size(size) - 1), &ref->entry->lock, mode,
		       op);
}

struct tdx_status tx_free_page(struct tx *tx, hpa_t pa, enum tdx_operand op, enum tdx_level size,
			       struct pamt_ref *ref)
{
	struct tdx_status s = pamt_page(tx, pa, op, LOCK_EXCLUSIVE, TDX_PT_NDA, size, ref);

	if (tdx_is_success(s) && size == TDX_LEVEL_2M && !pamt_range_2m_free(tx->mod, pa.v))
		return tdx_error_op(TDX_PAGE_METADATA_INCORRECT, op);
	return s;
}
