/* SPDX-License-Identifier: MIT */
/* Translation of integer instructions: which handler, which operands. */
#include "x86/decode.h"
#include "x86/ops.h"
#include "x86/seg.h"
#include "x86/system.h"

static unsigned size_of(const struct x86_tr *tr, unsigned operand)
{
	return tr_size(tr->o[operand].size);
}

static uint64_t imm_of(const struct x86_tr *tr, unsigned operand)
{
	return tr->o[operand].imm.value.u;
}

static uint8_t reg_of(const struct x86_tr *tr, unsigned operand)
{
	return (uint8_t)x86_tr_reg(tr->o[operand].reg.value);
}

/* A two-operand instruction of any form. */
static void form2(struct x86_tr *tr, x86_fn *const table[4][FORMS])
{
	const unsigned size = size_of(tr, 0);
	struct x86_op *op = x86_tr_op(tr, NULL);
	enum form f;

	if (tr_is_reg(&tr->o[0])) {
		op->d = reg_of(tr, 0);
		if (tr_is_reg(&tr->o[1])) {
			op->s = reg_of(tr, 1);
			f = F_RR;
		} else if (tr_is_imm(&tr->o[1])) {
			op->imm = imm_of(tr, 1);
			f = F_RI;
		} else {
			f = x86_tr_mem(tr, op, &tr->o[1]) ? F_RM : F_RX;
		}
	} else {
		const bool simple = x86_tr_mem(tr, op, &tr->o[0]);

		if (tr_is_reg(&tr->o[1])) {
			op->s = reg_of(tr, 1);
			f = simple ? F_MR : F_MX;
			if (tr->prefix & OPF_LOCK)
				f = F_LR;
		} else {
			op->imm = imm_of(tr, 1);
			f = simple ? F_MI : F_XI;
			if (tr->prefix & OPF_LOCK)
				f = F_LI;
		}
	}
	op->fn = table[size][f];
}

/* One operand, register or memory; lock: the table has a third column. */
static struct x86_op *form1(struct x86_tr *tr, unsigned operand, x86_fn *reg, x86_fn *mem,
			    x86_fn *locked)
{
	struct x86_op *op = x86_tr_op(tr, reg);

	if (tr_is_reg(&tr->o[operand])) {
		op->d = op->s = reg_of(tr, operand);
	} else {
		x86_tr_mem(tr, op, &tr->o[operand]);
		op->fn = locked && (tr->prefix & OPF_LOCK) ? locked : mem;
	}
	return op;
}

static void alu1(struct x86_tr *tr, enum alu1 a)
{
	x86_fn *const *f = x86_alu1[a][size_of(tr, 0)];

	form1(tr, 0, f[0], f[1], f[2]);
}

static void shift(struct x86_tr *tr, enum shift s)
{
	x86_fn *const *f = x86_shift[s][size_of(tr, 0)];
	const bool by_cl = tr_is_reg(&tr->o[1]);
	struct x86_op *op = form1(tr, 0, f[by_cl], f[2 + by_cl], NULL);

	if (!by_cl)
		op->imm = imm_of(tr, 1);
}

static void shxd(struct x86_tr *tr, unsigned right)
{
	x86_fn *const *f = x86_shxd[right][size_of(tr, 0)];
	struct x86_op *op = form1(tr, 0, f[0], f[1], NULL);

	op->s = reg_of(tr, 1);
	op->imm = tr_is_imm(&tr->o[2]) ? imm_of(tr, 2) & 0xff : 256;
}

static void muldiv(struct x86_tr *tr, enum muldiv m)
{
	x86_fn *const *f = x86_muldiv[m][size_of(tr, 0)];

	form1(tr, 0, f[0], f[1], NULL);
}

static void imul(struct x86_tr *tr)
{
	x86_fn *const *f;
	struct x86_op *op;

	/* Only the one-operand encodings F6 /5 and F7 /5 leave the product in RDX:RAX. */
	if (tr->in.opcode == 0xf6 || tr->in.opcode == 0xf7) {
		muldiv(tr, D_IMUL);
		return;
	}
	f = x86_imul2[size_of(tr, 0)];
	if (tr->in.opcode == 0xaf) {
		op = form1(tr, 1, f[0], f[1], NULL);
	} else {
		op = form1(tr, 1, f[2], f[3], NULL);
		op->imm = imm_of(tr, 2);
	}
	op->d = reg_of(tr, 0);
}

