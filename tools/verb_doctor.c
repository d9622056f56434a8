/* SPDX-License-Identifier: MIT */
/* swtdx doctor: is there real TDX here, and if not, what is missing? */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>

#include <jansson.h>

#include "tools/doctor.h"
#include "tools/file.h"
#include "tools/json_print.h"
#include "tools/options.h"
#include "tools/text.h"
#include "tools/verbs.h"

enum { INDENT = 16, MAX_LOG = 64 << 20, KLOG_READ_ALL = 3, KLOG_SIZE = 10 };

static const char *const words[VERDICT_NUM] = {
	[VERDICT_OK] = "ok",
	[VERDICT_NOTE] = "note",
	[VERDICT_FAIL] = "FAIL",
	[VERDICT_SKIPPED] = "skipped",
};

struct findings {
	bool json;
	json_t *list;
	unsigned count[VERDICT_NUM];
};

static void put(json_t *o, const char *key, const char *value)
{
	if (value)
		json_object_set_new(o, key, json_string(value));
}

static void print(const char *before, const char *text)
{
	text_wrapped(stdout, (size_t)printf("%*s%s", INDENT, "", before), INDENT + 3, text);
}

static void on_finding(void *arg, const struct finding *found)
{
	struct findings *f = arg;
	enum verdict v = found->verdict;

	f->count[v]++;
	if (f->json) {
		json_t *o = json_pack("{s:s, s:s, s:s}", "verdict",
				      v == VERDICT_FAIL ? "fail" : words[v], "topic", found->topic,
				      "what", found->what);

		put(o, "meaning", found->meaning);
		put(o, "cause", found->cause);
		put(o, "source", found->source);
		put(o, "hint", found->hint);
		json_array_append_new(f->list, o);
		return;
	}
	text_wrapped(stdout,
		     (size_t)printf("%-8s%-8s%s", words[v], found->topic,
				    strlen(found->topic) < 8 ? "" : " "),
		     INDENT, found->what);
	/* What is good needs no words. */
	if (found->meaning && v != VERDICT_OK)
		print("=  ", found->meaning);
	if (found->cause && v != VERDICT_OK)
		print("?  ", found->cause);
	if (found->hint)
		print("-> ", found->hint);
}

/* The log of the running kernel, when it may be read. */
static void own_log(struct findings *f)
{
	int size = klogctl(KLOG_SIZE, NULL, 0), n;
	char *text = size > 0 ? malloc((size_t)size) : NULL;

	n = text ? klogctl(KLOG_READ_ALL, text, size) : -1;
	if (n >= 0)
		doctor_log(text, (size_t)n, on_finding, f);
	else
		on_finding(f, &(struct finding){.verdict = VERDICT_SKIPPED,
						.topic = "log",
						.what = "the kernel's log may not be read",
						.hint = "sudo dmesg | swtdx doctor --dmesg -"});
	free(text);
}

static int report(struct findings *f)
{
	if (f->json) {
		json_t *root = json_pack(
			"{s:s, s:b, s:{s:i, s:i, s:i, s:i}, s:o}", "schema", "swtdx.doctor/1",
			"simulated", 0, "summary", "passed", (int)f->count[VERDICT_OK], "failed",
			(int)f->count[VERDICT_FAIL], "notes", (int)f->count[VERDICT_NOTE],
			"skipped", (int)f->count[VERDICT_SKIPPED], "findings", f->list);

		json_print(stdout, root, JSON_INDENT(1));
	} else
		printf("%u passed, %u failed, %u noted, %u skipped\n", f->count[VERDICT_OK],
		       f->count[VERDICT_FAIL], f->count[VERDICT_NOTE], f->count[VERDICT_SKIPPED]);
	return f->count[VERDICT_FAIL] ? VERB_DIFFERENCE : VERB_OK;
}

int verb_doctor(int argc, char **argv)
{
	const char *dmesg = NULL, *root = NULL;
	struct findings f = {0};
	const struct verb_option options[] = {
		OPTION_TEXT("dmesg", "FILE", &dmesg,
			    "look at this log and not at the machine; \"-\" is standard input"),
		OPTION_TEXT(
			"root", "DIR", &root,
			"look at the files of another machine, such as a report collected there"),
		OPTION_FLAG("json", &f.json, "the same content as JSON"),
	};
	const struct verb_usage usage = VERB_USAGE_OF(
		"doctor", "[--dmesg FILE] [--root DIR] [--json]",
		"Says what this machine, or a kernel's log, tells about real TDX, with hints. The "
		"simulation itself needs none of this.",
		"Exit status: 0 nothing is wrong, 1 something is, 2 wrong usage, 3 a file cannot "
		"be read.",
		options);
	int end;

	if (!options_parse(&usage, &argc, &argv, &end))
		return end;
	if (argc)
		return options_wrong(
			&usage, "\"%s\" is one word too many; a log goes behind --dmesg", argv[0]);
	f.list = f.json ? json_array() : NULL;
	if (root || !dmesg)
		doctor_machine(root ? root : "", on_finding, &f);
	if (dmesg) {
		uint8_t *data;
		size_t size;
		int err = file_read_whole(dmesg, MAX_LOG, &data, &size);

		if (err) {
			fprintf(stderr, "swtdx doctor: %s: %s\n", dmesg, strerror(-err));
			json_decref(f.list);
			return VERB_ENVIRONMENT;
		}
		doctor_log((const char *)data, size, on_finding, &f);
		free(data);
	} else if (!root)
		own_log(&f);
	return report(&f);
}
