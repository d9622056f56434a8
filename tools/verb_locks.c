/* SPDX-License-Identifier: MIT */
/* swtdx locks: the locks each leaf takes, found by executing it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "tools/cases.h"
#include "tools/json_print.h"
#include "tools/lock_map.h"
#include "tools/options.h"
#include "tools/profile.h"
#include "tools/progress.h"
#include "tools/verbs.h"

static const char *const columns[OTHER_NUM] = {
	[OTHER_EXCLUSIVE] = "if held exclusive",
	[OTHER_SHARED] = "if held shared",
	[OTHER_PRIORITY] = "if only host priority",
};

static void print_text(const struct lock_table *t)
{
	char key[64], other[OTHER_NUM][96];

	printf("%s (%s)\n", t->subject->title, t->subject->name);
	if (t->nrows == 0)
		puts("   takes no lock");
	for (unsigned i = 0; i < t->nrows; i++) {
		const struct lock_row *r = &t->row[i];
		const char *o[OTHER_NUM];

		for (unsigned c = 0; c < OTHER_NUM; c++)
			o[c] = lock_row_other(r, c, other[c], sizeof(other[c]));
		printf("%3u %-10s %-25s %-32s X: %-28s S: %-28s HP: %s\n", i + 1,
		       lock_resource_name(r->res), lock_row_key(r, key, sizeof(key)),
		       lock_row_taken(r), o[0], o[1], o[2]);
	}
	putchar('\n');
}

static void print_escaped(const char *s)
{
	for (; *s; s++)
		printf(*s == '|' ? "\\|" : "%c", *s);
}

static void print_markdown(const struct lock_table *t)
{
	char buf[96];

	printf("## %s (%s)\n\n", t->subject->title, t->subject->name);
	if (t->nrows == 0) {
		puts("takes no lock.\n");
		return;
	}
	printf("| # | resource | key | mode taken | %s | %s | %s "
	       "|\n|---|---|---|---|---|---|---|\n",
	       columns[0], columns[1], columns[2]);
	for (unsigned i = 0; i < t->nrows; i++) {
		const struct lock_row *r = &t->row[i];

		printf("| %u | %s | %s | %s |", i + 1, lock_resource_name(r->res),
		       lock_row_key(r, buf, sizeof(buf)), lock_row_taken(r));
		for (unsigned c = 0; c < OTHER_NUM; c++) {
			putchar(' ');
			print_escaped(lock_row_other(r, c, buf, sizeof(buf)));
			fputs(" |", stdout);
		}
		putchar('\n');
	}
	putchar('\n');
}

static json_t *as_json(const struct lock_table *t)
{
	json_t *rows = json_array();
	char key[64], other[OTHER_NUM][96];

	for (unsigned i = 0; i < t->nrows; i++) {
		const struct lock_row *r = &t->row[i];

		json_array_append_new(
			rows,
			json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "resource",
				  lock_resource_name(r->res), "key",
				  lock_row_key(r, key, sizeof(key)), "mode", lock_row_taken(r),
				  "held_exclusive",
				  lock_row_other(r, OTHER_EXCLUSIVE, other[0], sizeof(other[0])),
				  "held_shared",
				  lock_row_other(r, OTHER_SHARED, other[1], sizeof(other[1])),
				  "host_priority",
				  lock_row_other(r, OTHER_PRIORITY, other[2], sizeof(other[2]))));
	}
	return json_pack("{s:s, s:s, s:s, s:o}", "leaf", t->subject->title, "case",
			 t->subject->name, "call", t->subject->call, "locks", rows);
}

/* S0.3: what the tables say about taking pages back, counted rather than claimed. */
static void print_reclaim(const struct lock_table *t, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const char *exclusive = NULL;
		char key[64];

		if (strcmp(t[i].subject->title, "TDH.PHYMEM.PAGE.RECLAIM") != 0)
			continue;
		for (unsigned r = 0; r < t[i].nrows; r++)
			if (t[i].row[r].taken != TAKEN_SHARED)
				exclusive = lock_row_key(&t[i].row[r], key, sizeof(key));
		printf("%s: of %u locks one is exclusive, the PAMT entry of the page itself (%s);"
		       " the rest is shared.\n",
		       t[i].subject->name, t[i].nrows, exclusive ? exclusive : "none");
	}
	puts("\nA thread holds no lock between two calls. So one thread that reclaims the pages of "
	     "a TD\n"
	     "nobody else uses never finds a lock busy; a second thread, inside any call on that "
	     "page or\n"
	     "on its TDR, can make it so. `swtdx explore` runs both.\n");
}

struct options {
	bool json, markdown, svg, matrix;
	const struct module_profile *profile;
};

