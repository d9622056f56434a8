/* SPDX-License-Identifier: MIT */
/* The translator against the interpreter: random programs of what is emitted, with branches to
 * anywhere, faults, calls and returns out of step, code that changes itself, budgets of every size;
 * and the bytes of the emitter against a decoder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>
#include <Zydis/Zydis.h>
#include "x86/emit.h"
#include "x86/xlate.h"

static uint64_t seed = 0x123456789abcdefull;

#include "x86_programs.h"

/* --- programs --- */

#define INSNS 60u

struct program {
	uint8_t bytes[INSNS * 16];
	unsigned len, at[INSNS + 1], n;
	unsigned pointer;	   /* a register that stays in the data */
	bool vectors, x87, tables; /* tables: the pointer is among those of pages */
	bool flags;    /* little else than what makes flags, what is in between, what reads them */
	uint64_t wide; /* of AVX and AVX-512 (XFAM) */
};

static void put(struct program *p, unsigned v)
{
	p->bytes[p->len++] = (uint8_t)v;
}

static void put4(struct program *p, uint32_t v)
{
	memcpy(p->bytes + p->len, &v, 4);
	p->len += 4;
}

/* One opcode with ModRM: 66, REX, a register, a register or memory. ext: of the opcode, or -1. */
static void with_modrm(struct program *p, unsigned map, unsigned opc, int ext, bool lock)
{
	unsigned reg = ext >= 0 ? (unsigned)ext : below(16), rm = below(16), mod = 3, index = 4;
	const bool mem = lock || below(3) == 0;
	unsigned rex = below(2) ? 8 : 0, scale = 0;

	if (mem) {
		rm = below(40) ? p->pointer : below(16);
		mod = 1 + below(2);
		if (below(8) == 0) {
			index = below(16);
			scale = below(4);
		}
	}
	if (lock)
		put(p, 0xf0);
	if (below(5) == 0)
		put(p, 0x66);
	rex |= (reg & 8) >> 1 | (rm & 8) >> 3 | (mem && index != 4 ? (index & 8) >> 2 : 0);
	if (rex || below(2))
		put(p, 0x40 | rex);
	if (map)
		put(p, 0x0f);
	put(p, opc);
	if (mem && ((rm & 7) == 4 || index != 4)) {
		put(p, mod << 6 | (reg & 7) << 3 | 4);
		put(p, scale << 6 | (index & 7) << 3 | (rm & 7));
	} else {
		put(p, mod << 6 | (reg & 7) << 3 | (rm & 7));
	}
	if (mod == 1)
		put(p, (unsigned)rnd() & 0xff);
	if (mod == 2)
		put4(p, (uint32_t)rnd() % 0x2100);
}

static void imm(struct program *p, unsigned opc_bytes)
{
	/* As wide as the prefix says: it stands before the opcode that was just written. */
	const unsigned start = p->at[p->n];
	bool wide = true;
	unsigned i;

	for (i = start; i < p->len && (p->bytes[i] == 0xf0 || p->bytes[i] == 0x66); i++)
		wide = wide && p->bytes[i] != 0x66;
	if (opc_bytes == 1)
		put(p, (unsigned)rnd() & 0xff);
	else if (!wide && !(i < p->len && (p->bytes[i] & 0xf8) == 0x48))
		put(p, (unsigned)rnd() & 0xff), put(p, (unsigned)rnd() & 0xff);
	else
		put4(p, (uint32_t)rnd());
}

static void branch(struct program *p, unsigned map, unsigned opc, const unsigned *known, unsigned n)
{
	const unsigned to = n ? known[below(n)] : p->at[p->n];

	if (map)
		put(p, 0x0f);
	put(p, opc);
	put4(p, to - (p->len + 4));
}

/* A vector instruction; those that want their operand aligned mostly find it so by chance. */
static void vector(struct program *p)
{
	static const struct {
		uint8_t prefix, opcode, imm;
	} of[] = {
		{0, 0x10, 0},	 {0, 0x11, 0},	  {0xf2, 0x10, 0}, {0xf3, 0x11, 0}, {0xf2, 0x58, 0},
		{0xf3, 0x59, 0}, {0x66, 0x5e, 0}, {0, 0x51, 0},	   {0xf2, 0x2a, 0}, {0xf2, 0x2c, 0},
		{0xf3, 0x2d, 0}, {0x66, 0x2e, 0}, {0, 0x2f, 0},	   {0x66, 0x6e, 0}, {0x66, 0x7e, 0},
		{0x66, 0x6f, 0}, {0xf3, 0x6f, 0}, {0xf3, 0x7f, 0}, {0x66, 0xef, 0}, {0x66, 0xfe, 0},
		{0x66, 0x70, 1}, {0, 0xc6, 1},	  {0x66, 0xd6, 0}, {0xf3, 0x7e, 0}, {0x66, 0x60, 0},
		{0x66, 0xd4, 0}, {0xf2, 0x5a, 0}, {0xf3, 0x5a, 0}, {0, 0x12, 0},    {0, 0x16, 0},
		{0xf2, 0xc2, 1}, {0x66, 0x73, 1}, {0x66, 0xd7, 0}, {0, 0x50, 0},    {0x66, 0xc4, 1},
	};
	const unsigned k = below(sizeof(of) / sizeof(of[0]));
	const unsigned reg = of[k].opcode == 0x73 ? 2 + 4 * below(2) : below(16);
	unsigned rm = below(16);
	const bool only_reg = of[k].opcode == 0x73 || of[k].opcode == 0xd7 || of[k].opcode == 0x50;
	const bool mem = !only_reg && below(2);

	if (mem)
		rm = p->pointer;
	if (of[k].prefix)
		put(p, of[k].prefix);
	put(p, 0x40 | (below(2) ? 8u : 0) | (reg & 8) >> 1 | (rm & 8) >> 3);
	put(p, 0x0f);
	put(p, of[k].opcode);
	put(p, (mem ? 1u : 3u) << 6 | (reg & 7) << 3 | (mem && (rm & 7) == 4 ? 4 : rm & 7));
	if (mem && (rm & 7) == 4)
		put(p, 0x24);
	if (mem)
		put(p, (unsigned)rnd() & 0xff);
	if (of[k].imm)
		put(p, (unsigned)rnd() & 0xff);
}

