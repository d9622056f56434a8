/* SPDX-License-Identifier: MIT */
/* The VMCS a vCPU starts with: platform's and TD's controls, reset state of the guest, addresses.
 *
 * ABI: "TD VMCS", "TD vCPU initial state". Host state is not modelled: there is no host to resume
 * through it. Values are visible by TDH.VP.RD of a debug TD. */
#include "module/sept.h"
#include "module/td_vmcs.h"

#include <swtdx/structs.h>
#include "arch/x86.h"
#include "module/vcpu.h"
#include "module/vmcs.h"

struct field {
	uint32_t encoding;
	uint64_t value;
};

/* Guest state: 32-bit protected mode without paging, flat segments, at the reset vector. */
static const struct field reset_state[] = {
	{VMCS_GUEST_DR7, DR7_RESET},
	{VMCS_GUEST_RIP, RESET_RIP},
	{VMCS_GUEST_RFLAGS, RFLAGS_FIXED},
	{VMCS_GUEST_CS_LIMIT, 0xffffffff},
	{VMCS_GUEST_CS_AR, SEG_AR_CODE32},
	{VMCS_GUEST_DS_LIMIT, 0xffffffff},
	{VMCS_GUEST_DS_AR, SEG_AR_DATA},
	{VMCS_GUEST_ES_LIMIT, 0xffffffff},
	{VMCS_GUEST_ES_AR, SEG_AR_DATA},
	{VMCS_GUEST_FS_LIMIT, 0xffffffff},
	{VMCS_GUEST_FS_AR, SEG_AR_DATA},
	{VMCS_GUEST_GS_LIMIT, 0xffffffff},
	{VMCS_GUEST_GS_AR, SEG_AR_DATA},
	{VMCS_GUEST_SS_LIMIT, 0xffffffff},
	{VMCS_GUEST_SS_AR, SEG_AR_DATA},
	{VMCS_GUEST_LDTR_LIMIT, 0xffff},
	{VMCS_GUEST_LDTR_AR, SEG_AR_LDT | SEG_AR_UNUSABLE},
	{VMCS_GUEST_TR_LIMIT, 0xffff},
	{VMCS_GUEST_TR_AR, SEG_AR_TSS_BUSY},
	{VMCS_GUEST_GDTR_LIMIT, 0xffff},
	{VMCS_GUEST_PAT, PAT_RESET},
	{VMCS_GUEST_EFER, EFER_SCE | EFER_LME | EFER_NXE},
	{VMCS_GUEST_CR0, CR0_PE | CR0_NE},
	{VMCS_GUEST_CR4, CR4_MCE | CR4_VMXE},
	{VMCS_LINK_POINTER, NO_PA},
	{VMCS_GUEST_PDPTE0, NO_PA},
	{VMCS_GUEST_PDPTE1, NO_PA},
	{VMCS_GUEST_PDPTE2, NO_PA},
	{VMCS_GUEST_PDPTE3, NO_PA},
};

/* Controls that are the same in every TD: nothing points to memory, enclave and key instructions
 * exit, of exceptions only machine checks do. */
static const struct field fixed_controls[] = {
	{VMCS_APIC_ACCESS_ADDRESS, NO_PA},
	{VMCS_POSTED_INTERRUPT_VECTOR, 0xffff},
	{VMCS_POSTED_INTERRUPT_DESCRIPTOR, NO_PA},
	{VMCS_EXCEPTION_BITMAP, 1u << VECTOR_MC},
	{VMCS_IO_BITMAP_A, NO_PA},
	{VMCS_IO_BITMAP_B, NO_PA},
	{VMCS_EPTP_LIST_ADDRESS, NO_PA},
	{VMCS_VMREAD_BITMAP, NO_PA},
	{VMCS_VMWRITE_BITMAP, NO_PA},
	{VMCS_ENCLS_EXITING_BITMAP, ~0ull},
	{VMCS_PML_ADDRESS, NO_PA},
	{VMCS_PCONFIG_EXITING_BITMAP, ~0ull},
	{VMCS_EXECUTIVE_VMCS_POINTER, NO_PA},
	{VMCS_EXIT_MSR_STORE_ADDRESS, NO_PA},
	{VMCS_EXIT_MSR_LOAD_ADDRESS, NO_PA},
	{VMCS_ENTRY_MSR_LOAD_ADDRESS, NO_PA},
};

