/* SPDX-License-Identifier: MIT */
/* See tools/host_report.h. */
#include "tools/host_report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <swtdx/state.h>

enum { GROUPS = 256, REPORTS_TOLD = 1000 };

static void print_chain(const char *before, struct host_names *n, unsigned cpu,
			const struct board_chain *c)
{
	char text[SYMBOL_TEXT];

	/* Of what looked like return addresses, those that are none: known with symbols only. */
	for (unsigned i = 0; i < c->n; i++)
		if (!i || host_is_code(n, cpu, c->rip[i]))
			fprintf(stderr, "%s%s", i ? " <- " : before,
				host_name(n, cpu, c->rip[i], text));
}

void host_report(void *names, const struct board_report *r)
{
	struct host_names *n = names;

	/* A kernel can go on like that without end. */
	if (n->reports++ >= REPORTS_TOLD) {
		if (n->reports == REPORTS_TOLD + 1)
			fprintf(stderr,
				"\nhost: more coherency faults than %d are counted, not told\n",
				REPORTS_TOLD);
		return;
	}
	if (!r->during[0]) {
		fprintf(stderr, "\nhost: %s; missing: %s; used on processor %u", r->what, r->duty,
			r->processor);
		print_chain(" at ", n, r->processor, &r->used);
		print_chain("; the TD was entered at ", n, r->processor, &r->gave);
		fprintf(stderr, " (simulated)\n");
		return;
	}
	if (r->page == ~0ull)
		fprintf(stderr, "\nhost: coherency: %s", r->what);
	else
		fprintf(stderr, "\nhost: coherency: page 0x%" PRIx64 ": %s", r->page, r->what);
	fprintf(stderr, "; missing: %s; used under KeyID %u by %s on processor %u", r->duty,
		r->keyid, r->during, r->processor);
	print_chain(" at ", n, r->processor, &r->used);
	fprintf(stderr, "; dirtied under KeyID %u by %s", r->old_keyid, r->dirtied_by);
	if (strcmp(r->dirtied_by, "the host") == 0)
		print_chain(" at ", n, r->processor, &r->dirtied);
	else
		print_chain(", given to the module at ", n, r->processor, &r->gave);
	fprintf(stderr, " (simulated)\n");
}

void host_show_missing(struct host_names *n)
{
	static const char *const what[] = {
		[BOARD_PORT] = "port",
		[BOARD_RDMSR] = "read of MSR",
		[BOARD_WRMSR] = "write of MSR",
		[BOARD_ADDRESS] = "page of no memory",
	};
	char text[SYMBOL_TEXT];
	struct board_missing m;

	for (unsigned i = 0; board_missing(n->board, i, &m); i++)
		fprintf(stderr,
			"host: not modelled: %s 0x%" PRIx64 ", %" PRIu64 " times, first at %s\n",
			what[m.kind], m.number, m.times, host_name(n, 0, m.rip, text));
}

/* --- what the module still owns, and what is left of it in caches --- */

enum { STALE = -1 }; /* beside enum tdx_page_type: lines of free KeyIDs */

struct group {
	int type;
	struct board_chain gave;
	uint64_t n; /* pages, or lines */
};

struct groups {
	struct group group[GROUPS];
	unsigned n;
	uint64_t others, other_lines;
};

static void add(void *arg, uint64_t n, int type, const struct board_chain *gave)
{
	struct groups *g = arg;
	unsigned i = 0;

	while (i < g->n &&
	       (g->group[i].type != type || memcmp(&g->group[i].gave, gave, sizeof(*gave)) != 0))
		i++;
	if (i == GROUPS) {
		*(type == STALE ? &g->other_lines : &g->others) += n;
		return;
	}
	if (i == g->n)
		g->group[g->n++] = (struct group){type, *gave, 0};
	g->group[i].n += n;
}

static void add_stale(void *arg, uint64_t lines, const struct board_chain *gave)
{
	add(arg, lines, STALE, gave);
}

static const char *type_name(int type)
{
	switch (type) {
	case TDX_PT_REG:
		return "private memory";
	case TDX_PT_TDR:
		return "TDR";
	case TDX_PT_TDCX:
		return "TDCX";
	case TDX_PT_TDVPR:
		return "TDVPR and TDCX of vCPUs";
	case TDX_PT_EPT:
		return "secure EPT";
	default:
		return "other";
	}
}

static void print_group(struct host_names *n, const struct group *g)
{
	if (g->type == STALE)
		fprintf(stderr,
			"host: %" PRIu64 " lines of KeyIDs that are free are dirty in caches",
			g->n);
	else
		fprintf(stderr, "host: the module still owns %" PRIu64 " pages (%s)", g->n,
			type_name(g->type));
	print_chain(g->type == STALE ? ", of pages given to the module at " : ", given to it at ",
		    n, 0, &g->gave);
	fprintf(stderr, "\n");
}

void host_show_owned(struct host_names *n)
{
	struct groups *g = calloc(1, sizeof(*g));

	if (!g)
		return;
	board_visit_pages(n->board, add, g);
	board_visit_stale(n->board, add_stale, g);
	for (unsigned i = 0; i < g->n; i++)
		print_group(n, &g->group[i]);
	if (g->others)
		fprintf(stderr, "host: the module still owns %" PRIu64 " pages of others\n",
			g->others);
	if (g->other_lines)
		fprintf(stderr, "host: %" PRIu64 " more such lines, of others\n", g->other_lines);
	free(g);
}
