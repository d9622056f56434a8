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
#include "tools/json_print.h"
#include "tools/sentence.h"
#include "tools/term_filter.h"
#include "tools/text.h"

/* A pair of leaf and status, and a sentence, is explained at length once; a host in trouble repeats
 * itself. */
enum { MAX_SEEN = 256, MAX_SENTENCES = 512 };

/* What is looked at of a line. A log is anybody's: the rest goes by, however much it is. */
enum { LINE_PIECE = 64 * 1024 };

#define SCHEMA "swtdx.decode-log/1"

struct filter {
	bool json, only;
	struct tdx_log log;
	unsigned long line;
	size_t seen;
	struct {
		const struct tdx_leaf_info *leaf;
		uint64_t raw;
		const char *entry; /* what the Secure-EPT entry beside it said */
	} seen_pair[MAX_SEEN];
	bool seen_sentence[MAX_SENTENCES];
	bool terminal; /* what the log would do to it is dropped */
};

/* One line: as it came, and without what others put around it. */
struct line {
	const char *raw;
	size_t raw_len;
	char text[LINE_ROOM];
	size_t len;
};

static const char *entry_hint(const struct tdx_log_note *n)
{
	return tdx_entry_hint(n->status, n->leaf, &n->regs, n->shown);
}

static bool first_time(struct filter *f, const struct tdx_log_note *n)
{
	for (size_t i = 0; i < f->seen; i++)
		if (f->seen_pair[i].leaf == n->leaf && f->seen_pair[i].raw == n->status.raw &&
		    f->seen_pair[i].entry == entry_hint(n))
			return false;
	if (f->seen < MAX_SEEN) {
		f->seen_pair[f->seen].leaf = n->leaf;
		f->seen_pair[f->seen].entry = entry_hint(n);
		f->seen_pair[f->seen++].raw = n->status.raw;
	}
	return true;
}

static const char *leaf_name(const struct tdx_log_note *n)
{
	return n->seamldr ? "P-SEAMLDR" : n->leaf ? n->leaf->name : NULL;
}

/* The codes of the P-SEAMLDR are its own. */
static void explain(const struct tdx_log_note *n, struct tdx_explanation *e)
{
	if (n->seamldr && !tdx_is_sw_error(n->status))
		tdx_explain_seamldr(n->status, e);
	else
		tdx_explain(n->status, n->leaf, e);
}

/* What the entry on the line says goes before what the status alone lets one guess. */
static const char *hint(const struct tdx_log_note *n, const struct tdx_explanation *e)
{
	return entry_hint(n) ? entry_hint(n) : e->hint;
}

static void print_below(const char *what, const char *text)
{
	int n;

	if (!text)
		return;
	n = printf("      %s", what);
	text_wrapped(stdout, (size_t)n, 6, text);
}

static void print_call(struct filter *f, const struct tdx_log_note *n)
{
	const char *leaf = leaf_name(n);
	char text[TDX_DECODE_TEXT_MAX];
	struct tdx_explanation e;

	if (n->has_status) {
		explain(n, &e);
		printf("    ^ %s%s%s", leaf ? leaf : "", leaf ? ": " : "", e.name);
		text[0] = '\0';
		if (e.info)
			tdx_details_text(n->status, n->leaf, text, sizeof(text));
		printf("%s%s\n", text[0] ? ", " : "", text);
		if (first_time(f, n)) {
			print_below("", e.meaning);
			print_below("", hint(n, &e));
			print_below("do: ", tdx_action_advice(e.action));
		}
	} else if (!n->belongs) {
		printf("    ^ %s failed; the line does not say with what status\n", leaf);
	}
	tdx_outputs_text(n->status, n->leaf, &n->regs, n->shown, text, sizeof(text));
	if (text[0])
		printf("    ^ %s%s%s\n", n->has_status || !leaf ? "" : leaf,
		       n->has_status || !leaf ? "" : ": ", text);
	/* Registers that came on a line of their own. */
	if (n->belongs)
		print_below("", entry_hint(n));
}

static void print_sentence(struct filter *f, const struct sentence_match *m)
{
	const struct sentence *s = m->sentence;
	size_t index = (size_t)(s - sentence_at(0));
	char number[160], source[80];

	sentence_number(m, number, sizeof(number));
	printf("    ^ %s%s%s\n", sentence_source(s, source, sizeof(source)), number[0] ? ": " : "",
	       number);
	if (index < MAX_SENTENCES && f->seen_sentence[index])
		return;
	if (index < MAX_SENTENCES)
		f->seen_sentence[index] = true;
	print_below("", s->meaning);
	print_below("cause: ", s->cause);
	print_below("do: ", s->remedy);
}

static json_t *line_sheet(const struct filter *f, const struct line *l)
{
	json_t *sheet = json_object(), *raw = json_stringn(l->raw, l->raw_len);

	sheet_text(sheet, "schema", SCHEMA);
	json_object_set_new(sheet, "simulated", json_false());
	json_object_set_new(sheet, "line", json_integer((json_int_t)f->line));
	/* A line that is not UTF-8 has no JSON string. */
	if (raw)
		json_object_set_new(sheet, "text", raw);
	return sheet;
}

