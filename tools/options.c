/* SPDX-License-Identifier: MIT */
/* See options.h. */
#include "tools/options.h"

#include <assert.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "tools/text.h"
#include "tools/verbs.h"

enum { MAX_OPTIONS = 64, FIRST_KEY = 256, MAX_HELP_COLUMN = 28 };

static void print_synopsis(const struct verb_usage *u, FILE *f)
{
	const char *line = u->synopsis;

	for (const char *lead = "usage:"; *line; lead = "") {
		size_t n = strcspn(line, "\n");

		fprintf(f, "%-6s swtdx %s%s%.*s\n", lead, u->verb, n ? " " : "", (int)n, line);
		line += n + (line[n] == '\n');
	}
}

static const struct verb_option help_option = {.name = "help", .letter = 'h', .help = "this text"};

/* "  -o, --output TRACE": what it takes is never cut or broken, as shells complete from it. */
static size_t left_width(const struct verb_option *o)
{
	return strlen("  ") + (o->letter ? strlen("-o, ") : 0) + strlen("--") + strlen(o->name) +
	       (o->takes ? 1 + strlen(o->takes) : 0);
}

static void print_left(const struct verb_option *o)
{
	fputs("  ", stdout);
	if (o->letter)
		printf("-%c, ", o->letter);
	printf("--%s%s%s", o->name, o->takes ? " " : "", o->takes ? o->takes : "");
}

static void print_row(const struct verb_option *o, size_t column)
{
	const size_t width = left_width(o);

	print_left(o);
	if (width + 2 > column)
		printf("\n%*s", (int)column, "");
	else
		printf("%*s", (int)(column - width), "");
	text_wrapped(stdout, column, column, o->help);
}

static void print_help(const struct verb_usage *u)
{
	size_t column = left_width(&help_option) + 2;

	for (size_t i = 0; i < u->noptions; i++) {
		const size_t n = left_width(&u->option[i]) + 2;

		if (n > column && n <= MAX_HELP_COLUMN)
			column = n;
	}
	print_synopsis(u, stdout);
	putchar('\n');
	text_wrapped(stdout, 0, 0, u->about);
	putchar('\n');
	for (size_t i = 0; i < u->noptions; i++)
		print_row(&u->option[i], column);
	print_row(&help_option, column);
	if (u->notes) {
		putchar('\n');
		text_wrapped(stdout, 0, 0, u->notes);
	}
}

int options_wrong(const struct verb_usage *u, const char *fmt, ...)
{
	char what[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	fprintf(stderr, "swtdx %s: %s\n", u->verb, text_shown(what));
	print_synopsis(u, stderr);
	fprintf(stderr, "\"swtdx %s --help\" says more.\n", u->verb);
	return VERB_USAGE;
}

/* The index of a word in "a|b|c". */
static bool choose(const char *words, const char *word, unsigned *index)
{
	size_t len = strlen(word);

	for (*index = 0;; (*index)++) {
		size_t n = strcspn(words, "|");

		if (n == len && !memcmp(words, word, n))
			return true;
		if (!words[n])
			return false;
		words += n + 1;
	}
}

static bool take(const struct verb_usage *u, const struct verb_option *o, const char *arg)
{
	uint64_t number;
	unsigned index;

	if (o->flag) {
		*o->flag = true;
	} else if (o->text) {
		*o->text = arg;
	} else if (o->list) {
		if (o->list->n == OPTION_LIST_MAX) {
			options_wrong(u, "--%s can be said %d times", o->name, OPTION_LIST_MAX);
			return false;
		}
		o->list->text[o->list->n++] = arg;
	} else if (o->choice) {
		if (!choose(o->takes, arg, &index)) {
			options_wrong(u, "--%s takes %s, not \"%s\"", o->name, o->takes, arg);
			return false;
		}
		*o->choice = index;
	} else {
		if (!text_number(arg, &number) || number < o->min || number > o->max) {
			options_wrong(u, "--%s takes a number from %llu to %llu, not \"%s\"",
				      o->name, (unsigned long long)o->min,
				      (unsigned long long)o->max, arg);
			return false;
		}
		*o->number = number;
	}
	return true;
}

static const struct verb_option *by_key(const struct verb_usage *u, int key)
{
	for (size_t i = 0; key && i < u->noptions; i++)
		if (key == u->option[i].letter || key == FIRST_KEY + (int)i)
			return &u->option[i];
	return NULL;
}

/* Is it the beginning of more than one name? Of one is as good as the name. */
static bool is_ambiguous(const struct verb_usage *u, const char *word)
{
	size_t n = strcspn(word, "=");
	unsigned found = 0;

	for (size_t i = 0; i < u->noptions; i++)
		found += !strncmp(word, u->option[i].name, n);
	return found > 1;
}

/* getopt's own messages name the program by argv[0]; ours name the verb. */
static void tell_unknown(const struct verb_usage *u, int key, const char *word)
{
	struct text_nearest near = {0};
	const struct verb_option *o = by_key(u, optopt);

	if (key == ':' && o) {
		options_wrong(u, "--%s needs %s behind it", o->name, o->takes);
	} else if (o && strchr(word, '=')) {
		options_wrong(u, "--%s takes nothing", o->name);
	} else if (!strncmp(word, "--", 2) && is_ambiguous(u, word + 2)) {
		options_wrong(u, "%s is the beginning of more than one option", word);
	} else if (!strncmp(word, "--", 2)) {
		for (size_t i = 0; i < u->noptions; i++)
			text_nearer(&near, word + 2, u->option[i].name);
		options_wrong(u, "there is no option %s%s%s%s", word,
			      near.name ? "; did you mean --" : "", near.name ? near.name : "",
			      near.name ? "?" : "");
	} else {
		options_wrong(u, "there is no option -%c", optopt);
	}
}

bool options_parse(const struct verb_usage *u, int *argc, char ***argv, int *end)
{
	struct option longs[MAX_OPTIONS + 2] = {0};
	char shorts[2 * MAX_OPTIONS + 4] = ":h";
	size_t nshorts = 2;
	int c;

	assert(u->noptions <= MAX_OPTIONS);
	for (size_t i = 0; i < u->noptions; i++) {
		const struct verb_option *o = &u->option[i];

		longs[i] = (struct option){o->name, o->takes ? required_argument : no_argument,
					   NULL, FIRST_KEY + (int)i};
		if (o->letter)
			shorts[nshorts++] = o->letter;
		if (o->letter && o->takes)
			shorts[nshorts++] = ':';
	}
	longs[u->noptions] = (struct option){"help", no_argument, NULL, 'h'};
	while ((c = getopt_long(*argc, *argv, shorts, longs, NULL)) != -1) {
		if (c == 'h') {
			print_help(u);
			*end = VERB_OK;
			return false;
		}
		if (c == '?' || c == ':') {
			tell_unknown(u, c, (*argv)[optind - 1]);
			*end = VERB_USAGE;
			return false;
		}
		if (!take(u, by_key(u, c), optarg)) {
			*end = VERB_USAGE;
			return false;
		}
	}
	*argc -= optind;
	*argv += optind;
	return true;
}