static void bit(struct x86_tr *tr, enum bitop b)
{
	x86_fn *const *f = x86_bit[b][size_of(tr, 0)];
	const unsigned imm = tr_is_imm(&tr->o[1]);
	struct x86_op *op = form1(tr, 0, f[imm], f[2 + imm], f[4 + imm]);

	if (imm)
		op->imm = imm_of(tr, 1);
	else
		op->s = reg_of(tr, 1);
}

static void scan(struct x86_tr *tr, enum scan s)
{
	x86_fn *const *f = x86_scan[s][size_of(tr, 0)];

	form1(tr, 1, f[0], f[1], NULL)->d = reg_of(tr, 0);
}

static void extend(struct x86_tr *tr, x86_fn *const table[4][4][3])
{
	x86_fn *const *f = table[size_of(tr, 1)][size_of(tr, 0)];
	struct x86_op *op;

	if (!f[0]) { /* a 16-bit MOVSXD: an ordinary move */
		form2(tr, x86_mov);
		return;
	}
	op = x86_tr_op(tr, f[0]);
	if (tr_is_reg(&tr->o[1]))
		op->s = reg_of(tr, 1);
	else
		op->fn = x86_tr_mem(tr, op, &tr->o[1]) ? f[1] : f[2];
	op->d = reg_of(tr, 0);
}

static void lea(struct x86_tr *tr)
{
	x86_fn *const *f = x86_lea[size_of(tr, 0)];
	struct x86_op *op = x86_tr_op(tr, NULL);

	op->fn = x86_tr_mem(tr, op, &tr->o[1]) ? f[0] : f[1];
	op->d = reg_of(tr, 0);
}

static void exchange(struct x86_tr *tr)
{
	const unsigned mem = tr_is_mem(&tr->o[1]);
	x86_fn *const *f = x86_xchg[size_of(tr, 0)];

	form1(tr, mem, f[0], f[1], NULL)->s = reg_of(tr, mem ^ 1u);
}

static void read_modify(struct x86_tr *tr, x86_fn *const *f)
{
	form1(tr, 0, f[0], f[1], f[2])->s = reg_of(tr, 1);
}

/* --- control --- */

/* From the block's first byte. */
static int64_t target(const struct x86_tr *tr)
{
	return (int64_t)(tr->off + tr->in.length + imm_of(tr, 0));
}

/* Join a comparison with the jump right after it. */
static void fuse(struct x86_tr *tr, unsigned cc)
{
	struct x86_op *prev = &tr->ops[tr->nops - 2];
	unsigned wide;

	if (tr->nops < 3 || prev->n + 1u != tr->ninsns)
		return;
	for (wide = 0; wide < 2; wide++) {
		if (prev->fn == x86_alu2[A_CMP][2 + wide][F_RR])
			prev->fn = x86_fuse_cmp_rr[wide][cc];
		else if (prev->fn == x86_alu2[A_CMP][2 + wide][F_RI])
			prev->fn = x86_fuse_cmp_ri[wide][cc];
		else if (prev->fn == x86_alu2[A_TEST][2 + wide][F_RR])
			prev->fn = x86_fuse_test_rr[wide][cc];
	}
}

static uint8_t branch_size(const struct x86_tr *tr)
{
	return tr->mode & M_L64 ? 8 : tr->in.operand_width / 8;
}

static void jcc(struct x86_tr *tr, unsigned cc)
{
	x86_tr_link(tr, x86_tr_op(tr, x86_jcc[cc]), target(tr), branch_size(tr));
	fuse(tr, cc);
}

static void loop(struct x86_tr *tr, uint8_t kind)
{
	struct x86_op *op = x86_tr_op(tr, x86_loop);

	op->sc = kind;
	if (tr->in.address_width == 32)
		op->fl |= OPF_A32;
	if (tr->in.address_width == 16)
		op->fl |= OPF_A16;
	x86_tr_link(tr, op, target(tr), tr->mode & M_L64 ? 8 : 4);
}

