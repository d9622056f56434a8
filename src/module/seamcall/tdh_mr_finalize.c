/* SPDX-License-Identifier: MIT */
/* TDH.MR.FINALIZE: close the measurement; the TD can run from now on.
 *
 * Locks: TDR exclusive. */
#include "module/leaves.h"
#include "module/measurement.h"
#include "module/report.h"
#include "module/tx.h"

static struct tdx_status decode(struct tx *tx, const struct tdh_mr_finalize_in *in, struct td *td)
{
	struct tdx_status s = tx_td(tx, in->tdr, TDX_OPERAND_ID_RCX, LOCK_EXCLUSIVE, LOCK_NONE, td);

	if (!tdx_is_success(s))
		return s;
	/* after OP_STATE: 04-finalize.vec */
	if (__atomic_load_n(&td->tdcs->num_vcpus, __ATOMIC_RELAXED) == 0)
		return tdx_error(TDX_NO_VCPUS);
	return s;
}

/* Cannot fail: the TD is the caller's alone. */
static void commit(struct tx *tx, struct td *td)
{
	if (td->tdcs->mrtd_context_version) {
		td->tdcs->mrtd_context_version = 0;
		atomic_fetch_sub(&tx->mod->td_build_count, 1);
	}
	tdcs_mrtd_finalize(td->tdcs);
	servtd_hash_compute(td->tdcs);
	__atomic_store_n(&td->tdcs->op_state, TDX_OP_STATE_RUNNABLE, __ATOMIC_RELEASE);
}

struct tdx_status leaf_tdh_mr_finalize(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_mr_finalize_in in = tdh_mr_finalize_take(regs);
	struct td td;
	struct tdx_status s = decode(tx, &in, &td);

	if (tdx_is_success(s))
		commit(tx, &td);
	return s;
}
