/* SPDX-License-Identifier: MIT */
/* The translator against the interpreter in 32-bit code, of long mode and outside: random programs
 * with each segment before each operand, stacks and addresses that come to the end of 4 GiB, and
 * segments that are flat, end, have a base, or are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>
#include <Zydis/Zydis.h>
#include "x86/xlate.h"

static uint64_t seed = 0xfedcba9876543211ull;

#include "x86_programs.h"

static bool one_in(unsigned n)
{
	return below(n) == 0;
}

/* --- programs --- */

#define INSNS	  60u
#define TOP	  0xffe00000u /* the last 2 MiB of linear addresses, with paging, */
#define TOP_RAM	  0x400000u   /* and where they are */
#define SIDE	  0x2000u     /* what is compared on either side of the end of 4 GiB */
#define TABLES	  0x4000u
#define SELECTOR0 0x48u /* FS and GS as they are now have descriptors there */

enum { ESP = 4 };
enum paging { LONG_MODE, PAE, NO_PAGING };

struct program {
	uint8_t bytes[INSNS * 16];
	unsigned len, at[INSNS + 1], n;
	unsigned pointer; /* a register that stays in the data */
	uint32_t start;	  /* linear, of the code */
	enum paging paging;
	bool vectors, x87, plain;
};

static void put(struct program *p, unsigned v)
{
	p->bytes[p->len++] = (uint8_t)v;
}

static void put_bytes(struct program *p, const void *bytes, unsigned n)
{
	memcpy(p->bytes + p->len, bytes, n);
	p->len += n;
}

static void put4(struct program *p, uint32_t v)
{
	put_bytes(p, &v, 4);
}

static uint32_t some_address(void)
{
	static const uint32_t ends[] = {0xfffffff8, 0xfffffffd, 0xfffffffe, 0xffffffff, 0, 2};

	return one_in(6) ? ends[below(6)] : G_DATA + below(0x2000);
}

/* ModRM's operand in memory, reg beside it. */
static void memory(struct program *p, unsigned reg)
{
	const unsigned rm = one_in(40) ? below(8) : p->pointer, mod = 1 + below(2);
	const bool index = one_in(6);

	if (one_in(10)) { /* an absolute address */
		put(p, reg << 3 | 5);
		put4(p, some_address());
		return;
	}
	put(p, mod << 6 | reg << 3 | (index || rm == ESP ? 4 : rm));
	if (index || rm == ESP)
		put(p, below(4) << 6 | (index ? below(8) : 4u) << 3 | rm);
	if (mod == 1)
		put(p, (unsigned)rnd() & 0xff);
	else
		put4(p, one_in(4) ? (uint32_t)rnd() : (uint32_t)rnd() % 0x2100);
}

static void modrm(struct program *p, unsigned reg, bool mem)
{
	if (mem)
		memory(p, reg);
	else
		put(p, 0xc0 | reg << 3 | below(8));
}

static void segment_prefix(struct program *p)
{
	static const uint8_t of[] = {0x65, 0x64, 0x65, 0x64, 0x26, 0x2e, 0x36, 0x3e};

	if (one_in(5))
		put(p, of[below(8)]);
	if (one_in(60))
		put(p, 0x67); /* a 16-bit address, of which ModRM means something else */
}

/* One opcode with ModRM. ext: of the opcode, or -1. True: with a prefix for 16 bits. */
static bool with_modrm(struct program *p, unsigned map, unsigned opc, int ext, bool lock)
{
	const bool mem = lock || one_in(2), small = one_in(6);

	if (mem)
		segment_prefix(p);
	if (lock)
		put(p, 0xf0);
	if (small)
		put(p, 0x66);
	if (map)
		put(p, 0x0f);
	put(p, opc);
	modrm(p, ext >= 0 ? (unsigned)ext : below(8), mem);
	return small;
}

static void imm(struct program *p, unsigned bytes)
{
	while (bytes--)
		put(p, (unsigned)rnd() & 0xff);
}

static void branch(struct program *p, unsigned map, unsigned opc)
{
	const unsigned to = p->n && below(30) ? p->at[below(p->n)] : p->at[p->n];

	if (one_in(40)) { /* EIP is cut to 16 bits */
		put(p, 0x66);
		if (map)
			put(p, 0x0f);
		put(p, opc);
		imm(p, 2);
		return;
	}
	if (map)
		put(p, 0x0f);
	put(p, opc);
	put4(p, to - (p->len + 4));
}

static void short_branch(struct program *p, unsigned opc)
{
	const unsigned to = p->n ? p->at[p->n - 1 - below(p->n < 8 ? p->n : 8)] : p->len;

	put(p, opc);
	put(p, to - (p->len + 1));
}

