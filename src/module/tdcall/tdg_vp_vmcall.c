/* SPDX-License-Identifier: MIT */
/* TDG.VP.VMCALL: a request to the host, with the registers the mask in RCX lets it see.
 *
 * No locks. Registers not in the mask are zero for the host. What the host returns in them comes
 * with its next TDH.VP.ENTER. */
#include "abi/operand.h"
#include "module/leaves.h"
#include "module/transition.h"
#include <swtdx/structs.h>

enum { REG_RSP = 4, REG_RBP = 5 };

static void show_host(struct lp *lp, const struct tdx_regs *regs, uint64_t mask, bool keep_rbp)
{
	const uint64_t *from = &regs->rax;

	lp->host.rcx = mask;
	for (unsigned i = 2; i < 16; i++)
		if (mask >> i & 1)
			*tdx_reg(&lp->host, i) = from[i];
		else if (i != REG_RSP && (i != REG_RBP || !keep_rbp))
			*tdx_reg(&lp->host, i) = 0;
}

struct tdx_status leaf_tdg_vp_vmcall(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdg_vp_vmcall_in in = tdg_vp_vmcall_take(regs);
	bool keep_rbp = (tx->lp->tdcs->config_flags & TDX_CONFIG_NO_RBP_MOD) != 0;
	uint64_t refused = VMCALL_RESERVED | VMCALL_GPR_REFUSED | (keep_rbp ? VMCALL_GPR_RBP : 0);

	if (in.mask & refused)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
	/* Cannot fail: the registers are the host's from here on. */
	show_host(tx->lp, regs, in.mask, keep_rbp);
	td_exit_vmcall(tx->lp);
	return tdx_success();
}
