/* SPDX-License-Identifier: MIT */
/* swtdx explore: every schedule of a scenario's threads. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "tools/explore_pairs.h"
#include "tools/file.h"
#include "tools/json_print.h"
#include "tools/options.h"
#include "tools/progress.h"
#include "tools/verbs.h"
#include "trace/explore.h"
#include "trace/subject.h"
#include "trace/trace.h"

enum { MAX_SCENARIO = 1 << 20 };

struct options {
	bool json, markdown, pairs, short_way;
	const char *schedule, *trace;
	uint64_t max_states;
};

struct run {
	const struct options *o;
	struct scenario s;
	struct player p;
	struct snapshot *snap;
	struct explore *e;
	struct explore_result r;
	struct trace *trace;
	int trace_err;
};

/* "A7 B2 A8": runs of one thread, by letter. */
static void print_schedule(char *buf, size_t len, const uint8_t *t, unsigned n)
{
	size_t at = 0;

	buf[0] = '\0';
	for (unsigned i = 0, k; i < n && at + 16 < len; i = k) {
		for (k = i; k < n && t[k] == t[i]; k++)
			;
		at += (size_t)snprintf(buf + at, len - at, "%s%c%u", i ? " " : "", 'A' + t[i],
				       k - i);
	}
}

/* 0: not a schedule, or one of more than max steps. */
static unsigned parse_schedule(const char *s, uint8_t *t, unsigned max)
{
	unsigned n = 0;

	while (*s) {
		int letter = *s++ | 0x20;
		unsigned long times = 1;
		char *end;

		if (letter == ' ' || letter == ',')
			continue;
		if (letter < 'a' || letter >= 'a' + SCENARIO_MAX_THREADS)
			return 0;
		if (*s >= '0' && *s <= '9') {
			times = strtoul(s, &end, 10);
			s = end;
		}
		if (times > max - n)
			return 0;
		while (times--)
			t[n++] = (uint8_t)(letter - 'a');
	}
	return n;
}

static void schedule_of(const struct run *run, const struct outcome *o, char *buf, size_t len)
{
	uint8_t t[EXPLORE_MAX_STEPS];

	print_schedule(buf, len, t, outcome_schedule(run->e, o, t, EXPLORE_MAX_STEPS));
}

static void node_schedule(const struct run *run, unsigned node, char *buf, size_t len)
{
	uint8_t t[EXPLORE_MAX_STEPS];

	print_schedule(buf, len, t, explore_schedule(run->e, node, t, EXPLORE_MAX_STEPS));
}

static void on_event(void *arg, const struct explore_event *ev)
{
	const struct run *run = arg;
	const struct scenario_thread *t = &run->s.thread[ev->thread];
	char text[128];

	printf("%4u %c lp%u ", ev->step + 1, (int)('A' + ev->thread), ev->lp);
	switch (ev->kind) {
	case EVENT_BEGIN:
		printf("%s\n", t->step[ev->call].text);
		break;
	case EVENT_ACQUIRE:
		printf("   %s 0x%llx %s: %s\n", lock_resource_name(ev->res),
		       (unsigned long long)ev->key,
		       ev->mode == LOCK_SHARED ? "shared" : "exclusive",
		       ev->result == LOCK_OK	 ? "taken"
		       : ev->result == LOCK_BUSY ? "BUSY"
						 : "BUSY, the host goes first");
		break;
	case EVENT_RELEASE:
		printf("   %s 0x%llx released\n", lock_resource_name(ev->res),
		       (unsigned long long)ev->key);
		break;
	case EVENT_END:
		printf("   -> %s\n", outcome_format(&ev->outcome, text, sizeof(text)));
		break;
	}
}

static void on_claim(void *arg, const struct scenario_claim *c)
{
	printf("line %u: the claim does not hold: %s %s\n", c->line,
	       c->sometimes ? "sometimes" : "never", c->status);
}

static void keep_claim(void *arg, const struct scenario_claim *c)
{
	json_array_append_new(arg,
			      json_pack("{s:i, s:s, s:s}", "line", (int)c->line, "claim",
					c->sometimes ? "sometimes" : "never", "status", c->status));
}

