/* SPDX-License-Identifier: MIT */
/* The stack pointer in its three widths. */
#ifndef X86_STACK_H
#define X86_STACK_H

#include "x86/internal.h"

static inline uint64_t sp_mask(const struct x86_cpu *cpu)
{
	if (cpu->mode & M_L64)
		return UINT64_MAX;
	return cpu->mode & M_SS32 ? UINT32_MAX : UINT16_MAX;
}

/* Linear address of a stack slot, checked against SS where SS has a meaning. */
static inline uint64_t sp_ea(struct x86_cpu *cpu, uint64_t sp, unsigned size, bool write)
{
	if (likely(cpu->mode & M_L64))
		return sp;
	return x86_seg_ea(cpu, X86_SS, sp & sp_mask(cpu), size, write);
}

static inline void sp_set(struct x86_cpu *cpu, uint64_t sp)
{
	const uint64_t mask = sp_mask(cpu);

	if (mask == UINT16_MAX)
		cpu->regs.rsp = (cpu->regs.rsp & ~mask) | (sp & mask);
	else
		cpu->regs.rsp = sp & mask;
}

/* Push and pop with cpu->rip at the instruction. */
static inline void push(struct x86_cpu *cpu, uint64_t v, unsigned size)
{
	const uint64_t sp = cpu->regs.rsp - size;

	x86_st(cpu, sp_ea(cpu, sp, size, true), v, size, ACC_SS);
	sp_set(cpu, sp);
}

static inline uint64_t peek(struct x86_cpu *cpu, unsigned offset, unsigned size)
{
	return x86_ld(cpu, sp_ea(cpu, cpu->regs.rsp + offset, size, false), size, ACC_SS);
}

#endif
