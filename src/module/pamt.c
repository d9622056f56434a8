/* SPDX-License-Identifier: MIT */
/* PAMT entries by address, and walks that lock their way down. */
#include "module/tx.h"

#include "module/transition.h"

#define ENTRY sizeof(struct pamt_entry)

static enum tdx_page_type type_of(const struct pamt_entry *e)
{
	return (enum tdx_page_type)(__atomic_load_n(&e->type, __ATOMIC_RELAXED) & 0x1f);
}

struct tdmr *pamt_tdmr(struct module *mod, uint64_t pa)
{
	for (uint32_t i = 0; i < mod->num_tdmrs; i++)
		if (pa - mod->tdmr[i].base < mod->tdmr[i].size)
			return &mod->tdmr[i];
	return NULL;
}

/* The TDMR covering the page, when the 1G block the page is in has been initialised. */
static struct tdmr *block_of(struct module *mod, uint64_t pa)
{
	struct tdmr *t = pamt_tdmr(mod, pa);
	uint64_t init;

	if (!t)
		return NULL;
	init = __atomic_load_n(&t->last_initialized, __ATOMIC_ACQUIRE) & ~(TDX_SIZE_1G - 1);
	return pa < init ? t : NULL;
}

static struct pamt_entry *entry_1g(struct module *mod, const struct tdmr *t, uint64_t pa)
{
	return machine_ptr(mod->m, t->pamt_1g_base + ((pa - t->base) >> 30) * ENTRY);
}

static struct pamt_entry *entry_2m(struct module *mod, const struct tdmr *t, uint64_t pa)
{
	return machine_ptr(mod->m, t->pamt_2m_base + ((pa - t->base) >> 21) * ENTRY);
}

/* node: the 2M entry above, which holds the entries' pages with dynamic PAMT. */
static struct pamt_entry *entry_4k(struct module *mod, const struct tdmr *t, uint64_t pa,
				   const struct pamt_entry *node)
{
	unsigned i = (unsigned)(pa >> 12) & 511u;
	uint64_t page;

	if (!mod->dynamic_pamt)
		return machine_ptr(mod->m, t->pamt_4k_base + ((pa - t->base) >> 12) * ENTRY);
	page = i < 256 ? pamt_node_page0(node).v : pamt_node_page1(node).v;
	return machine_ptr(mod->m, page + (i & 255u) * ENTRY);
}

struct pamt_entry *pamt_1g(struct module *mod, uint64_t pa)
{
	const struct tdmr *t = block_of(mod, pa);

	return t ? entry_1g(mod, t, pa) : NULL;
}

struct pamt_entry *pamt_2m(struct module *mod, uint64_t pa)
{
	const struct tdmr *t = block_of(mod, pa);

	return t ? entry_2m(mod, t, pa) : NULL;
}

struct pamt_entry *pamt_4k(struct module *mod, uint64_t pa)
{
	const struct tdmr *t = block_of(mod, pa);
	const struct pamt_entry *node;

	if (!t)
		return NULL;
	node = entry_2m(mod, t, pa);
	if (mod->dynamic_pamt && type_of(node) != TDX_PT_PAMT)
		return NULL;
	return entry_4k(mod, t, pa, node);
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
		if (type_of(e) != TDX_PT_NDA)
			return false;
	return true;
}

