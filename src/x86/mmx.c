/* SPDX-License-Identifier: MIT */
/* MMX: the host's own instructions on the low halves of the x87 registers.
 *
 * Every one makes the x87 unit look full, EMMS empty, with its top at 0, after all that can
 * fault. */
#include "x86/mmx.h"
#include "x86/sse.h"
#include "x86/x87.h"

#define HOST(mnemonic, name)                                                                       \
	SSE_HELPER(mmx_##name)                                                                     \
	{                                                                                          \
		__asm__ volatile("movq %1, %%mm1\n\tmovq %0, %%mm0\n\t" #name                      \
				 " %%mm1, %%mm0\n\tmovq %%mm0, %0\n\temms"                         \
				 : "+m"(*(uint64_t *)dst)                                          \
				 : "m"(*(const uint64_t *)src)                                     \
				 : "mm0", "mm1", "st", "st(1)", "st(2)", "st(3)", "st(4)",         \
				   "st(5)", "st(6)", "st(7)");                                     \
	}
MMX_BIN(HOST)

SSE_HELPER(mmx_pshufw)
{
	uint16_t s[4], d[4];
	unsigned i;

	memcpy(s, src, 8);
	for (i = 0; i < 4; i++)
		d[i] = s[imm >> 2 * i & 3];
	memcpy(dst, d, 8);
}

SSE_HELPER(mmx_palignr)
{
	uint8_t both[32] = {0};

	memcpy(both, src, 8);
	memcpy(both + 8, dst, 8);
	memcpy(dst, both + (imm < 16 ? imm : 16), 8);
}

SSE_HELPER(mmx_pinsrw)
{
	memcpy((uint8_t *)dst + (imm & 3) * 2, src, 2);
}

static void check(struct x86_cpu *cpu, const struct x86_op *op)
{
	x87_pending(cpu, op);
}

static void begin(struct x86_cpu *cpu)
{
	x86_x87_set_fsw(cpu, cpu->fx.fsw & 0xc7ff);
	cpu->fx.ftw = 0xff;
}

static uint64_t get(const struct x86_cpu *cpu, unsigned reg)
{
	uint64_t v;

	memcpy(&v, cpu->fx.st[reg], 8);
	return v;
}

static void set(struct x86_cpu *cpu, unsigned reg, uint64_t v)
{
	memcpy(cpu->fx.st[reg], &v, 8);
	memset(cpu->fx.st[reg] + 8, 0xff, 2);
}

static void binary(struct x86_cpu *cpu, const struct x86_op *op, uint64_t s, unsigned imm)
{
	uint64_t d = get(cpu, op->d);

	op->helper(cpu, &d, &s, imm);
	set(cpu, op->d, d);
}

OP(x86_mmx_r)
{
	check(cpu, op);
	begin(cpu);
	binary(cpu, op, get(cpu, op->s), (unsigned)op->disp);
	NEXT;
}

OP(x86_mmx_gpr)
{
	check(cpu, op);
	begin(cpu);
	binary(cpu, op, R64(op->s), (unsigned)op->disp);
	NEXT;
}

OP(x86_mmx_shift_imm)
{
	check(cpu, op);
	begin(cpu);
	binary(cpu, op, (uint64_t)op->disp, 0);
	NEXT;
}

#define MEMORY(n)                                                                                  \
	SOP(binary_m##n)                                                                           \
	{                                                                                          \
		uint64_t s;                                                                        \
		check(cpu, op);                                                                    \
		s = ld##n(cpu, op, ea_x(cpu, op));                                                 \
		begin(cpu);                                                                        \
		binary(cpu, op, s, op->s);                                                         \
		NEXT;                                                                              \
	}
MEMORY(2)
MEMORY(4)
MEMORY(8)
x86_fn *const x86_mmx_m[3] = {binary_m2, binary_m4, binary_m8};

OP(x86_mmx_from_gpr)
{
	check(cpu, op);
	begin(cpu);
	set(cpu, op->d, op->imm == 8 ? R64(op->s) : R32(op->s));
	NEXT;
}

OP(x86_mmx_to_gpr)
{
	check(cpu, op);
	begin(cpu);
	R64(op->d) = op->imm == 8 ? get(cpu, op->s) : (uint32_t)get(cpu, op->s);
	NEXT;
}

OP(x86_mmx_ld)
{
	uint64_t v;

	check(cpu, op);
	v = op->imm == 8 ? ld8(cpu, op, ea_x(cpu, op)) : ld4(cpu, op, ea_x(cpu, op));
	begin(cpu);
	set(cpu, op->d, v);
	NEXT;
}

/* The register's physical number counts; the image counts from the top. */
static uint64_t get_before(const struct x86_cpu *cpu, unsigned reg)
{
	return get(cpu, (reg - x87_top(cpu)) & 7);
}

OP(x86_mmx_st)
{
	uint64_t v;

	check(cpu, op);
	v = get_before(cpu, op->s);
	if (op->imm == 8)
		st8(cpu, op, ea_x(cpu, op), v);
	else
		st4(cpu, op, ea_x(cpu, op), (uint32_t)v);
	begin(cpu);
	NEXT;
}

OP(x86_mmx_mov)
{
	check(cpu, op);
	begin(cpu);
	set(cpu, op->d, get(cpu, op->s));
	NEXT;
}

OP(x86_mmx_maskmov)
{
	uint64_t v, mask, ea;

	check(cpu, op);
	v = get_before(cpu, op->d);
	mask = get_before(cpu, op->s);
	ea = ea_x(cpu, op);
	cpu->cur = op;
	x86_write_masked(cpu, ea, (const uint8_t *)&v, (const uint8_t *)&mask, 8);
	cpu->cur = NULL;
	begin(cpu);
	NEXT;
}

OP(x86_mmx_extract)
{
	check(cpu, op);
	begin(cpu);
	R64(op->d) = (uint16_t)(get(cpu, op->s) >> 16 * (op->disp & 3));
	NEXT;
}

OP(x86_mmx_movmsk)
{
	uint64_t v, bits = 0;
	unsigned i;

	check(cpu, op);
	begin(cpu);
	v = get(cpu, op->s);
	for (i = 0; i < 8; i++)
		bits |= (v >> (8 * i + 7) & 1) << i;
	R64(op->d) = bits;
	NEXT;
}

OP(x86_mmx_to_xmm)
{
	check(cpu, op);
	begin(cpu);
	cpu->xmm[op->d] = (struct x86_xmm){{get(cpu, op->s), 0}};
	NEXT;
}

OP(x86_mmx_from_xmm)
{
	check(cpu, op);
	begin(cpu);
	set(cpu, op->d, cpu->xmm[op->s].q[0]);
	NEXT;
}

/* Two integers of an MMX register or of memory, which leaves the MMX state alone. CVTPI2PS has two
 * results and keeps the rest. */
OP(x86_mmx_cvt_to_xmm)
{
	const bool mem = op->fl & OPF_MEM, ps = op->helper == x86_cvtdq2ps;
	struct x86_xmm s = {{0, 0}}, d = cpu->xmm[op->d];

	if (!mem)
		check(cpu, op);
	s.q[0] = mem ? ld8(cpu, op, ea_x(cpu, op)) : get_before(cpu, op->s);
	if (!mem)
		begin(cpu); /* also before #XM */
	x86_sse_run_fp(cpu, op, &d, &s, 0);
	cpu->xmm[op->d].q[0] = d.q[0];
	if (!ps)
		cpu->xmm[op->d].q[1] = d.q[1];
	NEXT;
}

OP(x86_mmx_cvt_from_xmm)
{
	const bool ps = op->helper == x86_cvtps2dq || op->helper == x86_cvttps2dq;
	struct x86_xmm s = cpu->xmm[op->s & 15], d = {{0, 0}};

	check(cpu, op);
	if (op->fl & OPF_MEM) {
		const uint64_t ea = ea_x(cpu, op);

		if (!ps && (ea & 15))
			x86_raise_err(cpu, op, VECTOR_GP, 0);
		cpu->cur = op;
		x86_read(cpu, ea, &s, ps ? 8 : 16, 0);
		cpu->cur = NULL;
	}
	if (ps)
		s.q[1] = 0;
	begin(cpu);
	x86_sse_run_fp(cpu, op, &d, &s, 0);
	set(cpu, op->d, d.q[0]);
	NEXT;
}

OP(x86_mmx_unavailable)
{
	x86_raise(cpu, op, cpu->cr0 & CR0_EM ? VECTOR_UD : VECTOR_NM);
}
