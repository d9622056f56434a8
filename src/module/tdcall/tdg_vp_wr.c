/* SPDX-License-Identifier: MIT */
/* TDG.VP.WR: write a field of the calling vCPU. Locks: none. In: RCX 0 (this vCPU), RDX field, R8
 * value, R9 the bits to write. Out: R8 the value before. */
#include "module/leaves.h"
#include "module/metadata.h"

struct tdx_status leaf_tdg_vp_wr(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdg_vp_wr_in in = tdg_vp_wr_take(regs);
	struct tdg_vp_wr_out out = tdg_vp_wr_failed(regs);
	const struct md md = md_of_guest(tx, MD_CTX_VP);
	struct tdx_status s = in.zero ? tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX)
				      : md_wr(&md, in.field, in.value, in.mask, &out.old_value);

	tdg_vp_wr_give(regs, &out);
	return s;
}
