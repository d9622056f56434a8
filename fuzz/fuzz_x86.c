/* SPDX-License-Identifier: MIT */
/* The processor under hostile code: 16-, 32- and 64-bit code, in long mode and outside, with and
 * without paging, in ring 0 and 3, with segments and page tables of the input's choice.
 *
 * An input is choices, a byte each, from small sets: so addresses, segments and instructions meet
 * again, and what one access leaves in the TLB the next one finds. Its code runs three times: in
 * blocks; in blocks again, on the warm TLB; and from the start one instruction at a time, which
 * must end in the same state. What is watched besides: every pointer into the guest's memory
 * (x86_host(), ASan), the exits, that nothing is unknown to the engine, that it comes back.
 *
 * Without libFuzzer the program makes inputs of its own: fuzz_x86 [INPUTS [SEED [FIRST]]]. With
 * FUZZ_X86_TRACE in the environment it prints every exit. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include "machine/splitmix.h"
#include "x86/x86.h"

#define RAM	  0x40000u
#define GDT	  0x1000u
#define IDT	  0x2000u
#define TSS	  0x3000u
#define TABLES	  0x4000u /* eight pages; the root, then by level */
#define HANDLER	  0xe000u
#define CODE	  0x10000u
#define CODE_SIZE 0x200u
#define STACK	  0x30000u
#define EIP_LEFT  0x12u

#define ROUNDS	  24u  /* exits looked at */
#define INSNS	  600u /* instructions between them */

enum {
	CS64 = 0x08,
	DS0 = 0x10,
	CS32 = 0x18,
	CS16 = 0x20,
	UDS = 0x2b,
	UCS = 0x33,
	UCS32 = 0x3b,
	UCS16 = 0x43,
	TR = 0x48
};

struct input {
	const uint8_t *p, *end;
};

static unsigned byte(struct input *in)
{
	return in->p < in->end ? *in->p++ : 0;
}

/* --- the guest --- */

struct machine {
	uint8_t *ram, *start;
	struct x86_code *code;
	struct x86_cpu *cpu;
	uint64_t tsc;
};

static unsigned gpa_map(struct x86_cpu *cpu, uint64_t gpa, unsigned access, void **host,
			uint64_t *qual)
{
	struct machine *m = cpu->owner;

	(void)access;
	(void)qual;
	if (gpa >= RAM)
		return 0;
	*host = m->ram + gpa;
	/* one page cannot be written, one not executed */
	return X86_MAP_R | (gpa != 0x3f000 ? X86_MAP_W : 0) | (gpa != 0x3e000 ? X86_MAP_X : 0);
}

static bool is_ram(struct x86_cpu *cpu, const void *host, size_t len)
{
	const struct machine *m = cpu->owner;
	const uintptr_t at = (uintptr_t)host - (uintptr_t)m->ram;

	return at < RAM && len <= RAM - at;
}

static uint64_t tsc(struct x86_cpu *cpu)
{
	return ((struct machine *)cpu->owner)->tsc += 3;
}

static enum x86_msr_answer own_msr(struct x86_cpu *cpu, uint32_t msr, uint64_t *v)
{
	(void)cpu;
	(void)msr;
	(void)v;
	return X86_MSR_OWN;
}

static enum x86_msr_answer set_msr(struct x86_cpu *cpu, uint32_t msr, uint64_t v)
{
	(void)cpu;
	(void)msr;
	(void)v;
	return X86_MSR_OWN;
}

static bool no_random(struct x86_cpu *cpu, bool seed, uint64_t *v)
{
	(void)cpu;
	*v = seed;
	return seed;
}

static const struct x86_ops ops = {.gpa_map = gpa_map,
				   .is_ram = is_ram,
				   .rdmsr = own_msr,
				   .wrmsr = set_msr,
				   .tsc = tsc,
				   .random = no_random};

static void put8(struct machine *m, unsigned at, uint64_t v)
{
	memcpy(m->ram + at, &v, 8);
}