/* PUSH, POP and the like, of each form. */
static void stack(struct program *p)
{
	static const uint8_t others[] = {0x60, 0x61, 0x9c, 0xc9, 0x06, 0x1e, 0x16};

	switch (below(9)) {
	case 0 ... 2:
		put(p, 0x50 + below(16));
		break;
	case 3:
		put(p, 0x68);
		imm(p, 4);
		break;
	case 4:
		put(p, 0x6a);
		imm(p, 1);
		break;
	case 5:
		segment_prefix(p);
		put(p, 0xff);
		memory(p, 6);
		break;
	case 6:
		segment_prefix(p);
		put(p, 0x8f);
		memory(p, 0);
		break;
	case 7:
		put(p, 0x66);
		put(p, 0x50 + below(16));
		break;
	default:
		put(p, others[below(sizeof(others))]);
		break;
	}
}

static void absolute(struct program *p)
{
	segment_prefix(p);
	if (one_in(6))
		put(p, 0x66);
	put(p, 0xa0 + below(4));
	put4(p, some_address());
}

static void indirect(struct program *p)
{
	segment_prefix(p);
	put(p, 0xff);
	modrm(p, below(2) ? 2 : 4, below(3));
}

/* FS or GS, or one that must not change, by the stack or a register. */
static void load_segment(struct program *p)
{
	const unsigned gs = below(2);

	put(p, 0x6a);
	put(p, one_in(4) ? below(0x60) : SELECTOR0 + 8 * below(4));
	put(p, 0x0f);
	put(p, gs ? 0xa9 : 0xa1);
}

static void vector(struct program *p)
{
	static const struct {
		uint8_t prefix, opcode, imm;
	} of[] = {{0, 0x10, 0},	   {0, 0x11, 0},    {0xf2, 0x10, 0}, {0xf3, 0x11, 0},
		  {0xf2, 0x58, 0}, {0x66, 0x5e, 0}, {0xf2, 0x2a, 0}, {0xf2, 0x2c, 0},
		  {0x66, 0x2e, 0}, {0x66, 0x6e, 0}, {0x66, 0x7e, 0}, {0x66, 0x6f, 0},
		  {0xf3, 0x7f, 0}, {0x66, 0xef, 0}, {0x66, 0x70, 1}, {0x66, 0xd6, 0},
		  {0xf3, 0x7e, 0}, {0x66, 0xc4, 1}, {0, 0x50, 0}};
	const unsigned k = below(sizeof(of) / sizeof(of[0]));
	const bool mem = of[k].opcode != 0x50 && below(2);

	if (mem)
		segment_prefix(p);
	if (of[k].prefix)
		put(p, of[k].prefix);
	put(p, 0x0f);
	put(p, of[k].opcode);
	modrm(p, below(8), mem);
	if (of[k].imm)
		imm(p, 1);
}

static void x87(struct program *p)
{
	static const uint8_t by_memory[] = {0xd8, 0xda, 0xdc, 0xde};
	const bool mem = below(2);

	if (mem)
		segment_prefix(p);
	if (mem && below(2)) { /* FLD and FSTP of 4 and of 8 bytes */
		put(p, below(2) ? 0xd9 : 0xdd);
		memory(p, below(2) ? 0 : 3);
		return;
	}
	put(p, by_memory[below(4)]);
	modrm(p, below(8), mem);
}

static void string(struct program *p)
{
	static const uint8_t of[] = {0xa4, 0xa5, 0xaa, 0xab, 0xac, 0xa6, 0xaf};

	if (one_in(4)) {
		put(p, 0xb9); /* no more than so many */
		put4(p, below(5000));
		segment_prefix(p);
		put(p, 0xf3);
	} else {
		segment_prefix(p);
	}
	put(p, of[below(7)]);
}

/* What 64-bit code has not, or as something else, and what ends in a handler. */
static void other(struct program *p)
{
	static const uint8_t of[] = {0x27, 0x2f, 0x37, 0x3f, 0xd6, 0xce, 0x98, 0x99, 0xf5, 0xf9};

	switch (below(5)) {
	case 0:
		put(p, 0x62); /* BOUND, or EVEX */
		memory(p, below(8));
		break;
	case 1:
		put(p, 0x63); /* ARPL */
		modrm(p, below(8), below(2));
		break;
	case 2:
		put(p, 0xd7); /* XLAT */
		break;
	default:
		put(p, of[below(sizeof(of))]);
		break;
	}
}

