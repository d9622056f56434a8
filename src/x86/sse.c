/* SPDX-License-Identifier: MIT */
/* The common handlers of SSE instructions: fetch the source, call the helper, and for floating
 * point run it under the guest's MXCSR.
 *
 * Exceptions of floating point are all masked while the host computes; the flags it raises decide
 * afterwards whether the guest gets the result or #XM. With an unmasked overflow or underflow, PE
 * then tells of the masked result, not of the one with an adjusted exponent. */
#include "x86/flags.h"
#include "x86/sse.h"

#define MXCSR_FLAGS    0x3fu
#define MXCSR_MASKS    0x1f80u
#define MXCSR_OPERANDS 7u /* invalid, denormal, division by zero */
#define MXCSR_UE       0x10u
#define MXCSR_UM       0x800u

void x86_sse_run_fp(struct x86_cpu *cpu, const struct x86_op *op, void *dst, const void *src,
		    unsigned imm)
{
	const uint32_t guest = cpu->fx.mxcsr;
	const uint32_t mine = (guest & ~MXCSR_FLAGS) | MXCSR_MASKS;
	const uint16_t fl = cpu->fl;
	uint32_t host, got;

	__asm__ volatile("stmxcsr %0\n\tldmxcsr %1" : "=m"(host) : "m"(mine) : "memory");
	op->helper(cpu, dst, src, imm);
	__asm__ volatile("stmxcsr %0\n\tldmxcsr %1" : "=m"(got) : "m"(host) : "memory");
	got &= MXCSR_FLAGS;
	if (unlikely(!(guest & MXCSR_UM)) && x86_sse_tiny(op->helper, dst))
		got |= MXCSR_UE;
	/* An exception of the operands comes before any computation, and hides that one's. */
	if (got & ~(guest >> 7) & MXCSR_OPERANDS)
		got &= MXCSR_OPERANDS;
	cpu->fx.mxcsr |= got;
	if (got & ~(guest >> 7)) {
		cpu->fl = fl;
		x86_raise(cpu, op, cpu->cr4 & CR4_OSXMMEXCPT ? VECTOR_XM : VECTOR_UD);
	}
}

static void bin(struct x86_cpu *cpu, const struct x86_op *op, const void *src, unsigned imm)
{
	op->helper(cpu, &cpu->xmm[op->d], src, imm);
}

static void bin_fp(struct x86_cpu *cpu, const struct x86_op *op, const void *src, unsigned imm)
{
	struct x86_xmm d = cpu->xmm[op->d];

	x86_sse_run_fp(cpu, op, &d, src, imm);
	cpu->xmm[op->d] = d;
}

static void load16(struct x86_cpu *cpu, const struct x86_op *op, uint64_t va, void *to)
{
	if (va & 15)
		x86_raise_err(cpu, op, VECTOR_GP, 0);
	cpu->cur = op;
	x86_read(cpu, va, to, 16, 0);
	cpu->cur = NULL;
}

