/* SPDX-License-Identifier: MIT */
/* See tools/host_calls.h. */
#include "tools/host_calls.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <swtdx/decode.h>
#include <swtdx/leaf.h>
#include <swtdx/status.h>

enum { CALLERS = 4 };

/* --- as they are made --- */

/* "# tdh_mem_page_aug+0xa9 <- tdx_sept_set_private_spte+0x123 ...": a comment of the vector
 * language.
 */
static void trace_callers(struct host_calls *c, unsigned cpu, const struct board_chain *chain)
{
	char line[CALLERS * SYMBOL_TEXT + 16] = "#", text[SYMBOL_TEXT];
	size_t len = 1;
	unsigned named = 0;

	for (unsigned i = 1; i < chain->n && named < CALLERS; i++) {
		if (!host_is_code(c->names, cpu, chain->rip[i]))
			continue;
		len += (size_t)snprintf(line + len, sizeof(line) - len, "%s%s",
					named++ ? " <- " : " called at ",
					host_name(c->names, cpu, chain->rip[i], text));
	}
	if (named)
		trace_text(c->trace, cpu, line);
}

static void count_failure(struct host_calls *c, unsigned cpu, uint64_t call, uint64_t status,
			  const struct board_chain *at)
{
	unsigned i = 0;

	pthread_mutex_lock(&c->lock);
	while (i < c->nfailures && (c->failure[i].call != call || c->failure[i].status != status ||
				    memcmp(&c->failure[i].at, at, sizeof(*at)) != 0))
		i++;
	if (i == c->nfailures && i < HOST_FAILURES)
		c->failure[c->nfailures++] =
			(struct host_failure){.call = call, .status = status, .at = *at};
	if (i < HOST_FAILURES) {
		c->failure[i].times++;
		c->failure[i].cpus |= cpu < 32 ? 1u << cpu : 0;
	}
	pthread_mutex_unlock(&c->lock);
}

void host_seamcall(void *arg, unsigned cpu, const struct tdx_regs *in, const struct tdx_regs *out)
{
	struct board_chain chain = {0}, at = {0};
	struct host_calls *c = arg;

	if (!out)
		host_names_look(c->names, cpu);
	if (!out && c->trace) {
		board_where(c->board, cpu, &chain);
		trace_callers(c, cpu, &chain);
	}
	if (!out || !tdx_is_error((struct tdx_status){out->rax}))
		return;
	board_where(c->board, cpu, &chain);
	/* By who called: what is above differs from call to call. */
	for (unsigned i = 0; i < chain.n && at.n < 3; i++)
		if (!i || host_is_code(c->names, cpu, chain.rip[i]))
			at.rip[at.n++] = chain.rip[i];
	count_failure(c, cpu, in->rax & TDX_RAX_SEAMLDR ? in->rax : tdx_rax_leaf(in->rax), out->rax,
		      &at);
}

/* What was called: the module, or the P-SEAMLDR, whose calls and statuses are its own. */
static void print_call(uint64_t call)
{
	const bool seamldr = call & TDX_RAX_SEAMLDR;
	const struct tdx_leaf_info *leaf = seamldr ? NULL : tdx_seamcall_leaf((uint16_t)call);
	const char *name = seamldr ? tdx_seamldr_name(call) : leaf ? leaf->name : NULL;

	if (name)
		fprintf(stderr, "host: %s", name);
	else
		fprintf(stderr, "host: %s 0x%" PRIx64, seamldr ? "P-SEAMLDR" : "leaf", call);
}

static const char *status_name(const struct host_failure *f, char buf[TDX_STATUS_FORMAT_MAX])
{
	const struct tdx_status s = {f->status};
	struct tdx_explanation e;

	if (f->call & TDX_RAX_SEAMLDR && !tdx_is_sw_error(s)) {
		tdx_explain_seamldr(s, &e);
		if (e.action != TDX_DO_UNKNOWN)
			return e.name;
	}
	return tdx_status_format(s, buf, TDX_STATUS_FORMAT_MAX);
}

void host_show_failures(const struct host_calls *c)
{
	char status[TDX_STATUS_FORMAT_MAX], text[SYMBOL_TEXT];

	for (unsigned i = 0; i < c->nfailures; i++) {
		const struct host_failure *f = &c->failure[i];

		print_call(f->call);
		fprintf(stderr, ": %s, %" PRIu64 " times, on processors 0x%x",
			status_name(f, status), f->times, f->cpus);
		for (unsigned k = 0; k < f->at.n; k++)
			fprintf(stderr, "%s%s", k ? " <- " : " at ",
				host_name(c->names, 0, f->at.rip[k], text));
		fprintf(stderr, "\n");
	}
}
