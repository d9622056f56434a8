/* SPDX-License-Identifier: MIT */
/* Instructions of features that a small part of all guests has: transactions, waiting, tracing,
 * protection keys.
 *
 * A transaction always aborts, without a reason, as a processor may do it at any time; so code is
 * never inside one. A wait may end before what it waits for, and does. */
#include "x86/flags.h"
#include "x86/system.h"

/* imm: where the abort handler is, from the block; d: bytes of RIP. */
OP(x86_xbegin)
{
	const uint64_t mask = op->d == 8 ? UINT64_MAX : op->d == 4 ? UINT32_MAX : UINT16_MAX;

	x86_at(cpu, op);
	cpu->regs.rax = 0;
	cpu->left--;
	cpu->rip = (cpu->blkrip + op->imm) & mask;
	return x86_lookup(cpu, 0);
}

/* Not in a transaction. */
OP(x86_xtest)
{
	cpu->fl = FL_FIXED | FL_ZF;
	NEXT;
}

/* s: the register with the state that is asked for. There is no limit of the OS's that could end
 * the wait, so CF is 0. */
OP(x86_wait)
{
	if ((cpu->cr4 & CR4_TSD) && cpu->cpl)
		x86_raise_err(cpu, op, VECTOR_GP, 0);
	if (R32(op->s) & ~1u)
		x86_raise_err(cpu, op, VECTOR_GP, 0);
	cpu->fl = FL_FIXED;
	return x86_pause(cpu, op);
}

/* At CPL 0. What is watched is not remembered: MWAIT does not wait for it. imm: it exits. */
OP(x86_monitor)
{
	if (cpu->cpl)
		x86_raise(cpu, op, VECTOR_UD);
	if (cpu->mwait_exits)
		x86_leave(cpu, op, VMX_EXIT_MONITOR, 0);
	if ((uint32_t)cpu->regs.rcx)
		x86_raise_err(cpu, op, VECTOR_GP, 0);
	return x86_probe(cpu, op);
}

OP(x86_mwait)
{
	if (cpu->cpl)
		x86_raise(cpu, op, VECTOR_UD);
	if (cpu->mwait_exits)
		x86_leave(cpu, op, VMX_EXIT_MWAIT, 0);
	if ((uint32_t)cpu->regs.rcx & ~1u)
		x86_raise_err(cpu, op, VECTOR_GP, 0);
	x86_nap(cpu);
	NEXT;
}

/* RDPKRU and, with imm, WRPKRU. */
OP(x86_pkru)
{
	const uint32_t high = op->imm ? (uint32_t)cpu->regs.rdx : 0;

	if (!(cpu->cr4 & CR4_PKE))
		x86_raise(cpu, op, VECTOR_UD);
	if ((uint32_t)cpu->regs.rcx | high)
		x86_raise_err(cpu, op, VECTOR_GP, 0);
	if (op->imm) {
		cpu->pkru = (uint32_t)cpu->regs.rax;
		cpu->xused |= XFAM_PK;
		x86_pkru_changed(cpu);
	} else {
		cpu->regs.rax = (uint32_t)cpu->pkru;
		cpu->regs.rdx = 0;
	}
	NEXT;
}

/* Nothing is traced; but the operand is read. */
OP(x86_ptwrite)
{
	if (op->fl & OPF_MEM)
		x86_ld_slow(cpu, op, ea_x(cpu, op), op->s);
	NEXT;
}
