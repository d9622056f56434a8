/* SPDX-License-Identifier: MIT */
/* The transaction of one call: what it has locked, undone in reverse on every way out.
 *
 * A leaf is `decode`, which asks its questions in the module's order, takes locks through the
 * functions below and may return at any point with a status; and `commit`, which changes state and
 * cannot fail. Neither releases anything: the dispatcher ends the transaction when the leaf
 * returns. All tx_*() return the complete status, operand included. */
#ifndef MODULE_TX_H
#define MODULE_TX_H

#include <swtdx/leaf.h>
#include <swtdx/status.h>
#include "abi/sept.h"
#include "module/internal.h"
#include "module/lock.h"
#include "module/pamt.h"
#include "module/reader.h"

enum { TX_MAX_HELD = 24 };

struct tx {
	struct module *mod;
	struct machine *m;
	struct lp *lp;
	const struct tdx_leaf_info *leaf; /* the row of the call being served */
	bool guest;			  /* on behalf of a guest: fails on host priority */
	unsigned nheld;
	struct tx_held held[TX_MAX_HELD];
};

/* A TD located and locked by a call. */
struct td {
	hpa_t pa; /* TDR, without KeyID */
	struct tdr *tdr;
	struct tdcs *tdcs;	 /* set by tx_tdcs() */
	struct tdcs_ext *ext;	 /* ditto */
	struct pamt_entry *pamt; /* of the TDR page */
};

/* A vCPU located by a call. */
struct vp {
	hpa_t pa; /* TDVPR, without KeyID */
	struct tdvps *vps;
	struct vmcs *vmcs;
};

/* Every lock event of the module; any member may be NULL.
 * `acquire` before an attempt: a non-zero status refuses it with that code instead (fault
 * injection, schedule explorer may also block in it). `acquired` after one (ok or not), `released`
 * after a release. `enter`/`leave` around each call with its registers; guest says whose. A
 * non-success status from `enter` is returned to the caller without running the leaf.
 * `exit`/`resume` around each VM exit of a guest, a TDCALL's included, and where it led. */
struct module_hooks {
	struct tdx_status (*enter)(void *arg, struct lp *lp, bool guest, struct tdx_regs *regs);
	void (*leave)(void *arg, struct lp *lp, bool guest, const struct tdx_regs *in,
		      const struct tdx_regs *out);
	enum lock_result (*acquire)(void *arg, struct lp *lp, enum lock_resource res, uint64_t key,
				    enum lock_mode mode, bool guest);
	void (*acquired)(void *arg, struct lp *lp, enum lock_resource res, uint64_t key,
			 enum lock_mode mode, bool guest, enum lock_result result);
	void (*released)(void *arg, struct lp *lp, enum lock_resource res, uint64_t key,
			 enum lock_mode mode);
	void (*exit)(void *arg, struct lp *lp, const struct vmexit *exit,
		     const struct tdx_regs *guest);
	void (*resume)(void *arg, struct lp *lp, enum module_next next);
};

static inline void tx_begin(struct tx *tx, struct lp *lp, const struct tdx_leaf_info *leaf,
			    bool guest)
{
	tx->leaf = leaf;
	tx->mod = lp->mod;
	tx->m = lp->mod->m;
	tx->lp = lp;
	tx->guest = guest;
	tx->nheld = 0;
}

/* Release everything still held, newest first. */
void tx_end(struct tx *tx);

/* A lock whose readers are in slots, exclusive: `from` as hp_exclusive_from() has it, slot
 * the caller's own. */
enum lock_result tx_exclude_readers(struct tx *tx, enum lock_resource res, uint16_t *word,
				    uint16_t from, unsigned slot);
/* One attempt with the listeners told. */
enum lock_result tx_acquire_heard(struct tx *tx, enum lock_resource res, uint64_t key, void *word,
				  enum lock_mode mode, uint8_t *slot);

static inline enum lock_result tx_acquire(struct tx *tx, enum lock_resource res, void *word,
					  enum lock_mode mode, uint8_t *slot)
{
	unsigned n = tx->lp->nguest_locks + tx->nheld;

	*slot = NO_SLOT;
	if (!reader_has_slot(res, word))
		return lock_acquire(res, word, mode, tx->guest);
	if (mode != LOCK_SHARED)
		return tx_exclude_readers(tx, res, (uint16_t *)word, 0, NO_SLOT);
	if (n < READER_SLOTS && reader_enter(tx->lp, res, word, n)) {
		*slot = (uint8_t)n;
		return LOCK_OK;
	}
	return lock_acquire(res, word, mode, tx->guest);
}

