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

enum msr_result emulate_rdmsr(struct lp *lp, uint32_t msr)
{
	struct tdx_regs *regs = &lp->vps->gpr;
	uint64_t value = 0;
	enum msr_result r = guest_read_msr(lp, msr, &value);

	if (r == MSR_DONE) {
		regs->rax = (uint32_t)value;
		regs->rdx = value >> 32;
	}
	return r;
}

enum msr_result emulate_wrmsr(struct lp *lp, uint32_t msr)
{
	const struct tdx_regs *regs = &lp->vps->gpr;

	return guest_write_msr(lp, msr, (uint32_t)regs->rax | regs->rdx << 32);
}

void exit_rdmsr(struct lp *lp)
{
	uint32_t msr = (uint32_t)lp->vps->gpr.rcx;

	finish(lp, msr_in_bitmaps(msr) ? emulate_rdmsr(lp, msr) : MSR_RESULT_VE_PARAVIRT);
}

void exit_wrmsr(struct lp *lp)
{
	uint32_t msr = (uint32_t)lp->vps->gpr.rcx;

	finish(lp, msr_in_bitmaps(msr) ? emulate_wrmsr(lp, msr) : MSR_RESULT_VE_PARAVIRT);
}
