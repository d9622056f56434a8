/* SPDX-License-Identifier: MIT */
/* swtdx record: run the calls of a vector file and write a trace of them. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/file.h"
#include "tools/verbs.h"
#include "trace/player.h"
#include "trace/stage.h"
#include "trace/trace.h"

enum { MAX_VECTOR_SIZE = 256 << 20 };

static const char usage[] =
	"Usage: swtdx record [OPTION]... -o TRACE FILE\n"
	"Make the calls of FILE on the simulated machine and record them; see swtdx replay.\n"
	"\n"
	"  -o, --output TRACE  the file to write\n"
	"  --timeless          all times 0: the same calls give the same bytes\n"
	"  --no-locks          do not record locks\n"
	"  --json              say what was done as JSON\n"
	"  --help              this text\n"
	"\n"
	"FILE is in the vector language, with outcomes or without; \"-\" is standard input. A\n"
	"first line \"stage finalized\" brings up the small TD of swtdx-explore(1).\n"
	"Exit status: 0 recorded, 1 a line is wrong or not possible (what comes before it is\n"
	"recorded), 2 wrong usage, 3 a file cannot be read or written.\n";

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
	       kind == VEC_RELEASE || kind == VEC_GUEST_MODE64;
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
	fprintf(stderr, "swtdx record: %s:%u: no such stage \"%s\"\n", r->path, r->line, name);
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
	static const struct option longopts[] = {
		{"output", required_argument, NULL, 'o'}, {"timeless", no_argument, NULL, 't'},
		{"no-locks", no_argument, NULL, 'l'},	  {"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},	  {NULL, 0, NULL, 0},
	};
	struct record r = {.opt.no_memory = true};
	bool json = false;
	uint8_t *data;
	size_t size;
	char *text;
	int c, end;

	while ((c = getopt_long(argc, argv, "ho:", longopts, NULL)) != -1) {
		switch (c) {
		case 'o':
			r.output = optarg;
			break;
		case 't':
			r.opt.timeless = true;
			break;
		case 'l':
			r.opt.no_locks = true;
			break;
		case 'j':
			json = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return VERB_OK;
		default:
			fputs(usage, stderr);
			return VERB_USAGE;
		}
	}
	if (!r.output || optind + 1 != argc) {
		fputs(usage, stderr);
		return VERB_USAGE;
	}
	r.path = argv[optind];
	end = file_read(r.path, MAX_VECTOR_SIZE, &data, &size);
	text = end ? NULL : strndup((const char *)data, size);
	if (!text) {
		fprintf(stderr, "swtdx record: %s: %s\n", r.path, strerror(end ? -end : 12));
		return VERB_ENVIRONMENT;
	}
	free(data);
	end = run_text(&r, text);
	free(text);
	if (json)
		printf("{\"schema\": \"swtdx.record/1\", \"simulated\": true, \"calls\": %lu, "
		       "\"lines\": %u,"
		       " \"complete\": %s}\n",
		       r.calls, r.line, end == VERB_OK ? "true" : "false");
	return end;
}
