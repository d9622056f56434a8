/* SPDX-License-Identifier: MIT */
/* FXSAVE, FXRSTOR and the XSAVE family for the two components there are: x87 and SSE.
 *
 * imm bits: 8 a 64-bit form, 1 compacted, 2 supervisor. Components are always reported in use: the
 * initial-state and modified optimizations are allowed, not required. */
#include "x86/sse.h"

#define XMM_AT 160u

static void need(struct x86_cpu *cpu, const struct x86_op *op, bool xsave)
{
	if (xsave && !(cpu->cr4 & CR4_OSXSAVE))
		x86_raise(cpu, op, VECTOR_UD);
	if (!xsave && (cpu->cr0 & CR0_EM))
		x86_raise(cpu, op, VECTOR_UD);
	if (cpu->cr0 & CR0_TS)
		x86_raise(cpu, op, VECTOR_NM);
	if ((op->imm & 2) && cpu->cpl)
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

OP(x86_xsave)
{
	const bool compact = op->imm & 1;
	uint8_t img[576];
	uint64_t ea, rfbm, header[8] = {0};

	need(cpu, op, true);
	ea = ea_x(cpu, op);
	if (ea & 63)
		x86_raise_err(cpu, op, VECTOR_GP, 0);
	rfbm = requested(cpu);
	cpu->cur = op;
	x86_read(cpu, ea, img, sizeof(img), ACC_W);
	memcpy(header, img + XSAVE_LEGACY_SIZE, sizeof(header));
	if (rfbm & XFAM_X87)
		put_x87(cpu, img, op->imm & 8);
	if (rfbm & XFAM_SSE) {
		memcpy(img + 24, &cpu->fx.mxcsr, 8);
		memcpy(img + XMM_AT, cpu->xmm, 16 * xmm_count(cpu));
	}
	if (compact) {
		memset(header, 0, sizeof(header));
		header[0] = rfbm;
		header[1] = rfbm | XCOMP_BV_COMPACTED;
	} else {
		header[0] = (header[0] & ~rfbm) | rfbm;
	}
	memcpy(img + XSAVE_LEGACY_SIZE, header, sizeof(header));
	x86_write(cpu, ea, img, sizeof(img), 0);
	cpu->cur = NULL;
	NEXT;
}

OP(x86_xrstor)
{
	uint8_t img[576];
	uint64_t ea, rfbm, header[8];
	uint32_t mxcsr;
	bool compact, bad;
	unsigned i;

	need(cpu, op, true);
	ea = ea_x(cpu, op);
	if (ea & 63)
		x86_raise_err(cpu, op, VECTOR_GP, 0);
	rfbm = requested(cpu);
	cpu->cur = op;
	x86_read(cpu, ea, img, sizeof(img), 0);
	cpu->cur = NULL;
	memcpy(header, img + XSAVE_LEGACY_SIZE, sizeof(header));
	memcpy(&mxcsr, img + 24, 4);
	compact = header[1] & XCOMP_BV_COMPACTED;
	bad = header[0] & ~cpu->xcr0;
	if (compact)
		bad = bad || ((header[1] & ~XCOMP_BV_COMPACTED) & ~cpu->xcr0) ||
		      (header[0] & ~header[1]);
	else
		bad = bad || header[1] || (op->imm & 2);
	for (i = 2; i < (compact ? 8u : 3u); i++)
		bad = bad || header[i];
	if (compact)
		rfbm &= header[1];
	if ((rfbm & XFAM_SSE) && (!compact || (header[0] & XFAM_SSE)))
		bad = bad || (mxcsr & ~cpu->fx.mxcsr_mask);
	if (bad)
		x86_raise_err(cpu, op, VECTOR_GP, 0);
	if (rfbm & XFAM_X87) {
		if (header[0] & XFAM_X87)
			get_x87(cpu, img, op->imm & 8);
		else
			init_x87(cpu);
	}
	if (rfbm & XFAM_SSE) {
		if (header[0] & XFAM_SSE)
			memcpy(cpu->xmm, img + XMM_AT, 16 * xmm_count(cpu));
		else
			memset(cpu->xmm, 0, 16 * xmm_count(cpu));
		cpu->fx.mxcsr = !compact || (header[0] & XFAM_SSE) ? mxcsr : MXCSR_RESET;
	}
	NEXT;
}
