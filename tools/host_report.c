/* SPDX-License-Identifier: MIT */
/* See tools/host_report.h. */
#include "tools/host_report.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <swtdx/state.h>

#include "tools/file.h"
#include "tools/kallsyms.h"
#include "tools/verbs.h"

enum { FILE_MAX = 1 << 30, GROUPS = 256 };

int host_symbols(const char *file, const char *kernel, struct symbols **symbols)
{
	const char *why;
	uint8_t *data;
	size_t size;
	int e;

	*symbols = NULL;
	if (!file && !kernel)
		return VERB_OK;
	e = file_read_whole(file ? file : kernel, FILE_MAX, &data, &size);
	if (e)
		return file_complain("host", file ? file : kernel, e);
	*symbols = symbols_new(data, size, &why);
	free(data);
	if (*symbols || !file)
		return VERB_OK;
	fprintf(stderr, "swtdx host: %s: %s\n", file, why);
	return VERB_DIFFERENCE;
}

/* Where a kernel that was not moved has its image: physical addresses from, and the linear one of
 * 0. */
#define IMAGE	   0x1000000ull
#define IMAGE_SIZE 0x8000000ull
#define KERNEL_MAP 0xffffffff80000000ull

const struct symbols *host_names(struct host_names *n)
{
	const uint8_t *image;

	pthread_mutex_lock(&n->lock);
	if (!n->symbols && !n->looked) {
		image = board_ram(n->board, IMAGE, IMAGE_SIZE);
		if (image)
			n->symbols = kallsyms_find(image, IMAGE_SIZE, KERNEL_MAP + IMAGE);
		n->looked = true;
	}
	pthread_mutex_unlock(&n->lock);
	return n->symbols;
}

static void print_chain(const char *before, const struct symbols *s, const struct board_chain *c)
{
	char text[SYMBOL_TEXT];

	/* Of what looked like return addresses, those that are none: known with symbols only. */
	for (unsigned i = 0; i < c->n; i++)
		if (!i || !s || symbols_is_code(s, c->rip[i]))
			fprintf(stderr, "%s%s", i ? " <- " : before,
				symbols_name(s, c->rip[i], text));
}

void host_report(void *names, const struct board_report *r)
{
	const struct symbols *s = host_names(names);

	fflush(stdout);
	if (!r->during[0]) {
		fprintf(stderr, "\nhost: %s; missing: %s; used on processor %u", r->what, r->duty,
			r->processor);
		print_chain(" at ", s, &r->used);
		print_chain("; the TD was entered at ", s, &r->gave);
		fprintf(stderr, " (simulated)\n");
		return;
	}
	if (r->page == ~0ull)
		fprintf(stderr, "\nhost: coherency: %s", r->what);
	else
		fprintf(stderr, "\nhost: coherency: page 0x%" PRIx64 ": %s", r->page, r->what);
	fprintf(stderr, "; missing: %s; used under KeyID %u by %s on processor %u", r->duty,
		r->keyid, r->during, r->processor);
	print_chain(" at ", s, &r->used);
	fprintf(stderr, "; dirtied under KeyID %u by %s", r->old_keyid, r->dirtied_by);
	if (strcmp(r->dirtied_by, "the host") == 0)
		print_chain(" at ", s, &r->dirtied);
	else
		print_chain(", given to the module at ", s, &r->gave);
	fprintf(stderr, " (simulated)\n");
}

void host_show_missing(struct host_names *n)
{
	const struct symbols *s = host_names(n);
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
			what[m.kind], m.number, m.times, symbols_name(s, m.rip, text));
}

/* --- what the module still owns --- */

struct group {
	int type;
	struct board_chain gave;
	uint64_t pages;
};

struct groups {
	struct group group[GROUPS];
	unsigned n;
	uint64_t others;
};

static void add(void *arg, uint64_t pages, int type, const struct board_chain *gave)
{
	struct groups *g = arg;
	unsigned i = 0;

	while (i < g->n &&
	       (g->group[i].type != type || memcmp(&g->group[i].gave, gave, sizeof(*gave)) != 0))
		i++;
	if (i == GROUPS) {
		g->others += pages;
		return;
	}
	if (i == g->n)
		g->group[g->n++] = (struct group){type, *gave, 0};
	g->group[i].pages += pages;
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

void host_show_owned(struct host_names *n)
{
	const struct symbols *s = host_names(n);
	struct groups *g = calloc(1, sizeof(*g));
	const uint64_t lines = board_stale_lines(n->board);

	if (!g)
		return;
	board_visit_pages(n->board, add, g);
	for (unsigned i = 0; i < g->n; i++) {
		fprintf(stderr, "host: the module still owns %" PRIu64 " pages (%s)",
			g->group[i].pages, type_name(g->group[i].type));
		print_chain(", given to it at ", s, &g->group[i].gave);
		fprintf(stderr, "\n");
	}
	if (g->others)
		fprintf(stderr, "host: the module still owns %" PRIu64 " pages of others\n",
			g->others);
	if (lines)
		fprintf(stderr,
			"host: %" PRIu64 " lines of KeyIDs that are free are dirty in caches\n",
			lines);
	free(g);
}
