/* SPDX-License-Identifier: MIT */
/* FXSAVE, FXRSTOR and the XSAVE family for x87, SSE, AVX, AVX-512 and PKRU.
 *
 * What is in its initial state is told so and, by XSAVEOPT, XSAVEC and XSAVES, not written. The
 * modified optimization is allowed, not required: it is not done. */
#include "x86/features.h"
#include "x86/sse.h"
#include "x86/xstate.h"

/* imm */
enum { SAVE_COMPACT = 1, SAVE_SUPERVISOR = 2, SAVE_USED = 4, SAVE_WIDE = 8 };

/* In the legacy region. */
enum { X87_HEAD = 24, MXCSR_AT = 24, ST_AT = 32, XMM_AT = 160 };

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
	memcpy(img, &fx, X87_HEAD);
	memcpy(img + ST_AT, fx.st, sizeof(fx.st));
}

static void get_x87(struct x86_cpu *cpu, const uint8_t *img, bool wide)
{
	struct x86_fxregs fx = cpu->fx;
	unsigned i;

	memcpy(&fx, img, X87_HEAD);
	memcpy(fx.st, img + ST_AT, sizeof(fx.st));
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
	memcpy(img + MXCSR_AT, &cpu->fx.mxcsr, 8);
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
	memcpy(&mxcsr, img + MXCSR_AT, 4);
	if (mxcsr & ~cpu->fx.mxcsr_mask)
		x86_raise_err(cpu, op, VECTOR_GP, 0);
	get_x87(cpu, img, op->imm & 8);
	cpu->fx.mxcsr = mxcsr;
	memcpy(cpu->xmm, img + XMM_AT, 16 * xmm_count(cpu));
	NEXT;
}

/* The components that an instruction manages. */
static uint64_t managed(const struct x86_cpu *cpu, const struct x86_op *op)
{
	return cpu->xcr0 | (op->imm & SAVE_SUPERVISOR ? cpu->xss : 0);
}

static uint64_t requested(const struct x86_cpu *cpu, const struct x86_op *op)
{
	const uint64_t mask = cpu->regs.rdx << 32 | (uint32_t)cpu->regs.rax;

	return mask & managed(cpu, op);
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
	struct saving s = {.asked = requested(cpu, op), .compact = op->imm & SAVE_COMPACT};

	s.used = s.asked & x86_xinuse(cpu);
	/* Where MXCSR goes with SSE, it is a part of it. */
	if (s.compact && cpu->fx.mxcsr != MXCSR_RESET)
		s.used |= s.asked & XFAM_SSE;
	s.written = op->imm & SAVE_USED ? s.used : s.asked;
	return s;
}

/* An image in pieces: no other byte of it is touched. */
struct pieces {
	unsigned n;
	struct {
		const void *from;
		unsigned at, bytes;
	} is[4 + X86_XPLACES];
};

static void piece(struct pieces *p, unsigned at, const void *from, unsigned bytes)
{
	p->is[p->n].at = at;
	p->is[p->n].from = from;
	p->is[p->n++].bytes = bytes;
}

/* fx: the x87 part of the image. */
static void cut(struct x86_cpu *cpu, const struct saving *s, const uint8_t *fx, struct pieces *p)
{
	unsigned i, bytes;

	p->n = 0;
	if (s->written & XFAM_X87)
		piece(p, 0, fx, X87_HEAD);
	if (s->compact ? s->written & XFAM_SSE : s->asked & (XFAM_SSE | XFAM_AVX))
		piece(p, MXCSR_AT, &cpu->fx.mxcsr, 8);
	if (s->written & XFAM_X87)
		piece(p, ST_AT, fx + ST_AT, sizeof(cpu->fx.st));
	if (s->written & XFAM_SSE)
		piece(p, XMM_AT, cpu->xmm, 16 * xmm_count(cpu));
	for (i = 2; i < X86_XPLACES; i++) {
		const void *from = s->written >> i & 1 ? x86_xcomponent(cpu, i, &bytes) : NULL;

		if (from)
			piece(p, x86_xoffset(cpu, i, s->asked, s->compact), from, bytes);
	}
}

/* It may be written: it is shorter than a page. */
static void probe(struct x86_cpu *cpu, uint64_t la, unsigned bytes)
{
	const uint64_t next = (la | 0xfff) + 1;
	uint64_t one = 1;

	(void)x86_window(cpu, la, &one, ACC_W);
	if (la + bytes > next)
		(void)x86_window(cpu, next, &one, ACC_W);
}