/* An x87 instruction: those of each opcode, of which some are not emitted, and some none. */
static void x87(struct program *p)
{
	const unsigned op = 0xd8 + below(8), reg = below(8);
	unsigned rm = below(8);

	if (below(30) == 0) {
		put(p, 0x9b);
		return;
	}
	/* Environments, of which FLDENV and FRSTOR would mostly unmask an exception. */
	if (below(3) && !((op == 0xd9 && (reg == 4 || (reg == 5 && below(8)))) ||
			  (op == 0xdd && (reg == 4 || reg == 5)) || (op == 0xdb && reg == 4))) {
		rm = p->pointer;
		if (rm & 8)
			put(p, 0x41);
		put(p, op);
		put(p, 1u << 6 | reg << 3 | ((rm & 7) == 4 ? 4 : rm & 7));
		if ((rm & 7) == 4)
			put(p, 0x24);
		put(p, (unsigned)rnd() & 0x78);
		return;
	}
	put(p, op);
	put(p, 0xc0 | reg << 3 | rm);
}

/* ModRM with this register field: a register, or the data. */
static void modrm_of(struct program *p, unsigned reg, unsigned rm, bool mem)
{
	put(p, (mem ? 1u : 3u) << 6 | (reg & 7) << 3 | (mem && (rm & 7) == 4 ? 4 : rm & 7));
	if (mem && (rm & 7) == 4)
		put(p, 0x24);
	if (mem)
		put(p, (unsigned)rnd() & 0x78);
}

enum { ANY = 2 };
enum { THREE = 1, IMM = 2, MEM_ONLY = 4, REG_ONLY = 8 };

/* What a VEX or EVEX instruction is made of; reg, rm: below what their numbers are. */
struct wide {
	uint8_t map, pp, opcode, w, l, reg, rm, has;
};

static const struct wide vex_insns[] =
	{
		{1, 0, 0x58, ANY, ANY, 16, 16, THREE},
		{1, 1, 0xef, ANY, ANY, 16, 16, THREE},
		{1, 1, 0xfe, ANY, ANY, 16, 16, THREE},
		{1, 3, 0x58, ANY, ANY, 16, 16, THREE},
		{1, 3, 0x2a, ANY, ANY, 16, 16, THREE},
		{2, 1, 0x02, ANY, ANY, 16, 16, THREE},
		{2, 1, 0xb8, 0, ANY, 16, 16, THREE},
		{3, 1, 0x4a, 0, ANY, 16, 16, THREE | IMM},
		{3, 1, 0x18, 0, 1, 16, 16, THREE | IMM},
		{2, 1, 0x2c, 0, ANY, 16, 16, THREE | MEM_ONLY},
		{2, 1, 0x2e, 0, ANY, 16, 16, THREE | MEM_ONLY},
		{1, 0, 0x10, ANY, ANY, 16, 16, 0},
		{1, 0, 0x11, ANY, ANY, 16, 16, 0},
		{1, 1, 0x6f, ANY, ANY, 16, 16, 0},
		{1, 2, 0x7f, ANY, ANY, 16, 16, 0},
		{1, 0, 0x2e, ANY, 0, 16, 16, 0},
		{1, 3, 0x2c, ANY, 0, 16, 16, 0},
		{1, 1, 0x6e, ANY, 0, 16, 16, 0},
		{1, 1, 0x7e, ANY, 0, 16, 16, 0},
		{1, 1, 0xd7, ANY, ANY, 16, 16, REG_ONLY},
		{2, 1, 0x17, ANY, ANY, 16, 16, 0},
		{2, 1, 0x18, 0, ANY, 16, 16, 0},
		{1, 1, 0x70, ANY, ANY, 16, 16, IMM},
		{3, 1, 0x00, 1, 1, 16, 16, IMM},
		{3, 1, 0x19, 0, 1, 16, 16, IMM},
},
			 mask_insns[] =
				 {
					 {1, 3, 0x92, 1, 0, 8, 16, REG_ONLY},
					 {1, 3, 0x93, 1, 0, 16, 8, REG_ONLY},
					 {1, 0, 0x90, 1, 0, 8, 8, 0},
					 {1, 0, 0x91, 1, 0, 8, 8, MEM_ONLY},
					 {1, 0, 0x98, 1, 0, 8, 8, REG_ONLY},
					 {1, 0, 0x41, 1, 1, 8, 8, THREE | REG_ONLY},
},
			 evex_insns[] = {
				 {1, 0, 0x58, 0, ANY, 32, 32, THREE},
				 {1, 1, 0x58, 1, ANY, 32, 32, THREE},
				 {1, 1, 0xfe, 0, ANY, 32, 32, THREE},
				 {2, 1, 0x7e, 0, ANY, 32, 32, THREE},
				 {3, 1, 0x25, 0, ANY, 32, 32, THREE | IMM},
				 {3, 1, 0x03, 0, ANY, 32, 32, THREE | IMM},
				 {3, 1, 0x1f, 0, ANY, 8, 32, THREE | IMM},
				 {1, 2, 0x6f, 1, ANY, 32, 32, 0},
				 {1, 2, 0x7f, 1, ANY, 32, 32, 0},
				 {2, 1, 0x58, 0, ANY, 32, 32, 0},
				 {2, 1, 0x8b, 0, ANY, 32, 32, 0},
				 {2, 2, 0x38, 0, ANY, 32, 8, REG_ONLY},
				 {3, 1, 0x39, 0, ANY, 32, 32, IMM},
};