static void build_descriptors(struct machine *m)
{
	static const uint64_t gdt[] = {0,
				       0x00af9b000000ffff,
				       0x00cf93000000ffff,
				       0x00cf9b000000ffff,
				       0x00009b000000ffff,
				       0x00cff3000000ffff,
				       0x00affb000000ffff,
				       0x00cffb000000ffff,
				       0x0000fb000000ffff,
				       0x00008b0000000067 | (uint64_t)TSS << 16,
				       0};
	unsigned i;

	memcpy(m->ram + GDT, gdt, sizeof(gdt));
	for (i = 0; i < 256; i++) {
		/* good for long mode and, of its first half, outside it */
		put8(m, IDT + i * 16,
		     HANDLER | (uint64_t)CS64 << 16 | (i % 3 ? 0xee00ull : 0x8e00ull) << 32);
	}
	put8(m, TSS + 4, STACK - 0x800);
	put8(m, TSS + 8, DS0);
	memcpy(m->ram + HANDLER, "\x48\xff\xc3\xf4\x48\xcf", 6);
}

/* Four levels for long mode, of which PAE paging uses the last three: RAM at 0, at the top of 32
 * bits, just above them and at the top of all. */
static void build_tables(struct machine *m)
{
	enum { PML4, PDPT, PDPT_TOP, PD, PD_TOP, PT, PML5 };
	unsigned i;

#define PAGE_AT(n) (TABLES + (n)*0x1000u)
	put8(m, PAGE_AT(PML5), PAGE_AT(PML4) | 0x67);
	put8(m, PAGE_AT(PML5) + 511 * 8, PAGE_AT(PML4) | 0x67);
	put8(m, PAGE_AT(PML4), PAGE_AT(PDPT) | 0x67);
	put8(m, PAGE_AT(PML4) + 511 * 8, PAGE_AT(PDPT_TOP) | 0x67);
	put8(m, PAGE_AT(PDPT), PAGE_AT(PD) | 0x67);
	put8(m, PAGE_AT(PDPT) + 3 * 8, PAGE_AT(PD_TOP) | 0x67);
	put8(m, PAGE_AT(PDPT) + 4 * 8, PAGE_AT(PD) | 0x67);
	put8(m, PAGE_AT(PDPT_TOP) + 511 * 8, PAGE_AT(PD_TOP) | 0x67);
	put8(m, PAGE_AT(PD), PAGE_AT(PT) | 0x67);
	put8(m, PAGE_AT(PD) + 8, 0xe7); /* 2 MiB: beyond RAM, most of it */
	put8(m, PAGE_AT(PD_TOP) + 511 * 8, PAGE_AT(PT) | 0x67);
	for (i = 0; i < 512; i++)
		put8(m, PAGE_AT(PT) + i * 8, (i % (RAM / 0x1000)) << 12 | 0x67);
}

/* --- the input's choices --- */

static const uint64_t values[] = {0,
				  1,
				  8,
				  0x40,
				  0xfff,
				  0xffe,
				  0x1000,
				  0x20000,
				  0x20ff8,
				  0x3fff8,
				  RAM,
				  CODE,
				  CODE + 0x20,
				  STACK,
				  TABLES + 0x5000,
				  GDT,
				  0x200000,
				  0x7fffffff,
				  0xffc00000,
				  0xffe20000,
				  0xfffff000,
				  0xfffffff8,
				  0xffffffff,
				  0x100000000,
				  0x100020000,
				  0x7fffffffffff,
				  0x800000000000,
				  0xffffffffffe20000,
				  0xffffffffffffffff,
				  0xfffffffffffffff8,
				  0xdeadbeefcafebabe,
				  0xfffffffe00020000};
#define VALUES (sizeof(values) / sizeof(values[0]))

