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
				const uint8_t **reportdata)
{
	struct tdx_status s;

	*reportdata = NULL;
	if (in->report.v % sizeof(struct tdx_report) != 0)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
	if (in->report_data.v % TDX_REPORTDATA_SIZE != 0)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RDX);
	*reportdata = guest_memory(tx, in->report_data, false, GPA_PRIVATE_OR_SHARED,
				   TDX_OPERAND_ID_RDX, &s);
	/* after its neighbour has been read, and what RCX names last of all: Intel's
	 * tdg_mr_report.c */
	if (*reportdata && in->subtype != 0)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_R8);
	return s;
}

struct tdx_status leaf_tdg_mr_report(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdg_mr_report_in in = tdg_mr_report_take(regs);
	struct lp *lp = tx->lp;
	const uint8_t *reportdata;
	uint8_t hash[TDX_SHA384_SIZE];
	struct tdx_report report;
	bool computed;
	void *target;
	struct tdx_status s = decode(tx, &in, &reportdata);

	if (!tdx_is_success(s) || !reportdata)
		return s;
	s = td_info_read(tx, lp->tdr_pa, lp->tdcs, 0, &report.td_info, hash, &computed);
	if (!tdx_is_success(s))
		return s;
	if (computed && machine_irq_pending_guest(lp->hw)) {
		guest_repeat(lp);
		return s;
	}
	report_sign(tx->m, &report, reportdata, hash, lp->tdcs->servtd_num > 0);
	target = guest_memory(tx, in.report, true, GPA_PRIVATE_OR_SHARED, TDX_OPERAND_ID_RCX, &s);
	if (target)
		memcpy(target, &report, sizeof(report));
	return s;
}
