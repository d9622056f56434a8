/* SPDX-License-Identifier: MIT */
/* BMI1, BMI2 and ADX that are emitted, where the host has them. Flags that the manual leaves
 * undefined are made those that the interpreter has: 0. */
#include "x86/bmi.h"
#include "x86/flags.h"
#include "x86/xlate.h"

#define FIELD(name) rm_at(H_R15, (int32_t)offsetof(struct x86_cpu, name))

enum pp { PP_NONE, PP_66, PP_F3, PP_F2 };
enum { MAP_0F38 = 2, MAP_0F3A = 3, SF = 0x80, ZF = 0x40, CF = 0x01 };

/* Where the operands are: ModRM's reg and rm, or VEX.vvvv. */
enum shape {
	S_REG_V_RM, /* reg = vvvv, rm */
	S_REG_RM_V,
	S_REG_RM,
	S_V_RM,	  /* vvvv = rm; reg: of the opcode */
	S_TWO_RM, /* reg, vvvv = rm with RDX */
};

static const struct form {
	uint8_t map, pp, opcode, ext, shape;
	uint8_t flags; /* that are defined, in AH's places; 0: none change */
} forms[] = {
	[BMI_ANDN] = {MAP_0F38, PP_NONE, 0xf2, 0, S_REG_V_RM, SF | ZF},
	[BMI_BEXTR] = {MAP_0F38, PP_NONE, 0xf7, 0, S_REG_RM_V, ZF},
	[BMI_BLSI] = {MAP_0F38, PP_NONE, 0xf3, 3, S_V_RM, SF | ZF | CF},
	[BMI_BLSMSK] = {MAP_0F38, PP_NONE, 0xf3, 2, S_V_RM, SF | ZF | CF},
	[BMI_BLSR] = {MAP_0F38, PP_NONE, 0xf3, 1, S_V_RM, SF | ZF | CF},
	[BMI_BZHI] = {MAP_0F38, PP_NONE, 0xf5, 0, S_REG_RM_V, SF | ZF | CF},
	[BMI_PDEP] = {MAP_0F38, PP_F2, 0xf5, 0, S_REG_V_RM, 0},
	[BMI_PEXT] = {MAP_0F38, PP_F3, 0xf5, 0, S_REG_V_RM, 0},
	[BMI_RORX] = {MAP_0F3A, PP_F2, 0xf0, 0, S_REG_RM, 0},
	[BMI_SARX] = {MAP_0F38, PP_F3, 0xf7, 0, S_REG_RM_V, 0},
	[BMI_SHLX] = {MAP_0F38, PP_66, 0xf7, 0, S_REG_RM_V, 0},
	[BMI_SHRX] = {MAP_0F38, PP_F2, 0xf7, 0, S_REG_RM_V, 0},
	[BMI_MULX] = {MAP_0F38, PP_F2, 0xf6, 0, S_TWO_RM, 0},
};

static bool is_bmi1(enum bmi which)
{
	switch (which) {
	case BMI_ANDN:
	case BMI_BEXTR:
	case BMI_BLSI:
	case BMI_BLSMSK:
	case BMI_BLSR:
		return true;
	case BMI_BZHI:
	case BMI_PDEP:
	case BMI_PEXT:
	case BMI_RORX:
	case BMI_SARX:
	case BMI_SHLX:
	case BMI_SHRX:
	case BMI_MULX:
		break;
	}
	return false;
}

/* All operands in registers. */
static void emit_vex(struct emit *e, const struct form *f, unsigned size, unsigned reg,
		     unsigned vvvv, unsigned rm)
{
	emit1(e, 0xc4);
	emit1(e, (reg & 8 ? 0 : 0x80u) | 0x40u | (rm & 8 ? 0 : 0x20u) | f->map);
	emit1(e, (size == 8 ? 0x80u : 0) | (~vvvv & 15) << 3 | f->pp);
	emit1(e, f->opcode);
	emit1(e, 0xc0u | (reg & 7) << 3 | (rm & 7));
}

/* The source that may be in memory: in its home, or in R11. */
static bool source(struct xl_unit *u, unsigned size, unsigned *in)
{
	unsigned i;

	for (i = 0; i < u->in.operand_count_visible; i++) {
		if (u->o[i].type != ZYDIS_OPERAND_TYPE_MEMORY)
			continue;
		if (!xl_ea(u, &u->o[i]))
			return false;
		xl_load(u, size);
		emit_mov_rr(&u->e, 8, H_R11, H_RAX);
		*in = H_R11;
		return true;
	}
	*in = xl_use(u, u->op->b / 8, H_R11);
	return true;
}

static bool bmi(struct xl_unit *u)
{
	const struct x86_op *op = u->op;
	const enum bmi which = (enum bmi)(op->imm & 0xff);
	const struct form *f = &forms[which];
	const unsigned size = op->imm >> 8 & 0xff, d = op->d / 8u, other = op->s / 8u;
	unsigned rm, to, low;

	if (!(is_bmi1(which) ? __builtin_cpu_supports("bmi") : __builtin_cpu_supports("bmi2")) ||
	    !source(u, size, &rm))
		return false;
	to = xl_make(u, d, H_R14, false);
	switch ((enum shape)f->shape) {
	case S_REG_V_RM:
	case S_REG_RM_V:
		emit_vex(&u->e, f, size, to, xl_use(u, other, H_RAX), rm);
		break;
	case S_REG_RM:
		emit_vex(&u->e, f, size, to, 0, rm);
		emit1(&u->e, op->imm >> 16 & 0xff);
		break;
	case S_V_RM:
		emit_vex(&u->e, f, size, f->ext, to, rm);
		break;
	case S_TWO_RM:
		low = xl_make(u, other, H_RAX, false);
		emit_vex(&u->e, f, size, to, low, rm);
		xl_made(u, other, low); /* if both are one register, it has the high half */
		break;
	}
	xl_made(u, d, to);
	if (f->flags)
		xl_flags_defined(u, f->flags);
	return true;
}

/* ADCX, ADOX: one flag of the six is read and made. */
static bool adx(struct xl_unit *u, unsigned prefix)
{
	const unsigned size = u->o[0].size / 8u, d = x86_tr_reg(u->o[0].reg.value) / 8;
	unsigned in, to;

	if (!u->has_adx)
		return false;
	if (u->o[1].type == ZYDIS_OPERAND_TYPE_MEMORY) {
		if (!xl_ea(u, &u->o[1]))
			return false;
		xl_load(u, size);
		emit_mov_rr(&u->e, 8, H_R11, H_RAX);
		in = H_R11;
	} else {
		in = xl_use(u, x86_tr_reg(u->o[1].reg.value) / 8, H_R11);
	}
	xl_flags_load(u);
	to = xl_make(u, d, H_R14, true);
	emit_op(&u->e, size, OPC_0F38 | prefix | 0xf6, to, rm_reg(in));
	xl_made(u, d, to);
	xl_flags_new(u);
	return true;
}

bool xl_bmi(struct xl_unit *u)
{
	if (u->op->fn == x86_bmi)
		return bmi(u);
	if (u->in.mnemonic == ZYDIS_MNEMONIC_ADCX)
		return adx(u, OPC_66);
	return u->in.mnemonic == ZYDIS_MNEMONIC_ADOX && adx(u, OPC_F3);
}
