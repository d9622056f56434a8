/* SPDX-License-Identifier: MIT */
/* swtdx explore --pairs: all against all, as a matrix. */
#include "tools/explore_pairs.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "tools/cases.h"
#include "tools/json_print.h"
#include "tools/progress.h"
#include "tools/verbs.h"
#include "trace/pairs.h"

/* What is kept of a pair. */
struct cell {
	bool run, possible, busy[2], broken;
	unsigned stuck, only_mixed;
};

struct totals {
	unsigned n; /* cases */
	bool short_way;
	const struct subject **subject;
	struct cell *cell; /* n * n, row: the first */
	unsigned long pairs, states, runs;
	double schedules;
	unsigned broken, stuck;
	char *mixed; /* lines of the document */
	size_t mixed_len;
	FILE *mixed_file;
	json_t *json;
};

static char letter(const struct cell *c)
{
	if (!c->possible)
		return ' ';
	if (c->broken || c->stuck)
		return '!';
	if (c->busy[0] && c->busy[1])
		return 'B';
	return c->busy[0] ? 'r' : c->busy[1] ? 'c' : '.';
}

static void keep_json(struct totals *t, const struct pair *p)
{
	json_t *calls = json_array();
	char text[128];

	for (unsigned i = 0; i < 2; i++) {
		const struct explore_call *c = &p->r.call[i][0];
		json_t *outcomes = json_array();

		for (unsigned k = 0; k < c->n; k++)
			json_array_append_new(
				outcomes,
				json_string(outcome_format(&c->outcome[k], text, sizeof(text))));
		json_array_append_new(calls, json_pack("{s:s, s:s, s:b, s:o}", "case",
						       (i ? p->second : p->first)->name, "call",
						       p->s.thread[i].step[0].text, "busy",
						       p->busy[i], "outcomes", outcomes));
	}
	json_array_append_new(t->json,
			      json_pack("{s:o, s:f, s:i, s:i, s:b}", "calls", calls, "schedules",
					p->r.schedules, "states", (int)p->r.states, "only_mixed",
					(int)p->only_mixed, "broken", p->r.broken));
}

static void keep(struct totals *t, struct cell *c, const struct pair *p)
{
	*c = (struct cell){.run = true,
			   .possible = p->possible,
			   .busy = {p->busy[0], p->busy[1]},
			   .broken = p->r.broken,
			   .stuck = p->r.stuck,
			   .only_mixed = p->only_mixed};
	if (!p->possible)
		return;
	t->pairs++;
	t->states += p->r.states;
	t->runs += p->r.runs;
	t->schedules += p->r.schedules;
	t->broken += p->r.broken;
	t->stuck += p->r.stuck > 0;
	if (p->only_mixed)
		fprintf(t->mixed_file, "| %s | %s | %s | %s |\n", p->first->name, p->second->name,
			p->mixed, p->schedule);
	if (p->r.broken)
		fprintf(stderr, "%s, %s: %s\n", p->first->name, p->second->name, p->r.why);
	if (t->json)
		keep_json(t, p);
}

/* All second calls of one kind, from one set-up. */
static bool run_row(struct totals *t, unsigned row, bool guests)
{
	struct pair_setup *setup = NULL;
	struct pair *p = malloc(sizeof(*p));
	bool ok = p != NULL;
	char err[256];

	for (unsigned col = 0; col < t->n && ok; col++) {
		int e;

		if (subject_is_guest(t->subject[col]) != guests)
			continue;
		if (!setup)
			setup = pair_setup_new(t->subject[row], guests, t->short_way, err,
					       sizeof(err));
		if (!setup) {
			fprintf(stderr, "swtdx explore: %s: %s\n", t->subject[row]->name, err);
			ok = false;
			break;
		}
		e = pair_run(setup, t->subject[col], p);
		if (e) {
			fprintf(stderr, "swtdx explore: %s, %s: %s\n", t->subject[row]->name,
				t->subject[col]->name, strerror(-e));
			ok = false;
		} else
			keep(t, &t->cell[row * t->n + col], p);
		scenario_free(&p->s);
	}
	if (setup)
		pair_setup_free(setup);
	free(p);
	return ok;
}