static unsigned choose(unsigned fixed)
{
	return fixed == ANY ? below(2) : fixed;
}

/* Of a form with VEX, or EVEX with a mask and 128 to 512 bits. */
static void wide_insn(struct program *p, const struct wide *i, bool evex)
{
	const bool mem = (i->has & MEM_ONLY) || (!(i->has & REG_ONLY) && below(2));
	const unsigned reg = below(i->reg), w = choose(i->w), mask = below(3) ? 0 : below(8);
	const unsigned rm = mem ? p->pointer : below(i->rm);
	const unsigned vvvv = i->has & THREE ? below(i->reg > i->rm ? i->reg : i->rm) : 0;
	const unsigned rxb =
		(reg & 8 ? 0 : 0x80u) | (rm & 16 && !mem ? 0 : 0x40u) | (rm & 8 ? 0 : 0x20u);

	if (evex) {
		put(p, 0x62);
		put(p, rxb | (reg & 16 ? 0 : 0x10u) | i->map);
		put(p, w << 7 | (~vvvv & 15) << 3 | 4 | i->pp);
		put(p, (mask && i->reg > 8 && below(2) ? 0x80u : 0) | below(3) << 5 |
			       (vvvv & 16 ? 0 : 8u) | mask);
	} else {
		put(p, 0xc4);
		put(p, rxb | i->map);
		put(p, w << 7 | (~vvvv & 15) << 3 | choose(i->l) << 2 | i->pp);
	}
	put(p, i->opcode);
	modrm_of(p, reg, rm, mem);
	if (i->has & IMM)
		put(p, (unsigned)rnd() & 0xff);
}

static void wide_vector(struct program *p)
{
#define SOME(table) &(table)[below(sizeof(table) / sizeof((table)[0]))]
	const unsigned what = below(p->wide & XFAM_AVX3 ? 8 : 4);

	if (what == 0 && below(4) == 0) { /* VZEROUPPER, VZEROALL */
		put(p, 0xc5);
		put(p, below(4) ? 0xf8 : 0xfc);
		put(p, 0x77);
	} else if (what < 4) {
		wide_insn(p, SOME(vex_insns), false);
	} else if (what < 5) {
		wide_insn(p, SOME(mask_insns), false);
	} else {
		wide_insn(p, SOME(evex_insns), true);
	}
#undef SOME
}

/* BMI and ADX, as many of them as are emitted. */
static void bmi(struct program *p)
{
	static const struct {
		uint8_t map, pp, opcode;
		int8_t ext;
	} of[] = {{2, 0, 0xf2, -1}, {2, 0, 0xf7, -1}, {2, 0, 0xf3, 1},	{2, 0, 0xf3, 2},
		  {2, 0, 0xf3, 3},  {2, 0, 0xf5, -1}, {2, 3, 0xf5, -1}, {2, 2, 0xf5, -1},
		  {3, 3, 0xf0, -1}, {2, 2, 0xf7, -1}, {2, 1, 0xf7, -1}, {2, 3, 0xf7, -1},
		  {2, 3, 0xf6, -1}};
	const unsigned k = below(sizeof(of) / sizeof(of[0])), w = below(2), vvvv = below(16);
	const unsigned reg = of[k].ext >= 0 ? (unsigned)of[k].ext : below(16);
	const bool mem = below(2);
	const unsigned rm = mem ? p->pointer : below(16);

	if (below(4) == 0) {
		put(p, below(2) ? 0x66 : 0xf3);
		put(p, 0x40 | w << 3 | (reg & 8) >> 1 | (rm & 8) >> 3);
		put(p, 0x0f);
		put(p, 0x38);
		put(p, 0xf6);
		modrm_of(p, reg, rm, mem);
		return;
	}
	put(p, 0xc4);
	put(p, (reg & 8 ? 0 : 0x80u) | 0x40u | (rm & 8 ? 0 : 0x20u) | of[k].map);
	put(p, w << 7 | (of[k].map == 3 ? 15 : ~vvvv & 15) << 3 | of[k].pp);
	put(p, of[k].opcode);
	modrm_of(p, reg, rm, mem);
	if (of[k].map == 3)
		put(p, (unsigned)rnd() & 0xff);
}

/* Flags are made, an access may fault while they are nowhere, registers they came from change, and
 * they are read. */
static void flags(struct program *p)
{
	static const uint8_t between[] = {0x8a, 0x8b, 0x88, 0x89};
	const unsigned w = below(2);

	switch (below(12)) {
	case 0 ... 2:
		with_modrm(p, 0, below(8) << 3 | below(4), -1, false);
		break;
	case 3:
		with_modrm(p, 0, 0x80 + w, (int)below(8), false);
		imm(p, w ? 4 : 1);
		break;
	case 4:
		with_modrm(p, 0, w ? 0x83 : 0xf6, w ? (int)below(8) : 0, false);
		imm(p, 1);
		break;
	case 5:
		with_modrm(p, 0, 0x84 + w, -1, false);
		break;
	case 6 ... 8:
		with_modrm(p, 0, between[below(4)], -1, false);
		break;
	case 9:
		put(p, 0x41);
		put(p, 0x50 + below(16));
		break;
	case 10:
		with_modrm(p, 1, (below(2) ? 0x40 : 0x90) + below(16), -1, false);
		break;
	default:
		if (below(2))
			put(p, 0x9c);
		else
			branch(p, 1, 0x80 + below(16), p->at, p->n);
		break;
	}
}