static void put_call(json_t *sheet, const struct tdx_log_note *n)
{
	char text[TDX_DECODE_TEXT_MAX];
	struct tdx_explanation e;

	sheet_text(sheet, "leaf", leaf_name(n));
	if (n->has_status) {
		sheet_hex(sheet, "status", n->status.raw);
		explain(n, &e);
		sheet_text(sheet, "name", e.name);
		sheet_text(sheet, "class", e.class_name);
		if (e.info)
			sheet_text(sheet, "details",
				   tdx_details_text(n->status, n->leaf, text, sizeof(text)));
		sheet_text(sheet, "meaning", e.meaning);
		sheet_text(sheet, "hint", hint(n, &e));
		sheet_text(sheet, "action", tdx_action_name(e.action));
		sheet_text(sheet, "do", tdx_action_advice(e.action));
	} else if (n->belongs) {
		sheet_text(sheet, "hint", entry_hint(n));
	}
	sheet_text(sheet, "outputs",
		   tdx_outputs_text(n->status, n->leaf, &n->regs, n->shown, text, sizeof(text)));
}

static void put_sentence(json_t *sheet, const struct sentence_match *m)
{
	static const char *const kinds[] = {
		[SENTENCE_GOOD] = "good", [SENTENCE_INFO] = "info", [SENTENCE_BAD] = "bad"};
	const struct sentence *s = m->sentence;
	char text[160];

	sheet_text(sheet, "kind", kinds[s->kind]);
	sheet_text(sheet, "topic", s->topic);
	sheet_text(sheet, "source", sentence_source(s, text, sizeof(text)));
	sheet_text(sheet, "details", sentence_number(m, text, sizeof(text)));
	sheet_text(sheet, "meaning", s->meaning);
	sheet_text(sheet, "cause", s->cause);
	sheet_text(sheet, "do", s->remedy);
}

static void dump_line(json_t *sheet)
{
	json_print(stdout, sheet, JSON_COMPACT);
}

/* What a line says, and how. */
enum says { NOTHING, A_CALL, A_SENTENCE, SOMETHING_UNKNOWN };

static enum says read_line(struct filter *f, const struct line *l, struct tdx_log_note *note,
			   struct sentence_match *m)
{
	bool call = tdx_log_line(&f->log, l->text, l->len, note);

	bool sentence = sentence_find(l->text, l->len, m);

	/* What the table takes for no failure is told as that, with its status. */
	if (call && (note->has_status || note->belongs) &&
	    !(sentence && m->sentence->kind == SENTENCE_INFO))
		return A_CALL;
	if (sentence)
		return A_SENTENCE;
	if (call)
		return A_CALL;
	return line_is_failure_of_tdx(l->raw, l->raw_len, l->text, l->len) ? SOMETHING_UNKNOWN
									   : NOTHING;
}

static void print_text(struct filter *f, enum says says, const struct tdx_log_note *note,
		       const struct sentence_match *m)
{
	switch (says) {
	case NOTHING:
		break;
	case A_CALL:
		print_call(f, note);
		break;
	case A_SENTENCE:
		print_sentence(f, m);
		break;
	case SOMETHING_UNKNOWN:
		printf("    ^ a failure about TDX that I do not know\n");
		break;
	}
}

static void print_json(const struct filter *f, const struct line *l, enum says says,
		       const struct tdx_log_note *note, const struct sentence_match *m)
{
	json_t *sheet;

	if (says == NOTHING)
		return;
	sheet = line_sheet(f, l);
	if (says == A_CALL)
		put_call(sheet, note);
	else if (says == A_SENTENCE)
		put_sentence(sheet, m);
	else
		sheet_text(sheet, "kind", "unknown");
	dump_line(sheet);
}

static void put_raw(const struct filter *f, struct term_filter *term, const char *raw, size_t len)
{
	uint8_t some[TERM_SEQUENCE_MAX];

	if (!f->terminal)
		fwrite(raw, 1, len, stdout);
	else
		for (size_t i = 0; i < len; i++)
			fwrite(some, 1, term_filter(term, (uint8_t)raw[i], some), stdout);
}

/* Up to a newline or the room there is. False: there is no more. */
static bool read_piece(FILE *in, char *piece, size_t *len, bool *ends)
{
	int c = EOF;

	*len = 0;
	while (*len < LINE_PIECE && (c = getc_unlocked(in)) != EOF && c != '\n')
		piece[(*len)++] = (char)c;
	*ends = *len < LINE_PIECE;
	return c != EOF || *len;
}

/* Of a line whose first piece is in `raw`; the others are read here. */
static void one_line(struct filter *f, FILE *in, char *raw, size_t len, bool ends)
{
	struct line l = {.raw = raw, .raw_len = len};
	struct term_filter term = {.n = 0};
	bool shown;
	struct tdx_log_note note;
	struct sentence_match m;
	enum says says;

	f->line++;
	l.len = line_clean(raw, len, l.text, sizeof(l.text));
	says = read_line(f, &l, &note, &m);
	shown = !f->json && (says != NOTHING || !f->only);
	if (f->json)
		print_json(f, &l, says, &note, &m);
	if (shown)
		put_raw(f, &term, raw, len);
	while (!ends && !ferror(stdout) && read_piece(in, raw, &len, &ends))
		if (shown)
			put_raw(f, &term, raw, len);
	if (!shown)
		return;
	printf("\n");
	print_text(f, says, &note, &m);
}

int decode_log(FILE *in, bool json, bool only)
{
	struct filter *f = calloc(1, sizeof(*f));
	char *piece = malloc(LINE_PIECE);
	struct stat st;
	size_t len;
	bool ends;
	int rc;

	if (!f || !piece) {
		free(f);
		free(piece);
		return -ENOMEM;
	}
	f->terminal = isatty(STDOUT_FILENO);
	f->json = json;
	f->only = only;
	/* A log may be followed as it grows: each line goes on at once. */
	if (fstat(fileno(in), &st) || !S_ISREG(st.st_mode))
		setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
	while (!ferror(stdout) && read_piece(in, piece, &len, &ends))
		one_line(f, in, piece, len, ends);
	rc = ferror(in) ? -EIO : 0;
	free(piece);
	free(f);
	return rc;
}
