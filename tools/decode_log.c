/* SPDX-License-Identifier: MIT */
/* swtdx decode as a filter: each line that speaks of a TDX call, and below it what it says. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "decode.h"
#include "tools/text.h"

/* A pair of leaf and status is explained at length once; a host in trouble repeats itself. */
enum { MAX_SEEN = 256 };

struct filter {
	bool json, only;
	struct tdx_log log;
	unsigned long line;
	size_t seen;
	struct {
		const struct tdx_leaf_info *leaf;
		uint64_t raw;
	} seen_pair[MAX_SEEN];
};

static bool first_time(struct filter *f, const struct tdx_log_note *n)
{
	for (size_t i = 0; i < f->seen; i++)
		if (f->seen_pair[i].leaf == n->leaf && f->seen_pair[i].raw == n->status.raw)
			return false;
	if (f->seen < MAX_SEEN) {
		f->seen_pair[f->seen].leaf = n->leaf;
		f->seen_pair[f->seen++].raw = n->status.raw;
	}
	return true;
}

static const char *leaf_name(const struct tdx_log_note *n)
{
	return n->seamldr ? "P-SEAMLDR" : n->leaf ? n->leaf->name : NULL;
}

/* The codes of the P-SEAMLDR are its own. */
static bool explain(const struct tdx_log_note *n, struct tdx_explanation *e)
{
	tdx_explain(n->status, n->leaf, e);
	return !n->seamldr || tdx_is_sw_error(n->status);
}

static void print_below(const char *what, const char *text)
{
	int n = printf("      %s", what);

	text_wrapped(stdout, (size_t)n, 6, text);
}

static void print_text(struct filter *f, const struct tdx_log_note *n)
{
	const char *leaf = leaf_name(n);
	char text[TDX_DECODE_TEXT_MAX];
	struct tdx_explanation e;

	if (n->has_status && !explain(n, &e)) {
		printf("    ^ P-SEAMLDR: a status of its own, 0x%" PRIx64 "\n", n->status.raw);
		return;
	}
	if (n->has_status) {
		printf("    ^ %s%s%s", leaf ? leaf : "", leaf ? ": " : "", e.name);
		tdx_details_text(n->status, n->leaf, text, sizeof(text));
		printf("%s%s\n", text[0] ? ", " : "", text);
		if (first_time(f, n)) {
			print_below("", e.meaning);
			if (e.hint)
				print_below("", e.hint);
			print_below("do: ", tdx_action_advice(e.action));
		}
	} else if (!n->belongs) {
		printf("    ^ %s failed; the line does not say with what status\n", leaf);
	}
	tdx_outputs_text(n->status, n->leaf, &n->regs, n->shown, text, sizeof(text));
	if (text[0])
		printf("    ^ %s%s%s\n", n->has_status || !leaf ? "" : leaf,
		       n->has_status || !leaf ? "" : ": ", text);
}

static void print_json(struct filter *f, const struct tdx_log_note *n, const char *line, size_t len)
{
	json_t *sheet = json_object();
	char text[TDX_DECODE_TEXT_MAX];
	struct tdx_explanation e;
	json_t *raw = json_stringn(line, len);

	json_object_set_new(sheet, "line", json_integer((json_int_t)f->line));
	/* A line that is not UTF-8 has no JSON string. */
	if (raw)
		json_object_set_new(sheet, "text", raw);
	sheet_text(sheet, "leaf", leaf_name(n));
	if (n->has_status) {
		sheet_hex(sheet, "status", n->status.raw);
		if (explain(n, &e)) {
			sheet_text(sheet, "name", e.name);
			sheet_text(sheet, "class", e.class_name);
			sheet_text(sheet, "details",
				   tdx_details_text(n->status, n->leaf, text, sizeof(text)));
			sheet_text(sheet, "meaning", e.meaning);
			sheet_text(sheet, "hint", e.hint);
			sheet_text(sheet, "action", tdx_action_name(e.action));
			sheet_text(sheet, "do", tdx_action_advice(e.action));
		}
	}
	sheet_text(sheet, "outputs",
		   tdx_outputs_text(n->status, n->leaf, &n->regs, n->shown, text, sizeof(text)));
	json_dumpf(sheet, stdout, JSON_COMPACT);
	printf("\n");
	json_decref(sheet);
}

static void one_line(struct filter *f, const char *line, size_t len)
{
	struct tdx_log_note note;
	bool found;

	f->line++;
	found = tdx_log_line(&f->log, line, len, &note);
	if (f->json) {
		if (found)
			print_json(f, &note, line, len);
		return;
	}
	if (!found && f->only)
		return;
	fwrite(line, 1, len, stdout);
	printf("\n");
	if (found)
		print_text(f, &note);
}

int decode_log(bool json, bool only)
{
	struct filter *f = calloc(1, sizeof(*f));
	char *line = NULL;
	size_t room = 0;
	struct stat st;
	ssize_t len;
	int rc;

	if (!f)
		return -ENOMEM;
	f->json = json;
	f->only = only;
	/* A log may be followed as it grows: each line goes on at once. */
	if (fstat(STDIN_FILENO, &st) || !S_ISREG(st.st_mode))
		setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	errno = 0;
	while (!ferror(stdout) && (len = getline(&line, &room, stdin)) >= 0) {
		if (len && line[len - 1] == '\n')
			len--;
		one_line(f, line, (size_t)len);
	}
	rc = ferror(stdin) ? -EIO : errno == ENOMEM ? -ENOMEM : 0;
	free(line);
	free(f);
	return rc;
}
