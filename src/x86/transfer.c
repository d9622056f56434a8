/* SPDX-License-Identifier: MIT */
/* Far transfers: INT n, IRET, far JMP, CALL and RET, SYSCALL and SYSENTER pairs, SWAPGS.
 *
 * Every one sets cpu->rip last, after all that can fault. Call gates and task switches are left
 * with an UNSUPPORTED or TASK_SWITCH exit. */
#include "x86/flags.h"
#include "x86/seg.h"
#include "x86/stack.h"

static const struct x86_op *arrive(struct x86_cpu *cpu)
{
	cpu->left--;
	x86_mode_changed(cpu);
	return x86_lookup(cpu, 0);
}

/* imm: vector, sc: enum vmx_event */
OP(x86_int_n)
{
	x86_raise_soft(cpu, op, (unsigned)op->imm, op->sc);
}

OP(x86_into)
{
	if (cpu->fl & FL_OF)
		x86_raise_soft(cpu, op, VECTOR_OF, VMX_EVENT_SOFTWARE_EXCEPTION);
	NEXT;
}

/* A far JMP or CALL has come to a gate or a TSS, if not to something that is neither. */
_Noreturn static void to_system(struct x86_cpu *cpu, const struct x86_op *op, uint16_t sel,
				const struct desc *d, enum vmx_task_by by)
{
	const bool lma = cpu->efer & EFER_LMA;
	const uint32_t ar = desc_ar(d->low);
	const unsigned type = ar & 15u, dpl = SEG_AR_DPL(ar);
	const bool call_gate = type == 12 || (!lma && type == 4);
	const bool task_gate = !lma && type == 5, tss = !lma && (type == 1 || type == 9);

	if (!(call_gate || task_gate || tss) || dpl < cpu->cpl || dpl < (sel & 3u))
		x86_raise_err(cpu, NULL, VECTOR_GP, sel & ~3u);
	if (!(ar & SEG_AR_P))
		x86_raise_err(cpu, NULL, VECTOR_NP, sel & ~3u);
	if (call_gate)
		x86_leave(cpu, NULL, X86_EXIT_UNSUPPORTED, X86_UNSUPPORTED_CALL_GATE);
	x86_task_switch(cpu, tss ? sel : (uint16_t)(d->low >> 16), by, op->len, 0);
}

/* A code descriptor that a jump or call (conform by the same rule) may reach. */
static void code_desc(struct x86_cpu *cpu, const struct x86_op *op, uint16_t sel, struct desc *d,
		      enum vmx_task_by by)
{
	uint32_t ar;

	if (!(sel & ~3u))
		x86_raise_err(cpu, NULL, VECTOR_GP, 0);
	x86_desc_need(cpu, sel, VECTOR_GP, 0, d);
	ar = desc_ar(d->low);
	if (!(ar & SEG_AR_S))
		to_system(cpu, op, sel, d, by);
	if (!(ar & 8))
		x86_raise_err(cpu, NULL, VECTOR_GP, sel & ~3u);
	if (ar & 4 ? SEG_AR_DPL(ar) > cpu->cpl
		   : ((sel & 3u) > cpu->cpl || SEG_AR_DPL(ar) != cpu->cpl))
		x86_raise_err(cpu, NULL, VECTOR_GP, sel & ~3u);
	if ((cpu->efer & EFER_LMA) && (ar & SEG_AR_L) && (ar & SEG_AR_DB))
		x86_raise_err(cpu, NULL, VECTOR_GP, sel & ~3u);
	if (!(ar & SEG_AR_P))
		x86_raise_err(cpu, NULL, VECTOR_NP, sel & ~3u);
}

/* sc: operand size; memory, or imm: offset and disp: selector. */
static void far_operand(struct x86_cpu *cpu, const struct x86_op *op, uint64_t *ip, uint16_t *sel)
{
	const uint64_t ea = x86_at_ea(cpu, op);

	if (op->fl & OPF_MEM) {
		*ip = x86_ld(cpu, ea, op->s, x86_op_acc(op));
		*sel = (uint16_t)x86_ld(cpu, ea + op->s, 2, x86_op_acc(op));
	} else {
		*ip = op->imm;
		*sel = (uint16_t)op->disp;
	}
}

OP(x86_far_jmp)
{
	struct desc d;
	uint64_t ip;
	uint16_t sel;

	far_operand(cpu, op, &ip, &sel);
	code_desc(cpu, op, sel, &d, VMX_TASK_BY_JMP);
	x86_code_target(cpu, &d, ip, 0);
	x86_desc_accessed(cpu, &d);
	x86_seg_set(cpu, X86_CS, (uint16_t)((sel & ~3u) | cpu->cpl), d.low);
	cpu->rip = ip;
	return arrive(cpu);
}

