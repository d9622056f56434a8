/* SPDX-License-Identifier: MIT */
/* TDH.PHYMEM.PAGE.WBINVD: write back and drop one free page's lines under any KeyID.
 * Locks: the page's PAMT path, shared. */
#include "module/leaves.h"
#include "module/page.h"

/* Free at any size: a 2M range without a pair of PAMT pages will do. */
static struct tdx_status lock_free_page(struct tx *tx, hpa_t pa)
{
	struct pamt_ref ref;
	struct tdx_status s;

	if (!tx_hpa_valid(tx, pa, TDX_PAGE_SIZE))
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
	s = tx_pamt_walk(tx, pa, TDX_OPERAND_ID_RCX, LOCK_SHARED, TDX_LEVEL_4K, &ref);
	if (!tdx_is_success(s))
		return s;
	if ((ref.entry->type & PAMT_TYPE_MASK) != TDX_PT_NDA ||
	    (tx->mod->dynamic_pamt && pamt_bitmap_get(tx->mod, pa.v)))
		return tdx_error_op(TDX_PAGE_METADATA_INCORRECT, TDX_OPERAND_ID_RCX);
	return s;
}

struct tdx_status leaf_tdh_phymem_page_wbinvd(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_phymem_page_wbinvd_in in = tdh_phymem_page_wbinvd_take(regs);
	struct tdx_status s = lock_free_page(tx, hpa(in.page.v & ~tx->mod->hkid_mask));

	/* Cannot fail: the page is nobody's, and its PAMT path is held. */
	if (tdx_is_success(s))
		machine_clflush(tx->lp->hw, in.page.v, TDX_PAGE_SIZE);
	return s;
}