#define BIN(name, run)                                                                             \
	SOP(name##_r)                                                                              \
	{                                                                                          \
		const struct x86_xmm s = cpu->xmm[op->s];                                          \
		run(cpu, op, &s, (unsigned)op->disp);                                              \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(name##_m2)                                                                             \
	{                                                                                          \
		const struct x86_xmm s = {{ld2(cpu, op, ea_x(cpu, op))}};                          \
		run(cpu, op, &s, op->s);                                                           \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(name##_m4)                                                                             \
	{                                                                                          \
		const struct x86_xmm s = {{ld4(cpu, op, ea_x(cpu, op))}};                          \
		run(cpu, op, &s, op->s);                                                           \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(name##_m8)                                                                             \
	{                                                                                          \
		const struct x86_xmm s = {{ld8(cpu, op, ea_x(cpu, op))}};                          \
		run(cpu, op, &s, op->s);                                                           \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(name##_m16)                                                                            \
	{                                                                                          \
		struct x86_xmm s;                                                                  \
		load16(cpu, op, ea_x(cpu, op), &s);                                                \
		run(cpu, op, &s, op->s);                                                           \
		NEXT;                                                                              \
	}
BIN(bin, bin)
BIN(fp, bin_fp)

/* The string comparisons take their operand from anywhere. */
OP(x86_sse_bin_m16u)
{
	struct x86_xmm s;

	cpu->cur = op;
	x86_read(cpu, ea_x(cpu, op), &s, 16, 0);
	cpu->cur = NULL;
	bin(cpu, op, &s, (op->s & 0x7fu) | (op->s & 0x80u) << 1);
	NEXT;
}

x86_fn *const x86_sse_bin[2][5] = {
	{bin_r, bin_m2, bin_m4, bin_m8, bin_m16},
	{fp_r, fp_m2, fp_m4, fp_m8, fp_m16},
};

/* A shift count as an immediate is a shift by a register that holds it. */
OP(x86_sse_shift_imm)
{
	const struct x86_xmm s = {{(uint64_t)op->disp}};

	op->helper(cpu, &cpu->xmm[op->d], &s, 0);
	NEXT;
}

/* imm bit 8 tells a conversion that its source is 64 bits wide. */
#define FROM_GPR(name, run)                                                                        \
	SOP(name##_gr)                                                                             \
	{                                                                                          \
		const struct x86_xmm s = {{R64(op->s)}};                                           \
		run(cpu, op, &s, (unsigned)op->disp);                                              \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(name##_gm1)                                                                            \
	{                                                                                          \
		const struct x86_xmm s = {{ld1(cpu, op, ea_x(cpu, op))}};                          \
		run(cpu, op, &s, op->s);                                                           \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(name##_gm8)                                                                            \
	{                                                                                          \
		const struct x86_xmm s = {{ld8(cpu, op, ea_x(cpu, op))}};                          \
		run(cpu, op, &s, op->s | 0x100u);                                                  \
		NEXT;                                                                              \
	}
FROM_GPR(bin, bin)
FROM_GPR(fp, bin_fp)

x86_fn *const x86_sse_from_gpr[2][5] = {
	{bin_gr, bin_gm1, bin_m2, bin_m4, bin_gm8},
	{fp_gr, fp_gm1, fp_m2, fp_m4, fp_gm8},
};

/* imm bit 8 (in s of memory sources): the destination has 64 bits. */
static void plain(struct x86_cpu *cpu, const struct x86_op *op, void *dst, const void *src,
		  unsigned imm)
{
	op->helper(cpu, dst, src, imm);
}

#define TO_GPR(name, run)                                                                          \
	SOP(name##_tr)                                                                             \
	{                                                                                          \
		uint64_t v = 0;                                                                    \
		run(cpu, op, &v, &cpu->xmm[op->s], (unsigned)op->disp);                            \
		R64(op->d) = v;                                                                    \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(name##_tm4)                                                                            \
	{                                                                                          \
		const struct x86_xmm s = {{ld4(cpu, op, ea_x(cpu, op))}};                          \
		uint64_t v = 0;                                                                    \
		run(cpu, op, &v, &s, op->s ? 0x100 : 0);                                           \
		R64(op->d) = v;                                                                    \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(name##_tm8)                                                                            \
	{                                                                                          \
		const struct x86_xmm s = {{ld8(cpu, op, ea_x(cpu, op))}};                          \
		uint64_t v = 0;                                                                    \
		run(cpu, op, &v, &s, op->s ? 0x100 : 0);                                           \
		R64(op->d) = v;                                                                    \
		NEXT;                                                                              \
	}
TO_GPR(plain, plain)
TO_GPR(fp, x86_sse_run_fp)

x86_fn *const x86_sse_to_gpr[2][3] = {
	{plain_tr, plain_tm4, plain_tm8},
	{fp_tr, fp_tm4, fp_tm8},
};

/* PEXTRB and the like to memory: d is the immediate with the size's log2 above. */
OP(x86_sse_to_mem)
{
	uint64_t v = 0;

	op->helper(cpu, &v, &cpu->xmm[op->s], op->d & 0x3fu);
	x86_st_slow(cpu, op, ea_x(cpu, op), v, 1u << (op->d >> 6));
	NEXT;
}

OP(x86_sse_unavailable)
{
	if ((cpu->cr0 & CR0_EM) || !(cpu->cr4 & CR4_OSFXSR))
		x86_raise(cpu, op, VECTOR_UD);
	x86_raise(cpu, op, VECTOR_NM);
}
