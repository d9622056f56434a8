/* SPDX-License-Identifier: MIT */
/* The walk that locks a PAMT path on its way down, inline: every call on a TD starts with it and
 * knows at the place most of what it asks. The leaves use tx_page() and its like (module/page.h).
 */
#ifndef MODULE_PAMT_WALK_H
#define MODULE_PAMT_WALK_H

#include "module/page.h"
#include "module/transition.h"

#define PAMT_INLINE static inline __attribute__((always_inline))

static inline enum tdx_page_type pamt_type(const struct pamt_entry *e)
{
	return (enum tdx_page_type)(__atomic_load_n(&e->type, __ATOMIC_RELAXED) & PAMT_TYPE_MASK);
}

/* The TDMR covering the page, when the 1G block the page is in has been initialised. */
static inline struct tdmr *pamt_block(struct module *mod, uint64_t pa)
{
	struct tdmr *t = pamt_tdmr(mod, pa);
	uint64_t init;

	if (!t)
		return NULL;
	init = __atomic_load_n(&t->last_initialized, __ATOMIC_ACQUIRE) & ~(TDX_SIZE_1G - 1);
	return pa < init ? t : NULL;
}

static inline struct pamt_entry *pamt_entry_1g(struct module *mod, const struct tdmr *t,
					       uint64_t pa)
{
	return (struct pamt_entry *)machine_ptr(mod->m, t->pamt_1g_base) + ((pa - t->base) >> 30);
}

static inline struct pamt_entry *pamt_entry_2m(struct module *mod, const struct tdmr *t,
					       uint64_t pa)
{
	return (struct pamt_entry *)machine_ptr(mod->m, t->pamt_2m_base) + ((pa - t->base) >> 21);
}

/* node: the 2M entry above, which holds the entries' pages with dynamic PAMT. */
static inline struct pamt_entry *pamt_entry_4k(struct module *mod, const struct tdmr *t,
					       uint64_t pa, const struct pamt_entry *node)
{
	unsigned i = (unsigned)(pa >> 12) & 511u;
	uint64_t page;

	if (!mod->dynamic_pamt)
		return (struct pamt_entry *)machine_ptr(mod->m, t->pamt_4k_base) +
		       ((pa - t->base) >> 12);
	page = i < 256 ? pamt_node_page0(node).v : pamt_node_page1(node).v;
	return (struct pamt_entry *)machine_ptr(mod->m, page) + (i & 255u);
}

/* The entry of a size in an initialised block, without locking; NULL as pamt_4k() says. */
PAMT_INLINE struct pamt_entry *pamt_below(struct module *mod, const struct tdmr *t, uint64_t pa,
					  enum tdx_level size)
{
	const struct pamt_entry *node;

	if (size == TDX_LEVEL_1G)
		return pamt_entry_1g(mod, t, pa);
	if (size == TDX_LEVEL_2M)
		return pamt_entry_2m(mod, t, pa);
	node = pamt_entry_2m(mod, t, pa);
	if (mod->dynamic_pamt && pamt_type(node) != TDX_PT_PAMT)
		return NULL;
	return pamt_entry_4k(mod, t, pa, node);
}

/* The same wherever the page is. */
PAMT_INLINE struct pamt_entry *pamt_find(struct module *mod, uint64_t pa, enum tdx_level size)
{
	const struct tdmr *t = pamt_block(mod, pa);

	return t ? pamt_below(mod, t, pa, size) : NULL;
}

/* The leaf of the walk: exclusive entries are taken shared on the way, then promoted. */
PAMT_INLINE struct tdx_status pamt_leaf(struct tx *tx, struct pamt_entry *e, enum lock_mode mode,
					enum tdx_level level, enum tdx_operand op,
					struct pamt_ref *ref)
{
	ref->entry = e;
	ref->level = level;
	if (mode == LOCK_EXCLUSIVE && tx_promote(tx, &e->lock) != LOCK_OK)
		return tdx_error_op(TDX_OPERAND_BUSY, op);
	return tdx_success();
}

/* As tx_pamt_walk(). */
PAMT_INLINE struct tdx_status pamt_walk(struct tx *tx, hpa_t pa, enum tdx_operand op,
					enum lock_mode mode, enum tdx_level target,
					struct pamt_ref *ref)
{
	struct module *mod = tx->mod;
	const struct tdmr *t = pamt_block(mod, pa.v);
	enum tdx_page_type node_type = mod->dynamic_pamt ? TDX_PT_PAMT : TDX_PT_NDA;
	const uint64_t block = pa.v & ~(TDX_SIZE_1G - 1), range = pa.v & ~(TDX_SIZE_2M - 1);
	struct pamt_entry *up, *e;
	struct tdx_status s;
	bool both;