/* Inline, so that at the call the kind of lock is known: locking is most of a short leaf. */
static inline enum lock_result tx_try(struct tx *tx, enum lock_resource res, uint64_t key,
				      void *word, enum lock_mode mode)
{
	uint8_t slot;
	enum lock_result r = __builtin_expect(tx->mod->hooks != NULL, 0)
				     ? tx_acquire_heard(tx, res, key, word, mode, &slot)
				     : tx_acquire(tx, res, word, mode, &slot);

	if (r == LOCK_OK) {
		assert(tx->nheld < TX_MAX_HELD);
		tx->held[tx->nheld++] =
			(struct tx_held){word, key, (uint8_t)res, (uint8_t)mode, slot};
	}
	return r;
}

/* Take two entries of a PAMT path shared at once. False: neither is taken, try one after the other,
 * which says which is busy. */
static inline bool tx_share_two(struct tx *tx, const struct tx_held *first,
				const struct tx_held *second)
{
	unsigned n = tx->lp->nguest_locks + tx->nheld;

	if (__builtin_expect(tx->mod->hooks != NULL, 0) ||
	    !reader_enter_two(tx->lp, first->word, second->word, n))
		return false;
	assert(tx->nheld + 2 <= TX_MAX_HELD);
	tx->held[tx->nheld] = *first;
	tx->held[tx->nheld].slot = (uint8_t)n;
	tx->held[tx->nheld + 1] = *second;
	tx->held[tx->nheld + 1].slot = (uint8_t)(n + 1);
	tx->nheld += 2;
	return true;
}

/* Take any lock; remembered and released by tx_end(). LOCK_BUSY -> code with the operand:
 * TDX_OPERAND_BUSY|op for the host; a guest that failed on host priority also reports
 * TDX_OPERAND_BUSY_HOST_PRIORITY|op (tdcall dispatch shows it as TDX_OPERAND_BUSY after the timeout
 * bookkeeping). */
static inline struct tdx_status tx_lock(struct tx *tx, enum lock_resource res, uint64_t key,
					void *word, enum lock_mode mode, enum tdx_operand op)
{
	switch (tx_try(tx, res, key, word, mode)) {
	case LOCK_OK:
		return tdx_success();
	case LOCK_BUSY:
		return tdx_error_op(TDX_OPERAND_BUSY, op);
	case LOCK_BUSY_HOST_PRIORITY:
		break;
	}
	return tdx_error_op(TDX_OPERAND_BUSY_HOST_PRIORITY, op);
}

/* Make the sharex-hp lock held shared at `word` exclusive. */
enum lock_result tx_promote(struct tx *tx, void *word);
/* Release one lock early (VP.ENTER, LP.INIT and few others do). */
void tx_unlock(struct tx *tx, void *word);
/* Stop tracking a lock without releasing it (VP.ENTER hands PAMT locks to the running guest). */
void tx_forget(struct tx *tx, void *word);
/* The lock at `word` was released by a store of the caller's own. */
void tx_released(struct tx *tx, void *word);

/* --- pages --- */

/* Lock the PAMT path of an explicit operand: `size`-aligned, KeyID 0, in a TDMR, page of `type`.
 * The leaf entry is locked in `mode`, its ancestors shared. Statuses carry `op`. */
struct tdx_status tx_page(struct tx *tx, hpa_t pa, enum tdx_operand op, enum lock_mode mode,
			  enum tdx_page_type type, enum tdx_level size, struct pamt_ref *ref);
/* The walk under it: lock the path of a covered page down to `target` (exactly: a leaf met above it
 * ends the walk there), nothing else asked. With LEVEL_4K this finds the leaf of any size. */
struct tdx_status tx_pamt_walk(struct tx *tx, hpa_t pa, enum tdx_operand op, enum lock_mode mode,
			       enum tdx_level target, struct pamt_ref *ref);
/* Only the entry of a page the module itself refers to (owner, removed page), at its known size.
 * Broken state when it has none. */
struct tdx_status tx_pamt_implicit(struct tx *tx, hpa_t pa, enum tdx_operand op,
				   enum lock_mode mode, enum tdx_level size, struct pamt_ref *ref);
/* The same for a page to be given to the module: free, exclusive; 2M: all 512 4K entries free. */
struct tdx_status tx_free_page(struct tx *tx, hpa_t pa, enum tdx_operand op, enum tdx_level size,
			       struct pamt_ref *ref);
/* Alignment and range of an operand that must be an HPA with KeyID 0. */
static inline bool tx_hpa_valid(const struct tx *tx, hpa_t pa, uint64_t size)
{
	return (pa.v & (size - 1)) == 0 && !(pa.v & tx->mod->hkid_mask) && pa.v >> HPA_BITS == 0;
}
/* An operand that is memory shared with the host: power-of-two `size` alignment, any shared KeyID,
 * below MAXPA, outside SEAMRR. The pointer may be NULL when the address is no RAM. */
