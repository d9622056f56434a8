/* SPDX-License-Identifier: MIT */
/* swtdx replay: recorded calls against the module, the first difference by names; and traces. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <jansson.h>

#include "tools/file.h"
#include "tools/json_print.h"
#include "tools/options.h"
#include "tools/profile.h"
#include "tools/progress.h"
#include "tools/replay_trace.h"
#include "tools/text.h"
#include "tools/verbs.h"
#include "trace/trace.h"
#include "trace/vecrun.h"

enum { MAX_VECTOR_SIZE = 256 << 20 };

struct options {
	bool check, paranoid, all, quiet, json;
	const struct module_profile *profile;
};

struct total {
	struct options o;
	json_t *files;
	unsigned long steps, passed, nfiles, files_passed;
	bool unreadable;
	struct progress progress;
	/* the file in progress: its name, as it may be shown */
	char path[TEXT_NAME];
	json_t *diffs;
	unsigned shown;
};

static void on_diff(void *arg, const struct vec_diff *d)
{
	struct total *t = arg;

	if (t->diffs && (t->o.all || json_array_size(t->diffs) == 0))
		json_array_append_new(t->diffs, json_pack("{s:i, s:s}", "line", (int)d->line,
							  "difference", d->text));
	if (t->shown++ && !t->o.all)
		return;
	if (!t->o.json && !t->o.quiet)
		printf("%s:%u: %s\n", t->path, d->line, d->text);
}

static int like_vectors(const uint8_t *begin, size_t size)
{
	return trace_is_trace(begin, size) ? 0 : file_is_text(begin, size);
}

/* Vectors as they are, a trace as vectors. 0 or a negative errno. */
static int text_of(const char *path, const char *shown, char **text, bool *damaged, bool *cut)
{
	uint8_t *data;
	size_t size;
	int err = file_read_like(path, MAX_VECTOR_SIZE, like_vectors, &data, &size);

	if (err)
		return err;
	if (trace_is_trace(data, size)) {
		*text = replay_trace_text(shown, data, size, damaged, cut);
		err = *text ? 0 : -ENOMEM;
	} else if (file_is_text(data, size)) {
		err = -EILSEQ;
	} else {
		/* file_read_like() left room for it. */
		data[size] = '\0';
		*text = (char *)data;
		return 0;
	}
	free(data);
	return err;
}

static void one_file(struct total *t, const char *path)
{
	struct vecrun_options opt = {
		.paranoid = t->o.paranoid,
		.keep_going = true,
		.profile = t->o.profile,
		.diff = on_diff,
		.arg = t,
	};
	struct vecrun_result res;
	bool damaged = false, cut = false;
	char *text;
	int err;

	text_name(path, t->path);
	/* Lines for people say it as well. */
	if (t->o.quiet || t->o.json)
		progress_at(&t->progress, "%lu files, now %s", t->nfiles, t->path);
	err = text_of(path, t->path, &text, &damaged, &cut);

	if (err) {
		t->nfiles++;
		t->unreadable |= file_complain("replay", t->path, err) == VERB_ENVIRONMENT;
		return;
	}
	t->shown = 0;
	t->diffs = t->o.json ? json_array() : NULL;
	vecrun_text(text, &opt, &res);
	free(text);
	res.damaged |= damaged;
	t->nfiles++;
	t->files_passed += res.differing == 0 && !res.damaged;
	t->steps += res.steps;
	t->passed += res.passed;
	if (t->o.json)
		json_array_append_new(
			t->files, json_pack("{s:s, s:i, s:i, s:i, s:b, s:b, s:o}", "file", t->path,
					    "steps", (int)res.steps, "passed", (int)res.passed,
					    "differing", (int)res.differing, "damaged", res.damaged,
					    "cut", cut, "differences", t->diffs));
	else if (!t->o.quiet)
		printf("%s: %u passed, %u differ%s\n", t->path, res.passed, res.differing,
		       res.damaged ? ", damaged"
		       : cut	   ? ", and there it ends"
				   : "");
}

static int is_vector(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return n > 4 && strcmp(d->d_name + n - 4, ".vec") == 0;
}

static void one_operand(struct total *t, const char *path)
{
	struct dirent **names;
	struct stat st;
	int n;

	if (strcmp(path, "-") == 0 || stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
		one_file(t, path);
		return;
	}
	n = scandir(path, &names, is_vector, alphasort);
	if (n <= 0) {
		fprintf(stderr, "swtdx replay: %s: %s\n", path,
			n < 0 ? strerror(errno) : "no *.vec in it");
		t->unreadable = true;
		return;
	}
	for (int i = 0; i < n; i++) {
		char *file = NULL;

		if (asprintf(&file, "%s/%s", path, names[i]->d_name) > 0)
			one_file(t, file);
		free(file);
		free(names[i]);
	}
	free(names);
}

