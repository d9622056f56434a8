/* SPDX-License-Identifier: MIT */
/* TDH.SYS.LP.SHUTDOWN: does nothing and always succeeds, kept for hosts that still call it. */
#include "module/leaves.h"
#include "module/tx.h"

struct tdx_status leaf_tdh_sys_lp_shutdown(struct tx *tx, struct tdx_regs *regs)
{
	return tdx_success();
}
