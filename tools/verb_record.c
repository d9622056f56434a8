/* SPDX-License-Identifier: MIT */
/* swtdx record: run the calls of a vector file and write a trace of them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/file.h"
#include "tools/options.h"
#include "tools/verbs.h"
#include "trace/player.h"
#include "trace/stage.h"
#include "trace/trace.h"

enum { MAX_VECTOR_SIZE = 256 << 20 };

struct record {
	struct player p;
	struct trace *trace;
	struct trace_options opt;
	const char *path, *output;
	unsigned line;
	unsigned long calls;
	int err; /* of opening the trace */
};

static void on_loaded(void *arg, struct player *p, const struct vec_step *platform)
{
	struct record *r = arg;

	r->trace = trace_open(r->output, p->mod, &r->opt, &r->err);
}

static bool is_context(enum vec_kind kind)
{
	return kind == VEC_WRITE || kind == VEC_FILL || kind == VEC_ENV || kind == VEC_HOLD ||
	       kind == VEC_RELEASE || kind == VEC_GUEST_MODE64 || kind == VEC_XOR ||
	       kind == VEC_RELOAD;
}

static bool run_line(struct record *r, char *line)
{
	char *shown = strdup(line), err[128];
	struct vec_step s;
	struct played d;
	bool ok = false;

	if (shown && vec_parse(line, &s, err, sizeof(err))) {
		ok = true;
		if (is_context(s.kind) && r->trace)
			trace_text(r->trace, s.lp, shown);
		for (unsigned i = 0; i < s.repeat && ok; i++) {
			ok = s.kind == VEC_EXPECT || player_step(&r->p, &s, &d);
			r->calls += ok && d.call;
		}
		if (!ok)
			snprintf(err, sizeof(err), "%.127s", d.why);
	}
	if (!ok)
		fprintf(stderr, "swtdx record: %s:%u: %s\n", r->path, r->line,
			shown ? err : "out of memory");
	free(shown);
	return ok;
}

static bool run_stage(struct record *r, const char *name)
{
	char quoted[VEC_QUOTED];

	for (unsigned i = 0; i < STAGE_NUM; i++) {
		char *lines, *next;
		bool ok = true;

		if (strcmp(stage_name(i), name) != 0)
			continue;
		lines = stage_lines(i);
		for (char *l = lines; ok && l && *l; l = next) {
			next = strchrnul(l, '\n');
			if (*next)
				*next++ = '\0';
			ok = run_line(r, l);
		}
		free(lines);
		return ok && lines;
	}
	fprintf(stderr, "swtdx record: %s:%u: there is no stage %s\n", r->path, r->line,
		vec_quoted(name, quoted));
	return false;
}

static int run_text(struct record *r, char *text)
{
	bool ok = true;
	char *next;
	int err;

	player_init(&r->p);
	r->p.loaded = on_loaded;
	r->p.arg = r;
	for (char *l = text; ok && *l && !r->err; l = next) {
		next = strchrnul(l, '\n');
		if (*next)
			*next++ = '\0';
		r->line++;
		ok = strncmp(l, "stage ", 6) == 0 ? run_stage(r, l + 6) : run_line(r, l);
	}
	err = r->err;
	if (r->trace)
		err = trace_close(r->trace);
	else if (!err && ok) {
		fprintf(stderr, "swtdx record: %s: no platform line\n", r->path);
		ok = false;
	}
	player_free(&r->p);
	if (err) {
		fprintf(stderr, "swtdx record: %s: %s\n", r->output, strerror(-err));
		return VERB_ENVIRONMENT;
	}
	return ok ? VERB_OK : VERB_DIFFERENCE;
}

int verb_record(int argc, char **argv)
{
	struct record r = {.opt.no_memory = true};
	bool json = false;
	const struct verb_option options[] = {
		{.name = "output",
		 .takes = "TRACE",
		 .letter = 'o',
		 .text = &r.output,
		 .help = "the file to write"},
		OPTION_FLAG("timeless", &r.opt.timeless,
			    "all times 0: the same calls give the same bytes"),
		OPTION_FLAG("no-locks", &r.opt.no_locks, "do not record locks"),
		OPTION_FLAG("json", &json, "say what was done as JSON"),
	};
	const struct verb_usage usage = VERB_USAGE_OF(
		"record", "[--timeless] [--no-locks] [--json] -o TRACE FILE",
		"Makes the calls of FILE on the simulated machine and records them; see swtdx "
		"replay.",
		"FILE is in the vector language, with outcomes or without; \"-\" is standard "
		"input. A first "
		"line \"stage finalized\" brings up the small TD of swtdx-explore(1).\n"
		"Exit status: 0 recorded, 1 a line is wrong or not possible (what comes before it "
		"is "
		"recorded), 2 wrong usage, 3 a file cannot be read or written.",
		options);
	char *text;
	int end, err;

	if (!options_parse(&usage, &argc, &argv, &end))
		return end;
	if (!r.output)
		return options_wrong(&usage, "where to? -o TRACE is needed");
	if (argc != 1)
		return options_wrong(&usage, "one FILE is needed");
	if (json && !strcmp(r.output, "-"))
		return options_wrong(&usage, "standard output is the trace's");
	r.path = argv[0];
	err = file_read_text(r.path, MAX_VECTOR_SIZE, &text);
	if (err)
		return file_complain("record", r.path, err);
	end = run_text(&r, text);
	free(text);
	if (json)
		printf("{\"schema\": \"swtdx.record/1\", \"simulated\": true, \"calls\": %lu, "
		       "\"lines\": %u,"
		       " \"complete\": %s}\n",
		       r.calls, r.line, end == VERB_OK ? "true" : "false");
	return end;
}
