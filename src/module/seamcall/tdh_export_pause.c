/* SPDX-License-Identifier: MIT */
/* TDH.EXPORT.PAUSE: the TD does not run any more in this session.
 * Locks: TDR exclusive, so that no vCPU is inside. */
#include "module/leaves.h"
#include "module/mig.h"

struct tdx_status leaf_tdh_export_pause(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_export_pause_in in = tdh_export_pause_take(regs);
	struct td td;
	struct tdx_status s = tx_td(tx, in.tdr, TDX_OPERAND_ID_RCX, LOCK_EXCLUSIVE, LOCK_NONE, &td);

	if (!tdx_is_success(s))
		return s;
	/* Cannot fail: the TD is the caller's alone. Nobody holds a translation that could still be
	 * written through. */
	td.tdcs->td_epoch++;
	mig_set_op_state(&td, TDX_OP_STATE_PAUSED_EXPORT);
	return s;
}