static void instruction(struct program *p)
{
	static const uint8_t mapped[] = {0xb6, 0xb7, 0xbe, 0xbf, 0xaf, 0xa3, 0xab, 0xbc,
					 0xbd, 0xc0, 0xc1, 0xb0, 0xb1, 0xa5, 0xad};
	static const uint8_t shifts[] = {0, 1, 2, 3, 4, 5, 7};
	const unsigned w = below(2);

	if (p->vectors && one_in(4)) {
		vector(p);
		return;
	}
	if (p->x87 && one_in(3)) {
		x87(p);
		return;
	}
	switch (below(p->plain ? 21 : 26)) {
	case 0 ... 3:
		with_modrm(p, 0, below(8) * 8 + below(4), -1, false);
		break;
	case 4:
		put(p, 0x40 + below(16)); /* INC, DEC */
		break;
	case 5:
		imm(p, with_modrm(p, 0, 0x80 + w, (int)below(8), false) && w ? 2 : w ? 4 : 1);
		break;
	case 6:
		with_modrm(p, 0, 0x83, (int)below(8), false);
		imm(p, 1);
		break;
	case 7 ... 9:
		with_modrm(p, 0, 0x88 + below(4), -1, false);
		break;
	case 10:
		with_modrm(p, 1, mapped[below(sizeof(mapped))], -1, false);
		break;
	case 11:
		with_modrm(p, 0, 0xd0 + below(4), shifts[below(7)], false);
		break;
	case 12:
		with_modrm(p, 1, (below(2) ? 0x40 : 0x90) + below(16), -1, false);
		break;
	case 13:
		with_modrm(p, 0, 0xf6 + w, 2 + (int)below(4), false);
		break;
	case 14:
		put(p, 0x8d); /* LEA */
		memory(p, below(8));
		break;
	case 15:
		absolute(p);
		break;
	case 16 ... 17:
		stack(p);
		break;
	case 18 ... 19:
		branch(p, 1, 0x80 + below(16));
		break;
	case 20:
		branch(p, 0, below(2) ? 0xe8 : 0xe9);
		break;
	case 21:
		if (below(2))
			put(p, 0xc3);
		else if (below(2))
			put(p, 0xc2), imm(p, 1), put(p, 0);
		else
			indirect(p);
		break;
	case 22:
		if (below(2))
			short_branch(p, 0xe0 + below(4));
		else
			load_segment(p);
		break;
	case 23:
		if (below(2))
			with_modrm(p, 0, 0x86 + w, -1, true);
		else
			with_modrm(p, 1, (below(2) ? 0xb0 : 0xc0) + w, -1, true);
		break;
	case 24:
		string(p);
		break;
	default:
		other(p);
		break;
	}
}

static void make(struct program *p)
{
	memset(p, 0, sizeof(*p));
	p->pointer = below(8);
	if (p->pointer == ESP)
		p->pointer = 3;
	p->vectors = one_in(3);
	p->x87 = one_in(4);
	p->plain = below(2);
	p->paging = below(3) ? LONG_MODE : below(2) ? PAE : NO_PAGING;
	for (p->n = 0; p->n < INSNS; p->n++) {
		p->at[p->n] = p->len;
		instruction(p);
	}
	p->at[p->n] = p->len;
	put(p, 0xe9); /* back to the beginning */
	put4(p, 0u - (p->len + 4));
	p->start = G_CODE;
	if (p->paging != NO_PAGING && one_in(4)) /* it goes on at 0 */
		p->start = 0u - p->len + below(p->len);
}

/* --- the state --- */

static uint64_t ram_of(uint32_t linear)
{
	return linear >= TOP ? linear - TOP + TOP_RAM : linear;
}

static void put_code(struct guest *g, const struct program *p)
{
	const uint32_t to_end = 0u - p->start;
	const unsigned here = to_end && to_end < p->len ? to_end : p->len;

	g_put(g, ram_of(p->start), p->bytes, here);
	if (here < p->len)
		g_put(g, 0, p->bytes + here, p->len - here);
}

/* A descriptor of what a segment register has. */
static void describe(struct guest *g, unsigned sel, const struct x86_seg *s)
{
	const uint64_t limit = s->ar & 0x8000 ? s->limit >> 12 : s->limit;

	*g_q(g, G_GDT + sel) = (limit & 0xffff) | (s->base & 0xffffff) << 16 |
			       (uint64_t)(s->ar & 0xf0ff) << 40 | (limit & 0xf0000) << 32 |
			       (s->base & 0xff000000) << 32;
}

