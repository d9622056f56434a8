/* SPDX-License-Identifier: MIT */
/* Near jumps, calls and returns.
 *
 * A taken branch ends its block through a link; an untaken one goes on in the same block. The
 * branch's own link leads to its target. */
#include "x86/flags.h"
#include "x86/ops.h"
#include "x86/system.h"

#define FOR_CC(X)                                                                                  \
	X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)

/* A fused pair keeps the jump's own operation in the next slot, with its link. */
#define FUSED(cc, name, n, second)                                                                 \
	SOP(name##n##_j##cc)                                                                       \
	{                                                                                          \
		second;                                                                            \
		if (fl_cond(cpu->fl, cc))                                                          \
			return follow(cpu, op + 1, op[1].link);                                    \
		return op[2].fn(cpu, op + 2);                                                      \
	}
#define JCC(cc)                                                                                    \
	SOP(jump##cc)                                                                              \
	{                                                                                          \
		if (fl_cond(cpu->fl, cc))                                                          \
			return follow(cpu, op, op->link);                                          \
		NEXT;                                                                              \
	}                                                                                          \
	FUSED(cc, cmp_rr, 4, alu_cmp4(cpu, rd4(cpu, op->d), rd4(cpu, op->s)))                      \
	FUSED(cc, cmp_rr, 8, alu_cmp8(cpu, rd8(cpu, op->d), rd8(cpu, op->s)))                      \
	FUSED(cc, cmp_ri, 4, alu_cmp4(cpu, rd4(cpu, op->d), (uint32_t)op->imm))                    \
	FUSED(cc, cmp_ri, 8, alu_cmp8(cpu, rd8(cpu, op->d), op->imm))                              \
	FUSED(cc, test_rr, 4, alu_test4(cpu, rd4(cpu, op->d), rd4(cpu, op->s)))                    \
	FUSED(cc, test_rr, 8, alu_test8(cpu, rd8(cpu, op->d), rd8(cpu, op->s)))
FOR_CC(JCC)

#define J_ROW(cc) jump##cc,
x86_fn *const x86_jcc[16] = {FOR_CC(J_ROW)};
#define CMP_RR4(cc) cmp_rr4_j##cc,
#define CMP_RR8(cc) cmp_rr8_j##cc,
#define CMP_RI4(cc) cmp_ri4_j##cc,
#define CMP_RI8(cc) cmp_ri8_j##cc,
#define TEST4(cc)   test_rr4_j##cc,
#define TEST8(cc)   test_rr8_j##cc,
x86_fn *const x86_fuse_cmp_rr[2][16] = {{FOR_CC(CMP_RR4)}, {FOR_CC(CMP_RR8)}};
x86_fn *const x86_fuse_cmp_ri[2][16] = {{FOR_CC(CMP_RI4)}, {FOR_CC(CMP_RI8)}};
x86_fn *const x86_fuse_test_rr[2][16] = {{FOR_CC(TEST4)}, {FOR_CC(TEST8)}};

OP(x86_jmp)
{
	return follow(cpu, op, op->link);
}

/* The end of a block that no branch ends: nothing is executed here. */
OP(x86_exit_link)
{
	cpu->left -= op->n;
	return x86_take(cpu, op->link);
}

OP(x86_call64)
{
	const uint64_t sp = cpu->regs.rsp - 8;

	st8(cpu, op, sp, cpu->blkrip + op->off + op->len);
	cpu->regs.rsp = sp;
	return follow(cpu, op, op->link);
}

OP(x86_ret64)
{
	const uint64_t to = ld8(cpu, op, cpu->regs.rsp);

	if (unlikely(!x86_canonical_access(cpu, to)))
		x86_raise_err(cpu, op, VECTOR_GP, 0);
	cpu->regs.rsp += 8 + op->imm;
	return x86_goto(cpu, op, to);
}

static const struct x86_op *jump_to(struct x86_cpu *cpu, const struct x86_op *op, uint64_t to)
{
	if (unlikely(!x86_canonical_access(cpu, to)))
		x86_raise_err(cpu, op, VECTOR_GP, 0);
	return x86_goto(cpu, op, to);
}

OP(x86_jmp64_r)
{
	return jump_to(cpu, op, rd8(cpu, op->s));
}

OP(x86_jmp64_m)
{
	return jump_to(cpu, op, ld8(cpu, op, ea_x(cpu, op)));
}

OP(x86_call64_r)
{
	const uint64_t to = rd8(cpu, op->s), sp = cpu->regs.rsp - 8;

	if (unlikely(!x86_canonical_access(cpu, to)))
		x86_raise_err(cpu, op, VECTOR_GP, 0);
	st8(cpu, op, sp, cpu->blkrip + op->off + op->len);
	cpu->regs.rsp = sp;
	return x86_goto(cpu, op, to);
}

/* The operation has the segment of the operand, which is not the stack's. */
OP(x86_call64_m)
{
	const uint64_t to = ld8(cpu, op, ea_x(cpu, op)), sp = cpu->regs.rsp - 8;

	if (unlikely(!x86_canonical_access(cpu, to)))
		x86_raise_err(cpu, op, VECTOR_GP, 0);
	cpu->cur = op;
	x86_st(cpu, sp, cpu->blkrip + op->off + op->len, 8, ACC_SS);
	cpu->cur = NULL;
	cpu->regs.rsp = sp;
	return x86_goto(cpu, op, to);
}

/* LOOPcc and JrCXZ. sc: 0 LOOP, 1 LOOPE, 2 LOOPNE, 3 JrCXZ; the count is as wide as addresses. */
OP(x86_loop)
{
	const uint64_t mask = op->fl & OPF_A32	 ? UINT32_MAX
			      : op->fl & OPF_A16 ? UINT16_MAX
						 : UINT64_MAX;
	uint64_t c = cpu->regs.rcx;
	bool taken;

	if (op->sc == 3) {
		taken = (c & mask) == 0;
	} else {
		c = mask == UINT16_MAX ? (c & ~mask) | ((c - 1) & mask) : (c - 1) & mask;
		cpu->regs.rcx = c;
		taken = (c & mask) != 0;
		if (op->sc == 1)
			taken = taken && (cpu->fl & FL_ZF);
		if (op->sc == 2)
			taken = taken && !(cpu->fl & FL_ZF);
	}
	if (taken)
		return follow(cpu, op, op->link);
	NEXT;
}