struct tdx_status tx_shared(const struct tx *tx, hpa_t pa, uint64_t size, enum tdx_operand op,
			    void **ptr);

/* --- TDs --- */

/* TDR given by the host: lock its page (PT_TDR) in mode, map it. */
struct tdx_status tx_tdr(struct tx *tx, hpa_t pa, enum tdx_operand op, enum lock_mode mode,
			 struct td *td);
/* TDR reached through an owner field: only its 4K PAMT entry is locked, operand TDR. */
struct tdx_status tx_tdr_implicit(struct tx *tx, hpa_t pa, enum lock_mode mode, struct td *td);
/* TD fatal / keys configured / TDCS allocated; then OP_STATE locked (LOCK_NONE: not) and the leaf
 * allowed in it by its row (tx->leaf). Maps TDCS. */
struct tdx_status tx_tdcs(struct tx *tx, struct td *td, enum lock_mode op_state_mode);
/* The three build-state questions alone. */
struct tdx_status tx_td_built(const struct td *td);
void tx_map_tdcs(const struct tx *tx, struct td *td);
void *tx_tdcs_page(const struct tx *tx, const struct td *td, unsigned index);

/* TDVPR given by the host (PT_TDVPR in mode) plus its owner TDR implicitly in tdr_mode. */
struct tdx_status tx_vp(struct tx *tx, hpa_t pa, enum tdx_operand op, enum lock_mode mode,
			enum lock_mode tdr_mode, struct vp *vp, struct td *td);
/* Map all TDVPS pages; false when fewer than the TD's L2 VMs need have been added. */
bool tx_map_vp(const struct tx *tx, const struct td *td, struct vp *vp);

/* --- S-EPT --- */

/* Bits that make an entry present to the processor: read, write, execute. */
#define SEPT_PRESENT (SEPT_R | SEPT_W | SEPT_XS)

/* An entry found by a walk: where it is, what it was when read. */
struct sept_ref {
	uint64_t *entry;
	uint64_t value; /* as read; refreshed by tx_sept_lock() */
	enum tdx_level level;
	gpa_t gpa;
};

/* The level of the root's entries, the highest an operand may name. */
static inline enum tdx_level td_sept_top(const struct tdcs *tdcs)
{
	return (enum tdx_level)(tdcs->eptp >> 3 & 7u);
}

/* Is the GPA within the TD's width (and MAXPA as virtualised)? */
bool td_gpa_valid(const struct tdcs *tdcs, gpa_t gpa_, bool must_be_private);

/* An operand "GPA | level": are reserved bits zero, the level in [min, max], the GPA aligned? */
bool sept_operand_valid(uint64_t raw, enum tdx_level min, enum tdx_level max);

/* GPA checks, tree lock in mode, walk to exactly ref->level (set by the caller). On
 * TDX_EPT_WALK_FAILED ref has the entry and level where the walk stopped. */
struct tdx_status tx_sept_walk(struct tx *tx, const struct td *td, gpa_t gpa_, enum tdx_operand op,
			       enum lock_mode tree_mode, struct sept_ref *ref);
/* Walk without locks or checks as far as ref->level; true when that level was reached, else ref is
 * where it stopped: an entry that is not present or a leaf. */
bool sept_walk(const struct tx *tx, const struct tdcs *tdcs, gpa_t gpa_, struct sept_ref *ref);
/* The same in any tree of Secure-EPT tables with entries of level `top` in its root; goes on below
 * an entry that has one of the bits in `present` and is no leaf. */
bool sept_walk_from(const struct tx *tx, uint64_t root, enum tdx_level top, gpa_t gpa_,
		    uint64_t present, struct sept_ref *ref);
/* GPA checked, walked to a present leaf of any size, nothing locked; TDX_EPT_WALK_FAILED|op. */
struct tdx_status sept_walk_to_leaf(const struct tx *tx, const struct tdcs *tdcs, gpa_t gpa_,
				    enum tdx_operand op, struct sept_ref *ref);
/* Lock the entry (host or guest way per tx) and read it again; BUSY|RCX. */
struct tdx_status tx_sept_lock(struct tx *tx, struct sept_ref *ref);

/* Write the entry and drop its lock in the same store (clears the lock and keeps host priority). */
void tx_sept_store(struct tx *tx, const struct sept_ref *ref, uint64_t value);

/* Extended error words RCX and RDX of the memory leaves, from the entry and level of ref. */
void sept_error_regs(const struct tx *tx, const struct sept_ref *ref, struct tdx_regs *regs);

/* The byte a leaf entry maps ref->gpa to, without KeyID. */
hpa_t sept_leaf_pa(const struct tx *tx, const struct sept_ref *ref);

/* Has every vCPU that may have cached a translation blocked in this epoch left the guest since? */
bool td_tlb_tracked(const struct td *td, uint64_t bepoch);

/* --- small --- */
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
