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
#include "module/internal.h"
#include "module/lock.h"
#include "module/reader.h"

/* The most a call takes: TDH.MEM.PAGE.DEMOTE of a TD with three L2 VMs and dynamic PAMT has three
 * entries of the PAMT for the TDR and for each of four tables, two for the page and three for each
 * of the pair, and OP_STATE, the tree and the entry. */
enum { TX_MAX_HELD = 3 + 4 * 3 + 2 + 2 * 3 + 3 };

/* At the call the kind of lock is known, and most of the function is not for it. */
#define TX_INLINE static inline __attribute__((always_inline))

struct tx {
	struct module *mod;
	struct machine *m;
	struct lp *lp;
	const struct tdx_leaf_info *leaf; /* the row of the call being served */
	bool guest;			  /* on behalf of a guest: fails on host priority */
	unsigned nheld;
	struct tx_held held[TX_MAX_HELD];
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
/* Release what was taken since nheld was `mark`: between the parts of a call on a list. */
void tx_unwind(struct tx *tx, unsigned mark);

/* A lock whose readers are in slots, exclusive: `from` as hp_exclusive_from() has it, slot
 * the caller's own. */
enum lock_result tx_exclude_readers(struct tx *tx, enum lock_resource res, uint16_t *word,
				    uint16_t from, unsigned slot);
/* One attempt with the listeners told. */
enum lock_result tx_acquire_heard(struct tx *tx, enum lock_resource res, uint64_t key, void *word,
				  enum lock_mode mode, uint8_t *slot);

TX_INLINE enum lock_result tx_acquire(struct tx *tx, enum lock_resource res, void *word,
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

TX_INLINE enum lock_result tx_try(struct tx *tx, enum lock_resource res, uint64_t key, void *word,
				  enum lock_mode mode)
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

/* tx_share_two() before listeners. */
bool tx_share_two_seen(struct tx *tx, const struct tx_held *first, const struct tx_held *second);

static inline bool tx_share_two_unseen(struct tx *tx, const struct tx_held *first,
				       const struct tx_held *second)
{
	unsigned n = tx->lp->nguest_locks + tx->nheld;

	if (!reader_enter_two(tx->lp, first->word, second->word, n))
		return false;
	assert(tx->nheld + 2 <= TX_MAX_HELD);
	tx->held[tx->nheld] = *first;
	tx->held[tx->nheld].slot = (uint8_t)n;
	tx->held[tx->nheld + 1] = *second;
	tx->held[tx->nheld + 1].slot = (uint8_t)(n + 1);
	tx->nheld += 2;
	return true;
}

/* Take two entries of a PAMT path shared at once. False: neither is taken, try one after the other,
 * which says which is busy. */
static inline bool tx_share_two(struct tx *tx, const struct tx_held *first,
				const struct tx_held *second)
{
	return __builtin_expect(tx->mod->hooks != NULL, 0) ? tx_share_two_seen(tx, first, second)
							   : tx_share_two_unseen(tx, first, second);
}

/* Take any lock; remembered and released by tx_end(). LOCK_BUSY -> code with the operand:
 * TDX_OPERAND_BUSY|op for the host; a guest that failed on host priority also reports
 * TDX_OPERAND_BUSY_HOST_PRIORITY|op (tdcall dispatch shows it as TDX_OPERAND_BUSY after the timeout
 * bookkeeping). */
TX_INLINE struct tdx_status tx_lock(struct tx *tx, enum lock_resource res, uint64_t key, void *word,
				    enum lock_mode mode, enum tdx_operand op)
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
/* The lock at `word` was released by a store of the caller's own. */
void tx_released(struct tx *tx, void *word);

#endif
