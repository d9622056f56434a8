/* SPDX-License-Identifier: MIT */
/* The server: one gdb at a time, one command after the other. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gdb/internal.h"

enum { GONE = -1, ENDED = -2, SIGINT_ = 2, SIGTRAP_ = 5 };

/* --- registers and memory --- */

/* What gdb shows its user. */
static void refuse(struct gdb *g)
{
	snprintf(g->out, sizeof(g->out), "E.%s", g->refusal);
}

static void read_registers(struct gdb *g)
{
	char *p = g->out;
	uint8_t buf[16];

	for (unsigned n = 0; n < GDB_REGISTERS; n++) {
		int size = gdb_register(g, n, buf);

		if (size < 0) {
			refuse(g);
			return;
		}
		gdb_hex(p, buf, (size_t)size);
		p += 2 * size;
	}
}

static void write_registers(struct gdb *g, const char *text)
{
	uint8_t buf[16] = {0}, now[16];

	strcpy(g->out, "OK");
	for (unsigned n = 0; n < GDB_REGISTERS; n++) {
		int size = gdb_register_size(n);

		if (!gdb_unhex(text, buf, (size_t)size))
			return; /* gdb may leave the last ones out */
		/* Most of them are as they were, and not all can be written. */
		if (gdb_register(g, n, now) < 0 ||
		    (memcmp(buf, now, (size_t)size) != 0 && !gdb_set_register(g, n, buf))) {
			refuse(g);
			return;
		}
		text += 2 * size;
	}
}

static void read_register(struct gdb *g, const char *text)
{
	uint8_t buf[16];
	int size = gdb_register(g, (unsigned)strtoul(text, NULL, 16), buf);

	if (size < 0)
		refuse(g);
	else if (size == 0)
		strcpy(g->out, "E01");
	else
		gdb_hex(g->out, buf, (size_t)size);
}

static void write_register(struct gdb *g, const char *text)
{
	uint8_t buf[16] = {0};
	char *value;
	unsigned n = (unsigned)strtoul(text, &value, 16);

	if (*value != '=' || !gdb_register_size(n) ||
	    !gdb_unhex(value + 1, buf, (size_t)gdb_register_size(n)))
		strcpy(g->out, "E01");
	else if (gdb_set_register(g, n, buf))
		strcpy(g->out, "OK");
	else
		refuse(g);
}

static void memory(struct gdb *g, const char *text, bool write)
{
	uint8_t buf[GDB_PACKET / 2];
	char *end;
	uint64_t gla = strtoull(text, &end, 16), len = *end ? strtoull(end + 1, &end, 16) : 0;

	if (len > sizeof(buf))
		len = sizeof(buf);
	/* gdb takes no words for an answer here; the log has them, and `monitor status`. */
	strcpy(g->out, "E14");
	if (write) {
		if (*end == ':' && gdb_unhex(end + 1, buf, len) &&
		    gdb_write(g, gla, buf, len) == len)
			strcpy(g->out, "OK");
		return;
	}
	len = gdb_read(g, gla, buf, len);
	if (len)
		gdb_hex(g->out, buf, len);
}

static void breakpoint(struct gdb *g, const char *text, bool insert)
{
	bool hard = text[0] == '1';
	int err;

	if ((text[0] != '0' && !hard) || text[1] != ',')
		return; /* watchpoints: not known */
	err = (insert ? gdb_insert : gdb_remove)(g, hard, strtoull(text + 2, NULL, 16));
	snprintf(g->out, sizeof(g->out), err ? "E%02x" : "OK", (unsigned)err & 0xff);
}

/* --- running --- */

/* A thread of the protocol; -1 all, -2 none there is. */
static int thread_of(const struct gdb *g, const char *text)
{
	long n = strtol(text, NULL, 16);

	if (n == -1)
		return -1;
	if (n == 0)
		return (int)gdb_first_thread(g);
	return n > 0 && (unsigned long)n <= g->cfg.nvcpus && !g->vcpu[n - 1].gone ? (int)n - 1 : -2;
}

static void stopped_reply(struct gdb *g, unsigned signal)
{
	const char *why = g->vcpu[g->current].why == GDB_SOFT_BREAK   ? "swbreak:;"
			  : g->vcpu[g->current].why == GDB_HARD_BREAK ? "hwbreak:;"
								      : "";

	snprintf(g->out, sizeof(g->out), "T%02xthread:%x;%s", signal, g->current + 1, why);
}

static void ended_reply(struct gdb *g)
{
	snprintf(g->out, sizeof(g->out), "W%02x", (unsigned)g->status & 0xff);
}

/* Until something stops it. 0; GONE, ENDED. */
static int run(struct gdb *g)
{
	int r;

	if (!gdb_resume(g)) {
		refuse(g);
		return 0;
	}
	r = gdb_wait_running(g);
	if (r < 0)
		return r;
	gdb_stop(g);
	if (r == 1) {
		stopped_reply(g, SIGINT_);
		return 0;
	}
	for (unsigned i = 0; i < g->cfg.nvcpus; i++)
		if (g->vcpu[i].why != GDB_NOT_STOPPED) {
			g->current = i;
			break;
		}
	stopped_reply(g, SIGTRAP_);
	return 0;
}

