/* SPDX-License-Identifier: MIT */
/* System instructions which the engine executes itself: control and debug registers, descriptor
 * table registers, MSRs it owns, interrupt flag, TLB. Those that end a block do so because what
 * follows depends on them. */
#include "x86/features.h"
#include "x86/flags.h"
#include "x86/system.h"
#include "x86/seg.h"

static const struct x86_op *go_on(struct x86_cpu *cpu, const struct x86_op *op)
{
	x86_mode_changed(cpu);
	return x86_go_on(cpu, op);
}

static void need_cpl0(struct x86_cpu *cpu)
{
	if (cpu->cpl)
		x86_raise_err(cpu, NULL, VECTOR_GP, 0);
}

#define CR_QUAL_READ (1u << 4)

_Noreturn static void cr_exit(struct x86_cpu *cpu, const struct x86_op *op, unsigned cr,
			      unsigned reg, unsigned kind)
{
	cpu->exit.insn_len = op->len;
	x86_leave(cpu, NULL, VMX_EXIT_CR_ACCESS, cr | kind << 4 | reg << 8);
}

static uint64_t visible(uint64_t v, uint64_t mask, uint64_t shadow)
{
	return (v & ~mask) | (shadow & mask);
}

static void write_cr0(struct x86_cpu *cpu, const struct x86_op *op, uint64_t v, unsigned reg,
		      unsigned kind)
{
	const uint64_t old = cpu->cr0;
	uint64_t next;

	if ((v ^ cpu->cr0_shadow) & cpu->cr0_mask)
		cr_exit(cpu, op, 0, reg, kind);
	v |= CR0_ET;
	next = (v & ~cpu->cr0_mask) | (old & cpu->cr0_mask);
	if (v >> 32 || ((next & CR0_PG) && !(next & CR0_PE)) ||
	    ((next & CR0_NW) && !(next & CR0_CD)))
		x86_raise_err(cpu, NULL, VECTOR_GP, 0);
	if (!(next & CR0_PE))
		x86_leave(cpu, NULL, X86_EXIT_UNSUPPORTED, X86_UNSUPPORTED_REAL_MODE);
	if ((next & CR0_PG) && !(old & CR0_PG) && (cpu->efer & EFER_LME)) {
		if (!(cpu->cr4 & CR4_PAE) || (cpu->seg[X86_CS].ar & SEG_AR_L))
			x86_raise_err(cpu, NULL, VECTOR_GP, 0);
		cpu->efer |= EFER_LMA;
	}
	if (!(next & CR0_PG) && (old & CR0_PG)) {
		if (is64(cpu) || (cpu->cr4 & CR4_PCIDE))
			x86_raise_err(cpu, NULL, VECTOR_GP, 0);
		cpu->efer &= ~(uint64_t)EFER_LMA;
	}
	cpu->cr0 = next;
	if ((next ^ old) & (CR0_PG | CR0_WP | CR0_PE))
		x86_mmu_flush(cpu, true);
}

static void write_cr4(struct x86_cpu *cpu, const struct x86_op *op, uint64_t v, unsigned reg)
{
	const uint64_t old = cpu->cr4;
	uint64_t next;

	if ((v ^ cpu->cr4_shadow) & cpu->cr4_mask)
		cr_exit(cpu, op, 4, reg, 0);
	next = (v & ~cpu->cr4_mask) | (old & cpu->cr4_mask);
	if (v & ~x86_cr4_allowed(cpu) & ~cpu->cr4_mask)
		x86_raise_err(cpu, NULL, VECTOR_GP, 0);
	if (cpu->efer & EFER_LMA)
		if (!(next & CR4_PAE) || ((next ^ old) & CR4_LA57))
			x86_raise_err(cpu, NULL, VECTOR_GP, 0);
	if ((next & CR4_PCIDE) && !(old & CR4_PCIDE) &&
	    (!(cpu->efer & EFER_LMA) || (cpu->cr3 & 0xfff)))
		x86_raise_err(cpu, NULL, VECTOR_GP, 0);
	cpu->cr4 = next;
	if ((next ^ old) &
	    (CR4_PSE | CR4_PAE | CR4_PGE | CR4_PCIDE | CR4_SMEP | CR4_SMAP | CR4_LA57 | CR4_PKE))
		x86_mmu_flush(cpu, true);
}

