/* SPDX-License-Identifier: MIT */
/* TDH.MNG.ADDCX: add a free page to the TD's control structure.
 *
 * Locks: TDR exclusive, the page's PAMT entry exclusive. State: keys configured; once there are
 * pages enough to hold OP_STATE, uninitialized. */
#include <string.h>

#include "module/donate.h"
#include "module/entropy.h"
#include "module/leaves.h"
#include "module/sept.h"

struct plan {
	struct td td;
	struct pamt_ref page;
	uint64_t mig_enc_key[4];
	bool last_needed; /* this page makes the TDCS usable */
	bool filled;	  /* the module has written the page, whatever it finds after that */
};

static struct tdx_status decode(struct tx *tx, const struct tdh_mng_addcx_in *in, struct plan *plan)
{
	struct td *td = &plan->td;
	struct tdx_status s = tx_tdr(tx, in->tdr, TDX_OPERAND_ID_RDX, LOCK_EXCLUSIVE, td);

	if (!tdx_is_success(s))
		return s;
	if (td->tdr->fatal)
		return tdx_error(TDX_TD_FATAL);
	if (td->tdr->lifecycle_state != TDX_LIFECYCLE_KEYS_CONFIGURED)
		return tdx_error(TDX_TD_KEYS_NOT_CONFIGURED);
	if (td->tdr->num_tdcx >= TDCS_MAX_PAGES)
		return tdx_error(TDX_TDCX_NUM_INCORRECT);
	s = tx_free_page(tx, in->page, TDX_OPERAND_ID_RCX, TDX_LEVEL_4K, &plan->page);
	if (!tdx_is_success(s))
		return s;
	/* a page that is then refused has been written: pages-of-failed-calls.vec,
	 * 18-addcx-no-entropy.vec */
	plan->filled = true;
	plan->last_needed = td->tdr->num_tdcx + 1 == TDCS_MIN_PAGES;
	if (plan->last_needed && !entropy_fill(tx->lp->hw, plan->mig_enc_key, 4))
		return tdx_error(TDX_RND_NO_ENTROPY);
	/* OP_STATE last, after the page: 09-operand-bits.vec */
	if (td->tdr->num_tdcx < TDCS_MIN_PAGES)
		return tdx_success();
	tx_map_tdcs(tx, td);
	if (!(tx->leaf->op_states & TDX_OP_STATE_BIT(td->tdcs->op_state)))
		return tdx_error_num(TDX_OP_STATE_INCORRECT, td->tdcs->op_state);
	return tdx_success();
}

/* MSRs are intercepted and GPAs unmapped until somebody says otherwise; the rest starts as zero. */
static uint64_t initial_content(unsigned index)
{
	switch (index) {
	case TDCS_PAGE_MSR_BITMAPS:
		return ~0ull;
	case TDCS_PAGE_SEPT_ROOT:
		return SEPT_FREE_ENTRY;
	default:
		return 0;
	}
}

/* Cannot fail: the TD is the caller's alone, the page locked and free. */
static void commit(struct tx *tx, struct plan *plan)
{
	struct td *td = &plan->td;
	struct tdr *tdr = td->tdr;

	donate_page(tx, td, &plan->page, TDX_PT_TDCX, initial_content(tdr->num_tdcx));
	tdr->tdcx_pa[tdr->num_tdcx] = donated_pa(tx, td, &plan->page);
	tdr->num_tdcx++;
	if (plan->last_needed) {
		tx_map_tdcs(tx, td);
		memcpy(td->tdcs->mig_enc_key, plan->mig_enc_key, sizeof(td->tdcs->mig_enc_key));
	}
}

struct tdx_status leaf_tdh_mng_addcx(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_mng_addcx_in in = tdh_mng_addcx_take(regs);
	struct plan plan = {.filled = false};
	struct tdx_status s = decode(tx, &in, &plan);

	if (tdx_is_success(s))
		commit(tx, &plan);
	else if (plan.filled)
		donate_fill(tx, &plan.td, &plan.page, initial_content(plan.td.tdr->num_tdcx));
	return s;
}
