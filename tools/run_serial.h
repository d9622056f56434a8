/* SPDX-License-Identifier: MIT */
/* What a serial port is connected to, as users say it: stdio, file:PATH, unix:PATH, pty, none. */
#ifndef TOOLS_RUN_SERIAL_H
#define TOOLS_RUN_SERIAL_H

#include "tools/run_console.h"

struct run_serial_config {
	const char *where;
	int out; /* what stdio writes to */
	bool unfiltered;
	int wake;
	bool (*ending)(void *arg);
	void (*broken)(void *arg, int err);
	void *arg;
};

/* Of what `where` says; false: nothing that is known. */
bool run_serial_kind(const char *where, enum run_console_kind *kind);
/* 0 or a negative errno; `name` is where a peer finds it (a pseudo-terminal's device), if anywhere.
 */
int run_serial_open(struct run_console *c, const struct run_serial_config *cfg, char *name,
		    size_t len);
void run_serial_close(struct run_console *c);
/* Until somebody has the other end, where it is one that somebody has to take; or the run ends. */
void run_serial_wait(struct run_console *c);

#endif
