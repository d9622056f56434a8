/* SPDX-License-Identifier: MIT */
/* TDG.VP.CPUIDVE.SET: have every CPUID of this vCPU raise a #VE, by privilege. No locks.
 *
 * A TD that locked its TD_CTLS can only repeat what is set. */
#include "module/leaves.h"
#include "module/tx.h"
#include <swtdx/structs.h>

enum { SUPERVISOR = 1, USER = 2 };

struct tdx_status leaf_tdg_vp_cpuidve_set(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdg_vp_cpuidve_set_in in = tdg_vp_cpuidve_set_take(regs);
	struct tdvps *vps = tx->lp->vps;
	bool supervisor = in.flags & SUPERVISOR, user = in.flags & USER;
	bool same = vps->cpuid_supervisor_ve == supervisor && vps->cpuid_user_ve == user;

	if (in.flags & ~(uint64_t)(SUPERVISOR | USER))
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
	if (tdcs_td_ctls(tx->lp->tdcs) & TDX_TD_CTLS_LOCK && !same)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
	/* Cannot fail: the vCPU is the caller's. */
	vps->cpuid_supervisor_ve = supervisor;
	vps->cpuid_user_ve = user;
	return tdx_success();
}
