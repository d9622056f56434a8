/* SPDX-License-Identifier: MIT */
/* GetQuote: requests in guests' shared buffers, answered by a test quote service.
 *
 * The buffer is the guest's to change at any time, so the request is copied once and judged as
 * copied. The answer goes in backwards: data, length, status, as the guest looks at the status
 * first. Quotes and the key under which the simulated platform's reports verify are marked as
 * simulated. GHCI: TDG.VP.VMCALL<GetQuote>. */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <swtdx/attest.h>

#include "abi/ghci.h"
#include "vmm/internal.h"

static int put_status(struct tdx_vm *vm, gpa_t buffer, uint64_t status)
{
	return tdx_vm_write_shared(vm, gpa(buffer.v + offsetof(struct tdx_quote_header, status)),
				   &status, sizeof(status));
}

static int put_length(struct tdx_vm *vm, gpa_t buffer, uint32_t len)
{
	return tdx_vm_write_shared(vm, gpa(buffer.v + offsetof(struct tdx_quote_header, out_len)),
				   &len, sizeof(len));
}

int tdx_vm_quote_take(struct tdx_vm *vm, struct tdx_run *run, struct tdx_quote_job *job)
{
	struct tdx_quote_header h;
	int err;

	*job = (struct tdx_quote_job){.buffer = run->get_quote.gpa, .size = run->get_quote.size};
	run->get_quote.ret = TDVMCALL_INVALID_OPERAND;
	if (job->size < sizeof(h) + sizeof(job->report))
		return -EINVAL;
	err = tdx_vm_read_shared(vm, job->buffer, &h, sizeof(h));
	if (!err)
		err = tdx_vm_read_shared(vm, gpa(job->buffer.v + sizeof(h)), &job->report,
					 sizeof(job->report));
	if (err)
		return err;
	/* The call as such was right from here on; what is wrong now is told in the buffer. */
	run->get_quote.ret = TDVMCALL_SUCCESS;
	if (h.version != TDX_QUOTE_VERSION || h.in_len != sizeof(job->report)) {
		err = put_status(vm, job->buffer, TDX_QUOTE_ERROR);
		return err ? err : -EINVAL;
	}
	return put_status(vm, job->buffer, TDX_QUOTE_IN_FLIGHT);
}

static int finish(struct tdx_vm *vm, const struct tdx_quote_job *job, uint64_t status, size_t len)
{
	int err = put_length(vm, job->buffer, (uint32_t)len);

	return err ? err : put_status(vm, job->buffer, status);
}

int tdx_vm_quote_give(struct tdx_vm *vm, const struct tdx_quote_job *job,
		      const struct tdx_quote_service *service)
{
	const size_t room = (size_t)job->size - sizeof(struct tdx_quote_header);
	struct tdx_attest_error why;
	uint8_t quote[TDX_QUOTE_MAX];
	size_t len = 0;
	int err, told;

	if (!service) {
		told = finish(vm, job, TDX_QUOTE_SERVICE_UNAVAILABLE, 0);
		return told ? told : -ENODEV;
	}
	err = tdx_quote_service_sign(service, &job->report, SWTDX_REPORT_KEY, SWTDX_REPORT_KEY_SIZE,
				     quote, sizeof(quote), &len, &why);
	if (!err && len > room)
		err = -ENOSPC;
	if (!err)
		err = tdx_vm_write_shared(vm, gpa(job->buffer.v + sizeof(struct tdx_quote_header)),
					  quote, len);
	told = err ? finish(vm, job, TDX_QUOTE_ERROR, 0) : finish(vm, job, TDX_QUOTE_SUCCESS, len);
	return err ? err : told;
}
