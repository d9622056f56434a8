/* SPDX-License-Identifier: MIT */
/* Translation of SSE, AES, SHA and PCLMULQDQ instructions, and of FXSAVE and XSAVE. */
#include "x86/decode.h"
#include "x86/sse.h"

enum kind { K_NONE, K_BIN, K_FP, K_FROM, K_FP_FROM, K_TO, K_FP_TO };

struct row {
	x86_helper *helper;
	enum kind kind;
};

#define ROW_BIN(m, name)     [ZYDIS_MNEMONIC_##m] = {x86_##name, K_BIN},
#define ROW_FP(m, name)	     [ZYDIS_MNEMONIC_##m] = {x86_##name, K_FP},
#define ROW_FROM(m, name)    [ZYDIS_MNEMONIC_##m] = {x86_##name, K_FROM},
#define ROW_FP_FROM(m, name) [ZYDIS_MNEMONIC_##m] = {x86_##name, K_FP_FROM},
#define ROW_TO(m, name)	     [ZYDIS_MNEMONIC_##m] = {x86_##name, K_TO},
#define ROW_FP_TO(m, name)   [ZYDIS_MNEMONIC_##m] = {x86_##name, K_FP_TO},

static const struct row rows[ZYDIS_MNEMONIC_MAX_VALUE + 1] = {
	SSE_INT(ROW_BIN) SSE_IMM(ROW_BIN) SSE_OTHER(ROW_BIN) SSE_FP(ROW_FP) SSE_FP_OTHER(ROW_FP)
		SSE_FROM_GPR(ROW_FROM) SSE_FP_FROM_GPR(ROW_FP_FROM) SSE_TO_GPR(ROW_TO)
			SSE_FP_TO_GPR(ROW_FP_TO)};

static bool is_xmm(const ZydisDecodedOperand *o)
{
	return tr_is_reg(o) && o->reg.value >= ZYDIS_REGISTER_XMM0 &&
	       o->reg.value <= ZYDIS_REGISTER_XMM15;
}

static uint8_t reg_of(const struct x86_tr *tr, unsigned operand)
{
	return (uint8_t)x86_tr_reg(tr->o[operand].reg.value);
}

/* The immediate, wherever it stands. */
static unsigned imm8(const struct x86_tr *tr)
{
	unsigned i;

	for (i = 0; i < tr->in.operand_count_visible; i++)
		if (tr_is_imm(&tr->o[i]))
			return tr->o[i].imm.value.u & 0xff;
	return 0;
}

static unsigned log2_bytes(unsigned bits)
{
	return bits == 8 ? 0 : bits == 16 ? 1 : bits == 32 ? 2 : bits == 64 ? 3 : 4;
}

static bool compares_strings(const struct row *row)
{
	return row->helper == x86_pcmpestri || row->helper == x86_pcmpestrm ||
	       row->helper == x86_pcmpistri || row->helper == x86_pcmpistrm;
}

static void two(struct x86_tr *tr, const struct row *row, unsigned fp)
{
	const ZydisDecodedOperand *src = &tr->o[1];
	unsigned imm = imm8(tr);
	struct x86_op *op;

	/* PSLLDQ and shifts by an immediate have one vector only. */
	if (tr_is_imm(src)) {
		const bool bytes = row->helper == x86_pslldq || row->helper == x86_psrldq;

		op = x86_tr_op(tr, bytes ? x86_sse_bin[0][0] : x86_sse_shift_imm);
		op->d = op->s = reg_of(tr, 0);
		op->disp = (int32_t)imm;
	} else if (tr_is_reg(src)) {
		op = x86_tr_op(tr, x86_sse_bin[fp][0]);
		op->d = reg_of(tr, 0);
		op->s = reg_of(tr, 1);
		if (compares_strings(row) && tr->in.raw.rex.W)
			imm |= 0x100; /* lengths of PCMPESTRx have 64 bits */
		op->disp = (int32_t)imm;
	} else {
		op = x86_tr_op(tr, NULL);
		x86_tr_mem(tr, op, src);
		op->fn = x86_sse_bin[fp][log2_bytes(src->size)];
		op->d = reg_of(tr, 0);
		if (row->helper == x86_insertps)
			imm &= 0x3f;
		op->s = (uint8_t)imm;
		if (compares_strings(row)) {
			op->fn = x86_sse_bin_m16u;
			/* Bit 7 of the immediate means nothing; it carries REX.W. */
			op->s = (uint8_t)((imm & 0x7f) | (tr->in.raw.rex.W ? 0x80 : 0));
		}
	}
	op->helper = row->helper;
}