static void instruction(struct program *p)
{
	static const uint8_t two[] = {0x00, 0x08, 0x10, 0x18, 0x20, 0x28, 0x30, 0x38};
	static const uint8_t mapped[] = {0xb6, 0xb7, 0xbe, 0xbf, 0xaf, 0xa3, 0xab, 0xb3,
					 0xbb, 0xbc, 0xbd, 0xc0, 0xc1, 0xb0, 0xb1};
	static const uint8_t shifts[] = {0, 1, 2, 3, 4, 5, 7};
	const unsigned what = below(p->vectors ? 34 : 24), w = below(2);

	if (p->flags && below(16)) {
		flags(p);
		return;
	}
	if (p->x87 && below(2)) {
		x87(p);
		return;
	}
	if (below(12) == 0) {
		bmi(p);
		return;
	}
	if (p->wide && below(3) == 0) {
		wide_vector(p);
		return;
	}
	switch (what) {
	case 0 ... 5:
		with_modrm(p, 0, two[below(8)] + below(4), -1, false);
		break;
	case 6:
		with_modrm(p, 0, 0x80 + w, (int)below(8), false);
		imm(p, w ? 4 : 1);
		break;
	case 7:
		with_modrm(p, 0, 0x83, (int)below(8), false);
		imm(p, 1);
		break;
	case 8:
	case 9:
		with_modrm(p, 0, 0x88 + below(4), -1, false);
		break;
	case 10:
	case 11:
		with_modrm(p, 1, mapped[below(sizeof(mapped))], -1, false);
		break;
	case 12:
		with_modrm(p, 0, 0xd0 + below(4), shifts[below(7)], false);
		break;
	case 13:
		with_modrm(p, 0, 0xc0 + w, shifts[below(7)], false);
		imm(p, 1);
		break;
	case 14:
		with_modrm(p, 1, (below(2) ? 0x40 : 0x90) + below(16), -1, false);
		break;
	case 15:
		if (below(3) == 0) { /* TEST, of AH too */
			with_modrm(p, 0, 0xf6, 0, false);
			imm(p, 1);
		} else {
			with_modrm(p, 0, 0xf6 + w, 2 + (int)below(4), false);
		}
		break;
	case 16:
		with_modrm(p, 0, 0xfe + w, (int)below(2), false);
		break;
	case 17:
		put(p, 0x41);
		put(p, 0x50 + below(16));
		break;
	case 18:
		put(p, below(2) ? 0x9c : 0x98 + below(2));
		if (below(8) == 0)
			put(p, 0xfa); /* CLI */
		else if (below(4) == 0)
			with_modrm(p, 1, 0xae, 7, false); /* CLFLUSH, SFENCE */
		break;
	case 19:
		with_modrm(p, 1, 0xba, 4 + (int)below(4), false);
		imm(p, 1);
		break;
	case 20:
		with_modrm(p, 0, below(2) ? 0x84 + w : 0x86 + w, -1, false);
		break;
	case 21:
		branch(p, 1, 0x80 + below(16), p->at, p->n);
		break;
	case 22:
		branch(p, 0, below(2) ? 0xe8 : 0xe9, p->at, p->n);
		break;
	case 24 ... 33:
		vector(p);
		break;
	default:
		if (below(3) == 0)
			put(p, 0xc3);
		else if (below(2))
			with_modrm(p, 0, two[below(7)] + w, -1, true);
		else
			with_modrm(p, 1, (below(2) ? 0xb0 : 0xc0) + w, -1, true);
		break;
	}
}

/* wide: what can be executed of AVX and AVX-512. */
static void make(struct program *p, uint64_t wide)
{
	memset(p, 0, sizeof(*p));
	p->pointer = below(16);
	p->flags = below(3) == 0;
	p->vectors = below(2);
	p->wide = below(2) ? wide : 0;
	p->x87 = below(3) == 0;
	p->tables = below(8) == 0;
	if (p->pointer == 4)
		p->pointer = 3;
	for (p->n = 0; p->n < INSNS; p->n++) {
		p->at[p->n] = p->len;
		instruction(p);
	}
	p->at[p->n] = p->len;
	/* Back to the beginning. */
	put(p, 0xe9);
	put4(p, 0u - (p->len + 4));
}

/* A part of the vectors: all of it at random, or as it is after a reset. */
static void random_component(struct x86_cpu *cpu, void *part, size_t bytes, unsigned component)
{
	const bool used = below(3);
	uint64_t v;

	for (size_t i = 0; i < bytes; i += sizeof(v)) {
		v = used ? below(2) ? rnd() : 0x3f8000003f800000 : 0;
		memcpy((uint8_t *)part + i, &v, sizeof(v));
	}
	cpu->xused = (uint8_t)((cpu->xused & ~component) | (used ? component : 0));
}

static void prepare_wide(struct guest *g, const struct program *p)
{
	struct x86_cpu *cpu = g->cpu;

	cpu->cr4 = (cpu->cr4 & ~CR4_OSXSAVE) | (p->wide && below(16) ? CR4_OSXSAVE : 0);
	cpu->xcr0 = XFAM_X87 | XFAM_SSE | (below(8) ? p->wide : p->wide & XFAM_AVX);
	x86_state_changed(cpu);
	random_component(cpu, cpu->ymm_hi, sizeof(cpu->ymm_hi), XFAM_AVX);
	random_component(cpu, cpu->k, sizeof(cpu->k), XFAM_K);
	random_component(cpu, cpu->zmm_hi, sizeof(cpu->zmm_hi), XFAM_ZMM_HI);
	random_component(cpu, cpu->zmm16, sizeof(cpu->zmm16), XFAM_ZMM16);
}

