/* SPDX-License-Identifier: MIT */
/* TDH.MNG.KEY.RECLAIMID: kept for old hosts; does nothing, looks at nothing, succeeds. */
#include "module/leaves.h"
#include "module/tx.h"

struct tdx_status leaf_tdh_mng_key_reclaimid(struct tx *tx, struct tdx_regs *regs)
{
	(void)tx;
	(void)regs;
	return tdx_success();
}