static bool cr3_load_exits(const struct x86_cpu *cpu, uint64_t v)
{
	for (unsigned i = 0; i < cpu->cr3_targets; i++)
		if (v == cpu->cr3_target[i])
			return false;
	return cpu->cr3_load_exits;
}

static void write_cr3(struct x86_cpu *cpu, const struct x86_op *op, uint64_t v, unsigned reg)
{
	const bool keep = (v >> 63) && (cpu->cr4 & CR4_PCIDE);
	const uint64_t old = cpu->cr3;

	if (cr3_load_exits(cpu, v))
		cr_exit(cpu, op, 3, reg, 0);
	if (cpu->cr4 & CR4_PCIDE)
		v &= ~(1ull << 63);
	if (v >> cpu->maxpa)
		x86_raise_err(cpu, NULL, VECTOR_GP, 0);
	cpu->cr3 = v;
	/* Entries are not tagged with a PCID: another address space always starts empty. */
	if (!keep || v != old)
		x86_mmu_flush(cpu, false);
}

/* d: register number, imm: control register. */
OP(x86_mov_to_cr)
{
	const uint64_t v = is64(cpu) ? R64(op->s) : R32(op->s);

	x86_at(cpu, op);
	need_cpl0(cpu);
	switch (op->imm) {
	case 0:
		write_cr0(cpu, op, v, op->s / 8, 0);
		break;
	case 2:
		cpu->cr2 = v;
		break;
	case 3:
		write_cr3(cpu, op, v, op->s / 8);
		break;
	case 4:
		write_cr4(cpu, op, v, op->s / 8);
		break;
	case 8:
		if (cpu->cr8_load_exits)
			cr_exit(cpu, op, 8, op->s / 8, 0);
		if (v & ~15ull)
			x86_raise_err(cpu, NULL, VECTOR_GP, 0);
		cpu->cr8 = v;
		if (cpu->ops->cr8_written)
			cpu->ops->cr8_written(cpu);
		x86_attn(cpu, ATTN_INTR);
		break;
	default:
		x86_raise(cpu, NULL, VECTOR_UD);
	}
	return go_on(cpu, op);
}

/* MOV from CR3 or CR8, which the host wants to see. */
_Noreturn static void cr_store_exit(struct x86_cpu *cpu, const struct x86_op *op)
{
	x86_at(cpu, op);
	cr_exit(cpu, op, (unsigned)op->imm, op->d / 8, 1);
}

OP(x86_mov_from_cr)
{
	uint64_t v;

	if (cpu->cpl)
		x86_raise_err(cpu, op, VECTOR_GP, 0);
	switch (op->imm) {
	case 0:
		v = visible(cpu->cr0, cpu->cr0_mask, cpu->cr0_shadow);
		break;
	case 2:
		v = cpu->cr2;
		break;
	case 3:
		if (cpu->cr3_store_exits)
			cr_store_exit(cpu, op);
		v = cpu->cr3;
		break;
	case 4:
		v = visible(cpu->cr4, cpu->cr4_mask, cpu->cr4_shadow);
		break;
	case 8:
		if (cpu->cr8_store_exits)
			cr_store_exit(cpu, op);
		v = cpu->cr8;
		break;
	default:
		x86_raise(cpu, op, VECTOR_UD);
	}
	R64(op->d) = is64(cpu) ? v : (uint32_t)v;
	NEXT;
}

OP(x86_clts)
{
	x86_at(cpu, op);
	need_cpl0(cpu);
	if (cpu->cr0_mask & CR0_TS) {
		if (cpu->cr0_shadow & CR0_TS)
			cr_exit(cpu, op, 0, 0, 2);
	} else {
		cpu->cr0 &= ~(uint64_t)CR0_TS;
	}
	return go_on(cpu, op);
}

OP(x86_lmsw)
{
	uint64_t v, cr0;

	if (cpu->cpl)
		x86_raise_err(cpu, op, VECTOR_GP, 0);
	v = x86_selector(cpu, op);
	cr0 = visible(cpu->cr0, cpu->cr0_mask, cpu->cr0_shadow);
	v = (cr0 & ~14ull) | (v & 15u) | (cr0 & 1);
	write_cr0(cpu, op, v, 0, 3);
	return go_on(cpu, op);
}

static void need_umip(struct x86_cpu *cpu, const struct x86_op *op)
{
	if (cpu->cpl && (cpu->cr4 & CR4_UMIP))
		x86_raise_err(cpu, op, VECTOR_GP, 0);
}

