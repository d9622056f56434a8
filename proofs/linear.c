/* SPDX-License-Identifier: MIT */
/* Every linear address that an instruction computes is as wide as its mode, whatever registers,
 * bases, limits, prefixes and displacements say. What it rests on: an operation translated for code
 * that is not 64-bit has one of OPF_EA (src/x86/decode.c). */
#include "proofs/proof.h"

#include "x86/mem.c"

/* An exception ends the instruction: nothing is accessed after it. */
void x86_raise_err(struct x86_cpu *cpu, const struct x86_op *op, unsigned vector, uint32_t error)
{
	impossible();
}

static void assume_op(struct x86_cpu *cpu, struct x86_op *op)
{
	assume(op->b % 8 == 0 && op->b <= 8 * 16 && op->i % 8 == 0 && op->i <= 8 * 16);
	assume(op->sc <= 3);
	assume(is64(cpu) || (op->fl & OPF_EA));
	if (op->fl & OPF_CHK)
		assume((op->seg & CHK_SEG) < X86_NOSEG &&
		       (op->seg >> CHK_SIZE_SHIFT & 15u) < X86_CHK_SIZES);
	else
		assume(op->seg < X86_SEGS);
	cpu->zero = 0;
}

/* The operand of an instruction, written or implied. */
void effective_address_is_cut(void)
{
	static struct x86_cpu cpu;
	struct x86_op op;
	uint64_t off;

	any(&cpu, sizeof(cpu));
	any(&op, sizeof(op));
	any(&off, sizeof(off));
	assume_op(&cpu, &op);
	prove(is64(&cpu) || x86_ea(&cpu, &op, off) <= UINT32_MAX);
	prove(is64(&cpu) || ea_x(&cpu, &op) <= UINT32_MAX);
	reached();
}

/* Operands with a segment of their own: strings, MOVDIR64B. */
void segment_address_is_cut(void)
{
	static struct x86_cpu cpu;
	uint64_t off;
	unsigned seg, size;
	bool write;

	any(&cpu, sizeof(cpu));
	any(&off, sizeof(off));
	any(&seg, sizeof(seg));
	any(&size, sizeof(size));
	any(&write, sizeof(write));
	assume(seg < X86_NOSEG && size >= 1 && size <= 512);
	prove(is64(&cpu) || x86_seg_ea(&cpu, seg, off, size, write) <= UINT32_MAX);
	reached();
}

/* Within a segment's limit, unless the address leaves 32 bits, which no limit lets it. */
void segment_limit_holds(void)
{
	static struct x86_cpu cpu;
	uint64_t off;
	unsigned seg, size;

	any(&cpu, sizeof(cpu));
	any(&off, sizeof(off));
	any(&seg, sizeof(seg));
	any(&size, sizeof(size));
	assume(seg < X86_NOSEG && size >= 1 && size <= 512 && off <= UINT32_MAX && !is64(&cpu));
	x86_seg_ea(&cpu, seg, off, size, false);
	/* here no exception was raised */
	if (!(cpu.seg[seg].ar & 8) && (cpu.seg[seg].ar & 4))
		prove(off > cpu.seg[seg].limit && off + size - 1 <= UINT32_MAX);
	else
		prove(off + size - 1 <= cpu.seg[seg].limit);
	reached();
}

/* What tables and events read and write: 32 bits outside long mode. */
void implied_access_is_cut(void)
{
	static struct x86_cpu cpu;
	uint64_t la;
	unsigned acc;

	any(&cpu, sizeof(cpu));
	any(&la, sizeof(la));
	any(&acc, sizeof(acc));
	if (acc & (ACC_SUP | ACC_SYS))
		prove((cpu.efer & EFER_LMA) || x86_linear(&cpu, la, acc) <= UINT32_MAX);
	else
		prove(is64(&cpu) || x86_linear(&cpu, la, acc) <= UINT32_MAX);
	reached();
}