static void print_text(const struct run *run)
{
	const struct explore_result *r = &run->r;
	char text[128], schedule[512];

	for (unsigned t = 0; t < run->s.nthreads; t++)
		printf("%c is thread %s\n", (int)('A' + t), run->s.thread[t].name);
	for (unsigned t = 0; t < run->s.nthreads; t++)
		for (unsigned i = 0; i < run->s.thread[t].nsteps; i++) {
			const struct explore_call *c = &r->call[t][i];

			printf("\n%s%u: %s\n", run->s.thread[t].name, i + 1,
			       run->s.thread[t].step[i].text);
			for (unsigned k = 0; k < c->n; k++) {
				schedule_of(run, &c->outcome[k], schedule, sizeof(schedule));
				printf("  %-40s %s\n",
				       outcome_format(&c->outcome[k], text, sizeof(text)),
				       schedule);
			}
		}
	if (r->stuck) {
		node_schedule(run, r->stuck_node, schedule, sizeof(schedule));
		printf("\ndeadlock: from %u states no thread gets to its end, the first after: "
		       "%s\n",
		       r->stuck, *schedule ? schedule : "no step at all");
	}
	if (r->broken) {
		node_schedule(run, r->broken_node, schedule, sizeof(schedule));
		printf("\nbroken invariant: %s\n  after: %s\n", r->why, schedule);
	}
	/* More than a double tells apart are not to be counted. */
	snprintf(text, sizeof(text), r->schedules < 1e15 ? "%.0f" : "%.3g", r->schedules);
	printf("\n%s%s schedules, %u states, %u of them final, %llu runs\n",
	       r->bounded ? "not everything was seen: " : "", text, r->states, r->finals,
	       (unsigned long long)r->runs);
}

static void print_json(const struct run *run)
{
	const struct explore_result *r = &run->r;
	char text[128], schedule[512];
	json_t *calls = json_array(), *claims = json_array(), *root;

	explore_claims(&run->s, &run->r, keep_claim, claims);

	for (unsigned t = 0; t < run->s.nthreads; t++)
		for (unsigned i = 0; i < run->s.thread[t].nsteps; i++) {
			const struct explore_call *c = &r->call[t][i];
			json_t *outcomes = json_array();

			for (unsigned k = 0; k < c->n; k++) {
				schedule_of(run, &c->outcome[k], schedule, sizeof(schedule));
				json_array_append_new(
					outcomes, json_pack("{s:s, s:b, s:s}", "outcome",
							    outcome_format(&c->outcome[k], text,
									   sizeof(text)),
							    "busy", outcome_is_busy(&c->outcome[k]),
							    "schedule", schedule));
			}
			json_array_append_new(calls,
					      json_pack("{s:s, s:i, s:s, s:o}", "thread",
							run->s.thread[t].name, "step", (int)i + 1,
							"call", run->s.thread[t].step[i].text,
							"outcomes", outcomes));
		}
	root = json_pack("{s:s, s:b, s:b, s:i, s:i, s:I, s:o}", "schema", "swtdx.explore/1",
			 "simulated", 1, "complete", !r->bounded, "states", (int)r->states, "final",
			 (int)r->finals, "runs", (json_int_t)r->runs, "calls", calls);
	if (isinf(r->schedules))
		json_object_set_new(root, "schedules", json_null());
	else
		json_object_set_new(root, "schedules", json_real(r->schedules));
	if (r->stuck) {
		node_schedule(run, r->stuck_node, schedule, sizeof(schedule));
		json_object_set_new(root, "deadlock", json_string(schedule));
	}
	if (r->broken) {
		node_schedule(run, r->broken_node, schedule, sizeof(schedule));
		json_object_set_new(
			root, "broken",
			json_pack("{s:s, s:s}", "invariant", r->why, "schedule", schedule));
	}
	json_object_set(root, "failed_claims", claims);
	json_decref(claims);
	json_print(stdout, root, JSON_INDENT(1));
}

static void on_progress(void *arg, unsigned states, unsigned followed)
{
	progress_at(arg, "%u states, %u of them followed", states, followed);
}

static int search(struct run *run)
{
	struct progress progress;
	struct explore_options opt = {
		.max_states = (unsigned)run->o->max_states,
		.check = true,
		.progress = on_progress,
		.arg = &progress,
	};
	unsigned failed;
	int err;

	progress_begin(&progress);
	err = explore_run(run->e, &opt, &run->r);
	progress_end(&progress);

	if (err) {
		fprintf(stderr, "swtdx explore: %s\n", strerror(-err));
		return VERB_ENVIRONMENT;
	}
	if (run->o->json)
		print_json(run);
	else
		print_text(run);
	failed = explore_claims(&run->s, &run->r, run->o->json ? NULL : on_claim, run);
	return failed || run->r.stuck || run->r.broken || run->r.bounded ? VERB_DIFFERENCE
									 : VERB_OK;
}

static int show(struct run *run)
{
	uint8_t t[EXPLORE_MAX_STEPS];
	unsigned n = parse_schedule(run->o->schedule, t, EXPLORE_MAX_STEPS);

	if (n == 0) {
		fprintf(stderr, "swtdx explore: not a schedule: \"%s\"\n", run->o->schedule);
		return VERB_USAGE;
	}
	if (snapshot_learn(run->snap) != 0)
		return VERB_ENVIRONMENT;
	explore_show(run->e, t, n, true, on_event, run);
	return VERB_OK;
}

static void on_loaded(void *arg, struct player *p, const struct vec_step *platform)
{
	struct run *run = arg;
	struct trace_options opt = {.no_memory = true};

	run->trace = trace_open(run->o->trace, p->mod, &opt, &run->trace_err);
}

