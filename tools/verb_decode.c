/* SPDX-License-Identifier: MIT */
/* swtdx decode: the numbers of TDX in words, one by one or in a log. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "decode.h"
#include "tools/json_print.h"
#include "tools/options.h"
#include "verbs.h"

static const struct kind {
	const char *name;
	decode_fn *decode;
	int max_words;
	const char *otherwise; /* what a word that it cannot decode is */
	unsigned names;	       /* DECODE_* of what it may have been meant to be */
} kinds[] = {
	{"status", decode_status, 2, "no status", DECODE_STATUSES},
	{"leaf", decode_leaf, 1, "no leaf", DECODE_LEAVES},
	{"operand", decode_operand, 1, "no operand id", DECODE_OPERANDS},
	{"field", decode_field, 1, "no metadata field", DECODE_FIELDS},
	{"entry", decode_entry, 2, "no number", 0},
	{"exit", decode_exit, 5, "no number", 0},
	{"attributes", decode_attributes, 1, "no number", 0},
	{"xfam", decode_xfam, 1, "no number", 0},
	{"config-flags", decode_config_flags, 1, "no number", 0},
	{"td-ctls", decode_td_ctls, 1, "no number", 0},
	{"report", decode_report, 1, "", 0},
	{"params", decode_params, 1, "", 0},
	{"image", decode_image, 1, "", 0},
};

static const struct kind *find_kind(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	return NULL;
}

/* What the command line asked for. */
struct asked {
	bool json, only, returned_by;
};

static void show(json_t *sheets, json_t *sheet, const struct asked *a)
{
	static const char blank[] = "\n";

	if (!a->returned_by)
		json_object_del(sheet, SHEET_RETURNED_BY);
	if (!a->json) {
		if (json_array_size(sheets))
			fputs(blank, stdout);
		sheet_print(sheet);
	}
	json_array_append_new(sheets, sheet);
}

static void dump(json_t *sheets)
{
	json_t *all = json_pack("{s:s, s:b, s:O}", "schema", "swtdx.decode/1", "simulated", 0,
				"items", sheets);

	json_print(stdout, all, JSON_INDENT(2));
}

static int one_kind(const struct verb_usage *u, const struct kind *k, char **words, int n,
		    const struct asked *a)
{
	json_t *sheets, *sheet;
	int told = VERB_OK;

	if (n < 1 || n > k->max_words)
		return options_wrong(u, "%s takes %s%d word%s", k->name,
				     k->max_words > 1 ? "1 to " : "", k->max_words,
				     k->max_words > 1 ? "s" : "");
	sheet = k->decode(words, n, &told);
	if (!sheet) {
		if (!told)
			decode_tell_unknown(words[0], k->otherwise, k->names);
		return told ? told : VERB_DIFFERENCE;
	}
	sheets = json_array();
	show(sheets, sheet, a);
	if (a->json)
		dump(sheets);
	json_decref(sheets);
	return VERB_OK;
}

static int guess_each(char **words, int n, const struct asked *a)
{
	json_t *sheets = json_array();
	int rc = VERB_OK, told;

	for (int i = 0; i < n; i++) {
		json_t *sheet = decode_guess(&words[i], 1, &told);

		if (sheet) {
			show(sheets, sheet, a);
			continue;
		}
		decode_tell_unknown(words[i], "nothing I know", ~0u);
		rc = VERB_DIFFERENCE;
	}
	if (a->json)
		dump(sheets);
	json_decref(sheets);
	return rc;
}

static int filter(FILE *in, const char *name, const struct asked *a)
{
	int rc = decode_log(in, a->json, a->only);

	if (!rc)
		return VERB_OK;
	fprintf(stderr, "swtdx decode: %s: %s\n", name, strerror(-rc));
	return VERB_ENVIRONMENT;
}

static bool is_file(const char *word)
{
	struct stat st;

	return !stat(word, &st) && !S_ISDIR(st.st_mode);
}