static void write_all(struct vmcs *vmcs, const struct field *f, size_t n)
{
	for (size_t i = 0; i < n; i++)
		vmcs_write(vmcs, f[i].encoding, f[i].value);
}

static uint64_t choose(uint64_t value, uint64_t bits, bool on)
{
	return on ? value | bits : value & ~bits;
}

static void write_controls(const struct module *mod, const struct tdcs *tdcs, struct vmcs *vmcs,
			   unsigned vm)
{
	const struct platform_info *plat = &mod->plat;
	const struct tdcs_cpuid_flags *cpuid = &tdcs->cpuid_flags;
	const bool debug = tdcs->attributes & TDX_ATTR_DEBUG;
	const bool perfmon = tdcs->attributes & TDX_ATTR_PERFMON;
	uint64_t exit_ctls = vm ? plat->l2_vmcs.exit_ctls : plat->td_vmcs.exit_ctls;
	uint64_t entry_ctls = vm ? plat->l2_vmcs.entry_ctls : plat->td_vmcs.entry_ctls;
	uint64_t pinbased = vm ? plat->l2_vmcs.pinbased : plat->td_vmcs.pinbased;
	uint64_t procbased = vm ? plat->l2_vmcs.procbased : plat->td_vmcs.procbased;
	uint64_t procbased2 = vm ? plat->l2_vmcs.procbased2 : plat->td_vmcs.procbased2;
	uint64_t procbased3 = vm ? plat->l2_vmcs.procbased3 : plat->td_vmcs.procbased3;

	exit_ctls = choose(exit_ctls, EXIT_SAVE_PERF_GLOBAL_CTRL, perfmon || debug);
	entry_ctls =
		choose(entry_ctls, ENTRY_LOAD_PKRS, (tdcs->attributes & TDX_ATTR_PKS) || debug);
	procbased = choose(procbased, PROCBASED_MWAIT_EXITING | PROCBASED_MONITOR_EXITING,
			   !cpuid->monitor_mwait);
	procbased = choose(procbased, PROCBASED_RDPMC_EXITING, !perfmon);
	procbased2 = choose(procbased2, PROCBASED2_USER_WAIT_PAUSE, cpuid->waitpkg);
	procbased2 = choose(procbased2, PROCBASED2_PCONFIG, cpuid->pconfig);
	procbased3 = choose(procbased3, PROCBASED3_GPAW, tdcs->gpaw);
	/* the TD must not see the protection the platform has and the TD was not told of */
	if (plat->ddpd != (bool)cpuid->ddpd)
		procbased3 |= PROCBASED3_VIRT_SPEC_CTRL;

	vmcs_write(vmcs, VMCS_EXIT_CTLS, exit_ctls);
	vmcs_write(vmcs, VMCS_ENTRY_CTLS, entry_ctls);
	vmcs_write(vmcs, VMCS_PINBASED_CTLS, pinbased);
	vmcs_write(vmcs, VMCS_PROCBASED_CTLS, procbased);
	vmcs_write(vmcs, VMCS_PROCBASED_CTLS2, procbased2);
	vmcs_write(vmcs, VMCS_PROCBASED_CTLS3, procbased3);
	if (plat->td_vmcs.procbased2 & PROCBASED2_ENCLV_EXITING)
		vmcs_write(vmcs, VMCS_ENCLV_EXITING_BITMAP, ~0ull);
	if (plat->procbased3 & PROCBASED3_VIRT_SPEC_CTRL)
		vmcs_write(vmcs, VMCS_SPEC_CTRL_MASK, tdcs->ia32_spec_ctrl_mask);
}

