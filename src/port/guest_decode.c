/* SPDX-License-Identifier: MIT */
/* MMIO instructions by Zydis: the same contract as the guest library's own table, by other means.
 */
#include <Zydis/Zydis.h>
#include <string.h>

#include "port/guest_native.h"

/* The number of a general register in x86 encoding; AH, CH, DH, BH are 0..3 with *high. */
static uint8_t number_of(ZydisRegister r, bool *high)
{
	*high = r >= ZYDIS_REGISTER_AH && r <= ZYDIS_REGISTER_BH;
	if (*high)
		return (uint8_t)(r - ZYDIS_REGISTER_AH);
	if (ZydisRegisterGetClass(r) == ZYDIS_REGCLASS_GPR8 && r > ZYDIS_REGISTER_BH)
		return (uint8_t)(ZydisRegisterGetId(r) - 4); /* numbered behind AH..BH */
	return (uint8_t)ZydisRegisterGetId(r);
}

static uint8_t address_reg(ZydisRegister r)
{
	bool high;

	if (r == ZYDIS_REGISTER_NONE)
		return TDG_NO_REG;
	if (r == ZYDIS_REGISTER_RIP || r == ZYDIS_REGISTER_EIP)
		return TDG_REG_RIP;
	return number_of(r, &high);
}

/* LOCK, repetition, and a REX that is not the last prefix, which has no effect: not written by any
 * compiler for a MOV. */
static bool odd_prefixes(const ZydisDecodedInstruction *in)
{
	for (unsigned i = 0; i < in->raw.prefix_count; i++) {
		uint8_t b = in->raw.prefixes[i].value;

		if (b == 0xf0 || b == 0xf2 || b == 0xf3 ||
		    ((b & 0xf0) == 0x40 && i + 1u < in->raw.prefix_count))
			return true;
	}
	return false;
}

static bool kind_of(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *op,
		    enum tdg_insn_kind *kind)
{
	bool write = op[0].type == ZYDIS_OPERAND_TYPE_MEMORY;

	switch (in->mnemonic) {
	case ZYDIS_MNEMONIC_MOV:
		*kind = !write					     ? TDG_INSN_READ
			: op[1].type == ZYDIS_OPERAND_TYPE_IMMEDIATE ? TDG_INSN_WRITE_IMM
								     : TDG_INSN_WRITE_REG;
		return true;
	case ZYDIS_MNEMONIC_MOVZX:
		*kind = TDG_INSN_READ_ZERO;
		return true;
	case ZYDIS_MNEMONIC_MOVSX:
		*kind = TDG_INSN_READ_SIGN;
		return true;
	case ZYDIS_MNEMONIC_MOVSXD:
		*kind = TDG_INSN_READ_SIGN;
		return in->raw.rex.W != 0;
	default:
		return false;
	}
}

static void address(const ZydisDecodedInstruction *in, const ZydisDecodedOperand *mem,
		    struct tdg_insn *o)
{
	o->base = address_reg(mem->mem.base);
	o->index = address_reg(mem->mem.index);
	o->scale = mem->mem.index == ZYDIS_REGISTER_NONE ? 0 : mem->mem.scale;
	o->disp = mem->mem.disp.has_displacement ? mem->mem.disp.value : 0;
	/* Zydis 4.0.0 takes a SIB without a base for one of R13D when addresses have 32 bits. */
	if (in->raw.modrm.mod == 0 && in->raw.sib.base == 5 && in->raw.sib.offset) {
		o->base = TDG_NO_REG;
		o->disp = in->raw.disp.value;
	}
	o->address32 = in->address_width == 32;
	o->segment = mem->mem.segment == ZYDIS_REGISTER_FS   ? TDG_SEG_FS
		     : mem->mem.segment == ZYDIS_REGISTER_GS ? TDG_SEG_GS
							     : TDG_SEG_FLAT;
}

bool guest_decode_zydis(const uint8_t *bytes, size_t len, struct tdg_insn *o)
{
	ZydisDecodedOperand op[ZYDIS_MAX_OPERAND_COUNT];
	const ZydisDecodedOperand *mem, *other;
	ZydisDecodedInstruction in;
	ZydisDecoder d;

	memset(o, 0, sizeof(*o));
	if (!ZYAN_SUCCESS(ZydisDecoderInit(&d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64)) ||
	    !ZYAN_SUCCESS(ZydisDecoderDecodeFull(&d, bytes, len, &in, op)) ||
	    in.operand_count_visible != 2 || odd_prefixes(&in) || !kind_of(&in, op, &o->kind))
		return false;
	mem = op[0].type == ZYDIS_OPERAND_TYPE_MEMORY ? &op[0] : &op[1];
	other = mem == &op[0] ? &op[1] : &op[0];
	if (mem->type != ZYDIS_OPERAND_TYPE_MEMORY)
		return false;
	o->length = in.length;
	o->mem_size = o->reg_size = (uint8_t)(mem->size / 8);
	address(&in, mem, o);
	if (other->type == ZYDIS_OPERAND_TYPE_IMMEDIATE) {
		o->reg = TDG_NO_REG;
		o->imm = other->imm.value.u & ~0ull >> (64 - mem->size);
		return true;
	}
	o->reg = number_of(other->reg.value, &o->high_byte);
	o->reg_size = (uint8_t)(other->size / 8);
	return ZydisRegisterGetClass(other->reg.value) >= ZYDIS_REGCLASS_GPR8 &&
	       ZydisRegisterGetClass(other->reg.value) <= ZYDIS_REGCLASS_GPR64;
}
