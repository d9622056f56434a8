/* SPDX-License-Identifier: MIT */
/* The signals that end a run or stop it for a while, for a thread that attends to them: a run ends
 * once, whole; who sends another means the process. */
#ifndef TOOLS_SIGNALS_H
#define TOOLS_SIGNALS_H

#include <signal.h>
#include <stdbool.h>

struct run_console;

enum { SIGNALS_STATUS = 128 }; /* and the signal's number: the exit status */

struct signals {
	int fd; /* a signalfd; -1: none */
	sigset_t before;
	bool told; /* one came that ends the run */
};

/* Before any other thread is made: they inherit that the signals are the attending thread's. False:
 * it cannot be; signals do what they always do then. */
bool signals_open(struct signals *s);
/* The one that came and ends the run; 0: none. One that stops the process for a while has done so,
 * `terminal` (NULL: there is none) as it was meanwhile; a second one that ends it ends the process
 * at once. */
int signals_take(struct signals *s, struct run_console *terminal);
/* There is nobody to attend to them any more. */
void signals_close(struct signals *s);

#endif
