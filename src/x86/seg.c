/* SPDX-License-Identifier: MIT */
/* Descriptor tables and loads of segment registers (SDM vol. 3, ch. 3 and 5). */
#include "x86/seg.h"
#include "x86/stack.h"

bool x86_desc_read(struct x86_cpu *cpu, uint16_t sel, bool wide, struct desc *d)
{
	const unsigned offset = sel & ~7u, size = wide ? 16 : 8;
	uint64_t base = cpu->gdtr.base, limit = cpu->gdtr.limit;

	if (!(sel & ~3u))
		return false;
	if (sel & 4u) {
		if (cpu->ldtr.ar & SEG_AR_UNUSABLE)
			return false;
		base = cpu->ldtr.base;
		limit = cpu->ldtr.limit;
	}
	if (offset + size - 1 > limit)
		return false;
	d->gla = base + offset;
	d->high = 0;
	d->low = x86_ld(cpu, d->gla, 8, ACC_SUP);
	if (wide)
		d->high = x86_ld(cpu, d->gla + 8, 8, ACC_SUP);
	return true;
}

void x86_desc_need(struct x86_cpu *cpu, uint16_t sel, unsigned vector, unsigned ext, struct desc *d)
{
	if (!x86_desc_read(cpu, sel, false, d))
		x86_raise_err(cpu, NULL, vector, (sel & ~3u) | ext);
}

void x86_desc_accessed(struct x86_cpu *cpu, struct desc *d)
{
	if (d->low >> 40 & 1)
		return;
	d->low |= 1ull << 40;
	x86_st(cpu, d->gla + 5, (uint8_t)(d->low >> 40), 1, ACC_SUP);
}

void x86_code_target(struct x86_cpu *cpu, const struct desc *d, uint64_t ip, unsigned ext)
{
	const bool l64 = (cpu->efer & EFER_LMA) && (desc_ar(d->low) & SEG_AR_L);

	if (l64 ? !x86_canonical_access(cpu, ip) : ip > desc_limit(d->low))
		x86_raise_err(cpu, NULL, VECTOR_GP, ext);
}

void x86_seg_set(struct x86_cpu *cpu, unsigned seg, uint16_t sel, uint64_t d)
{
	cpu->seg[seg] = (struct x86_seg){desc_base(d), desc_limit(d), desc_ar(d), sel};
}

static void load_null(struct x86_cpu *cpu, unsigned seg, uint16_t sel)
{
	struct x86_seg *s = &cpu->seg[seg];

	/* In long mode a null FS or GS keeps nothing of its base; Intel clears it. */
	s->base = 0;
	s->sel = sel;
	s->limit = 0;
	s->ar = SEG_AR_UNUSABLE | (seg == X86_SS ? (uint32_t)cpu->cpl << 5 : 0);
}

void x86_seg_load(struct x86_cpu *cpu, unsigned seg, uint16_t sel)
{
	const unsigned rpl = sel & 3u;
	struct desc d;
	uint32_t ar;

	if (!(sel & ~3u)) {
		if (seg == X86_SS && (!is64(cpu) || cpu->cpl == 3 || rpl != cpu->cpl))
			x86_raise_err(cpu, NULL, VECTOR_GP, 0);
		load_null(cpu, seg, sel);
		x86_mode_changed(cpu);
		return;
	}
	x86_desc_need(cpu, sel, VECTOR_GP, 0, &d);
	ar = desc_ar(d.low);
	if (!(ar & SEG_AR_S))
		x86_raise_err(cpu, NULL, VECTOR_GP, sel & ~3u);
	if (seg == X86_SS) {
		if (rpl != cpu->cpl || SEG_AR_DPL(ar) != cpu->cpl || (ar & 10u) != 2)
			x86_raise_err(cpu, NULL, VECTOR_GP, sel & ~3u);
		if (!(ar & SEG_AR_P))
			x86_raise_err(cpu, NULL, VECTOR_SS, sel & ~3u);
	} else {
		if ((ar & 10u) == 8) /* execute-only */
			x86_raise_err(cpu, NULL, VECTOR_GP, sel & ~3u);
		if ((ar & 12u) != 12 && (SEG_AR_DPL(ar) < rpl || SEG_AR_DPL(ar) < cpu->cpl))
			x86_raise_err(cpu, NULL, VECTOR_GP, sel & ~3u);
		if (!(ar & SEG_AR_P))
			x86_raise_err(cpu, NULL, VECTOR_NP, sel & ~3u);
	}
	x86_desc_accessed(cpu, &d);
	x86_seg_set(cpu, seg, sel, d.low);
	x86_mode_changed(cpu);
}

