/* SPDX-License-Identifier: MIT */
/* See module/known.h. */
#include "module/known.h"

#include <string.h>

#include "module/hooks.h"
#include "module/pamt_walk.h"

/* Places in td_path.held, of a TD and of a vCPU. */
enum { PAGE_1G, PAGE_2M, PAGE_4K, TD_OP_STATE, TD_TREE, VCPU_TDR = 3, VCPU_OP_STATE };

/* Nothing else is held, so the slots from 0 on are free. */
static bool is_known(const struct tx *tx, const struct td_path *k, hpa_t pa)
{
	return pa.v == k->pa.v && k->tdr && !tx->nheld && !tx->lp->nguest_locks &&
	       hooks_see_short_way(tx->mod->hooks);
}

/* What follows is compiled twice: for nobody, and for one who sees each step (`seen`). */
TX_INLINE void step(const struct tx *tx, bool seen)
{
	if (seen)
		tx->mod->hooks->step(tx->mod->hooks_arg, tx->lp);
}

/* By locks that are in the transaction. */
TX_INLINE void tell(const struct tx *tx, bool seen)
{
	if (seen)
		tx->mod->hooks->took(tx->mod->hooks_arg, tx->lp, tx->held, tx->nheld);
}

static struct td td_of(const struct td_path *k, struct pamt_entry *pamt, bool has_tree)
{
	return (struct td){k->tdr_pa, k->tdr, k->tdcs, k->ext, pamt, has_tree};
}

/* The words of n locks into the first n slots, of a processor that has none in use, with one
 * barrier. That all are free is asked after it; if one is not, all are left. */
TX_INLINE void announce(const struct tx *tx, const struct tx_held *lock, unsigned n, bool seen)
{
	for (unsigned i = 0; i + 1 < n; i++) {
		atomic_store_explicit(&tx->lp->reading[i], lock[i].word, memory_order_relaxed);
		step(tx, seen);
	}
	atomic_exchange_explicit(&tx->lp->reading[n - 1], lock[n - 1].word, memory_order_seq_cst);
	step(tx, seen);
}

TX_INLINE void leave(const struct tx *tx, unsigned n, bool seen)
{
	while (n) {
		step(tx, seen);
		reader_leave(tx->lp, --n);
	}
}

/* --- asked under the locks --- */

static bool is_barred(const struct tx_held *lock)
{
	return __atomic_load_n((const uint16_t *)lock->word, __ATOMIC_SEQ_CST) &
	       (HP_EXCLUSIVE | HP_PRIORITY);
}

/* Entries of the PAMT begin with their lock. */
static bool has_type(const struct tx_held *lock, enum tdx_page_type type)
{
	return pamt_type(lock->word) == type;
}

/* The ranges above the page are divided, and nobody has them for himself. */
TX_INLINE bool are_open(const struct pamt_entry *up, const struct pamt_entry *node)
{
	const unsigned locks = __atomic_load_n(&up->lock, __ATOMIC_SEQ_CST) |
			       __atomic_load_n(&node->lock, __ATOMIC_SEQ_CST);

	static_assert(TDX_PT_NDA == 0, "of two types none is another");
	return !(locks & (HP_EXCLUSIVE | HP_PRIORITY)) &&
	       (pamt_type(up) | pamt_type(node)) == TDX_PT_NDA;
}

static bool is_reachable(const struct td_path *k)
{
	return are_open(k->held[PAGE_1G].word, k->held[PAGE_2M].word);
}

/* Its TDCS is where it was: before that is known, nothing in it is looked at. */
TX_INLINE bool is_same_td(const struct td_path *k, const struct td *td)
{
	return tdx_is_success(tx_td_built(td)) && td->tdr->tdcx_pa[TDCS_PAGE_MAIN] == k->main_pa &&
	       td->tdr->tdcx_pa[TDCS_PAGE_EXT] == k->ext_pa;
}

static bool allows(const struct tx *tx, const struct td *td)
{
	return tx->leaf->op_states &
	       TDX_OP_STATE_BIT(__atomic_load_n(&td->tdcs->op_state, __ATOMIC_RELAXED));
}

