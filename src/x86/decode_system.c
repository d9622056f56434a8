/* SPDX-License-Identifier: MIT */
/* Translation of system instructions and of those that leave the guest. */
#include "x86/decode.h"
#include "x86/seg.h"
#include "x86/system.h"

static uint8_t reg_of(const struct x86_tr *tr, unsigned operand)
{
	return (uint8_t)x86_tr_reg(tr->o[operand].reg.value);
}

/* Where the instruction asks for a privilege: 0 #GP outside CPL 0, 1 none, 2 #UD outside CPL 0. */
static void leaves(struct x86_tr *tr, unsigned reason, uint8_t privilege)
{
	struct x86_op *op = x86_tr_end(tr, x86_exit_insn);

	op->imm = reason;
	op->d = privilege;
}

static uint32_t reg_number(unsigned offset)
{
	return offset / 8 & 15u;
}

/* VM-exit instruction information, SDM tables 28-13 and 28-14: the register or memory operand. */
static uint32_t operand_info(const struct x86_tr *tr, const struct x86_op *op,
			     const ZydisDecodedOperand *o)
{
	const unsigned width = tr->in.address_width;
	uint32_t info = X86_INFO_REGISTER;

	if (tr_is_reg(o))
		return info | reg_number(x86_tr_reg(o->reg.value)) << X86_INFO_REG1_SHIFT;
	info = op->sc | (width == 64 ? 2u : width == 32 ? 1u : 0u) << 7;
	info |= (uint32_t)(o->mem.segment - ZYDIS_REGISTER_ES) << 15;
	info |= op->i == REG_ZERO ? 1u << 22 : reg_number(op->i) << 18;
	info |= op->b == REG_ZERO || op->b == REG_BASE ? 1u << 27 : reg_number(op->b) << 23;
	return info;
}

/* A VMX instruction: which operand is a register or memory, which a register; -1: there is none. */
static void vmx(struct x86_tr *tr, enum vmx_exit reason, int rm, int reg)
{
	struct x86_op *op = x86_tr_end(tr, x86_vmx_insn);
	uint64_t info = 0;

	if (rm >= 0 && tr_is_mem(&tr->o[rm])) {
		x86_tr_mem(tr, op, &tr->o[rm]);
		op->s = 1;
	}
	if (rm >= 0)
		info = operand_info(tr, op, &tr->o[rm]);
	if (reg >= 0)
		info |= (uint64_t)reg_number(x86_tr_reg(tr->o[reg].reg.value))
			<< X86_INFO_REG2_SHIFT;
	op->imm = reason | info << 32;
}

static void io(struct x86_tr *tr, bool in, bool string, unsigned size)
{
	const ZydisInstructionAttributes a = tr->in.attributes;
	struct x86_op *op = x86_tr_end(tr, x86_in_out);

	op->s = (uint8_t)((in ? 1 : 0) | (string ? 2 : 0));
	op->d = (uint8_t)size;
	op->imm = 0x10000;
	if (string) {
		op->seg = a & ZYDIS_ATTRIB_HAS_SEGMENT_GS   ? X86_GS
			  : a & ZYDIS_ATTRIB_HAS_SEGMENT_FS ? X86_FS
			  : tr->mode & M_L64		    ? X86_NOSEG
							    : X86_DS;
		if (tr->in.address_width == 32)
			op->fl |= OPF_A32;
		if (tr->in.address_width == 16)
			op->fl |= OPF_A16;
	} else if (tr_is_imm(&tr->o[in ? 1 : 0])) {
		op->imm = tr->o[in ? 1 : 0].imm.value.u & 0xff;
	}
}

