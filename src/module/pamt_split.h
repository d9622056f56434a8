/* SPDX-License-Identifier: MIT */
/* PAMT entries of a large page of a TD split into those of its parts, and merged back.
 *
 * The entry of the large page is held exclusive by the caller (tx_pamt_implicit()). With dynamic
 * PAMT the entries of 4K pages need a pair of pages of their own, which a split is given and a
 * merge gives back. */
#ifndef MODULE_PAMT_SPLIT_H
#define MODULE_PAMT_SPLIT_H

#include "module/page.h"

struct pamt_pair {
	hpa_t page[2];
};

/* Does a page of this size have 4K entries in a pair of pages? */
static inline bool pamt_uses_pair(const struct tx *tx, enum tdx_level large)
{
	return tx->mod->dynamic_pamt && large == TDX_LEVEL_2M;
}

/* Are both free pages of TDX memory? Marks them as PAMT pages on success. Operands op and op + 1.
 */
struct tdx_status tx_pamt_take_pair(struct tx *tx, const struct pamt_pair *pair,
				    enum tdx_operand op);

/* The parts get the type and owner of the whole. pair: as taken, when one is used. */
void pamt_split(const struct tx *tx, const struct pamt_ref *large, const struct pamt_pair *pair);
/* The whole gets the type and owner of the first part. pair: out, when one was used. */
void pamt_merge(const struct tx *tx, const struct pamt_ref *large, struct pamt_pair *pair);

#endif
