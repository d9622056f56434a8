/* SPDX-License-Identifier: MIT */
/* A TD or vCPU that a call works on: found from an operand, its state asked, its pages mapped. */
#ifndef MODULE_TD_H
#define MODULE_TD_H

#include "module/td_layout.h"
#include "module/tx.h"

/* A TD located and locked by a call. */
struct td {
	hpa_t pa; /* TDR, without KeyID */
	struct tdr *tdr;
	struct tdcs *tdcs;	 /* set by tx_tdcs() */
	struct tdcs_ext *ext;	 /* ditto */
	struct pamt_entry *pamt; /* of the TDR page */
	bool has_tree;		 /* the S-EPT tree is locked shared already */
};

/* A vCPU located by a call. */
struct vp {
	hpa_t pa; /* TDVPR, without KeyID */
	struct tdvps *vps;
	struct vmcs *vmcs;
};

/* TDR given by the host: lock its page (PT_TDR) in mode, map it. */
struct tdx_status tx_tdr(struct tx *tx, hpa_t pa, enum tdx_operand op, enum lock_mode mode,
			 struct td *td);
/* TDR reached through an owner field: only its 4K PAMT entry is locked, operand TDR. */
struct tdx_status tx_tdr_implicit(struct tx *tx, hpa_t pa, enum lock_mode mode, struct td *td);
/* TD fatal / keys configured / TDCS allocated; then OP_STATE locked (LOCK_NONE: not) and the leaf
 * allowed in it by its row (tx->leaf). Maps TDCS. */
struct tdx_status tx_tdcs(struct tx *tx, struct td *td, enum lock_mode op_state_mode);
/* Both: the TD of a leaf whose operand is a TDR. */
struct tdx_status tx_td(struct tx *tx, hpa_t tdr, enum tdx_operand op, enum lock_mode tdr_mode,
			enum lock_mode op_state_mode, struct td *td);
/* The same with TDR and OP_STATE shared, of a leaf that takes the tree shared next: it may be so
 * already (td->has_tree). */
struct tdx_status tx_td_for_page(struct tx *tx, hpa_t tdr, enum tdx_operand op, struct td *td);
/* The three build-state questions alone. */
struct tdx_status tx_td_built(const struct td *td);
void tx_map_tdcs(const struct tx *tx, struct td *td);
void *tx_tdcs_page(const struct tx *tx, const struct td *td, unsigned index);

/* TDVPR given by the host (PT_TDVPR in mode) plus its owner TDR implicitly in tdr_mode. */
struct tdx_status tx_vp(struct tx *tx, hpa_t pa, enum tdx_operand op, enum lock_mode mode,
			enum lock_mode tdr_mode, struct vp *vp, struct td *td);
/* Map all TDVPS pages; false when fewer than the TD's L2 VMs need have been added. */
bool tx_map_vp(const struct tx *tx, const struct td *td, struct vp *vp);
/* All of it: the vCPU of a leaf whose operand is a TDVPR, and its TD, OP_STATE shared. */
struct tdx_status tx_vcpu(struct tx *tx, hpa_t tdvpr, enum tdx_operand op, enum lock_mode mode,
			  enum lock_mode tdr_mode, struct vp *vp, struct td *td);

/* Has every vCPU that may have cached a translation blocked in this epoch left the guest since? */
bool td_tlb_tracked(const struct td *td, uint64_t bepoch);

static inline struct td_counts *td_counts(struct tdr *tdr, const struct lp *lp)
{
	return &tdr->counts[lp->id % TD_COUNTS];
}

/* CHLDCNT */
static inline void td_add_children(const struct tx *tx, struct td *td, int64_t pages4k)
{
	__atomic_fetch_add(&td_counts(td->tdr, tx->lp)->children, (uint64_t)pages4k,
			   __ATOMIC_RELAXED);
}

/* REFCOUNT: the vCPU's TLB may hold translations of this epoch from now on, or no longer. */
static inline void td_join_epoch(struct tdr *tdr, const struct lp *lp, uint64_t epoch)
{
	__atomic_fetch_add(&td_counts(tdr, lp)->running[epoch & 1], 1, __ATOMIC_ACQUIRE);
}

static inline void td_leave_epoch(struct tdr *tdr, const struct lp *lp, uint64_t epoch)
{
	__atomic_fetch_sub(&td_counts(tdr, lp)->running[epoch & 1], 1, __ATOMIC_RELEASE);
}

#endif
