/* SPDX-License-Identifier: MIT */
/* TDH.VP.CREATE: a free page becomes the TDVPR of a new vCPU.
 *
 * Locks: TDR shared, OP_STATE shared, the page's PAMT entry exclusive. States: as the leaf table.
 */
#include "module/donate.h"
#include "module/leaves.h"
#include "module/vcpu.h"

struct plan {
	struct td td;
	struct pamt_ref page;
};

static struct tdx_status decode(struct tx *tx, const struct tdh_vp_create_in *in, struct plan *plan)
{
	struct tdx_status s =
		tx_td(tx, in->tdr, TDX_OPERAND_ID_RDX, LOCK_SHARED, LOCK_SHARED, &plan->td);

	if (!tdx_is_success(s))
		return s;
	return tx_free_page(tx, in->page, TDX_OPERAND_ID_RCX, TDX_LEVEL_4K, &plan->page);
}

/* Cannot fail: the page is locked and free. */
static void commit(struct tx *tx, struct plan *plan)
{
	struct tdvps *vps = (struct tdvps *)donated_words(tx, &plan->page);

	donate_page(tx, &plan->td, &plan->page, TDX_PT_TDVPR, 0);
	vps->num_pages = 1;
	vps->assoc_lpid = VCPU_NO_LP;
	vps->page_pa[TDVPS_PAGE_MAIN] = donated_pa(tx, &plan->td, &plan->page);
}

struct tdx_status leaf_tdh_vp_create(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_vp_create_in in = tdh_vp_create_take(regs);
	struct plan plan;
	struct tdx_status s = decode(tx, &in, &plan);

	if (tdx_is_success(s))
		commit(tx, &plan);
	return s;
}
