/* SPDX-License-Identifier: MIT */
/* TDH.SYS.RD: read a field of the module. Locks: none. States: any, once this processor is
 * initialised. MD_ID_NONE asks for the first field. */
#include "module/leaves.h"
#include "module/metadata.h"

struct tdx_status leaf_tdh_sys_rd(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_sys_rd_in in = tdh_sys_rd_take(regs);
	struct tdh_sys_rd_out out = tdh_sys_rd_failed(regs);
	const struct md md = md_of_system(tx);
	struct tdx_status s = tx->lp->initialized
				      ? md_rd(&md, in.field, &out.value, &out.next_field)
				      : tdx_error(TDX_SYS_LP_INIT_NOT_DONE);

	tdh_sys_rd_give(regs, &out);
	return s;
}