uint64_t x86_tss_stack(struct x86_cpu *cpu, unsigned ring, unsigned ext, uint16_t *ss)
{
	const unsigned type = cpu->tr.ar & 15u;
	unsigned offset, size;

	if (cpu->efer & EFER_LMA) {
		offset = ring < 3 ? 4 + ring * 8 : 0x24 + (ring - 4) * 8;
		size = 8;
	} else if (type & 8) {
		offset = 4 + ring * 8;
		size = 4;
	} else {
		offset = 2 + ring * 4;
		size = 2;
	}
	if (offset + size + (ss ? 2 : 0) - 1 > cpu->tr.limit)
		x86_raise_err(cpu, NULL, VECTOR_TS, (cpu->tr.sel & ~3u) | ext);
	if (ss)
		*ss = (uint16_t)x86_ld(cpu, cpu->tr.base + offset + size, 2, ACC_SUP);
	return x86_ld(cpu, cpu->tr.base + offset, size, ACC_SUP);
}

/* In the order of SDM vol. 3, 25.4.2. */
_Noreturn void x86_task_switch(struct x86_cpu *cpu, uint16_t sel, enum vmx_task_by by, unsigned len,
			       unsigned ext)
{
	const bool back = by == VMX_TASK_BY_IRET;
	const unsigned vector = back ? VECTOR_TS : VECTOR_GP, error = (sel & ~3u) | ext;
	struct desc d;
	uint32_t ar;

	if ((sel & 4u) || !x86_desc_read(cpu, sel, false, &d))
		x86_raise_err(cpu, NULL, vector, error);
	ar = desc_ar(d.low);
	if ((ar & 0x17u) != (back ? 3 : 1)) /* a TSS of either size, busy or not */
		x86_raise_err(cpu, NULL, vector, error);
	if (!(ar & SEG_AR_P))
		x86_raise_err(cpu, NULL, VECTOR_NP, error);
	if (desc_limit(d.low) < (ar & 8 ? 0x67 : 0x2b))
		x86_raise_err(cpu, NULL, VECTOR_TS, error);
	cpu->exit.insn_len = (uint8_t)len;
	x86_leave(cpu, NULL, VMX_EXIT_TASK_SWITCH, VMX_TASK_SWITCH(by, sel));
}

/* --- instructions --- */

uint16_t x86_selector(struct x86_cpu *cpu, const struct x86_op *op)
{
	const uint64_t ea = x86_at_ea(cpu, op);

	return (uint16_t)(op->fl & OPF_MEM ? x86_ld(cpu, ea, 2, x86_op_acc(op)) : R16(op->s));
}

/* After segment d was loaded. Where a stack may be on its way to another one, nothing comes in
 * between. */
static const struct x86_op *loaded(struct x86_cpu *cpu, const struct x86_op *op)
{
	if (op->d == X86_SS) {
		cpu->shadow = 2;
		x86_attn(cpu, ATTN_STEP);
	}
	return x86_go_on(cpu, op);
}

/* d: segment number; s or memory: the selector. */
OP(x86_mov_to_seg)
{
	x86_seg_load(cpu, op->d, x86_selector(cpu, op));
	return loaded(cpu, op);
}

/* s: segment number, sc: size of a register destination. */
OP(x86_mov_from_seg)
{
	const uint16_t sel = cpu->seg[op->s].sel;

	if (op->fl & OPF_MEM)
		st2(cpu, op, ea_x(cpu, op), sel);
	else if (op->sc == 2)
		wr2(cpu, op->d, sel);
	else
		wr8(cpu, op->d, sel);
	NEXT;
}

OP(x86_push_seg)
{
	cpu->cur = op;
	push(cpu, cpu->seg[op->s].sel, op->sc);
	cpu->cur = NULL;
	NEXT;
}

