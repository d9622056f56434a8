/* SPDX-License-Identifier: MIT */
/* Translation of instructions with an MMX register. */
#include "x86/decode.h"
#include "x86/mmx.h"
#include "x86/sse.h"

enum kind { K_NONE, K_BIN, K_TO_XMM, K_FROM_XMM };

struct row {
	x86_helper *helper;
	enum kind kind;
};

#define ROW_BIN(m, name)      [ZYDIS_MNEMONIC_##m] = {x86_mmx_##name, K_BIN},
#define ROW_TO_XMM(m, name)   [ZYDIS_MNEMONIC_##m] = {x86_##name, K_TO_XMM},
#define ROW_FROM_XMM(m, name) [ZYDIS_MNEMONIC_##m] = {x86_##name, K_FROM_XMM},

static const struct row rows[ZYDIS_MNEMONIC_MAX_VALUE + 1] = {
	MMX_BIN(ROW_BIN) MMX_IMM(ROW_BIN) MMX_TO_XMM(ROW_TO_XMM) MMX_FROM_XMM(ROW_FROM_XMM)};

static bool is_mmx(const ZydisDecodedOperand *o)
{
	return tr_is_reg(o) && o->reg.value >= ZYDIS_REGISTER_MM0 &&
	       o->reg.value <= ZYDIS_REGISTER_MM7;
}

static uint8_t reg_of(const struct x86_tr *tr, unsigned operand)
{
	const ZydisRegister reg = tr->o[operand].reg.value;

	return (uint8_t)(is_mmx(&tr->o[operand]) ? (unsigned)(reg - ZYDIS_REGISTER_MM0)
						 : x86_tr_reg(reg));
}

static void binary(struct x86_tr *tr, x86_helper *helper)
{
	const ZydisDecodedOperand *src = &tr->o[1];
	const unsigned imm = tr_is_imm(&tr->o[2]) && tr->in.operand_count_visible > 2
				     ? tr->o[2].imm.value.u & 0xff
				     : 0;
	struct x86_op *op = x86_tr_op(tr, x86_mmx_r);

	op->helper = helper;
	op->d = reg_of(tr, 0);
	if (tr_is_mem(src)) {
		x86_tr_mem(tr, op, src);
		op->fn = x86_mmx_m[src->size == 64 ? 2 : src->size == 32 ? 1 : 0];
		op->s = (uint8_t)imm;
	} else if (tr_is_imm(src)) {
		op->fn = x86_mmx_shift_imm;
		op->disp = (int32_t)(src->imm.value.u & 0xff);
	} else {
		if (!is_mmx(src))
			op->fn = x86_mmx_gpr;
		op->s = reg_of(tr, 1);
		op->disp = (int32_t)imm;
	}
}

static void convert(struct x86_tr *tr, const struct row *row)
{
	struct x86_op *op =
		x86_tr_op(tr, row->kind == K_TO_XMM ? x86_mmx_cvt_to_xmm : x86_mmx_cvt_from_xmm);

	op->helper = row->helper;
	op->d = reg_of(tr, 0);
	if (tr_is_mem(&tr->o[1]))
		x86_tr_mem(tr, op, &tr->o[1]);
	else
		op->s = reg_of(tr, 1);
}

static void move(struct x86_tr *tr)
{
	struct x86_op *op = x86_tr_op(tr, NULL);

	op->imm = tr->o[0].size / 8;
	if (tr_is_mem(&tr->o[0])) {
		x86_tr_mem(tr, op, &tr->o[0]);
		op->s = reg_of(tr, 1);
		op->fn = x86_mmx_st;
	} else if (tr_is_mem(&tr->o[1])) {
		x86_tr_mem(tr, op, &tr->o[1]);
		op->imm = tr->o[1].size / 8;
		op->d = reg_of(tr, 0);
		op->fn = x86_mmx_ld;
	} else {
		op->d = reg_of(tr, 0);
		op->s = reg_of(tr, 1);
		if (!is_mmx(&tr->o[0])) {
			op->fn = x86_mmx_to_gpr;
		} else if (!is_mmx(&tr->o[1])) {
			op->imm = tr->o[1].size / 8;
			op->fn = x86_mmx_from_gpr;
		} else {
			op->fn = x86_mmx_mov;
		}
	}
}

static struct x86_op *registers(struct x86_tr *tr, x86_fn *fn)
{
	struct x86_op *op = x86_tr_op(tr, fn);

	op->d = reg_of(tr, 0);
	op->s = reg_of(tr, 1);
	return op;
}

static bool others(struct x86_tr *tr)
{
	switch (tr->in.mnemonic) {
	case ZYDIS_MNEMONIC_MOVD:
	case ZYDIS_MNEMONIC_MOVQ:
	case ZYDIS_MNEMONIC_MOVNTQ:
		move(tr);
		return true;
	case ZYDIS_MNEMONIC_MASKMOVQ:
		x86_tr_at_reg(tr, registers(tr, x86_mmx_maskmov), 7 * 8, 8, true);
		return true;
	case ZYDIS_MNEMONIC_PEXTRW:
		registers(tr, x86_mmx_extract)->disp = (int32_t)(tr->o[2].imm.value.u & 0xff);
		return true;
	case ZYDIS_MNEMONIC_PMOVMSKB:
		registers(tr, x86_mmx_movmsk);
		return true;
	case ZYDIS_MNEMONIC_MOVQ2DQ:
		registers(tr, x86_mmx_to_xmm);
		return true;
	case ZYDIS_MNEMONIC_MOVDQ2Q:
		registers(tr, x86_mmx_from_xmm);
		return true;
	default:
		return false;
	}
}

bool x86_tr_mmx(struct x86_tr *tr)
{
	const struct row *row = &rows[tr->in.mnemonic];
	const bool sse = row->kind > K_BIN || tr->in.mnemonic == ZYDIS_MNEMONIC_MOVQ2DQ ||
			 tr->in.mnemonic == ZYDIS_MNEMONIC_MOVDQ2Q;
	bool mmx = row->kind == K_TO_XMM;
	unsigned i;

	if (tr->in.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY)
		return false;
	for (i = 0; i < tr->in.operand_count_visible; i++)
		mmx = mmx || is_mmx(&tr->o[i]);
	if (!mmx)
		return false;
	if (row->kind == K_BIN)
		binary(tr, row->helper);
	else if (row->kind != K_NONE)
		convert(tr, row);
	else if (!others(tr))
		return false;
	if (sse && !(tr->mode & M_SSE))
		tr->ops[tr->nops - 1].fn = x86_sse_unavailable;
	else if (!(tr->mode & M_X87))
		tr->ops[tr->nops - 1].fn = x86_mmx_unavailable;
	return true;
}