#define G_TABLES 0x4000u

/* The pointer, or RSP, is at an entry that is in use, or close to one. */
static void point_at_tables(struct guest *g, const struct program *p)
{
	static const unsigned at[] = {0, 0x1000, 0x2000, 0x2008};
	const uint64_t to = G_PML4 + at[below(4)] + 8 * below(4);

	if (below(3))
		*tdx_reg(&g->cpu->regs, p->pointer) = to - below(64);
	else
		g->cpu->regs.rsp = to;
}

static void prepare(struct guest *g, const struct program *p, uint64_t s)
{
	const uint64_t keep = seed;
	unsigned i;

	seed = s;
	memset(g->ram + G_PML4, 0, G_TABLES);
	g_tables(g);
	if (below(2)) /* else what the TLB has stays */
		x86_tlb_flush(g->cpu);
	g_put(g, G_CODE, p->bytes, sizeof(p->bytes));
	for (i = 0; i < 0x4000; i += 8)
		*g_q(g, G_DATA + i) = rnd();
	for (i = 0; i < 16; i++)
		*tdx_reg(&g->cpu->regs, i) = below(3) ? rnd() : rnd() & 0xff;
	g->cpu->regs.rsp = G_DATA + 0x2000;
	*tdx_reg(&g->cpu->regs, p->pointer) = G_DATA + 0x800 + (below(2) ? 0 : below(8));
	if (p->tables)
		point_at_tables(g, p);
	for (i = 0; i < 32; i++)
		g->cpu->xmm[i / 2].q[i % 2] = below(2) ? rnd() : (uint64_t)below(1000) << 52;
	for (i = 0; i < 8; i++) {
		const uint16_t exponent = (uint16_t)(below(2) << 15 | (0x3ff0 + below(40)));
		const uint64_t mantissa = rnd() | 1ull << 63;

		memset(g->cpu->fx.st[i], 0, 16);
		memcpy(g->cpu->fx.st[i], &mantissa, 8);
		memcpy(g->cpu->fx.st[i] + 8, &exponent, 2);
	}
	g->cpu->fx.ftw = (uint8_t)rnd();
	g->cpu->fx.fsw = (uint16_t)(below(8) << 11 | below(8) << 8);
	g->cpu->fx.fcw = (uint16_t)(0x7f | below(4) << 10 | below(4) << 8);
	g->cpu->fx.fop = 0;
	g->cpu->fx.fip = g->cpu->fx.fdp = 0;
	if (below(8) == 0)
		g->cpu->fx.fcw &= (uint16_t) ~(1u << below(6));
	g->cpu->fx.mxcsr = 0x1f80 | below(4) << 13;
	if (below(6) == 0) /* an exception that is not masked */
		g->cpu->fx.mxcsr &= ~(0x80u << below(6));
	if (below(4) == 0) /* into the code */
		*tdx_reg(&g->cpu->regs, p->pointer) = G_CODE + below(INSNS * 4);
	x86_set_rflags(g->cpu, rnd() & 0x8d5);
	g->cpu->rip = G_CODE;
	prepare_wide(g, p);
	seed = keep;
}

static uint64_t from, budget; /* of the run in hand */

static void tell(const struct program *p, const char *what, struct guest *g)
{
	ZydisDisassembledInstruction in;
	unsigned i;

	for (i = 0; i < p->n; i++)
		if (ZYAN_SUCCESS(ZydisDisassembleIntel(ZYDIS_MACHINE_MODE_LONG_64,
						       G_CODE + p->at[i], p->bytes + p->at[i], 16,
						       &in)))
			fprintf(stderr, "%x: %s\n", G_CODE + p->at[i], in.text);
	for (i = 0; i < 16; i++)
		fprintf(stderr, "%u: %016lx %016lx\n", i, *tdx_reg(&g[0].cpu->regs, i),
			*tdx_reg(&g[1].cpu->regs, i));
	fprintf(stderr, "from %lx, budget %lu; instructions %lu %lu\n", from, budget,
		g[0].cpu->insns, g[1].cpu->insns);
	fprintf(stderr, "rip %lx %lx flags %lx %lx\n", g[0].cpu->rip, g[1].cpu->rip,
		x86_rflags(g[0].cpu), x86_rflags(g[1].cpu));
	fail_msg("%s differs", what);
}

