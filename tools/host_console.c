/* SPDX-License-Identifier: MIT */
/* See tools/host_console.h. Lock order: the board's, then the console's. */
#include "tools/host_console.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

static void changed(struct host_console *c, bool closed)
{
	pthread_mutex_lock(&c->lock);
	if (closed)
		c->closed = true;
	else
		c->taken++;
	pthread_cond_signal(&c->changed);
	pthread_mutex_unlock(&c->lock);
}

static bool ready(void *arg)
{
	struct host_console *c = arg;
	struct pollfd fd = {.fd = STDIN_FILENO, .events = POLLIN};
	unsigned char byte;

	if (c->input >= 0)
		return true;
	if (c->closed || poll(&fd, 1, 0) != 1)
		return false;
	/* The end of a file is no byte: it is found by reading. */
	if (read(STDIN_FILENO, &byte, 1) == 1)
		c->input = byte;
	else
		changed(c, true);
	return c->input >= 0;
}

static uint8_t get(void *arg)
{
	struct host_console *c = arg;
	const uint8_t byte = (uint8_t)c->input;

	c->input = -1;
	changed(c, false);
	return byte;
}

static void put(void *arg, uint8_t byte)
{
	const struct host_console *c = arg;

	putchar(byte);
	if (byte == '\n')
		fflush(stdout);
	c->said(c->arg, byte);
}

const struct uart_ops host_console_ops = {.ready = ready, .get = get, .put = put};

/* Until what came has been taken, there is nothing new to tell. */
static void *attend(void *arg)
{
	struct host_console *c = arg;
	struct pollfd fd[] = {{.fd = c->stop, .events = POLLIN},
			      {.fd = STDIN_FILENO, .events = POLLIN}};
	uint64_t before;

	pthread_mutex_lock(&c->lock);
	while (!c->stopping && !c->closed) {
		before = c->taken;
		pthread_mutex_unlock(&c->lock);
		if (poll(fd, 2, -1) > 0 && fd[1].revents)
			board_console_came(c->board);
		pthread_mutex_lock(&c->lock);
		while (fd[1].revents && !c->stopping && !c->closed && c->taken == before)
			pthread_cond_wait(&c->changed, &c->lock);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

void host_console_init(struct host_console *c, void (*said)(void *arg, uint8_t byte), void *arg)
{
	*c = (struct host_console){.input = -1, .said = said, .arg = arg, .stop = -1};
	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->changed, NULL);
}

static void open_terminal(struct host_console *c)
{
	struct termios raw;

	if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &c->modes) != 0)
		return;
	setvbuf(stdout, NULL, _IONBF, 0);
	raw = c->modes;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_iflag &= ~(tcflag_t)ICRNL;
	c->terminal = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

bool host_console_open(struct host_console *c, struct board *board)
{
	sigset_t all, before;

	c->board = board;
	c->stop = eventfd(0, EFD_CLOEXEC);
	if (c->stop < 0)
		return false;
	/* Signals are for the program's other threads. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	c->started = pthread_create(&c->thread, NULL, attend, c) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (c->started)
		open_terminal(c);
	return c->started;
}

void host_console_close(struct host_console *c)
{
	const uint64_t one = 1;

	if (c->started) {
		pthread_mutex_lock(&c->lock);
		c->stopping = true;
		pthread_cond_signal(&c->changed);
		pthread_mutex_unlock(&c->lock);
		if (write(c->stop, &one, sizeof(one)) == (ssize_t)sizeof(one))
			pthread_join(c->thread, NULL);
	}
	if (c->stop >= 0)
		close(c->stop);
	fflush(stdout);
	if (c->terminal)
		tcsetattr(STDIN_FILENO, TCSANOW, &c->modes);
	pthread_cond_destroy(&c->changed);
	pthread_mutex_destroy(&c->lock);
}
