/* SPDX-License-Identifier: MIT */
/* The serial console of swtdx host: this terminal, or what standard input is. Bytes are read when
 * the kernel asks for them; a thread waits for them, so that the kernel can be told. */
#ifndef TOOLS_HOST_CONSOLE_H
#define TOOLS_HOST_CONSOLE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <termios.h>

#include "board/board.h"

struct host_console {
	struct board *board;
	struct termios modes; /* as they were */
	bool terminal;
	/* Under the board's lock: */
	int input; /* a byte read ahead; -1: none */
	void (*said)(void *arg, uint8_t byte);
	void *arg;
	/* The thread's. */
	bool started;
	pthread_t thread;
	int stop; /* an eventfd */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint64_t taken; /* bytes */
	bool closed;	/* the input's end has been read */
	bool stopping;
};

extern const struct uart_ops host_console_ops; /* arg: the console */

/* Before the board is; what `c` points to is to stay. `said` hears each byte that comes out. */
void host_console_init(struct host_console *c, void (*said)(void *arg, uint8_t byte), void *arg);
/* The board is about to run. False: no thread. */
bool host_console_open(struct host_console *c, struct board *board);
/* It has run. */
void host_console_close(struct host_console *c);

#endif