static bool is_shared_td(const struct tx *tx, const struct td_path *k, unsigned n,
			 const struct td *td)
{
	return is_reachable(k) && !is_barred(&k->held[PAGE_4K]) &&
	       has_type(&k->held[PAGE_4K], TDX_PT_TDR) && is_same_td(k, td) &&
	       !is_barred(&k->held[TD_OP_STATE]) &&
	       (n == KNOWN_TD || !is_barred(&k->held[TD_TREE])) && allows(tx, td);
}

static bool is_shared_vcpu(const struct tx *tx, const struct td_path *k, const struct td *td)
{
	const struct pamt_entry *page = k->held[PAGE_4K].word;

	return is_reachable(k) && !is_barred(&k->held[PAGE_4K]) &&
	       has_type(&k->held[PAGE_4K], TDX_PT_TDVPR) && pamt_owner(page).v == k->tdr_pa.v &&
	       !is_barred(&k->held[VCPU_TDR]) && has_type(&k->held[VCPU_TDR], TDX_PT_TDR) &&
	       is_same_td(k, td) && !is_barred(&k->held[VCPU_OP_STATE]) && allows(tx, td);
}

/* --- taking --- */

TX_INLINE bool share_td(struct tx *tx, unsigned n, struct td *td, bool seen)
{
	const struct td_path *k = &tx->lp->known;

	*td = td_of(k, k->held[PAGE_4K].word, n == KNOWN_TD_AND_TREE);
	announce(tx, k->held, n, seen);
	if (!is_shared_td(tx, k, n, td)) {
		leave(tx, n, seen);
		return false;
	}
	memcpy(tx->held, k->held, sizeof(k->held));
	tx->nheld = n;
	tell(tx, seen);
	return true;
}

static __attribute__((noinline)) bool share_td_seen(struct tx *tx, unsigned n, struct td *td)
{
	return share_td(tx, n, td, true);
}

bool known_td_share(struct tx *tx, hpa_t pa, unsigned n, struct td *td)
{
	if (!is_known(tx, &tx->lp->known, pa))
		return false;
	if (__builtin_expect(tx->mod->hooks != NULL, 0))
		return share_td_seen(tx, n, td);
	return share_td(tx, n, td, false);
}

/* Looked at before as well, so as not to bar others from a page that cannot be had. The exchange of
 * the lock's word is the barrier of the two slots. */
TX_INLINE bool take_page(struct tx *tx, const struct td_path *k, bool seen)
{
	const struct pamt_entry *up = k->held[PAGE_1G].word, *node = k->held[PAGE_2M].word;
	struct pamt_entry *page = k->held[PAGE_4K].word;
	struct lp *lp = tx->lp;

	if (!are_open(up, node) || pamt_type(page) != TDX_PT_TDR || reader_is_in(tx->mod, page, lp))
		return false;
	step(tx, seen);
	atomic_store_explicit(&lp->reading[PAGE_1G], up, memory_order_relaxed);
	step(tx, seen);
	atomic_store_explicit(&lp->reading[PAGE_2M], node, memory_order_relaxed);
	step(tx, seen);
	if (hp_take_free(&page->lock)) {
		step(tx, seen);
		if (are_open(up, node) && pamt_type(page) == TDX_PT_TDR &&
		    !reader_is_in(tx->mod, page, lp))
			return true;
		hp_release(&page->lock, LOCK_EXCLUSIVE);
	}
	leave(tx, PAGE_4K, seen);
	return false;
}

TX_INLINE bool take_td(struct tx *tx, struct td *td, bool seen)
{
	const struct td_path *k = &tx->lp->known;

	if (!take_page(tx, k, seen))
		return false;
	*td = td_of(k, k->held[PAGE_4K].word, false);
	if (!is_same_td(k, td) || !allows(tx, td)) {
		hp_release(k->held[PAGE_4K].word, LOCK_EXCLUSIVE);
		leave(tx, PAGE_4K, seen);
		return false;
	}
	tx->nheld = PAGE_4K + 1;
	for (unsigned i = 0; i < PAGE_4K; i++)
		tx->held[i] = k->held[i];
	tx->held[PAGE_4K] = (struct tx_held){k->held[PAGE_4K].word, k->pa.v, LOCK_PAMT_4K,
					     LOCK_EXCLUSIVE, NO_SLOT};
	tell(tx, seen);
	return true;
}

static __attribute__((noinline)) bool take_td_seen(struct tx *tx, struct td *td)
{
	return take_td(tx, td, true);
}

