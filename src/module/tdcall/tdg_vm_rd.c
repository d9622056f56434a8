/* SPDX-License-Identifier: MIT */
/* TDG.VM.RD: read a field of the calling TD. Locks: none. RCX is 0, for
 * this TD; version 1 also gives the next field, and MD_ID_NONE asks for the first. */
#include "module/leaves.h"
#include "module/metadata.h"

struct tdx_status leaf_tdg_vm_rd(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdg_vm_rd_in in = tdg_vm_rd_take(regs);
	struct tdg_vm_rd_out out = tdg_vm_rd_failed(regs);
	const struct md md = md_of_guest(tx, MD_CTX_TD);
	struct tdx_status s =
		in.zero ? tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX)
			: md_rd(&md, in.field, &out.value, in.version ? &out.next_field : NULL);

	tdg_vm_rd_give(regs, &out);
	return s;
}
