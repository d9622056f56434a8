/* SPDX-License-Identifier: MIT */
/* What a search found, in words. */
#include <stdio.h>
#include <string.h>

#include "trace/explore.h"

bool outcome_is_busy(const struct outcome *o)
{
	return (o->kind == OUTCOME_STATUS || o->kind == OUTCOME_GUEST) &&
	       (tdx_is_busy(o->status) || tdx_is(o->status, TDX_SYS_BUSY));
}

const char *outcome_format(const struct outcome *o, char *buf, size_t len)
{
	char status[96];

	switch (o->kind) {
	case OUTCOME_STATUS:
	case OUTCOME_GUEST:
		return tdx_status_format(o->status, buf, len);
	case OUTCOME_ENTERED:
		snprintf(buf, len, "in the guest");
		return buf;
	case OUTCOME_TD_EXIT:
		snprintf(buf, len, "TD exit, %s",
			 tdx_status_format(o->status, status, sizeof(status)));
		return buf;
	case OUTCOME_FATAL:
		snprintf(buf, len, "shutdown");
		return buf;
	case OUTCOME_NOT_RUN:
		snprintf(buf, len, "not possible");
		return buf;
	}
	return "?";
}

/* "TDX_OPERAND_BUSY" is any operand of it, "busy" any busy status. */
static bool is_called(const struct outcome *o, const char *name)
{
	char text[128];
	size_t n = strlen(name);

	if (strcmp(name, "busy") == 0)
		return outcome_is_busy(o);
	outcome_format(o, text, sizeof(text));
	return strncmp(text, name, n) == 0 && (text[n] == '\0' || text[n] == '|');
}

static bool happens(const struct scenario *s, const struct explore_result *r,
		    const struct scenario_claim *c)
{
	for (unsigned t = 0; t < s->nthreads; t++)
		for (unsigned i = 0; i < s->thread[t].nsteps; i++) {
			const struct explore_call *call = &r->call[t][i];

			if ((c->thread >= 0 && (unsigned)c->thread != t) ||
			    (c->step >= 0 && (unsigned)c->step != i))
				continue;
			for (unsigned k = 0; k < call->n; k++)
				if (is_called(&call->outcome[k], c->status))
					return true;
		}
	return false;
}

unsigned explore_claims(const struct scenario *s, const struct explore_result *r,
			void (*failed)(void *arg, const struct scenario_claim *c), void *arg)
{
	unsigned n = 0;

	for (unsigned i = 0; i < s->nclaims; i++) {
		const struct scenario_claim *c = &s->claim[i];

		if (happens(s, r, c) == c->sometimes)
			continue;
		n++;
		if (failed)
			failed(arg, c);
	}
	return n;
}