static void print_matrix(const struct totals *t)
{
	printf("%-26s", "");
	for (unsigned col = 0; col < t->n; col++)
		printf("%u", (col + 1) / 10 % 10);
	printf("\n%-26s", "");
	for (unsigned col = 0; col < t->n; col++)
		printf("%u", (col + 1) % 10);
	putchar('\n');
	for (unsigned row = 0; row < t->n; row++) {
		printf("%2u %-22s ", row + 1, t->subject[row]->name);
		for (unsigned col = 0; col < t->n; col++)
			putchar(letter(&t->cell[row * t->n + col]));
		putchar('\n');
	}
}

static void print_totals(const struct totals *t)
{
	printf("%lu pairs, %.4g schedules, all of them covered by %lu states and %lu runs; "
	       "%u broken invariants, %u deadlocks\n",
	       t->pairs, t->schedules, t->states, t->runs, t->broken, t->stuck);
}

static void print_document(const struct totals *t, bool markdown)
{
	const char *fence = markdown ? "```\n" : "";

	if (markdown)
		fputs("# Any two calls at one time\n"
		      "\n"
		      "Printed by `swtdx explore --pairs --markdown` (`make explore`). Each row "
		      "is a call on the small TD\n"
		      "that is ready for it (see [locks.md](locks.md)), made by processor 0; "
		      "each column a call by\n"
		      "processor 1 on the same TD and the same pages. Every schedule of their "
		      "lock steps is run, states that\n"
		      "are equal bit for bit merged; in each step it is seen that no lock which "
		      "one processor has for itself\n"
		      "is the other's, too, in every final state that the module's invariants "
		      "hold.\n"
		      "\n",
		      stdout);
	print_totals(t);
	printf("\n"
	       ".  neither call is ever busy      r  the row's can be     c  the column's can be\n"
	       "B  either can be                  !  a broken invariant or a deadlock\n"
	       "   (blank) the column is a guest's call and the TD cannot be entered then\n\n%s",
	       fence);
	print_matrix(t);
	fputs(fence, stdout);
	if (*t->mixed)
		printf("\n"
		       "%sOutcomes that neither order of the two calls has\n"
		       "\n"
		       "They are not busy, and need a mixture. A is the row's call, the "
		       "schedule is the shortest.\n"
		       "\n"
		       "| row | column | outcome | schedule |\n"
		       "|---|---|---|---|\n"
		       "%s",
		       markdown ? "## " : "", t->mixed);
}

static int run_all(struct totals *t, bool json, bool markdown)
{
	struct progress progress;
	bool ok = true;

	progress_begin(&progress);
	for (unsigned row = 0; row < t->n && ok; row++) {
		progress_at(&progress, "call %u of %u", row + 1, t->n);
		ok = run_row(t, row, false) && run_row(t, row, true);
	}
	progress_end(&progress);
	if (!ok)
		return VERB_ENVIRONMENT;
	fflush(t->mixed_file);
	if (json) {
		json_t *root =
			json_pack("{s:s, s:b, s:I, s:f, s:I, s:I, s:i, s:i, s:O}", "schema",
				  "swtdx.explore-pairs/1", "simulated", 1, "pairs",
				  (json_int_t)t->pairs, "schedules", t->schedules, "states",
				  (json_int_t)t->states, "runs", (json_int_t)t->runs, "broken",
				  (int)t->broken, "deadlocks", (int)t->stuck, "results", t->json);

		json_print(stdout, root, JSON_INDENT(1));
	} else
		print_document(t, markdown);
	return t->broken || t->stuck ? VERB_DIFFERENCE : VERB_OK;
}

int explore_pairs(char **cases, int ncases, bool json, bool markdown, bool short_way)
{
	struct totals t = {.short_way = short_way};
	int end = VERB_ENVIRONMENT;

	t.subject = calloc(num_subjects, sizeof(*t.subject));
	t.cell = calloc((size_t)num_subjects * num_subjects, sizeof(*t.cell));
	t.mixed_file = open_memstream(&t.mixed, &t.mixed_len);
	t.json = json ? json_array() : NULL;
	for (unsigned i = 0; t.subject && i < num_subjects; i++)
		if (case_chosen(&subjects[i], cases, ncases))
			t.subject[t.n++] = &subjects[i];
	if (!cases_known("explore", cases, ncases))
		end = VERB_USAGE;
	else if (t.cell && t.mixed_file)
		end = run_all(&t, json, markdown);
	if (t.mixed_file)
		fclose(t.mixed_file);
	free(t.mixed);
	json_decref(t.json);
	free(t.subject);
	free(t.cell);
	return end;
}
