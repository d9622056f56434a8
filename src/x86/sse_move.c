/* SPDX-License-Identifier: MIT */
/* Moves of vectors: whole, halves, elements; and MXCSR. */
#include "x86/sse.h"

#define X(n) (cpu->xmm[n])

static void load(struct x86_cpu *cpu, const struct x86_op *op, uint64_t va)
{
	const struct x86_tlbe *e = tlb_at(cpu, va);

	if (likely(e->r == PAGE_OF(va, 16))) {
		x86_copy(&X(op->d), x86_host(cpu, va + e->addend, 16), 16);
	} else {
		struct x86_xmm v;

		cpu->cur = op;
		x86_read(cpu, va, &v, 16, 0);
		cpu->cur = NULL;
		X(op->d) = v;
	}
}

static void store(struct x86_cpu *cpu, const struct x86_op *op, uint64_t va)
{
	const struct x86_tlbe *e = tlb_at(cpu, va);

	if (likely(e->w == PAGE_OF(va, 16))) {
		x86_copy(x86_host(cpu, va + e->addend, 16), &X(op->s), 16);
	} else {
		cpu->cur = op;
		x86_write(cpu, va, &X(op->s), 16, 0);
		cpu->cur = NULL;
	}
}

static uint64_t aligned(struct x86_cpu *cpu, const struct x86_op *op)
{
	const uint64_t va = ea_x(cpu, op);

	if (va & 15)
		x86_raise_err(cpu, op, VECTOR_GP, 0);
	return va;
}

OP(x86_sse_ld16a)
{
	load(cpu, op, aligned(cpu, op));
	NEXT;
}

OP(x86_sse_ld16u)
{
	load(cpu, op, ea_x(cpu, op));
	NEXT;
}

OP(x86_sse_st16a)
{
	store(cpu, op, aligned(cpu, op));
	NEXT;
}

OP(x86_sse_st16u)
{
	store(cpu, op, ea_x(cpu, op));
	NEXT;
}

OP(x86_sse_ld8)
{
	X(op->d) = (struct x86_xmm){{ld8(cpu, op, ea_x(cpu, op))}};
	NEXT;
}

OP(x86_sse_ld4)
{
	X(op->d) = (struct x86_xmm){{ld4(cpu, op, ea_x(cpu, op))}};
	NEXT;
}

OP(x86_sse_ldlo)
{
	X(op->d).q[0] = ld8(cpu, op, ea_x(cpu, op));
	NEXT;
}

OP(x86_sse_ldhi)
{
	X(op->d).q[1] = ld8(cpu, op, ea_x(cpu, op));
	NEXT;
}

OP(x86_sse_st8)
{
	st8(cpu, op, ea_x(cpu, op), X(op->s).q[0]);
	NEXT;
}

OP(x86_sse_sthi)
{
	st8(cpu, op, ea_x(cpu, op), X(op->s).q[1]);
	NEXT;
}

OP(x86_sse_st4)
{
	st4(cpu, op, ea_x(cpu, op), (uint32_t)X(op->s).q[0]);
	NEXT;
}

OP(x86_sse_mov)
{
	X(op->d) = X(op->s);
	NEXT;
}

OP(x86_sse_movq)
{
	X(op->d) = (struct x86_xmm){{X(op->s).q[0]}};
	NEXT;
}

OP(x86_sse_movsd)
{
	X(op->d).q[0] = X(op->s).q[0];
	NEXT;
}

OP(x86_sse_movss)
{
	memcpy(&X(op->d), &X(op->s), 4);
	NEXT;
}

OP(x86_sse_movhlps)
{
	X(op->d).q[0] = X(op->s).q[1];
	NEXT;
}

OP(x86_sse_movlhps)
{
	X(op->d).q[1] = X(op->s).q[0];
	NEXT;
}

/* disp: the size of the integer register. */
OP(x86_sse_from_r)
{
	X(op->d) = (struct x86_xmm){{op->disp == 8 ? R64(op->s) : R32(op->s)}};
	NEXT;
}

OP(x86_sse_to_r)
{
	R64(op->d) = op->disp == 8 ? X(op->s).q[0] : (uint32_t)X(op->s).q[0];
	NEXT;
}

/* d: the vector, s: the mask; b: rDI. */
OP(x86_sse_maskmov)
{
	const uint64_t ea = ea_x(cpu, op);

	cpu->cur = op;
	x86_write_masked(cpu, ea, (const uint8_t *)&X(op->d), (const uint8_t *)&X(op->s), 16);
	cpu->cur = NULL;
	NEXT;
}

OP(x86_ldmxcsr)
{
	const uint32_t v = ld4(cpu, op, ea_x(cpu, op));

	if (v & ~cpu->fx.mxcsr_mask)
		x86_raise_err(cpu, op, VECTOR_GP, 0);
	cpu->fx.mxcsr = v;
	NEXT;
}

OP(x86_stmxcsr)
{
	st4(cpu, op, ea_x(cpu, op), cpu->fx.mxcsr);
	NEXT;
}