/* SMSW, SLDT, STR by imm's lower half; register size in sc. */
OP(x86_store_word)
{
	const uint32_t which = (uint32_t)op->imm;
	uint64_t v;

	need_umip(cpu, op);
	if (which)
		x86_desc_table(cpu, op, VMX_EXIT_LDTR_TR_ACCESS);
	v = which == 0	 ? visible(cpu->cr0, cpu->cr0_mask, cpu->cr0_shadow)
	    : which == 1 ? cpu->ldtr.sel
			 : cpu->tr.sel;
	if (op->fl & OPF_MEM)
		st2(cpu, op, ea_x(cpu, op), (uint16_t)v);
	else if (op->sc == 2)
		wr2(cpu, op->d, (uint16_t)v);
	else
		wr8(cpu, op->d, op->sc == 4 ? (uint32_t)v : v);
	NEXT;
}

/* DR4 and DR5 are DR6 and DR7 unless CR4.DE makes them invalid. */
static unsigned dr_number(struct x86_cpu *cpu, const struct x86_op *op)
{
	const unsigned n = (unsigned)op->imm;

	need_cpl0(cpu);
	if (n > 7 || ((n == 4 || n == 5) && (cpu->cr4 & CR4_DE)))
		x86_raise(cpu, NULL, VECTOR_UD);
	if (cpu->mov_dr_exits) {
		cpu->exit.insn_len = op->len;
		x86_leave(cpu, NULL, VMX_EXIT_DR_ACCESS,
			  n | (op->fl & OPF_MEM ? CR_QUAL_READ : 0) | (uint64_t)op->s / 8 << 8);
	}
	if (cpu->dr[7] & DR7_GD)
		x86_raise_debug(cpu, NULL, 1u << 13, true);
	return n == 4 || n == 5 ? n + 2 : n;
}

OP(x86_mov_to_dr)
{
	uint64_t v = is64(cpu) ? R64(op->s) : R32(op->s);
	unsigned n;

	x86_at(cpu, op);
	n = dr_number(cpu, op);
	if (n >= 6) {
		if (v >> 32)
			x86_raise_err(cpu, NULL, VECTOR_GP, 0);
		v = n == 6 ? (v & 0x1e80f) | 0xfffe07f0 : (v & 0xffff2bff) | DR7_RESET;
	}
	cpu->dr[n] = v;
	if (n != 6)
		x86_debug_changed(cpu);
	return go_on(cpu, op);
}

OP(x86_mov_from_dr)
{
	x86_at(cpu, op);
	R64(op->d) = cpu->dr[dr_number(cpu, op)];
	return go_on(cpu, op);
}

/* imm's lower half: 0 GDT, 1 IDT */
OP(x86_load_dt)
{
	struct x86_dtr *dt = (uint32_t)op->imm ? &cpu->idtr : &cpu->gdtr;
	uint64_t ea, base;
	uint16_t limit;

	if (cpu->cpl)
		x86_raise_err(cpu, op, VECTOR_GP, 0);
	x86_desc_table(cpu, op, VMX_EXIT_GDTR_IDTR_ACCESS);
	ea = x86_at_ea(cpu, op);
	limit = (uint16_t)x86_ld(cpu, ea, 2, x86_op_acc(op));
	base = is64(cpu) ? x86_ld(cpu, ea + 2, 8, x86_op_acc(op))
			 : (uint32_t)x86_ld(cpu, ea + 2, 4, x86_op_acc(op));
	if (!x86_canonical_register(cpu, base))
		x86_raise_err(cpu, NULL, VECTOR_GP, 0);
	if (op->s == 2)
		base &= 0xffffff;
	dt->base = base;
	dt->limit = limit;
	return go_on(cpu, op);
}

OP(x86_store_dt)
{
	const struct x86_dtr *dt = (uint32_t)op->imm ? &cpu->idtr : &cpu->gdtr;
	uint8_t image[10];

	need_umip(cpu, op);
	x86_desc_table(cpu, op, VMX_EXIT_GDTR_IDTR_ACCESS);
	memcpy(image, &dt->limit, 2);
	memcpy(image + 2, &dt->base, 8);
	cpu->cur = op;
	x86_write(cpu, ea_x(cpu, op), image, is64(cpu) ? 10 : 6, 0);
	cpu->cur = NULL;
	NEXT;
}

