/* SPDX-License-Identifier: MIT */
/* TDG.MR.VERIFYREPORT: was this REPORTMACSTRUCT made on this platform?
 *
 * No locks. The structure is in private memory. */
#include "module/guest_memory.h"
#include "module/leaves.h"
#include "module/report.h"

struct tdx_status leaf_tdg_mr_verifyreport(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdg_mr_verifyreport_in in = tdg_mr_verifyreport_take(regs);
	const struct tdx_report_mac *mac;
	struct tdx_status s;

	if (in.report_mac.v % sizeof(*mac) != 0)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
	mac = guest_memory(tx, in.report_mac, false, TDX_OPERAND_ID_RCX, &s);
	return mac ? report_verify(tx->m, mac) : s;
}
