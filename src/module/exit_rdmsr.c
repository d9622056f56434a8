/* SPDX-License-Identifier: MIT */
/* What a guest's RDMSR reads of the MSRs the module emulates. */
#include "arch/x86.h"
#include "module/exit_msr.h"
#include "arch/msr.h"
#include "module/virt_msr.h"
#include "module/vmcs.h"

#define PERF_CAPABILITIES_PEBS_TO_PT (1ull << 16)

static enum msr_result read_perf_capabilities(const struct lp *lp, uint64_t *value)
{
	*value = 0;
	if (!td_has_perfmon(lp))
		return MSR_DONE;
	if (lp->tdcs->xfam & XFAM_PT)
		return MSR_RESULT_IMPOSSIBLE;
	*value = lp->mod->plat.perf_capabilities & ~PERF_CAPABILITIES_PEBS_TO_PT;
	return MSR_DONE;
}

static enum msr_result read_vmx(const struct lp *lp, uint32_t msr, uint64_t *value)
{
	const struct tdcs_virt_msrs *v = &lp->tdcs->virt_msrs;

	if (lp->vps->curr_vm != 0) /* what the L1 VMM has is not for its VMs */
		return td_reduces_ve(lp) ? MSR_RESULT_GP : MSR_RESULT_VE_CONFIG;
	switch (msr) {
	case MSR_VMX_BASIC:
		*value = v->vmx_basic;
		break;
	case MSR_VMX_MISC:
		*value = v->vmx_misc;
		break;
	case MSR_VMX_CR0_FIXED0:
		*value = v->vmx_cr0_fixed0;
		break;
	case MSR_VMX_CR0_FIXED1:
		*value = v->vmx_cr0_fixed1;
		break;
	case MSR_VMX_CR4_FIXED0:
		*value = v->vmx_cr4_fixed0;
		break;
	case MSR_VMX_CR4_FIXED1:
		*value = v->vmx_cr4_fixed1;
		break;
	case MSR_VMX_PROCBASED_CTLS2:
		*value = v->vmx_procbased_ctls2;
		break;
	case MSR_VMX_EPT_VPID_CAP:
		*value = v->vmx_ept_vpid_cap;
		break;
	case MSR_VMX_TRUE_PINBASED_CTLS:
		*value = v->vmx_true_pinbased_ctls;
		break;
	case MSR_VMX_TRUE_PROCBASED_CTLS:
		*value = v->vmx_true_procbased_ctls;
		break;
	case MSR_VMX_TRUE_EXIT_CTLS:
		*value = v->vmx_true_exit_ctls;
		break;
	case MSR_VMX_TRUE_ENTRY_CTLS:
		*value = v->vmx_true_entry_ctls;
		break;
	case MSR_VMX_VMFUNC:
		*value = v->vmx_vmfunc;
		break;
	case MSR_VMX_PROCBASED_CTLS3:
		*value = v->vmx_procbased_ctls3;
		break;
	default:
		return msr_by_table(lp, msr, false);
	}
	return MSR_DONE;
}

enum msr_result guest_read_msr(const struct lp *lp, uint32_t msr, uint64_t *value)
{
	*value = 0;
	if (msr >= MSR_PERFEVTSEL0 && msr <= MSR_PERFEVTSEL7)
		return guest_read_perfevtsel(lp, msr - MSR_PERFEVTSEL0, value);
	if (msr >= MSR_VMX_BASIC && msr <= MSR_VMX_PROCBASED_CTLS3)
		return read_vmx(lp, msr, value);
	switch (msr) {
	case MSR_SMI_COUNT:
		*value = lp->vps->msr.smi_count;
		return msr_if_reduced(lp);
	case MSR_FEATURE_CONTROL:
	case MSR_PPIN_CTL:
		*value = 1; /* locked */
		return msr_if_reduced(lp);
	case MSR_BIOS_SIGN_ID:
		*value = 0xffffffff;
		return msr_if_reduced(lp);
	case MSR_PLATFORM_INFO:
	case MSR_FEATURE_ENABLES:
		return msr_if_reduced(lp);
	case MSR_DEBUGCTL:
		*value = vmcs_read(lp->vmcs, VMCS_GUEST_DEBUGCTL) & ~DEBUGCTL_UNCORE_PMI;
		return MSR_DONE;
	case MSR_MISC_ENABLE:
		*value = lp->vps->msr.misc_enable;
		return MSR_DONE;
	case MSR_PERF_CAPABILITIES:
		return read_perf_capabilities(lp, value);
	case MSR_ARCH_CAPABILITIES:
		*value = lp->tdcs->virt_msrs.arch_capabilities;
		return MSR_DONE;
	case MSR_X2APIC_APICID:
		if (!(tdcs_td_ctls(lp->tdcs) & TDX_TD_CTLS_ENUM_TOPOLOGY))
			return MSR_RESULT_VE_CONFIG;
		*value = lp->ext->x2apic_ids[lp->vps->vcpu_index];
		return MSR_DONE;
	case MSR_XAPIC_DISABLE_STATUS:
		*value = 1;
		return MSR_DONE;
	}
	return msr_by_table(lp, msr, false);
}