/* Instructions that access memory in every way there is, before a prefix of the input's choice. */
static const char *const templates[] = {
	"\xd7", /* xlat */
	"\xa4",
	"\xa5",
	"\xaa", /* movsb, movsd, stosb */
	"\xac",
	"\xa6",
	"\xae", /* lodsb, cmpsb, scasb */
	"\x8b\x03",
	"\x89\x03", /* mov eax, [ebx] and back (32 and 64 bits) */
	"\x8b\x07",
	"\x89\x07",	/* [edi], or [bx] */
	"\x8a\x04\x0b", /* mov al, [ebx + ecx] */
	"\x0f\x10\x03",
	"\x0f\x11\x03",
	"\x0f\x28\x03", /* movups, movaps */
	"\x66\x0f\xf7\xc1",
	"\x0f\xf7\xc1",		/* maskmovdqu, maskmovq */
	"\x66\x0f\x38\xf8\x1e", /* movdir64b ebx, [esi] */
	"\x0f\xc7\x0b",
	"\x48\x0f\xc7\x0b", /* cmpxchg8b, cmpxchg16b */
	"\xf0\x0f\xc1\x03",
	"\x87\x03",
	"\xf0\xff\x03", /* lock xadd, xchg, lock inc */
	"\x0f\xab\x03",
	"\x0f\xa3\x0b", /* bts, bt with a far bit offset */
	"\x50",
	"\x58",
	"\x60",
	"\x61",
	"\x9c",
	"\x9d",
	"\xc9",		    /* push to leave */
	"\xc8\x10\x00\x03", /* enter */
	"\xe8\x00\x00\x00\x00",
	"\xc3",
	"\xff\x13",
	"\xff\x23", /* call, ret, call [ebx] */
	"\xcb",
	"\xcf",
	"\xff\x1b",
	"\xff\x2b", /* far ones */
	"\x8e\xc0",
	"\x8e\xd8",
	"\x8e\xe0",
	"\x8e\xd0", /* segment loads */
	"\x0f\x01\x03",
	"\x0f\x01\x13",
	"\x0f\x01\x1b", /* sgdt, lgdt, lidt */
	"\x0f\x00\xd8",
	"\x0f\x00\xd0",
	"\x0f\x02\xc3",
	"\x0f\x00\xe0", /* ltr, lldt, lar, verr */
	"\x0f\x22\xd8",
	"\x0f\x22\xc0",
	"\x0f\x22\xe0", /* to CR3, CR0, CR4 */
	"\x0f\x30",
	"\x0f\x32",
	"\x0f\x05",
	"\x0f\x07",
	"\x0f\x34",
	"\x0f\x35",
	"\xdd\x03",
	"\xdd\x1b",
	"\xdb\x3b",
	"\xdd\x33",
	"\xdd\x23",
	"\xd9\x33", /* x87, its state */
	"\x0f\xae\x03",
	"\x0f\xae\x0b",
	"\x0f\xae\x23",
	"\x0f\xae\x2b", /* fxsave, xsave */
	"\xa1\x00\x00\xe2\xff\xff\xff\xff\xff",
	"\xa3\x00\x00\x02\x00\x00\x00\x00\x00", /* moffs */
	"\x62\x03",
	"\x63\x03",
	"\xc5\x03",
	"\x0f\xb4\x03", /* bound, arpl, lds, lfs */
	"\x0f\x01\x3b",
	"\x0f\x01\xf8",
	"\xcc",
	"\xcd\x80",
	"\x0f\x01\xe8",
	"\xf3\x0f\xae\xf3",
	"\xf3\x0f\xae\xe3",
	"\x6c",
	"\x6e",
	"\xec",
	"\x40",
	"\x48",
	"\x43",
	"\x4b",
	"\xb9\x05\x00\x00\x00", /* inc, dec or REX; mov ecx, 5 */
	"\x81\xc3\x00\x10\x00\x00",
	"\x81\xeb\x00\x00\x02\x00", /* add and sub of ebx */
	"\x81\xc7\x00\x10\x00\x00",
	"\x0f\xa2",
	"\xf4",
	"\xeb\x00",
	"\x75\x02",
	"\xe2\xfc",
	"\xf9",
	"\xfd",
	"\xfc",
	"\xfb",
	"\xfa",
};
#define TEMPLATES (sizeof(templates) / sizeof(templates[0]))

/* Lengths, as some have a zero byte: up to the last that is not, but for these. */
static unsigned template_len(unsigned i)
{
	static const struct {
		uint8_t first, len;
	} fixed[] = {{0xe8, 5}, {0xc8, 4}, {0xa1, 9}, {0xa3, 9}, {0xb9, 5}, {0x81, 6}, {0xeb, 2}};
	const uint8_t *t = (const uint8_t *)templates[i];
	unsigned k;

	for (k = 0; k < sizeof(fixed) / sizeof(fixed[0]); k++)
		if (t[0] == fixed[k].first)
			return fixed[k].len;
	return (unsigned)strlen(templates[i]);
}