static void far_transfer(struct x86_tr *tr, x86_fn *fn)
{
	struct x86_op *op = x86_tr_end(tr, fn);

	op->s = tr->in.operand_width / 8;
	if (tr_is_mem(&tr->o[0])) {
		x86_tr_mem(tr, op, &tr->o[0]);
	} else {
		op->imm = tr->o[0].ptr.offset;
		op->disp = tr->o[0].ptr.segment;
	}
}

static void jump(struct x86_tr *tr, bool call)
{
	const uint8_t size = branch_size(tr);
	struct x86_op *op;

	if (tr->in.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR) {
		far_transfer(tr, call ? x86_far_call : x86_far_jmp);
		return;
	}
	if (tr_is_imm(&tr->o[0])) {
		if (size == 8) {
			op = x86_tr_end(tr, call ? x86_call64 : x86_jmp);
			x86_tr_link(tr, op, target(tr), 8);
		} else if (size == 4 && (!call || x86_flat32(tr->mode))) {
			op = x86_tr_end(tr, call ? x86_call32 : x86_jmp);
			x86_tr_link(tr, op, target(tr), 4);
		} else {
			op = x86_tr_end(tr, call ? x86_call_rel : x86_jmp_rel);
			op->imm = (uint64_t)target(tr);
			op->d = size;
		}
		return;
	}
	op = x86_tr_end(tr, x86_near_ind);
	op->d = size;
	op->imm = call;
	if (tr_is_reg(&tr->o[0])) {
		op->s = reg_of(tr, 0);
		if (size == 8)
			op->fn = call ? x86_call64_r : x86_jmp64_r;
	} else {
		x86_tr_mem(tr, op, &tr->o[0]);
		if (size == 8)
			op->fn = call ? x86_call64_m : x86_jmp64_m;
	}
}

static void ret(struct x86_tr *tr)
{
	struct x86_op *op;

	if (tr->in.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR) {
		op = x86_tr_end(tr, x86_far_ret);
		op->s = tr->in.operand_width / 8;
	} else {
		op = x86_tr_end(tr, branch_size(tr) == 8 ? x86_ret64 : x86_ret);
		op->d = branch_size(tr);
	}
	if (tr->in.operand_count_visible && tr_is_imm(&tr->o[0]))
		op->imm = imm_of(tr, 0) & 0xffff;
}

/* --- stack --- */

static bool is_seg(const ZydisDecodedOperand *o)
{
	return tr_is_reg(o) && o->reg.value >= ZYDIS_REGISTER_ES &&
	       o->reg.value <= ZYDIS_REGISTER_GS;
}

static void push(struct x86_tr *tr)
{
	const unsigned size = tr_size(tr->in.operand_width);
	struct x86_op *op;

	if (is_seg(&tr->o[0])) {
		op = x86_tr_op(tr, x86_push_seg);
		op->s = (uint8_t)(tr->o[0].reg.value - ZYDIS_REGISTER_ES);
		op->sc = tr->in.operand_width / 8;
	} else if (tr_is_imm(&tr->o[0])) {
		op = x86_tr_op(tr, x86_push[size][1]);
		op->imm = imm_of(tr, 0);
	} else {
		form1(tr, 0, size == 3 ? x86_push64_r : x86_push[size][0], x86_push[size][2], NULL);
	}
}

static void pop(struct x86_tr *tr)
{
	const unsigned size = tr_size(tr->in.operand_width);
	struct x86_op *op;

	if (is_seg(&tr->o[0])) {
		op = x86_tr_end(tr, x86_pop_seg);
		op->d = (uint8_t)(tr->o[0].reg.value - ZYDIS_REGISTER_ES);
		op->sc = tr->in.operand_width / 8;
	} else {
		form1(tr, 0, size == 3 ? x86_pop64_r : x86_pop[size][0], x86_pop[size][1], NULL);
	}
}

static void sized(struct x86_tr *tr, x86_fn *fn, unsigned bytes)
{
	x86_tr_op(tr, fn)->sc = (uint8_t)bytes;
}

