/* SPDX-License-Identifier: MIT */
/* Multiplication and division. A quotient that does not fit is #DE before anything changes. */
#include "x86/flags.h"
#include "x86/ops.h"

/* A product defines CF and OF; what becomes of the others is what the host makes of the guest's.
 * RAX holds both the product and, around it, the flags. */
#define MUL_LOAD "addb $127, %%al\n\tsahf\n\tmovq %[a], %%rax\n\t"
#define MUL_SAVE "movq %%rax, %[keep]\n\tlahf\n\tseto %%al"
#define MUL(nm, T, n, sfx)                                                                         \
	static inline void do_##nm##n(struct x86_cpu *cpu, T b)                                    \
	{                                                                                          \
		uint64_t lo = cpu->fl, hi, keep, a = cpu->regs.rax;                                \
		__asm__(MUL_LOAD #nm sfx " %[b]\n\t" MUL_SAVE                                      \
			: "+&a"(lo), "=&d"(hi), [keep] "=&r"(keep)                                 \
			: [a] "r"(a), [b] "r"(b)                                                   \
			: "cc");                                                                   \
		cpu->fl = (uint16_t)lo;                                                            \
		wr##n(cpu, offsetof(struct tdx_regs, rax), (T)keep);                               \
		wr##n(cpu, offsetof(struct tdx_regs, rdx), (T)hi);                                 \
	}
#define MUL_ALL(T, n, sfx) MUL(mul, T, n, sfx) MUL(imul, T, n, sfx)
FOR_SIZES248(MUL_ALL)

/* The byte forms keep both halves in AX. */
#define MUL1(nm)                                                                                   \
	static inline void do_##nm##1(struct x86_cpu * cpu, uint8_t b)                             \
	{                                                                                          \
		uint64_t lo = cpu->fl, keep, a = cpu->regs.rax;                                    \
		__asm__(MUL_LOAD #nm "b %[b]\n\t" MUL_SAVE                                         \
			: "+&a"(lo), [keep] "=&r"(keep)                                            \
			: [a] "r"(a), [b] "q"(b)                                                   \
			: "cc");                                                                   \
		cpu->fl = (uint16_t)lo;                                                            \
		wr2(cpu, offsetof(struct tdx_regs, rax), (uint16_t)keep);                          \
	}
MUL1(mul)
MUL1(imul)

/* Division leaves the flags undefined; they are left alone. */
typedef unsigned __int128 u128;
typedef __int128 s128;

#define DIV(T, ST, W, SW, n)                                                                       \
	static inline void do_div##n(struct x86_cpu *cpu, const struct x86_op *op, T b)            \
	{                                                                                          \
		const W num = (W)((W)(T)cpu->regs.rdx << (sizeof(T) * 8)) | (T)cpu->regs.rax;      \
		if (b == 0 || (T)cpu->regs.rdx >= b)                                               \
			x86_raise(cpu, op, VECTOR_DE);                                             \
		wr##n(cpu, offsetof(struct tdx_regs, rax), (T)(num / b));                          \
		wr##n(cpu, offsetof(struct tdx_regs, rdx), (T)(num % b));                          \
	}                                                                                          \
	static inline void do_idiv##n(struct x86_cpu *cpu, const struct x86_op *op, T b)           \
	{                                                                                          \
		const W num = (W)((W)(T)cpu->regs.rdx << (sizeof(T) * 8)) | (T)cpu->regs.rax;      \
		const W min = (W)1 << (sizeof(W) * 8 - 1);                                         \
		SW q;                                                                              \
		if (b == 0 || (num == min && (ST)b == -1))                                         \
			x86_raise(cpu, op, VECTOR_DE);                                             \
		q = (SW)((SW)num / (ST)b);                                                         \
		if (q != (ST)q)                                                                    \
			x86_raise(cpu, op, VECTOR_DE);                                             \
		wr##n(cpu, offsetof(struct tdx_regs, rax), (T)q);                                  \
		wr##n(cpu, offsetof(struct tdx_regs, rdx), (T)((SW)num % (ST)b));                  \
	}
DIV(uint16_t, int16_t, uint32_t, int32_t, 2)
DIV(uint32_t, int32_t, uint64_t, int64_t, 4)
DIV(uint64_t, int64_t, u128, s128, 8)

