/* SPDX-License-Identifier: MIT */
/* Operands that are pages: asked whether they can be one, found in the PAMT, locked there. */
#ifndef MODULE_PAGE_H
#define MODULE_PAGE_H

#include "module/pamt.h"
#include "module/tx.h"

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
/* The same, and `len` bytes of it read into `to`: once, for the host may change them meanwhile, and
 * as all ones where there is no RAM, as an empty bus reads. */
struct tdx_status tx_shared_read(const struct tx *tx, hpa_t pa, uint64_t size, enum tdx_operand op,
				 void *to, size_t len);

#endif
