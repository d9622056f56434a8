/* SPDX-License-Identifier: MIT */
/* Options of a verb. One table is what is parsed, what --help prints, and so what the shell
 * completes and what the manual page is held against; --help itself is in none. */
#ifndef TOOLS_OPTIONS_H
#define TOOLS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What an option that can be said more than once was given. */
enum { OPTION_LIST_MAX = 8 };
struct option_list {
	const char *text[OPTION_LIST_MAX];
	unsigned n;
};

struct verb_option {
	const char *name;  /* without its dashes */
	const char *takes; /* what follows it, as shown; NULL: nothing */
	const char *help;
	char letter; /* its short form; 0: none */
	/* Where it goes: one of these. */
	bool *flag;
	const char **text;
	struct option_list *list;
	unsigned *choice; /* index in `takes`, "a|b|c" */
	uint64_t *number;
	uint64_t min, max;
};

#define OPTION_FLAG(name_, to_, help_)                                                             \
	{                                                                                          \
		.name = (name_), .help = (help_), .flag = (to_)                                    \
	}
#define OPTION_TEXT(name_, takes_, to_, help_)                                                     \
	{                                                                                          \
		.name = (name_), .takes = (takes_), .help = (help_), .text = (to_)                 \
	}
#define OPTION_LIST(name_, takes_, to_, help_)                                                     \
	{                                                                                          \
		.name = (name_), .takes = (takes_), .help = (help_), .list = (to_)                 \
	}
#define OPTION_CHOICE(name_, takes_, to_, help_)                                                   \
	{                                                                                          \
		.name = (name_), .takes = (takes_), .help = (help_), .choice = (to_)               \
	}
#define OPTION_NUMBER(name_, takes_, to_, min_, max_, help_)                                       \
	{                                                                                          \
		.name = (name_), .takes = (takes_), .help = (help_), .number = (to_),              \
		.min = (min_), .max = (max_)                                                       \
	}

struct verb_usage {
	const char *verb;
	const char *synopsis;	   /* what follows the verb; a line each way of calling it */
	const char *about, *notes; /* before and after the options; the latter may be NULL */
	const struct verb_option *option;
	size_t noptions;
};

#define VERB_USAGE_OF(verb_, synopsis_, about_, notes_, options_)                                  \
	{                                                                                          \
		(verb_), (synopsis_), (about_), (notes_), (options_),                              \
			sizeof(options_) / sizeof((options_)[0])                                   \
	}

/* Sets what the options say and leaves the operands in *argc and *argv. False when the verb ends
 * here, with *end its exit status: wrong usage, which has been told, or --help. */
bool options_parse(const struct verb_usage *u, int *argc, char ***argv, int *end);

/* Tells what is wrong with the command line. Returns VERB_USAGE. */
__attribute__((format(printf, 2, 3))) int options_wrong(const struct verb_usage *u, const char *fmt,
							...);

#endif