/* FS or GS: mostly all of 4 GiB, with a base that may make addresses wrap. */
static struct x86_seg based(unsigned dpl, bool lma)
{
	static const uint64_t bases[] = {0,	     G_DATA,	 G_DATA + 3, 0xfffff000,
					 0xfffffff8, 0xfffffffe, 0xffe00000, 0x100000000 + G_DATA};
	static const uint32_t limits[] = {0, 0x7ff, 0xfffff};
	static const uint8_t types[] = {0x91, 0x95, 0x97, 0x99, 0x9b, 0x9f};
	struct x86_seg s = {.base = bases[below(lma ? 8 : 7)], .limit = UINT32_MAX, .ar = 0xc093};

	if (one_in(6)) {
		s.limit = limits[below(3)];
		s.ar = 0x4093;
	}
	if (one_in(6))
		s.ar = (s.ar & 0xff00) | types[below(6)];
	if (one_in(12))
		s.ar = SEG_AR_UNUSABLE;
	s.ar |= dpl << 5;
	return s;
}

static void segments(struct guest *g, const struct program *p)
{
	static const unsigned some[] = {X86_ES, X86_SS, X86_DS, X86_CS};
	struct x86_cpu *cpu = g->cpu;
	const unsigned user = below(2) ? 3 : 0;
	unsigned i;

	g_descriptors(g);
	for (i = 0; i < X86_NOSEG; i++)
		g_seg(g, i, i == X86_CS ? (user ? G_UCS32 : G_CS32) : user ? G_UDS : G_DS);
	cpu->seg[X86_FS] = based(user, p->paging == LONG_MODE);
	cpu->seg[X86_GS] = based(user, p->paging == LONG_MODE);
	for (i = 0; i < 4; i++) {
		struct x86_seg s = based(user, false);

		describe(g, SELECTOR0 + 8 * i, &s);
	}
	if (one_in(6)) /* no longer flat */
		cpu->seg[some[below(4)]].limit = below(2) ? G_DATA + 0x1fff : 0x7fffffff;
	if (one_in(10))
		cpu->seg[some[below(3)]].base = below(2) ? 0x10 : 0xfffff000;
	if (one_in(12))
		cpu->seg[X86_SS].ar &= ~(uint32_t)SEG_AR_DB;
	if (one_in(12))
		cpu->seg[X86_DS].ar |= 4; /* it grows down: nothing is in it */
}

static void paging(struct guest *g, const struct program *p)
{
	struct x86_cpu *cpu = g->cpu;
	unsigned i;

	memset(g->ram + G_PML4, 0, TABLES);
	g_tables(g);
	/* The last GiB has the second one's directory. */
	*g_q(g, G_PML4 + 0x1000u + 3 * 8) = *g_q(g, G_PML4 + 0x1000u + 8);
	*g_q(g, G_PML4 + 0x3000u + 511 * 8) = TOP_RAM | 0x87;
	if (p->paging == PAE)
		for (i = 0; i < 4; i++)
			*g_q(g, G_PML4 + 0x1000u + i * 8) &= ~6ull;
	cpu->efer = p->paging == LONG_MODE ? EFER_LME | EFER_LMA | EFER_NXE | EFER_SCE : 0;
	cpu->cr0 = p->paging == NO_PAGING ? 0x33 : 0x80050033;
	cpu->cr3 = p->paging == PAE ? G_PML4 + 0x1000u : G_PML4;
	cpu->cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT;
}

static void at(struct guest *g, const struct program *p, unsigned insn, uint32_t sp, uint32_t ptr)
{
	*tdx_reg(&g->cpu->regs, p->pointer) = ptr;
	g->cpu->regs.rsp = (g->cpu->regs.rsp & ~(uint64_t)UINT32_MAX) | sp;
	g->cpu->rip = p->start + p->at[insn];
	g->cpu->rip &= UINT32_MAX;
}

static uint32_t some_stack(void)
{
	return below(5) ? G_DATA + 0x2000 : some_address();
}

static uint32_t some_pointer(const struct program *p)
{
	if (one_in(8)) /* into the code */
		return p->start + below(p->len);
	return below(5) ? G_DATA + 0x800 : some_address();
}

/* Random words, some of them addresses of the program. */
static void fill(struct guest *g, uint32_t to, uint32_t len, const struct program *p)
{
	uint64_t page[0x1000 / 8];
	uint32_t i, k;

	for (i = 0; i < len; i += sizeof(page)) {
		for (k = 0; k < 0x1000 / 8; k++)
			page[k] = one_in(8) ? p->start + p->at[below(INSNS)] : rnd();
		g_put(g, to + i, page, sizeof(page));
	}
}

