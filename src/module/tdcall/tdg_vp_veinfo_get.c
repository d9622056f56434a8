/* SPDX-License-Identifier: MIT */
/* TDG.VP.VEINFO.GET: why the last #VE was raised; from then on another can be.
 *
 * Version 1 tells the category of the #VE in the upper half of RCX too, version 2 the
 * interruptibility the guest had in R12. No locks: the information belongs to the calling vCPU. */
#include "module/leaves.h"
#include "module/tx.h"

enum { MAX_VERSION = 2 };

struct tdx_status leaf_tdg_vp_veinfo_get(struct tx *tx, struct tdx_regs *regs)
{
	struct tdvps_ve_info *ve = &tx->lp->vps->ve_info;
	unsigned version = tdx_rax_version(regs->rax);

	regs->rcx = regs->rdx = regs->r8 = regs->r9 = regs->r10 = 0;
	if (version > MAX_VERSION)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RAX);
	if (!ve->valid)
		return tdx_error(TDX_NO_VALID_VE_INFO);
	regs->rcx = ve->exit_reason;
	if (version > 0)
		regs->rcx |= (uint64_t)ve->ve_category << 32;
	regs->rdx = ve->exit_qualification;
	regs->r8 = ve->gla;
	regs->r9 = ve->gpa;
	regs->r10 = (uint64_t)ve->instruction_information << 32 | ve->instruction_length;
	if (version >= 2) {
		regs->r11 = 0;
		regs->r12 = ve->interruptibility_state;
	}
	ve->valid = 0;
	return tdx_success();
}
