/* SPDX-License-Identifier: MIT */
/* x87 instructions that are emitted: the guest's own, on the host's unit, which has the guest's
 * state while cpu->x87 says so.
 *
 * It is loaded at the first of them in a unit and put away before C is called, by XRSTOR and XSAVE
 * of this component alone. With an exception unmasked it is not: the interpreter goes on from
 * there. The last instruction and operand are kept beside the state (cpu->x87_fip and so on), as
 * processors do not agree on when they store them, and the host's would be addresses of the host's:
 * FDP after each operand, FIP and FOP, which are constants of the unit, on its ways out only. */
#include "x86/system.h"
#include "x86/x87.h"
#include "x86/xlate.h"

#define FIELD(name) rm_at(H_R15, (int32_t)offsetof(struct x86_cpu, name))

enum { CC_E = 4, CC_NE = 5 };

#define OPC_FWAIT 0x9bu

static const ZydisDecodedOperand *operand(const struct xl_unit *u)
{
	unsigned i;

	for (i = 0; i < u->in.operand_count_visible; i++)
		if (u->o[i].type == ZYDIS_OPERAND_TYPE_MEMORY)
			return &u->o[i];
	return NULL;
}

static void loaded(struct xl_unit *u)
{
	if (u->x87)
		return;
	xl_flags_clobber(u);
	emit_op(&u->e, 1, 0x80, 7, FIELD(x87)); /* cmpb $0 */
	emit1(&u->e, 0);
	xl_x87_later(u, emit_jcc_later(&u->e, CC_E));
	u->x87 = true;
}

void xl_last_put(struct xl_unit *u, const struct xl_last *last, unsigned scratch)
{
	struct emit *e = &u->e;

	if (!last->is)
		return;
	emit_load(e, xl_word(u), scratch, FIELD(blkrip));
	emit_lea(e, xl_word(u), scratch, rm_at(scratch, (int32_t)last->off));
	emit_store(e, 8, FIELD(x87_fip), scratch);
	emit_op(e, 2, 0xc7, 0, FIELD(x87_fop));
	emit_imm(e, 2, last->fop);
}

void xl_last_tell(struct xl_unit *u, unsigned scratch)
{
	xl_last_put(u, &u->last, scratch);
	u->last.is = false;
}

/* Those that change no pointers. FLDCW only if what it loads masks all exceptions. */
static bool control(struct xl_unit *u)
{
	const ZydisDecodedOperand *mem = operand(u);
	struct emit *e = &u->e;

	switch (u->in.mnemonic) {
	case ZYDIS_MNEMONIC_FNCLEX:
		emit1(e, 0xdb);
		emit1(e, 0xe2);
		return true;
	case ZYDIS_MNEMONIC_FNSTSW:
		if (mem)
			break;
		emit1(e, 0xdf); /* fnstsw %ax */
		emit1(e, 0xe0);
		xl_put(u, 0, 2, H_RAX);
		return true;
	case ZYDIS_MNEMONIC_FLDCW:
	case ZYDIS_MNEMONIC_FNSTCW:
		break;
	default:
		return false;
	}
	if (!xl_ea(u, mem))
		return false;
	xl_direct(u, 2, u->in.mnemonic != ZYDIS_MNEMONIC_FLDCW);
	if (u->in.mnemonic == ZYDIS_MNEMONIC_FLDCW) {
		emit_op(e, 4, OPC_0F | 0xb7, H_R11, rm_at(H_RAX, 0)); /* movzwl: read once */
		emit_store(e, 2, FIELD(spill), H_R11);
		emit_op(e, 4, 0xf7, 2, rm_reg(H_R11)); /* not */
		emit_op(e, 4, 0xf7, 0, rm_reg(H_R11)); /* test */
		emit4(e, FCW_MASKS);
		xl_tailout_at(u, emit_jcc_later(e, CC_NE));
		emit_op(e, 4, u->in.opcode, u->in.raw.modrm.reg, FIELD(spill));
	} else {
		emit_op(e, 4, u->in.opcode, u->in.raw.modrm.reg, rm_at(H_RAX, 0));
	}
	return true;
}

