/* SPDX-License-Identifier: MIT */
/* TDG.VM.RD and WR, TDG.SYS.RD and RDALL: fields of the calling TD and of the module. */
#include "guest/call.h"

static void field(struct tdg_field_value *out, const struct tdx_regs *r, uint64_t next)
{
	if (out)
		*out = (struct tdg_field_value){next, r->r8, *r};
}

struct tdx_status tdg_vm_rd(const struct tdg_port *vcpu, unsigned version, uint64_t id,
			    struct tdg_field_value *out)
{
	struct tdx_regs r = {.rdx = id};
	struct tdx_status s = guest_call(vcpu, TDG_VM_RD, version, &r);

	field(out, &r, version ? r.rdx : ~0ull);
	return s;
}

struct tdx_status tdg_vm_wr(const struct tdg_port *vcpu, uint64_t id, uint64_t value, uint64_t mask,
			    struct tdg_field_value *old)
{
	struct tdx_regs r = {.rdx = id, .r8 = value, .r9 = mask};
	struct tdx_status s = guest_call(vcpu, TDG_VM_WR, 0, &r);

	field(old, &r, ~0ull);
	return s;
}

struct tdx_status tdg_sys_rd(const struct tdg_port *vcpu, uint64_t id, struct tdg_field_value *out)
{
	struct tdx_regs r = {.rdx = id};
	struct tdx_status s = guest_call(vcpu, TDG_SYS_RD, 0, &r);

	field(out, &r, r.rdx);
	return s;
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
