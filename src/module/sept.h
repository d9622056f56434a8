/* SPDX-License-Identifier: MIT */
/* The Secure EPT of a TD: operands that name an entry, walks to it, its lock. The format of entries
 * is in abi/sept.h. */
#ifndef MODULE_SEPT_H
#define MODULE_SEPT_H

#include "abi/operand.h"
#include "abi/sept.h"
#include "module/leaves.h"
#include "module/td.h"

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
bool sept_operand_valid(gpa_level_t at, enum tdx_level min, enum tdx_level max);

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

/* What a leaf shows of the entry it failed at. */
void sept_show(const struct tx *tx, const struct sept_ref *ref, struct sept_shown *shown);

/* The byte a leaf entry maps ref->gpa to, without KeyID. */
hpa_t sept_leaf_pa(const struct tx *tx, const struct sept_ref *ref);

#endif