static void print_matrix(const struct lock_table *t, unsigned n, bool markdown)
{
	const char *bar = markdown ? "| " : "";
	char cell[128];

	printf("%s%-22s", bar, "call");
	for (unsigned c = 0; c < COLUMN_NUM; c++)
		printf(" %s%-10s", bar, lock_column_name(c));
	puts(markdown ? " |\n|---|---|---|---|---|---|---|" : "");
	for (unsigned i = 0; i < n; i++) {
		printf("%s%-22s", bar, t[i].subject->name);
		for (unsigned c = 0; c < COLUMN_NUM; c++)
			printf(" %s%-10s", bar, lock_column(&t[i], c, cell, sizeof(cell)));
		puts(markdown ? " |" : "");
	}
	puts("");
}

static int print_all(const struct options *o, const struct lock_table *t, unsigned n)
{
	json_t *leaves = o->json ? json_array() : NULL;

	if (o->svg) {
		lock_map_svg(stdout, t, n);
		return VERB_OK;
	}
	if (o->matrix) {
		print_matrix(t, n, false);
		return VERB_OK;
	}
	if (o->markdown) {
		puts("# Locks\n"
		     "\n"
		     "Printed by `swtdx locks --markdown` (`make locks`) from executed calls on "
		     "a small TD: one successful\n"
		     "call each, then one more for each lock and each way in which another "
		     "processor may have it.\n"
		     "The same as a picture: [locks.svg](locks.svg).\n"
		     "\n"
		     "## Taking pages back\n");
		print_reclaim(t, n);
		puts("## All calls\n"
		     "\n"
		     "SH shared, EX exclusive, > promoted; HOST and GUEST are the two ways to "
		     "lock a Secure-EPT entry. *page* is\n"
		     "the PAMT entry of the page the call is about, at its size; the entries "
		     "above it are always shared.\n");
		print_matrix(t, n, true);
	}
	for (unsigned i = 0; i < n; i++)
		if (o->json)
			json_array_append_new(leaves, as_json(&t[i]));
		else if (o->markdown)
			print_markdown(&t[i]);
		else
			print_text(&t[i]);
	if (o->json) {
		json_t *root = json_pack("{s:s, s:b, s:o}", "schema", "swtdx.locks/1", "simulated",
					 1, "leaves", leaves);

		json_print(stdout, root, JSON_INDENT(1));
	}
	return VERB_OK;
}

static int run(const struct options *o, char **words, int nwords)
{
	struct lock_table *t = calloc(num_subjects, sizeof(*t));
	int end = t ? VERB_OK : VERB_ENVIRONMENT;
	struct progress progress;
	unsigned n = 0;
	char err[256];

	progress_begin(&progress);
	for (unsigned i = 0; i < num_subjects && end == VERB_OK; i++) {
		if (!case_chosen(&subjects[i], words, nwords))
			continue;
		progress_at(&progress, "call %u of %u", i + 1, num_subjects);
		if (!locktable_make(&subjects[i], o->profile, &t[n], err, sizeof(err))) {
			fprintf(stderr, "swtdx locks: %s\n", err);
			end = VERB_ENVIRONMENT;
		} else if (tdx_is_error(t[n].status)) {
			fprintf(stderr, "swtdx locks: %s alone answers %s\n", subjects[i].name,
				tdx_status_format(t[n].status, err, sizeof(err)));
			end = VERB_DIFFERENCE;
		}
		n++;
	}
	progress_end(&progress);
	if (end == VERB_OK)
		end = print_all(o, t, n);
	free(t);
	return end;
}

int verb_locks(int argc, char **argv)
{
	struct options o = {0};
	const char *profile = NULL;
	const struct verb_option options[] = {
		OPTION_FLAG("json", &o.json, "the same content as JSON"),
		OPTION_FLAG("markdown", &o.markdown, "as the document docs/locks.md"),
		OPTION_FLAG("matrix", &o.matrix, "one line a call: how it takes each kind of lock"),
		OPTION_TEXT("profile", "V", &profile, PROFILE_HELP),
		OPTION_FLAG("svg", &o.svg, "a picture of which calls find each other's locks busy"),
	};
	const struct verb_usage usage =
		VERB_USAGE_OF("locks", "[--profile V] [--json|--markdown|--matrix|--svg] [LEAF]...",
			      "Runs each leaf once on a small TD and prints the locks it takes, "
			      "in order, and what it answers when another processor has one of "
			      "them.",
			      "LEAF is a leaf's name, such as TDH.MEM.PAGE.AUG or mem.page.aug, or "
			      "that of a case of it, "
			      "such as page-aug-2m. Without one, all are printed.\n"
			      "Exit status: 0 printed, 1 a call did not succeed, 2 wrong usage, 3 "
			      "no memory or no /proc.",
			      options);
	int end;

	if (!options_parse(&usage, &argc, &argv, &end))
		return end;
	if (o.json + o.markdown + o.svg + o.matrix > 1)
		return options_wrong(&usage, "only one of --json, --markdown, --matrix and --svg");
	if (!profile_named(&usage, profile, &o.profile) || !cases_known("locks", argv, argc))
		return VERB_USAGE;
	return run(&o, argv, argc);
}