static void prepare(struct guest *g, const struct program *p, uint64_t s)
{
	const uint64_t keep = seed;
	struct x86_cpu *cpu = g->cpu;
	unsigned i;

	seed = s;
	paging(g, p);
	segments(g, p);
	fill(g, G_DATA, 0x4000, p);
	fill(g, TOP_RAM + 0x200000 - SIDE, SIDE, p);
	fill(g, 0, 0x1000, p);
	put_code(g, p);
	for (i = 0; i < 16; i++) /* upper halves too: 64-bit code may have left them */
		*tdx_reg(&cpu->regs, i) = below(3) ? rnd() : rnd() & 0xff;
	for (i = 0; i < 32; i++)
		cpu->xmm[i / 2].q[i % 2] = below(2) ? rnd() : (uint64_t)below(1000) << 52;
	memset(&cpu->fx, 0, sizeof(cpu->fx));
	cpu->fx.fcw = (uint16_t)(one_in(8) ? 0x37b : 0x37f);
	cpu->fx.mxcsr_mask = 0xffff;
	cpu->fx.mxcsr = one_in(8) ? 0x1f00 : 0x1f80;
	x86_set_rflags(cpu, rnd() & 0x8d5);
	at(g, p, 0, some_stack(), some_pointer(p));
	x86_state_changed(cpu);
	seed = keep;
}

/* --- both --- */

static uint64_t from, budget; /* of the run in hand */

static void tell(const struct program *p, const char *what, const struct guest *g)
{
	ZydisDisassembledInstruction in;
	unsigned i;

	for (i = 0; i < p->n; i++)
		if (ZYAN_SUCCESS(ZydisDisassembleIntel(ZYDIS_MACHINE_MODE_LONG_COMPAT_32,
						       p->start + p->at[i], p->bytes + p->at[i], 16,
						       &in)))
			fprintf(stderr, "%x: %s\n", p->start + p->at[i], in.text);
	for (i = 0; i < 16; i++)
		fprintf(stderr, "%u: %016lx %016lx\n", i, *tdx_reg(&g[0].cpu->regs, i),
			*tdx_reg(&g[1].cpu->regs, i));
	for (i = 0; i < X86_NOSEG; i++)
		fprintf(stderr, "segment %u: %lx %x %x\n", i, g[0].cpu->seg[i].base,
			g[0].cpu->seg[i].limit, g[0].cpu->seg[i].ar);
	fprintf(stderr, "from %lx, budget %lu; instructions %lu %lu\n", from, budget,
		g[0].cpu->insns, g[1].cpu->insns);
	fprintf(stderr, "rip %lx %lx flags %lx %lx\n", g[0].cpu->rip, g[1].cpu->rip,
		x86_rflags(g[0].cpu), x86_rflags(g[1].cpu));
	fail_msg("%s differs", what);
}

static void compare(const struct program *p, const struct guest *g, const struct x86_exit *x)
{
	static const struct {
		uint32_t at, len;
	} ram[] = {{0, 0x1000},
		   {G_PML4, 0x6000},
		   {G_CODE, 0x1000},
		   {G_DATA - 0x1000, 0x6000},
		   {TOP_RAM + 0x200000 - SIDE, SIDE}};
	const struct x86_cpu *a = g[0].cpu, *b = g[1].cpu;
	unsigned i;

	if (x[0].reason != x[1].reason || x[0].intr_info != x[1].intr_info ||
	    x[0].intr_error != x[1].intr_error || x[0].qualification != x[1].qualification ||
	    x[0].gpa != x[1].gpa || x[0].gla != x[1].gla)
		tell(p, "the exit", g);
	if (memcmp(&a->regs, &b->regs, 128) != 0)
		tell(p, "a register", g);
	if (a->rip != b->rip || a->insns != b->insns)
		tell(p, "where it is", g);
	if (x86_rflags(a) != x86_rflags(b))
		tell(p, "a flag", g);
	for (i = 0; i < X86_NOSEG; i++)
		if (a->seg[i].base != b->seg[i].base || a->seg[i].limit != b->seg[i].limit ||
		    a->seg[i].ar != b->seg[i].ar || a->seg[i].sel != b->seg[i].sel)
			tell(p, "a segment", g);
	if (memcmp(a->xmm, b->xmm, sizeof(a->xmm)) != 0)
		tell(p, "a vector", g);
	if (memcmp(&a->fx, &b->fx, sizeof(a->fx)) != 0)
		tell(p, "x87 or MXCSR", g);
	for (i = 0; i < sizeof(ram) / sizeof(ram[0]); i++)
		if (memcmp(g[0].ram + ram[i].at, g[1].ram + ram[i].at, ram[i].len) != 0)
			tell(p, "memory", g);
}

#define WALKED 0x60ull /* what walks set: accessed, dirty */

