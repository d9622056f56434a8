/* SPDX-License-Identifier: MIT */
#include "engine/ve.h"

#include "arch/vmcs.h"
#include "arch/vmx.h"
#include "module/td_layout.h"
#include "module/vmcs.h"

bool engine_ve(struct tdvps *vps, const struct vmcs *vmcs, uint64_t qualification, uint64_t gla,
	       uint64_t gpa)
{
	struct tdvps_ve_info *info = &vps->ve_info;

	if (!(vmcs_read(vmcs, VMCS_PROCBASED_CTLS2) & PROCBASED2_EPT_VIOLATION_VE) || info->valid)
		return false;
	*info = (struct tdvps_ve_info){
		.exit_reason = VMX_EXIT_EPT_VIOLATION,
		.valid = VE_INFO_VALID,
		.exit_qualification = qualification,
		.gla = gla,
		.gpa = gpa,
		.eptp_index = (uint16_t)vmcs_read(vmcs, VMCS_EPTP_INDEX),
	};
	return true;
}
