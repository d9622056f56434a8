/* SPDX-License-Identifier: MIT */
/* TDG.MR.REPORT: a TDREPORT of the calling TD.
 *
 * Locks: the RTMRs shared, for a moment. Hashing the TD's state is long: when it had to be done and
 * an interrupt waits, the guest repeats the call and finds the hash done. */
#include "module/guest_memory.h"
#include "module/leaves.h"
#include "module/report.h"

#include <string.h>

static struct tdx_status decode(struct tx *tx, const struct tdg_mr_report_in *in,
				uint8_t reportdata[TDX_REPORTDATA_SIZE], bool *found)
{
	struct tdx_status s;

	*found = false;
	if (in->report.v % sizeof(struct tdx_report) != 0)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
	if (in->report_data.v % TDX_REPORTDATA_SIZE != 0)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RDX);
	*found = guest_memory_read(tx, in->report_data, TDX_OPERAND_ID_RDX, reportdata,
				   TDX_REPORTDATA_SIZE, &s);
	/* after its neighbour has been read, and what RCX names last of all: Intel's
	 * tdg_mr_report.c */
	if (*found && in->subtype != 0)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_R8);
	return s;
}

struct tdx_status leaf_tdg_mr_report(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdg_mr_report_in in = tdg_mr_report_take(regs);
	struct lp *lp = tx->lp;
	uint8_t reportdata[TDX_REPORTDATA_SIZE];
	uint8_t hash[TDX_SHA384_SIZE];
	struct tdx_report report;
	bool computed, found;
	struct tdx_status s = decode(tx, &in, reportdata, &found);

	if (!tdx_is_success(s) || !found)
		return s;
	s = td_info_read(tx, lp->tdr_pa, lp->tdcs, 0, &report.td_info, hash, &computed);
	if (!tdx_is_success(s))
		return s;
	if (computed && machine_irq_pending_guest(lp->hw)) {
		guest_repeat(lp);
		return s;
	}
	report_sign(tx->m, &report, reportdata, hash, lp->tdcs->servtd_num > 0);
	(void)guest_memory_write(tx, in.report, TDX_OPERAND_ID_RCX, &report, sizeof(report), &s);
	return s;
}
