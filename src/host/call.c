/* SPDX-License-Identifier: MIT */
/* Issuing SEAMCALLs: the bounded retry for entropy, and nothing else. */
#include "host/call.h"

/* False: no entropy, and the call may be tried again. */
static bool issue(const struct tdx_cpu *cpu, struct tdx_regs *regs, unsigned *left)
{
	const struct tdx_port *port = host_port(cpu);

	port->ops->set_incoherent(port, true);
	port->ops->seamcall(port, regs);
	return !tdx_is(tdx_status(regs->rax), TDX_RND_NO_ENTROPY) || --*left == 0;
}

struct tdx_status host_call(const struct tdx_cpu *cpu, unsigned leaf, unsigned version,
			    struct tdx_regs *regs)
{
	const struct tdx_regs in = *regs;

	regs->rax = tdx_rax(leaf, version);
	for (unsigned left = TDX_ENTROPY_ATTEMPTS; !issue(cpu, regs, &left);) {
		*regs = in;
		regs->rax = tdx_rax(leaf, version);
	}
	return tdx_status(regs->rax);
}

struct tdx_status host_call3(const struct tdx_cpu *cpu, unsigned leaf, uint64_t rcx, uint64_t rdx,
			     uint64_t r8, struct tdx_regs *regs)
{
	unsigned left = TDX_ENTROPY_ATTEMPTS;

	do {
		*regs = (struct tdx_regs){
			.rax = tdx_rax(leaf, 0), .rcx = rcx, .rdx = rdx, .r8 = r8};
	} while (!issue(cpu, regs, &left));
	return tdx_status(regs->rax);
}

static bool key_retryable(struct tdx_status s)
{
	return tdx_is(s, TDX_KEY_GENERATION_FAILED) ||
	       (tdx_is_busy(s) && tdx_operand(s) == TDX_OPERAND_ID_KET);
}

struct tdx_status host_call_key(const struct tdx_cpu *cpu, unsigned leaf, struct tdx_regs *regs)
{
	const struct tdx_regs in = *regs;
	struct tdx_status s;

	for (unsigned left = TDX_ENTROPY_ATTEMPTS;;) {
		*regs = in;
		s = host_call(cpu, leaf, 0, regs);
		if (!key_retryable(s) || --left == 0)
			return s;
		host_port(cpu)->ops->relax(host_port(cpu));
	}
}

struct tdx_status host_call_seamldr(const struct tdx_cpu *cpu, uint64_t rax, struct tdx_regs *regs)
{
	const struct tdx_port *port = host_port(cpu);

	regs->rax = rax;
	port->ops->set_incoherent(port, true);
	port->ops->seamcall(port, regs);
	return tdx_status(regs->rax);
}
