/* SPDX-License-Identifier: MIT */
/* Execution of VEX and EVEX instructions: operands in, the host's instruction, results out.
 *
 * Exceptions of floating point are as in sse.c: with one unmasked, the host computes with all
 * masked, and the flags it raises decide about the result. */
#include "x86/flags.h"
#include "x86/vex.h"

#define MXCSR_FLAGS    0x3fu
#define MXCSR_MASKS    0x1f80u
#define MXCSR_OPERANDS 7u /* invalid, denormal, division by zero */
#define MXCSR_UE       0x10u
#define MXCSR_UM       0x800u
#define MXCSR_FZ       0x8000u

void vex_need(struct x86_cpu *cpu, const struct x86_op *op, unsigned flags)
{
	const unsigned level = flags & VEX_F_EVEX ? VEX_LEVEL_512 : VEX_LEVEL_AVX;

	if (likely(cpu->vex_level >= level))
		return;
	if (!(cpu->cr4 & CR4_OSXSAVE) ||
	    (cpu->xcr0 & (XFAM_SSE | XFAM_AVX)) != (XFAM_SSE | XFAM_AVX) ||
	    (level == VEX_LEVEL_512 && (cpu->xcr0 & XFAM_AVX3) != XFAM_AVX3))
		x86_raise(cpu, op, VECTOR_UD);
	x86_raise(cpu, op, VECTOR_NM);
}

void vex_get(const struct x86_cpu *cpu, unsigned number, uint8_t *to)
{
	if (number >= 16) {
		memcpy(to, cpu->zmm16[number - 16], VEX_BYTES);
		return;
	}
	memcpy(to, &cpu->xmm[number], 16);
	memcpy(to + 16, &cpu->ymm_hi[number], 16);
	memcpy(to + 32, cpu->zmm_hi[number], 32);
}

void vex_put(struct x86_cpu *cpu, unsigned number, const void *from, unsigned bytes)
{
	uint8_t v[VEX_BYTES] = {0};

	memcpy(v, from, bytes);
	if (number >= 16) {
		memcpy(cpu->zmm16[number - 16], v, VEX_BYTES);
		cpu->xused |= XFAM_ZMM16;
		return;
	}
	memcpy(&cpu->xmm[number], v, 16);
	memcpy(&cpu->ymm_hi[number], v + 16, 16);
	cpu->xused |= XFAM_AVX;
	if (bytes > 32)
		cpu->xused |= XFAM_ZMM_HI;
	/* up to the end of the longest register that XCR0 has */
	if ((cpu->xused & XFAM_ZMM_HI) && cpu->vex_level == VEX_LEVEL_512)
		memcpy(cpu->zmm_hi[number], v + 32, 32);
}

static unsigned number_of(const struct x86_op *op, const struct vex_form *f, unsigned slot)
{
	switch ((enum vex_slot)slot) {
	case VEX_REG:
		return op->d;
	case VEX_VVVV:
		return op->s;
	case VEX_RM:
		return op->b;
	default:
		return f->key.is4;
	}
}

static void fetch(struct x86_cpu *cpu, const struct x86_op *op, const struct vex_form *f,
		  struct vex_regs *r)
{
	unsigned slot;

	for (slot = 0; slot < VEX_SLOTS; slot++) {
		const unsigned n = number_of(op, f, slot);

		switch ((enum vex_class)f->cls[slot]) {
		case VEX_VECTOR:
			vex_get(cpu, n, r->v[slot]);
			break;
		case VEX_GPR:
			r->g[slot] = R64(8 * n);
			break;
		case VEX_K:
			r->k[slot] = cpu->k[n];
			break;
		case VEX_NONE:
			break;
		}
	}
	if (f->key.mask != VEX_NO_MASK)
		r->k[VEX_IS4] = cpu->k[f->key.mask];
}

static void put_results(struct x86_cpu *cpu, const struct x86_op *op, const struct vex_form *f,
			const struct vex_regs *r)
{
	unsigned slot;

	for (slot = 0; slot < VEX_SLOTS; slot++) {
		const unsigned n = number_of(op, f, slot);

		if (!(f->writes >> slot & 1))
			continue;
		switch ((enum vex_class)f->cls[slot]) {
		case VEX_VECTOR:
			vex_put(cpu, n, r->v[slot], f->flags & VEX_F_WIDE ? VEX_BYTES : 32);
			break;
		case VEX_GPR:
			R64(8 * n) = r->g[slot];
			break;
		case VEX_K:
			cpu->k[n] = r->k[slot];
			cpu->xused |= XFAM_K;
			break;
		case VEX_NONE:
			break;
		}
	}
	if (f->flags & VEX_F_FLAGS)
		cpu->fl = r->fl;
	if ((f->flags & VEX_F_FP) && !f->lane)
		cpu->fx.mxcsr = r->mxcsr;
}

/* VCVTPS2PH is the one that makes denormal results which FZ does not flush. */
static bool tiny_half(const struct vex_form *f, const struct vex_regs *r)
{
	const uint8_t *p = f->mem_write ? r->mem : r->v[VEX_RM];
	unsigned i;

	for (i = 0; i < f->bytes / 2u; i += 2) {
		uint16_t v;

		memcpy(&v, p + i, 2);
		if (!(v & 0x7c00) && (v & 0x3ff))
			return true;
	}
	return false;
}

