/* SPDX-License-Identifier: MIT */
/* RDMSR and WRMSR of a guest that were intercepted: refused, left to the host, or emulated.
 *
 * ABI: "MSR Virtualization". The guest's value of an emulated MSR is in the TDVPS or the VMCS; the
 * processor's own is never read for it. An access the bitmaps let through cannot get here. */
#include "abi/x86.h"
#include "module/exits.h"
#include "module/inject.h"
#include "module/msr.h"
#include "module/msr_policy.h"
#include "module/virt_msr.h"
#include "module/vmcs.h"
#include <swtdx/structs.h>

#define MSR_SMI_COUNT		 0x34u
#define MSR_FEATURE_CONTROL	 0x3au
#define MSR_PPIN_CTL		 0x4eu
#define MSR_BIOS_UPDT_TRIG	 0x79u
#define MSR_BIOS_SIGN_ID	 0x8bu
#define MSR_PLATFORM_INFO	 0xceu
#define MSR_FEATURE_ENABLES	 0x140u
#define MSR_X2APIC_APICID	 0x802u
#define MSR_XSS			 0xda0u
#define MSR_EFER		 0xc0000080u

/* What a guest gets for an access that exited. */
enum msr_result {
	MSR_DONE,
	MSR_RESULT_GP,
	MSR_RESULT_VE_CONFIG,
	MSR_RESULT_VE_PARAVIRT,
	MSR_RESULT_VE_UNSUPPORTED,
	MSR_RESULT_IMPOSSIBLE, /* the access is not intercepted: the module's state is broken */
};

static bool reduce_ve(const struct lp *lp)
{
	return (lp->tdcs->td_ctls & TDX_TD_CTLS_REDUCE_VE) != 0;
}

static bool perfmon(const struct lp *lp)
{
	return (lp->tdcs->attributes & TDX_ATTR_PERFMON) != 0;
}

/* Emulated for a TD that asked for fewer #VEs. */
static enum msr_result if_reduced(const struct lp *lp)
{
	return reduce_ve(lp) ? MSR_DONE : MSR_RESULT_VE_CONFIG;
}

static enum msr_result by_table(const struct lp *lp, uint32_t msr, bool write)
{
	const struct msr_range *range = msr_find(msr);
	unsigned policy = !range ? MSR_REDUCIBLE : write ? range->write : range->read;

	switch (msr_verdict(lp->mod, lp->tdcs, policy)) {
	case MSR_VERDICT_FREE:
		return MSR_RESULT_IMPOSSIBLE;
	case MSR_VERDICT_GP:
		return MSR_RESULT_GP;
	case MSR_VERDICT_VE:
		return MSR_RESULT_VE_CONFIG;
	case MSR_VERDICT_VE_ALWAYS:
		return MSR_RESULT_VE_PARAVIRT;
	case MSR_VERDICT_EMULATE: /* only the other direction is */
		break;
	}
	return reduce_ve(lp) ? MSR_RESULT_GP : MSR_RESULT_VE_CONFIG;
}

/* --- performance event selectors of a TD with an event filter --- */

#define PERFEVTSEL_ENABLE    (1ull << 22)
#define PERFEVTSEL_RESERVED  0xffffffff00000000ull
#define PERFEVTSEL_FORBIDDEN (1ull << 63) /* in the TDVPS only: the filter does not let it count   \
					   */

