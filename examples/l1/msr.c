/* SPDX-License-Identifier: MIT */
/* The VM's MSRs: those that the processor keeps for it without an exit, and those of the L1 VMM. */
#include "l1.h"

#include "arch/msr.h"
#include "arch/vmcs.h"
#include "arch/x86.h"

#define APIC_BASE_X2APIC_BSP 0xfee00d00ull /* and not to be changed */
#define LOCKED		     1ull
#define EFER_VM		     (EFER_SCE | EFER_LME | EFER_NXE)

/* The processor's, the same set for the L1 VMM, or in the VM's VMCS. */
void msr_init(void)
{
	static const uint32_t own[] = {
		MSR_TSC,	MSR_SYSENTER_CS, MSR_SYSENTER_ESP,    MSR_SYSENTER_EIP,
		MSR_PAT,	MSR_STAR,	 MSR_LSTAR,	      MSR_CSTAR,
		MSR_SFMASK,	MSR_FS_BASE,	 MSR_GS_BASE,	      MSR_KERNEL_GS_BASE,
		MSR_TSC_AUX,	MSR_SPEC_CTRL,	 MSR_PRED_CMD,	      MSR_ARCH_CAPABILITIES,
		MSR_X2APIC_TPR, MSR_X2APIC_EOI,	 MSR_X2APIC_SELF_IPI,
	};

	for (unsigned i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		must(tdg_l2_set_msr_exits(&port, VM, own[i], false, false), "the MSR bitmaps");
}

static bool is_apic(uint32_t msr)
{
	return msr >= MSR_X2APIC_FIRST && msr <= MSR_X2APIC_LAST;
}

bool msr_read(struct vm *vm, uint32_t msr, uint64_t *value)
{
	if (is_apic(msr))
		return apic_read(vm, msr, value);
	*value = 0;
	switch (msr) {
	case MSR_APIC_BASE:
		*value = APIC_BASE_X2APIC_BSP;
		return true;
	case MSR_TSC_DEADLINE:
		*value = vm->deadline + 1 ? vm->deadline : 0;
		return true;
	case MSR_EFER:
		must(tdg_l2_vmcs_rd(&port, VM, VMCS_GUEST_EFER, value), "EFER");
		return true;
	case MSR_DEBUGCTL:
		must(tdg_l2_vmcs_rd(&port, VM, VMCS_GUEST_DEBUGCTL, value), "DEBUGCTL");
		return true;
	case MSR_FEATURE_CONTROL:
		*value = LOCKED;
		return true;
	case MSR_XAPIC_DISABLE_STATUS: /* there is x2APIC mode alone */
		*value = 1;
		return true;
	case MSR_BIOS_SIGN_ID:
	case MSR_PLATFORM_INFO:
	case MSR_MISC_ENABLE:
	case MSR_FEATURE_ENABLES:
	case MSR_MCG_CAP:
	case MSR_MCG_STATUS:
		return true;
	default:
		return false;
	}
}

bool msr_write(struct vm *vm, uint32_t msr, uint64_t value)
{
	if (is_apic(msr))
		return apic_write(vm, msr, value);
	switch (msr) {
	case MSR_TSC_DEADLINE:
		apic_set_deadline(vm, value);
		return true;
	case MSR_APIC_BASE:
		return value == APIC_BASE_X2APIC_BSP;
	case MSR_EFER: /* NXE is always on, LMA the processor's */
		if (value & ~(uint64_t)(EFER_VM | EFER_LMA))
			return false;
		vm_vmcs(VMCS_GUEST_EFER, value, EFER_SCE | EFER_LME);
		return true;
	case MSR_DEBUGCTL: /* the module knows which bits the TD may have */
		return tdx_is_success(tdg_l2_vmcs_wr(&port, VM, VMCS_GUEST_DEBUGCTL, value, ~0ull));
	case MSR_BIOS_SIGN_ID:
	case MSR_MISC_ENABLE:
	case MSR_FEATURE_ENABLES:
	case MSR_MCG_STATUS:
		return true;
	default:
		return false;
	}
}
