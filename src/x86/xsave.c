/* SPDX-License-Identifier: MIT */
/* FXSAVE, FXRSTOR and the XSAVE family for x87, SSE, AVX and AVX-512.
 *
 * What is in its initial state is told so and, by XSAVEOPT, XSAVEC and XSAVES, not written. The
 * modified optimization is allowed, not required: it is not done. */
#include "x86/sse.h"
#include "x86/xstate.h"

/* imm */
enum { SAVE_COMPACT = 1, SAVE_SUPERVISOR = 2, SAVE_USED = 4, SAVE_WIDE = 8 };

#define AREA   (XSAVE_LEGACY_SIZE + XSAVE_HEADER_SIZE)
#define XMM_AT 160u

static void need(struct x86_cpu *cpu, const struct x86_op *op, bool xsave)
{
	if (xsave && !(cpu->cr4 & CR4_OSXSAVE))
		x86_raise(cpu, op, VECTOR_UD);
	if (!xsave && (cpu->cr0 & CR0_EM))
		x86_raise(cpu, op, VECTOR_UD);
	if (cpu->cr0 & CR0_TS)
		x86_raise(cpu, op, VECTOR_NM);
	if ((op->imm & SAVE_SUPERVISOR) && cpu->cpl)
		x86_raise_err(cpu, op, VECTOR_GP, 0);
}

/* The legacy image; narrow forms keep 32 bits of the pointers and room for selectors. */
static void put_x87(const struct x86_cpu *cpu, uint8_t *img, bool wide)
{
	struct x86_fxregs fx = cpu->fx;

	if (!wide) {
		fx.fip &= UINT32_MAX;
		fx.fdp &= UINT32_MAX;
	}
	memcpy(img, &fx, 24);
	memcpy(img + 32, fx.st, sizeof(fx.st));
}

static void get_x87(struct x86_cpu *cpu, const uint8_t *img, bool wide)
{
	struct x86_fxregs fx = cpu->fx;
	unsigned i;

	memcpy(&fx, img, 24);
	memcpy(fx.st, img + 32, sizeof(fx.st));
	if (!wide) {
		fx.fip &= UINT32_MAX;
		fx.fdp &= UINT32_MAX;
	}
	fx.fcw = (fx.fcw & FCW_BITS) | FCW_RESERVED;
	fx.fsw &= 0x7f7f;
	if (fx.fsw & ~fx.fcw & 0x3f)
		fx.fsw |= 0x8080;
	fx.fop &= 0x7ff;
	fx.pad = 0;
	for (i = 0; i < 8; i++)
		memset(&fx.st[i][10], 0, 6);
	cpu->fx = fx;
}

static void init_x87(struct x86_cpu *cpu)
{
	const uint32_t mxcsr = cpu->fx.mxcsr, mask = cpu->fx.mxcsr_mask;

	memset(&cpu->fx, 0, sizeof(cpu->fx));
	cpu->fx.fcw = FCW_INIT;
	cpu->fx.mxcsr = mxcsr;
	cpu->fx.mxcsr_mask = mask;
}

static unsigned xmm_count(const struct x86_cpu *cpu)
{
	return is64(cpu) ? 16 : 8;
}

OP(x86_fxsave)
{
	uint8_t img[512];
	uint64_t ea;

	need(cpu, op, false);
	ea = ea_x(cpu, op);
	if (ea & 15)
		x86_raise_err(cpu, op, VECTOR_GP, 0);
	cpu->cur = op;
	/* Bytes 464 to 511 are the program's own; the rest of an image is kept where nothing is
	 * saved. */
	x86_read(cpu, ea, img, 512, ACC_W);
	put_x87(cpu, img, op->imm & 8);
	memcpy(img + 24, &cpu->fx.mxcsr, 8);
	memcpy(img + XMM_AT, cpu->xmm, 16 * xmm_count(cpu));
	x86_write(cpu, ea, img, 416, 0);
	cpu->cur = NULL;
	NEXT;
}

