/* SPDX-License-Identifier: MIT */
/* TDG.VP.VEINFO.GET: why the last #VE was raised; from then on another can be.
 *
 * Version 1 tells the category of the #VE in the upper half of RCX too, version 2 the
 * interruptibility the guest had in R12. No locks: the information belongs to the calling vCPU. */
#include "module/leaves.h"
#include "module/tx.h"

struct tdx_status leaf_tdg_vp_veinfo_get(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdg_vp_veinfo_get_in in = tdg_vp_veinfo_get_take(regs);
	struct tdg_vp_veinfo_get_out out = tdg_vp_veinfo_get_failed(regs);
	struct tdvps_ve_info *ve = &tx->lp->vps->ve_info;
	struct tdx_status s = tdx_error(TDX_NO_VALID_VE_INFO);

	/* Cannot fail: the vCPU is the caller's. */
	if (ve->valid) {
		out.exit_reason = ve->exit_reason;
		if (in.version > 0)
			out.exit_reason |= (uint64_t)ve->ve_category << 32;
		out.exit_qualification = ve->exit_qualification;
		out.gla = ve->gla;
		out.gpa = ve->gpa;
		out.instruction =
			(uint64_t)ve->instruction_information << 32 | ve->instruction_length;
		out.zero = 0;
		out.interruptibility = ve->interruptibility_state;
		ve->valid = 0;
		s = tdx_success();
	}
	tdg_vp_veinfo_get_give(regs, &out);
	return s;
}
