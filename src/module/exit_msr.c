/* SPDX-License-Identifier: MIT */
/* RDMSR and WRMSR exits: the access, and what the guest gets for one that was refused. */
#include "module/exit_msr.h"
#include "module/exits.h"
#include "module/inject.h"
#include "module/msr_policy.h"

static void finish(struct lp *lp, enum msr_result r)
{
	uint32_t reason = lp->exit.reason;

	switch (r) {
	case MSR_DONE:
		break;
	case MSR_RESULT_GP:
		guest_inject_gp0(lp);
		break;
	case MSR_RESULT_VE_CONFIG:
		guest_inject_ve(lp, reason, 0, 0, 0, VE_CONFIG_PARAVIRT);
		break;
	case MSR_RESULT_VE_PARAVIRT:
		guest_inject_ve(lp, reason, 0, 0, 0, VE_NON_CONFIG_PARAVIRT);
		break;
	case MSR_RESULT_VE_UNSUPPORTED:
		guest_inject_ve(lp, reason, 0, 0, 0, VE_UNSUPPORTED_FEATURE);
		break;
	case MSR_RESULT_IMPOSSIBLE:
		module_fatal(lp);
		break;
	}
}

static bool in_bitmaps(uint32_t msr)
{
	return msr < MSR_BITMAP_MSRS || msr - MSR_BITMAP_HIGH < MSR_BITMAP_MSRS;
}

void exit_rdmsr(struct lp *lp)
{
	struct tdx_regs *regs = &lp->vps->gpr;
	uint32_t msr = (uint32_t)regs->rcx;
	enum msr_result r = MSR_RESULT_VE_PARAVIRT;
	uint64_t value = 0;

	if (in_bitmaps(msr))
		r = guest_read_msr(lp, msr, &value);
	if (r == MSR_DONE) {
		regs->rax = (uint32_t)value;
		regs->rdx = value >> 32;
	}
	finish(lp, r);
}

void exit_wrmsr(struct lp *lp)
{
	const struct tdx_regs *regs = &lp->vps->gpr;
	uint32_t msr = (uint32_t)regs->rcx;
	uint64_t value = (uint32_t)regs->rax | regs->rdx << 32;

	finish(lp, in_bitmaps(msr) ? guest_write_msr(lp, msr, value) : MSR_RESULT_VE_PARAVIRT);
}