OP(x86_fxrstor)
{
	uint8_t img[512];
	uint32_t mxcsr;
	uint64_t ea;

	need(cpu, op, false);
	ea = ea_x(cpu, op);
	if (ea & 15)
		x86_raise_err(cpu, op, VECTOR_GP, 0);
	cpu->cur = op;
	x86_read(cpu, ea, img, 512, 0);
	cpu->cur = NULL;
	memcpy(&mxcsr, img + 24, 4);
	if (mxcsr & ~cpu->fx.mxcsr_mask)
		x86_raise_err(cpu, op, VECTOR_GP, 0);
	get_x87(cpu, img, op->imm & 8);
	cpu->fx.mxcsr = mxcsr;
	memcpy(cpu->xmm, img + XMM_AT, 16 * xmm_count(cpu));
	NEXT;
}

static uint64_t requested(const struct x86_cpu *cpu)
{
	const uint64_t mask = cpu->regs.rdx << 32 | (uint32_t)cpu->regs.rax;

	return mask & cpu->xcr0;
}

static uint64_t area(struct x86_cpu *cpu, const struct x86_op *op)
{
	uint64_t ea;

	need(cpu, op, true);
	ea = ea_x(cpu, op);
	if (ea & 63)
		x86_raise_err(cpu, op, VECTOR_GP, 0);
	return ea;
}

/* What is written of a save. */
struct saving {
	uint64_t asked, used, written; /* components */
	bool compact;
};

static struct saving plan(struct x86_cpu *cpu, const struct x86_op *op)
{
	struct saving s = {.asked = requested(cpu), .compact = op->imm & SAVE_COMPACT};

	s.used = s.asked & x86_xinuse(cpu);
	/* Where MXCSR goes with SSE, it is a part of it. */
	if (s.compact && cpu->fx.mxcsr != MXCSR_RESET)
		s.used |= s.asked & XFAM_SSE;
	s.written = op->imm & SAVE_USED ? s.used : s.asked;
	return s;
}

/* Bytes of the image up to the end of the last component that is written. */
static unsigned extent(struct x86_cpu *cpu, const struct saving *s)
{
	unsigned end = AREA, bytes, i;

	for (i = 2; i < X86_XPLACES; i++) {
		unsigned last;

		if (!(s->written >> i & 1) || !x86_xcomponent(cpu, i, &bytes))
			continue;
		last = x86_xoffset(cpu, i, s->asked, s->compact) + bytes;
		if (last > end)
			end = last;
	}
	return end;
}

static void put_header(uint8_t *img, const struct saving *s)
{
	uint64_t bv, comp = s->asked | XCOMP_BV_COMPACTED;

	memcpy(&bv, img + XSAVE_LEGACY_SIZE, sizeof(bv));
	bv = s->compact ? s->used : (bv & ~s->asked) | s->used;
	memcpy(img + XSAVE_LEGACY_SIZE, &bv, sizeof(bv));
	if (s->compact)
		memcpy(img + XSAVE_LEGACY_SIZE + 8, &comp, sizeof(comp));
}

APART static void save(struct x86_cpu *cpu, const struct x86_op *op)
{
	const uint64_t ea = area(cpu, op);
	const struct saving s = plan(cpu, op);
	const unsigned end = extent(cpu, &s);
	uint8_t img[XSTATE_IMAGE];
	unsigned i, bytes;

	cpu->cur = op;
	x86_read(cpu, ea, img, end, ACC_W);
	if (s.written & XFAM_X87)
		put_x87(cpu, img, op->imm & SAVE_WIDE);
	if (s.compact ? s.written & XFAM_SSE : s.asked & (XFAM_SSE | XFAM_AVX))
		memcpy(img + 24, &cpu->fx.mxcsr, 8);
	if (s.written & XFAM_SSE)
		memcpy(img + XMM_AT, cpu->xmm, 16 * xmm_count(cpu));
	for (i = 2; i < X86_XPLACES; i++) {
		const void *p = s.written >> i & 1 ? x86_xcomponent(cpu, i, &bytes) : NULL;

		if (p)
			memcpy(img + x86_xoffset(cpu, i, s.asked, s.compact), p, bytes);
	}
	put_header(img, &s);
	x86_write(cpu, ea, img, end, 0);
	cpu->cur = NULL;
}

