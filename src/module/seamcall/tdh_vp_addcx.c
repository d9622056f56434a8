/* SPDX-License-Identifier: MIT */
/* TDH.VP.ADDCX: add a free page to a vCPU's state that is not initialised yet.
 *
 * Locks: TDVPR exclusive, TDR shared, OP_STATE shared, the page's PAMT entry exclusive. */
#include "module/donate.h"
#include "module/leaves.h"

struct plan {
	struct td td;
	struct tdvps *vps;
	struct pamt_ref page;
};

static struct tdx_status decode(struct tx *tx, const struct tdh_vp_addcx_in *in, struct plan *plan)
{
	struct vp vp;
	struct tdx_status s = tx_vp(tx, in->tdvpr, TDX_OPERAND_ID_RDX, LOCK_EXCLUSIVE, LOCK_SHARED,
				    &vp, &plan->td);

	if (!tdx_is_success(s))
		return s;
	s = tx_tdcs(tx, &plan->td, LOCK_SHARED);
	if (!tdx_is_success(s))
		return s;
	plan->vps = machine_ptr(tx->m, vp.pa.v);
	if (plan->vps->state != TDX_VCPU_UNINITIALIZED)
		return tdx_error_num(TDX_VCPU_STATE_INCORRECT, plan->vps->state);
	if (plan->vps->num_pages >= TDVPS_MAX_PAGES)
		return tdx_error(TDX_TDCX_NUM_INCORRECT);
	return tx_free_page(tx, in->page, TDX_OPERAND_ID_RCX, TDX_LEVEL_4K, &plan->page);
}

/* Of an L2 VM's pages the two with MSR bitmaps start as "exit on everything". */
static uint64_t initial_content(unsigned index)
{
	return index >= TDVPS_PAGE_L2 && (index - TDVPS_PAGE_L2) % TDVPS_PAGES_PER_L2_VM != 0
		       ? ~0ull
		       : 0;
}

/* Cannot fail: the vCPU is the caller's alone, the page locked and free. */
static void commit(struct tx *tx, struct plan *plan)
{
	struct tdvps *vps = plan->vps;

	donate_page(tx, &plan->td, &plan->page, TDX_PT_TDCX, initial_content(vps->num_pages));
	vps->page_pa[vps->num_pages] = donated_pa(tx, &plan->td, &plan->page);
	vps->num_pages++;
}

struct tdx_status leaf_tdh_vp_addcx(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_vp_addcx_in in = tdh_vp_addcx_take(regs);
	struct plan plan;
	struct tdx_status s = decode(tx, &in, &plan);

	if (tdx_is_success(s))
		commit(tx, &plan);
	return s;
}
