/* SPDX-License-Identifier: MIT */
/* TDREPORTs and RTMRs for callers that have bytes rather than GPAs: through a page of private
 * memory, where the operands have the alignment the module wants. */
#include "guest/call.h"
#include "guest/errno.h"

enum { AT_REPORT = 0, AT_DATA = 1024, AT_DIGEST = 2048 };

static int errno_of(struct tdx_status s, struct tdx_status *out)
{
	if (out)
		*out = s;
	if (tdx_is_success(s))
		return 0;
	return tdx_is(s, TDX_OPERAND_INVALID) ? -ENXIO : tdx_is_busy(s) ? -EBUSY : -EIO;
}

int tdg_get_report(const struct tdg_port *vcpu, const struct tdg_scratch *scratch,
		   const uint8_t reportdata[TDX_REPORTDATA_SIZE], struct tdx_report *out,
		   struct tdx_status *status)
{
	gpa_t data = gpa(scratch->page.v + AT_DATA), report = gpa(scratch->page.v + AT_REPORT);
	int err;

	__builtin_memset(out, 0, sizeof(*out));
	if (status)
		*status = tdx_success();
	if (!vcpu->ops->write(vcpu, data, reportdata, TDX_REPORTDATA_SIZE))
		return -EIO;
	err = errno_of(tdg_mr_report(vcpu, report, data, 0), status);
	if (!err && !vcpu->ops->read(vcpu, report, out, sizeof(*out)))
		err = -EIO;
	return err;
}

int tdg_extend_rtmr(const struct tdg_port *vcpu, const struct tdg_scratch *scratch, unsigned rtmr,
		    const struct tdx_digest *digest, struct tdx_status *status)
{
	gpa_t at = gpa(scratch->page.v + AT_DIGEST);

	if (status)
		*status = tdx_success();
	if (!vcpu->ops->write(vcpu, at, digest, sizeof(*digest)))
		return -EIO;
	return errno_of(tdg_mr_rtmr_extend(vcpu, at, rtmr), status);
}
