/* SPDX-License-Identifier: MIT */
/* See tools/run_console.h. */
#include "tools/run_console.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { CTRL_A = 1 };

/* In the background reading would stop the process: it is somebody else's terminal then. */
static bool own_terminal(void)
{
	return isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) == getpgrp();
}

void run_console_open(struct run_console *c, FILE *out, bool unfiltered, int wake)
{
	memset(c, 0, sizeof(*c));
	pthread_mutex_init(&c->lock, NULL);
	c->out = out;
	c->filtered = !unfiltered && isatty(fileno(out));
	c->wake = wake;
	c->pending = -1;
	c->terminal = own_terminal() && tcgetattr(STDIN_FILENO, &c->modes) == 0;
	c->closed = isatty(STDIN_FILENO) && !c->terminal;
	run_console_raw(c, true);
}

void run_console_raw(struct run_console *c, bool raw)
{
	struct termios modes = c->modes;

	if (!c->terminal || c->raw == raw)
		return;
	if (raw) {
		modes.c_lflag &= ~(tcflag_t)(ICANON | ECHO | ISIG | IEXTEN);
		modes.c_iflag &= ~(tcflag_t)(ICRNL | INLCR | IGNCR | IXON | BRKINT | ISTRIP);
		modes.c_cc[VMIN] = 1;
		modes.c_cc[VTIME] = 0;
	}
	c->raw = tcsetattr(STDIN_FILENO, TCSADRAIN, &modes) == 0 ? raw : c->raw;
}

void run_console_close(struct run_console *c)
{
	run_console_raw(c, false);
	pthread_mutex_destroy(&c->lock);
}

static bool read_ahead(struct run_console *c)
{
	struct pollfd fd = {.fd = STDIN_FILENO, .events = POLLIN};
	unsigned char byte;

	if (c->pending >= 0)
		return true;
	if (c->closed || poll(&fd, 1, 0) != 1)
		return false;
	if (read(STDIN_FILENO, &byte, 1) != 1) {
		c->closed = true;
		return false;
	}
	c->pending = byte;
	return true;
}

bool run_console_ready(struct run_console *c)
{
	bool ready;

	if (!c->terminal)
		return read_ahead(c);
	pthread_mutex_lock(&c->lock);
	ready = c->n != 0;
	pthread_mutex_unlock(&c->lock);
	return ready;
}

int run_console_get(struct run_console *c)
{
	const uint64_t one = 1;
	int byte = -1;
	bool was_full;

	if (!c->terminal) {
		byte = read_ahead(c) ? c->pending : -1;
		c->pending = -1;
		return byte;
	}
	pthread_mutex_lock(&c->lock);
	was_full = c->n == RUN_CONSOLE_RING;
	if (c->n) {
		byte = c->ring[c->first];
		c->first = (c->first + 1) % RUN_CONSOLE_RING;
		c->n--;
	}
	pthread_mutex_unlock(&c->lock);
	if (was_full && c->wake >= 0 && write(c->wake, &one, sizeof(one)) < 0)
		return byte; /* it is awake already */
	return byte;
}

void run_console_put(struct run_console *c, uint8_t byte)
{
	uint8_t some[TERM_SEQUENCE_MAX] = {byte};
	size_t n = c->filtered ? term_filter(&c->filter, byte, some) : 1;

	fwrite(some, 1, n, c->out);
	if (byte == '\n' || c->terminal || c->filtered)
		fflush(c->out);
}

bool run_console_room(struct run_console *c)
{
	bool room;

	pthread_mutex_lock(&c->lock);
	room = c->n < RUN_CONSOLE_RING;
	pthread_mutex_unlock(&c->lock);
	return room;
}

static void give(struct run_console *c, uint8_t key)
{
	pthread_mutex_lock(&c->lock);
	if (c->n < RUN_CONSOLE_RING)
		c->ring[(c->first + c->n++) % RUN_CONSOLE_RING] = key;
	pthread_mutex_unlock(&c->lock);
}

/* After Ctrl-A: x, h, Ctrl-A itself; of anything else the guest gets both. */
enum run_key run_console_key(struct run_console *c, uint8_t key)
{
	if (!c->escaped) {
		c->escaped = key == CTRL_A;
		if (!c->escaped)
			give(c, key);
		return RUN_KEY_GUESTS;
	}
	c->escaped = false;
	switch (key) {
	case 'x':
	case 'X':
		return RUN_KEY_END;
	case 'h':
	case 'H':
	case '?':
		return RUN_KEY_HELP;
	case CTRL_A:
		break;
	default:
		give(c, CTRL_A);
	}
	give(c, key);
	return RUN_KEY_GUESTS;
}
