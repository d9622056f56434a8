/* SPDX-License-Identifier: MIT */
/* The state a vCPU starts with; see vcpu_init.h. */
#include "module/vcpu_init.h"

#include <swtdx/structs.h>
#include "arch/msr.h"
#include "arch/x86.h"
#include "machine/seam.h"
#include "module/cpu_model.h"
#include "module/td_vmcs.h"
#include "module/virt_msr.h"
#include "module/vmcs.h"
#include "module/xbuff.h"

#define FMASK_RESET 0x20200ull

static void init_msrs(const struct module *mod, const struct tdcs *tdcs, struct tdvps *vps)
{
	const uint64_t native = mod->plat.misc_enable;
	uint64_t misc = native & (MISC_ENABLE_FAST_STRINGS | MISC_ENABLE_BTS_UNAVAILABLE);

	vps->msr.fmask = FMASK_RESET;
	if (tdcs->xfam & XFAM_LBR)
		vps->msr.lbr_depth = mod->plat.max_lbr_depth;
	if (cpu_model_first_stepping(mod->plat.fms))
		return;
	if (tdcs->attributes & TDX_ATTR_PERFMON)
		misc |= MISC_ENABLE_PERFMON_AVAILABLE;
	else
		misc |= native & MISC_ENABLE_PEBS_UNAVAILABLE;
	if (tdcs->cpuid_flags.est)
		misc |= MISC_ENABLE_EST;
	if (tdcs->cpuid_flags.monitor_mwait)
		misc |= MISC_ENABLE_MONITOR;
	vps->msr.misc_enable = misc;
	vps->msr.spec_ctrl = spec_ctrl_real(mod, tdcs, 0);
}

/* What the TDVPS remembers of controls that host and L1 may change, and of addresses not given yet.
 */
static void init_management(const struct module *mod, const struct tdcs *tdcs, struct tdvps *vps)
{
	const struct platform_info *plat = &mod->plat;
	const uint64_t cr0_pe_pg = CR0_PE | CR0_PG;
	const uint64_t cr0_kept = CR0_NE | CR0_NW | CR0_CD | CR0_RESERVED;

	vps->shadow_pid_hpa[0] = NO_PA;
	vps->shadow_pinbased[0] = plat->td_vmcs.pinbased;
	vps->shadow_posted_int_vector[0] = 0xffff;
	for (unsigned vm = 0; vm <= tdcs->num_l2_vms; vm++) {
		vps->shadow_procbased2[vm] =
			vm ? plat->l2_vmcs.procbased2 : plat->td_vmcs.procbased2;
		vps->shadow_shared_eptp[vm] = NO_PA;
		vps->l2_enter_guest_state_gpa[vm] = NO_PA;
		vps->l2_enter_guest_state_hpa[vm] = NO_PA;
		vps->l2_vapic_gpa[vm] = NO_PA;
		vps->l2_vapic_hpa[vm] = NO_PA;
		vps->tsc_deadline[vm] = ~0ull;
	}
	vps->base_l2_cr0_guest_host_mask =
		((plat->cr0_fixed0 | ~plat->cr0_fixed1) & ~cr0_pe_pg) | cr0_kept;
	vps->base_l2_cr0_read_shadow = (plat->cr0_fixed0 & ~cr0_pe_pg) | CR0_NE;
	vps->base_l2_cr4_guest_host_mask = ~td_l2_cr4_writable(mod, tdcs);
	vps->base_l2_cr4_read_shadow = plat->cr4_fixed0 | CR4_MCE | CR4_VMXE;
}

void vcpu_init(struct tx *tx, const struct td *td, struct vp *vp)
{
	struct tdcs *tdcs = td->tdcs;
	struct tdvps *vps = vp->vps;

	vps->last_exit_tsc = machine_rdtsc(tx->lp->hw);
	vps->last_seamdb_index = machine_seam(tx->m)->seamdb_index;
	init_msrs(tx->mod, tdcs, vps);
	init_management(tx->mod, tdcs, vps);
	xbuff_set_components(tx->m, vps, 0);
	for (unsigned vm = 0; vm <= tdcs->num_l2_vms; vm++)
		td_vmcs_init(tx, td, vp, vm);
	for (unsigned page = 0; page < vps->num_pages; page++)
		machine_wrote(tx->lp->hw, machine_strip(tx->m, vps->page_pa[page]), td->tdr->hkid);
	vps->last_td_exit = LAST_EXIT_ASYNC_FAULT;
	__atomic_store_n(&vps->assoc_lpid, tx->lp->lpid, __ATOMIC_RELAXED);
	__atomic_fetch_add(&tdcs->num_assoc_vcpus, 1, __ATOMIC_RELAXED);
}
