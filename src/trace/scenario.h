/* SPDX-License-Identifier: MIT */
/* A scenario: a machine brought up, then threads of calls that run at one time.
 *
 *	stage finalized		the small TD of trace/stage.h, or vector lines from "platform" on
 *	seamcall 0 ...		more lines of the vector language, without outcomes
 *	profile 1.5.01		the locks of that module version
 *	thread A		two to four of them
 *	seamcall 0 ...
 *	retry seamcall 0 ...	again as long as it is busy
 *	thread B
 *	seamcall 1 ...
 *	never TDX_OPERAND_BUSY	claims: no call in any schedule returns it
 *	sometimes A2 TDX_...	the second call of A does in some schedule
 */
#ifndef TRACE_SCENARIO_H
#define TRACE_SCENARIO_H

#include "trace/player.h"

enum {
	SCENARIO_MAX_THREADS = 4,
	SCENARIO_MAX_STEPS = 64,
	SCENARIO_MAX_CLAIMS = 32,
	SCENARIO_NAME_LEN = 16,
};

struct scenario_step {
	struct vec_step step;
	const char *text; /* as written */
	bool retry;
};

struct scenario_thread {
	char name[SCENARIO_NAME_LEN];
	unsigned nsteps;
	struct scenario_step step[SCENARIO_MAX_STEPS];
};

struct scenario_claim {
	bool sometimes;
	int thread, step;   /* -1: any */
	const char *status; /* a name, with "|operand" or without */
	unsigned line;
};

struct scenario {
	char *setup;			      /* vector lines */
	const struct module_profile *profile; /* NULL: the default */
	unsigned nthreads, nclaims;
	struct scenario_thread thread[SCENARIO_MAX_THREADS];
	struct scenario_claim claim[SCENARIO_MAX_CLAIMS];
	char *text[2 * SCENARIO_MAX_THREADS * SCENARIO_MAX_STEPS + SCENARIO_MAX_CLAIMS]; /* owned */
	unsigned ntext;
};

/* False: err says what is wrong and in which line. scenario_free() in either case. */
bool scenario_parse(struct scenario *s, const char *text, char *err, size_t errlen);
/* One more step for a thread. */
bool scenario_add_step(struct scenario *s, unsigned thread, const char *line, char *err,
		       size_t errlen);
void scenario_free(struct scenario *s);

#endif