OP(x86_far_call)
{
	struct desc d;
	uint64_t ip, stack, frame[2];
	uint8_t image[16];
	uint16_t sel;

	far_operand(cpu, op, &ip, &sel);
	code_desc(cpu, op, sel, &d, VMX_TASK_BY_CALL);
	stack = sp_ea(cpu, cpu->regs.rsp - 2u * op->s, 2u * op->s, true);
	x86_code_target(cpu, &d, ip, 0);
	frame[0] = x86_rip_after(cpu, op->len);
	frame[1] = cpu->seg[X86_CS].sel;
	memcpy(image, &frame[0], op->s);
	memcpy(image + op->s, &frame[1], op->s);
	x86_write(cpu, stack, image, 2u * op->s, ACC_SS);
	sp_set(cpu, cpu->regs.rsp - 2u * op->s);
	x86_desc_accessed(cpu, &d);
	x86_seg_set(cpu, X86_CS, (uint16_t)((sel & ~3u) | cpu->cpl), d.low);
	cpu->rip = ip;
	return arrive(cpu);
}

/* A data segment that an outer privilege may not keep becomes null. */
static void drop_inner(struct x86_cpu *cpu)
{
	static const unsigned char which[] = {X86_ES, X86_DS, X86_FS, X86_GS};
	unsigned i;

	for (i = 0; i < 4; i++) {
		struct x86_seg *s = &cpu->seg[which[i]];

		if ((s->ar & 12u) != 12 && SEG_AR_DPL(s->ar) < cpu->cpl &&
		    !(s->ar & SEG_AR_UNUSABLE)) {
			s->sel = 0;
			s->ar |= SEG_AR_UNUSABLE;
		}
	}
}

/* The common end of RET and IRET: CS:IP, and SS:SP for an outer level or (stack) always. */
static void far_return(struct x86_cpu *cpu, unsigned size, uint64_t offset, uint64_t extra,
		       bool iret)
{
	const bool lma = cpu->efer & EFER_LMA;
	const uint64_t sp = cpu->regs.rsp;
	const unsigned old = cpu->cpl;
	uint64_t ip = peek(cpu, (unsigned)offset, size), flags = 0, new_sp = sp;
	const uint16_t cs = (uint16_t)peek(cpu, (unsigned)offset + size, size);
	const unsigned rpl = cs & 3u;
	unsigned used = (unsigned)offset + 2 * size;
	struct x86_seg ss = cpu->seg[X86_SS];
	struct desc d, sd = {0};
	bool outer, stack;
	uint32_t ar;

	if (iret) {
		flags = peek(cpu, used, size);
		used += size;
	}
	if (!(cs & ~3u))
		x86_raise_err(cpu, NULL, VECTOR_GP, 0);
	x86_desc_need(cpu, cs, VECTOR_GP, 0, &d);
	ar = desc_ar(d.low);
	if (!(ar & SEG_AR_S) || !(ar & 8) || rpl < old ||
	    (ar & 4 ? SEG_AR_DPL(ar) > rpl : SEG_AR_DPL(ar) != rpl) ||
	    (lma && (ar & SEG_AR_L) && (ar & SEG_AR_DB)))
		x86_raise_err(cpu, NULL, VECTOR_GP, cs & ~3u);
	if (!(ar & SEG_AR_P))
		x86_raise_err(cpu, NULL, VECTOR_NP, cs & ~3u);
	outer = rpl != old;
	stack = outer || (iret && is64(cpu));
	used += (unsigned)extra;
	if (stack) {
		const uint16_t sel = (uint16_t)peek(cpu, used + size, size);
		const bool to64 = lma && (ar & SEG_AR_L);

		new_sp = peek(cpu, used, size);
		if (!(sel & ~3u)) {
			if (!to64 || rpl == 3 || (sel & 3u) != rpl)
				x86_raise_err(cpu, NULL, VECTOR_GP, 0);
			ss = (struct x86_seg){.sel = sel, .ar = SEG_AR_UNUSABLE | rpl << 5};
		} else {
			uint32_t sar;

			x86_desc_need(cpu, sel, VECTOR_GP, 0, &sd);
			sar = desc_ar(sd.low);
			if ((sel & 3u) != rpl || !(sar & SEG_AR_S) || (sar & 10u) != 2 ||
			    SEG_AR_DPL(sar) != rpl)
				x86_raise_err(cpu, NULL, VECTOR_GP, sel & ~3u);
			if (!(sar & SEG_AR_P))
				x86_raise_err(cpu, NULL, VECTOR_SS, sel & ~3u);
			ss = (struct x86_seg){desc_base(sd.low), desc_limit(sd.low), sar, sel};
		}
	}
	x86_code_target(cpu, &d, ip, 0);
	x86_desc_accessed(cpu, &d);
	if (sd.gla)
		x86_desc_accessed(cpu, &sd);

	if (stack) {
		cpu->seg[X86_SS] = ss;
		cpu->cpl = (uint8_t)rpl;
		x86_seg_set(cpu, X86_CS, cs, d.low);
		x86_mode_changed(cpu);
		sp_set(cpu, outer ? new_sp + extra : new_sp);
	} else {
		sp_set(cpu, sp + used);
		x86_seg_set(cpu, X86_CS, cs, d.low);
	}
	cpu->rip = size == 8 ? ip : size == 4 ? (uint32_t)ip : (uint16_t)ip;
	if (outer)
		drop_inner(cpu);
	if (iret) {
		uint64_t mask = X86_ARITH | RFLAGS_TF | RFLAGS_DF | RFLAGS_NT | RFLAGS_RF |
				RFLAGS_AC | RFLAGS_ID;

		if (old <= ((cpu->sysflags >> 12) & 3u))
			mask |= RFLAGS_IF;
		if (old == 0)
			mask |= RFLAGS_IOPL;
		if (size == 2)
			mask &= 0xffff;
		x86_set_rflags(cpu, (x86_rflags(cpu) & ~mask) | (flags & mask));
	}
}

