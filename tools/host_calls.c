/* SPDX-License-Identifier: MIT */
/* See tools/host_calls.h. */
#include "tools/host_calls.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

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

static void count_failure(struct host_calls *c, unsigned cpu, unsigned leaf, uint64_t status,
			  const struct board_chain *at)
{
	unsigned i = 0;

	pthread_mutex_lock(&c->lock);
	while (i < c->nfailures && (c->failure[i].leaf != leaf || c->failure[i].status != status ||
				    memcmp(&c->failure[i].at, at, sizeof(*at)) != 0))
		i++;
	if (i == c->nfailures && i < HOST_FAILURES)
		c->failure[c->nfailures++] =
			(struct host_failure){.leaf = leaf, .status = status, .at = *at};
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
	count_failure(c, cpu, tdx_rax_leaf(in->rax), out->rax, &at);
}

void host_show_failures(const struct host_calls *c)
{
	char status[TDX_STATUS_FORMAT_MAX], text[SYMBOL_TEXT];

	for (unsigned i = 0; i < c->nfailures; i++) {
		const struct host_failure *f = &c->failure[i];
		const struct tdx_leaf_info *leaf = tdx_seamcall_leaf((uint16_t)f->leaf);

		fprintf(stderr, "host: ");
		if (leaf)
			fprintf(stderr, "%s", leaf->name);
		else
			fprintf(stderr, "leaf %u", f->leaf);
		fprintf(stderr, ": %s, %" PRIu64 " times, on processors 0x%x",
			tdx_status_format((struct tdx_status){f->status}, status, sizeof(status)),
			f->times, f->cpus);
		for (unsigned k = 0; k < f->at.n; k++)
			fprintf(stderr, "%s%s", k ? " <- " : " at ",
				host_name(c->names, 0, f->at.rip[k], text));
		fprintf(stderr, "\n");
	}
}