bool known_td_take(struct tx *tx, hpa_t pa, struct td *td)
{
	if (!is_known(tx, &tx->lp->known, pa))
		return false;
	if (__builtin_expect(tx->mod->hooks != NULL, 0))
		return take_td_seen(tx, td);
	return take_td(tx, td, false);
}

TX_INLINE bool share_vcpu(struct tx *tx, struct vp *vp, struct td *td, bool seen)
{
	const struct td_path *k = &tx->lp->known_vcpu;

	*vp = (struct vp){.pa = k->pa};
	*td = td_of(k, k->held[VCPU_TDR].word, false);
	announce(tx, k->held, TD_PATH_LOCKS, seen);
	if (!is_shared_vcpu(tx, k, td)) {
		leave(tx, TD_PATH_LOCKS, seen);
		return false;
	}
	memcpy(tx->held, k->held, sizeof(k->held));
	tx->nheld = TD_PATH_LOCKS;
	tell(tx, seen);
	return true;
}

static __attribute__((noinline)) bool share_vcpu_seen(struct tx *tx, struct vp *vp, struct td *td)
{
	return share_vcpu(tx, vp, td, true);
}

bool known_vcpu_share(struct tx *tx, hpa_t pa, struct vp *vp, struct td *td)
{
	if (!is_known(tx, &tx->lp->known_vcpu, pa))
		return false;
	if (__builtin_expect(tx->mod->hooks != NULL, 0))
		return share_vcpu_seen(tx, vp, td);
	return share_vcpu(tx, vp, td, false);
}

/* --- remembering --- */

/* Of the page at pa and its TD, all but the last two locks. False: with dynamic PAMT, whose 4K
 * entries come and go. */
static bool remember(struct td_path *k, struct module *mod, uint64_t pa, const struct td *td)
{
	const struct tdmr *t = pamt_block(mod, pa);
	struct pamt_entry *up, *node;

	if (mod->dynamic_pamt || !t)
		return false;
	up = pamt_entry_1g(mod, t, pa);
	node = pamt_entry_2m(mod, t, pa);
	*k = (struct td_path){
		.pa = hpa(pa),
		.tdr_pa = td->pa,
		.tdr = td->tdr,
		.tdcs = td->tdcs,
		.ext = td->ext,
		.main_pa = td->tdr->tdcx_pa[TDCS_PAGE_MAIN],
		.ext_pa = td->tdr->tdcx_pa[TDCS_PAGE_EXT],
		.held = {{&up->lock, pa & ~(TDX_SIZE_1G - 1), LOCK_PAMT_1G, LOCK_SHARED, PAGE_1G},
			 {&node->lock, pa & ~(TDX_SIZE_2M - 1), LOCK_PAMT_2M, LOCK_SHARED, PAGE_2M},
			 {&pamt_entry_4k(mod, t, pa, node)->lock, pa, LOCK_PAMT_4K, LOCK_SHARED,
			  PAGE_4K}},
	};
	return true;
}

void known_td_remember(struct tx *tx, const struct td *td)
{
	struct td_path *k = &tx->lp->known;
	const uint64_t pa = td->pa.v;

	if (!remember(k, tx->mod, pa, td))
		return;
	k->held[TD_OP_STATE] = (struct tx_held){&td->tdcs->op_state_lock, pa, LOCK_OP_STATE,
						LOCK_SHARED, TD_OP_STATE};
	k->held[TD_TREE] =
		(struct tx_held){&td->tdcs->sept_lock, pa, LOCK_SEPT_TREE, LOCK_SHARED, TD_TREE};
}

void known_vcpu_remember(struct tx *tx, const struct vp *vp, const struct td *td)
{
	struct td_path *k = &tx->lp->known_vcpu;

	if (!remember(k, tx->mod, vp->pa.v, td))
		return;
	k->held[VCPU_TDR] =
		(struct tx_held){&td->pamt->lock, td->pa.v, LOCK_PAMT_4K, LOCK_SHARED, VCPU_TDR};
	k->held[VCPU_OP_STATE] = (struct tx_held){&td->tdcs->op_state_lock, td->pa.v, LOCK_OP_STATE,
						  LOCK_SHARED, VCPU_OP_STATE};
}