static void string(struct x86_tr *tr, x86_fn *fn, uint8_t size)
{
	struct x86_op *op = x86_tr_op(tr, fn);
	unsigned i;

	/* The processor takes either prefix on any of them; the last one counts. */
	op->fl = 0;
	for (i = 0; i < tr->in.raw.prefix_count; i++) {
		if (tr->in.raw.prefixes[i].value == 0xf3)
			op->fl = OPF_REP;
		if (tr->in.raw.prefixes[i].value == 0xf2)
			op->fl = OPF_REPNE;
	}
	op->sc = size;
	op->seg = (uint8_t)x86_tr_seg(tr);
	if (tr->in.address_width == 32)
		op->fl |= OPF_A32;
	if (tr->in.address_width == 16)
		op->fl |= OPF_A16;
}

static void mov(struct x86_tr *tr)
{
	struct x86_op *op;

	if (is_seg(&tr->o[0])) {
		op = x86_tr_end(tr, x86_mov_to_seg);
		if (tr_is_reg(&tr->o[1]))
			op->s = reg_of(tr, 1);
		else
			x86_tr_mem(tr, op, &tr->o[1]);
		op->d = (uint8_t)(tr->o[0].reg.value - ZYDIS_REGISTER_ES);
	} else if (is_seg(&tr->o[1])) {
		op = x86_tr_op(tr, x86_mov_from_seg);
		if (tr_is_reg(&tr->o[0])) {
			op->d = reg_of(tr, 0);
			op->sc = (uint8_t)(tr->o[0].size / 8);
		} else {
			x86_tr_mem(tr, op, &tr->o[0]);
		}
		op->s = (uint8_t)(tr->o[1].reg.value - ZYDIS_REGISTER_ES);
	} else if (tr->in.opcode >= 0xa0 && tr->in.opcode <= 0xa3 && tr_is_mem(&tr->o[0])) {
		/* moffs: the displacement may have 64 bits; it goes through a link's worth of imm
		 */
		op = x86_tr_op(tr, NULL);
		x86_tr_mem(tr, op, &tr->o[0]);
		op->s = 0;
		op->imm = (uint64_t)tr->o[0].mem.disp.value;
		op->d = (uint8_t)size_of(tr, 0);
		op->fn = x86_mov_moffs_st;
	} else if (tr->in.opcode >= 0xa0 && tr->in.opcode <= 0xa3 && tr_is_mem(&tr->o[1])) {
		op = x86_tr_op(tr, NULL);
		x86_tr_mem(tr, op, &tr->o[1]);
		op->imm = (uint64_t)tr->o[1].mem.disp.value;
		op->s = (uint8_t)size_of(tr, 0);
		op->fn = x86_mov_moffs_ld;
	} else {
		form2(tr, x86_mov);
	}
}

static void movbe(struct x86_tr *tr)
{
	const bool store = tr_is_mem(&tr->o[0]);
	struct x86_op *op = x86_tr_op(tr, x86_movbe);

	x86_tr_mem(tr, op, &tr->o[store ? 0 : 1]);
	op->d = op->s = reg_of(tr, store ? 1 : 0);
	op->imm = tr->o[0].size / 8 | (store ? 0x100u : 0);
}

static void source_imm(struct x86_tr *tr, x86_fn *fn, uint64_t imm)
{
	struct x86_op *op = form1(tr, 1, fn, fn, NULL);

	op->d = reg_of(tr, 0);
	op->imm = imm;
}

static void memory_only(struct x86_tr *tr, x86_fn *fn, unsigned operand)
{
	x86_tr_mem(tr, x86_tr_op(tr, fn), &tr->o[operand]);
}

static void cache_line(struct x86_tr *tr, enum x86_cache_op which)
{
	struct x86_op *op = x86_tr_op(tr, x86_cache_line);

	x86_tr_mem(tr, op, &tr->o[0]);
	op->imm = which;
}

/* An ordinary store where nobody models caches. */
static void direct_store(struct x86_tr *tr)
{
	struct x86_op *op;

	if (!tr->cpu->ops->direct_store) {
		form2(tr, x86_mov);
		return;
	}
	op = x86_tr_op(tr, x86_direct_store);
	x86_tr_mem(tr, op, &tr->o[0]);
	op->s = reg_of(tr, 1);
	op->imm = tr->o[0].size / 8;
}

static void bcd(struct x86_tr *tr, uint64_t which, bool imm)
{
	struct x86_op *op = x86_tr_op(tr, x86_bcd);

	op->imm = which;
	if (imm)
		op->s = (uint8_t)imm_of(tr, 0);
}

