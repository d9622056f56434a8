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
 * Only processors that are in the module or a guest (struct lp, `busy`) can read anything, and say
 * so before they fill a slot; so an exclusive locker looks at the slots of those alone. That stores
 * are seen in the order in which they were made, up to the locked exchange of the last slot, is
 * x86's.
 *
 * What a word says is unchanged for everybody else: an exclusive holder, host priority and readers
 * counted by others are seen there, and in any of these cases a reader goes through the word too.
 */
#ifndef MODULE_READER_H
#define MODULE_READER_H

#include <swtdx/state.h>

#include "module/internal.h"
#include "module/lock.h"
#include "module/pamt.h"

/* Are readers of this word in slots? For a 4K page that depends on its type, which changes only
 * under its exclusive lock. */
static inline bool reader_has_slot(enum lock_resource res, const void *word)
{
	const struct pamt_entry *entry;
	unsigned type;

	switch (res) {
	case LOCK_PAMT_1G:
	case LOCK_PAMT_2M:
	case LOCK_OP_STATE:
	case LOCK_SEPT_TREE:
	case LOCK_EPOCH:
		return true;
	case LOCK_PAMT_4K:
		entry = word; /* its lock is what it begins with */
		type = __atomic_load_n(&entry->type, __ATOMIC_RELAXED) & PAMT_TYPE_MASK;
		return type == TDX_PT_TDR || type == TDX_PT_TDVPR;
	case LOCK_GLOBAL:
	case LOCK_KOT:
	case LOCK_WBT:
	case LOCK_TDMR:
	case LOCK_RTMR:
	case LOCK_MIG:
	case LOCK_SERVTD_BINDINGS:
	case LOCK_SEPT_ENTRY:
	case LOCK_MIGSC:
	case LOCK_NUM_RESOURCES:
		break;
	}
	return false;
}

/* What in the word of a resource keeps readers out of the slots. */
static inline uint16_t reader_barrier(enum lock_resource res)
{
	return lock_resource_kind(res) == LOCK_KIND_SHAREX ? SHAREX_EXCLUSIVE
							   : HP_EXCLUSIVE | HP_PRIORITY;
}

/* Takes the word shared in slot n. False: it is not free for that, or the slot is in use. */
static inline bool reader_enter(struct lp *lp, enum lock_resource res, const void *word, unsigned n)
{
	_Atomic(const void *) *slot = &lp->reading[n];

	if (atomic_load_explicit(slot, memory_order_relaxed))
		return false;
	/* not a store: it must be seen before the word is looked at */
	atomic_exchange_explicit(slot, word, memory_order_seq_cst);
	if (!(__atomic_load_n((const uint16_t *)word, __ATOMIC_SEQ_CST) & reader_barrier(res)) &&
	    reader_has_slot(res, word))
		return true;
	atomic_store_explicit(slot, NULL, memory_order_release);
	return false;
}

/* Takes two words shared in slots n and n+1 with one barrier. False: do it one by one. */
static inline bool reader_enter_two(struct lp *lp, const void *first, const void *second,
				    unsigned n)
{
	_Atomic(const void *) *slot;

	if (n + 2 > READER_SLOTS)
		return false;
	slot = &lp->reading[n];
	if (atomic_load_explicit(&slot[0], memory_order_relaxed) ||
	    atomic_load_explicit(&slot[1], memory_order_relaxed))
		return false;
	atomic_store_explicit(&slot[0], first, memory_order_relaxed);
	atomic_exchange_explicit(&slot[1], second, memory_order_seq_cst);
	if (!((__atomic_load_n((const uint16_t *)first, __ATOMIC_SEQ_CST) |
	       __atomic_load_n((const uint16_t *)second, __ATOMIC_SEQ_CST)) &
	      (HP_EXCLUSIVE | HP_PRIORITY)))
		return true;
	atomic_store_explicit(&slot[0], NULL, memory_order_release);
	atomic_store_explicit(&slot[1], NULL, memory_order_release);
	return false;
}

static inline void reader_leave(struct lp *lp, unsigned n)
{
	atomic_store_explicit(&lp->reading[n], NULL, memory_order_release);
}

/* Does this processor read the word? */
bool reader_reads(const struct lp *lp, const void *word);

/* Does a processor other than `but` (may be NULL)? One outside the module and all guests reads
 * nothing; should it come in now, it will see the word. */
static inline bool reader_is_in(const struct module *mod, const void *word, const struct lp *but)
{
	const struct lp *end = mod->lp + mod->m->cfg.lps;

	for (const struct lp *lp = mod->lp; lp < end; lp++)
		if (lp != but && atomic_load_explicit(&lp->busy, memory_order_seq_cst) &&
		    reader_reads(lp, word))
			return true;
	return false;
}

#endif