static void from_gpr(struct x86_tr *tr, const struct row *row, unsigned fp)
{
	const ZydisDecodedOperand *src = &tr->o[1];
	struct x86_op *op = x86_tr_op(tr, x86_sse_from_gpr[fp][0]);

	if (tr_is_reg(src)) {
		op->s = reg_of(tr, 1);
		op->disp = (int32_t)(imm8(tr) | (src->size == 64 ? 0x100u : 0));
	} else {
		x86_tr_mem(tr, op, src);
		op->fn = x86_sse_from_gpr[fp][1 + log2_bytes(src->size)];
		op->s = (uint8_t)imm8(tr);
	}
	op->d = reg_of(tr, 0);
	op->helper = row->helper;
}

static void to_gpr(struct x86_tr *tr, const struct row *row, unsigned fp)
{
	const unsigned wide = tr->o[0].size == 64;
	struct x86_op *op = x86_tr_op(tr, x86_sse_to_gpr[fp][0]);

	op->helper = row->helper;
	if (tr_is_mem(&tr->o[0])) {
		x86_tr_mem(tr, op, &tr->o[0]);
		op->fn = x86_sse_to_mem;
		op->s = reg_of(tr, 1);
		op->d = (uint8_t)((imm8(tr) & 0x3f) | log2_bytes(tr->o[0].size) << 6);
	} else if (tr_is_mem(&tr->o[1])) {
		x86_tr_mem(tr, op, &tr->o[1]);
		op->fn = x86_sse_to_gpr[fp][tr->o[1].size == 64 ? 2 : 1];
		op->d = reg_of(tr, 0);
		op->s = (uint8_t)wide;
	} else {
		op->d = reg_of(tr, 0);
		op->s = reg_of(tr, 1);
		op->disp = (int32_t)(imm8(tr) | wide << 8);
	}
}

/* Moves: by what stands on either side. */
static void move(struct x86_tr *tr, x86_fn *load, x86_fn *store, x86_fn *between)
{
	struct x86_op *op = x86_tr_op(tr, between);

	if (tr_is_mem(&tr->o[1])) {
		x86_tr_mem(tr, op, &tr->o[1]);
		op->fn = load;
	} else {
		op->s = reg_of(tr, 1);
	}
	if (tr_is_mem(&tr->o[0])) {
		x86_tr_mem(tr, op, &tr->o[0]);
		op->fn = store;
	} else {
		op->d = reg_of(tr, 0);
	}
}

static void mov_d_q(struct x86_tr *tr)
{
	const unsigned size = tr->in.mnemonic == ZYDIS_MNEMONIC_MOVQ ? 8 : 4;
	struct x86_op *op;

	if (is_xmm(&tr->o[0]) && tr_is_reg(&tr->o[1]) && !is_xmm(&tr->o[1])) {
		op = x86_tr_op(tr, x86_sse_from_r);
	} else if (is_xmm(&tr->o[1]) && tr_is_reg(&tr->o[0]) && !is_xmm(&tr->o[0])) {
		op = x86_tr_op(tr, x86_sse_to_r);
	} else {
		move(tr, size == 8 ? x86_sse_ld8 : x86_sse_ld4,
		     size == 8 ? x86_sse_st8 : x86_sse_st4, x86_sse_movq);
		return;
	}
	op->d = reg_of(tr, 0);
	op->s = reg_of(tr, 1);
	op->disp = (int32_t)size;
}

static void area(struct x86_tr *tr, x86_fn *fn, unsigned variant)
{
	struct x86_op *op = x86_tr_op(tr, fn);

	x86_tr_mem(tr, op, &tr->o[0]);
	op->imm = variant;
}

