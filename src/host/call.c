/* SPDX-License-Identifier: MIT */
/* Issuing SEAMCALLs: the bounded retry for entropy, and nothing else. */
#include "host/call.h"

struct tdx_status host_call(const struct tdx_port *cpu, unsigned leaf, unsigned version,
			    struct tdx_regs *regs)
{
	const struct tdx_regs in = *regs;

	for (unsigned left = TDX_ENTROPY_ATTEMPTS;;) {
		regs->rax = tdx_rax(leaf, version);
		cpu->ops->set_incoherent(cpu, true);
		cpu->ops->seamcall(cpu, regs);
		if (!tdx_is(tdx_status(regs->rax), TDX_RND_NO_ENTROPY) || --left == 0)
			return tdx_status(regs->rax);
		*regs = in;
	}
}

static bool key_retryable(struct tdx_status s)
{
	return tdx_is(s, TDX_KEY_GENERATION_FAILED) ||
	       (tdx_is_busy(s) && tdx_operand(s) == TDX_OPERAND_ID_KET);
}

struct tdx_status host_call_key(const struct tdx_port *cpu, unsigned leaf, struct tdx_regs *regs)
{
	const struct tdx_regs in = *regs;
	struct tdx_status s;

	for (unsigned left = TDX_ENTROPY_ATTEMPTS;;) {
		*regs = in;
		s = host_call(cpu, leaf, 0, regs);
		if (!key_retryable(s) || --left == 0)
			return s;
		cpu->ops->relax(cpu);
	}
}
