/* SPDX-License-Identifier: MIT */
/* TDG.VM.*, TDG.VP.*, TDG.SERVTD.* and TDG.SYS.RD, WR and RDALL: fields of the calling TD, of the
 * calling vCPU, of a TD that is served, and of the module. */
#include "guest/call.h"

static struct tdx_status field_call(const struct tdg_port *vcpu, enum tdx_tdcall leaf,
				    unsigned version, struct tdx_regs *r, bool has_next,
				    struct tdg_field_value *out)
{
	struct tdx_status s = guest_call(vcpu, leaf, version, r);

	if (out)
		*out = (struct tdg_field_value){has_next ? r->rdx : ~0ull, r->r8, *r};
	return s;
}

struct tdx_status tdg_vm_rd(const struct tdg_port *vcpu, unsigned version, uint64_t id,
			    struct tdg_field_value *out)
{
	struct tdx_regs r = {.rdx = id};

	return field_call(vcpu, TDG_VM_RD, version, &r, version != 0, out);
}

struct tdx_status tdg_vm_wr(const struct tdg_port *vcpu, uint64_t id, uint64_t value, uint64_t mask,
			    struct tdg_field_value *old)
{
	struct tdx_regs r = {.rdx = id, .r8 = value, .r9 = mask};

	return field_call(vcpu, TDG_VM_WR, 0, &r, false, old);
}

struct tdx_status tdg_vp_rd(const struct tdg_port *vcpu, uint64_t id, struct tdg_field_value *out)
{
	struct tdx_regs r = {.rdx = id};

	return field_call(vcpu, TDG_VP_RD, 0, &r, true, out);
}

struct tdx_status tdg_vp_wr(const struct tdg_port *vcpu, uint64_t id, uint64_t value, uint64_t mask,
			    struct tdg_field_value *old)
{
	struct tdx_regs r = {.rdx = id, .r8 = value, .r9 = mask};

	return field_call(vcpu, TDG_VP_WR, 0, &r, false, old);
}

struct tdx_status tdg_sys_rd(const struct tdg_port *vcpu, uint64_t id, struct tdg_field_value *out)
{
	struct tdx_regs r = {.rdx = id};

	return field_call(vcpu, TDG_SYS_RD, 0, &r, true, out);
}

struct tdx_status tdg_sys_rdall(const struct tdg_port *vcpu, gpa_t page, uint64_t first,
				uint64_t *next)
{
	struct tdx_regs r = {.rdx = page.v, .r8 = first};
	struct tdx_status s = guest_call(vcpu, TDG_SYS_RDALL, 0, &r);

	if (next)
		*next = r.r8;
	return s;
}

static struct tdx_regs on_target(const struct tdg_servtd_target *t, uint64_t id)
{
	return (struct tdx_regs){.rcx = t->handle,
				 .rdx = id,
				 .r10 = t->uuid[0],
				 .r11 = t->uuid[1],
				 .r12 = t->uuid[2],
				 .r13 = t->uuid[3]};
}

struct tdx_status tdg_servtd_rd(const struct tdg_port *vcpu, const struct tdg_servtd_target *target,
				uint64_t id, struct tdg_field_value *out)
{
	struct tdx_regs r = on_target(target, id);

	return field_call(vcpu, TDG_SERVTD_RD, 0, &r, true, out);
}

struct tdx_status tdg_servtd_wr(const struct tdg_port *vcpu, const struct tdg_servtd_target *target,
				uint64_t id, uint64_t value, uint64_t mask,
				struct tdg_field_value *old)
{
	struct tdx_regs r = on_target(target, id);

	r.r8 = value;
	r.r9 = mask;
	return field_call(vcpu, TDG_SERVTD_WR, 0, &r, false, old);
}
