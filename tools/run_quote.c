/* SPDX-License-Identifier: MIT */
/* See tools/run_quote.h. */
#include "tools/run_quote.h"

#include "tools/quote_state.h"

int run_quote(struct tdx_vm *vm, struct tdx_run *run)
{
	struct quote_service *service = NULL;
	struct tdx_quote_job job;
	char path[4096];
	int rc = tdx_vm_quote_take(vm, run, &job), given;

	if (rc)
		return rc;
	rc = quote_state_path(NULL, path, sizeof(path));
	if (!rc)
		rc = quote_state_open(path, true, &service);
	given = tdx_vm_quote_give(vm, &job, rc ? NULL : service);
	quote_service_free(service);
	return rc ? rc : given;
}