static void mov_special(struct x86_tr *tr, bool *known)
{
	const ZydisRegister to = tr_is_reg(&tr->o[0]) ? tr->o[0].reg.value : ZYDIS_REGISTER_NONE;
	const ZydisRegister from = tr_is_reg(&tr->o[1]) ? tr->o[1].reg.value : ZYDIS_REGISTER_NONE;
	struct x86_op *op;

	*known = true;
	if (to >= ZYDIS_REGISTER_CR0 && to <= ZYDIS_REGISTER_CR15) {
		op = x86_tr_end(tr, x86_mov_to_cr);
		op->imm = (uint64_t)(to - ZYDIS_REGISTER_CR0);
		op->s = reg_of(tr, 1);
	} else if (from >= ZYDIS_REGISTER_CR0 && from <= ZYDIS_REGISTER_CR15) {
		op = x86_tr_op(tr, x86_mov_from_cr);
		op->imm = (uint64_t)(from - ZYDIS_REGISTER_CR0);
		op->d = reg_of(tr, 0);
	} else if (to >= ZYDIS_REGISTER_DR0 && to <= ZYDIS_REGISTER_DR15) {
		op = x86_tr_end(tr, x86_mov_to_dr);
		op->imm = (uint64_t)(to - ZYDIS_REGISTER_DR0);
		op->s = reg_of(tr, 1);
	} else if (from >= ZYDIS_REGISTER_DR0 && from <= ZYDIS_REGISTER_DR15) {
		op = x86_tr_end(tr, x86_mov_from_dr);
		op->imm = (uint64_t)(from - ZYDIS_REGISTER_DR0);
		op->d = op->s = reg_of(tr, 0);
		op->fl |= OPF_MEM; /* marks the direction for an exit */
	} else {
		*known = false;
	}
}

/* A selector or word operand in a register or memory. */
static struct x86_op *word_operand(struct x86_tr *tr, struct x86_op *op, unsigned operand)
{
	if (tr_is_mem(&tr->o[operand])) {
		x86_tr_mem(tr, op, &tr->o[operand]);
	} else {
		op->s = op->d = reg_of(tr, operand);
		op->sc = (uint8_t)(tr->o[operand].size / 8);
	}
	return op;
}

/* Bits 29:28 of the information of an exit for a descriptor table, SDM tables 28-9 and 28-10. */
enum { STORES_FIRST = 0, STORES_SECOND = 1, LOADS_FIRST = 2, LOADS_SECOND = 3, WHICH_SHIFT = 28 };

/* LLDT, LTR, SLDT, STR. */
static void ldt_or_tr(struct x86_tr *tr, struct x86_op *op, unsigned which, uint32_t imm)
{
	word_operand(tr, op, 0);
	op->imm = imm | (uint64_t)(operand_info(tr, op, &tr->o[0]) | which << WHICH_SHIFT) << 32;
}

/* LGDT, LIDT, SGDT, SIDT. Bit 11: operands of 32 bits; undefined from 64-bit mode. */
static struct x86_op *gdt_or_idt(struct x86_tr *tr, struct x86_op *op, unsigned which)
{
	uint32_t info;

	x86_tr_mem(tr, op, &tr->o[0]);
	info = operand_info(tr, op, &tr->o[0]) | which << WHICH_SHIFT;
	if (tr->in.operand_width == 32)
		info |= 1u << 11;
	op->imm = (which & 1u) | (uint64_t)info << 32;
	return op;
}

static void software_interrupt(struct x86_tr *tr, unsigned vector, enum vmx_event type)
{
	struct x86_op *op = x86_tr_end(tr, x86_int_n);

	op->imm = vector;
	op->sc = (uint8_t)type;
}

static void far_pointer(struct x86_tr *tr, unsigned seg)
{
	struct x86_op *op = x86_tr_end(tr, x86_load_far_ptr);

	x86_tr_mem(tr, op, &tr->o[1]);
	op->d = reg_of(tr, 0);
	op->s = (uint8_t)(tr->o[0].size / 8);
	op->imm = seg;
}

static void base(struct x86_tr *tr, uint64_t imm)
{
	struct x86_op *op = x86_tr_op(tr, x86_fsgsbase);

	op->d = op->s = reg_of(tr, 0);
	op->sc = (uint8_t)(tr->o[0].size / 8);
	op->imm = imm;
}

static void query(struct x86_tr *tr, uint64_t imm)
{
	struct x86_op *op = word_operand(tr, x86_tr_op(tr, x86_lar_lsl), 1);

	op->d = reg_of(tr, 0);
	op->imm = imm | (tr->o[0].size == 16 ? 0x100u : 0);
}