static void make_code(struct machine *m, struct input *in)
{
	static const uint8_t prefixes[] = {0,	 0x64, 0x65, 0x26, 0x2e, 0x36, 0x3e, 0x66,
					   0x67, 0xf2, 0xf3, 0xf0, 0x48, 0x64, 0,    0};
	uint8_t *code = m->ram + CODE;
	unsigned n = 0, i;

	while (in->p < in->end && n < CODE_SIZE - 16) {
		const unsigned kind = byte(in);

		if (kind & 0x80) { /* bytes as they are */
			for (i = 0; i <= (kind & 7); i++)
				code[n++] = (uint8_t)byte(in);
			continue;
		}
		i = byte(in);
		if (prefixes[i & 15])
			code[n++] = prefixes[i & 15];
		if ((i & 0x80) && prefixes[i >> 4 & 15])
			code[n++] = prefixes[i >> 4 & 15];
		memcpy(code + n, templates[kind % TEMPLATES], template_len(kind % TEMPLATES));
		n += template_len(kind % TEMPLATES);
	}
	code[n++] = 0xf4;
}

static void poke_tables(struct machine *m, struct input *in)
{
	static const uint64_t entries[] = {0,
					   TABLES | 0x67,
					   (TABLES + 0x5000) | 0x67,
					   0x20000 | 0x67,
					   0x20000 | 5,
					   0x20000 | 3,
					   0x87,
					   0x1e7,
					   RAM | 7,
					   0xfffffffff000 | 7,
					   1ull << 63 | 0x20007,
					   1ull << 51 | 7,
					   0x200000 | 0x87,
					   CODE | 7,
					   0x3f007,
					   ~0ull};
	unsigned n = byte(in) & 7;

	while (n--) {
		const unsigned where = byte(in), what = byte(in);
		static const uint16_t slots[] = {0, 1, 3, 4, 0x10, 0x20, 0x1fe, 0x1ff};

		put8(m, PAGE_AT((where >> 3) % 7) + slots[where & 7] * 8u, entries[what & 15]);
	}
}

static void segment(struct x86_cpu *cpu, struct input *in, unsigned seg, bool lma)
{
	static const uint32_t limits[] = {UINT32_MAX, UINT32_MAX, UINT32_MAX, 0xffff,
					  0x20fff,    0,	  0xfffff,    0x7fffffff};
	const unsigned base = byte(in), how = byte(in);
	struct x86_seg *s = &cpu->seg[seg];

	s->base = values[base % VALUES];
	if (!lma || (seg != X86_FS && seg != X86_GS))
		s->base = (uint32_t)s->base;
	s->limit = limits[how & 7];
	if (how & 0x40)
		s->ar = (s->ar & ~15u) | (how >> 3 & 7); /* read-only, expand-down, ... */
	if (how & 0x80)
		s->ar &= ~SEG_AR_DB;
	if ((how & 0xf8) == 0xf8)
		s->ar = SEG_AR_UNUSABLE;
}

