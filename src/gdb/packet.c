/* SPDX-License-Identifier: MIT */
/* The remote protocol's packets: $text#sum, acknowledged until gdb says otherwise. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gdb/internal.h"

enum { INTERRUPT = 3, GONE = -1, ENDED = -2, LOOK_MS = 100 };

static bool closing(struct gdb *g)
{
	bool c;

	pthread_mutex_lock(&g->lock);
	c = g->closing;
	pthread_mutex_unlock(&g->lock);
	return c;
}

/* Bytes in g->buf, or a vCPU has something to say (1), or GONE, ENDED. */
static int wait_input(struct gdb *g)
{
	struct pollfd fds[] = {{.fd = g->conn, .events = POLLIN},
			       {.fd = g->wake[0], .events = POLLIN}};
	char drain[64];
	ssize_t n;

	while (g->at == g->nbuf) {
		if (closing(g))
			return ENDED;
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return GONE;
		if (fds[1].revents && read(g->wake[0], drain, sizeof(drain)) > 0)
			return closing(g) ? ENDED : 1;
		if (!fds[0].revents)
			continue;
		n = recv(g->conn, g->buf, sizeof(g->buf), 0);
		if (n <= 0)
			return GONE;
		g->at = 0;
		g->nbuf = (size_t)n;
	}
	return 0;
}

static int byte(struct gdb *g)
{
	int r;

	do
		r = wait_input(g);
	while (r == 1); /* all are stopped already */
	return r < 0 ? r : g->buf[g->at++];
}

/* A peer that asks and does not read is waited for, until all ends. */
static void put(struct gdb *g, const char *text, size_t len)
{
	struct pollfd out = {.fd = g->conn, .events = POLLOUT};

	while (len) {
		ssize_t n = send(g->conn, text, len, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR) && !closing(g)) {
			poll(&out, 1, LOOK_MS);
			continue;
		}
		if (n <= 0)
			return; /* the next read says that the connection is gone */
		text += n;
		len -= (size_t)n;
	}
}

static int body(struct gdb *g)
{
	unsigned char sum = 0, told;
	char digits[3] = "";
	int len = 0, c = byte(g);

	for (; c >= 0 && c != '#'; c = byte(g)) {
		if (len == GDB_PACKET)
			return GONE;
		sum = (unsigned char)(sum + c);
		g->in[len++] = (char)c;
	}
	for (int i = 0; c >= 0 && i < 2; i++) {
		c = byte(g);
		digits[i] = (char)c;
	}
	if (c < 0)
		return c;
	g->in[len] = '\0';
	if (g->no_ack)
		return len;
	if (!gdb_unhex(digits, &told, 1) || told != sum) {
		put(g, "-", 1);
		return 0;
	}
	put(g, "+", 1);
	return len;
}

/* What may stand between two packets: acknowledgements, an interrupt that came too late. */
static bool in_protocol(int c)
{
	return c == '$' || c == '+' || c == '-' || c == INTERRUPT;
}

int gdb_begins(struct gdb *g)
{
	int c = byte(g);

	if (c < 0)
		return c;
	if (!in_protocol(c))
		return GONE;
	g->at--;
	return 0;
}

int gdb_receive(struct gdb *g)
{
	for (;;) {
		int c = byte(g), len;

		if (c < 0)
			return c;
		if (!in_protocol(c))
			return GONE;
		if (c != '$')
			continue;
		len = body(g);
		if (len)
			return len;
	}
}

void gdb_send(struct gdb *g, const char *text)
{
	size_t len = strlen(text);
	unsigned char sum = 0;
	char tail[4];

	for (size_t i = 0; i < len; i++)
		sum = (unsigned char)(sum + (unsigned char)text[i]);
	snprintf(tail, sizeof(tail), "#%02x", sum);
	put(g, "$", 1);
	put(g, text, len);
	put(g, tail, 3);
}

int gdb_wait_running(struct gdb *g)
{
	for (;;) {
		int r = wait_input(g);

		if (r < 0)
			return r;
		if (r == 1)
			return 0;
		if (g->buf[g->at++] == INTERRUPT)
			return 1;
	}
}

void gdb_hex(char *out, const void *bytes, size_t len)
{
	static const char digit[] = "0123456789abcdef";
	const unsigned char *b = bytes;

	for (size_t i = 0; i < len; i++) {
		out[2 * i] = digit[b[i] >> 4];
		out[2 * i + 1] = digit[b[i] & 15];
	}
	out[2 * len] = '\0';
}

static int digit(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
				      : -1;
}

bool gdb_unhex(const char *text, void *bytes, size_t len)
{
	unsigned char *b = bytes;

	for (size_t i = 0; i < len; i++) {
		int high = digit(text[2 * i]), low = high < 0 ? -1 : digit(text[2 * i + 1]);

		if (low < 0)
			return false;
		b[i] = (unsigned char)(high << 4 | low);
	}
	return true;
}
