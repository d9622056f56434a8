/* SPDX-License-Identifier: MIT */
/* TDH.IMPORT.END: nothing more is imported; the TD is like any other.
 * Locks: TDR exclusive. */
#include "module/leaves.h"
#include "module/mig.h"

struct tdx_status leaf_tdh_import_end(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_import_end_in in = tdh_import_end_take(regs);
	struct td td;
	struct tdx_status s = tx_td(tx, in.tdr, TDX_OPERAND_ID_RCX, LOCK_EXCLUSIVE, LOCK_NONE, &td);

	if (!tdx_is_success(s))
		return s;
	/* Cannot fail: the TD is the caller's alone. */
	if (td.tdcs->op_state == TDX_OP_STATE_POST_IMPORT) /* not committed before */
		td.tdcs->import_count++;
	mig_set_op_state(&td, TDX_OP_STATE_RUNNABLE);
	return s;
}