static inline void do_div1(struct x86_cpu *cpu, const struct x86_op *op, uint8_t b)
{
	const uint16_t num = (uint16_t)cpu->regs.rax;

	if (b == 0 || (num >> 8) >= b)
		x86_raise(cpu, op, VECTOR_DE);
	wr2(cpu, 0, (uint16_t)((num % b) << 8 | num / b));
}

static inline void do_idiv1(struct x86_cpu *cpu, const struct x86_op *op, uint8_t b)
{
	const int num = (int16_t)cpu->regs.rax, den = (int8_t)b;

	if (den == 0 || num / den != (int8_t)(num / den))
		x86_raise(cpu, op, VECTOR_DE);
	wr2(cpu, 0, (uint16_t)((uint8_t)(num % den) << 8 | (uint8_t)(num / den)));
}

#define HANDLERS(nm, n, ...)                                                                       \
	SOP(nm##_r##n)                                                                             \
	{                                                                                          \
		do_##nm##n(__VA_ARGS__ rd##n(cpu, op->s));                                         \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(nm##_m##n)                                                                             \
	{                                                                                          \
		do_##nm##n(__VA_ARGS__ ld##n(cpu, op, ea_x(cpu, op)));                             \
		NEXT;                                                                              \
	}
#define COMMA ,
#define HANDLERS_ALL(T, n, sfx)                                                                    \
	HANDLERS(mul, n, cpu COMMA)                                                                \
	HANDLERS(imul, n, cpu COMMA)                                                               \
	HANDLERS(div, n, cpu COMMA op COMMA)                                                       \
	HANDLERS(idiv, n, cpu COMMA op COMMA)
FOR_SIZES(HANDLERS_ALL)

#define SIZES(nm)                                                                                  \
	{                                                                                          \
		{nm##_r1, nm##_m1}, {nm##_r2, nm##_m2}, {nm##_r4, nm##_m4},                        \
		{                                                                                  \
			nm##_r8, nm##_m8                                                           \
		}                                                                                  \
	}
x86_fn *const x86_muldiv[MULDIVS][4][2] = {
	[D_MUL] = SIZES(mul),
	[D_IMUL] = SIZES(imul),
	[D_DIV] = SIZES(div),
	[D_IDIV] = SIZES(idiv),
};

#define IMUL2(T, n, sfx)                                                                           \
	static inline T alu_imul##n(struct x86_cpu *cpu, T a, T b)                                 \
	{                                                                                          \
		uint16_t f = cpu->fl;                                                              \
		__asm__(LOAD_ALL "imul" sfx " %2, %0" SAVE_ALL                                     \
			: "+r"(a), "+&a"(f)                                                        \
			: "r"(b)                                                                   \
			: "cc");                                                                   \
		cpu->fl = f;                                                                       \
		return a;                                                                          \
	}                                                                                          \
	SOP(imul_rr##n)                                                                            \
	{                                                                                          \
		wr##n(cpu, op->d, alu_imul##n(cpu, rd##n(cpu, op->d), rd##n(cpu, op->s)));         \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(imul_rm##n)                                                                            \
	{                                                                                          \
		const T b = ld##n(cpu, op, ea_x(cpu, op));                                         \
		wr##n(cpu, op->d, alu_imul##n(cpu, rd##n(cpu, op->d), b));                         \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(imul_rri##n)                                                                           \
	{                                                                                          \
		wr##n(cpu, op->d, alu_imul##n(cpu, rd##n(cpu, op->s), (T)op->imm));                \
		NEXT;                                                                              \
	}                                                                                          \
	SOP(imul_rmi##n)                                                                           \
	{                                                                                          \
		const T b = ld##n(cpu, op, ea_x(cpu, op));                                         \
		wr##n(cpu, op->d, alu_imul##n(cpu, b, (T)op->imm));                                \
		NEXT;                                                                              \
	}
FOR_SIZES248(IMUL2)

x86_fn *const x86_imul2[4][4] = {
	{0},
	{imul_rr2, imul_rm2, imul_rri2, imul_rmi2},
	{imul_rr4, imul_rm4, imul_rri4, imul_rmi4},
	{imul_rr8, imul_rm8, imul_rri8, imul_rmi8},
};