static void make_state(struct x86_cpu *cpu, struct input *in)
{
	/* bits: 1 long mode, 2 paging, 4 PAE outside long mode; then code of 64, 32 or 16 bits */
	static const struct {
		bool lma, paged, la57;
		uint8_t cs;
	} modes[] = {
		{true, true, false, CS64},    {true, true, false, UCS},
		{true, true, false, CS32},    {true, true, false, UCS32},
		{true, true, false, CS16},    {true, true, false, UCS16},
		{false, false, false, CS32},  {false, false, false, CS16},
		{false, false, false, UCS32}, {false, true, false, CS32},
		{false, true, false, UCS32},  {false, true, false, CS16},
		{true, true, true, CS64},     {false, false, false, CS32},
		{true, true, true, UCS},      {true, true, false, CS32},
	};
	const unsigned mode = byte(in) & 15, which = byte(in), more = byte(in);
	const bool lma = modes[mode].lma, user = modes[mode].cs & 3;
	const unsigned cs = modes[mode].cs;
	unsigned i;

	cpu->cr0 = 0x80050033u & (modes[mode].paged ? ~0u : ~CR0_PG);
	cpu->cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE | CR4_FSGSBASE |
		   (modes[mode].la57 ? CR4_LA57 : 0) | (more & 1 ? CR4_PGE : 0) |
		   (more & 2 ? CR4_SMEP : 0) | (more & 4 ? CR4_SMAP : 0) |
		   (more & 8 ? CR4_UMIP : 0);
	cpu->efer = lma ? EFER_LME | EFER_LMA | EFER_NXE | EFER_SCE : 0;
	cpu->cr3 = PAGE_AT(modes[mode].la57 ? 6 : lma ? 0 : 1);
	cpu->xcr0 = 3;
	cpu->maxpa = 46;
	cpu->gdtr = (struct x86_dtr){GDT, 0x57};
	cpu->idtr = (struct x86_dtr){IDT, 0xfff};
	cpu->tr = (struct x86_seg){.base = TSS, .limit = 0x67, .ar = 0x8b, .sel = TR};
	cpu->star = (uint64_t)CS64 << 32 | (uint64_t)(UDS - 8) << 48;
	cpu->lstar = HANDLER;
	cpu->sysenter_cs = CS64;
	cpu->sysenter_eip = HANDLER;
	cpu->sysenter_esp = STACK - 0x400;
	cpu->exception_bitmap = more & 0x10 ? 0 : UINT32_MAX;
	for (i = 0; i < X86_NOSEG; i++)
		cpu->seg[i] = (struct x86_seg){
			.limit = UINT32_MAX, .ar = user ? 0xc0f3 : 0xc093, .sel = user ? UDS : DS0};
	cpu->seg[X86_CS].sel = (uint16_t)cs;
	cpu->seg[X86_CS].ar = (cs & ~3u) == CS64 || (cs & ~3u) == (UCS & ~3u) ? 0xa09b
			      : cs == CS16 || cs == UCS16		      ? 0x009b
									      : 0xc09b;
	if (user)
		cpu->seg[X86_CS].ar |= 0x60;
	if (cs == CS16 || cs == UCS16) {
		cpu->seg[X86_CS].base = CODE;
		cpu->seg[X86_CS].limit = 0xffff;
	}
	segment(cpu, in, X86_FS, lma);
	segment(cpu, in, X86_GS, lma);
	if (which & 1)
		segment(cpu, in, X86_DS, lma);
	if (which & 2)
		segment(cpu, in, X86_ES, lma);
	if (which & 4)
		segment(cpu, in, X86_SS, lma);
	if (user)
		for (i = 0; i < X86_NOSEG; i++)
			cpu->seg[i].ar |= 0x60;
	if (cpu->seg[X86_SS].ar & SEG_AR_UNUSABLE)
		cpu->seg[X86_SS].ar = SEG_AR_UNUSABLE | (user ? 0x60 : 0);
	for (i = 0; i < 16; i++)
		*tdx_reg(&cpu->regs, i) = values[byte(in) % VALUES];
	cpu->regs.rsp = which & 8 ? values[byte(in) % VALUES] : STACK;
	for (i = 0; i < 16; i++)
		cpu->xmm[i] = (struct x86_xmm){{values[(i + which) % VALUES], ~0ull << i}};
	cpu->rip = cs == CS16 || cs == UCS16 ? 0 : CODE;
	/* A quarter of 32-bit code soon comes from EIP's highest value to 0. */
	if ((which & more & 0x80) && (cs == CS32 || cs == UCS32)) {
		cpu->rip = (uint32_t)-EIP_LEFT;
		cpu->seg[X86_CS].base = CODE + EIP_LEFT;
	}
	if ((which & more & 0x80) && (cs == CS16 || cs == UCS16))
		cpu->seg[X86_CS].limit = EIP_LEFT;
	cpu->fx.ftw = (uint8_t)which;
	cpu->dr[7] = more & 0x20 ? 0xd0002 : 0x400;
	cpu->dr[0] = 0x20000;
	x86_debug_changed(cpu);
	x86_set_rflags(cpu, (more & 0x40 ? RFLAGS_AC : 0) | (which & 0x10 ? RFLAGS_DF : 0) |
				    (which & 0x20 ? RFLAGS_IOPL : 0) |
				    (which & 0x40 ? RFLAGS_CF : 0));
	x86_state_changed(cpu);
}

/* --- runs --- */

struct outcome {
	struct tdx_regs regs;
	uint64_t rip, rflags, cr[5], efer;
	struct x86_seg seg[X86_SEGS];
	struct x86_xmm xmm[16];
	struct x86_fxregs fx;
	unsigned exits, reasons[ROUNDS];
	bool late; /* it was stopped, by the clock or for its length */
};