/* CR0 bits the module keeps to itself: PE, NE, NW, CD, reserved ones, and what VMX fixes (PG apart,
 * the guest being unrestricted). */
#define CR0_OWNED    (CR0_PE | CR0_NE | CR0_NW | CR0_CD | CR0_RESERVED)
#define CR0_SHADOWED (CR0_PE | CR0_NE)

/* Of CR4: MCE, VMXE, SMXE and reserved ones; the rest depends on the TD's features. */
#define CR4_OWNED                                                                                  \
	(CR4_MCE | CR4_VMXE | CR4_SMXE | 1ull << 15 | 1ull << 26 | 7ull << 29 | ~0ull << 33)

/* CR4 bits of features the TD does not have. */
static uint64_t cr4_without_feature(const struct tdcs *tdcs)
{
	uint64_t bits = 0;

	if (!(tdcs->xfam & XFAM_PK))
		bits |= CR4_PKE;
	if ((tdcs->xfam & XFAM_CET) != XFAM_CET)
		bits |= CR4_CET;
	if (!(tdcs->xfam & XFAM_UINTR))
		bits |= CR4_UINTR;
	if (!(tdcs->attributes & TDX_ATTR_KL))
		bits |= CR4_KEYLOCKER;
	if (!(tdcs->attributes & TDX_ATTR_PKS))
		bits |= CR4_PKS;
	if (!(tdcs->attributes & TDX_ATTR_LASS))
		bits |= CR4_LASS;
	return bits;
}

static void write_cr_masks(const struct module *mod, const struct tdcs *tdcs, struct vmcs *vmcs,
			   unsigned vm)
{
	const struct platform_info *plat = &mod->plat;

	if (vm) {
		vmcs_write(vmcs, VMCS_CR0_GUEST_HOST_MASK, ~0ull);
		vmcs_write(vmcs, VMCS_CR0_READ_SHADOW, CR0_SHADOWED);
		vmcs_write(vmcs, VMCS_CR4_GUEST_HOST_MASK, ~0ull);
		vmcs_write(vmcs, VMCS_CR4_READ_SHADOW, CR4_MCE | CR4_VMXE);
		return;
	}
	vmcs_write(vmcs, VMCS_CR0_GUEST_HOST_MASK,
		   ((plat->cr0_fixed0 | ~plat->cr0_fixed1) & ~CR0_PG) | CR0_OWNED);
	vmcs_write(vmcs, VMCS_CR0_READ_SHADOW, plat->cr0_fixed0 | CR0_SHADOWED);
	vmcs_write(vmcs, VMCS_CR4_GUEST_HOST_MASK,
		   plat->cr4_fixed0 | ~plat->cr4_fixed1 | CR4_OWNED | cr4_without_feature(tdcs));
	vmcs_write(vmcs, VMCS_CR4_READ_SHADOW, (plat->cr4_fixed0 & ~CR4_VMXE) | CR4_MCE);
}

static void write_addresses(const struct tx *tx, const struct td *td, const struct tdvps *vps,
			    struct vmcs *vmcs, unsigned vm)
{
	const struct tdr *tdr = td->tdr;
	const uint64_t zero_page = tdr->tdcx_pa[TDCS_PAGE_ZERO];
	uint64_t eptp = td->tdcs->eptp;

