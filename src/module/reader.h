/* SPDX-License-Identifier: MIT */
/* Shared locks that do not shuttle a cache line between processors.
 *
 * Every call on a TD takes the same few locks shared: the PAMT path of the TDR, OP_STATE, the tree.
 * Counting readers in the word would make each processor write the same lines, and two that fault
 * in different ranges of a TD would be slower than one. So a reader of these words says what it
 * reads in a slot of its own processor, and whoever wants the word exclusive looks at all slots
 * after taking it. Each side writes its part before it looks at the other's: at least one sees the
 * other. When both do, both are busy, which is no answer the real module gives, but one a caller
 * must know.
 *
 * What a word says is unchanged for everybody else: an exclusive holder, host priority and readers
 * counted by others are seen there, and in any of these cases a reader goes through the word too.
 */
#ifndef MODULE_READER_H
#define MODULE_READER_H

#include <swtdx/state.h>

#include "module/internal.h"
#include "module/lock.h"

/* Are readers of this word in slots? For a 4K page that depends on its type, which changes only
 * under its exclusive lock. */
static inline bool reader_has_slot(enum lock_resource res, const void *word)
{
	uint8_t type;

	switch (res) {
	case LOCK_PAMT_1G:
	case LOCK_PAMT_2M:
	case LOCK_OP_STATE:
	case LOCK_SEPT_TREE:
		return true;
	case LOCK_PAMT_4K: /* of struct pamt_entry */
		type = __atomic_load_n((const uint8_t *)word + 2, __ATOMIC_RELAXED) & 0x1f;
		return type == TDX_PT_TDR || type == TDX_PT_TDVPR;
	case LOCK_GLOBAL:
	case LOCK_KOT:
	case LOCK_WBT:
	case LOCK_TDMR:
	case LOCK_EPOCH:
	case LOCK_RTMR:
	case LOCK_MIG:
	case LOCK_SERVTD_BINDINGS:
	case LOCK_SEPT_ENTRY:
	case LOCK_NUM_RESOURCES:
		break;
	}
	return false;
}

/* Takes the word shared in slot n. False: it is not free for that, or the slot is in use. */
static inline bool reader_enter(struct lp *lp, enum lock_resource res, const void *word, unsigned n)
{
	_Atomic(const void *) *slot = &lp->reading[n];

	if (atomic_load_explicit(slot, memory_order_relaxed))
		return false;
	/* not a store: it must be seen before the word is looked at */
	atomic_exchange_explicit(slot, word, memory_order_seq_cst);
	if (!(__atomic_load_n((const uint16_t *)word, __ATOMIC_SEQ_CST) &
	      (HP_EXCLUSIVE | HP_PRIORITY)) &&
	    reader_has_slot(res, word))
		return true;
	atomic_store_explicit(slot, NULL, memory_order_release);
	return false;
}

static inline void reader_leave(struct lp *lp, unsigned n)
{
	atomic_store_explicit(&lp->reading[n], NULL, memory_order_release);
}

/* Does a processor read the word, apart from this one in that slot (NO_SLOT: apart from none)? */
bool reader_is_in(const struct module *mod, const void *word, const struct lp *lp, unsigned slot);

#endif
