/* SPDX-License-Identifier: MIT */
/* TDH.VP.*: creation of a vCPU, running it, flushing it from a processor. */
#include "abi/operand.h"
#include "host/call.h"

struct tdx_status tdh_vp_create(const struct tdx_cpu *cpu, const struct tdx_td *td,
				const struct tdx_vp *vp)
{
	struct tdx_regs r = {.rcx = vp->tdvpr.v, .rdx = td->tdr.v};

	host_hand_over(cpu, vp->tdvpr, TDX_LEVEL_4K);
	return host_call(cpu, TDH_VP_CREATE, 0, &r);
}

struct tdx_status tdh_vp_addcx(const struct tdx_cpu *cpu, const struct tdx_vp *vp, hpa_t tdcx)
{
	struct tdx_regs r = {.rcx = tdcx.v, .rdx = vp->tdvpr.v};

	host_hand_over(cpu, tdcx, TDX_LEVEL_4K);
	return host_call(cpu, TDH_VP_ADDCX, 0, &r);
}

struct tdx_status tdh_vp_init(const struct tdx_cpu *cpu, const struct tdx_vp *vp,
			      uint64_t initial_rcx, uint32_t x2apic_id)
{
	struct tdx_regs r = {.rcx = vp->tdvpr.v, .rdx = initial_rcx, .r8 = x2apic_id};

	return host_call(cpu, TDH_VP_INIT, 1, &r);
}

struct tdx_status tdh_vp_flush(const struct tdx_cpu *cpu, const struct tdx_vp *vp)
{
	struct tdx_regs r = {.rcx = vp->tdvpr.v};

	return host_call(cpu, TDH_VP_FLUSH, 0, &r);
}

static struct tdx_status enter(const struct tdx_cpu *cpu, const struct tdx_vp *vp, uint64_t flags,
			       struct tdx_regs *regs, struct tdx_enter_result *out)
{
	const struct tdx_port *port = host_port(cpu);

	/* Not host_call(): a guest that has run cannot be run "again". */
	regs->rax = TDH_VP_ENTER;
	regs->rcx = vp->tdvpr.v | flags;
	port->ops->set_incoherent(port, true);
	port->ops->seamcall(port, regs);
	if (out)
		*out = (struct tdx_enter_result){(uint32_t)regs->rax, *regs};
	return tdx_status(regs->rax);
}

struct tdx_status tdh_vp_enter(const struct tdx_cpu *cpu, const struct tdx_vp *vp,
			       struct tdx_regs *regs, struct tdx_enter_result *out)
{
	return enter(cpu, vp, 0, regs, out);
}

struct tdx_status tdh_vp_enter_l1(const struct tdx_cpu *cpu, const struct tdx_vp *vp,
				  struct tdx_regs *regs, struct tdx_enter_result *out)
{
	return enter(cpu, vp, VP_ENTER_RESUME_L1, regs, out);
}