/* A tiny result raises an unmasked underflow also where it is exact. With FZ the host says so. */
static uint32_t underflow(const struct vex_form *f, const struct vex_regs *r)
{
	struct vex_regs again = *r;

	if (!(f->flags & VEX_F_HALF))
		again.mxcsr |= MXCSR_FZ;
	f->run(&again);
	if ((f->flags & VEX_F_HALF) && tiny_half(f, &again))
		return MXCSR_UE;
	return again.mxcsr & MXCSR_UE;
}

/* Under the guest's MXCSR, which is in r afterwards; does not return from #XM. */
static void run_fp(struct x86_cpu *cpu, const struct x86_op *op, const struct vex_form *f,
		   struct vex_regs *r)
{
	const uint32_t guest = cpu->fx.mxcsr;
	uint32_t got, tiny;

	if (likely((guest & MXCSR_MASKS) == MXCSR_MASKS || (f->flags & VEX_F_SAE))) {
		r->mxcsr = guest;
		f->run(r);
		return;
	}
	r->mxcsr = (guest & ~MXCSR_FLAGS) | MXCSR_MASKS;
	if (f->flags & VEX_F_TINY && !(guest & MXCSR_UM)) /* which alone lets FZ flush */
		r->mxcsr &= ~MXCSR_FZ;
	tiny = guest & MXCSR_UM || (f->flags & VEX_F_TINY) ? 0 : underflow(f, r);
	f->run(r);
	got = (r->mxcsr & MXCSR_FLAGS) | tiny;
	if (got & ~(guest >> 7) & MXCSR_OPERANDS)
		got &= MXCSR_OPERANDS;
	r->mxcsr = guest | got;
	if (!(got & ~(guest >> 7)))
		return;
	cpu->fx.mxcsr = r->mxcsr;
	x86_raise(cpu, op, cpu->cr4 & CR4_OSXMMEXCPT ? VECTOR_XM : VECTOR_UD);
}

static void run_lanes(struct x86_cpu *cpu, const struct vex_form *f, struct vex_regs *r)
{
	const uint8_t *b = f->cls[VEX_RM] ? r->v[VEX_RM] : r->mem;
	unsigned i;

	for (i = 0; i < f->bytes; i += 16)
		f->lane(cpu, r->v[VEX_REG] + i, r->v[VEX_VVVV] + i, b + i, f->imm);
	memset(r->v[VEX_REG] + f->bytes, 0, VEX_BYTES - f->bytes);
}

APART static void execute(struct x86_cpu *cpu, const struct x86_op *op)
{
	const struct vex_form *f = vex_form_of(op);
	uint64_t active = 0, ea = 0;
	struct vex_regs r;

	vex_need(cpu, op, f->flags);
	fetch(cpu, op, f, &r);
	if (f->mem_read | f->mem_write) {
		ea = ea_x(cpu, op);
		if ((f->flags & VEX_F_ALIGNED) && (ea & (f->mem_size - 1u)))
			x86_raise_err(cpu, op, VECTOR_GP, 0);
		active = f->key.mask == VEX_NO_MASK ? UINT64_MAX : vex_active(f, r.k[VEX_IS4]);
		if (f->mem_read)
			vex_read(cpu, op, ea, r.mem, active);
	}
	if (f->lane)
		run_lanes(cpu, f, &r);
	else if (f->flags & VEX_F_FP)
		run_fp(cpu, op, f, &r);
	else
		f->run(&r);
	if (f->mem_write)
		vex_write(cpu, op, ea, r.mem, active);
	put_results(cpu, op, f, &r);
}

OP(x86_vex)
{
	execute(cpu, op);
	NEXT;
}

/* --- those with operands of their own --- */

OP(x86_vex_zero)
{
	const unsigned keep = (unsigned)op->imm, n = is64(cpu) ? 16 : 8;
	unsigned i;

	vex_need(cpu, op, 0);
	for (i = 0; i < n; i++) {
		const struct x86_xmm low = cpu->xmm[i];

		vex_put(cpu, i, &low, keep);
	}
	NEXT;
}

/* VPCMPxSTRx: d, and s or memory; the helper in vex_form is that of SSE4.2. */
APART static void compare_strings(struct x86_cpu *cpu, const struct x86_op *op)
{
	const struct vex_form *f = vex_form_of(op);
	struct x86_xmm a = cpu->xmm[op->d], b;

	vex_need(cpu, op, 0);
	if (f->mem_read)
		vex_read(cpu, op, ea_x(cpu, op), (uint8_t *)&b, UINT64_MAX);
	else
		b = cpu->xmm[op->b];
	f->string(cpu, &a, &b, f->imm | (f->wide ? 0x100u : 0));
	if (f->writes) {
		a = cpu->xmm[0];
		vex_put(cpu, 0, &a, sizeof(a));
	}
}

OP(x86_vex_string)
{
	compare_strings(cpu, op);
	NEXT;
}

OP(x86_vex_maskmovdqu)
{
	vex_need(cpu, op, 0);
	return x86_sse_maskmov(cpu, op);
}

OP(x86_vex_ldmxcsr)
{
	vex_need(cpu, op, 0);
	return x86_ldmxcsr(cpu, op);
}

OP(x86_vex_stmxcsr)
{
	vex_need(cpu, op, 0);
	return x86_stmxcsr(cpu, op);
}