/* "A-B", "A-" or "-B" */
static bool range(const char *text, struct replay_trace_options *o)
{
	const char *dash = strchr(text, '-');
	char from[24];

	if (!dash || !text[1] || dash - text >= (long)sizeof(from))
		return false;
	memcpy(from, text, (size_t)(dash - text));
	from[dash - text] = '\0';
	return (!from[0] || text_number(from, &o->from)) &&
	       (!dash[1] || text_number(dash + 1, &o->to)) && o->from <= o->to;
}

static int check(struct total *t, char **paths, int npaths)
{
	json_t *root;

	progress_begin(&t->progress);
	t->files = t->o.json ? json_array() : NULL;
	for (int i = 0; i < npaths; i++)
		one_operand(t, paths[i]);
	progress_end(&t->progress);
	if (t->o.json) {
		root = json_pack("{s:s, s:b, s:I, s:I, s:I, s:o}", "schema", "swtdx.replay/1",
				 "simulated", 1, "steps", (json_int_t)t->steps, "passed",
				 (json_int_t)t->passed, "differing",
				 (json_int_t)(t->steps - t->passed), "files", t->files);
		json_print(stdout, root, JSON_INDENT(1));
	} else
		printf("%lu of %lu files, %lu of %lu steps passed\n", t->files_passed, t->nfiles,
		       t->passed, t->steps);
	if (t->unreadable)
		return VERB_ENVIRONMENT;
	return t->files_passed == t->nfiles ? VERB_OK : VERB_DIFFERENCE;
}

int verb_replay(int argc, char **argv)
{
	struct replay_trace_options trace = {.to = ~0ull};
	const char *profile = NULL, *records = NULL;
	struct total t = {0};
	const struct verb_option options[] = {
		OPTION_FLAG("locks", &trace.locks, "with each call the locks it took"),
		OPTION_FLAG("vectors", &trace.vectors, "the trace in the vector language"),
		OPTION_TEXT("perfetto", "OUT", &trace.perfetto,
			    "write the trace as JSON for Perfetto and chrome://tracing"),
		OPTION_TEXT("range", "A-B", &records, "only the records numbered A to B"),
		OPTION_FLAG("diff", &trace.diff, "what two traces differ in, times apart"),
		OPTION_FLAG("check", &t.o.check,
			    "play vector files (*.vec) or traces again and compare"),
		OPTION_FLAG("paranoid", &t.o.paranoid,
			    "check the module's invariants after every step"),
		OPTION_TEXT("profile", "V", &profile, PROFILE_HELP),
		OPTION_FLAG("all", &t.o.all, "show every difference, not only the first of a file"),
		OPTION_FLAG("quiet", &t.o.quiet, "only the last line"),
		OPTION_FLAG("json", &trace.json, "the same content as JSON"),
	};
	const struct verb_usage usage = VERB_USAGE_OF(
		"replay",
		"[--range A-B] [--locks] [--json|--vectors] [--perfetto OUT] TRACE\n"
		"--diff [--range A-B] [--json] TRACE TRACE\n"
		"--check [--paranoid] [--profile V] [--all] [--quiet] [--json] FILE|DIRECTORY...",
		"Shows a recorded trace, compares two, or plays recorded calls against the "
		"model and compares every result.",
		"A DIRECTORY stands for its *.vec files. \"-\" is standard input.\n"
		"Exit status: 0 no difference, 1 a difference or damage, 2 wrong usage, 3 a "
		"file cannot be read.",
		options);
	int end;

	if (!options_parse(&usage, &argc, &argv, &end))
		return end;
	t.o.json = trace.json;
	if (records && !range(records, &trace))
		return options_wrong(&usage, "--range takes A-B, A- or -B, not \"%s\"", records);
	if (!profile_named(&usage, profile, &t.o.profile))
		return VERB_USAGE;
	if (t.o.check && (trace.locks || trace.vectors || trace.diff || trace.perfetto || records))
		return options_wrong(&usage,
				     "--check goes with --paranoid, --profile, --all, --quiet and "
				     "--json only");
	if (!t.o.check && (t.o.paranoid || t.o.all || t.o.quiet || profile))
		return options_wrong(&usage,
				     "--paranoid, --profile, --all and --quiet go with --check");
	if (trace.diff && (trace.vectors || trace.perfetto || trace.locks))
		return options_wrong(&usage, "--diff goes with --range and --json only");
	if (trace.vectors && trace.json)
		return options_wrong(&usage, "--json and --vectors exclude each other");
	if (trace.perfetto && !strcmp(trace.perfetto, "-") && (trace.vectors || trace.json))
		return options_wrong(&usage, "standard output is --perfetto's");
	if (t.o.check && !argc)
		return options_wrong(&usage, "a FILE or DIRECTORY is needed");
	if (!t.o.check && argc != (trace.diff ? 2 : 1))
		return options_wrong(&usage,
				     trace.diff ? "two TRACEs are needed" : "one TRACE is needed");
	return t.o.check ? check(&t, argv, argc) : replay_trace(&trace, argv);
}