/* XSTATE_BV and, compacted, XCOMP_BV: what else is in the header stays. */
static void put_header(struct x86_cpu *cpu, uint64_t ea, const struct saving *s)
{
	uint64_t header[2] = {s->used, s->asked | XCOMP_BV_COMPACTED};

	if (!s->compact) {
		x86_read(cpu, ea, header, 8, ACC_W);
		header[0] = (header[0] & ~s->asked) | s->used;
	}
	x86_write(cpu, ea, header, s->compact ? 16 : 8, 0);
}

APART static void save(struct x86_cpu *cpu, const struct x86_op *op)
{
	const uint64_t ea = area(cpu, op), header = ea + XSAVE_LEGACY_SIZE;
	const struct saving s = plan(cpu, op);
	uint8_t fx[XMM_AT];
	struct pieces p;
	unsigned i;

	put_x87(cpu, fx, op->imm & SAVE_WIDE);
	cut(cpu, &s, fx, &p);
	cpu->cur = op;
	/* Nothing is written of an image that cannot be written whole. */
	probe(cpu, header, s.compact ? 16 : 8);
	for (i = 0; i < p.n; i++)
		probe(cpu, ea + p.is[i].at, p.is[i].bytes);
	for (i = 0; i < p.n; i++)
		x86_write(cpu, ea + p.is[i].at, p.is[i].from, p.is[i].bytes, 0);
	put_header(cpu, header, &s);
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
	uint8_t img[XSTATE_IMAGE] __attribute__((aligned(8)));
};

static void check(struct x86_cpu *cpu, const struct x86_op *op, struct loading *l)
{
	const uint64_t *header = (const uint64_t *)(const void *)(l->img + XSAVE_LEGACY_SIZE);
	const uint64_t known = managed(cpu, op);
	bool bad = header[0] & ~known;
	unsigned i;

	l->compact = header[1] & XCOMP_BV_COMPACTED;
	if (l->compact)
		bad = bad || ((header[1] & ~XCOMP_BV_COMPACTED) & ~known) ||
		      (header[0] & ~header[1]) || !x86_has(cpu, X86_F_XSAVEC);
	else
		bad = bad || header[1] || (op->imm & SAVE_SUPERVISOR);
	for (i = 2; i < (l->compact ? 8u : 3u); i++)
		bad = bad || header[i];
	if (bad)
		x86_raise_err(cpu, op, VECTOR_GP, 0);
	l->comp = header[1];
	l->asked = requested(cpu, op);
	l->present = l->asked & header[0];
	l->all_mxcsr = !l->compact && (l->asked & (XFAM_SSE | XFAM_AVX));
}

static void fetch(struct x86_cpu *cpu, const struct x86_op *op, uint64_t ea, struct loading *l,
		  unsigned at, unsigned bytes)
{
	cpu->cur = op;
	x86_read(cpu, ea + at, l->img + at, bytes, 0);
	cpu->cur = NULL;
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
			cpu->xused |= (uint16_t)(1u << i);
		} else if (cpu->xused >> i & 1) {
			memset(p, 0, bytes);
		}
	}
	x86_pkru_changed(cpu);
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

/* All of it is read before any of it is loaded. */
APART static void restore(struct x86_cpu *cpu, const struct x86_op *op)
{
	const uint64_t ea = area(cpu, op);
	struct loading l;
	unsigned i, bytes;

	fetch(cpu, op, ea, &l, XSAVE_LEGACY_SIZE, XSAVE_HEADER_SIZE);
	check(cpu, op, &l);
	if (l.all_mxcsr || (l.present & XFAM_SSE)) {
		fetch(cpu, op, ea, &l, MXCSR_AT, sizeof(l.mxcsr));
		memcpy(&l.mxcsr, l.img + MXCSR_AT, sizeof(l.mxcsr));
		if (l.mxcsr & ~cpu->fx.mxcsr_mask)
			x86_raise_err(cpu, op, VECTOR_GP, 0);
	}
	if (l.present & XFAM_X87) {
		fetch(cpu, op, ea, &l, 0, X87_HEAD);
		fetch(cpu, op, ea, &l, ST_AT, sizeof(cpu->fx.st));
	}
	if (l.present & XFAM_SSE)
		fetch(cpu, op, ea, &l, XMM_AT, 16 * xmm_count(cpu));
	for (i = 2; i < X86_XPLACES; i++)
		if (l.present >> i & 1 && x86_xcomponent(cpu, i, &bytes))
			fetch(cpu, op, ea, &l, place_of(cpu, &l, i), bytes);
	load_legacy(cpu, op, &l);
	load_components(cpu, &l);
}

OP(x86_xrstor)
{
	restore(cpu, op);
	NEXT;
}