OP(x86_pop_seg)
{
	uint16_t sel;

	x86_at(cpu, op);
	sel = (uint16_t)peek(cpu, 0, op->sc == 2 ? 2 : 4);
	x86_seg_load(cpu, op->d, sel);
	sp_set(cpu, cpu->regs.rsp + op->sc);
	return loaded(cpu, op);
}

/* LDS and friends. d: register, sc: offset size, imm: segment. */
OP(x86_load_far_ptr)
{
	const uint64_t ea = x86_at_ea(cpu, op), off = x86_ld(cpu, ea, op->s, x86_op_acc(op));
	const uint16_t sel = (uint16_t)x86_ld(cpu, ea + op->s, 2, x86_op_acc(op));

	x86_seg_load(cpu, (unsigned)op->imm, sel);
	if (op->s == 2)
		wr2(cpu, op->d, (uint16_t)off);
	else
		wr8(cpu, op->d, off);
	return x86_go_on(cpu, op);
}

void x86_desc_table(struct x86_cpu *cpu, const struct x86_op *op, enum vmx_exit reason)
{
	const uint64_t disp = (uint64_t)(int64_t)op->disp + (op->b == REG_BASE ? cpu->blkrip : 0);

	if (!cpu->desc_table_exits)
		return;
	cpu->exit.insn_info = (uint32_t)(op->imm >> 32);
	x86_leave(cpu, op, reason, op->fl & OPF_MEM ? disp : 0);
}

/* What LDTR or TR has from its descriptor, of which nothing else is wrong. */
static struct x86_seg system_seg(struct x86_cpu *cpu, uint16_t sel, const struct desc *d)
{
	const uint64_t base = desc_base(d->low) | d->high << 32;

	if (!x86_canonical_register(cpu, base))
		x86_raise_err(cpu, NULL, VECTOR_GP, sel & ~3u);
	return (struct x86_seg){base, desc_limit(d->low), desc_ar(d->low), sel};
}

OP(x86_lldt)
{
	uint16_t sel;
	struct desc d;

	if (cpu->cpl)
		x86_raise_err(cpu, op, VECTOR_GP, 0);
	x86_desc_table(cpu, op, VMX_EXIT_LDTR_TR_ACCESS);
	sel = x86_selector(cpu, op);
	if (!(sel & ~3u)) {
		cpu->ldtr = (struct x86_seg){.sel = sel, .ar = SEG_AR_UNUSABLE};
	} else {
		if ((sel & 4u) || !x86_desc_read(cpu, sel, cpu->efer & EFER_LMA, &d) ||
		    (desc_ar(d.low) & 31u) != 2)
			x86_raise_err(cpu, NULL, VECTOR_GP, sel & ~3u);
		if (!(desc_ar(d.low) & SEG_AR_P))
			x86_raise_err(cpu, NULL, VECTOR_NP, sel & ~3u);
		cpu->ldtr = system_seg(cpu, sel, &d);
	}
	cpu->left += op->n;
	NEXT;
}

OP(x86_ltr)
{
	struct x86_seg tr;
	uint16_t sel;
	struct desc d;

	if (cpu->cpl)
		x86_raise_err(cpu, op, VECTOR_GP, 0);
	x86_desc_table(cpu, op, VMX_EXIT_LDTR_TR_ACCESS);
	sel = x86_selector(cpu, op);
	if ((sel & 4u) || !x86_desc_read(cpu, sel, cpu->efer & EFER_LMA, &d) ||
	    ((desc_ar(d.low) & 31u) != 9 && (is64(cpu) || (desc_ar(d.low) & 31u) != 1)))
		x86_raise_err(cpu, NULL, VECTOR_GP, sel & ~3u);
	if (!(desc_ar(d.low) & SEG_AR_P))
		x86_raise_err(cpu, NULL, VECTOR_NP, sel & ~3u);
	d.low |= 2ull << 40; /* busy */
	tr = system_seg(cpu, sel, &d);
	x86_st(cpu, d.gla + 5, (uint8_t)(d.low >> 40), 1, ACC_SUP);
	cpu->tr = tr;
	return x86_go_on(cpu, op);
}
