/* SPDX-License-Identifier: MIT */
/* The thread beside a run that sees what comes from outside: keys, signals, the end of its time. */
#ifndef TOOLS_RUN_ATTEND_H
#define TOOLS_RUN_ATTEND_H

#include <pthread.h>
#include <stdbool.h>

#include "tools/run_ports.h"
#include "tools/signals.h"

struct run_session;

struct run_attend {
	pthread_t thread;
	bool started;
	struct signals signals;
	int wake; /* an eventfd */
	_Atomic bool stop;
	_Atomic bool console;	/* it is open */
	_Atomic bool trace;	/* there is one, whose records are saved now and then */
	_Atomic bool restrict_; /* it is to give up what the others have */
	bool came[RUN_SERIALS]; /* something, which the guest has not been told of */
};

/* Before any other thread is made: they inherit that the signals are this one's. False: it cannot
 * be; signals do what they always do then. */
bool run_attend_start(struct run_session *s);
/* What comes from the consoles is the guest's from now on. */
void run_attend_console(struct run_session *s);
/* Something has changed that it goes by. */
void run_attend_wake(struct run_session *s);
/* The run has a trace from now on, which is closed after run_attend_stop(). */
void run_attend_trace(struct run_session *s);
/* The sandbox is the thread's, too. */
void run_attend_restrict(struct run_session *s);
void run_attend_stop(struct run_session *s);

#endif
