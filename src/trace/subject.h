/* SPDX-License-Identifier: MIT */
/* The calls the lock table is made of: one successful call of each leaf on a small TD. */
#ifndef TRACE_SUBJECT_H
#define TRACE_SUBJECT_H

#include "trace/player.h"
#include "trace/stage.h"

struct subject {
	const char *name;  /* "page-aug-4k" */
	const char *title; /* "TDH.MEM.PAGE.AUG" */
	enum stage stage;
	const char *prepare; /* lines after those of the stage */
	const char *call;    /* one line, by processor 0 or its guest */
};

extern const struct subject subjects[];
extern const unsigned num_subjects;

/* Is the word its name or its leaf, with or without "TDH." and in any case? */
bool subject_matches(const struct subject *s, const char *word);

/* Run lines that must be possible, whatever they answer. False: err says which was not. */
bool player_lines(struct player *p, const char *lines, char *err, size_t errlen);

/* Everything before the call, on a fresh player; then the call. */
bool subject_prepare(const struct subject *s, struct player *p, char *err, size_t errlen);
bool subject_call(const struct subject *s, struct player *p, struct played *out);

#endif
