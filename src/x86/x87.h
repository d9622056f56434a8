/* SPDX-License-Identifier: MIT */
/* What the files of the x87 unit share. */
#ifndef X86_X87_H
#define X86_X87_H

#include "x86/internal.h"

#define FSW_ES	  0x8080u /* error summary, and busy, which follows it */
#define FCW_MASKS 0x3fu

/* #MF for an exception that is pending: waiting instructions begin with it. None may reach the
 * host's unit, which would raise it there. FERR# of CR0.NE = 0 has no one to go to. */
static inline void x87_pending(struct x86_cpu *cpu, const struct x86_op *op)
{
	if (likely(!(cpu->fx.fsw & ~cpu->fx.fcw & FCW_MASKS)))
		return;
	if (!(cpu->cr0 & CR0_NE))
		x86_leave(cpu, op, X86_EXIT_UNSUPPORTED, X86_UNSUPPORTED_X87_FERR);
	x86_raise(cpu, op, VECTOR_MF);
}

static inline void x87_update_es(struct x86_cpu *cpu)
{
	cpu->fx.fsw &= (uint16_t)~FSW_ES;
	if (cpu->fx.fsw & ~cpu->fx.fcw & FCW_MASKS)
		cpu->fx.fsw |= FSW_ES;
}

static inline unsigned x87_top(const struct x86_cpu *cpu)
{
	return cpu->fx.fsw >> 11 & 7u;
}

/* A new status word; the registers stay where they are while the top of the stack moves. */
void x86_x87_set_fsw(struct x86_cpu *cpu, uint16_t fsw);

/* x87_env.c; s: bytes of an environment, 14 or 28. */
OP(x86_fninit);
OP(x86_fnstenv);
OP(x86_fldenv);
OP(x86_fnsave);
OP(x86_frstor);

#endif
