/* SPDX-License-Identifier: MIT */
/* What a guest's WRMSR does to the MSRs the module emulates. */
#include "arch/x86.h"
#include "module/exit_msr.h"
#include "arch/msr.h"
#include "module/virt_msr.h"
#include "module/vmcs.h"

#define DEBUGCTL_RESERVED 0xffffffffffff0038ull

static enum msr_result write_debugctl(struct lp *lp, uint64_t value)
{
	struct vmcs *vmcs = lp->vmcs;
	uint64_t old = vmcs_read(vmcs, VMCS_GUEST_DEBUGCTL);

	if (value & DEBUGCTL_RESERVED)
		return MSR_RESULT_GP;
	if (value & DEBUGCTL_TR && !(value & DEBUGCTL_BTS))
		return MSR_RESULT_VE_UNSUPPORTED;
	value = (value & ~DEBUGCTL_UNCORE_PMI) | (old & DEBUGCTL_UNCORE_PMI);
	if (value & DEBUGCTL_FREEZE_IN_SMM && !td_has_perfmon(lp))
		return MSR_RESULT_GP;
	if (value & DEBUGCTL_RTM && !tdcs_cpuid_flags(lp->tdcs).tsx)
		return MSR_RESULT_GP;
	vmcs_write(vmcs, VMCS_GUEST_DEBUGCTL, value);
	if (!(vmcs_read(vmcs, VMCS_GUEST_RFLAGS) & RFLAGS_TF) || !((value ^ old) & DEBUGCTL_BTF))
		return MSR_DONE;
	if (old & DEBUGCTL_BTF)
		vmcs_set_bits(vmcs, VMCS_GUEST_PENDING_DEBUG_EXCEPTIONS, PENDING_DEBUG_BS);
	else
		vmcs_clear_bits(vmcs, VMCS_GUEST_PENDING_DEBUG_EXCEPTIONS, PENDING_DEBUG_BS);
	return MSR_DONE;
}

/* Only SCE is the guest's to change; an L2 VM's LME too. */
static enum msr_result write_efer(struct lp *lp, uint64_t value)
{
	const uint64_t variable = EFER_SCE | (lp->vps->curr_vm != 0 ? EFER_LME : 0);
	uint64_t old = vmcs_read(lp->vmcs, VMCS_GUEST_EFER);

	value = (value & ~EFER_LMA) | (old & EFER_LMA);
	if ((value ^ old) & ~variable)
		return MSR_RESULT_VE_UNSUPPORTED;
	vmcs_write(lp->vmcs, VMCS_GUEST_EFER, value);
	return MSR_DONE;
}

static enum msr_result write_misc_enable(struct lp *lp, uint64_t value)
{
	if (!td_reduces_ve(lp))
		return MSR_RESULT_VE_CONFIG;
	switch (misc_enable_write(lp->tdcs, lp->vps, value)) {
	case MISC_ENABLE_OK:
		return MSR_DONE;
	case MISC_ENABLE_GP:
		return MSR_RESULT_GP;
	case MISC_ENABLE_VE:
		break;
	}
	return MSR_RESULT_VE_UNSUPPORTED;
}

static enum msr_result write_xss(struct lp *lp, uint64_t value)
{
	if (value & ~(lp->mod->plat.xss_mask & lp->tdcs->xfam))
		return MSR_RESULT_GP;
	lp->vps->msr.xss = value;
	return MSR_DONE;
}

enum msr_result guest_write_msr(struct lp *lp, uint32_t msr, uint64_t value)
{
	enum msr_result r;

	if (msr >= MSR_PERFEVTSEL0 && msr <= MSR_PERFEVTSEL7)
		return guest_write_perfevtsel(lp, msr - MSR_PERFEVTSEL0, value);
	switch (msr) {
	case MSR_SMI_COUNT:
		r = msr_if_reduced(lp);
		if (r == MSR_DONE)
			lp->vps->msr.smi_count = value;
		return r;
	case MSR_BIOS_UPDT_TRIG:
	case MSR_BIOS_SIGN_ID:
		return msr_if_reduced(lp);
	case MSR_FEATURE_ENABLES:
		r = msr_if_reduced(lp);
		return r == MSR_DONE && value != 0 ? MSR_RESULT_GP : r;
	case MSR_MISC_ENABLE:
		return write_misc_enable(lp, value);
	case MSR_XSS:
		return write_xss(lp, value);
	case MSR_DEBUGCTL:
		return write_debugctl(lp, value);
	case MSR_EFER:
		return write_efer(lp, value);
	}
	return msr_by_table(lp, msr, true);
}
