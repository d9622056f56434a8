/* SPDX-License-Identifier: MIT */
/* swtdx replay: recorded calls against the module, the first difference by names; and traces. */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <jansson.h>

#include "module/profile.h"
#include "tools/file.h"
#include "tools/replay_trace.h"
#include "tools/verbs.h"
#include "trace/trace.h"
#include "trace/vecrun.h"

enum { MAX_VECTOR_SIZE = 256 << 20 };

static const char usage[] =
	"Usage: swtdx replay [--range A-B] [--locks] [--json|--vectors] [--perfetto OUT] TRACE\n"
	"       swtdx replay --diff [--json] TRACE TRACE\n"
	"       swtdx replay --check [OPTION]... FILE|DIRECTORY...\n"
	"Show a recorded trace, compare two, or play recorded calls against the model and compare every\n"
	"result.\n"
	"\n"
	"  --locks         with each call the locks it took\n"
	"  --vectors       the trace in the vector language\n"
	"  --perfetto OUT  write the trace as JSON for Perfetto and chrome://tracing\n"
	"  --range A-B     only the records numbered A to B\n"
	"  --diff          what two traces differ in, times apart\n"
	"  --check         play vector files (*.vec) or traces again and compare\n"
	"  --paranoid      check the module's invariants after every step\n"
	"  --profile V     behave like module version V (1.5.25; 1.5.01: its locks only)\n"
	"  --all           show every difference, not only the first of a file\n"
	"  --quiet         only the last line\n"
	"  --json          the same content as JSON\n"
	"  --help          this text\n"
	"\n"
	"A DIRECTORY stands for its *.vec files. \"-\" is standard input.\n"
	"Exit status: 0 no difference, 1 a difference or damage, 2 wrong usage, 3 a file cannot be read.\n";

struct options {
	bool check, paranoid, all, quiet, json;
	const struct module_profile *profile;
};

struct total {
	struct options o;
	json_t *files;
	unsigned long steps, passed, nfiles, files_passed;
	bool unreadable;
	/* the file in progress */
	const char *path;
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

/* Vectors as they are, a trace as vectors. Frees the data. */
static char *text_of(const char *path, uint8_t *data, size_t size, bool *damaged)
{
	char *text;

	if (!trace_is_trace(data, size)) {
		text = realloc(data, size + 1);
		if (text)
			text[size] = '\0';
		else
			free(data);
		return text;
	}
	text = replay_trace_text(path, data, size, damaged);
	free(data);
	return text;
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
	uint8_t *data;
	size_t size;
	bool damaged = false;
	char *text;
	int err = file_read(path, MAX_VECTOR_SIZE, &data, &size);

	if (err) {
		fprintf(stderr, "swtdx replay: %s: %s\n", path, strerror(-err));
		t->unreadable = true;
		return;
	}
	text = text_of(path, data, size, &damaged);
	if (!text) {
		t->unreadable = true;
		return;
	}
	t->path = path;
	t->shown = 0;
	t->diffs = t->o.json ? json_array() : NULL;
	vecrun_text(text, &opt, &res);
	free(text);
	res.damaged |= damaged;
	res.differing += damaged;
	t->nfiles++;
	t->files_passed += res.differing == 0;
	t->steps += res.steps;
	t->passed += res.passed;
	if (t->o.json)
		json_array_append_new(t->files,
				      json_pack("{s:s, s:i, s:i, s:i, s:b, s:o}", "file", path, "steps",
						(int)res.steps, "passed", (int)res.passed,
						"differing", (int)res.differing, "damaged",
						res.damaged, "differences", t->diffs));
	else if (!t->o.quiet)
		printf("%s: %u passed, %u differ%s\n", path, res.passed, res.differing,
		       res.damaged ? ", damaged" : "");
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
		fprintf(stderr, "swtdx replay: %s: %s\n", path, n < 0 ? strerror(errno) : "no *.vec in it");
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
	char *end;

	o->from = *text == '-' ? 0 : strtoull(text, &end, 0);
	if (*text != '-' && (end == text || *end != '-'))
		return false;
	text = strchr(text, '-') + 1;
	o->to = *text ? strtoull(text, &end, 0) : ~0ull;
	return (!*text || (*end == '\0' && *text != '-')) && o->from <= o->to;
}

int verb_replay(int argc, char **argv)
{
	static const struct option longopts[] = {
		{"check", no_argument, NULL, 'c'},    {"paranoid", no_argument, NULL, 'p'},
		{"all", no_argument, NULL, 'a'},      {"quiet", no_argument, NULL, 'q'},
		{"range", required_argument, NULL, 'R'},
		{"locks", no_argument, NULL, 'l'},    {"vectors", no_argument, NULL, 'v'},
		{"diff", no_argument, NULL, 'd'},     {"perfetto", required_argument, NULL, 'P'},
		{"json", no_argument, NULL, 'j'},     {"profile", required_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	struct replay_trace_options trace = {.to = ~0ull};
	struct total t = {0};
	int c, end;

	while ((c = getopt_long(argc, argv, "h", longopts, NULL)) != -1) {
		switch (c) {
		case 'c':
			t.o.check = true;
			break;
		case 'p':
			t.o.paranoid = true;
			break;
		case 'a':
			t.o.all = true;
			break;
		case 'q':
			t.o.quiet = true;
			break;
		case 'j':
			t.o.json = trace.json = true;
			break;
		case 'l':
			trace.locks = true;
			break;
		case 'v':
			trace.vectors = true;
			break;
		case 'd':
			trace.diff = true;
			break;
		case 'P':
			trace.perfetto = optarg;
			break;
		case 'R':
			if (!range(optarg, &trace)) {
				fprintf(stderr, "swtdx replay: not a range: \"%s\"\n", optarg);
				return VERB_USAGE;
			}
			break;
		case 'V':
			t.o.profile = module_profile_by_name(optarg);
			if (!t.o.profile) {
				fprintf(stderr, "swtdx replay: there is no profile \"%s\"\n", optarg);
				return VERB_USAGE;
			}
			break;
		case 'h':
			fputs(usage, stdout);
			return VERB_OK;
		default:
			fputs(usage, stderr);
			return VERB_USAGE;
		}
	}
	if (!t.o.check) {
		end = t.o.paranoid || t.o.all || t.o.quiet ?
			      VERB_USAGE :
			      replay_trace(&trace, argv + optind, argc - optind);
		if (end == VERB_USAGE)
			fputs(usage, stderr);
		return end;
	}
	if (optind == argc || trace.locks || trace.vectors || trace.diff || trace.perfetto) {
		fputs(usage, stderr);
		return VERB_USAGE;
	}
	t.files = t.o.json ? json_array() : NULL;
	for (int i = optind; i < argc; i++)
		one_operand(&t, argv[i]);
	if (t.o.json) {
		json_t *root = json_pack("{s:s, s:b, s:i, s:i, s:i, s:o}", "schema",
					 "swtdx.replay/1", "simulated", 1, "steps", (int)t.steps,
					 "passed", (int)t.passed, "differing",
					 (int)(t.steps - t.passed), "files", t.files);

		json_dumpf(root, stdout, JSON_INDENT(1));
		putchar('\n');
		json_decref(root);
	} else
		printf("%lu of %lu files, %lu of %lu steps passed\n", t.files_passed, t.nfiles, t.passed,
		       t.steps);
	if (t.unreadable)
		return VERB_ENVIRONMENT;
	return t.files_passed == t.nfiles ? VERB_OK : VERB_DIFFERENCE;
}