OP(x86_far_ret)
{
	x86_at(cpu, op);
	far_return(cpu, op->s, 0, op->imm, false);
	return arrive(cpu);
}

OP(x86_iret)
{
	x86_at(cpu, op);
	if (cpu->sysflags & RFLAGS_NT) {
		if (cpu->efer & EFER_LMA)
			x86_raise_err(cpu, NULL, VECTOR_GP, 0);
		x86_task_switch(cpu, (uint16_t)x86_ld(cpu, cpu->tr.base, 2, ACC_SUP),
				VMX_TASK_BY_IRET, op->len, 0);
	}
	far_return(cpu, op->s, 0, 0, true);
	cpu->nmi_blocked = false;
	return arrive(cpu);
}

static void flat_seg(struct x86_cpu *cpu, unsigned seg, unsigned sel, uint32_t ar)
{
	cpu->seg[seg] = (struct x86_seg){.limit = UINT32_MAX, .ar = ar, .sel = (uint16_t)sel};
}

OP(x86_syscall)
{
	const unsigned sel = (unsigned)(cpu->star >> 32) & 0xffffu;
	uint64_t flags;

	x86_at(cpu, op);
	if (!(cpu->efer & EFER_SCE) || !is64(cpu))
		x86_raise(cpu, NULL, VECTOR_UD);
	flags = x86_rflags(cpu);
	cpu->regs.rcx = x86_rip_after(cpu, op->len);
	cpu->regs.r11 = flags & ~(uint64_t)RFLAGS_RF;
	cpu->cpl = 0;
	flat_seg(cpu, X86_CS, sel & 0xfffcu, SEG_AR_CODE64);
	flat_seg(cpu, X86_SS, sel + 8, SEG_AR_DATA);
	cpu->rip = cpu->lstar;
	x86_set_rflags(cpu, flags & ~cpu->sfmask & ~(uint64_t)RFLAGS_RF);
	return arrive(cpu);
}

/* sc: 8 for a return to 64-bit code. */
OP(x86_sysret)
{
	const unsigned sel = (unsigned)(cpu->star >> 48) & 0xffffu;

	x86_at(cpu, op);
	if (!(cpu->efer & EFER_SCE) || !is64(cpu))
		x86_raise(cpu, NULL, VECTOR_UD);
	if (cpu->cpl)
		x86_raise_err(cpu, NULL, VECTOR_GP, 0);
	if (op->s == 8 && !x86_canonical_access(cpu, cpu->regs.rcx))
		x86_raise_err(cpu, NULL, VECTOR_GP, 0);
	cpu->cpl = 3;
	if (op->s == 8) {
		flat_seg(cpu, X86_CS, (sel + 16) | 3u, 0xa0fb);
		cpu->rip = cpu->regs.rcx;
	} else {
		flat_seg(cpu, X86_CS, sel | 3u, 0xc0fb);
		cpu->rip = (uint32_t)cpu->regs.rcx;
	}
	flat_seg(cpu, X86_SS, (sel + 8) | 3u, 0xc0f3);
	x86_set_rflags(cpu, cpu->regs.r11 & ~(uint64_t)(RFLAGS_RF | RFLAGS_VM));
	return arrive(cpu);
}

