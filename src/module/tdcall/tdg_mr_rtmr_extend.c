/* SPDX-License-Identifier: MIT */
/* TDG.MR.RTMR.EXTEND: extend a run-time measurement register with 48 bytes of private memory.
 *
 * Locks: the RTMRs exclusive. The remembered hash of the TD's report becomes stale. */
#include "module/guest_memory.h"
#include "module/leaves.h"
#include "module/sha384.h"

#include <string.h>

enum { DATA_ALIGNMENT = 64 };

struct plan {
	uint8_t *rtmr;
	uint8_t input[2 * SHA384_SIZE]; /* old value, data */
};

static struct tdx_status decode(struct tx *tx, const struct tdg_mr_rtmr_extend_in *in,
				struct plan *plan)
{
	struct tdcs *tdcs = tx->lp->tdcs;
	struct tdx_status s;
	const void *data;

	plan->rtmr = NULL;
	if (in->digest.v % DATA_ALIGNMENT != 0)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
	data = guest_memory(tx, in->digest, false, TDX_OPERAND_ID_RCX, &s);
	if (!data)
		return s;
	memcpy(plan->input + SHA384_SIZE, data, SHA384_SIZE);
	/* after the data has been read: Intel's tdg_mr_rtmr_extend.c */
	if (in->index >= TD_NUM_RTMRS)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RDX);
	s = tx_lock(tx, LOCK_RTMR, tx->lp->tdr_pa.v, &tdcs->rtmr_lock, LOCK_EXCLUSIVE,
		    TDX_OPERAND_ID_RTMR);
	if (tdx_is_success(s))
		plan->rtmr = tdcs->rtmr[in->index];
	return s;
}

/* Cannot fail: the RTMRs are the caller's alone, and the data has been copied. */
static void commit(struct tx *tx, struct plan *plan)
{
	memcpy(plan->input, plan->rtmr, SHA384_SIZE);
	sha384(plan->input, sizeof(plan->input), plan->rtmr);
	__atomic_store_n(&tx->lp->tdcs->last_teeinfo_hash_valid, 0, __ATOMIC_RELEASE);
}

struct tdx_status leaf_tdg_mr_rtmr_extend(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdg_mr_rtmr_extend_in in = tdg_mr_rtmr_extend_take(regs);
	struct plan plan;
	struct tdx_status s = decode(tx, &in, &plan);

	if (plan.rtmr)
		commit(tx, &plan);
	return s;
}