/* The names of files, none of which is a word that decode knows. */
static bool are_files(char **words, int n)
{
	int told = VERB_OK;

	for (int i = 0; i < n; i++) {
		json_t *sheet = is_file(words[i]) ? decode_guess(&words[i], 1, &told) : NULL;

		json_decref(sheet);
		if (sheet || !is_file(words[i]))
			return false;
	}
	return true;
}

/* A zero near the beginning: no log. What it is, other verbs tell. */
static bool is_binary(FILE *f)
{
	char head[256];
	size_t n = fread(head, 1, sizeof(head), f);

	/* A pipe cannot be read twice, and is taken for a log. */
	if (fseek(f, 0, SEEK_SET))
		return false;
	return n && memchr(head, 0, n);
}

static int one_file(const char *path, const struct asked *a)
{
	FILE *f = fopen(path, "r");
	struct stat st;
	int rc;

	if (!f) {
		fprintf(stderr, "swtdx decode: %s: %s\n", path, strerror(errno));
		return VERB_ENVIRONMENT;
	}
	if (!fstat(fileno(f), &st) && S_ISREG(st.st_mode) && is_binary(f)) {
		fprintf(stderr,
			"swtdx decode: %s is no log; of a binary file say what it is: report, "
			"params or image\n",
			path);
		rc = VERB_DIFFERENCE;
	} else
		rc = filter(f, path, a);
	fclose(f);
	return rc;
}

static int each_file(char **paths, int n, const struct asked *a)
{
	int rc = VERB_OK;

	for (int i = 0; i < n && rc == VERB_OK; i++)
		rc = one_file(paths[i], a);
	return rc;
}

int verb_decode(int argc, char **argv)
{
	struct asked a = {0};
	const struct verb_option options[] = {
		OPTION_FLAG("only", &a.only, "of a log, print only lines that say something"),
		OPTION_FLAG("returned-by", &a.returned_by,
			    "of a status, the leaves that return it"),
		OPTION_FLAG("json", &a.json,
			    "the same content as JSON; of a log, one object a line"),
	};
	const struct verb_usage usage = VERB_USAGE_OF(
		"decode",
		"[--json] [--only] < LOG\n[--json] [--only] LOG...\n[--json] [--returned-by] "
		"WORD...\n"
		"[--json] [--returned-by] KIND VALUE...",
		"Annotates a log on standard input or in files, or guesses what each WORD is, "
		"or says what a VALUE of that KIND is:\n"
		"\n"
		"  status VALUE|NAME [LEAF]   a completion status, after that leaf\n"
		"  leaf NUMBER|NAME           a SEAMCALL leaf; a TDCALL leaf by its name\n"
		"  operand NUMBER|NAME        an operand id\n"
		"  field ID|NAME              a metadata field\n"
		"  entry RCX [RDX]            a Secure-EPT entry, as a call returned it\n"
		"  exit RAX [RCX RDX R8 R9]   what TDH.VP.ENTER returned\n"
		"  attributes VALUE           the bits of a TD's ATTRIBUTES\n"
		"  xfam VALUE                 those of its XFAM\n"
		"  config-flags VALUE         those of its CONFIG_FLAGS\n"
		"  td-ctls VALUE              those of its TD_CTLS\n"
		"  report FILE                a TDREPORT; - is standard input\n"
		"  params FILE                TD_PARAMS\n"
		"  image FILE                 the TDX metadata of a firmware image",
		"dmesg | swtdx decode --only", options);
	int end;

	if (!options_parse(&usage, &argc, &argv, &end))
		return end;
	if (!argc || (argc == 1 && !strcmp(argv[0], "-")))
		return filter(stdin, "standard input", &a);
	if (find_kind(argv[0]))
		return one_kind(&usage, find_kind(argv[0]), argv + 1, argc - 1, &a);
	if (are_files(argv, argc))
		return each_file(argv, argc, &a);
	return guess_each(argv, argc, &a);
}
