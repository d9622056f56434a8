/* SPDX-License-Identifier: MIT */
/* Running vectors against the module: a machine of its own per file, every step compared. */
#ifndef TRACE_VECRUN_H
#define TRACE_VECRUN_H

#include <swtdx/types.h>

struct vecrun;
struct module_profile;

/* One difference between what was recorded and what the module did. */
struct vec_diff {
	unsigned line;
	char text[512];
};

struct vecrun_options {
	bool paranoid; /* check the module's invariants after every step */
	bool keep_going;
	const struct module_profile *profile; /* NULL: the default */
	/* Called for each difference, in order. */
	void (*diff)(void *arg, const struct vec_diff *diff);
	void *arg;
};

struct vecrun_result {
	unsigned lines;
	unsigned steps; /* lines whose result is compared */
	unsigned passed;
	unsigned differing;
	bool damaged; /* a line could not be understood, the rest was not run */
};

/* Run the text of one vector file (it is cut to pieces). */
void vecrun_text(char *text, const struct vecrun_options *opt, struct vecrun_result *result);

#endif
