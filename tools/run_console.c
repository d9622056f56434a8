/* SPDX-License-Identifier: MIT */
/* See tools/run_console.h. */
#include "tools/run_console.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CTRL_A = 1 };

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
	c->raw = tcsetattr(c->in, TCSADRAIN, &modes) == 0 ? raw : c->raw;
}

static void wake(const struct run_console *c)
{
	const uint64_t one = 1;

	if (c->wake >= 0 && write(c->wake, &one, sizeof(one)) < 0)
		return; /* it is awake already */
}

/* Does what comes wait here? Else it waits where it comes from. */
static bool is_buffered(const struct run_console *c)
{
	return c->terminal || c->kind == RUN_CONSOLE_SOCKET || c->kind == RUN_CONSOLE_PTY;
}

/* --- the guest reads --- */

static bool read_ahead(struct run_console *c)
{
	struct pollfd fd = {.fd = c->in, .events = POLLIN};
	unsigned char byte;

	if (c->pending >= 0)
		return true;
	if (c->in < 0 || c->closed || poll(&fd, 1, 0) != 1)
		return false;
	if (read(c->in, &byte, 1) != 1) {
		c->closed = true;
		return false;
	}
	c->pending = byte;
	return true;
}

bool run_console_ready(struct run_console *c)
{
	bool ready;

	if (!is_buffered(c))
		return read_ahead(c);
	pthread_mutex_lock(&c->lock);
	ready = c->n != 0;
	pthread_mutex_unlock(&c->lock);
	return ready;
}

int run_console_get(struct run_console *c)
{
	int byte = -1;
	bool was_full;

	if (!is_buffered(c)) {
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
	if (was_full)
		wake(c);
	return byte;
}

void run_console_listens(struct run_console *c, bool listens)
{
	const bool now = listens && c->pending < 0 && !c->closed;

	if (!is_buffered(c) && c->in >= 0 && atomic_exchange(&c->listening, now) != now && now)
		wake(c);
}

/* --- the guest writes --- */

/* Sockets and pseudo-terminals come and go, and do not block. */
static ssize_t write_some(struct run_console *c, const uint8_t *p, size_t n)
{
	ssize_t done = -1;

	if (c->kind != RUN_CONSOLE_SOCKET && c->kind != RUN_CONSOLE_PTY)
		return write(c->out, p, n);
	pthread_mutex_lock(&c->lock);
	errno = EPIPE;
	if (c->out >= 0 && c->connected)
		done = write(c->out, p, n);
	pthread_mutex_unlock(&c->lock);
	return done;
}

static bool comes_and_goes(const struct run_console *c)
{
	return c->kind == RUN_CONSOLE_SOCKET || c->kind == RUN_CONSOLE_PTY;
}

static void send_all(struct run_console *c, const uint8_t *p, size_t n)
{
	while (n && c->out >= 0 && !(comes_and_goes(c) && !c->connected)) {
		struct pollfd fd = {.fd = c->out, .events = POLLOUT};
		ssize_t done;

		if (!c->by_lines && poll(&fd, 1, RUN_CONSOLE_LOOK_MS) == 0) {
			if (c->ending(c->arg))
				return;
			continue;
		}
		done = write_some(c, p, n);
		if (done < 0 && (errno == EAGAIN || errno == EINTR))
			continue;
		if (done < 0) {
			if (!comes_and_goes(c))
				c->broken(c->arg, errno);
			return;
		}
		p += done;
		n -= (size_t)done;
	}
}

void run_console_flush(struct run_console *c)
{
	const size_t n = c->nline;

	c->nline = 0;
	send_all(c, c->line, n);
}

void run_console_put(struct run_console *c, uint8_t byte)
{
	uint8_t some[TERM_SEQUENCE_MAX] = {byte};
	size_t n = c->filtered ? term_filter(&c->filter, byte, some) : 1;

	if (!c->by_lines) {
		send_all(c, some, n);
		return;
	}
	c->line[c->nline++] = byte;
	if (byte == '\n' || c->nline == sizeof(c->line))
		run_console_flush(c);
}

/* --- the user --- */

static bool has_room(struct run_console *c)
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
static enum run_key on_key(struct run_console *c, uint8_t key)
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

bool run_console_poll(struct run_console *c, struct pollfd *fd)
{
	*fd = (struct pollfd){.fd = -1, .events = POLLIN};
	switch (c->kind) {
	case RUN_CONSOLE_NONE:
	case RUN_CONSOLE_FILE:
		break;
	case RUN_CONSOLE_STDIO:
		if (!c->closed && (c->terminal ? has_room(c) : c->listening))
			fd->fd = c->in;
		break;
	case RUN_CONSOLE_SOCKET:
		fd->fd = c->connected ? c->in : c->listener;
		if (c->connected && !has_room(c))
			fd->events = 0;
		break;
	case RUN_CONSOLE_PTY: {
		/* While nobody has it open there is nothing to wait for but that, which has to be
		 * looked at. */
		struct pollfd now = {.fd = c->in, .events = POLLIN};

		c->connected = poll(&now, 1, 0) >= 0 && !(now.revents & POLLHUP);
		fd->fd = c->connected ? c->in : -1;
		if (!has_room(c))
			fd->events = 0;
		return c->connected;
	}
	}
	return true;
}

static void connect_next(struct run_console *c)
{
	int peer = accept4(c->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (peer < 0)
		return;
	pthread_mutex_lock(&c->lock);
	c->in = c->out = peer;
	c->connected = true;
	pthread_mutex_unlock(&c->lock);
}

static void disconnect(struct run_console *c)
{
	pthread_mutex_lock(&c->lock);
	if (c->kind == RUN_CONSOLE_SOCKET) {
		close(c->in);
		c->in = c->out = -1;
	}
	c->connected = false;
	pthread_mutex_unlock(&c->lock);
}

/* Sockets and pseudo-terminals: as much as there is room for. */
static bool take(struct run_console *c)
{
	uint8_t some[256];
	size_t room;
	ssize_t n;

	pthread_mutex_lock(&c->lock);
	room = RUN_CONSOLE_RING - c->n;
	pthread_mutex_unlock(&c->lock);
	n = read(c->in, some, room < sizeof(some) ? room : sizeof(some));
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
		disconnect(c);
	for (ssize_t i = 0; i < n; i++)
		give(c, some[i]);
	return n > 0;
}

bool run_console_event(struct run_console *c, short revents, enum run_key *key)
{
	unsigned char byte;

	*key = RUN_KEY_GUESTS;
	switch (c->kind) {
	case RUN_CONSOLE_NONE:
	case RUN_CONSOLE_FILE:
		return false;
	case RUN_CONSOLE_STDIO:
		if (!c->terminal) {
			c->listening = false; /* until the guest has seen this */
			return true;
		}
		if (read(c->in, &byte, 1) != 1) {
			c->closed = true;
			return false;
		}
		*key = on_key(c, byte);
		return true;
	case RUN_CONSOLE_SOCKET:
		if (!c->connected) {
			connect_next(c);
			return false;
		}
		break;
	case RUN_CONSOLE_PTY:
		break;
	}
	if (revents & POLLIN)
		return take(c);
	if (revents & (POLLHUP | POLLERR))
		disconnect(c);
	return false;
}
