/* SPDX-License-Identifier: MIT */
/* Two calls of the module at one time, on the small TD one of them is ready for. */
#ifndef TRACE_PAIRS_H
#define TRACE_PAIRS_H

#include "trace/explore.h"
#include "trace/subject.h"

struct pair {
	const struct subject *first, *second; /* the TD is ready for the first */
	bool possible;			      /* a guest's call needs a TD that can be entered, and
					 a service TD's a binding */
	bool busy[2];			      /* can the call find a lock busy? */
	unsigned only_mixed; /* outcomes, not busy, that neither order of the two calls has */
	struct scenario s;
	struct explore_result r;
	char mixed[256];    /* the first of those, in words */
	char schedule[128]; /* that shows it */
};

/* A set-up shared by the pairs of one first call. */
struct pair_setup;

/* NULL: err says why. `guest_second`: the second call is a guest's. `short_way`: both processors
 * know the TD and its vCPU, and go that way (explore_short_way()). */
struct pair_setup *pair_setup_new(const struct subject *first, bool guest_second, bool short_way,
				  char *err, size_t errlen);
void pair_setup_free(struct pair_setup *setup);

/* 0 or a negative errno. The caller calls scenario_free(&pair->s). */
int pair_run(struct pair_setup *setup, const struct subject *second, struct pair *pair);

bool subject_is_guest(const struct subject *s);

#endif
