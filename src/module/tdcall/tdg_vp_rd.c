/* SPDX-License-Identifier: MIT */
/* TDG.VP.RD: read a field of the calling vCPU. Locks: none. In: RCX 0 (this vCPU), RDX field,
 * MD_ID_NONE for the first. Out: RDX the next field, R8 the value. */
#include "module/leaves.h"
#include "module/metadata.h"

struct tdx_status leaf_tdg_vp_rd(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdg_vp_rd_in in = tdg_vp_rd_take(regs);
	struct tdg_vp_rd_out out = tdg_vp_rd_failed(regs);
	const struct md md = md_of_guest(tx, MD_CTX_VP);
	struct tdx_status s = in.zero ? tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX)
				      : md_rd(&md, in.field, &out.value, &out.next_field);

	tdg_vp_rd_give(regs, &out);
	return s;
}
