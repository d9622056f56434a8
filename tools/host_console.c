/* SPDX-License-Identifier: MIT */
/* See tools/host_console.h. Lock order: the board's, then the line's. The thread never waits for
 * the board's: who has it may wait for whoever reads what the kernel writes, until the machine
 * ends. */
#include "tools/host_console.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tools/run_serial.h"
#include "tools/verbs.h"

enum { BUSY_MS = 5 };

/* --- the kernel's side --- */

static bool ready(void *arg)
{
	struct host_console *c = arg;
	const bool there = run_console_ready(&c->line);

	run_console_listens(&c->line, !there);
	return there;
}

static uint8_t get(void *arg)
{
	struct host_console *c = arg;

	return (uint8_t)run_console_get(&c->line);
}

static void put(void *arg, uint8_t byte)
{
	struct host_console *c = arg;

	run_console_put(&c->line, byte);
	c->said(c->arg, byte);
}

const struct uart_ops host_console_ops = {.ready = ready, .get = get, .put = put};

static bool is_ending(void *arg)
{
	const struct host_console *c = arg;

	return c->stopping || c->outcome >= 0;
}

static void wake(struct host_console *c)
{
	const uint64_t one = 1;

	if (write(c->wake, &one, sizeof(one)) < 0)
		return; /* it is awake */
}

/* The board's lock is held: the thread ends the machine. */
static void broken(void *arg, int err)
{
	struct host_console *c = arg;

	c->broken = err;
	wake(c);
}

/* --- the user's --- */

static void finish(struct host_console *c, int outcome, const char *why)
{
	int running = -1;

	if (atomic_compare_exchange_strong(&c->outcome, &running, outcome))
		board_stop(c->board, why);
}

static void on_signal(struct host_console *c)
{
	const int signal = signals_take(&c->signals, &c->line);

	if (signal)
		finish(c, SIGNALS_STATUS + signal, strsignal(signal));
}

static void on_key(struct host_console *c, enum run_key key)
{
	if (key == RUN_KEY_HELP)
		fprintf(stderr,
			"\nhost: Ctrl-A x ends the machine, Ctrl-A Ctrl-A is Ctrl-A for the "
			"kernel, Ctrl-A h says this; any other key, Ctrl-C too, is the "
			"kernel's\n");
	if (key == RUN_KEY_END)
		finish(c, VERB_OK, "Ctrl-A x");
}

static void *attend(void *arg)
{
	struct host_console *c = arg;
	bool came = false; /* something, which the kernel has not been told of */

	while (!c->stopping) {
		struct pollfd fd[3] = {{.fd = c->signals.fd, .events = POLLIN},
				       {.fd = c->wake, .events = POLLIN}};
		enum run_key key = RUN_KEY_GUESTS;
		uint64_t count;

		came = came && !board_console_came(c->board);
		(void)run_console_poll(&c->line, &fd[2]);
		if (poll(fd, 3, came ? BUSY_MS : -1) < 0 && errno != EINTR)
			break;
		if (fd[0].revents)
			on_signal(c);
		if (fd[1].revents && read(c->wake, &count, sizeof(count)) < 0)
			continue;
		if (fd[2].fd >= 0 && fd[2].revents)
			came |= run_console_event(&c->line, fd[2].revents, &key);
		on_key(c, key);
		if (c->broken)
			finish(c, VERB_ENVIRONMENT, strerror(c->broken));
	}
	return NULL;
}

/* --- its life --- */

void host_console_init(struct host_console *c, void (*said)(void *arg, uint8_t byte), void *arg)
{
	memset(c, 0, sizeof(*c));
	c->said = said;
	c->arg = arg;
	c->outcome = -1;
	/* Nothing there, and nothing comes, until it is opened. */
	c->line.in = c->line.out = c->line.listener = c->line.pending = c->line.wake = -1;
	c->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	signals_open(&c->signals);
}

bool host_console_open(struct host_console *c, struct board *board, bool unfiltered)
{
	const struct run_serial_config cfg = {.where = "stdio",
					      .out = STDOUT_FILENO,
					      .unfiltered = unfiltered,
					      .wake = c->wake,
					      .ending = is_ending,
					      .broken = broken,
					      .arg = c};
	char name[1];

	c->board = board;
	if (c->wake < 0 || run_serial_open(&c->line, &cfg, name, sizeof(name)))
		return false;
	c->line.listening = true;
	c->started = pthread_create(&c->thread, NULL, attend, c) == 0;
	if (!c->started)
		run_serial_close(&c->line);
	return c->started;
}

void host_console_close(struct host_console *c)
{
	c->stopping = true;
	if (c->started) {
		wake(c);
		pthread_join(c->thread, NULL);
		run_serial_close(&c->line);
	}
	c->started = false;
	signals_close(&c->signals);
	if (c->wake >= 0)
		close(c->wake);
	c->wake = -1;
}
