/* SPDX-License-Identifier: MIT */
/* swtdx decode: the numbers of TDX in words, one by one or in a log. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "decode.h"
#include "verbs.h"

static const char usage[] =
	"usage: swtdx decode [--json] [--only]                  annotate a log on standard input\n"
	"       swtdx decode [--json] WORD...                   guess what each WORD is\n"
	"       swtdx decode [--json] KIND VALUE...             say what it is\n"
	"\n"
	"  status VALUE|NAME [LEAF]   a completion status, after that leaf\n"
	"  leaf NUMBER|NAME           a SEAMCALL leaf; a TDCALL leaf by its name\n"
	"  operand NUMBER             an operand id\n"
	"  field ID|NAME              a metadata field\n"
	"  entry RCX [RDX]            a Secure-EPT entry, as a call returned it\n"
	"  exit RAX [RCX RDX R8 R9]   what TDH.VP.ENTER returned\n"
	"  attributes, xfam, config-flags, td-ctls VALUE\n"
	"  report FILE                a TDREPORT; - is standard input\n"
	"  params FILE                TD_PARAMS\n"
	"  image FILE                 the TDX metadata of a firmware image\n"
	"\n"
	"  --only  of a log, print only lines that say something\n"
	"  --json  the same content as JSON; of a log, one object a line\n"
	"\n"
	"dmesg | swtdx decode --only\n";

static const struct kind {
	const char *name;
	decode_fn *decode;
	int max_words;
} kinds[] = {
	{"status", decode_status, 2},
	{"leaf", decode_leaf, 1},
	{"operand", decode_operand, 1},
	{"field", decode_field, 1},
	{"entry", decode_entry, 2},
	{"exit", decode_exit, 5},
	{"attributes", decode_attributes, 1},
	{"xfam", decode_xfam, 1},
	{"config-flags", decode_config_flags, 1},
	{"td-ctls", decode_td_ctls, 1},
	{"report", decode_report, 1},
	{"params", decode_params, 1},
	{"image", decode_image, 1},
};

static const struct kind *find_kind(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	return NULL;
}

static void show(json_t *sheets, json_t *sheet, bool json)
{
	static const char blank[] = "\n";

	if (!json) {
		if (json_array_size(sheets))
			fputs(blank, stdout);
		sheet_print(sheet);
	}
	json_array_append_new(sheets, sheet);
}

static void dump(json_t *sheets)
{
	json_t *all = json_pack("{s:s, s:O}", "schema", "swtdx.decode/1", "items", sheets);

	json_dumpf(all, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(all);
}

static int one_kind(const struct kind *k, char **words, int n, bool json)
{
	json_t *sheets, *sheet;
	bool missing = false;

	if (n < 1 || n > k->max_words) {
		fprintf(stderr, "swtdx decode: %s takes 1 to %d words\n%s", k->name, k->max_words,
			usage);
		return VERB_USAGE;
	}
	sheet = k->decode(words, n, &missing);
	if (!sheet) {
		if (missing)
			return VERB_ENVIRONMENT;
		fprintf(stderr, "swtdx decode: \"%s\" is no %s\n", words[0], k->name);
		return VERB_DIFFERENCE;
	}
	sheets = json_array();
	show(sheets, sheet, json);
	if (json)
		dump(sheets);
	json_decref(sheets);
	return VERB_OK;
}

static int guess_each(char **words, int n, bool json)
{
	json_t *sheets = json_array();
	bool missing;
	int rc = VERB_OK;

	for (int i = 0; i < n; i++) {
		json_t *sheet = decode_guess(&words[i], 1, &missing);

		if (sheet) {
			show(sheets, sheet, json);
			continue;
		}
		fprintf(stderr, "swtdx decode: \"%s\" is nothing I know\n", words[i]);
		rc = VERB_DIFFERENCE;
	}
	if (json)
		dump(sheets);
	json_decref(sheets);
	return rc;
}

static int filter(bool json, bool only)
{
	int rc = decode_log(json, only);

	if (!rc)
		return VERB_OK;
	fprintf(stderr, "swtdx decode: standard input: %s\n", strerror(-rc));
	return VERB_ENVIRONMENT;
}

int verb_decode(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"only", no_argument, NULL, 'o'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	bool json = false, only = false;
	int c, rc;

	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (c == 'j') {
			json = true;
		} else if (c == 'o') {
			only = true;
		} else {
			fputs(usage, c == 'h' ? stdout : stderr);
			return c == 'h' ? VERB_OK : VERB_USAGE;
		}
	}
	argc -= optind;
	argv += optind;
	if (!argc || (argc == 1 && !strcmp(argv[0], "-")))
		rc = filter(json, only);
	else if (find_kind(argv[0]))
		rc = one_kind(find_kind(argv[0]), argv + 1, argc - 1, json);
	else
		rc = guess_each(argv, argc, json);
	if (fflush(stdout) || ferror(stdout)) {
		fprintf(stderr, "swtdx decode: standard output: %s\n", strerror(errno));
		return VERB_ENVIRONMENT;
	}
	return rc;
}
