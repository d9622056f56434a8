/* SPDX-License-Identifier: MIT */
/* Every schedule of a scenario's threads, at the grain of lock steps, on the real module.
 *
 * A step is what a thread does from one event to the next: the beginning of a call or of a guest's
 * exit, an attempt on a lock, a release; by the short way (module/known.h), which calls go when
 * nobody listens, also each lock announced, looked at and left. After each step no lock that a
 * processor has for itself may be another's, too. Two schedules that lead to the very same state
 * (memory, module, processors, and the stacks and registers of calls in progress, by a hash of 128
 * bits) go on alike, so the second is not followed. That is the only reduction, and it assumes
 * nothing about what locks protect. The search goes breadth first: what it finds, it finds in the
 * shortest schedule. */
#ifndef TRACE_EXPLORE_H
#define TRACE_EXPLORE_H

#include <swtdx/status.h>

#include "module/lock.h"
#include "trace/scenario.h"
#include "trace/snapshot.h"

enum { EXPLORE_MAX_OUTCOMES = 24, EXPLORE_MAX_STEPS = 4096 };

enum outcome_kind {
	OUTCOME_STATUS,	 /* the host's call returned */
	OUTCOME_ENTERED, /* a guest runs now */
	OUTCOME_GUEST,	 /* the guest's call returned to it, or its exit was handled */
	OUTCOME_TD_EXIT, /* the guest's call or exit led to the host */
	OUTCOME_FATAL,	 /* the processor is dead */
	OUTCOME_NOT_RUN, /* the step was not possible then */
};

struct outcome {
	enum outcome_kind kind;
	struct tdx_status status;
	unsigned node; /* first seen by the step of `thread` from this state: outcome_schedule() */
	uint8_t thread;
};

struct explore_call {
	unsigned n;
	struct outcome outcome[EXPLORE_MAX_OUTCOMES]; /* in order of the steps needed */
};

struct explore_options {
	unsigned max_states; /* 0: a million */
	bool check;	     /* the module's invariants in every final state */
	bool apart; /* follow every schedule by itself: to check the search, not for work */
	/* Now and then, when not NULL: states found, and how many of them have been followed. */
	void (*progress)(void *arg, unsigned states, unsigned followed);
	void *arg;
};

struct explore_result {
	unsigned states, finals;
	uint64_t runs;	  /* executions of a prefix of a schedule */
	double schedules; /* complete schedules these stand for; infinite with retries that loop */
	bool bounded;	  /* max_states reached: not everything was seen */
	unsigned stuck;	  /* states from which no thread gets to its end, and the first of them */
	unsigned stuck_node;
	bool broken; /* an invariant is, or a lock has two holders, in the state broken_node */
	unsigned broken_node;
	char why[256];
	struct explore_call call[SCENARIO_MAX_THREADS][SCENARIO_MAX_STEPS];
};

/* One event of a schedule, for showing it. */
struct explore_event {
	enum { EVENT_BEGIN, EVENT_ACQUIRE, EVENT_RELEASE, EVENT_END } kind;
	unsigned step, thread, call;
	unsigned lp;
	enum lock_resource res;
	uint64_t key;
	enum lock_mode mode;
	enum lock_result result;
	struct outcome outcome;
};

struct explore;

/* A scenario's threads on a machine that has been prepared (player_lines() of the set-up). The
 * snapshot is the player's. NULL: out of memory. */
struct explore *explore_new(const struct scenario *s, struct player *p, struct snapshot *snap);
void explore_free(struct explore *e);

/* From here on calls go the short way where a processor knows the TD, instead of taking one lock
 * after the other, as Intel's module does. */
void explore_short_way(struct explore *e);

/* 0 or a negative errno. */
int explore_run(struct explore *e, const struct explore_options *opt, struct explore_result *r);

/* The threads' numbers in the order of the steps that lead to a node. Returns how many. */
unsigned explore_schedule(const struct explore *e, unsigned node, uint8_t *thread, unsigned max);
/* The same for the step that showed an outcome. */
unsigned outcome_schedule(const struct explore *e, const struct outcome *o, uint8_t *thread,
			  unsigned max);

/* Run one schedule and, if `finish`, each thread to its end after it, telling every event. Whoever
 * listened to the module before (a trace: all its hooks are called) hears this, too. */
void explore_show(struct explore *e, const uint8_t *thread, unsigned n, bool finish,
		  void (*event)(void *arg, const struct explore_event *ev), void *arg);

/* "TDX_OPERAND_BUSY|RCX", "in the guest", "TD exit, ...". Returns buf. */
const char *outcome_format(const struct outcome *o, char *buf, size_t len);
bool outcome_is_busy(const struct outcome *o);

/* How many of the scenario's claims do not hold; `failed` (may be NULL) is told each. */
unsigned explore_claims(const struct scenario *s, const struct explore_result *r,
			void (*failed)(void *arg, const struct scenario_claim *c), void *arg);

#endif
