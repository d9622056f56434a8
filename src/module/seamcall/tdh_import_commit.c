/* SPDX-License-Identifier: MIT */
/* TDH.IMPORT.COMMIT: the TD runs here from now on; memory may go on coming.
 * Locks: TDR exclusive. */
#include "module/leaves.h"
#include "module/mig.h"

struct tdx_status leaf_tdh_import_commit(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_import_commit_in in = tdh_import_commit_take(regs);
	struct td td;
	struct tdx_status s = tx_td(tx, in.tdr, TDX_OPERAND_ID_RCX, LOCK_EXCLUSIVE, LOCK_NONE, &td);

	if (!tdx_is_success(s))
		return s;
	/* Cannot fail: the TD is the caller's alone. */
	td.tdcs->import_count++;
	mig_set_op_state(&td, TDX_OP_STATE_LIVE_IMPORT);
	return s;
}