bool x86_tr_system(struct x86_tr *tr)
{
	struct x86_op *op;
	bool known;

	switch (tr->in.mnemonic) {
#define CASE(name, call)                                                                           \
	case ZYDIS_MNEMONIC_##name:                                                                \
		call;                                                                              \
		return true;
		CASE(CPUID, leaves(tr, VMX_EXIT_CPUID, 1))
		CASE(HLT, leaves(tr, VMX_EXIT_HLT, 0))
		CASE(INVD, leaves(tr, VMX_EXIT_INVD, 0))
		CASE(WBINVD, leaves(tr, VMX_EXIT_WBINVD, 0))
		CASE(RDPMC, x86_tr_op(tr, x86_rdpmc))
		CASE(RSM, x86_tr_end(tr, x86_ud)) /* outside SMM */
		CASE(VMCALL, leaves(tr, VMX_EXIT_VMCALL, 1))
		CASE(TDCALL, leaves(tr, VMX_EXIT_TDCALL, 0))
		CASE(SEAMCALL, leaves(tr, VMX_EXIT_SEAMCALL, 0))
		CASE(GETSEC, leaves(tr, VMX_EXIT_GETSEC, 1))
		CASE(ENCLS, leaves(tr, VMX_EXIT_ENCLS, 2))
		CASE(PCONFIG, leaves(tr, VMX_EXIT_PCONFIG, 2))
		CASE(XSETBV, leaves(tr, VMX_EXIT_XSETBV, 0))
		CASE(INVEPT, vmx(tr, VMX_EXIT_INVEPT, 1, 0))
		CASE(INVVPID, vmx(tr, VMX_EXIT_INVVPID, 1, 0))
		CASE(VMCLEAR, vmx(tr, VMX_EXIT_VMCLEAR, 0, -1))
		CASE(VMLAUNCH, vmx(tr, VMX_EXIT_VMLAUNCH, -1, -1))
		CASE(VMRESUME, vmx(tr, VMX_EXIT_VMRESUME, -1, -1))
		CASE(VMPTRLD, vmx(tr, VMX_EXIT_VMPTRLD, 0, -1))
		CASE(VMPTRST, vmx(tr, VMX_EXIT_VMPTRST, 0, -1))
		CASE(VMREAD, vmx(tr, VMX_EXIT_VMREAD, 0, 1))
		CASE(VMWRITE, vmx(tr, VMX_EXIT_VMWRITE, 1, 0))
		CASE(VMXOFF, vmx(tr, VMX_EXIT_VMXOFF, -1, -1))
		CASE(VMXON, vmx(tr, VMX_EXIT_VMXON, 0, -1))
		CASE(VMFUNC, x86_tr_end(tr, x86_ud))
		CASE(VMMCALL, x86_tr_end(tr, x86_ud)) /* AMD's */
		CASE(IN, io(tr, true, false, tr->o[0].size / 8))
		CASE(OUT, io(tr, false, false, tr->o[1].size / 8))
		CASE(INSB, io(tr, true, true, 1))
		CASE(INSW, io(tr, true, true, 2))
		CASE(INSD, io(tr, true, true, 4))
		CASE(OUTSB, io(tr, false, true, 1))
		CASE(OUTSW, io(tr, false, true, 2))
		CASE(OUTSD, io(tr, false, true, 4))
		CASE(RDMSR, x86_tr_end(tr, x86_rdmsr))
		CASE(WRMSR, x86_tr_end(tr, x86_wrmsr))
		CASE(RDTSC, x86_tr_op(tr, x86_rdtsc))
		CASE(RDTSCP, x86_tr_op(tr, x86_rdtscp))
		CASE(RDPID, x86_tr_op(tr, x86_rdpid)->d = reg_of(tr, 0))
	case ZYDIS_MNEMONIC_RDRAND:
	case ZYDIS_MNEMONIC_RDSEED:
		op = x86_tr_op(tr, x86_random);
		op->imm = tr->in.mnemonic == ZYDIS_MNEMONIC_RDSEED;
		op->d = reg_of(tr, 0);
		op->sc = (uint8_t)(tr->o[0].size / 8);
		return true;
		CASE(XGETBV, x86_tr_op(tr, x86_xgetbv))
	case ZYDIS_MNEMONIC_MOV:
		mov_special(tr, &known);
		return known;
		CASE(CLTS, x86_tr_end(tr, x86_clts))
		CASE(LMSW, word_operand(tr, x86_tr_end(tr, x86_lmsw), 0))
		CASE(SMSW, word_operand(tr, x86_tr_op(tr, x86_store_word), 0)->imm = 0)
		CASE(SLDT, ldt_or_tr(tr, x86_tr_op(tr, x86_store_word), STORES_FIRST, 1))
		CASE(STR, ldt_or_tr(tr, x86_tr_op(tr, x86_store_word), STORES_SECOND, 2))
		CASE(LLDT, ldt_or_tr(tr, x86_tr_op(tr, x86_lldt), LOADS_FIRST, 0))
		CASE(LTR, ldt_or_tr(tr, x86_tr_end(tr, x86_ltr), LOADS_SECOND, 0))
		CASE(VERR, word_operand(tr, x86_tr_op(tr, x86_verify), 0)->imm = 0)
		CASE(VERW, word_operand(tr, x86_tr_op(tr, x86_verify), 0)->imm = 1)
		CASE(LAR, query(tr, 0))
		CASE(LSL, query(tr, 1))
		CASE(LGDT, gdt_or_idt(tr, x86_tr_end(tr, x86_load_dt), LOADS_FIRST)->s =
				   tr->in.operand_width == 16 ? 2 : 4)
		CASE(LIDT, gdt_or_idt(tr, x86_tr_end(tr, x86_load_dt), LOADS_SECOND)->s =
				   tr->in.operand_width == 16 ? 2 : 4)
		CASE(SGDT, gdt_or_idt(tr, x86_tr_op(tr, x86_store_dt), STORES_FIRST))
		CASE(SIDT, gdt_or_idt(tr, x86_tr_op(tr, x86_store_dt), STORES_SECOND))
		CASE(INVLPG, x86_tr_mem(tr, x86_tr_end(tr, x86_invlpg), &tr->o[0]))
	case ZYDIS_MNEMONIC_INVPCID:
		op = x86_tr_end(tr, x86_invpcid);
		x86_tr_mem(tr, op, &tr->o[1]);
		op->d = reg_of(tr, 0);
		op->imm = ((uint64_t)operand_info(tr, op, &tr->o[1]) |
			   (uint64_t)(op->d / 8u) << X86_INFO_REG2_SHIFT)
			  << 32; /* of an exit */
		return true;
		CASE(CLI, x86_tr_op(tr, x86_cli))
		CASE(STI, x86_tr_end(tr, x86_sti))
		CASE(STAC, x86_tr_op(tr, x86_ac)->imm = 1)
		CASE(CLAC, x86_tr_op(tr, x86_ac)->imm = 0)
		CASE(RDFSBASE, base(tr, 0))
		CASE(WRFSBASE, base(tr, 1))
		CASE(RDGSBASE, base(tr, 2))
		CASE(WRGSBASE, base(tr, 3))
		CASE(SWAPGS, x86_tr_op(tr, x86_swapgs))
		CASE(SYSCALL, x86_tr_end(tr, x86_syscall))
		CASE(SYSRET, x86_tr_end(tr, x86_sysret)->s = tr->in.operand_width == 64 ? 8 : 4)
		CASE(SYSENTER, x86_tr_end(tr, x86_sysenter))
		CASE(SYSEXIT, x86_tr_end(tr, x86_sysexit)->s = tr->in.operand_width == 64 ? 8 : 4)
		CASE(IRET, x86_tr_end(tr, x86_iret)->s = 2)
		CASE(IRETD, x86_tr_end(tr, x86_iret)->s = 4)
		CASE(IRETQ, x86_tr_end(tr, x86_iret)->s = 8)
		CASE(INT, software_interrupt(tr, tr->o[0].imm.value.u & 0xff, VMX_EVENT_SOFTWARE))
		CASE(INT3, software_interrupt(tr, 3, VMX_EVENT_SOFTWARE_EXCEPTION))
		CASE(INT1, software_interrupt(tr, 1, VMX_EVENT_PRIVILEGED_EXCEPTION))
		CASE(INTO, x86_tr_op(tr, x86_into))
		CASE(LDS, far_pointer(tr, X86_DS))
		CASE(LES, far_pointer(tr, X86_ES))
		CASE(LSS, far_pointer(tr, X86_SS))
		CASE(LFS, far_pointer(tr, X86_FS))
		CASE(LGS, far_pointer(tr, X86_GS))
	case ZYDIS_MNEMONIC_UD0:
	case ZYDIS_MNEMONIC_UD1:
	case ZYDIS_MNEMONIC_UD2:
		x86_tr_end(tr, x86_ud);
		return true;
	default:
		return false;
	}
}
