/* SPDX-License-Identifier: MIT */
/* Every instruction form the host can execute, with random operands, on the host and in the engine:
 * registers, defined flags, vectors, x87 state, memory and faults must agree. */
#include <cpuid.h>
#include <stdio.h>
#include "machine/splitmix.h"
#include "x86_diff.h"

#define TABLES 0x20000u /* guest-physical place of the page tables; the mapped pages begin at 0 */
#define GDT    0x10000u /* and of descriptors like the host kernel's */
#define GDT_VA 0xffffffffffff0000u
#define FLAGS_SEEN                                                                                 \
	(RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_DF | RFLAGS_OF |       \
	 RFLAGS_NT | RFLAGS_AC | RFLAGS_ID)
#define X87_ES 0x80u /* of FSW: an unmasked exception is pending */

uint64_t rnd(struct world *w)
{
	return splitmix_next(&w->rng);
}

static unsigned gpa_map(struct x86_cpu *cpu, uint64_t gpa, unsigned access, void **host,
			uint64_t *qual)
{
	struct world *w = cpu->owner;

	(void)access;
	(void)qual;
	if (gpa >= RAM)
		return 0;
	*host = w->ram + gpa;
	return X86_MAP_R | X86_MAP_W | X86_MAP_X;
}

static uint64_t tsc(struct x86_cpu *cpu)
{
	(void)cpu;
	return 0;
}

static const struct x86_ops ops = {.gpa_map = gpa_map, .tsc = tsc};

static void map_page(struct world *w, uint64_t *next, uint64_t va, uint64_t entry)
{
	uint64_t table = TABLES;

	for (unsigned level = 3; level >= 1; level--) {
		uint64_t *e = (uint64_t *)(void *)(w->ram + table) + (va >> (12 + 9 * level) & 511);

		if (!*e) {
			*e = *next | 0x67;
			*next += PAGE;
		}
		table = *e & ~0xfffull;
	}
	((uint64_t *)(void *)(w->ram + table))[va >> 12 & 511] = entry;
}

/* Map the host's linear addresses of the pages to guest-physical 0 and up, user, writable; and the
 * descriptors, for the supervisor. */
static void map_pages(struct world *w)
{
	uint64_t next = TABLES + PAGE;

	for (unsigned i = 0; i < PAGES - 1; i++)
		map_page(w, &next, (uintptr_t)w->native.code + i * PAGE, i * PAGE | 0x67);
	map_page(w, &next, GDT_VA, GDT | 0x63);
}

/* The selectors a program of Linux can load: code and data of 32 bits, code of 64. */
enum { SEL_CODE32 = 0x23, SEL_DATA = 0x2b, SEL_CODE64 = 0x33, GDT_LIMIT = 127 };

static void set_descriptors(struct world *w)
{
	uint64_t *gdt = (uint64_t *)(void *)(w->ram + GDT);

	gdt[SEL_CODE32 >> 3] = 0x00cffb000000ffff;
	gdt[SEL_DATA >> 3] = 0x00cff3000000ffff;
	gdt[SEL_CODE64 >> 3] = 0x00affb000000ffff;
	/* the kernel's own, which nobody in ring 3 may load */
	gdt[1] = 0x00cf9b000000ffff;
	gdt[2] = 0x00af9b000000ffff;
	gdt[3] = 0x00cf93000000ffff;
	w->cpu->gdtr.base = GDT_VA;
	w->cpu->gdtr.limit = GDT_LIMIT;
}

