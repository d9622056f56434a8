/* SPDX-License-Identifier: MIT */
/* TDH.VP.WR: write a field of a vCPU, which is associated with this processor by that; gives the
 * value before. Locks: TDVPR shared, TDR shared, OP_STATE shared. */
#include "module/leaves.h"
#include "module/metadata_vcpu.h"

struct tdx_status leaf_tdh_vp_wr(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_vp_wr_in in = tdh_vp_wr_take(regs);
	struct tdh_vp_wr_out out = tdh_vp_wr_failed(regs);
	struct md md;
	struct tdx_status s = md_take_vcpu(tx, in.tdvpr, true, &md);

	if (tdx_is_success(s))
		s = md_wr(&md, in.field, in.value, in.mask, &out.old_value);
	tdh_vp_wr_give(regs, &out);
	return s;
}