/* Has the program written to its page tables? Then it is open which entries the TLB still has, and
 * both engines in turn may have others than one alone. */
static bool lost(struct guest *g, const uint64_t *tables)
{
	unsigned i;

	for (i = 0; i < TABLES; i += 8)
		if ((*g_q(g, G_PML4 + i) ^ tables[i / 8]) & ~WALKED)
			return true;
	return false;
}

static void run(const struct program *p, struct guest *g, bool check)
{
	uint64_t tables[TABLES / 8];
	struct x86_exit x[2];
	unsigned j, k;

	memcpy(tables, g[0].ram + G_PML4, sizeof(tables));
	for (j = 0; j < 30; j++) {
		const unsigned to = below(INSNS);
		const uint32_t sp = some_stack(), ptr = some_pointer(p);

		budget = below(4) ? 1 + below(200) : 1 + below(2000);
		from = g[0].cpu->rip;
		for (k = 0; k < 2; k++)
			assert_int_equal(x86_run(g[k].cpu, &x[k], budget), 0);
		if (check && lost(&g[0], tables))
			return;
		compare(p, g, x);
		if (x[0].reason != X86_EXIT_BUDGET)
			for (k = 0; k < 2; k++)
				at(&g[k], p, to, sp, ptr);
	}
}

static void run_random_programs(unsigned programs, bool check)
{
	static struct program p;
	struct guest g[2];
	unsigned i, k;

	open_pair(g, check);
	for (k = 0; k < 2; k++)
		g[k].cpu->gdtr.limit = SELECTOR0 + 31;
	for (i = 0; i < programs; i++) {
		const uint64_t s = rnd() | 1;

		make(&p);
		for (k = 0; k < 2; k++)
			prepare(&g[k], &p, s);
		run(&p, g, check);
	}
	close_pair(g, programs, check);
}

static void random_32_bit_programs_run_as_the_interpreter_runs_them(void **state)
{
	(void)state;
	run_random_programs(how_many(2000), false);
}

static void a_check_of_random_32_bit_programs_finds_no_difference(void **state)
{
	(void)state;
	run_random_programs(400, true);
}

/* --- addresses above 4 GiB, which 64-bit code has left in the TLB --- */

#define ABOVE	  0x100000000u
#define ABOVE_PD  0x8000u
#define ABOVE_RAM 0x600000u
#define LOW_WORD  0x11111111u
#define HIGH_WORD 0x22222222u

/* 64-bit code that reads and writes two pages there, and returns to 32-bit code: the instruction,
 * four times. */
static void put_both(struct guest *g, const uint8_t *insn, unsigned len)
{
	static const uint8_t wide[] = {
		0x48, 0x8b, 0x07,		    /* mov (%rdi), %rax */
		0x48, 0x89, 0x07,		    /* mov %rax, (%rdi) */
		0x48, 0x8b, 0x87, 0x00, 0x10, 0, 0, /* mov 0x1000(%rdi), %rax */
		0x48, 0x89, 0x87, 0x00, 0x10, 0, 0, /* the other way */
		0xb8, 0x33, 0x33, 0x33, 0x33,	    /* mov $0x33333333, %eax */
		0xb9, 0x04, 0,	  0,	0,	    /* mov $4, %ecx */
		0x48, 0xcb,			    /* lretq */
	};
	const uint8_t narrow[] = {0x49, 0x75, (uint8_t)(0xfd - len), 0xf4}; /* dec, jnz, hlt */

	g_put(g, G_CODE, wide, sizeof(wide));
	g_put(g, G_CODE + 0x100, insn, len);
	g_put(g, G_CODE + 0x100 + len, narrow, sizeof(narrow));
}

static void prepare_both(struct guest *g)
{
	struct x86_cpu *cpu = g->cpu;
	unsigned i;

	*g_q(g, G_PML4 + 0x1000u + 4 * 8) = ABOVE_PD | 7;
	*g_q(g, ABOVE_PD + 8) = ABOVE_RAM | 0x87;
	for (i = 0; i < 0x2000; i += 8) {
		*g_q(g, G_DATA + i) = LOW_WORD * 0x100000001ull;
		*g_q(g, ABOVE_RAM + i) = HIGH_WORD * 0x100000001ull;
	}
	*g_q(g, ABOVE_RAM + 0x800) = G_CODE + 0x100;
	*g_q(g, ABOVE_RAM + 0x808) = G_CS32;
	g_seg(g, X86_CS, G_CS64);
	cpu->seg[X86_GS].base = 0xfffff000;
	cpu->regs.rdi = ABOVE + G_DATA;
	cpu->regs.rsp = ABOVE + G_DATA + 0x800;
	cpu->regs.rbp = ABOVE + G_DATA + 0x1000;
	cpu->regs.rbx = ABOVE + G_DATA + 0x1800;
	cpu->regs.rsi = UINT64_MAX - 0x7ff;
	cpu->regs.rdx = ABOVE + G_CODE + 0x200;
	cpu->rip = G_CODE;
	x86_state_changed(cpu);
}

