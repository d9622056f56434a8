/* SPDX-License-Identifier: MIT */
/* The serial console of swtdx host: standard input and output (run_console.h), and the thread that
 * attends to what comes there and to signals: Ctrl-A x and the first signal end the machine. */
#ifndef TOOLS_HOST_CONSOLE_H
#define TOOLS_HOST_CONSOLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "board/board.h"
#include "tools/run_console.h"
#include "tools/signals.h"

struct host_console {
	struct board *board;
	struct run_console line; /* under the board's lock, but for the user's side of it */
	void (*said)(void *arg, uint8_t byte);
	void *arg;
	/* The thread's. */
	struct signals signals;
	int wake; /* an eventfd */
	bool started;
	pthread_t thread;
	_Atomic bool stopping;
	_Atomic int broken;  /* why standard output cannot be written to; 0: it can */
	_Atomic int outcome; /* the exit status of who ended the machine; -1: nobody did */
};

extern const struct uart_ops host_console_ops; /* arg: the console */

/* Before the board is, and before any thread; what `c` points to is to stay. `said` hears each byte
 * that comes out. */
void host_console_init(struct host_console *c, void (*said)(void *arg, uint8_t byte), void *arg);
/* The board is about to run. `unfiltered`: a terminal gets all that the kernel says. False: no
 * thread. */
bool host_console_open(struct host_console *c, struct board *board, bool unfiltered);
/* It has run, or will not; after init. */
void host_console_close(struct host_console *c);

#endif
