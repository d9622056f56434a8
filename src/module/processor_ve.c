/* SPDX-License-Identifier: MIT */
/* What the processor does by itself to the entered vCPU, without an exit: an EPT violation that it
 * turns into #VE fills the virtualization-exception information area (SDM vol. 3, 26.5.7.2), and
 * virtual interrupts come and go in the virtual APIC (30.1). */
#include "module/hooks.h"
#include "module/l2.h"

#include "arch/vmcs.h"
#include "arch/vmx.h"
#include "module/td_layout.h"
#include "module/vmcs.h"

bool module_processor_ve(struct module *mod, unsigned id, uint64_t qualification, uint64_t gla,
			 uint64_t gpa)
{
	struct lp *lp = &mod->lp[id];
	struct tdvps_ve_info *info = &lp->vps->ve_info;

	if (!(vmcs_read(lp->vmcs, VMCS_PROCBASED_CTLS2) & PROCBASED2_EPT_VIOLATION_VE) ||
	    info->valid)
		return false;
	*info = (struct tdvps_ve_info){
		.exit_reason = VMX_EXIT_EPT_VIOLATION,
		.valid = VE_INFO_VALID,
		.exit_qualification = qualification,
		.gla = gla,
		.gpa = gpa,
		.eptp_index = (uint16_t)vmcs_read(lp->vmcs, VMCS_EPTP_INDEX),
	};
	if (mod->hooks && mod->hooks->processor_ve)
		mod->hooks->processor_ve(mod->hooks_arg, lp, qualification, gla, gpa);
	return true;
}

void module_processor_vapic(struct module *mod, unsigned id, uint16_t status, uint8_t priority)
{
	struct lp *lp = &mod->lp[id];

	vp_set_virtual_apic(mod->m, lp->vps, lp->vmcs, lp_vm(lp),
			    (struct vp_virtual_apic){status, priority});
}