/* Calls are recorded by themselves; the other lines of the set-up are kept as they are. */
static void on_line(void *arg, const char *line)
{
	static const char *const kinds[] = {"write ", "fill ",	  "env ",
					    "hold ",  "release ", "guest mode64"};
	struct run *run = arg;

	for (unsigned i = 0; run->trace && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strncmp(line, kinds[i], strlen(kinds[i])) == 0)
			trace_text(run->trace, 0, line);
}

static int prepared(struct run *run)
{
	char err[256];
	int e;

	player_init(&run->p);
	run->p.profile = run->s.profile;
	if (run->o->trace) {
		run->p.loaded = on_loaded;
		run->p.line = on_line;
		run->p.arg = run;
	}
	if (!player_lines(&run->p, run->s.setup, err, sizeof(err))) {
		fprintf(stderr, "swtdx explore: set-up: %s\n", err);
		return VERB_DIFFERENCE;
	}
	e = snapshot_take(&run->p, &run->snap);
	if (!e)
		run->e = explore_new(&run->s, &run->p, run->snap);
	if (run->e && run->o->short_way)
		explore_short_way(run->e);
	if (!run->e) {
		fprintf(stderr, "swtdx explore: %s\n", strerror(e ? -e : ENOMEM));
		return VERB_ENVIRONMENT;
	}
	e = run->o->schedule ? show(run) : search(run);
	if (run->trace)
		run->trace_err = trace_close(run->trace);
	run->trace = NULL;
	if (run->trace_err) {
		fprintf(stderr, "swtdx explore: %s: %s\n", run->o->trace,
			strerror(-run->trace_err));
		return VERB_ENVIRONMENT;
	}
	return e;
}

static int explore_file(const struct options *o, const char *path)
{
	struct run *run = calloc(1, sizeof(*run));
	char err[256], *text;
	int end = run ? file_read_text(path, MAX_SCENARIO, &text) : -ENOMEM;

	if (end) {
		free(run);
		return file_complain("explore", path, end);
	}
	run->o = o;
	if (!scenario_parse(&run->s, text, err, sizeof(err))) {
		fprintf(stderr, "swtdx explore: %s: %s\n", path, err);
		end = VERB_DIFFERENCE;
	} else
		end = prepared(run);
	if (run->trace)
		trace_close(run->trace);
	explore_free(run->e);
	snapshot_free(run->snap);
	player_free(&run->p);
	scenario_free(&run->s);
	free(text);
	free(run);
	return end;
}

int verb_explore(int argc, char **argv)
{
	struct options o = {0};
	const struct verb_option options[] = {
		OPTION_TEXT("schedule", "LETTERS", &o.schedule,
			    "show one schedule, as printed, event by event, to its end"),
		OPTION_TEXT("trace", "FILE", &o.trace,
			    "with --schedule: record the set-up and that schedule"),
		OPTION_NUMBER("max-states", "N", &o.max_states, 1, UINT32_MAX,
			      "give up after N states (1000000)"),
		OPTION_FLAG("short-way", &o.short_way,
			    "take locks together where the processor knows the TD"),
		OPTION_FLAG("pairs", &o.pairs, "any two calls of the module on a small TD"),
		OPTION_FLAG("markdown", &o.markdown,
			    "with --pairs: as the document docs/explore.md"),
		OPTION_FLAG("json", &o.json, "the same content as JSON"),
	};
	const struct verb_usage usage = VERB_USAGE_OF(
		"explore",
		"[--json] [--max-states N] [--short-way] SCENARIO\n"
		"--schedule LETTERS [--trace FILE] [--short-way] SCENARIO\n"
		"--pairs [--json|--markdown] [--short-way] [CASE]...",
		"Runs every schedule of a scenario's threads, lock step by lock step, on the "
		"module, and prints what each call can return and the shortest schedule that "
		"shows it.",
		"SCENARIO may be \"-\", standard input; the manual page describes its language. "
		"A CASE is one of those \"swtdx locks\" lists.\n"
		"Exit status: 0 nothing is wrong, 1 a deadlock, a broken invariant, a claim "
		"that does not hold or a search that was not complete, 2 wrong usage, 3 a file "
		"cannot be read or there is no memory.",
		options);
	int end;

	if (!options_parse(&usage, &argc, &argv, &end))
		return end;
	if (o.json && o.markdown)
		return options_wrong(&usage, "--json and --markdown exclude each other");
	if (o.pairs && (o.schedule || o.max_states || o.trace))
		return options_wrong(&usage, "--pairs has no --schedule, --trace or --max-states");
	if (o.pairs)
		return explore_pairs(argv, argc, o.json, o.markdown, o.short_way);
	if (o.markdown)
		return options_wrong(&usage, "--markdown goes with --pairs");
	if (o.schedule && (o.json || o.max_states))
		return options_wrong(&usage, "--schedule has no --json or --max-states");
	if (o.trace && !o.schedule)
		return options_wrong(&usage, "--trace goes with --schedule");
	if (argc != 1)
		return options_wrong(&usage, "one SCENARIO is needed");
	return explore_file(&o, argv[0]);
}