static void set_actions(struct gdb *g, int thread, enum gdb_action action, bool *set)
{
	for (unsigned i = 0; i < g->cfg.nvcpus; i++)
		if ((thread == -1 || (int)i == thread) && !set[i]) {
			g->vcpu[i].action = action;
			set[i] = true;
		}
}

/* ;action[:thread]...: the first that fits a vCPU is its; one that none fits is held. */
static int vcont(struct gdb *g, const char *text)
{
	bool set[GDB_MAX_VCPUS] = {false}, valid = *text == ';';

	pthread_mutex_lock(&g->lock);
	while (*text == ';' && valid) {
		char what = *++text;
		const char *colon = text + strcspn(text, ":;");
		int thread = *colon == ':' ? thread_of(g, colon + 1) : -1;

		valid = what && strchr("cCsS", what) && thread != -2;
		set_actions(g, thread, what == 's' || what == 'S' ? GDB_STEP : GDB_CONTINUE, set);
		text += strcspn(text, ";");
	}
	set_actions(g, -1, GDB_HOLD, set);
	pthread_mutex_unlock(&g->lock);
	strcpy(g->out, "E01");
	return valid ? run(g) : 0;
}

/* Nothing of the debugger's is left in the guest, which goes on. */
static void let_go(struct gdb *g)
{
	gdb_stop(g);
	gdb_remove_all(g);
	gdb_release(g);
}

/* --- commands --- */

/* 0, or GONE when this gdb is done, ENDED. */
static int command(struct gdb *g, const char *in)
{
	int t;

	g->out[0] = '\0'; /* not known */
	switch (in[0]) {
	case '?':
		stopped_reply(g, SIGTRAP_);
		return 0;
	case 'q':
		gdb_query(g, in);
		return 0;
	case 'Q':
		if (strcmp(in, "QStartNoAckMode") == 0) {
			strcpy(g->out, "OK");
			gdb_send(g, g->out);
			g->no_ack = true;
			return 1;
		}
		return 0;
	case 'H':
		t = thread_of(g, in + (in[1] ? 2 : 1));
		if (t >= 0 && in[1] == 'g')
			g->current = (unsigned)t;
		strcpy(g->out, t == -2 ? "E01" : "OK");
		return 0;
	case 'T':
		strcpy(g->out, thread_of(g, in + 1) == -2 ? "E01" : "OK");
		return 0;
	case 'g':
		read_registers(g);
		return 0;
	case 'G':
		write_registers(g, in + 1);
		return 0;
	case 'p':
		read_register(g, in + 1);
		return 0;
	case 'P':
		write_register(g, in + 1);
		return 0;
	case 'm':
	case 'M':
		memory(g, in + 1, in[0] == 'M');
		return 0;
	case 'Z':
	case 'z':
		breakpoint(g, in + 1, in[0] == 'Z');
		return 0;
	case 'c':
	case 's':
		return vcont(g, in[0] == 's' ? ";s:0;c" : ";c");
	case 'v':
		if (strcmp(in, "vCont?") == 0)
			strcpy(g->out, "vCont;c;C;s;S");
		else if (strncmp(in, "vCont;", 6) == 0)
			return vcont(g, in + 5);
		else if (strncmp(in, "vKill", 5) == 0) {
			gdb_send(g, "OK");
			g->cfg.kill(g->cfg.arg);
			return GONE;
		}
		return 0;
	case 'D':
		gdb_send(g, "OK");
		return GONE;
	case 'k':
		g->cfg.kill(g->cfg.arg);
		return GONE;
	default:
		return 0;
	}
}

bool gdb_session(struct gdb *g)
{
	int r = 0;

	g->no_ack = false;
	g->nbuf = g->at = 0;
	g->current = gdb_first_thread(g);
	g->logged[0] = '\0';
	/* Somebody who never speaks it has neither stopped the guest nor let it go: a browser can
	 * be made to send what a page wants to any port of the loopback. */
	r = gdb_begins(g);
	if (r < 0)
		return r == GONE;
	gdb_stop(g);
	while (r >= 0) {
		r = gdb_receive(g);
		if (r >= 0)
			r = command(g, g->in);
		if (r == 0)
			gdb_send(g, g->out);
	}
	if (r == ENDED) {
		ended_reply(g);
		gdb_send(g, g->out);
		return false;
	}
	let_go(g);
	return true;
}

void *gdb_serve(void *arg)
{
	struct gdb *g = arg;
	struct pollfd fds[] = {{.fd = g->listener, .events = POLLIN},
			       {.fd = g->wake[0], .events = POLLIN}};
	bool more = true;
	char drain[64];

	while (more) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			break;
		if (fds[1].revents && read(g->wake[0], drain, sizeof(drain)) > 0) {
			pthread_mutex_lock(&g->lock);
			more = !g->closing;
			pthread_mutex_unlock(&g->lock);
		}
		if (!more || !fds[0].revents)
			continue;
		g->conn = accept(g->listener, NULL, NULL);
		if (g->conn < 0)
			continue;
		setsockopt(g->conn, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
		more = gdb_session(g);
		close(g->conn);
	}
	return NULL;
}
