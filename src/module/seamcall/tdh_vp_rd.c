/* SPDX-License-Identifier: MIT */
/* TDH.VP.RD: read a field of a vCPU, which is associated with this processor by that, even when it
 * is disabled; version 1 also gives the next field, and MD_ID_NONE asks for the first. Locks: TDVPR
 * shared, TDR shared, OP_STATE shared. */
#include "module/leaves.h"
#include "module/metadata_vcpu.h"

struct tdx_status leaf_tdh_vp_rd(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_vp_rd_in in = tdh_vp_rd_take(regs);
	struct tdh_vp_rd_out out = tdh_vp_rd_failed(regs);
	struct md md;
	struct tdx_status s = md_take_vcpu(tx, in.tdvpr, false, &md);

	if (tdx_is_success(s))
		s = md_rd(&md, in.field, &out.value, in.version ? &out.next_field : NULL);
	tdh_vp_rd_give(regs, &out);
	return s;
}
