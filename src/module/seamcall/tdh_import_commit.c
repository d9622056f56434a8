/* SPDX-License-Identifier: MIT */
/* TDH.IMPORT.COMMIT: the TD runs here from now on; memory may go on coming.
 * Locks: TDR exclusive. */
#include "module/leaves.h"
#include "module/mig.h"

struct tdx_status leaf_tdh_import_commit(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_import_commit_in in = tdh_import_commit_take(regs);
	struct td td;
	struct tdx_status s = tx_tdr(tx, in.tdr, TDX_OPERAND_ID_RCX, LOCK_EXCLUSIVE, &td);

	if (tdx_is_success(s))
		s = tx_tdcs(tx, &td, LOCK_NONE);
	if (!tdx_is_success(s))
		return s;
	td.tdcs->import_count++;
	mig_set_op_state(&td, TDX_OP_STATE_LIVE_IMPORT);
	return s;
}