	if (vm) {
		eptp = (eptp & ~SEPT_HPA_MASK) | tdr->tdcx_pa[TDCS_PAGE_L2_SEPT_ROOT + vm - 1];
		vmcs_write(vmcs, VMCS_VIRTUAL_APIC_ADDRESS, NO_PA);
		vmcs_write(vmcs, VMCS_MSR_BITMAPS,
			   vps->page_pa[TDVPS_PAGE_L2 + TDVPS_PAGES_PER_L2_VM * (vm - 1) + 1]);
		vmcs_write(vmcs, VMCS_VE_INFORMATION_ADDRESS, NO_PA);
	} else {
		vmcs_write(vmcs, VMCS_VIRTUAL_APIC_ADDRESS, vps->page_pa[TDVPS_PAGE_VAPIC]);
		vmcs_write(vmcs, VMCS_MSR_BITMAPS, tdr->tdcx_pa[TDCS_PAGE_MSR_BITMAPS]);
		vmcs_write(vmcs, VMCS_VE_INFORMATION_ADDRESS, vps->page_pa[TDVPS_PAGE_MAIN]);
	}
	vmcs_write(vmcs, VMCS_LOW_PASID_DIRECTORY, zero_page);
	vmcs_write(vmcs, VMCS_HIGH_PASID_DIRECTORY, zero_page);
	vmcs_write(vmcs, VMCS_SHARED_EPT_POINTER, zero_page);
	vmcs_write(vmcs, VMCS_EPT_POINTER, machine_strip(tx->m, eptp));
	vmcs_write(vmcs, VMCS_TD_HKID, tdr->hkid);
	vmcs_write(vmcs, VMCS_VPID, (uint64_t)tdr->hkid << 2 | vm);
}

/* What the guest is told its own control registers look like, for CR accesses that exit. */
static void copy_cr_masks(struct tdvps *vps, const struct vmcs *vmcs, unsigned vm)
{
	if (vm) {
		vps->shadow_cr0_guest_host_mask[vm] = ~0ull;
		vps->shadow_cr0_read_shadow[vm] = 0;
		vps->shadow_cr4_guest_host_mask[vm] = ~0ull;
		vps->shadow_cr4_read_shadow[vm] = 0;
		return;
	}
	vps->shadow_cr0_guest_host_mask[0] = vmcs_read(vmcs, VMCS_CR0_GUEST_HOST_MASK);
	vps->shadow_cr0_read_shadow[0] = vmcs_read(vmcs, VMCS_CR0_READ_SHADOW);
	vps->shadow_cr4_guest_host_mask[0] = vmcs_read(vmcs, VMCS_CR4_GUEST_HOST_MASK);
	vps->shadow_cr4_read_shadow[0] = vmcs_read(vmcs, VMCS_CR4_READ_SHADOW);
}

void td_vmcs_init(const struct tx *tx, const struct td *td, struct vp *vp, unsigned vm)
{
	const struct module *mod = tx->mod;
	const struct tdcs *tdcs = td->tdcs;
	struct vmcs *vmcs = vp_vm_vmcs(tx->m, vp->vps, vm);

	vmcs->revision = (uint32_t)mod->plat.vmx_basic & 0x7fffffff;
	vmcs->abort_indicator = 0;
	vp->vps->vm_launched[vm] = 0;
	write_all(vmcs, reset_state, sizeof(reset_state) / sizeof(reset_state[0]));
	/* without PERFMON only fixed counter 0 runs, for the module's own count of instructions */
	vmcs_write(vmcs, VMCS_GUEST_PERF_GLOBAL_CTRL,
		   tdcs->attributes & TDX_ATTR_PERFMON ? 0xff : 1ull << 32);
	write_all(vmcs, fixed_controls, sizeof(fixed_controls) / sizeof(fixed_controls[0]));
	write_controls(mod, tdcs, vmcs, vm);
	vmcs_write(vmcs, VMCS_TSC_MULTIPLIER, tdcs->tsc_multiplier);
	vmcs_write(vmcs, VMCS_TSC_OFFSET, tdcs->tsc_offset);
	write_cr_masks(mod, tdcs, vmcs, vm);
	write_addresses(tx, td, vp->vps, vmcs, vm);
	copy_cr_masks(vp->vps, vmcs, vm);
}

#define CR4_L2_VARIABLE 0x1bff1fbfull

uint64_t td_l2_cr4_writable(const struct module *mod, const struct tdcs *tdcs)
{
	return CR4_L2_VARIABLE & ~mod->plat.cr4_fixed0 & mod->plat.cr4_fixed1 &
	       ~(cr4_without_feature(tdcs) | CR4_KEYLOCKER);
}