/* What the host has in its segment registers, and what they stand for. */
static void set_segments(struct world *w)
{
	struct x86_cpu *cpu = w->cpu;
	const struct x86_seg null = {.ar = 0x10000};
	const struct x86_seg flat = {.limit = UINT32_MAX, .ar = 0xc0f3, .sel = SEL_DATA};

	for (unsigned i = 0; i < X86_NOSEG; i++)
		cpu->seg[i] = w->native.compat && i != X86_FS ? flat : null;
	cpu->seg[X86_SS] = flat;
	cpu->seg[X86_CS] = flat;
	cpu->seg[X86_CS].ar = w->native.compat ? 0xc0fb : 0xa0fb;
	cpu->seg[X86_CS].sel = w->native.compat ? SEL_CODE32 : SEL_CODE64;
	if (!w->native.compat) {
		cpu->seg[X86_FS].base = w->native.fs;
		cpu->seg[X86_GS].base = NATIVE_GS;
	}
	x86_state_changed(cpu);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct x86_cpu *cpu;

	w->rng = 0x123456789abcdefull;
	w->ram = aligned_alloc(PAGE, RAM);
	memset(w->ram, 0, RAM);
	if (native_open(&w->native))
		return -1;
	map_pages(w);
	w->code = x86_code_new();
	/* SWTDX_TRANSLATE: instructions as part of a translated block, which goes on with a jump.
	 */
	w->translate = getenv("SWTDX_TRANSLATE") != NULL;
	if (w->translate && x86_code_translate(w->code, 0))
		return -1;
	w->cpu = cpu = x86_cpu_new(w->code, &ops, w);
	cpu->cr0 = 0x80050033;
	cpu->cr3 = TABLES;
	cpu->cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_OSXSAVE;
	cpu->efer = EFER_LME | EFER_LMA | EFER_NXE | EFER_SCE;
	cpu->xcr0 = 3;
	cpu->exception_bitmap = UINT32_MAX;
	set_descriptors(w);
	set_segments(w);
	ZydisDecoderInit(&w->dec, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	x86_cpu_free(w->cpu);
	x86_code_free(w->code);
	native_close(&w->native);
	free(w->ram);
	free(w);
	return 0;
}

/* --- generation --- */

enum { X87 = 1, SSE = 2, INT = 4, BMI = 8, COMPAT = 16, VEX = 32, EVEX = 64, IMAGE = 128 };

/* Not compared, and why. */
static const ZydisMnemonic excluded[] = {
	/* Their results are the host's own. */
	ZYDIS_MNEMONIC_CPUID,
	ZYDIS_MNEMONIC_XGETBV,
	ZYDIS_MNEMONIC_RDPID,
	ZYDIS_MNEMONIC_RDRAND,
	ZYDIS_MNEMONIC_RDSEED,
	ZYDIS_MNEMONIC_XTEST,
	/* #UD by intent, which is how a form the host lacks is known. */
	ZYDIS_MNEMONIC_UD0,
	ZYDIS_MNEMONIC_UD1,
	ZYDIS_MNEMONIC_UD2,
	/* AMD's alone. */
	ZYDIS_MNEMONIC_CLZERO,
	ZYDIS_MNEMONIC_FEMMS,
	ZYDIS_MNEMONIC_MONITORX,
	ZYDIS_MNEMONIC_MWAITX,
	ZYDIS_MNEMONIC_EXTRQ,
	ZYDIS_MNEMONIC_INSERTQ,
	ZYDIS_MNEMONIC_MOVNTSS,
	ZYDIS_MNEMONIC_MOVNTSD,
	/* Shadow stacks, work queues, traces: the host kernel's to switch on. */
	ZYDIS_MNEMONIC_WRSSD,
	ZYDIS_MNEMONIC_WRSSQ,
	ZYDIS_MNEMONIC_WRUSSD,
	ZYDIS_MNEMONIC_WRUSSQ,
	ZYDIS_MNEMONIC_RDSSPD,
	ZYDIS_MNEMONIC_RDSSPQ,
	ZYDIS_MNEMONIC_INCSSPD,
	ZYDIS_MNEMONIC_INCSSPQ,
	ZYDIS_MNEMONIC_ENQCMD,
	ZYDIS_MNEMONIC_ENQCMDS,
	ZYDIS_MNEMONIC_PTWRITE,
	ZYDIS_MNEMONIC_INVPCID,
};

static bool is_mask(const ZydisDecodedInstruction *in)
{
	return in->meta.category == ZYDIS_CATEGORY_KMASK;
}

static bool wanted_vector(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *o,
			  unsigned set)
{
	unsigned i;

	if (in->encoding == ZYDIS_INSTRUCTION_ENCODING_EVEX || is_mask(in)) {
		if (set != EVEX)
			return false;
	} else if (set != VEX || in->encoding != ZYDIS_INSTRUCTION_ENCODING_VEX) {
		return false;
	}
	/* RSP is not to be changed. */
	for (i = 0; i < in->operand_count; i++)
		if (o[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, o[i].reg.value) ==
			    ZYDIS_REGISTER_RSP)
			return false;
	return in->meta.category != ZYDIS_CATEGORY_BMI1 &&
	       in->meta.category != ZYDIS_CATEGORY_BMI2 &&
	       in->meta.category != ZYDIS_CATEGORY_AMX_TILE;
}

static bool wanted(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *o, unsigned set)
{
	unsigned i;

	if (in->address_width != (set == COMPAT ? 32 : 64))
		return false;
	if (set & (VEX | EVEX))
		return wanted_vector(in, o, set);
	if (set == BMI)
		return in->meta.category == ZYDIS_CATEGORY_BMI1 ||
		       in->meta.category == ZYDIS_CATEGORY_BMI2;
	if (in->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY)
		return false;
	if (in->attributes & ZYDIS_ATTRIB_IS_PRIVILEGED)
		return false;
	for (i = 0; i < sizeof(excluded) / sizeof(excluded[0]); i++)
		if (in->mnemonic == excluded[i])
			return false;
	for (i = 0; i < in->operand_count; i++)
		if (o[i].type == ZYDIS_OPERAND_TYPE_POINTER)
			return false;
	if (in->meta.branch_type != ZYDIS_BRANCH_TYPE_NONE)
		return false;
	if (in->mnemonic == ZYDIS_MNEMONIC_PAUSE && in->raw.rex.B)
		return false; /* AMD's exchange with R8 */
	/* A 16-bit MOVSXD reads two bytes on some processors and four on others. */
	if (in->mnemonic == ZYDIS_MNEMONIC_MOVSXD && o[0].size == 16)
		return false;
	switch (in->meta.category) {
	case ZYDIS_CATEGORY_DECIMAL:
		return set == COMPAT;
	case ZYDIS_CATEGORY_BINARY:
	case ZYDIS_CATEGORY_BITBYTE:
	case ZYDIS_CATEGORY_CMOV:
	case ZYDIS_CATEGORY_CONVERT:
	case ZYDIS_CATEGORY_DATAXFER:
	case ZYDIS_CATEGORY_FLAGOP:
	case ZYDIS_CATEGORY_LOGICAL:
	case ZYDIS_CATEGORY_MISC:
	case ZYDIS_CATEGORY_MOVDIR:
	case ZYDIS_CATEGORY_POP:
	case ZYDIS_CATEGORY_PUSH:
	case ZYDIS_CATEGORY_ROTATE:
	case ZYDIS_CATEGORY_SEGOP:
	case ZYDIS_CATEGORY_SEMAPHORE:
	case ZYDIS_CATEGORY_SETCC:
	case ZYDIS_CATEGORY_SHIFT:
	case ZYDIS_CATEGORY_STRINGOP:
		return !(set & X87) && in->meta.isa_ext != ZYDIS_ISA_EXT_RDTSCP;
	case ZYDIS_CATEGORY_AES:
	case ZYDIS_CATEGORY_MMX:
	case ZYDIS_CATEGORY_SHA:
	case ZYDIS_CATEGORY_PCLMULQDQ:
	case ZYDIS_CATEGORY_LOGICAL_FP:
	case ZYDIS_CATEGORY_SSE:
		return set & SSE;
	case ZYDIS_CATEGORY_X87_ALU:
	case ZYDIS_CATEGORY_FCMOV:
		return set & X87;
	default:
		return false;
	}
}

static unsigned generate(struct world *w, uint8_t *b, unsigned set)
{
	static const uint8_t mandatory[] = {0, 0x66, 0xf2, 0xf3};
	static const uint8_t segments[] = {0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x64, 0x65};
	const uint64_t r = rnd(w);
	unsigned n = 0, i;

	if ((r >> 32 & 7) == 0)
		b[n++] = segments[r >> 40 & 7];
	if ((set == INT || set == COMPAT) && (r & 15) == 0)
		b[n++] = 0xf0;
	if ((set == INT || set == COMPAT) && (r >> 4 & 3) == 0)
		b[n++] = 0x66;
	else if (set == INT && (r >> 4 & 15) == 1)
		b[n++] = r >> 8 & 1 ? 0xf2 : 0xf3;
	else if (set == X87 && (r >> 4 & 15) == 0)
		b[n++] = 0x66; /* the environments' 16-bit layouts */
	else if (set == SSE && mandatory[r >> 4 & 3])
		b[n++] = mandatory[r >> 4 & 3];
	if (set != BMI && set != COMPAT && set != VEX && set != EVEX && (r >> 10 & 1))
		b[n++] = 0x40 | (r >> 12 & 15);
	if (set == VEX || (set == EVEX && (r >> 60) == 0)) {
		b[n++] = 0xc4;
		b[n++] = (uint8_t)((r & 0xe0) | (1 + (r >> 8 & 0xff) % 3));
		b[n++] = (uint8_t)(r >> 16);
		b[n++] = (uint8_t)(r >> 24);
	} else if (set == EVEX) {
		static const uint8_t maps[] = {1, 2, 3, 1, 2, 3, 5, 6};

		b[n++] = 0x62;
		b[n++] = (uint8_t)((r & 0xf0) | maps[r >> 8 & 7]);
		b[n++] = (uint8_t)(r >> 16 | 4);
		b[n++] = (uint8_t)(r >> 40);
		b[n++] = (uint8_t)(r >> 24);
	} else if (set == BMI) {
		static const uint8_t codes[] = {0xf0, 0xf2, 0xf3, 0xf5, 0xf6, 0xf7};

		b[n++] = 0xc4;
		b[n++] = (uint8_t)((r & 0xe0) | (r >> 8 & 7 ? 2 : 3));
		b[n++] = (uint8_t)(r >> 16 & 0xfb);
		b[n++] = codes[(r >> 24 & 0xff) % 6];
	} else if (set == X87) {
		b[n++] = 0xd8 | (r >> 16 & 7);
	} else if (set == SSE || (r >> 16 & 3) == 0) {
		b[n++] = 0x0f;
		if ((r >> 20 & 3) == 0)
			b[n++] = r >> 22 & 1 ? 0x38 : 0x3a;
		b[n++] = (uint8_t)(r >> 24);
	} else {
		b[n++] = (uint8_t)(r >> 24);
	}
	for (i = n; i < 15; i++)
		b[i] = (uint8_t)rnd(w);
	/* So are loads of a far pointer and of flags. */
	if ((set == INT || set == COMPAT) && (r >> 48 & 63) == 0) {
		static const uint8_t far[] = {0xb2, 0xb4, 0xb5};

		if (n > 1 && (b[n - 2] == 0x38 || b[n - 2] == 0x3a))
			n--;
		if (n > 1 && b[n - 2] == 0x0f)
			b[n - 1] = far[(r >> 54 & 0xff) % 3];
		else
			b[n - 1] = r >> 54 & 1 ? 0x9d : 0x8e;
	}
	/* The 512-byte image is one form in thousands: more often, FXSAVE and FXRSTOR. */
	if (set == SSE && (r >> 48 & 63) == 0) {
		b[n - 1] = 0xae;
		b[n] &= 0xcf;
	}
	return 15;
}

/* --- state --- */

void random_fx(struct world *w, uint8_t *fx)
{
	static const uint64_t special[] = {
		0, 0x8000000000000000, 0x3ff0000000000000, 0x7ff0000000000000, 0x7ff8000000000001,
		1, 0x3f800000bf800000, 0x7f80000000000000};
	struct x86_fxregs *f = (struct x86_fxregs *)(void *)fx;
	uint64_t *xmm = (uint64_t *)(void *)(fx + 160);
	unsigned i;

	memset(fx, 0, 512);
	f->fcw = (uint16_t)(0x40 | (rnd(w) % 2 ? 0x3f : rnd(w) & 0x3f) | (rnd(w) & 0xf00));
	f->fsw = (uint16_t)(rnd(w) & 0x3800);
	if (rnd(w) % 4 == 0)
		f->fsw |= (uint16_t)(rnd(w) & 0x473f);
	if (f->fsw & ~f->fcw & 0x3f)
		f->fsw |= 0x8080;
	f->ftw = (uint8_t)(rnd(w) | rnd(w));
	f->mxcsr = (uint32_t)((rnd(w) % 2 ? 0x1f80 : rnd(w) & 0x1f80) | (rnd(w) & 0x6000) |
			      (rnd(w) % 4 ? 0 : rnd(w) & 0x8040));
	for (i = 0; i < 8; i++) {
		const uint64_t v = rnd(w) | 1ull << 63;
		const uint16_t e = (uint16_t)(0x3fc0 + rnd(w) % 128 + (rnd(w) & 0x8000));

		memcpy(f->st[i], &v, 8);
		memcpy(f->st[i] + 8, &e, 2);
	}
	for (i = 0; i < 32; i++)
		xmm[i] = rnd(w) % 4 ? rnd(w) : special[rnd(w) % 8];
}

/* The vectors beyond what FXSAVE has, with numbers in them of which some mean something. */
static void random_vectors(struct world *w, struct native_state *st)
{
	static const uint64_t special[] = {
		0,
		0x8000000080000000,
		0x3ff0000000000000,
		0x7ff0000000000000,
		0x3f8000003f800000,
		0x0000000100000001,
		0xffffffffffffffff,
		0x00017c003c008000,
	};
	unsigned i, k;

	for (i = 0; i < 32; i++) {
		for (k = 0; k < 8; k++) {
			const uint64_t v = rnd(w) % 4 ? rnd(w) : special[rnd(w) % 8];

			memcpy(st->zmm[i] + 8 * k, &v, 8);
		}
		if (i < 16)
			memcpy(st->zmm[i], st->fx + 160 + 16 * i, 16);
	}
	for (i = 0; i < 8; i++)
		st->k[i] = rnd(w) % 4 ? rnd(w) : rnd(w) % 2 ? 0 : UINT64_MAX;
}

static uint64_t random_word(struct world *w)
{
	const uint64_t v = rnd(w);

	switch (rnd(w) % 6) {
	case 0:
		return v & 0xff;
	case 1:
		return (uint64_t)(int64_t)(int8_t)v;
	case 2:
		return 1ull << (v & 63);
	case 3:
		return (uint64_t)(int64_t)(int32_t)v;
	default:
		return v;
	}
}

static unsigned number(ZydisRegister reg)
{
	return (unsigned)(ZydisRegisterGetLargestEnclosing(ZYDIS_MACHINE_MODE_LONG_64, reg) -
			  ZYDIS_REGISTER_RAX);
}

static uint64_t segment_base(const struct world *w, ZydisRegister seg)
{
	if (w->native.compat)
		return 0;
	return seg == ZYDIS_REGISTER_FS ? w->native.fs : seg == ZYDIS_REGISTER_GS ? NATIVE_GS : 0;
}

/* A frame in reach for LEAVE and ENTER, and one of a size that the pages have room for. */
static void aim_frame(struct world *w, const ZydisDecodedInstruction *in, uint8_t *bytes,
		      struct native_state *st)
{
	const uintptr_t data = (uintptr_t)w->native.data;
	const unsigned room = NATIVE_DATA_PAGES * PAGE;

	st->regs.rbp =
		data + (rnd(w) % 4 ? 1024 + rnd(w) % (room - 2048) : room + 64 - rnd(w) % 128);
	if (in->mnemonic != ZYDIS_MNEMONIC_ENTER)
		return;
	bytes[in->raw.imm[0].offset + 1] &= 0xf;
	bytes[in->raw.imm[1].offset] &= rnd(w) % 2 ? 3 : 0xff;
}

/* FXRSTOR: mostly from an image that can be loaded. */
static void aim_image(struct world *w)
{
	const uint64_t at = w->place - (uintptr_t)w->native.data;
	uint8_t fx[512] __attribute__((aligned(16)));

	if (at > NATIVE_DATA_PAGES * PAGE - sizeof(fx) || rnd(w) % 8 == 0)
		return;
	random_fx(w, fx);
	memcpy(w->native.data + at, fx, sizeof(fx));
}

static unsigned vector_number(ZydisRegister reg)
{
	if (reg >= ZYDIS_REGISTER_ZMM0)
		return (unsigned)(reg - ZYDIS_REGISTER_ZMM0);
	return (unsigned)(reg -
			  (reg >= ZYDIS_REGISTER_YMM0 ? ZYDIS_REGISTER_YMM0 : ZYDIS_REGISTER_XMM0));
}

/* Indices of a gather that stay near, mostly. */
static void aim_indices(struct world *w, const ZydisDecodedInstruction *in, ZydisRegister reg,
			struct native_state *st)
{
	uint8_t *v = st->zmm[vector_number(reg)];
	const bool wide = in->opcode & 1; /* quadwords */
	unsigned i;

	for (i = 0; i < 64; i += wide ? 8 : 4) {
		const int64_t x = rnd(w) % 64 ? (int64_t)(rnd(w) % 128) - 64 : 3000;

		memcpy(v + i, &x, wide ? 8 : 4);
	}
	if (vector_number(reg) < 16)
		memcpy(st->fx + 160 + 16 * vector_number(reg), v, 16);
}

/* Give address registers values that make the operand lie in the data pages, or, sometimes, cross
 * into the void page. false: not possible for this instruction. */
static bool aim(struct world *w, const ZydisDecodedInstruction *in, const ZydisDecodedOperand *o,
		uint8_t *bytes, struct native_state *st)
{
	const uintptr_t data = (uintptr_t)w->native.data;
	const unsigned room = NATIVE_DATA_PAGES * PAGE;
	unsigned i;

	for (i = 0; i < in->operand_count; i++) {
		const ZydisDecodedOperandMem *m = &o[i].mem;
		uint64_t place = data + 1024 + rnd(w) % (room - 2048);
		const uint64_t base = segment_base(w, m->segment);
		const unsigned edge = o[i].size > 128 ? o[i].size / 8 : 16;
		uint64_t index = 0;
		unsigned b, x;

		if (o[i].type != ZYDIS_OPERAND_TYPE_MEMORY || m->type == ZYDIS_MEMOP_TYPE_AGEN)
			continue;
		if (m->type == ZYDIS_MEMOP_TYPE_VSIB)
			aim_indices(w, in, m->index, st);
		if (o[i].size >= 256 && rnd(w) % 4)
			place &= ~63ull;
		else if (o[i].size >= 128 && rnd(w) % 8)
			place &= in->mnemonic == ZYDIS_MNEMONIC_MOVDIR64B ? ~63ull : ~15ull;
		/* Some processors let SHA operands lie anywhere, which the SDM does not allow. */
		if (in->meta.category == ZYDIS_CATEGORY_SHA) {
			place &= ~15ull;
			index = 0;
		} else if (rnd(w) % 16 == 0)
			place = data + room - rnd(w) % edge;
		else if (rnd(w) % 16 == 0)
			place = data + PAGE * (1 + rnd(w) % 2) - rnd(w) % edge;
		if (rnd(w) % 64 == 0 && !w->native.compat &&
		    o[i].visibility != ZYDIS_OPERAND_VISIBILITY_HIDDEN)
			place ^= 1ull << 52; /* not canonical */
		w->place = place;
		if (m->base == ZYDIS_REGISTER_RIP) {
			w->place = place &= ~(1ull << 52);
			const int64_t disp = (int64_t)(place - base - (uintptr_t)w->native.code -
						       NATIVE_INSN - in->length);

			if (disp != (int32_t)disp)
				return false;
			memcpy(bytes + in->raw.disp.offset, &disp, 4);
			continue;
		}
		if (in->mnemonic == ZYDIS_MNEMONIC_ENTER)
			continue;
		if (m->base == ZYDIS_REGISTER_NONE || number(m->base) == 4)
			return o[i].visibility == ZYDIS_OPERAND_VISIBILITY_HIDDEN;
		b = number(m->base);
		if (m->index != ZYDIS_REGISTER_NONE && m->type != ZYDIS_MEMOP_TYPE_VSIB) {
			x = number(m->index);
			if (x == b || x == 4)
				return false;
			index = *tdx_reg(&st->regs, x) = rnd(w) % 64;
		}
		if (in->mnemonic == ZYDIS_MNEMONIC_XLAT)
			index = (uint8_t)st->regs.rax;
		/* The destination must not be what the source is found by. */
		if (in->mnemonic == ZYDIS_MNEMONIC_MOVDIR64B && i == 2 &&
		    (m->base == o[1].mem.base || m->base == o[1].mem.index))
			return false;
		*tdx_reg(&st->regs, b) =
			place - base - index * (m->scale ? m->scale : 1) - (uint64_t)m->disp.value;
	}
	/* A bit offset in a register may point anywhere: keep it near. */
	if (in->meta.category == ZYDIS_CATEGORY_BITBYTE && o[0].type == ZYDIS_OPERAND_TYPE_MEMORY &&
	    o[1].type == ZYDIS_OPERAND_TYPE_REGISTER) {
		const ZydisRegister full = ZydisRegisterGetLargestEnclosing(
			ZYDIS_MACHINE_MODE_LONG_64, o[1].reg.value);
		const unsigned x = (unsigned)(full - ZYDIS_REGISTER_RAX);

		if (x == number(o[0].mem.base) ||
		    (o[0].mem.index != ZYDIS_REGISTER_NONE && x == number(o[0].mem.index)))
			return false;
		*tdx_reg(&st->regs, x) = (uint64_t)((int64_t)(rnd(w) % 8000) - 4000);
	}
	if (in->meta.category == ZYDIS_CATEGORY_STRINGOP)
		st->regs.rcx = rnd(w) % 40;
	if (in->mnemonic == ZYDIS_MNEMONIC_ENTER || in->mnemonic == ZYDIS_MNEMONIC_LEAVE)
		aim_frame(w, in, bytes, st);
	if (in->mnemonic == ZYDIS_MNEMONIC_FXRSTOR || in->mnemonic == ZYDIS_MNEMONIC_FXRSTOR64)
		aim_image(w);
	return true;
}

/* The segment register it loads, X86_NOSEG if none. */
static unsigned loaded(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *o)
{
	switch (in->mnemonic) {
	case ZYDIS_MNEMONIC_LDS:
		return X86_DS;
	case ZYDIS_MNEMONIC_LES:
		return X86_ES;
	case ZYDIS_MNEMONIC_LSS:
		return X86_SS;
	case ZYDIS_MNEMONIC_LFS:
		return X86_FS;
	case ZYDIS_MNEMONIC_LGS:
		return X86_GS;
	default:
		break;
	}
	for (unsigned i = 0; i < in->operand_count; i++)
		if (o[i].type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    o[i].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE &&
		    o[i].reg.value >= ZYDIS_REGISTER_ES && o[i].reg.value <= ZYDIS_REGISTER_GS)
			return o[i].reg.value - ZYDIS_REGISTER_ES;
	return X86_NOSEG;
}

/* What the instruction takes from the data pages at a linear address becomes v. */
static void put_word(struct world *w, uint64_t place, uint64_t v, unsigned bytes)
{
	const uint64_t at = place - (uintptr_t)w->native.data;

	if (at <= NATIVE_DATA_PAGES * PAGE - bytes)
		memcpy(w->native.data + at, &v, bytes);
}

/* Selectors that mean something, mostly; flags without TF, which would trap only after the
 * instruction behind. */
static void aim_system(struct world *w, const ZydisDecodedInstruction *in,
		       const ZydisDecodedOperand *o, struct native_state *st)
{
	static const uint16_t selectors[] = {0,		 SEL_CODE32, SEL_DATA, SEL_CODE64,
					     SEL_DATA,	 3,	     0x28,     0x18,
					     SEL_CODE32, 0x2a,	     4,	       0xf000};
	const uint16_t sel = rnd(w) % 8 ? selectors[rnd(w) % 12] : (uint16_t)(rnd(w) | 0x100);
	const unsigned width = in->operand_width / 8;

	if (in->mnemonic == ZYDIS_MNEMONIC_POPF || in->mnemonic == ZYDIS_MNEMONIC_POPFD ||
	    in->mnemonic == ZYDIS_MNEMONIC_POPFQ)
		put_word(w, st->regs.rsp, rnd(w) & ~(uint64_t)RFLAGS_TF, width);
	if ((in->meta.category == ZYDIS_CATEGORY_POP || in->meta.category == ZYDIS_CATEGORY_PUSH) &&
	    !w->native.compat && rnd(w) % 32 == 0)
		st->regs.rsp ^= 1ull << 52; /* not canonical */
	w->native.loads_segments = loaded(in, o) != X86_NOSEG;
	if (!w->native.loads_segments)
		return;
	if (in->meta.category == ZYDIS_CATEGORY_SEGOP)
		put_word(w, w->place + width, sel, 2);
	else if (in->meta.category == ZYDIS_CATEGORY_POP)
		put_word(w, st->regs.rsp, sel, 2);
	else if (o[1].type == ZYDIS_OPERAND_TYPE_MEMORY)
		put_word(w, w->place, sel, 2);
	else if (o[1].type == ZYDIS_OPERAND_TYPE_REGISTER && number(o[1].reg.value) != 4)
		*tdx_reg(&st->regs, number(o[1].reg.value)) = sel;
}

static void fail_insn(struct world *w, const uint8_t *b, const ZydisDecodedInstruction *in,
		      const ZydisDecodedOperand *o, const char *what, uint64_t host, uint64_t ours)
{
	ZydisFormatter f;
	char text[128] = "?";
	char hex[64];
	unsigned i;

	(void)w;
	ZydisFormatterInit(&f, ZYDIS_FORMATTER_STYLE_INTEL);
	ZydisFormatterFormatInstruction(&f, in, o, in->operand_count_visible, text, sizeof(text), 0,
					NULL);
	for (i = 0; i < in->length; i++)
		snprintf(hex + i * 3, 4, "%02x ", b[i]);
	fail_msg("%s[%s]: %s: host %#llx, engine %#llx", hex, text, what, (unsigned long long)host,
		 (unsigned long long)ours);
}

/* --- where processors differ --- */

/* One instruction as the host and the engine did it. */
struct seen {
	const ZydisDecodedInstruction *in;
	const ZydisDecodedOperand *o;
	const struct native_fault *fault;
	const struct x86_fxregs *host;
	const struct x86_cpu *ours;
	bool retired;	 /* by the engine */
	unsigned vector; /* of the engine's fault, if not retired */
};

static bool memory_fault(const struct seen *s)
{
	return s->fault->vector >= 12 && s->fault->vector <= 14;
}

static bool x87_store_held_back(const struct seen *s)
{
	return s->retired && memory_fault(s) && s->in->meta.category == ZYDIS_CATEGORY_X87_ALU &&
	       s->o[0].type == ZYDIS_OPERAND_TYPE_MEMORY &&
	       s->o[0].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE && s->ours->fx.fsw & X87_ES;
}

static bool string_fault(const struct seen *s)
{
	return s->fault->vector >= 0 && s->in->meta.category == ZYDIS_CATEGORY_STRINGOP;
}

static bool string_second_fault(const struct seen *s)
{
	const ZydisDecodedOperand *o = s->o;

	return !s->retired && memory_fault(s) && s->in->meta.category == ZYDIS_CATEGORY_STRINGOP &&
	       !(o[0].actions & ZYDIS_OPERAND_ACTION_MASK_WRITE) &&
	       o[0].type == ZYDIS_OPERAND_TYPE_MEMORY && o[1].type == ZYDIS_OPERAND_TYPE_MEMORY &&
	       s->vector >= 12 && s->vector <= 14 &&
	       (s->vector != (unsigned)s->fault->vector ||
		(s->vector == 14 && s->fault->cr2 != s->ours->cr2));
}

static bool range_unmasked(const struct seen *s)
{
	return s->fault->vector == 19 && s->host->mxcsr & ~(s->host->mxcsr >> 7) & 0x18;
}

static bool mmx_store_fault(const struct seen *s)
{
	const ZydisDecodedOperand *o = s->o;

	if (!memory_fault(s))
		return false;
	return s->in->mnemonic == ZYDIS_MNEMONIC_MASKMOVQ ||
	       (s->in->operand_count > 1 && o[0].type == ZYDIS_OPERAND_TYPE_MEMORY &&
		o[1].type == ZYDIS_OPERAND_TYPE_REGISTER && o[1].reg.value >= ZYDIS_REGISTER_MM0 &&
		o[1].reg.value <= ZYDIS_REGISTER_MM7);
}

static bool split_store_fault(const struct seen *s)
{
	return s->fault->vector == 14 && (s->in->meta.category == ZYDIS_CATEGORY_X87_ALU ||
					  s->in->mnemonic == ZYDIS_MNEMONIC_MOVBE);
}

static bool large_operand_fault(const struct seen *s)
{
	if (s->fault->vector == 14)
		for (unsigned i = 0; i < s->in->operand_count; i++)
			if (s->o[i].type == ZYDIS_OPERAND_TYPE_MEMORY && s->o[i].size > 80 &&
			    s->o[i].size != 128)
				return true;
	return false;
}

static bool masked_store(const struct seen *s)
{
	return s->in->mnemonic == ZYDIS_MNEMONIC_MASKMOVQ ||
	       s->in->mnemonic == ZYDIS_MNEMONIC_MASKMOVDQU ||
	       s->in->mnemonic == ZYDIS_MNEMONIC_VMASKMOVDQU;
}

static bool masked_operand_fault(const struct seen *s)
{
	return s->fault->vector == 14 && s->in->avx.mask.reg != ZYDIS_REGISTER_NONE &&
	       s->in->avx.mask.reg != ZYDIS_REGISTER_K0;
}

static bool masked_by_signs(const struct seen *s)
{
	return s->in->mnemonic == ZYDIS_MNEMONIC_VMASKMOVPS ||
	       s->in->mnemonic == ZYDIS_MNEMONIC_VMASKMOVPD ||
	       s->in->mnemonic == ZYDIS_MNEMONIC_VPMASKMOVD ||
	       s->in->mnemonic == ZYDIS_MNEMONIC_VPMASKMOVQ;
}

static bool masked_bytes_fault(const struct seen *s)
{
	return s->fault->vector == 14 && (masked_store(s) || masked_by_signs(s));
}

/* The mask leaves all out. */
static bool nothing_misaligned(const struct seen *s)
{
	const unsigned k = s->in->avx.mask.reg - ZYDIS_REGISTER_K0;

	return !s->retired && s->vector == 13 && s->fault->vector < 0 && k >= 1 && k <= 7 &&
	       s->in->meta.exception_class == ZYDIS_EXCEPTION_CLASS_E1 &&
	       s->ours->k[k] << (64 - s->in->avx.vector_length / s->o[0].element_size) == 0;
}

static bool misaligned_fxsave(const struct seen *s)
{
	return !s->retired && s->vector == 13 && s->fault->vector == 12 &&
	       (s->in->mnemonic == ZYDIS_MNEMONIC_FXSAVE ||
		s->in->mnemonic == ZYDIS_MNEMONIC_FXSAVE64 ||
		s->in->mnemonic == ZYDIS_MNEMONIC_FXRSTOR ||
		s->in->mnemonic == ZYDIS_MNEMONIC_FXRSTOR64);
}

static bool half_store_fault(const struct seen *s)
{
	return !s->retired && s->vector == 19 && memory_fault(s) &&
	       s->in->mnemonic == ZYDIS_MNEMONIC_VCVTPS2PH;
}

/* Faults for bytes which the mask leaves out. */
static bool masked_out_fault(const struct seen *s)
{
	return s->retired && memory_fault(s) && masked_store(s);
}

static bool environment_stored(const struct seen *s)
{
	return s->fault->vector < 0 && (s->in->mnemonic == ZYDIS_MNEMONIC_FNSTENV ||
					s->in->mnemonic == ZYDIS_MNEMONIC_FNSAVE);
}

static bool saves_state(const struct seen *s)
{
	return s->in->meta.category == ZYDIS_CATEGORY_XSAVE ||
	       s->in->meta.category == ZYDIS_CATEGORY_XSAVEOPT;
}

/* AMD's before they had XSaveErPtr. */
static bool drops_pointers(void)
{
	uint32_t a, b = 0, c, d;

	return !__builtin_cpu_is("intel") &&
	       !(__get_cpuid(0x80000008, &a, &b, &c, &d) && (b >> 2 & 1));
}

static bool image_stored(const struct seen *s)
{
	if (s->fault->vector >= 0)
		return false;
	return s->in->mnemonic == ZYDIS_MNEMONIC_FXSAVE ||
	       s->in->mnemonic == ZYDIS_MNEMONIC_FXSAVE64 || (saves_state(s) && drops_pointers());
}

/* The engine wrote none of a component that its values say is initial; the host tracks it. */
static bool initial_component_fault(const struct seen *s)
{
	return s->retired && s->fault->vector == 14 && saves_state(s) &&
	       s->in->mnemonic != ZYDIS_MNEMONIC_XSAVE && s->in->mnemonic != ZYDIS_MNEMONIC_XSAVE64;
}

/* For registers that 32-bit code has not. */
static bool upper_registers_fault(const struct seen *s)
{
	return s->retired && s->fault->vector == 14 &&
	       s->in->machine_mode != ZYDIS_MACHINE_MODE_LONG_64 && saves_state(s);
}

static bool far_pointer_of_64_bits(const struct seen *s)
{
	return s->in->meta.category == ZYDIS_CATEGORY_SEGOP && s->in->operand_width == 64 &&
	       !__builtin_cpu_is("intel");
}

static bool gather_fault(const struct seen *s)
{
	return s->fault->vector >= 0 && s->o[0].type == ZYDIS_OPERAND_TYPE_REGISTER &&
	       s->in->meta.category == ZYDIS_CATEGORY_AVX2GATHER;
}

static bool gather_part(const struct seen *s)
{
	return s->fault->vector >= 0 && s->in->meta.category == ZYDIS_CATEGORY_GATHER;
}

/* What a difference excuses. */
enum {
	D_ALL = 1,	/* everything, the outcome too */
	D_FLAGS = 2,	/* the status flags */
	D_PE = 4,	/* MXCSR.PE */
	D_X87 = 8,	/* the x87 state */
	D_MEMORY = 16,	/* all of memory */
	D_ADDRESS = 32, /* CR2 within its page */
	D_ENV = 64,	/* the pointers of the environment in memory */
	D_IMAGE = 128,	/* the pointers of the image in memory */
	D_VECTORS = 256,
};

/* The engine does as the SDM says or, where that leaves a choice, as Intel's processors do; the
 * host may be of either vendor. Every exception from the comparison stands here. */
static const struct difference {
	const char *what;
	unsigned excuses;
	bool (*is)(const struct seen *s);
} differences[] = {
	{"an x87 store whose result an unmasked exception holds back writes nothing (SDM), and "
	 "Intel's do not touch the destination; AMD's look at it and may fault there",
	 D_ALL, x87_store_held_back},
	{"REX.W makes the offset of a far pointer 64 bits wide on Intel's processors, not on AMD's",
	 D_ALL, far_pointer_of_64_bits},
	{"the flags of a string instruction that faults are those from before it on Intel's; "
	 "AMD's may keep those of its last whole step",
	 D_FLAGS, string_fault},
	{"which of the operands of CMPS faults first, where both do, is the processor's choice",
	 D_ALL, string_second_fault},
	{"PE beside an unmasked overflow or underflow is set by some processors, not by others",
	 D_PE, range_unmasked},
	{"some processors move the top of the x87 stack before a store of MMX has faulted", D_X87,
	 mmx_store_fault},
	{"a store made in several parts may have made those which did not fault", D_MEMORY,
	 split_store_fault},
	{"which byte of a large operand is named first is the processor's choice", D_ADDRESS,
	 large_operand_fault},
	{"so it is with bytes under a mask in a vector", D_ADDRESS, masked_bytes_fault},
	{"so it is with elements under an opmask", D_ADDRESS, masked_operand_fault},
	{"whether a component that is in its initial state is tracked as such, and so left out of "
	 "an image, is the processor's choice (SDM)",
	 D_ALL, initial_component_fault},
	{"any byte of a component may be accessed (SDM), those of registers that 32-bit code has "
	 "not too, which the engine leaves alone",
	 D_ALL, upper_registers_fault},
	{"whether bytes that a mask leaves out can fault is the processor's choice (SDM)", D_ALL,
	 masked_out_fault},
	{"an operand that must be aligned must be so under a mask that leaves all out, too (SDM); "
	 "AMD's do not look",
	 D_ALL, nothing_misaligned},
	{"which fault of FXSAVE is first where the operand is neither canonical nor aligned is the "
	 "processor's choice",
	 D_ALL, misaligned_fxsave},
	{"so it is whether VCVTPS2PH converts before it looks where to", D_ALL, half_store_fault},
	{"the mask of a gather is made all ones and all zeros before it begins (SDM), by AMD's as "
	 "it "
	 "comes to each element; a fault lets that be seen",
	 D_VECTORS, gather_fault},
	{"what of a vector is beyond the element that faults a gather may have been done (SDM)",
	 D_VECTORS, gather_part},
	{"which x87 pointers are kept, and how, differs: some drop those that no exception needs",
	 D_ENV, environment_stored},
	{"which x87 pointers are kept, and how, differs: some drop those that no exception needs",
	 D_IMAGE, image_stored},
};

static unsigned excused(const struct seen *s)
{
	unsigned what = 0;

	for (unsigned i = 0; i < sizeof(differences) / sizeof(differences[0]); i++)
		if (differences[i].is(s))
			what |= differences[i].excuses;
	return what;
}

/* Bytes at the linear address `place` count as equal. */
void forget(struct world *w, uint64_t place, unsigned bytes)
{
	const uint64_t at = place - (uintptr_t)w->native.data;

	memset(w->native.data + at, 0, bytes);
	memset(w->ram + PAGE + at, 0, bytes);
}

static void compare_x87(struct world *w, const uint8_t *bytes, const ZydisDecodedInstruction *in,
			const ZydisDecodedOperand *o, const struct x86_fxregs *hf)
{
	const struct x86_cpu *cpu = w->cpu;
	uint64_t left, right;
	unsigned i;

	if (hf->fsw != cpu->fx.fsw)
		fail_insn(w, bytes, in, o, "fsw", hf->fsw, cpu->fx.fsw);
	if (hf->fcw != cpu->fx.fcw || hf->ftw != cpu->fx.ftw)
		fail_insn(w, bytes, in, o, "fcw, ftw", (uint64_t)hf->fcw << 16 | hf->ftw,
			  (uint64_t)cpu->fx.fcw << 16 | cpu->fx.ftw);
	for (i = 0; i < 8; i++) {
		if (memcmp(hf->st[i], cpu->fx.st[i], 10) != 0) {
			memcpy(&left, hf->st[i], 8);
			memcpy(&right, cpu->fx.st[i], 8);
			fail_insn(w, bytes, in, o, "st", left, right);
		}
	}
}

/* Null selectors are one: Linux, when another task had the processor in between, loads 0 for
 * each of 0 to 3. */
static bool same_selector(uint16_t host, uint16_t ours)
{
	return host == ours || (host == 0 && ours <= 3);
}

static void compare_segments(struct world *w, const uint8_t *bytes,
			     const ZydisDecodedInstruction *in, const ZydisDecodedOperand *o,
			     const struct native_state *st)
{
	for (unsigned i = 0; i < X86_NOSEG; i++)
		if (i != X86_CS && !same_selector(st->sel[i], w->cpu->seg[i].sel))
			fail_insn(w, bytes, in, o, "selector", st->sel[i], w->cpu->seg[i].sel);
}

/* Can it stand in the middle of a block? */
static bool may_go_on(const ZydisDecodedInstruction *in)
{
	return in->meta.category != ZYDIS_CATEGORY_STRINGOP &&
	       in->meta.category != ZYDIS_CATEGORY_COND_BR &&
	       in->meta.category != ZYDIS_CATEGORY_UNCOND_BR &&
	       in->meta.category != ZYDIS_CATEGORY_CALL && in->meta.category != ZYDIS_CATEGORY_RET;
}

void set_vectors(struct world *w, const struct native_state *st)
{
	struct x86_cpu *cpu = w->cpu;
	unsigned i;

	if (w->native.vector == 16)
		return;
	memset(cpu->zmm_hi, 0, sizeof(cpu->zmm_hi));
	for (i = 0; i < 16; i++) {
		memcpy(&cpu->ymm_hi[i], st->zmm[i] + 16, 16);
		if (w->native.vector == 64)
			memcpy(cpu->zmm_hi[i], st->zmm[i] + 32, 32);
	}
	memcpy(cpu->zmm16, st->zmm[16], sizeof(cpu->zmm16));
	memcpy(cpu->k, st->k, sizeof(cpu->k));
	cpu->xused = w->native.vector == 64 ? 0xe4 : 4;
}

static void compare_vectors(struct world *w, const uint8_t *bytes,
			    const ZydisDecodedInstruction *in, const ZydisDecodedOperand *o,
			    const struct native_state *st)
{
	const struct x86_cpu *cpu = w->cpu;
	uint64_t left, right;
	unsigned i, k;

	if (w->native.vector == 16)
		return;
	for (i = 0; i < (w->native.vector == 64 ? 32 : 16); i++) {
		uint8_t v[64];

		if (i < 16) {
			memcpy(v, &cpu->xmm[i], 16);
			memcpy(v + 16, &cpu->ymm_hi[i], 16);
			memcpy(v + 32, cpu->zmm_hi[i], 32);
		} else {
			memcpy(v, cpu->zmm16[i - 16], 64);
		}
		for (k = 0; k < w->native.vector / 8; k++) {
			if (i < 16 && k < 2)
				continue; /* compared with the image's */
			memcpy(&left, st->zmm[i] + 8 * k, 8);
			memcpy(&right, v + 8 * k, 8);
			if (left != right)
				fail_insn(w, bytes, in, o, "a vector", left, right);
		}
	}
	for (i = 0; w->native.vector == 64 && i < 8; i++)
		if (st->k[i] != cpu->k[i])
			fail_insn(w, bytes, in, o, "an opmask", st->k[i], cpu->k[i]);
}

static void compare_one(struct world *w, uint8_t *bytes, const ZydisDecodedInstruction *in,
			const ZydisDecodedOperand *o, struct native_state *st)
{
	static const char *const names[] = {"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",
					    "r8",  "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
	static uint8_t before[NATIVE_DATA_PAGES * PAGE];
	struct x86_cpu *cpu = w->cpu;
	const uint64_t rip = (uintptr_t)w->native.code + NATIVE_INSN;
	const struct x86_fxregs *hf = (const struct x86_fxregs *)(const void *)st->fx;
	struct native_fault fault;
	struct x86_exit exit;
	struct seen seen = {in, o, &fault, hf, cpu, false, 0};
	uint64_t undefined = 0, left, right;
	uint32_t next_mask;
	const unsigned tail = w->translate && may_go_on(in) ? 2 : 0;
	unsigned i, same;

	/* the engine's start */
	memcpy(before, w->native.data, sizeof(before));
	memcpy(w->ram + PAGE, before, sizeof(before));
	memcpy(w->ram + NATIVE_INSN, bytes, 15);
	if (tail)
		memcpy(w->ram + NATIVE_INSN + in->length, "\xeb", 2);
	x86_code_written(w->code, w->ram);
	cpu->regs = st->regs;
	set_segments(w);
	x86_set_rflags(cpu, st->rflags);
	next_mask = cpu->fx.mxcsr_mask;
	memcpy(&cpu->fx, st->fx, sizeof(cpu->fx));
	cpu->fx.mxcsr_mask = next_mask;
	memcpy(cpu->xmm, st->fx + 160, 256);
	set_vectors(w, st);
	cpu->rip = rip;

	native_run(&w->native, bytes, in->length, st, &fault);
	if (fault.vector == 6) { /* the host does not have it */
		w->skipped++;
		return;
	}
	memset(&exit, 0, sizeof(exit));
	/* a repeated instruction may take several runs */
	do {
		assert_int_equal(x86_run(cpu, &exit, tail ? 2 : 1), 0);
	} while (exit.reason == X86_EXIT_BUDGET && cpu->rip == rip &&
		 in->meta.category == ZYDIS_CATEGORY_STRINGOP);
	w->tried++;

	seen.retired = exit.reason == X86_EXIT_BUDGET;
	if (fault.vector < 0)
		image_settle(w, in, st);
	seen.vector = exit.intr_info & 0xff;
	same = excused(&seen);
	if (same & D_ALL)
		return;
	if (fault.vector >= 0) {
		if (exit.reason != VMX_EXIT_EXCEPTION_OR_NMI)
			fail_insn(w, bytes, in, o, "fault expected, reason", (uint64_t)fault.vector,
				  exit.reason);
		if ((exit.intr_info & 0xff) != (unsigned)fault.vector)
			fail_insn(w, bytes, in, o, "vector", (uint64_t)fault.vector,
				  exit.intr_info & 0xff);
		if (same & D_ADDRESS && (fault.cr2 ^ cpu->cr2) < PAGE)
			fault.cr2 = cpu->cr2;
		if (fault.vector == 14 && (exit.intr_error != fault.error || cpu->cr2 != fault.cr2))
			fail_insn(w, bytes, in, o, "page fault", fault.cr2, cpu->cr2);
		if (fault.vector == 13 && exit.intr_error != fault.error)
			fail_insn(w, bytes, in, o, "error code", fault.error, exit.intr_error);
		if (cpu->rip != rip)
			fail_insn(w, bytes, in, o, "rip of a fault", rip, cpu->rip);
	} else {
		if (exit.reason == VMX_EXIT_EXCEPTION_OR_NMI)
			fail_insn(w, bytes, in, o, "unexpected vector", 0, exit.intr_info);
		if (exit.reason != X86_EXIT_BUDGET)
			fail_insn(w, bytes, in, o, "exit", X86_EXIT_BUDGET, exit.reason);
		if (cpu->rip != rip + in->length + tail)
			fail_insn(w, bytes, in, o, "rip", rip + in->length + tail, cpu->rip);
	}
	for (i = 0; i < (w->native.compat ? 8u : 16u); i++) {
		left = *tdx_reg(&st->regs, i);
		right = *tdx_reg(&cpu->regs, i);
		if (w->native.compat) {
			left = (uint32_t)left;
			right = (uint32_t)right;
		}
		if (left != right)
			fail_insn(w, bytes, in, o, names[i], left, right);
	}
	if (fault.vector < 0)
		compare_segments(w, bytes, in, o, st);
	if (in->cpu_flags && fault.vector < 0)
		undefined = in->cpu_flags->undefined;
	if (same & D_FLAGS)
		undefined = 0x8d5;
	left = st->rflags & FLAGS_SEEN & ~undefined;
	right = x86_rflags(cpu) & FLAGS_SEEN & ~undefined;
	if (left != right)
		fail_insn(w, bytes, in, o, "flags", left, right);
	for (i = 0; i < 32 && !(same & D_VECTORS); i++) {
		memcpy(&left, st->fx + 160 + i * 8, 8);
		right = cpu->xmm[i / 2].q[i % 2];
		if (left != right)
			fail_insn(w, bytes, in, o, "xmm", left, right);
	}
	if (!(same & D_VECTORS))
		compare_vectors(w, bytes, in, o, st);
	if (same & D_PE)
		cpu->fx.mxcsr = (cpu->fx.mxcsr & ~0x20u) | (hf->mxcsr & 0x20);
	if (hf->mxcsr != cpu->fx.mxcsr)
		fail_insn(w, bytes, in, o, "mxcsr", hf->mxcsr, cpu->fx.mxcsr);
	if (!(same & D_X87))
		compare_x87(w, bytes, in, o, hf);
	if (same & D_MEMORY)
		return;
	left = in->operand_width == 16 ? 2 : 4;
	if (same & D_ENV)
		forget(w, w->place + 3 * left, 4 * (unsigned)left);
	if (same & D_IMAGE) /* FOP, FIP, FDP */
		forget(w, w->place + 6, 18);
	for (i = 0; i < sizeof(before); i += 8) {
		memcpy(&left, w->native.data + i, 8);
		memcpy(&right, w->ram + PAGE + i, 8);
		if (left != right)
			fail_insn(w, bytes, in, o, "memory", left, right);
	}
}

static void many(struct world *w, unsigned set, unsigned long count)
{
	const char *more = getenv("SWTDX_X86_DIFF");
	const uint32_t *host_mask;
	uint8_t fx[512] __attribute__((aligned(16)));
	unsigned i;

	native_catch();
	if (more)
		count = strtoul(more, NULL, 0);
	if (getenv("SWTDX_X86_SEED"))
		w->rng ^= strtoull(getenv("SWTDX_X86_SEED"), NULL, 0);
	__asm__ volatile("fxsave64 %0" : "=m"(fx));
	host_mask = &((struct x86_fxregs *)(void *)fx)->mxcsr_mask;
	w->cpu->fx.mxcsr_mask = *host_mask;
	for (i = 0; i < sizeof(uint64_t) * 256; i++)
		((uint64_t *)(void *)w->native.data)[i] = rnd(w);
	while (w->tried < count) {
		uint8_t bytes[16] = {0};
		ZydisDecodedInstruction in;
		ZydisDecodedOperand o[ZYDIS_MAX_OPERAND_COUNT];
		struct native_state st;

		if (set & IMAGE)
			image_generate(w, bytes);
		else
			generate(w, bytes, set);
		if (!ZYAN_SUCCESS(ZydisDecoderDecodeFull(&w->dec, bytes, 15, &in, o)))
			continue;
		if (!(set & IMAGE) && !wanted(&in, o, set))
			continue;
		for (i = 0; i < 16; i++)
			*tdx_reg(&st.regs, i) =
				set & COMPAT ? (uint32_t)random_word(w) : random_word(w);
		st.regs.rsp = (uintptr_t)w->native.data + 8192 + (rnd(w) & 0xff8);
		st.rflags = 0x202 | (rnd(w) & 0x8d5);
		if (in.meta.category == ZYDIS_CATEGORY_STRINGOP)
			st.rflags |= rnd(w) & 0x400;
		random_fx(w, st.fx);
		random_vectors(w, &st);
		/* A dot product's steps may end at the first that raises an exception. */
		if (in.mnemonic == ZYDIS_MNEMONIC_DPPS || in.mnemonic == ZYDIS_MNEMONIC_DPPD ||
		    in.mnemonic == ZYDIS_MNEMONIC_VDPPS || in.mnemonic == ZYDIS_MNEMONIC_VDPPD)
			((struct x86_fxregs *)(void *)st.fx)->mxcsr |= 0x1f80;
		if (!(set & IMAGE) && !aim(w, &in, o, bytes, &st))
			continue;
		for (i = 0; i < 16; i++) {
			uint64_t v = random_word(w);

			memcpy(w->native.data + rnd(w) % (NATIVE_DATA_PAGES * PAGE - 8), &v, 8);
		}
		if (set & IMAGE)
			image_aim(w, &in, &st);
		else
			aim_system(w, &in, o, &st);
		compare_one(w, bytes, &in, o, &st);
	}
	print_message("%lu compared, %lu not known to the host\n", w->tried, w->skipped);
	w->tried = w->skipped = 0;
}

static void integer_instructions_do_what_the_host_does(void **state)
{
	many(*state, INT, 60000);
}

static void vector_instructions_do_what_the_host_does(void **state)
{
	many(*state, SSE, 60000);
}

static void x87_instructions_do_what_the_host_does(void **state)
{
	many(*state, X87, 20000);
}

/* False: the kernel has no 32-bit code. */
static bool in_compat(struct world *w)
{
	struct native_state st = {.rflags = 2};
	struct native_fault fault;

	w->native.compat = true;
	native_catch();
	native_run(&w->native, (const uint8_t *)"\x90", 1, &st, &fault);
	if (fault.vector >= 0)
		return false;
	set_segments(w);
	ZydisDecoderInit(&w->dec, ZYDIS_MACHINE_MODE_LONG_COMPAT_32, ZYDIS_STACK_WIDTH_32);
	return true;
}

static void instructions_of_32_bit_code_do_what_the_host_does(void **state)
{
	if (!in_compat(*state))
		skip();
	many(*state, COMPAT, 30000);
}

static void bmi_instructions_do_what_the_host_does(void **state)
{
	if (!__builtin_cpu_supports("bmi2"))
		skip();
	many(*state, BMI, 20000);
}

/* With the state of vectors of so many bytes. */
static void vectors(struct world *w, unsigned bytes)
{
	w->native.vector = bytes;
	native_load(&w->native);
	w->cpu->xcr0 = bytes == 64 ? 0xe7 : bytes == 32 ? 7 : 3;
	x86_state_changed(w->cpu);
}

static void images(struct world *w, unsigned bytes, bool compat)
{
	if (!image_open(w)) {
		print_message("the host has not XSAVE\n");
		skip();
	}
	if (bytes == 64 && !__builtin_cpu_supports("avx512bw"))
		bytes = 32;
	if (bytes >= 32 && !__builtin_cpu_supports("avx2"))
		bytes = 16;
	if (compat && !in_compat(w))
		skip();
	vectors(w, bytes);
	many(w, IMAGE | (compat ? COMPAT : 0), 20000);
}

static void images_of_all_vectors_are_what_the_host_makes_of_them(void **state)
{
	images(*state, 64, false);
}

static void images_in_32_bit_code_are_what_the_host_makes_of_them(void **state)
{
	images(*state, 64, true);
}

static void xgetbv_tells_no_more_in_use_than_the_host(void **state)
{
	struct world *w = *state;

	if (!image_open(w))
		skip();
	native_catch();
	vectors(w, __builtin_cpu_supports("avx512bw") ? 64
		   : __builtin_cpu_supports("avx2")   ? 32
						      : 16);
	image_in_use(w);
}

static void vex_instructions_do_what_the_host_does(void **state)
{
	struct world *w = *state;

	if (!__builtin_cpu_supports("avx2")) {
		print_message("the host has not AVX2\n");
		skip();
	}
	vectors(w, 32);
	many(w, VEX, 60000);
}

static void evex_instructions_do_what_the_host_does(void **state)
{
	struct world *w = *state;

	if (!__builtin_cpu_supports("avx512vl") || !__builtin_cpu_supports("avx512bw")) {
		print_message("the host has not AVX-512\n");
		skip();
	}
	vectors(w, 64);
	many(w, EVEX, 60000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(bmi_instructions_do_what_the_host_does, setup,
						teardown),
		cmocka_unit_test_setup_teardown(integer_instructions_do_what_the_host_does, setup,
						teardown),
		cmocka_unit_test_setup_teardown(instructions_of_32_bit_code_do_what_the_host_does,
						setup, teardown),
		cmocka_unit_test_setup_teardown(vex_instructions_do_what_the_host_does, setup,
						teardown),
		cmocka_unit_test_setup_teardown(evex_instructions_do_what_the_host_does, setup,
						teardown),
		cmocka_unit_test_setup_teardown(vector_instructions_do_what_the_host_does, setup,
						teardown),
		cmocka_unit_test_setup_teardown(x87_instructions_do_what_the_host_does, setup,
						teardown),
		cmocka_unit_test_setup_teardown(
			images_of_all_vectors_are_what_the_host_makes_of_them, setup, teardown),
		cmocka_unit_test_setup_teardown(
			images_in_32_bit_code_are_what_the_host_makes_of_them, setup, teardown),
		cmocka_unit_test_setup_teardown(xgetbv_tells_no_more_in_use_than_the_host, setup,
						teardown),
	};

	if (getenv("SWTDX_X86_TEST"))
		cmocka_set_test_filter(getenv("SWTDX_X86_TEST"));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