static void addresses_of_32_bit_code_stay_below_4_gib(void **state)
{
	static const struct {
		uint8_t len, bytes[8];
		bool store;
	} insns[] = {
		{3, {0x65, 0x8b, 0x03}, false},			  /* mov %gs:(%ebx), %eax */
		{3, {0x8b, 0x04, 0x33}, false},			  /* mov (%ebx,%esi), %eax */
		{3, {0x8b, 0x45, 0x00}, false},			  /* mov (%ebp), %eax */
		{1, {0x58}, false},				  /* pop %eax */
		{6, {0xc9, 0xbd, 0x00, 0x10, 0x20, 0x00}, false}, /* leave; mov $0x201000, %ebp */
		{6, {0x0f, 0x10, 0x04, 0x33, 0x66, 0x90}, false},
		{3, {0xd9, 0x04, 0x33}, false}, /* flds (%ebx,%esi) */
		{3, {0x65, 0x89, 0x03}, true},	/* mov %eax, %gs:(%ebx) */
		{3, {0x89, 0x04, 0x33}, true},
		{3, {0x01, 0x04, 0x33}, true},
		{4, {0x65, 0x83, 0x03, 0x01}, true}, /* addl $1, %gs:(%ebx) */
		{1, {0x50}, true},		     /* push %eax */
		{3, {0xff, 0x34, 0x33}, false},	     /* push (%ebx,%esi) */
		{4, {0x0f, 0x11, 0x04, 0x33}, true},
	};
	uint8_t *low, *high;
	struct guest g;
	unsigned i, how, k;

	(void)state;
	low = malloc(0x2000);
	high = malloc(0x2000);
	assert_true(low && high);
	for (how = 0; how < 3; how++) {
		assert_int_equal(g_open_with(&g, how ? 0 : -1, how == 2), 0);
		for (i = 0; i < sizeof(insns) / sizeof(insns[0]); i++) {
			struct x86_exit x;

			put_both(&g, insns[i].bytes, insns[i].len);
			prepare_both(&g);
			memcpy(low, g.ram + G_DATA, 0x2000);
			memcpy(high, g.ram + ABOVE_RAM, 0x2000);
			g.cpu->xmm[0] = (struct x86_xmm){{0, 0}};
			assert_int_equal(x86_run(g.cpu, &x, 1000), 0);
			assert_int_equal(x.reason, VMX_EXIT_HLT);
			assert_int_equal(g.cpu->rip, G_CODE + 0x100 + insns[i].len + 3);
			assert_memory_equal(high, g.ram + ABOVE_RAM, 0x2000);
			assert_int_equal(memcmp(low, g.ram + G_DATA, 0x2000) != 0, insns[i].store);
			if (insns[i].bytes[0] == 0x8b || insns[i].bytes[1] == 0x8b)
				assert_int_equal(g.cpu->regs.rax, LOW_WORD);
			for (k = 0; k < 2; k++)
				assert_true((uint32_t)g.cpu->xmm[0].q[k] != HIGH_WORD);
		}
		if (how == 2)
			assert_int_equal(x86_code_result(g.code)->differences, 0);
		g_close(&g);
	}
	free(low);
	free(high);
}

/* --- the end of a segment of 4 GiB --- */

