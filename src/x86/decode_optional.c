/* SPDX-License-Identifier: MIT */
/* Translation of the instructions in optional.c. */
#include "x86/decode.h"
#include "x86/system.h"

#define RAX 0u

static uint8_t reg_of(const struct x86_tr *tr, unsigned operand)
{
	return (uint8_t)x86_tr_reg(tr->o[operand].reg.value);
}

static void xbegin(struct x86_tr *tr)
{
	struct x86_op *op = x86_tr_end(tr, x86_xbegin);

	op->imm = tr->off + tr->in.length + (uint64_t)tr->o[0].imm.value.s;
	op->d = tr->mode & M_L64 ? 8 : tr->in.operand_width / 8;
}

static void ptwrite(struct x86_tr *tr)
{
	struct x86_op *op = x86_tr_op(tr, x86_ptwrite);

	if (tr_is_mem(&tr->o[0])) {
		x86_tr_mem(tr, op, &tr->o[0]);
		op->s = (uint8_t)(tr->o[0].size / 8);
	}
}

bool x86_tr_optional(struct x86_tr *tr)
{
	switch (tr->in.mnemonic) {
#define CASE(name, call)                                                                           \
	case ZYDIS_MNEMONIC_##name:                                                                \
		call;                                                                              \
		return true;
		CASE(XBEGIN, xbegin(tr))
		CASE(XTEST, x86_tr_op(tr, x86_xtest))
		CASE(XEND, x86_tr_end(tr, x86_gp)) /* outside a transaction */
		CASE(XABORT, x86_tr_op(tr, x86_nop))
		CASE(XSUSLDTRK, x86_tr_op(tr, x86_nop))
		CASE(XRESLDTRK, x86_tr_op(tr, x86_nop))
		CASE(TPAUSE, x86_tr_op(tr, x86_wait)->s = reg_of(tr, 0))
		CASE(UMWAIT, x86_tr_op(tr, x86_wait)->s = reg_of(tr, 0))
		CASE(UMONITOR, x86_tr_at_reg(tr, x86_tr_op(tr, x86_probe), reg_of(tr, 0), 1, false))
		CASE(MONITOR, x86_tr_at_reg(tr, x86_tr_op(tr, x86_monitor), RAX, 1, false))
		CASE(MWAIT, x86_tr_op(tr, x86_mwait))
		CASE(PTWRITE, ptwrite(tr))
		CASE(RDPKRU, x86_tr_op(tr, x86_pkru))
		CASE(WRPKRU, x86_tr_op(tr, x86_pkru)->imm = 1)
	default:
		return false;
	}
}
