/* SPDX-License-Identifier: MIT */
/* Taking the block off an entry: TDH.MEM.RANGE.UNBLOCK and the leaves that do it on their way. */
#ifndef MODULE_SEAMCALL_UNBLOCK_H
#define MODULE_SEAMCALL_UNBLOCK_H

#include "module/seamcall/mem.h"

/* The entry as it was before TDH.MEM.RANGE.BLOCK; unchanged when it was not blocked. */
static inline uint64_t unblocked(uint64_t entry)
{
	if (sept_is_state(entry, TDX_SEPT_NL_BLOCKED))
		return sept_with_state(entry, TDX_SEPT_NL_MAPPED) | SEPT_RWX;
	if (sept_is_state(entry, TDX_SEPT_BLOCKED))
		return sept_with_state(entry, TDX_SEPT_MAPPED) | SEPT_RWX;
	if (sept_is_state(entry, TDX_SEPT_PENDING_BLOCKED))
		return sept_with_state(entry, TDX_SEPT_PENDING);
	return entry;
}

/* The alias of an L1 entry in the tree of a VM, mapping `address` (0: what it did) and unblocked
 * unless the page is pending, for which the one L2 state "blocked" stands too. False: broken. */
static inline bool unblock_alias(const struct tx *tx, const struct td *td, unsigned vm,
				 const struct sept_ref *l1, uint64_t address)
{
	uint64_t *alias = l2_alias(tx, td->tdr, td->tdcs, vm, l1, false);
	uint64_t value;

	if (!alias)
		return false;
	value = *alias;
	if (address)
		value = (value & ~SEPT_HPA_MASK) | address;
	if (!sept_has(l1->value, SEPT_IS_PENDING))
		value = l2_sept_unblocked(value);
	l2_sept_write(alias, value);
	return true;
}

#endif
