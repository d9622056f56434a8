/* SPDX-License-Identifier: MIT */
/* The other end of a serial port of the guest's: standard input and output, a file, a socket, a
 * pseudo-terminal, or nothing (run_serial.h opens them).
 *
 * Nothing that is sent is lost while there is somebody to take it: the guest waits. On a terminal
 * every key is the guest's, Ctrl-C too, but for those after Ctrl-A, and what the guest writes is
 * filtered (term_filter.h). From standard input that is no terminal characters are read when the
 * guest asks for them, so that what it does not take is left to whoever comes next.
 *
 * The guest's side is one thread at a time, the user's another. */
#ifndef TOOLS_RUN_CONSOLE_H
#define TOOLS_RUN_CONSOLE_H

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <termios.h>

#include "tools/term_filter.h"

enum { RUN_CONSOLE_RING = 4096 };
enum run_key { RUN_KEY_GUESTS, RUN_KEY_END, RUN_KEY_HELP };
enum run_console_kind {
	RUN_CONSOLE_NONE,
	RUN_CONSOLE_STDIO,
	RUN_CONSOLE_FILE,
	RUN_CONSOLE_SOCKET,
	RUN_CONSOLE_PTY,
};

struct run_console {
	enum run_console_kind kind;
	int in, out;  /* -1: none; a socket's and a pseudo-terminal's are one, and change under lock
		       */
	int listener; /* of a socket: -1 none */
	const char *path; /* of a socket, which is removed at the end */
	bool filtered;
	struct term_filter filter;
	bool terminal; /* standard input is one, and ours */
	_Atomic bool raw;
	struct termios modes; /* as they were */
	/* From a terminal, a socket: come and not taken yet. */
	pthread_mutex_t lock;
	uint8_t ring[RUN_CONSOLE_RING];
	unsigned first, n;
	bool escaped;		/* the last key was Ctrl-A */
	_Atomic bool connected; /* somebody has the other end */
	/* From standard input that is no terminal. */
	int pending;		/* read ahead, -1 none */
	_Atomic bool listening; /* the guest would take what comes */
	_Atomic bool closed;
	/* To a file, by lines. */
	bool by_lines;
	uint8_t line[512];
	size_t nline;
	/* Whoever attends it: an eventfd that says that there is room again, or somebody listens;
	 * -1 none. */
	int wake;
	bool (*ending)(void *arg);	    /* nothing is worth waiting for any more */
	void (*broken)(void *arg, int err); /* cannot be written to */
	void *arg;
};

/* The terminal's modes: the guest's, or as they were. Any thread. */
void run_console_raw(struct run_console *c, bool raw);

/* The guest's side. */
bool run_console_ready(struct run_console *c);
int run_console_get(struct run_console *c); /* -1: nothing there */
void run_console_put(struct run_console *c, uint8_t byte);
void run_console_flush(struct run_console *c);
/* Would it take what comes? */
void run_console_listens(struct run_console *c, bool listens);

/* The user's side: what to wait for; false: in a while (RUN_CONSOLE_LOOK_MS) it is to be asked
 * again. */
enum { RUN_CONSOLE_LOOK_MS = 100 };
bool run_console_poll(struct run_console *c, struct pollfd *fd);
/* It happened. True: something has come for the guest. */
bool run_console_event(struct run_console *c, short revents, enum run_key *key);

#endif