static struct x86_cpu *volatile running;
static volatile sig_atomic_t alarmed;

/* A string instruction that overwrites itself goes on as it was until something comes in between:
 * the clock, which an exit for the budget may hide. */
static void on_alarm(int sig)
{
	(void)sig;
	alarmed = 1;
	if (running)
		x86_kick(running);
}

static struct machine *machine;
static unsigned long input_number;

static void check(bool right, const char *what, uint64_t a, uint64_t b)
{
	unsigned i;

	if (right)
		return;
	fprintf(stderr, "fuzz_x86: %s: %llx, %llx\ncode:", what, (unsigned long long)a,
		(unsigned long long)b);
	for (i = 0; i < CODE_SIZE; i++)
		fprintf(stderr, " %02x", machine->start[CODE + i]);
	fprintf(stderr, "\ninput %lu\n", input_number);
	abort();
}

static bool known(unsigned reason)
{
	return reason < X86_EXIT_KICK || reason == X86_EXIT_KICK || reason == X86_EXIT_BUDGET ||
	       reason == X86_EXIT_UNSUPPORTED;
}

/* Up to ROUNDS exits; what stops the program is stepped over. step: a budget of one. */
static void run(struct machine *m, bool step, struct outcome *o)
{
	struct x86_cpu *cpu = m->cpu;
	uint64_t left = INSNS;
	struct x86_exit x;

	memset(o, 0, sizeof(*o));
	alarmed = 0;
	running = cpu;
	while (o->exits < ROUNDS && left) {
		const uint64_t before = cpu->insns;

		memset(&x, 0xff, sizeof(x));
		x86_run(cpu, &x, step ? 1 : left);
		check(known(x.reason), "exit", x.reason, cpu->rip);
		check(x.insn_len <= 15, "length", x.insn_len, cpu->rip);
		check(cpu->zero == 0, "the register that is zero", cpu->zero, cpu->rip);
		left -= cpu->insns - before < left ? cpu->insns - before : left;
		if (x.reason == X86_EXIT_BUDGET)
			continue;
		o->reasons[o->exits++] = x.reason;
		if (getenv("FUZZ_X86_TRACE"))
			fprintf(stderr,
				"%s: exit %x at %llx, event %x, address %llx, gla %llx gpa %llx "
				"mode %x\n",
				step ? "steps" : "blocks", x.reason, (unsigned long long)cpu->rip,
				x.intr_info, (unsigned long long)x.qualification,
				(unsigned long long)x.gla, (unsigned long long)x.gpa, cpu->mode);
		if (x.reason == X86_EXIT_KICK || x.reason == VMX_EXIT_TRIPLE_FAULT ||
		    x.reason == X86_EXIT_UNSUPPORTED || x.reason == VMX_EXIT_TASK_SWITCH)
			break;
		x86_skip(cpu, x.insn_len ? x.insn_len : 1);
	}
	running = NULL;
	o->late = alarmed || !left;
	o->regs = cpu->regs;
	o->rip = cpu->rip;
	o->rflags = x86_rflags(cpu);
	o->cr[0] = cpu->cr0;
	o->cr[2] = cpu->cr2;
	o->cr[3] = cpu->cr3;
	o->cr[4] = cpu->cr4;
	o->efer = cpu->efer;
	memcpy(o->seg, cpu->seg, sizeof(o->seg));
	memcpy(o->xmm, cpu->xmm, sizeof(o->xmm));
	o->fx = cpu->fx;
}

