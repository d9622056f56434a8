/* SPDX-License-Identifier: MIT */
/* TDG.MR.*: measurement registers and reports. */
#include "guest/call.h"

struct tdx_status tdg_mr_rtmr_extend(const struct tdg_port *vcpu, gpa_t digest, unsigned rtmr)
{
	struct tdx_regs r = {.rcx = digest.v, .rdx = rtmr};

	return guest_call(vcpu, TDG_MR_RTMR_EXTEND, 0, &r);
}

struct tdx_status tdg_mr_report(const struct tdg_port *vcpu, gpa_t report, gpa_t reportdata,
				unsigned subtype)
{
	struct tdx_regs r = {.rcx = report.v, .rdx = reportdata.v, .r8 = subtype};

	return guest_call(vcpu, TDG_MR_REPORT, 0, &r);
}

struct tdx_status tdg_mr_verifyreport(const struct tdg_port *vcpu, gpa_t mac)
{
	struct tdx_regs r = {.rcx = mac.v};

	return guest_call(vcpu, TDG_MR_VERIFYREPORT, 0, &r);
}