	*ref = (struct pamt_ref){.pa = pa};
	if (!t)
		return tdx_error_op(TDX_OPERAND_ADDR_RANGE_ERROR, op);

	up = pamt_entry_1g(mod, t, pa.v);
	e = pamt_entry_2m(mod, t, pa.v);
	both = pamt_type(up) == TDX_PT_NDA && target != TDX_LEVEL_1G &&
	       tx_share_two(tx,
			    &(struct tx_held){&up->lock, block, LOCK_PAMT_1G, LOCK_SHARED, NO_SLOT},
			    &(struct tx_held){&e->lock, range, LOCK_PAMT_2M, LOCK_SHARED, NO_SLOT});
	if (!both) {
		s = tx_lock(tx, LOCK_PAMT_1G, block, &up->lock, LOCK_SHARED, op);
		if (!tdx_is_success(s))
			return s;
	}
	if (pamt_type(up) != TDX_PT_NDA || target == TDX_LEVEL_1G) {
		if (both) /* it has become one since it was looked at */
			tx_unlock(tx, &e->lock);
		return pamt_leaf(tx, up, mode, TDX_LEVEL_1G, op, ref);
	}
	if (!both) {
		s = tx_lock(tx, LOCK_PAMT_2M, range, &e->lock, LOCK_SHARED, op);
		if (!tdx_is_success(s))
			return s;
	}
	if (pamt_type(e) != node_type || target == TDX_LEVEL_2M)
		return pamt_leaf(tx, e, mode, TDX_LEVEL_2M, op, ref);

	ref->node = e;
	ref->entry = pamt_entry_4k(mod, t, pa.v, e);
	ref->level = TDX_LEVEL_4K;
	return tx_lock(tx, LOCK_PAMT_4K, pa.v & ~(TDX_PAGE_SIZE - 1), &ref->entry->lock, mode, op);
}

/* As tx_page(). */
PAMT_INLINE struct tdx_status pamt_page(struct tx *tx, hpa_t pa, enum tdx_operand op,
					enum lock_mode mode, enum tdx_page_type type,
					enum tdx_level size, struct pamt_ref *ref)
{
	struct tdx_status s;

	if (!tx_hpa_valid(tx, pa, tdx_level_size(size)))
		return tdx_error_op(TDX_OPERAND_INVALID, op);
	s = pamt_walk(tx, pa, op, mode, size, ref);
	if (!tdx_is_success(s))
		return s;
	if (ref->level != size) {
		/* A free 2M range without 4K entries wants a pair of PAMT pages first. */
		if (tx->mod->dynamic_pamt && ref->level == TDX_LEVEL_2M && type == TDX_PT_NDA &&
		    pamt_type(ref->entry) == TDX_PT_NDA)
			return tdx_error_op(TDX_MISSING_PAMT_PAGE_PAIR, op);
		return tdx_error_op(TDX_PAGE_METADATA_INCORRECT, op);
	}
	if (pamt_type(ref->entry) != type)
		return tdx_error_op(TDX_PAGE_METADATA_INCORRECT, op);
	if (tx->mod->dynamic_pamt && type == TDX_PT_NDA && pamt_bitmap_get(tx->mod, pa.v))
		return tdx_error_op(TDX_PAGE_METADATA_INCORRECT, op);
	return s;
}

/* As tx_pamt_implicit(). */
PAMT_INLINE struct tdx_status pamt_implicit(struct tx *tx, hpa_t pa, enum tdx_operand op,
					    enum lock_mode mode, enum tdx_level size,
					    struct pamt_ref *ref)
{
	static const enum lock_resource res[] = {LOCK_PAMT_4K, LOCK_PAMT_2M, LOCK_PAMT_1G};
	const struct tdmr *t = pamt_block(tx->mod, pa.v);

	*ref = (struct pamt_ref){.pa = pa, .level = size};
	if (t && size == TDX_LEVEL_4K)
		ref->node = pamt_entry_2m(tx->mod, t, pa.v);
	if (t)
		ref->entry = pamt_below(tx->mod, t, pa.v, size);
	if (!ref->entry) {
		module_fatal(tx->lp);
		return tdx_error_op(TDX_OPERAND_INVALID, op);
	}
	return tx_lock(tx, res[size], pa.v & ~(tdx_level_size(size) - 1), &ref->entry->lock, mode,
		       op);
}

#endif