static void compare(const struct outcome *a, const struct outcome *b)
{
	unsigned i;

	check(a->exits == b->exits, "exits in blocks, in steps", a->exits, b->exits);
	for (i = 0; i < a->exits; i++)
		check(a->reasons[i] == b->reasons[i], "reason", a->reasons[i], b->reasons[i]);
	check(a->rip == b->rip, "rip", a->rip, b->rip);
	check(a->rflags == b->rflags, "rflags", a->rflags, b->rflags);
	for (i = 0; i < 16; i++)
		check(*tdx_reg((struct tdx_regs *)&a->regs, i) ==
			      *tdx_reg((struct tdx_regs *)&b->regs, i),
		      "register", *tdx_reg((struct tdx_regs *)&a->regs, i),
		      *tdx_reg((struct tdx_regs *)&b->regs, i));
	for (i = 0; i < 5; i++)
		check(a->cr[i] == b->cr[i], "control register", a->cr[i], b->cr[i]);
	for (i = 0; i < X86_NOSEG; i++)
		check(a->seg[i].base == b->seg[i].base && a->seg[i].ar == b->seg[i].ar, "segment",
		      a->seg[i].base, b->seg[i].base);
	check(memcmp(a->xmm, b->xmm, sizeof(a->xmm)) == 0, "vectors", 0, 0);
	check(memcmp(&a->fx, &b->fx, sizeof(a->fx)) == 0, "x87", 0, 0);
}

static struct machine *open_machine(void)
{
	struct machine *m = calloc(1, sizeof(*m));
	struct sigaction sa = {.sa_handler = on_alarm, .sa_flags = SA_RESTART};

	m->ram = aligned_alloc(0x1000, RAM);
	m->start = aligned_alloc(0x1000, RAM);
	sigaction(SIGVTALRM, &sa, NULL);
	return m;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct machine *m = machine;
	const struct itimerval soon = {{0, 50000}, {0, 50000}}, never = {{0, 0}, {0, 0}};
	struct input in = {data, data + size}, again;
	struct outcome blocks, warm, steps;
	uint8_t *after;
	bool tables;

	input_number++;
	if (!m)
		m = machine = open_machine();
	m->code = x86_code_new();
	/* SWTDX_TRANSLATE: the runs in blocks are the translator's */
	if (getenv("SWTDX_TRANSLATE") && x86_code_translate(m->code, 0))
		abort();
	m->cpu = x86_cpu_new(m->code, &ops, m);
	if (!m->cpu)
		abort();
	memset(m->ram, 0, RAM);
	build_descriptors(m);
	build_tables(m);
	poke_tables(m, &in);
	again = in;
	make_state(m->cpu, &in);
	make_code(m, &in);
	memcpy(m->start, m->ram, RAM);
	setitimer(ITIMER_VIRTUAL, &soon, NULL);

	m->tsc = 0;
	run(m, false, &blocks);
	after = malloc(RAM);
	memcpy(after, m->ram, RAM);

	/* the same once more: with what it left in memory and in the TLB */
	in = again;
	make_state(m->cpu, &in);
	run(m, false, &warm);

	memcpy(m->ram, m->start, RAM);
	x86_tlb_flush(m->cpu);
	in = again;
	x86_cpu_free(m->cpu);
	m->cpu = x86_cpu_new(m->code, &ops, m);
	make_state(m->cpu, &in);
	m->tsc = 0;
	run(m, true, &steps);
	setitimer(ITIMER_VIRTUAL, &never, NULL);
	/* Where page tables changed, be it by an accessed bit, old translations may be in use, and
	 * of code in such a table it is open when the change is seen. */
	tables = memcmp(m->start + TABLES, after + TABLES, 7 * 0x1000) != 0;
	if (!tables && !blocks.late && !warm.late && !steps.late) {
		compare(&blocks, &steps);
		check(memcmp(after, m->ram, RAM) == 0, "memory", 0, 0);
	}
	free(after);
	x86_cpu_free(m->cpu);
	x86_code_free(m->code);
	return 0;
}

#ifndef FUZZ_X86_LIBFUZZER
static uint64_t seed;

static uint64_t rnd(void)
{
	return splitmix_next(&seed) >> 32;
}

int main(int argc, char **argv)
{
	const unsigned long inputs = argc > 1 ? strtoul(argv[1], NULL, 0) : 2000;
	const unsigned long first = argc > 3 ? strtoul(argv[3], NULL, 0) : 0;
	unsigned long i;
	uint8_t data[160];
	size_t n, k;

	seed = argc > 2 ? strtoul(argv[2], NULL, 0) : 1;
	for (i = 0; i < inputs; i++) {
		n = 40 + rnd() % (sizeof(data) - 40);
		for (k = 0; k < n; k++)
			data[k] = (uint8_t)rnd();
		if (i >= first)
			LLVMFuzzerTestOneInput(data, n);
	}
	printf("%lu inputs\n", inputs);
	return 0;
}
#endif
