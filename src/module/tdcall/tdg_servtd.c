/* SPDX-License-Identifier: MIT */
/* TDG.SERVTD.RD and TDG.SERVTD.WR: a service TD looks at the TD it is bound to. Not done here: no
 * binding handle is right. */
#include "module/leaves.h"
#include "module/tx.h"

struct tdx_status leaf_tdg_servtd_rd(struct tx *tx, struct tdx_regs *regs)
{
	regs->rdx = ~0ull;
	regs->r8 = 0;
	return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
}

struct tdx_status leaf_tdg_servtd_wr(struct tx *tx, struct tdx_regs *regs)
{
	regs->r8 = 0;
	return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
}
