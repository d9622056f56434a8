/* SPDX-License-Identifier: MIT */
/* TDG.VP.ENTER, INVEPT, INVVPID: the L2 VMs of an L1 VMM. */
#include "guest/call.h"

#include <swtdx/structs.h>

#define VM_SHIFT 52

static uint32_t low(uint64_t v)
{
	return (uint32_t)v;
}

static uint32_t high(uint64_t v)
{
	return (uint32_t)(v >> 32);
}

struct tdx_status tdg_vp_enter(const struct tdg_port *vcpu, unsigned vm, enum tdg_l2_flush flush,
			       gpa_t state, struct tdg_l2_exit *out)
{
	struct tdx_regs r = {.rcx = (uint64_t)vm << VM_SHIFT | (unsigned)flush, .rdx = state.v};
	struct tdx_status s = guest_call(vcpu, TDG_VP_ENTER, 0, &r);

	if (out)
		*out = (struct tdg_l2_exit){
			.reason = low(s.raw),
			.qualification = r.rcx,
			.ext_qualification = r.r13,
			.gla = r.rdx,
			.gpa_ = gpa(r.r8),
			.cs = (uint16_t)r.rsi,
			.cs_ar = (uint16_t)(r.rsi >> 16),
			.cs_limit = high(r.rsi),
			.cs_base = r.rdi,
			.intr_info = low(r.r9),
			.intr_error = high(r.r9),
			.idt_info = low(r.r10),
			.idt_error = high(r.r10),
			.instruction_info = low(r.r11),
			.length = high(r.r11),
			.cpl = (unsigned)(r.r12 & 3),
			.raw = r,
		};
	return s;
}

bool tdg_l2_entered(struct tdx_status s)
{
	return tdx_is_success(s) || tdx_is(s, TDX_L2_EXIT_HOST_ROUTED_ASYNC) ||
	       tdx_is(s, TDX_L2_EXIT_HOST_ROUTED_TDVMCALL) ||
	       tdx_is(s, TDX_L2_EXIT_PENDING_INTERRUPT);
}

struct tdx_status tdg_vp_invept(const struct tdg_port *vcpu, unsigned vms)
{
	struct tdx_regs r = {.rcx = vms};

	return guest_call(vcpu, TDG_VP_INVEPT, 0, &r);
}

struct tdx_status tdg_vp_invvpid(const struct tdg_port *vcpu, unsigned vm, uint64_t gla,
				 unsigned more)
{
	struct tdx_regs r = {.rcx = (uint64_t)vm << VM_SHIFT,
			     .rdx = (gla & ~(TDX_PAGE_SIZE - 1)) | (more & (TDX_PAGE_SIZE - 1))};

	return guest_call(vcpu, TDG_VP_INVVPID, 0, &r);
}