/* Instructions that do not depend on CR4.OSFXSR. */
static bool state(struct x86_tr *tr)
{
	switch (tr->in.mnemonic) {
#define CASE(name, call)                                                                           \
	case ZYDIS_MNEMONIC_##name:                                                                \
		call;                                                                              \
		return true;
		CASE(FXSAVE, area(tr, x86_fxsave, 0))
		CASE(FXSAVE64, area(tr, x86_fxsave, 8))
		CASE(FXRSTOR, area(tr, x86_fxrstor, 0))
		CASE(FXRSTOR64, area(tr, x86_fxrstor, 8))
		CASE(XSAVE, area(tr, x86_xsave, 0))
		CASE(XSAVE64, area(tr, x86_xsave, 8))
		CASE(XSAVEOPT, area(tr, x86_xsave, 4))
		CASE(XSAVEOPT64, area(tr, x86_xsave, 12))
		CASE(XSAVEC, area(tr, x86_xsave, 5))
		CASE(XSAVEC64, area(tr, x86_xsave, 13))
		CASE(XSAVES, area(tr, x86_xsave, 7))
		CASE(XSAVES64, area(tr, x86_xsave, 15))
		CASE(XRSTOR, area(tr, x86_xrstor, 0))
		CASE(XRSTOR64, area(tr, x86_xrstor, 8))
		CASE(XRSTORS, area(tr, x86_xrstor, 2))
		CASE(XRSTORS64, area(tr, x86_xrstor, 10))
	default:
		return false;
	}
}

static bool moves(struct x86_tr *tr)
{
	struct x86_op *op;

	switch (tr->in.mnemonic) {
		CASE(LDMXCSR, area(tr, x86_ldmxcsr, 0))
		CASE(STMXCSR, area(tr, x86_stmxcsr, 0))
		CASE(MOVAPS, move(tr, x86_sse_ld16a, x86_sse_st16a, x86_sse_mov))
		CASE(MOVAPD, move(tr, x86_sse_ld16a, x86_sse_st16a, x86_sse_mov))
		CASE(MOVDQA, move(tr, x86_sse_ld16a, x86_sse_st16a, x86_sse_mov))
		CASE(MOVUPS, move(tr, x86_sse_ld16u, x86_sse_st16u, x86_sse_mov))
		CASE(MOVUPD, move(tr, x86_sse_ld16u, x86_sse_st16u, x86_sse_mov))
		CASE(MOVDQU, move(tr, x86_sse_ld16u, x86_sse_st16u, x86_sse_mov))
		CASE(LDDQU, move(tr, x86_sse_ld16u, NULL, NULL))
		CASE(MOVNTDQA, move(tr, x86_sse_ld16a, NULL, NULL))
		CASE(MOVNTDQ, move(tr, NULL, x86_sse_st16a, NULL))
		CASE(MOVNTPS, move(tr, NULL, x86_sse_st16a, NULL))
		CASE(MOVNTPD, move(tr, NULL, x86_sse_st16a, NULL))
		CASE(MOVSS, move(tr, x86_sse_ld4, x86_sse_st4, x86_sse_movss))
		CASE(MOVSD, move(tr, x86_sse_ld8, x86_sse_st8, x86_sse_movsd))
		CASE(MOVLPS, move(tr, x86_sse_ldlo, x86_sse_st8, NULL))
		CASE(MOVLPD, move(tr, x86_sse_ldlo, x86_sse_st8, NULL))
		CASE(MOVHPS, move(tr, x86_sse_ldhi, x86_sse_sthi, NULL))
		CASE(MOVHPD, move(tr, x86_sse_ldhi, x86_sse_sthi, NULL))
		CASE(MOVHLPS, move(tr, NULL, NULL, x86_sse_movhlps))
		CASE(MOVLHPS, move(tr, NULL, NULL, x86_sse_movlhps))
	case ZYDIS_MNEMONIC_MOVD:
	case ZYDIS_MNEMONIC_MOVQ:
		mov_d_q(tr);
		return true;
	case ZYDIS_MNEMONIC_MASKMOVDQU:
		op = x86_tr_op(tr, x86_sse_maskmov);
		op->d = reg_of(tr, 0);
		op->s = reg_of(tr, 1);
		x86_tr_at_reg(tr, op, 7 * 8, 16, true);
		return true;
	default:
		return false;
	}
}

bool x86_tr_sse(struct x86_tr *tr)
{
	const struct row *row = &rows[tr->in.mnemonic];

	if (tr->in.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY)
		return false;
	if (state(tr))
		return true;
	if (row->kind == K_NONE) {
		if (!moves(tr))
			return false;
	} else {
		const unsigned fp =
			row->kind == K_FP || row->kind == K_FP_FROM || row->kind == K_FP_TO;

		switch (row->kind) {
		case K_FROM:
		case K_FP_FROM:
			from_gpr(tr, row, fp);
			break;
		case K_TO:
		case K_FP_TO:
			to_gpr(tr, row, fp);
			break;
		default:
			two(tr, row, fp);
			break;
		}
	}
	if (!(tr->mode & M_SSE))
		tr->ops[tr->nops - 1].fn = x86_sse_unavailable;
	return true;
}
