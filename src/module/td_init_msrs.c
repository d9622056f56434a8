/* SPDX-License-Identifier: MIT */
/* MSRs whose virtual values are settled when a TD is initialised: IA32_ARCH_CAPABILITIES, and the
 * VMX capabilities an L1 sees for its L2 VMs. ABI: "MSR virtualization", "TD partitioning". */
#include "arch/x86.h"
#include "module/td_init.h"
#include "module/td_vmcs.h"
#include "module/vmcs.h"

/* Microcode, package and energy controls, fill buffers, overclocking, what is not defined yet. */
#define ARCH_CAP_HIDDEN	      (7ull << 9 | 7ull << 16 | 3ull << 22 | ~0ull << 25)
#define ARCH_CAP_ALLOWABLE    (ARCH_CAP_SSB_NO | ARCH_CAP_BHI_NO | ARCH_CAP_PBRSB_NO)
#define ARCH_CAP_CONFIGURABLE (ARCH_CAP_ALLOWABLE | ARCH_CAP_RRSBA)

bool td_init_arch_capabilities(const struct module *mod, struct tdcs *tdcs,
			       const struct tdx_td_params *params)
{
	const uint64_t config = params->ia32_arch_capabilities_config;
	uint64_t v = mod->plat.arch_capabilities;

	if (!(params->msr_config_ctls & 1) && config != 0)
		return false;
	if (config & ~ARCH_CAP_CONFIGURABLE)
		return false;
	v &= ~ARCH_CAP_HIDDEN & (config | ~ARCH_CAP_ALLOWABLE);
	v |= (config & ARCH_CAP_RRSBA) | ARCH_CAP_XAPIC_DISABLE;
	if (!tdcs->cpuid_flags.tsx)
		v &= ~ARCH_CAP_TSX_CTRL;
	tdcs->virt_msrs.arch_capabilities = v;
	return true;
}

/* Bits of an L2 VM's controls that its L1 may write. */
#define L1_PROCBASED	    0x48d99a04u
#define L1_PROCBASED2	    0x0c513e0cu
#define L1_PROCBASED3	    0xeull
#define L1_ENTRY_CTLS	    0x200u

#define L2_CR0_INITIAL	    (CR0_PE | CR0_NE)
#define L2_CR4_INITIAL	    (CR4_MCE | CR4_VMXE)

#define BASIC_INS_OUTS_INFO (1ull << 54)
#define BASIC_TRUE_CTLS	    (1ull << 55)
#define BASIC_NO_ERROR_CODE (1ull << 56)
/* EFER.LMA saved, HLT and shutdown states, Intel PT in VMX, four CR3 targets, VMWRITE to any field,
 * events with instruction length 0. */
#define MISC_VIRTUAL (7ull << 5 | 1ull << 14 | 4ull << 16 | 3ull << 29)
/* Execute-only, 2M and 1G pages, advanced exit information. */
#define VPID_CAP_VIRTUAL (1ull << 0 | 3ull << 16 | 1ull << 22)
#define VPID_CAP_SSS	 (1ull << 23)
#define VPID_CAP_HLAT	 (0x3full << 48)

/* As the capability MSRs say it: low half bits that are always 1, high half bits that may be 1. */
static uint64_t capability(uint32_t initial, uint32_t writable)
{
	return (uint64_t)(initial | writable) << 32 | (initial & ~writable);
}

static uint32_t with(uint32_t v, uint32_t bits, bool on)
{
	return on ? v | bits : v & ~bits;
}

void td_init_vmx_msrs(const struct module *mod, struct tdcs *tdcs)
{
	const struct tdcs_cpuid_flags *cpuid = &tdcs->cpuid_flags;
	const bool perfmon = tdcs->attributes & TDX_ATTR_PERFMON;
	const bool debug = tdcs->attributes & TDX_ATTR_DEBUG;
	const uint32_t wait_pconfig = (cpuid->waitpkg ? PROCBASED2_USER_WAIT_PAUSE : 0) |
				      (cpuid->pconfig ? PROCBASED2_PCONFIG : 0);
	const uint32_t wait_pconfig_all = PROCBASED2_USER_WAIT_PAUSE | PROCBASED2_PCONFIG;
	const uint64_t cr4 = td_l2_cr4_writable(mod, tdcs);
	struct tdcs_virt_msrs *m = &tdcs->virt_msrs;
	uint32_t procbased = mod->plat.l2_vmcs.procbased;
	uint32_t exit_ctls = mod->plat.l2_vmcs.exit_ctls;
	uint32_t entry_ctls = mod->plat.l2_vmcs.entry_ctls;

	procbased = with(procbased, PROCBASED_MWAIT_EXITING | PROCBASED_MONITOR_EXITING,
			 !cpuid->monitor_mwait);
	procbased = with(procbased, PROCBASED_RDPMC_EXITING, !perfmon);
	exit_ctls = with(exit_ctls, EXIT_LOAD_PERF_GLOBAL_CTRL | EXIT_SAVE_PERF_GLOBAL_CTRL,
			 perfmon || debug);
	entry_ctls = with(entry_ctls, ENTRY_LOAD_PERF_GLOBAL_CTRL, perfmon || debug);
	entry_ctls = with(entry_ctls, ENTRY_LOAD_PKRS, (tdcs->attributes & TDX_ATTR_PKS) || debug);

	m->vmx_basic = BASIC_INS_OUTS_INFO | BASIC_TRUE_CTLS | BASIC_NO_ERROR_CODE;
	m->vmx_misc = MISC_VIRTUAL;
	m->vmx_true_pinbased_ctls = capability(mod->plat.l2_vmcs.pinbased, 0);
	m->vmx_true_procbased_ctls =
		capability(procbased, with(L1_PROCBASED, PROCBASED_RDPMC_EXITING, perfmon));
	m->vmx_procbased_ctls2 =
		capability((mod->plat.l2_vmcs.procbased2 & ~wait_pconfig_all) | wait_pconfig,
			   (L1_PROCBASED2 & ~wait_pconfig_all) | wait_pconfig);
	m->vmx_procbased_ctls3 = mod->plat.l2_vmcs.procbased3 | L1_PROCBASED3;
	m->vmx_true_exit_ctls = capability(exit_ctls, 0);
	m->vmx_true_entry_ctls = capability(entry_ctls, L1_ENTRY_CTLS);
	m->vmx_ept_vpid_cap = VPID_CAP_VIRTUAL | (mod->plat.ept_vpid_cap & VPID_CAP_HLAT) |
			      (tdcs->xfam & XFAM_CET_S ? VPID_CAP_SSS : 0);
	m->vmx_vmfunc = 0;
	m->vmx_cr0_fixed0 = L2_CR0_INITIAL & ~L2_CR0_VARIABLE;
	m->vmx_cr0_fixed1 = L2_CR0_INITIAL | L2_CR0_VARIABLE;
	m->vmx_cr4_fixed0 = L2_CR4_INITIAL & ~cr4;
	m->vmx_cr4_fixed1 = L2_CR4_INITIAL | cr4;
}