OP(x86_invlpg)
{
	uint64_t ea;

	if (cpu->cpl)
		x86_raise_err(cpu, op, VECTOR_GP, 0);
	ea = x86_at_ea(cpu, op);
	if (cpu->invlpg_exits) {
		cpu->exit.insn_len = op->len;
		x86_leave(cpu, NULL, VMX_EXIT_INVLPG, ea);
	}
	x86_mmu_flush_va(cpu, ea);
	return go_on(cpu, op);
}

OP(x86_invpcid)
{
	uint64_t d[2], type;

	if (cpu->cpl)
		x86_raise_err(cpu, op, VECTOR_GP, 0);
	if (cpu->invlpg_exits) {
		cpu->exit.insn_info = (uint32_t)(op->imm >> 32);
		x86_leave(cpu, op, VMX_EXIT_INVPCID,
			  (uint64_t)(int64_t)op->disp + (op->b == REG_BASE ? cpu->blkrip : 0));
	}
	x86_read(cpu, x86_at_ea(cpu, op), d, 16, x86_op_acc(op));
	type = is64(cpu) ? R64(op->d) : R32(op->d);
	if (type > 3 || d[0] >> 12 || (type == 0 && !x86_canonical_register(cpu, d[1])))
		x86_raise_err(cpu, NULL, VECTOR_GP, 0);
	x86_mmu_flush(cpu, type != 1);
	return go_on(cpu, op);
}

static unsigned iopl(const struct x86_cpu *cpu)
{
	return (unsigned)(cpu->sysflags >> 12) & 3u;
}

OP(x86_cli)
{
	if (cpu->cpl > iopl(cpu))
		x86_raise_err(cpu, op, VECTOR_GP, 0);
	cpu->sysflags &= ~(uint64_t)RFLAGS_IF;
	NEXT;
}

OP(x86_sti)
{
	x86_at(cpu, op);
	if (cpu->cpl > iopl(cpu))
		x86_raise_err(cpu, NULL, VECTOR_GP, 0);
	if (!(cpu->sysflags & RFLAGS_IF)) {
		cpu->shadow = 1;
		x86_set_sysflags(cpu, cpu->sysflags | RFLAGS_IF);
	}
	return go_on(cpu, op);
}

/* STAC (imm set) and CLAC. */
OP(x86_ac)
{
	if (cpu->cpl)
		x86_raise(cpu, op, VECTOR_UD);
	x86_set_sysflags(cpu, op->imm ? cpu->sysflags | RFLAGS_AC
				      : cpu->sysflags & ~(uint64_t)RFLAGS_AC);
	NEXT;
}

/* CLC, STC, CMC, CLD, STD, LAHF, SAHF by imm. */
OP(x86_flag)
{
	switch (op->imm) {
	case 0:
		cpu->fl &= (uint16_t)~FL_CF;
		break;
	case 1:
		cpu->fl |= FL_CF;
		break;
	case 2:
		cpu->fl ^= FL_CF;
		break;
	case 3:
		cpu->sysflags &= ~(uint64_t)RFLAGS_DF;
		break;
	case 4:
		cpu->sysflags |= RFLAGS_DF;
		break;
	case 5: /* LAHF */
		R8(1) = (uint8_t)(cpu->fl >> 8 | 2);
		break;
	case 6: /* SAHF */
		cpu->fl = (uint16_t)((R8(1) & 0xd5u) << 8 | FL_FIXED | (cpu->fl & FL_OF));
		break;
	}
	NEXT;
}

/* FS and GS base: imm bit 0 write, bit 1 GS; s or d the register, sc the size. */
OP(x86_fsgsbase)
{
	struct x86_seg *s = &cpu->seg[op->imm & 2 ? X86_GS : X86_FS];

	if (!(cpu->cr4 & CR4_FSGSBASE))
		x86_raise(cpu, op, VECTOR_UD);
	if (op->imm & 1) {
		const uint64_t v = op->sc == 8 ? R64(op->s) : R32(op->s);

		if (!x86_canonical_register(cpu, v))
			x86_raise_err(cpu, op, VECTOR_GP, 0);
		s->base = v;
	} else {
		R64(op->d) = op->sc == 8 ? s->base : (uint32_t)s->base;
	}
	NEXT;
}
