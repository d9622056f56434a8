/* SPDX-License-Identifier: MIT */
/* TDH.PHYMEM.PAGE.WBINVD: write back and drop one free page's lines under any KeyID.
 * Locks: the page's PAMT path, shared. */
#include "module/leaves.h"
#include "module/tx.h"

struct tdx_status leaf_tdh_phymem_page_wbinvd(struct tx *tx, struct tdx_regs *regs)
{
	hpa_t pa = hpa(regs->rcx & ~tx->mod->hkid_mask);
	struct pamt_ref ref;
	struct tdx_status s =
		tx_page(tx, pa, TDX_OPERAND_ID_RCX, LOCK_SHARED, TDX_PT_NDA, TDX_LEVEL_4K, &ref);

	if (tdx_is_success(s))
		machine_clflush(tx->lp->hw, regs->rcx, TDX_PAGE_SIZE);
	return s;
}
