/* SPDX-License-Identifier: MIT */
/* See tools/run_quote.h. */
#include "tools/run_quote.h"

#include <swtdx/attest.h>

#include "tools/quote_state.h"
#include "tools/run.h"

/* That there is none is told to a guest that asks, and to nobody else. */
void run_quote_open(struct run_session *s)
{
	char path[4096];

	s->quote_err = quote_state_path(NULL, path, sizeof(path));
	if (!s->quote_err)
		s->quote_err = quote_state_open(path, true, &s->quote);
}

void run_quote_close(struct run_session *s)
{
	tdx_quote_service_free(s->quote);
	s->quote = NULL;
}

int run_quote(struct run_session *s, struct tdx_run *run)
{
	struct tdx_quote_job job;
	int rc = tdx_vm_quote_take(s->vm, run, &job), given;

	if (rc)
		return rc;
	given = tdx_vm_quote_give(s->vm, &job, s->quote_err ? NULL : s->quote);
	return s->quote_err ? s->quote_err : given;
}