static bool event_allowed(const struct tdcs_ext *ext, uint16_t event)
{
	unsigned low = 0, high = ext->event_filters_num;

	while (low < high) {
		unsigned mid = (low + high) / 2;

		if (ext->event_filters[mid] == event)
			return true;
		if (ext->event_filters[mid] < event)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

static enum msr_result perfevtsel_check(const struct lp *lp)
{
	if (!perfmon(lp))
		return MSR_RESULT_GP;
	return lp->ext->event_filters_num ? MSR_DONE : MSR_RESULT_IMPOSSIBLE;
}

static enum msr_result write_perfevtsel(struct lp *lp, unsigned index, uint64_t value)
{
	enum msr_result r = perfevtsel_check(lp);
	bool reserved = (value & PERFEVTSEL_RESERVED) != 0;

	if (r != MSR_DONE)
		return r;
	if (value & PERFEVTSEL_ENABLE && !event_allowed(lp->ext, (uint16_t)value)) {
		value |= PERFEVTSEL_FORBIDDEN;
		__atomic_fetch_add(&lp->ext->filtered_events_count[0], 1, __ATOMIC_RELAXED);
	}
	if (reserved)
		return MSR_RESULT_GP;
	lp->vps->msr.perfevtsel[index] = value;
	return r;
}

/* --- WRMSR --- */

#define DEBUGCTL_RESERVED      0xffffffffffff0038ull
#define DEBUGCTL_FREEZE_IN_SMM (1ull << 14)
#define DEBUGCTL_RTM	       (1ull << 15)

static enum msr_result write_debugctl(struct lp *lp, uint64_t value)
{
	struct vmcs *vmcs = lp->vmcs;
	uint64_t old = vmcs_read(vmcs, VMCS_GUEST_DEBUGCTL);

	if (value & DEBUGCTL_RESERVED)
		return MSR_RESULT_GP;
	if (value & DEBUGCTL_TR && !(value & DEBUGCTL_BTS))
		return MSR_RESULT_VE_UNSUPPORTED;
	value = (value & ~DEBUGCTL_UNCORE_PMI) | (old & DEBUGCTL_UNCORE_PMI);
	if (value & DEBUGCTL_FREEZE_IN_SMM && !perfmon(lp))
		return MSR_RESULT_GP;
	if (value & DEBUGCTL_RTM && !lp->tdcs->cpuid_flags.tsx)
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

#define EFER_SCE (1ull << 0)

/* Only SCE is the guest's to change. */
static enum msr_result write_efer(struct lp *lp, uint64_t value)
{
	uint64_t old = vmcs_read(lp->vmcs, VMCS_GUEST_EFER);

	value = (value & ~EFER_LMA) | (old & EFER_LMA);
	if ((value ^ old) & ~EFER_SCE)
		return MSR_RESULT_VE_UNSUPPORTED;
	vmcs_write(lp->vmcs, VMCS_GUEST_EFER, value);
	return MSR_DONE;
}

static enum msr_result write_misc_enable(struct lp *lp, uint64_t value)
{
	if (!reduce_ve(lp))
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

static enum msr_result write_msr(struct lp *lp, uint32_t msr, uint64_t value)
{
	enum msr_result r;

	if (msr >= MSR_PERFEVTSEL0 && msr <= MSR_PERFEVTSEL7)
		return write_perfevtsel(lp, msr - MSR_PERFEVTSEL0, value);
	switch (msr) {
	case MSR_SMI_COUNT:
		r = if_reduced(lp);
		if (r == MSR_DONE)
			lp->vps->msr.smi_count = value;
		return r;
	case MSR_BIOS_UPDT_TRIG:
	case MSR_BIOS_SIGN_ID:
		return if_reduced(lp);
	case MSR_FEATURE_ENABLES:
		r = if_reduced(lp);
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
	return by_table(lp, msr, true);
}

/* --- RDMSR --- */

#define PERF_CAPABILITIES_PEBS_TO_PT (1ull << 16)

static enum msr_result read_perf_capabilities(const struct lp *lp, uint64_t *value)
{
	*value = 0;
	if (!perfmon(lp))
		return MSR_DONE;
	if (lp->tdcs->xfam & XFAM_PT)
		return MSR_RESULT_IMPOSSIBLE;
	*value = lp->mod->plat.perf_capabilities & ~PERF_CAPABILITIES_PEBS_TO_PT;
	return MSR_DONE;
}

static enum msr_result read_perfevtsel(const struct lp *lp, unsigned index, uint64_t *value)
{
	*value = lp->vps->msr.perfevtsel[index] & ~PERFEVTSEL_FORBIDDEN;
	return perfevtsel_check(lp);
}

static enum msr_result read_vmx(const struct lp *lp, uint32_t msr, uint64_t *value)
{
	const struct tdcs_virt_msrs *v = &lp->tdcs->virt_msrs;

	switch (msr) {
	case 0x480:
		*value = v->vmx_basic;
		break;
	case 0x485:
		*value = v->vmx_misc;
		break;
	case 0x486:
		*value = v->vmx_cr0_fixed0;
		break;
	case 0x487:
		*value = v->vmx_cr0_fixed1;
		break;
	case 0x488:
		*value = v->vmx_cr4_fixed0;
		break;
	case 0x489:
		*value = v->vmx_cr4_fixed1;
		break;
	case 0x48b:
		*value = v->vmx_procbased_ctls2;
		break;
	case 0x48c:
		*value = v->vmx_ept_vpid_cap;
		break;
	case 0x48d:
		*value = v->vmx_true_pinbased_ctls;
		break;
	case 0x48e:
		*value = v->vmx_true_procbased_ctls;
		break;
	case 0x48f:
		*value = v->vmx_true_exit_ctls;
		break;
	case 0x490:
		*value = v->vmx_true_entry_ctls;
		break;
	case 0x491:
		*value = v->vmx_vmfunc;
		break;
	case 0x492:
		*value = v->vmx_procbased_ctls3;
		break;
	default:
		return by_table(lp, msr, false);
	}
	return MSR_DONE;
}

static enum msr_result read_msr(const struct lp *lp, uint32_t msr, uint64_t *value)
{
	*value = 0;
	if (msr >= MSR_PERFEVTSEL0 && msr <= MSR_PERFEVTSEL7)
		return read_perfevtsel(lp, msr - MSR_PERFEVTSEL0, value);
	if (msr >= MSR_VMX_BASIC && msr <= MSR_VMX_PROCBASED_CTLS3)
		return read_vmx(lp, msr, value);
	switch (msr) {
	case MSR_SMI_COUNT:
		*value = lp->vps->msr.smi_count;
		return if_reduced(lp);
	case MSR_FEATURE_CONTROL:
	case MSR_PPIN_CTL:
		*value = 1; /* locked */
		return if_reduced(lp);
	case MSR_BIOS_SIGN_ID:
		*value = 0xffffffff;
		return if_reduced(lp);
	case MSR_PLATFORM_INFO:
	case MSR_FEATURE_ENABLES:
		return if_reduced(lp);
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
		if (!(lp->tdcs->td_ctls & TDX_TD_CTLS_ENUM_TOPOLOGY))
			return MSR_RESULT_VE_CONFIG;
		*value = lp->ext->x2apic_ids[lp->vps->vcpu_index];
		return MSR_DONE;
	case MSR_XAPIC_DISABLE_STATUS:
		*value = 1;
		return MSR_DONE;
	}
	return by_table(lp, msr, false);
}

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
		r = read_msr(lp, msr, &value);
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

	finish(lp, in_bitmaps(msr) ? write_msr(lp, msr, value) : MSR_RESULT_VE_PARAVIRT);
}
