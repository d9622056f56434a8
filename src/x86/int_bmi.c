/* SPDX-License-Identifier: MIT */
/* BMI1 and BMI2: VEX-encoded instructions on general registers.
 *
 * d: destination, s: the register named by VEX.vvvv; the other source is in memory, or in the
 * register b. imm: which, with the size in bytes at bit 8 and RORX's count at bit 16. */
#include "x86/bmi.h"
#include "x86/flags.h"

static uint64_t deposit(uint64_t v, uint64_t mask, bool extract)
{
	uint64_t r = 0;
	unsigned k = 0;

	for (; mask; mask &= mask - 1, k++) {
		const uint64_t bit = mask & -mask;

		if (extract)
			r |= v & bit ? 1ull << k : 0;
		else
			r |= v >> k & 1 ? bit : 0;
	}
	return r;
}

/* SF and ZF of the result, the carry given, all others 0. */
static void set_flags(struct x86_cpu *cpu, uint64_t r, unsigned bits, bool cf)
{
	cpu->fl = (uint16_t)(FL_FIXED | (r ? 0 : FL_ZF) | (r >> (bits - 1) & 1 ? FL_SF : 0) |
			     (cf ? FL_CF : 0));
}

static uint64_t bextr(uint64_t v, uint64_t control, unsigned bits)
{
	const unsigned start = (unsigned)control & 0xff, len = (unsigned)control >> 8 & 0xff;

	v = start < bits ? v >> start : 0;
	return len < bits ? v & ((1ull << len) - 1) : v;
}

OP(x86_bmi)
{
	const unsigned size = op->imm >> 8 & 0xff, bits = size * 8;
	const uint64_t all = size == 8 ? UINT64_MAX : UINT32_MAX;
	const uint64_t v =
		op->fl & OPF_MEM ? x86_ld_slow(cpu, op, ea_x(cpu, op), size) : R64(op->b) & all;
	const uint64_t w = R64(op->s) & all;
	const unsigned count = (unsigned)w & (bits - 1);
	unsigned turn;
	uint64_t r = 0;

	switch ((enum bmi)(op->imm & 0xff)) {
	case BMI_ANDN:
		r = ~w & v;
		set_flags(cpu, r, bits, false);
		break;
	case BMI_BEXTR:
		r = bextr(v, w, bits);
		cpu->fl = (uint16_t)(FL_FIXED | (r ? 0 : FL_ZF));
		break;
	case BMI_BLSI:
		r = v & -v & all;
		set_flags(cpu, r, bits, v != 0);
		break;
	case BMI_BLSMSK:
		r = (v ^ (v - 1)) & all;
		set_flags(cpu, r, bits, v == 0);
		break;
	case BMI_BLSR:
		r = v & (v - 1);
		set_flags(cpu, r, bits, v == 0);
		break;
	case BMI_BZHI:
		turn = (unsigned)w & 0xff;
		r = turn < bits ? v & ((1ull << turn) - 1) : v;
		set_flags(cpu, r, bits, turn > bits - 1);
		break;
	case BMI_PDEP:
		r = deposit(w, v, false);
		break;
	case BMI_PEXT:
		r = deposit(w, v, true);
		break;
	case BMI_RORX:
		turn = (unsigned)(op->imm >> 16) & (bits - 1);
		r = turn ? (v >> turn | v << (bits - turn)) & all : v;
		break;
	case BMI_SARX:
		r = size == 8 ? (uint64_t)((int64_t)v >> count)
			      : (uint32_t)((int32_t)(uint32_t)v >> count);
		break;
	case BMI_SHLX:
		r = v << count & all;
		break;
	case BMI_SHRX:
		r = v >> count;
		break;
	case BMI_MULX: {
		const unsigned __int128 p = (unsigned __int128)(cpu->regs.rdx & all) * v;

		/* The low half first: the high one wins if both go to one register. */
		R64(op->s) = (uint64_t)p & all;
		r = (uint64_t)(p >> bits) & all;
		break;
	}
	}
	R64(op->d) = r;
	NEXT;
}
