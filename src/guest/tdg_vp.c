/* SPDX-License-Identifier: MIT */
/* TDG.VP.INFO, VEINFO.GET, CPUIDVE.SET: the calling vCPU. */
#include "guest/call.h"

struct tdx_status tdg_vp_info(const struct tdg_port *vcpu, struct tdg_vp_info *out)
{
	struct tdx_regs r = {0};
	struct tdx_status s = guest_call(vcpu, TDG_VP_INFO, 0, &r);

	if (out)
		*out = (struct tdg_vp_info){
			.gpa_width = (unsigned)(r.rcx & 0x3f),
			.attributes = r.rdx,
			.num_vcpus = (uint32_t)r.r8,
			.max_vcpus = (uint32_t)(r.r8 >> 32),
			.vcpu_index = (uint32_t)r.r9,
			.sys_rd = r.r10 & 1,
			.raw = r,
		};
	return s;
}

struct tdx_status tdg_vp_veinfo_get(const struct tdg_port *vcpu, unsigned version,
				    struct tdg_ve_info *out)
{
	struct tdx_regs r = {0};
	struct tdx_status s = guest_call(vcpu, TDG_VP_VEINFO_GET, version, &r);

	if (out)
		*out = (struct tdg_ve_info){
			.reason = (uint32_t)r.rcx,
			.category = (uint32_t)(r.rcx >> 32),
			.qualification = r.rdx,
			.gla = r.r8,
			.gpa_ = gpa(r.r9),
			.length = (uint32_t)r.r10,
			.instruction_info = (uint32_t)(r.r10 >> 32),
			.interruptibility = version >= 2 ? r.r12 : 0,
			.raw = r,
		};
	return s;
}

struct tdx_status tdg_vp_cpuidve_set(const struct tdg_port *vcpu, bool supervisor, bool user)
{
	struct tdx_regs r = {.rcx = (supervisor ? 1u : 0) | (user ? 2u : 0)};

	return guest_call(vcpu, TDG_VP_CPUIDVE_SET, 0, &r);
}