static void the_last_bytes_of_gs_are_its_end(void **state)
{
	static const struct {
		uint32_t offset;
		uint8_t len, bytes[8];
		bool beyond;
	} access[] = {
		{0xfffffffc, 3, {0x65, 0x8b, 0x03}, false}, /* mov %gs:(%ebx), %eax */
		{0xfffffffd, 3, {0x65, 0x8b, 0x03}, true},
		{0xffffffff, 3, {0x65, 0x8a, 0x03}, false},	 /* mov %gs:(%ebx), %al */
		{0xffffffff, 4, {0x65, 0x66, 0x8b, 0x03}, true}, /* mov %gs:(%ebx), %ax */
		{0xfffffffe, 4, {0x65, 0x66, 0x89, 0x03}, false},
		{0xffffffff, 4, {0x65, 0x66, 0x89, 0x03}, true},
		{0xfffffffe, 4, {0x65, 0x83, 0x03, 0x01}, true},  /* addl $1, %gs:(%ebx) */
		{0xfffffff0, 4, {0x65, 0x0f, 0x10, 0x03}, false}, /* movups %gs:(%ebx), %xmm0 */
		{0xfffffff1, 4, {0x65, 0x0f, 0x10, 0x03}, true},
		{0xfffffff9, 5, {0x65, 0xdd, 0x03, 0xd9, 0xd0}, true}, /* fldl %gs:(%ebx) */
	};
	struct guest g;
	unsigned i, k, how;

	(void)state;
	for (how = 0; how < 2; how++) {
		assert_int_equal(g_open_with(&g, how ? 0 : -1, false), 0);
		for (i = 0; i < sizeof(access) / sizeof(access[0]); i++) {
			const uint8_t hlt = 0xf4;
			struct x86_exit x;

			g_descriptors(&g);
			for (k = 0; k < X86_NOSEG; k++)
				g_seg(&g, k, k == X86_CS ? G_CS32 : G_DS);
			g_put(&g, G_CODE, access[i].bytes, access[i].len);
			g_put(&g, G_CODE + access[i].len, &hlt, 1);
			/* what lies there without an end is memory like any other */
			g.cpu->seg[X86_GS].base = (uint32_t)(G_DATA - access[i].offset);
			g.cpu->regs.rbx = access[i].offset;
			g.cpu->regs.rsp = G_DATA + 0x1000;
			g.cpu->rip = G_CODE;
			x86_state_changed(g.cpu);
			assert_int_equal(x86_run(g.cpu, &x, 100), 0);
			if ((x.reason == VMX_EXIT_HLT && g.cpu->rip == G_CODE + access[i].len) ==
			    access[i].beyond)
				fail_msg("engine %u, access %u", how, i);
		}
		g_close(&g);
	}
}

/* --- links --- */

#define CODE16	  0x810000u /* of 16 bits, it is 0 */
#define OTHER	  0x9000u   /* tables of another address space, in which what is at 0 is */
#define OTHER_RAM 0xa00000u /* here */

/* mov $n, %eax; hlt */
static void put_number(struct guest *g, uint64_t at, uint8_t n)
{
	const uint8_t code[] = {0xb8, n, 0, 0, 0, 0xf4};

	g_put(g, at, code, sizeof(code));
}

static void a_jump_leads_to_what_its_address_means_now(void **state)
{
	/* mov %ebx, %cr3; jz to 0x10, of 16 and of 32 bits */
	static const uint8_t jumps[][9] = {{0x0f, 0x22, 0xdb, 0x66, 0x0f, 0x84, 8, 0},
					   {0x0f, 0x22, 0xdb, 0x0f, 0x84, 7, 0, 0x7f, 0xff}};
	static const unsigned turns[] = {1, 1, 1, 2, 1, 2, 2, 1};
	struct guest g;
	unsigned i, k, how;

	(void)state;
	for (how = 0; how < 4; how++) {
		assert_int_equal(g_open_with(&g, how & 1 ? 0 : -1, false), 0);
		memcpy(g.ram + OTHER, g.ram + G_PML4, 0x3000);
		*g_q(&g, OTHER) = (OTHER + 0x1000) | 7;
		*g_q(&g, OTHER + 0x1000) = (OTHER + 0x2000) | 7;
		*g_q(&g, OTHER + 0x2000) = OTHER_RAM | 0x87;
		put_number(&g, 0x10, 1);
		put_number(&g, OTHER_RAM + 0x10, 2);
		g_put(&g, CODE16, jumps[how / 2], 9);
		x86_set_rflags(g.cpu, RFLAGS_ZF);
		g_seg(&g, X86_CS, G_CS32);
		x86_state_changed(g.cpu);
		for (i = 0; i < sizeof(turns) / sizeof(turns[0]); i++) {
			struct x86_exit x;

			for (k = 0; k < 3; k++) {
				g.cpu->regs.rbx = turns[i] == 1 ? G_PML4 : OTHER;
				g.cpu->rip = CODE16;
				assert_int_equal(x86_run(g.cpu, &x, 100), 0);
				assert_int_equal(x.reason, VMX_EXIT_HLT);
				assert_int_equal(g.cpu->regs.rax, turns[i]);
			}
		}
		g_close(&g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_32_bit_programs_run_as_the_interpreter_runs_them),
		cmocka_unit_test(addresses_of_32_bit_code_stay_below_4_gib),
		cmocka_unit_test(the_last_bytes_of_gs_are_its_end),
		cmocka_unit_test(a_jump_leads_to_what_its_address_means_now),
		cmocka_unit_test(a_check_of_random_32_bit_programs_finds_no_difference),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