static bool counts(const struct tx *tx, const struct pamt_ref *ref)
{
	return tx->mod->dynamic_pamt && ref->node && type_of(ref->node) == TDX_PT_PAMT;
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

/* The leaf of the walk: exclusive entries are taken shared on the way, then promoted. */
static struct tdx_status leaf(struct tx *tx, struct pamt_entry *e, enum lock_mode mode,
			      enum tdx_level level, enum tdx_operand op, struct pamt_ref *ref)
{
	ref->entry = e;
	ref->level = level;
	if (mode == LOCK_EXCLUSIVE && tx_promote(tx, &e->lock) != LOCK_OK)
		return tdx_error_op(TDX_OPERAND_BUSY, op);
	return tdx_success();
}

struct tdx_status tx_pamt_walk(struct tx *tx, hpa_t pa, enum tdx_operand op, enum lock_mode mode,
			       enum tdx_level target, struct pamt_ref *ref)
{
	struct module *mod = tx->mod;
	const struct tdmr *t = block_of(mod, pa.v);
	enum tdx_page_type node_type = mod->dynamic_pamt ? TDX_PT_PAMT : TDX_PT_NDA;
	struct pamt_entry *e;
	struct tdx_status s;

	*ref = (struct pamt_ref){.pa = pa};
	if (!t)
		return tdx_error_op(TDX_OPERAND_ADDR_RANGE_ERROR, op);

	e = entry_1g(mod, t, pa.v);
	s = tx_lock(tx, LOCK_PAMT_1G, pa.v & ~(TDX_SIZE_1G - 1), &e->lock, LOCK_SHARED, op);
	if (!tdx_is_success(s))
		return s;
	if (type_of(e) != TDX_PT_NDA || target == TDX_LEVEL_1G)
		return leaf(tx, e, mode, TDX_LEVEL_1G, op, ref);

	e = entry_2m(mod, t, pa.v);
	s = tx_lock(tx, LOCK_PAMT_2M, pa.v & ~(TDX_SIZE_2M - 1), &e->lock, LOCK_SHARED, op);
	if (!tdx_is_success(s))
		return s;
	if (type_of(e) != node_type || target == TDX_LEVEL_2M)
		return leaf(tx, e, mode, TDX_LEVEL_2M, op, ref);

	ref->node = e;
	ref->entry = entry_4k(mod, t, pa.v, e);
	ref->level = TDX_LEVEL_4K;
	return tx_lock(tx, LOCK_PAMT_4K, pa.v & ~(TDX_PAGE_SIZE - 1), &ref->entry->lock, mode, op);
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

bool tx_hpa_valid(const struct tx *tx, hpa_t pa, uint64_t size)
{
	return (pa.v & (size - 1)) == 0 && !(pa.v & tx->mod->hkid_mask) && pa.v >> HPA_BITS == 0;
}

struct tdx_status tx_page(struct tx *tx, hpa_t pa, enum tdx_operand op, enum lock_mode mode,
			  enum tdx_page_type type, enum tdx_level size, struct pamt_ref *ref)
{
	struct tdx_status s;

	if (!tx_hpa_valid(tx, pa, tdx_level_size(size)))
		return tdx_error_op(TDX_OPERAND_INVALID, op);
	s = tx_pamt_walk(tx, pa, op, mode, size, ref);
	if (!tdx_is_success(s))
		return s;
	if (ref->level != size) {
		/* A free 2M range without 4K entries wants a pair of PAMT pages first. */
		if (tx->mod->dynamic_pamt && ref->level == TDX_LEVEL_2M && type == TDX_PT_NDA &&
		    type_of(ref->entry) == TDX_PT_NDA)
			return tdx_error_op(TDX_MISSING_PAMT_PAGE_PAIR, op);
		return tdx_error_op(TDX_PAGE_METADATA_INCORRECT, op);
	}
	if (type_of(ref->entry) != type)
		return tdx_error_op(TDX_PAGE_METADATA_INCORRECT, op);
	if (tx->mod->dynamic_pamt && type == TDX_PT_NDA && pamt_bitmap_get(tx->mod, pa.v))
		return tdx_error_op(TDX_PAGE_METADATA_INCORRECT, op);
	return s;
}

struct tdx_status tx_free_page(struct tx *tx, hpa_t pa, enum tdx_operand op, enum tdx_level size,
			       struct pamt_ref *ref)
{
	struct tdx_status s = tx_page(tx, pa, op, LOCK_EXCLUSIVE, TDX_PT_NDA, size, ref);

	if (tdx_is_success(s) && size == TDX_LEVEL_2M && !pamt_range_2m_free(tx->mod, pa.v))
		return tdx_error_op(TDX_PAGE_METADATA_INCORRECT, op);
	return s;
}
