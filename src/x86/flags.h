/* SPDX-License-Identifier: MIT */
/* The six arithmetic flags, computed by the host's own ALU.
 *
 * The host is an x86-64 too: an operation is done by the host's instruction of the same name and
 * its flags are kept as LAHF and SETO leave them in AX: SF ZF - AF - PF - CF in bits 15:8, OF in
 * bit 0. That is as cheap as remembering operands for later, and exact, undefined flags included.
 */
#ifndef X86_FLAGS_H
#define X86_FLAGS_H

#include "x86/internal.h"

#define FL_OF	  0x0001u
#define FL_FIXED  0x0200u /* bit 1 of FLAGS is always one */
#define FL_CF	  0x0100u
#define FL_PF	  0x0400u
#define FL_AF	  0x1000u
#define FL_ZF	  0x4000u
#define FL_SF	  0x8000u
#define FL_ALL	  (FL_OF | FL_CF | FL_PF | FL_AF | FL_ZF | FL_SF)

#define X86_ARITH (RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF)

static inline uint64_t fl_to_rflags(unsigned fl)
{
	return ((fl >> 8) & 0xd5u) | ((fl & 1u) << 11);
}

static inline uint16_t fl_from_rflags(uint64_t r)
{
	return (uint16_t)(((r & 0xd5u) << 8) | FL_FIXED | ((r >> 11) & 1u));
}

static inline uint16_t fl_pick(unsigned from, unsigned to, unsigned mask)
{
	return (uint16_t)((from & ~mask) | (to & mask));
}

/* Conditions in the order of the encoding; odd ones negate. */
static inline bool fl_cond(unsigned fl, unsigned cc)
{
	bool r = false;

	switch (cc >> 1) {
	case 0:
		r = fl & FL_OF;
		break;
	case 1:
		r = fl & FL_CF;
		break;
	case 2:
		r = fl & FL_ZF;
		break;
	case 3:
		r = fl & (FL_CF | FL_ZF);
		break;
	case 4:
		r = fl & FL_SF;
		break;
	case 5:
		r = fl & FL_PF;
		break;
	case 6:
		r = ((fl >> 15) ^ fl) & 1u;
		break;
	case 7:
		r = (((fl >> 15) ^ fl) & 1u) || (fl & FL_ZF);
		break;
	}
	return r ^ (cc & 1u);
}

/* LOAD_CARRY and LOAD_ALL give the host the guest's flags first, where the instruction reads or
 * keeps some. */
#define LOAD_CARRY "btw $8, %w1\n\t"
#define LOAD_ALL   "addb $127, %b1\n\tsahf\n\t"
#define SAVE_ALL   "\n\tlahf\n\tseto %%al"

#define DEFINE_ALU2(op, T, n, sfx)                                                                 \
	static inline T alu_##op##n(struct x86_cpu *cpu, T a, T b)                                 \
	{                                                                                          \
		uint16_t f;                                                                        \
		__asm__(#op sfx " %2, %0" SAVE_ALL : "+q"(a), "=&a"(f) : "q"(b) : "cc");           \
		cpu->fl = f;                                                                       \
		return a;                                                                          \
	}
#define DEFINE_ALU2C(op, T, n, sfx)                                                                \
	static inline T alu_##op##n(struct x86_cpu *cpu, T a, T b)                                 \
	{                                                                                          \
		uint16_t f = cpu->fl;                                                              \
		__asm__(LOAD_CARRY #op sfx " %2, %0" SAVE_ALL                                      \
			: "+q"(a), "+&a"(f)                                                        \
			: "q"(b)                                                                   \
			: "cc");                                                                   \
		cpu->fl = f;                                                                       \
		return a;                                                                          \
	}
#define DEFINE_ALU1(op, T, n, sfx)                                                                 \
	static inline T alu_##op##n(struct x86_cpu *cpu, T a)                                      \
	{                                                                                          \
		uint16_t f = cpu->fl;                                                              \
		__asm__(LOAD_CARRY #op sfx " %0" SAVE_ALL : "+q"(a), "+&a"(f) : : "cc");           \
		cpu->fl = f;                                                                       \
		return a;                                                                          \
	}
/* Shifts and rotates by a count in CL: flags stay for a count of 0. */
#define DEFINE_SHIFT(op, T, n, sfx)                                                                \
	static inline T alu_##op##n(struct x86_cpu *cpu, T a, uint8_t count)                       \
	{                                                                                          \
		uint16_t f = cpu->fl;                                                              \
		__asm__(LOAD_ALL #op sfx " %%cl, %0" SAVE_ALL                                      \
			: "+q"(a), "+&a"(f)                                                        \
			: "c"(count)                                                               \
			: "cc");                                                                   \
		cpu->fl = f;                                                                       \
		return a;                                                                          \
	}

#define DEFINE_ALU(T, n, sfx)                                                                      \
	DEFINE_ALU2(add, T, n, sfx)                                                                \
	DEFINE_ALU2(or, T, n, sfx)                                                                 \
	DEFINE_ALU2C(adc, T, n, sfx)                                                               \
	DEFINE_ALU2C(sbb, T, n, sfx)                                                               \
	DEFINE_ALU2(and, T, n, sfx)                                                                \
	DEFINE_ALU2(sub, T, n, sfx)                                                                \
	DEFINE_ALU2(xor, T, n, sfx)                                                                \
	DEFINE_ALU2(cmp, T, n, sfx)                                                                \
	DEFINE_ALU2(test, T, n, sfx)                                                               \
	DEFINE_ALU1(inc, T, n, sfx)                                                                \
	DEFINE_ALU1(dec, T, n, sfx)                                                                \
	DEFINE_ALU1(neg, T, n, sfx)                                                                \
	DEFINE_SHIFT(rol, T, n, sfx)                                                               \
	DEFINE_SHIFT(ror, T, n, sfx)                                                               \
	DEFINE_SHIFT(rcl, T, n, sfx)                                                               \
	DEFINE_SHIFT(rcr, T, n, sfx)                                                               \
	DEFINE_SHIFT(shl, T, n, sfx)                                                               \
	DEFINE_SHIFT(shr, T, n, sfx)                                                               \
	DEFINE_SHIFT(sar, T, n, sfx)
FOR_SIZES(DEFINE_ALU)

#endif
