/* SPDX-License-Identifier: MIT */
/* The other end of the guest's serial port: standard input and output.
 *
 * On a terminal every key is the guest's, Ctrl-C too, but for those after Ctrl-A, and what the
 * guest writes is filtered (term_filter.h). From anything else characters are read when the guest
 * asks for them, so that what it does not take is left to whoever comes next. */
#ifndef TOOLS_RUN_CONSOLE_H
#define TOOLS_RUN_CONSOLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <termios.h>

#include "tools/term_filter.h"

enum { RUN_CONSOLE_RING = 4096 };
enum run_key { RUN_KEY_GUESTS, RUN_KEY_END, RUN_KEY_HELP };

struct run_console {
	FILE *out;
	bool filtered;
	struct term_filter filter;
	bool terminal; /* standard input is one, and ours */
	_Atomic bool raw;
	struct termios modes; /* as they were */
	/* typed and not taken yet */
	pthread_mutex_t lock;
	uint8_t ring[RUN_CONSOLE_RING];
	unsigned first, n;
	bool escaped; /* the last key was Ctrl-A */
	int wake;     /* an eventfd: there is room again; -1 none */
	/* not from a terminal */
	int pending; /* read ahead, -1 none */
	bool closed;
};

void run_console_open(struct run_console *c, FILE *out, bool unfiltered, int wake);
void run_console_close(struct run_console *c);
/* The terminal's modes: the guest's, or as they were. Any thread. */
void run_console_raw(struct run_console *c, bool raw);

/* The guest's side, one thread at a time. */
bool run_console_ready(struct run_console *c);
int run_console_get(struct run_console *c); /* -1: nothing there */
void run_console_put(struct run_console *c, uint8_t byte);

/* The user's side. Room for a key? */
bool run_console_room(struct run_console *c);
enum run_key run_console_key(struct run_console *c, uint8_t key);

#endif