static void compare(const struct program *p, struct guest *g, const struct x86_exit *x)
{
	const struct x86_cpu *a = g[0].cpu, *b = g[1].cpu;

	if (x[0].reason != x[1].reason || x[0].intr_info != x[1].intr_info ||
	    x[0].qualification != x[1].qualification)
		tell(p, "the exit", g);
	if (memcmp(&a->regs, &b->regs, 128) != 0)
		tell(p, "a register", g);
	if (a->rip != b->rip || a->insns != b->insns)
		tell(p, "where it is", g);
	if (x86_rflags(a) != x86_rflags(b))
		tell(p, "a flag", g);
	if (memcmp(a->xmm, b->xmm, sizeof(a->xmm)) != 0 || a->fx.mxcsr != b->fx.mxcsr)
		tell(p, "a vector, or MXCSR,", g);
	if (memcmp(a->ymm_hi, b->ymm_hi, sizeof(a->ymm_hi)) != 0 ||
	    memcmp(a->zmm_hi, b->zmm_hi, sizeof(a->zmm_hi)) != 0 ||
	    memcmp(a->zmm16, b->zmm16, sizeof(a->zmm16)) != 0 ||
	    memcmp(a->k, b->k, sizeof(a->k)) != 0)
		tell(p, "the rest of a vector, or an opmask,", g);
	if (memcmp(&a->fx, &b->fx, sizeof(a->fx)) != 0)
		tell(p, "the x87 unit", g);
	if (memcmp(g[0].ram + G_DATA - 0x1000, g[1].ram + G_DATA - 0x1000, 0x6000) != 0 ||
	    memcmp(g[0].ram + G_CODE, g[1].ram + G_CODE, 0x4000) != 0)
		tell(p, "memory", g);
	if (memcmp(g[0].ram + G_PML4, g[1].ram + G_PML4, G_TABLES) != 0)
		tell(p, "a page table", g);
}

static void run_random_programs(unsigned programs, bool check)
{
	static struct program p;
	struct guest g[2];
	unsigned i, k, j;

	open_pair(g, check);
	for (i = 0; i < programs; i++) {
		const uint64_t s = rnd() | 1;

		make(&p, x86_code_xfam(g[0].code));
		for (k = 0; k < 2; k++)
			prepare(&g[k], &p, s);
		for (j = 0; j < 30; j++) {
			const uint64_t b = below(4) ? 1 + below(200) : 1 + below(2000);
			const uint64_t to = G_CODE + p.at[below(INSNS)];
			struct x86_exit x[2];

			budget = b;
			from = g[0].cpu->rip;
			for (k = 0; k < 2; k++)
				assert_int_equal(x86_run(g[k].cpu, &x[k], b), 0);
			compare(&p, g, x);
			if (x[0].reason == X86_EXIT_BUDGET)
				continue;
			for (k = 0; k < 2; k++) {
				g[k].cpu->rip = to;
				g[k].cpu->regs.rsp = G_DATA + 0x2000;
				*tdx_reg(&g[k].cpu->regs, p.pointer) = G_DATA + 0x800;
			}
		}
	}
	close_pair(g, programs, check);
}

static void random_programs_run_as_the_interpreter_runs_them(void **state)
{
	(void)state;
	run_random_programs(how_many(1500), false);
}

static void a_check_of_random_programs_finds_no_difference(void **state)
{
	(void)state;
	run_random_programs(300, true);
}

/* What a walk writes into page tables cannot be taken back: a block that reads an entry before it
 * uses the page would find it used already, the second time. Popped, moved, as part of a change. */
static void a_check_does_not_set_accessed_bits_early(void **state)
{
	static const struct {
		uint8_t len, bytes[12];
	} reads[] = {
		{1, {0x58}},			     /* pop %rax */
		{4, {0x48, 0x8b, 0x04, 0x24}},	     /* mov (%rsp), %rax */
		{5, {0x48, 0x0f, 0xba, 0x24, 0x24}}, /* bt, whose operand follows: bit 5 */
	};
	const uint64_t page = 0x600000, pde = G_PML4 + 0x2000u + (page >> 21) * 8;
	struct guest g;
	unsigned i, turn;

	(void)state;
	assert_int_equal(g_open_with(&g, 1, true), 0);
	for (i = 0; i < 3; i++) {
		uint8_t code[32], *p = code;

		memcpy(p, reads[i].bytes, reads[i].len);
		p += reads[i].len;
		if (i == 2)
			*p++ = 5;
		memcpy(p, "\x48\x8b\x1f", 3);	      /* mov (%rdi), %rbx */
		memcpy(p + 3, "\x48\x89\x1f\xf4", 4); /* mov %rbx, (%rdi); hlt */
		g_put(&g, G_CODE, code, sizeof(code));
		for (turn = 0; turn < 20; turn++) {
			struct x86_exit x;

			*g_q(&g, pde) = page | 0x87;
			x86_tlb_flush(g.cpu);
			x86_set_rflags(g.cpu, 2);
			g.cpu->regs.rax = 0;
			g.cpu->regs.rsp = pde;
			g.cpu->regs.rdi = page;
			g.cpu->rip = G_CODE;
			assert_int_equal(x86_run(g.cpu, &x, 100), 0);
			assert_int_equal(x.reason, VMX_EXIT_HLT);
			if (i < 2)
				assert_int_equal(g.cpu->regs.rax, page | 0x87);
			else
				assert_false(x86_rflags(g.cpu) & RFLAGS_CF);
			assert_int_equal(*g_q(&g, pde), page | 0xe7);
		}
	}
	if (x86_code_result(g.code)->differences)
		fail_msg("%s", x86_code_result(g.code)->first);
	g_close(&g);
}

/* --- the emitter --- */

static unsigned number(ZydisRegister r)
{
	const unsigned id = (unsigned)ZydisRegisterGetId(r);

	/* AH to BH have numbers of their own there. */
	return ZydisRegisterGetClass(r) == ZYDIS_REGCLASS_GPR8 && id >= 8 ? id - 4 : id;
}

/* Every register and addressing form of an opcode that takes any: decoded, it says what was asked.
 */
