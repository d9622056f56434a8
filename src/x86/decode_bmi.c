/* SPDX-License-Identifier: MIT */
/* Translation of BMI instructions. */
#include "x86/bmi.h"
#include "x86/decode.h"

static uint8_t reg_of(const struct x86_tr *tr, unsigned operand)
{
	return (uint8_t)x86_tr_reg(tr->o[operand].reg.value);
}

/* value, other: which operands are the source that may be in memory, and the one in VEX.vvvv
 * (0: none). */
static void emit(struct x86_tr *tr, enum bmi which, unsigned value, unsigned other)
{
	struct x86_op *op = x86_tr_op(tr, x86_bmi);

	op->imm = (unsigned)which | (tr->o[0].size / 8u) << 8;
	if (tr_is_mem(&tr->o[value]))
		x86_tr_mem(tr, op, &tr->o[value]);
	else
		op->b = reg_of(tr, value);
	op->d = reg_of(tr, 0);
	op->s = other ? reg_of(tr, other) : REG_ZERO;
	if (which == BMI_RORX)
		op->imm |= (tr->o[2].imm.value.u & 0xff) << 16;
}

bool x86_tr_bmi(struct x86_tr *tr)
{
	if (tr->in.encoding != ZYDIS_INSTRUCTION_ENCODING_VEX)
		return false;
	switch (tr->in.mnemonic) {
#define CASE(name, value, other)                                                                   \
	case ZYDIS_MNEMONIC_##name:                                                                \
		emit(tr, BMI_##name, value, other);                                                \
		return true;
		CASE(ANDN, 2, 1)
		CASE(BEXTR, 1, 2)
		CASE(BLSI, 1, 0)
		CASE(BLSMSK, 1, 0)
		CASE(BLSR, 1, 0)
		CASE(BZHI, 1, 2)
		CASE(PDEP, 2, 1)
		CASE(PEXT, 2, 1)
		CASE(RORX, 1, 0)
		CASE(SARX, 1, 2)
		CASE(SHLX, 1, 2)
		CASE(SHRX, 1, 2)
		CASE(MULX, 2, 1)
	default:
		return false;
	}
}