OP(x86_xsave)
{
	save(cpu, op);
	NEXT;
}

/* An image that is loaded. */
struct loading {
	uint64_t asked, present; /* components: those that are there, of them */
	uint64_t comp;
	uint32_t mxcsr;
	bool compact, all_mxcsr; /* MXCSR is loaded whatever is present */
	uint8_t img[XSTATE_IMAGE];
};

static void check(struct x86_cpu *cpu, const struct x86_op *op, struct loading *l)
{
	uint64_t header[8];
	bool bad;
	unsigned i;

	memcpy(header, l->img + XSAVE_LEGACY_SIZE, sizeof(header));
	memcpy(&l->mxcsr, l->img + 24, 4);
	l->compact = header[1] & XCOMP_BV_COMPACTED;
	bad = header[0] & ~cpu->xcr0;
	if (l->compact)
		bad = bad || ((header[1] & ~XCOMP_BV_COMPACTED) & ~cpu->xcr0) ||
		      (header[0] & ~header[1]);
	else
		bad = bad || header[1] || (op->imm & SAVE_SUPERVISOR);
	for (i = 2; i < (l->compact ? 8u : 3u); i++)
		bad = bad || header[i];
	l->comp = header[1];
	l->asked = requested(cpu);
	l->present = l->asked & header[0];
	l->all_mxcsr = !l->compact && (l->asked & (XFAM_SSE | XFAM_AVX));
	if (l->all_mxcsr || (l->present & XFAM_SSE))
		bad = bad || (l->mxcsr & ~cpu->fx.mxcsr_mask);
	if (bad)
		x86_raise_err(cpu, op, VECTOR_GP, 0);
}

static unsigned place_of(const struct x86_cpu *cpu, const struct loading *l, unsigned i)
{
	return x86_xoffset(cpu, i, l->comp, l->compact);
}

static void load_components(struct x86_cpu *cpu, const struct loading *l)
{
	unsigned i, bytes;

	for (i = 2; i < X86_XPLACES; i++) {
		void *p = l->asked >> i & 1 ? x86_xcomponent(cpu, i, &bytes) : NULL;

		if (!p)
			continue;
		if (l->present >> i & 1) {
			memcpy(p, l->img + place_of(cpu, l, i), bytes);
			cpu->xused |= (uint8_t)(1u << i);
		} else if (cpu->xused >> i & 1) {
			memset(p, 0, bytes);
		}
	}
}

static void load_legacy(struct x86_cpu *cpu, const struct x86_op *op, const struct loading *l)
{
	if (l->asked & XFAM_X87) {
		if (l->present & XFAM_X87)
			get_x87(cpu, l->img, op->imm & SAVE_WIDE);
		else
			init_x87(cpu);
	}
	if (l->asked & XFAM_SSE) {
		if (l->present & XFAM_SSE)
			memcpy(cpu->xmm, l->img + XMM_AT, 16 * xmm_count(cpu));
		else
			memset(cpu->xmm, 0, 16 * xmm_count(cpu));
		cpu->fx.mxcsr = l->present & XFAM_SSE ? l->mxcsr : MXCSR_RESET;
	}
	if (l->all_mxcsr)
		cpu->fx.mxcsr = l->mxcsr;
}

APART static void restore(struct x86_cpu *cpu, const struct x86_op *op)
{
	const uint64_t ea = area(cpu, op);
	struct loading l;
	unsigned i, bytes;

	cpu->cur = op;
	x86_read(cpu, ea, l.img, AREA, 0);
	cpu->cur = NULL;
	check(cpu, op, &l);
	cpu->cur = op;
	for (i = 2; i < X86_XPLACES; i++) {
		const unsigned at = place_of(cpu, &l, i);

		if (l.present >> i & 1 && x86_xcomponent(cpu, i, &bytes))
			x86_read(cpu, ea + at, l.img + at, bytes, 0);
	}
	cpu->cur = NULL;
	load_legacy(cpu, op, &l);
	load_components(cpu, &l);
}

OP(x86_xrstor)
{
	restore(cpu, op);
	NEXT;
}
