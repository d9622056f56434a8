/* SPDX-License-Identifier: MIT */
/* TDG.SYS.RD: read a field of the module that TDs may see. Locks: none. In: RDX field, MD_ID_NONE
 * for the first. Out: RDX the next field, R8 the value. */
#include "module/leaves.h"
#include "module/metadata.h"

struct tdx_status leaf_tdg_sys_rd(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdg_sys_rd_in in = tdg_sys_rd_take(regs);
	struct tdg_sys_rd_out out = tdg_sys_rd_failed(regs);
	const struct md md = md_of_system(tx);
	struct tdx_status s = md_rd(&md, in.field, &out.value, &out.next_field);

	tdg_sys_rd_give(regs, &out);
	return s;
}