static bool is_control(const struct xl_unit *u)
{
	switch (u->in.mnemonic) {
	case ZYDIS_MNEMONIC_FNCLEX:
	case ZYDIS_MNEMONIC_FNSTSW:
	case ZYDIS_MNEMONIC_FLDCW:
	case ZYDIS_MNEMONIC_FNSTCW:
		return true;
	default:
		return false;
	}
}

/* Those that handlers do. */
static bool is_other(const struct xl_unit *u)
{
	switch (u->in.mnemonic) {
	case ZYDIS_MNEMONIC_FNINIT:
	case ZYDIS_MNEMONIC_FENI8087_NOP:
	case ZYDIS_MNEMONIC_FDISI8087_NOP:
	case ZYDIS_MNEMONIC_FSETPM287_NOP:
	case ZYDIS_MNEMONIC_FNSTENV:
	case ZYDIS_MNEMONIC_FLDENV:
	case ZYDIS_MNEMONIC_FNSAVE:
	case ZYDIS_MNEMONIC_FRSTOR:
		return true;
	default:
		return false;
	}
}

static bool by_register(struct xl_unit *u)
{
	bool makes = false;

	switch (u->in.mnemonic) {
	case ZYDIS_MNEMONIC_FCOMI:
	case ZYDIS_MNEMONIC_FCOMIP:
	case ZYDIS_MNEMONIC_FUCOMI:
	case ZYDIS_MNEMONIC_FUCOMIP:
		makes = true;
		break;
	case ZYDIS_MNEMONIC_FCMOVB:
	case ZYDIS_MNEMONIC_FCMOVBE:
	case ZYDIS_MNEMONIC_FCMOVE:
	case ZYDIS_MNEMONIC_FCMOVNB:
	case ZYDIS_MNEMONIC_FCMOVNBE:
	case ZYDIS_MNEMONIC_FCMOVNE:
	case ZYDIS_MNEMONIC_FCMOVNU:
	case ZYDIS_MNEMONIC_FCMOVU:
		xl_flags_load(u);
		break;
	default:
		break;
	}
	emit1(&u->e, u->in.opcode);
	emit1(&u->e, 0xc0u | (unsigned)u->in.raw.modrm.reg << 3 | u->in.raw.modrm.rm);
	if (makes)
		xl_flags_new(u);
	return true;
}

static bool by_memory(struct xl_unit *u, const ZydisDecodedOperand *mem)
{
	struct emit *e = &u->e;

	if (!xl_ea(u, mem))
		return false;
	xl_direct(u, mem->size / 8u, mem->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE);
	emit_op(e, 4, u->in.opcode, u->in.raw.modrm.reg, rm_at(H_RAX, 0));
	/* The linear address again: R11 is still the TLB's entry. */
	emit_op(e, 8, 0x2b, H_RAX, rm_at(H_R11, offsetof(struct x86_tlbe, addend)));
	emit_store(e, 8, FIELD(x87_fdp), H_RAX);
	return true;
}

bool xl_x87(struct xl_unit *u)
{
	const ZydisDecodedInstruction *in = &u->in;
	const ZydisDecodedOperand *mem = operand(u);

	if (in->encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY || !(u->block->mode & M_X87) ||
	    in->opcode_map != ZYDIS_OPCODE_MAP_DEFAULT || !u->has_xsave)
		return false;
	if (in->opcode == OPC_FWAIT) {
		loaded(u); /* so that there is nothing to wait for */
		return true;
	}
	if (in->opcode < 0xd8 || in->opcode > 0xdf || is_other(u))
		return false;
	loaded(u);
	if (is_control(u))
		return control(u);
	if (!(mem ? by_memory(u, mem) : by_register(u)))
		return false;
	u->last = (struct xl_last){true,
				   (uint16_t)((in->opcode & 7) << 8 | (in->raw.modrm.mod & 3) << 6 |
					      (in->raw.modrm.reg & 7) << 3 | in->raw.modrm.rm),
				   u->off};
	return true;
}