OP(x86_sysenter)
{
	const bool lma = cpu->efer & EFER_LMA;

	x86_at(cpu, op);
	if (!(cpu->sysenter_cs & ~3u))
		x86_raise_err(cpu, NULL, VECTOR_GP, 0);
	x86_set_sysflags(cpu, cpu->sysflags & ~(uint64_t)(RFLAGS_IF | RFLAGS_VM));
	cpu->cpl = 0;
	flat_seg(cpu, X86_CS, (unsigned)cpu->sysenter_cs & 0xfffcu,
		 lma ? SEG_AR_CODE64 : SEG_AR_CODE32);
	flat_seg(cpu, X86_SS, ((unsigned)cpu->sysenter_cs & 0xfffcu) + 8, SEG_AR_DATA);
	cpu->regs.rsp = lma ? cpu->sysenter_esp : (uint32_t)cpu->sysenter_esp;
	cpu->rip = lma ? cpu->sysenter_eip : (uint32_t)cpu->sysenter_eip;
	return arrive(cpu);
}

OP(x86_sysexit)
{
	const unsigned sel = (unsigned)cpu->sysenter_cs & 0xfffcu;

	x86_at(cpu, op);
	if (cpu->cpl || !sel)
		x86_raise_err(cpu, NULL, VECTOR_GP, 0);
	if (op->s == 8 && (!x86_canonical_access(cpu, cpu->regs.rcx) ||
			   !x86_canonical_access(cpu, cpu->regs.rdx)))
		x86_raise_err(cpu, NULL, VECTOR_GP, 0);
	cpu->cpl = 3;
	flat_seg(cpu, X86_CS, (sel + (op->s == 8 ? 32 : 16)) | 3u, op->s == 8 ? 0xa0fb : 0xc0fb);
	flat_seg(cpu, X86_SS, (sel + (op->s == 8 ? 40 : 24)) | 3u, 0xc0f3);
	cpu->regs.rsp = op->s == 8 ? cpu->regs.rcx : (uint32_t)cpu->regs.rcx;
	cpu->rip = op->s == 8 ? cpu->regs.rdx : (uint32_t)cpu->regs.rdx;
	return arrive(cpu);
}

OP(x86_swapgs)
{
	const uint64_t base = cpu->seg[X86_GS].base;

	if (cpu->cpl)
		x86_raise_err(cpu, op, VECTOR_GP, 0);
	cpu->seg[X86_GS].base = cpu->kernel_gs_base;
	cpu->kernel_gs_base = base;
	NEXT;
}

/* VERR (imm 0) and VERW (1). */
OP(x86_verify)
{
	struct desc d;
	uint16_t sel;
	bool ok;

	sel = x86_selector(cpu, op);
	ok = x86_desc_read(cpu, sel, false, &d) && (desc_ar(d.low) & SEG_AR_S);
	if (ok) {
		const uint32_t ar = desc_ar(d.low);
		const bool conforming = (ar & 12u) == 12;

		if (!conforming && (SEG_AR_DPL(ar) < cpu->cpl || SEG_AR_DPL(ar) < (sel & 3u)))
			ok = false;
		else if (op->imm)
			ok = !(ar & 8) && (ar & 2);
		else
			ok = !(ar & 8) || (ar & 2);
	}
	cpu->fl = fl_pick(cpu->fl, ok ? FL_ZF : 0, FL_ZF);
	cpu->left += op->n;
	NEXT;
}

/* LAR (imm 0) and LSL (1). Bit 8 of imm: a 16-bit destination. */
OP(x86_lar_lsl)
{
	struct desc d;
	uint16_t sel;
	uint64_t v = 0;
	bool ok;

	sel = x86_selector(cpu, op);
	ok = x86_desc_read(cpu, sel, false, &d);
	if (ok) {
		const uint32_t ar = desc_ar(d.low), type = ar & 15u;
		const bool lma = cpu->efer & EFER_LMA;
		const bool system = !(ar & SEG_AR_S);

		if (system) {
			const unsigned wide =
				1u << 2 | 1u << 9 | 1u << 11 | (op->imm & 1 ? 0 : 1u << 12);
			const unsigned narrow =
				wide | 1u << 1 | 1u << 3 | (op->imm & 1 ? 0 : 1u << 4 | 1u << 5);

			ok = (lma ? wide : narrow) >> type & 1;
		}
		if ((system || (type & 12u) != 12) &&
		    (SEG_AR_DPL(ar) < cpu->cpl || SEG_AR_DPL(ar) < (sel & 3u)))
			ok = false;
		v = op->imm & 1 ? desc_limit(d.low) : (d.low >> 32) & 0x00f0ff00u;
	}
	cpu->fl = fl_pick(cpu->fl, ok ? FL_ZF : 0, FL_ZF);
	if (ok) {
		if (op->imm & 0x100)
			wr2(cpu, op->d, (uint16_t)v);
		else
			wr8(cpu, op->d, v);
	}
	cpu->left += op->n;
	NEXT;
}
