/* SPDX-License-Identifier: MIT */
/* TDH.SYS.UPDATE: take over the state another module left. A machine starts without any, so the
 * answer to a call at the right time is that there is nothing valid to take over.
 * Locks: the module, exclusive. State: after LP.INIT on all processors, instead of SYS.CONFIG. */
#include "module/leaves.h"
#include "module/sys.h"

struct tdx_status leaf_tdh_sys_update(struct tx *tx, struct tdx_regs *regs)
{
	struct tdx_status s = global_lock(tx, LOCK_EXCLUSIVE);

	if (!tdx_is_success(s))
		return s;
	if (tx->mod->sys_state != SYSINIT_DONE || tx->mod->num_init_lps < tx->mod->num_lps)
		return tdx_error(TDX_SYS_STATE_INCORRECT);
	return tdx_error(TDX_SYS_INVALID_HANDOFF);
}