static void what_is_emitted_is_what_was_meant(void **state)
{
	static const unsigned sizes[] = {1, 2, 4, 8};
	uint8_t bytes[32];
	ZydisDecoder d;
	unsigned i;

	(void)state;
	ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	for (i = 0; i < 200000; i++) {
		const unsigned size = sizes[below(4)], reg = below(16);
		struct host_rm m = rm_reg(below(16));
		struct emit e = {bytes, bytes + sizeof(bytes), 0};
		ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];
		ZydisDecodedInstruction in;

		if (below(2)) {
			m.mem = true;
			m.disp = below(3) ? (int32_t)rnd() : below(2) ? (int8_t)rnd() : 0;
			if (below(2)) {
				m.index = (uint8_t)below(16);
				m.scale = (uint8_t)below(4);
				if (m.index == H_RSP)
					m.index = H_NONE;
			}
			if (below(8) == 0)
				m.reg = H_NONE;
		}
		emit_op(&e, size, size == 1 ? 0x00 : 0x01, reg, m);
		assert_true(ZYAN_SUCCESS(ZydisDecoderDecodeFull(&d, bytes, sizeof(bytes), &in, o)));
		assert_int_equal(in.length, e.p - bytes);
		assert_int_equal(in.mnemonic, ZYDIS_MNEMONIC_ADD);
		assert_int_equal(o[1].size, size * 8);
		assert_int_equal(number(o[1].reg.value), reg);
		if (!m.mem) {
			assert_int_equal(number(o[0].reg.value), m.reg);
			continue;
		}
		assert_int_equal(o[0].mem.base == ZYDIS_REGISTER_NONE ? H_NONE
								      : number(o[0].mem.base),
				 m.reg);
		assert_int_equal(o[0].mem.index == ZYDIS_REGISTER_NONE ? H_NONE
								       : number(o[0].mem.index),
				 m.index);
		if (m.index != H_NONE)
			assert_int_equal(o[0].mem.scale, 1 << m.scale);
		assert_int_equal(o[0].mem.disp.value, m.disp);
	}
}

static void constants_are_moved_whole(void **state)
{
	uint8_t bytes[32];
	ZydisDecoder d;
	unsigned i;

	(void)state;
	ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	for (i = 0; i < 20000; i++) {
		const uint64_t v = rnd() >> below(64), w = below(2) ? v : ~v;
		const unsigned reg = below(16);
		struct emit e = {bytes, bytes + sizeof(bytes), 0};
		ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];
		ZydisDecodedInstruction in;

		emit_mov_imm(&e, reg, w);
		assert_true(ZYAN_SUCCESS(ZydisDecoderDecodeFull(&d, bytes, sizeof(bytes), &in, o)));
		assert_int_equal(in.length, e.p - bytes);
		assert_int_equal(number(o[0].reg.value), reg);
		assert_true((o[0].size == 64 ? o[1].imm.value.u : (uint32_t)o[1].imm.value.u) == w);
	}
}

/* The emitter stops at the end of its room, and remembers. */
static void nothing_is_written_past_the_end(void **state)
{
	uint8_t bytes[8] = {0};
	struct emit e = {bytes, bytes + 4, 0};

	(void)state;
	emit_mov_imm(&e, H_R8, UINT64_MAX / 3);
	assert_ptr_equal(e.p, e.end);
	assert_int_equal(bytes[4] | bytes[5] | bytes[6] | bytes[7], 0);
}

enum { BLOCKS = 600000, BYTES = 16 };

/* More code than a processor may have. */
static void much_code(struct guest *g)
{
	static const uint8_t insn[BYTES] = {0x48, 0xff, 0xc0, 0x48, 0x01, 0xc3, 0x48, 0x39,
					    0xd8, 0x74, 0x00, 0xe9, 2,	  0,	0,    0};
	unsigned i;

	for (i = 0; i < BLOCKS; i++) {
		uint8_t *at = g->ram + G_DATA + i * BYTES;

		memcpy(at, insn, BYTES);
		at[12] = 0;
	}
	g->ram[G_DATA + BLOCKS * BYTES] = 0xf4;
}

/* The last blocks of it. */
static void run_much_code(struct x86_cpu *cpu, unsigned blocks)
{
	struct x86_exit x;

	cpu->rip = G_DATA + (BLOCKS - blocks) * BYTES;
	cpu->regs.rax = 0;
	assert_int_equal(x86_run(cpu, &x, UINT64_MAX), 0);
	assert_int_equal(x.reason, VMX_EXIT_HLT);
	assert_int_equal(cpu->regs.rax, blocks);
}

static void code_begins_again_when_there_is_no_more_room(void **state)
{
	struct guest g;
	unsigned turn;

	(void)state;
	assert_int_equal(g_open_with(&g, 0, false), 0);
	much_code(&g);
	for (turn = 0; turn < 3; turn++)
		run_much_code(g.cpu, BLOCKS);
	g_close(&g);
}

static struct x86_cpu *another(struct guest *g)
{
	struct x86_cpu *cpu = x86_cpu_new(g->code, g->cpu->ops, g);

	assert_non_null(cpu);
	cpu->cr0 = g->cpu->cr0;
	cpu->cr3 = g->cpu->cr3;
	cpu->cr4 = g->cpu->cr4;
	cpu->efer = g->cpu->efer;
	memcpy(cpu->seg, g->cpu->seg, sizeof(g->cpu->seg));
	x86_state_changed(cpu);
	return cpu;
}

/* Chunks that are there for processors which have none; they are given back. */
static unsigned free_chunks(struct xl_pool *pool)
{
	uint8_t *chunks[256];
	unsigned n = 0, i;
	intptr_t rx;

	while ((chunks[n] = xl_pool_take(pool, 0, &rx)))
		assert_in_range(++n, 1, 255);
	for (i = 0; i < n; i++)
		xl_pool_give(pool, chunks[i]);
	return n;
}

/* All processors of a guest have so much together, each that comes late its first piece, and a
 * share as soon as others begin again. */