static void flag(struct x86_tr *tr, uint64_t which)
{
	x86_tr_op(tr, x86_flag)->imm = which;
}

static bool by_opcode(struct x86_tr *tr)
{
	const unsigned op = tr->in.opcode, cc = op & 15u;
	x86_fn *const *f;

	if (tr->in.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY)
		return false;
	if (tr->in.opcode_map == ZYDIS_OPCODE_MAP_DEFAULT && op >= 0x70 && op <= 0x7f) {
		jcc(tr, cc);
		return true;
	}
	if (tr->in.opcode_map != ZYDIS_OPCODE_MAP_0F)
		return false;
	switch (op & 0xf0) {
	case 0x80:
		jcc(tr, cc);
		return true;
	case 0x90:
		form1(tr, 0, x86_setcc[cc][0], x86_setcc[cc][1], NULL);
		return true;
	case 0x40:
		f = x86_cmov[cc][size_of(tr, 0)];
		form1(tr, 1, f[0], f[1], NULL)->d = reg_of(tr, 0);
		return true;
	default:
		return false;
	}
}

bool x86_tr_int(struct x86_tr *tr)
{
	struct x86_op *op;

	if (by_opcode(tr))
		return true;
	if (tr->in.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY)
		return false;
	/* What only uses the stack implicitly. */
	switch (tr->in.meta.category) {
	case ZYDIS_CATEGORY_PUSH:
	case ZYDIS_CATEGORY_POP:
	case ZYDIS_CATEGORY_CALL:
	case ZYDIS_CATEGORY_RET:
		if (!tr_is_mem(&tr->o[0]) || !tr->in.operand_count_visible)
			tr->prefix |= OPF_SS;
		break;
	default:
		break;
	}
	if (tr->in.mnemonic == ZYDIS_MNEMONIC_LEAVE || tr->in.mnemonic == ZYDIS_MNEMONIC_ENTER)
		tr->prefix |= OPF_SS;
	switch (tr->in.mnemonic) {
#define ALU2_CASE(name)                                                                            \
	case ZYDIS_MNEMONIC_##name:                                                                \
		form2(tr, x86_alu2[A_##name]);                                                     \
		return true;
		ALU2_CASE(ADD)
		ALU2_CASE(OR)
		ALU2_CASE(ADC)
		ALU2_CASE(SBB)
		ALU2_CASE(AND)
		ALU2_CASE(SUB)
		ALU2_CASE(XOR)
		ALU2_CASE(CMP)
		ALU2_CASE(TEST)
#define CASE(name, call)                                                                           \
	case ZYDIS_MNEMONIC_##name:                                                                \
		call;                                                                              \
		return true;
		CASE(INC, alu1(tr, A_INC))
		CASE(DEC, alu1(tr, A_DEC))
		CASE(NEG, alu1(tr, A_NEG))
		CASE(NOT, alu1(tr, A_NOT))
		CASE(ROL, shift(tr, S_ROL))
		CASE(ROR, shift(tr, S_ROR))
		CASE(RCL, shift(tr, S_RCL))
		CASE(RCR, shift(tr, S_RCR))
		CASE(SHL, shift(tr, S_SHL))
		CASE(SHR, shift(tr, S_SHR))
		CASE(SAR, shift(tr, S_SAR))
		CASE(SHLD, shxd(tr, 0))
		CASE(SHRD, shxd(tr, 1))
		CASE(MUL, muldiv(tr, D_MUL))
		CASE(DIV, muldiv(tr, D_DIV))
		CASE(IDIV, muldiv(tr, D_IDIV))
		CASE(IMUL, imul(tr))
		CASE(BT, bit(tr, B_BT))
		CASE(BTS, bit(tr, B_BTS))
		CASE(BTR, bit(tr, B_BTR))
		CASE(BTC, bit(tr, B_BTC))
		CASE(BSF, scan(tr, C_BSF))
		CASE(BSR, scan(tr, C_BSR))
		CASE(TZCNT, scan(tr, C_TZCNT))
		CASE(LZCNT, scan(tr, C_LZCNT))
		CASE(POPCNT, scan(tr, C_POPCNT))
	case ZYDIS_MNEMONIC_MOV:
		if (tr->in.opcode_map != ZYDIS_OPCODE_MAP_DEFAULT)
			return false; /* control and debug registers */
		mov(tr);
		return true;
		CASE(MOVNTI, direct_store(tr))
		CASE(MOVZX, extend(tr, x86_movzx))
		CASE(MOVSX, extend(tr, x86_movsx))
		CASE(MOVSXD, extend(tr, x86_movsx))
		CASE(LEA, lea(tr))
		CASE(XADD, read_modify(tr, x86_xadd[size_of(tr, 0)]))
		CASE(CMPXCHG, read_modify(tr, x86_cmpxchg[size_of(tr, 0)]))
		CASE(CMPXCHG8B, memory_only(tr, x86_cmpxchg8b, 0))
		CASE(CMPXCHG16B, memory_only(tr, x86_cmpxchg16b, 0))
		CASE(XCHG, exchange(tr))
		CASE(CALL, jump(tr, true))
		CASE(JMP, jump(tr, false))
		CASE(RET, ret(tr))
		CASE(LOOP, loop(tr, 0))
		CASE(LOOPE, loop(tr, 1))
		CASE(LOOPNE, loop(tr, 2))
		CASE(JCXZ, loop(tr, 3))
		CASE(JECXZ, loop(tr, 3))
		CASE(JRCXZ, loop(tr, 3))
		CASE(PUSH, push(tr))
		CASE(POP, pop(tr))
		CASE(PUSHA, sized(tr, x86_pusha, 2))
		CASE(PUSHAD, sized(tr, x86_pusha, 4))
		CASE(POPA, sized(tr, x86_popa, 2))
		CASE(POPAD, sized(tr, x86_popa, 4))
		CASE(PUSHF, sized(tr, x86_pushf, 2))
		CASE(PUSHFD, sized(tr, x86_pushf, 4))
		CASE(PUSHFQ, sized(tr, x86_pushf, 8))
		CASE(POPF, x86_tr_end(tr, x86_popf)->sc = 2)
		CASE(POPFD, x86_tr_end(tr, x86_popf)->sc = 4)
		CASE(POPFQ, x86_tr_end(tr, x86_popf)->sc = 8)
		CASE(LEAVE, sized(tr, tr->in.operand_width == 64 ? x86_leave64 : x86_leave_frame,
				  tr->in.operand_width / 8u))
	case ZYDIS_MNEMONIC_ENTER:
		op = x86_tr_op(tr, x86_enter);
		op->sc = tr->in.operand_width / 8;
		op->imm = imm_of(tr, 0) & 0xffff;
		op->disp = (int32_t)(imm_of(tr, 1) & 31);
		return true;
		CASE(BSWAP, form1(tr, 0, x86_bswap, NULL, NULL)->sc = (uint8_t)(tr->o[0].size / 8))
		CASE(CBW, sized(tr, x86_convert, 2))
		CASE(CWDE, sized(tr, x86_convert, 4))
		CASE(CDQE, sized(tr, x86_convert, 8))
		CASE(CWD, sized(tr, x86_double, 2))
		CASE(CDQ, sized(tr, x86_double, 4))
		CASE(CQO, sized(tr, x86_double, 8))
		CASE(CLC, flag(tr, 0))
		CASE(STC, flag(tr, 1))
		CASE(CMC, flag(tr, 2))
		CASE(CLD, flag(tr, 3))
		CASE(STD, flag(tr, 4))
		CASE(LAHF, flag(tr, 5))
		CASE(SAHF, flag(tr, 6))
		CASE(MOVSB, string(tr, x86_movs, 1))
		CASE(MOVSW, string(tr, x86_movs, 2))
		CASE(MOVSQ, string(tr, x86_movs, 8))
		CASE(STOSB, string(tr, x86_stos, 1))
		CASE(STOSW, string(tr, x86_stos, 2))
		CASE(STOSD, string(tr, x86_stos, 4))
		CASE(STOSQ, string(tr, x86_stos, 8))
		CASE(LODSB, string(tr, x86_lods, 1))
		CASE(LODSW, string(tr, x86_lods, 2))
		CASE(LODSD, string(tr, x86_lods, 4))
		CASE(LODSQ, string(tr, x86_lods, 8))
		CASE(CMPSB, string(tr, x86_cmps, 1))
		CASE(CMPSW, string(tr, x86_cmps, 2))
		CASE(CMPSQ, string(tr, x86_cmps, 8))
		CASE(SCASB, string(tr, x86_scas, 1))
		CASE(SCASW, string(tr, x86_scas, 2))
		CASE(SCASD, string(tr, x86_scas, 4))
		CASE(SCASQ, string(tr, x86_scas, 8))
	case ZYDIS_MNEMONIC_MOVSD: /* also an SSE instruction's name */
	case ZYDIS_MNEMONIC_CMPSD:
		if (tr->in.opcode_map != ZYDIS_OPCODE_MAP_DEFAULT)
			return false;
		string(tr, tr->in.mnemonic == ZYDIS_MNEMONIC_MOVSD ? x86_movs : x86_cmps, 4);
		return true;
		CASE(MOVBE, movbe(tr))
		CASE(CRC32, source_imm(tr, x86_crc32, tr->o[1].size / 8))
		CASE(ADCX, source_imm(tr, x86_adx, tr->o[0].size == 64 ? 2 : 0))
		CASE(ADOX, source_imm(tr, x86_adx, tr->o[0].size == 64 ? 3 : 1))
		CASE(XLAT, x86_tr_at_reg(tr, x86_tr_op(tr, x86_xlat), 3 * 8, 1, false))
	case ZYDIS_MNEMONIC_MOVDIR64B:
		op = x86_tr_op(tr, x86_movdir64b);
		x86_tr_mem(tr, op, &tr->o[1]);
		op->d = (uint8_t)x86_tr_reg(tr_is_mem(&tr->o[0]) ? tr->o[0].mem.base
								 : tr->o[0].reg.value);
		return true;
		CASE(MOVDIRI, direct_store(tr))
		CASE(ARPL, form1(tr, 0, x86_arpl, x86_arpl, NULL)->s = reg_of(tr, 1))
		CASE(SALC, x86_tr_op(tr, x86_salc))
		CASE(DAA, bcd(tr, 0, false))
		CASE(DAS, bcd(tr, 1, false))
		CASE(AAA, bcd(tr, 2, false))
		CASE(AAS, bcd(tr, 3, false))
		CASE(AAM, bcd(tr, 4, true))
		CASE(AAD, bcd(tr, 5, true))
	case ZYDIS_MNEMONIC_BOUND:
		op = x86_tr_op(tr, x86_bound);
		x86_tr_mem(tr, op, &tr->o[1]);
		op->d = reg_of(tr, 0);
		op->imm = tr->o[0].size / 8;
		return true;
		CASE(MFENCE, x86_tr_op(tr, x86_fence))
		CASE(LFENCE, x86_tr_op(tr, x86_nop))
		CASE(SFENCE, x86_tr_op(tr, tr->cpu->ops->fence ? x86_fence : x86_nop))
		CASE(PAUSE,
		     x86_tr_op(tr, x86_pause)) /* also with REX.B, as Intel's processors do */
	case ZYDIS_MNEMONIC_NOP:
	case ZYDIS_MNEMONIC_ENDBR64:
	case ZYDIS_MNEMONIC_ENDBR32:
	case ZYDIS_MNEMONIC_PREFETCH:
	case ZYDIS_MNEMONIC_PREFETCHNTA:
	case ZYDIS_MNEMONIC_PREFETCHT0:
	case ZYDIS_MNEMONIC_PREFETCHT1:
	case ZYDIS_MNEMONIC_PREFETCHT2:
	case ZYDIS_MNEMONIC_PREFETCHW:
	case ZYDIS_MNEMONIC_PREFETCHWT1:
	case ZYDIS_MNEMONIC_CLDEMOTE:
	case ZYDIS_MNEMONIC_RDSSPD: /* NOPs where shadow stacks are off, which they are */
	case ZYDIS_MNEMONIC_RDSSPQ:
		x86_tr_op(tr, x86_nop);
		return true;
		CASE(CLFLUSH, cache_line(tr, X86_CLFLUSH))
		CASE(CLFLUSHOPT, cache_line(tr, X86_CLFLUSHOPT))
		CASE(CLWB, cache_line(tr, X86_CLWB))
		CASE(SERIALIZE, x86_tr_end(tr, x86_serialize))
	default:
		return false;
	}
}