static void the_code_of_many_processors_is_bounded(void **state)
{
	enum { BIG = 3, MANY = 12, CHUNKS = 256, RESERVE = CHUNKS / 4 };
	struct x86_cpu *cpu[MANY];
	struct xl_pool *pool;
	struct guest g;
	unsigned after, before, i;
	bool check;

	(void)state;
	assert_int_equal(g_open_with(&g, 0, false), 0);
	much_code(&g);
	pool = x86_code_pool(g.code, &after, &check);
	for (i = 0; i < BIG; i++)
		run_much_code(cpu[i] = another(&g), BLOCKS);
	/* One of the pool's is the stubs'. */
	assert_in_range(free_chunks(pool), RESERVE, CHUNKS - 1 - BIG * 50);
	for (; i < MANY; i++)
		run_much_code(cpu[i] = another(&g), 2000);
	assert_int_equal(xl_pool_share(pool), (CHUNKS - 1) / (MANY + 1));
	/* The first has more than that, until it begins again. */
	before = free_chunks(pool);
	assert_int_equal(x86_breakpoint(cpu[0], 0, true), 0); /* drops all blocks */
	assert_int_equal(x86_breakpoint(cpu[0], 0, false), 0);
	run_much_code(cpu[0], BLOCKS);
	assert_in_range(free_chunks(pool), before + 30, CHUNKS - 1);
	for (i = 0; i < MANY; i++)
		x86_cpu_free(cpu[i]);
	assert_int_equal(free_chunks(pool), CHUNKS - 1);
	g_close(&g);
}

/* The embedder kicks while a block is executed: no other one begins. */
static enum x86_msr_answer kicks(struct x86_cpu *cpu, uint32_t msr, uint64_t value)
{
	(void)msr;
	(void)value;
	x86_kick(cpu);
	return X86_MSR_DONE;
}

static void a_kick_ends_the_block_in_which_it_comes(void **state)
{
	/* A loop of three blocks that are executed thousands of times before one kicks. */
	static const uint8_t loop[] = {
		0x48, 0xff, 0xc3,		    /* inc rbx */
		0x48, 0x81, 0xfb, 0x00, 0x20, 0, 0, /* cmp rbx, 0x2000 */
		0x75, 0x0a,			    /* jne over */
		0xb9, 0x00, 0x01, 0x00, 0x00,	    /* mov ecx, 0x100 */
		0x31, 0xc0,			    /* xor eax, eax */
		0x99,				    /* cdq */
		0x0f, 0x30,			    /* wrmsr */
		0x48, 0xff, 0xc6,		    /* over: inc rsi */
		0xeb, 0xe5,			    /* jmp */
	};
	struct x86_ops ops;
	struct x86_exit x;
	struct guest g;

	(void)state;
	assert_int_equal(g_open_with(&g, 1, false), 0);
	ops = *g.cpu->ops;
	ops.wrmsr = kicks;
	g.cpu->ops = &ops;
	g_put(&g, G_CODE, loop, sizeof(loop));
	g.cpu->regs.rbx = g.cpu->regs.rsi = 0;
	g.cpu->rip = G_CODE;
	assert_int_equal(x86_run(g.cpu, &x, 10000000), 0);
	assert_int_equal(x.reason, X86_EXIT_KICK);
	assert_int_equal(g.cpu->regs.rbx, 0x2000);
	assert_in_range(g.cpu->regs.rsi, 0x1fff, 0x2000);
	g_close(&g);
}

#ifdef X86_CHECK_HOST
static unsigned asked;

static bool counts(struct x86_cpu *cpu, const void *host, size_t len)
{
	asked++;
	return g_is_ram(cpu, host, len);
}
#endif

/* Where pointers are checked, those of translated code are, each time. */
static void every_pointer_of_translated_code_is_asked_for(void **state)
{
#ifdef X86_CHECK_HOST
	static const uint8_t loop[] = {
		0x48, 0x8b, 0x07,	/* mov rax, [rdi] */
		0x48, 0x89, 0x47, 0x08, /* mov [rdi + 8], rax */
		0x48, 0xff, 0xc9,	/* dec rcx */
		0x75, 0xf4,		/* jnz */
		0xf4,			/* hlt */
	};
	struct x86_ops ops;
	struct x86_exit x;
	struct guest g;

	assert_int_equal(g_open_with(&g, 1, false), 0);
	ops = *g.cpu->ops;
	ops.is_ram = counts;
	g.cpu->ops = &ops;
	g_put(&g, G_CODE, loop, sizeof(loop));
	g.cpu->regs.rdi = G_STACK - 64;
	g.cpu->regs.rcx = 1000;
	g.cpu->rip = G_CODE;
	assert_int_equal(x86_run(g.cpu, &x, 10000000), 0);
	assert_int_equal(x.reason, VMX_EXIT_HLT);
	assert_in_range(asked, 2000, 100000);
	g_close(&g);
#else
	skip();
#endif
	(void)state;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_programs_run_as_the_interpreter_runs_them),
		cmocka_unit_test(a_check_of_random_programs_finds_no_difference),
		cmocka_unit_test(a_check_does_not_set_accessed_bits_early),
		cmocka_unit_test(a_kick_ends_the_block_in_which_it_comes),
		cmocka_unit_test(every_pointer_of_translated_code_is_asked_for),
		cmocka_unit_test(what_is_emitted_is_what_was_meant),
		cmocka_unit_test(constants_are_moved_whole),
		cmocka_unit_test(nothing_is_written_past_the_end),
		cmocka_unit_test(code_begins_again_when_there_is_no_more_room),
		cmocka_unit_test(the_code_of_many_processors_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
