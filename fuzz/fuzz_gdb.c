/* SPDX-License-Identifier: MIT */
/* Whatever arrives at the gdb server's port. The TD behind it is one of which some things are
 * refused.
 *
 * The first byte: bit 0 puts each line of the rest into a packet with the right sum. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <swtdx/types.h>

#include "gdb/internal.h"

enum { MAX_INPUT = 64 << 10, VCPUS = 3 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
	if (!holds)
		abort();
}

/* --- the TD --- */

static bool get(void *arg, unsigned cpu, enum gdb_reg reg, uint8_t *buf, struct gdb_refusal *why)
{
	must(cpu < VCPUS && reg < GDB_REGISTERS);
	memset(buf, (int)reg * 37, 16);
	strcpy(why->text, "TDH.VP.RD: TDX_TD_NON_DEBUG");
	return reg % 61 != 7;
}

static bool set(void *arg, unsigned cpu, enum gdb_reg reg, const uint8_t *buf,
		struct gdb_refusal *why)
{
	must(cpu < VCPUS && reg < GDB_REGISTERS);
	return reg % 5 != 0;
}

/* Page tables included: where they lead is as random as what gdb asks for. */
static bool memory_read(void *arg, uint64_t at, uint8_t *buf, size_t len, struct gdb_refusal *why)
{
	must(len <= TDX_PAGE_SIZE);
	memset(buf, (int)(at >> 3) | 1, len);
	return at % 7 != 3;
}

static bool memory_write(void *arg, uint64_t at, const uint8_t *buf, size_t len,
			 struct gdb_refusal *why)
{
	must(len <= TDX_PAGE_SIZE);
	return at % 7 != 3;
}

static bool arm(void *arg, unsigned cpu, const struct gdb_points *points, struct gdb_refusal *why)
{
	must(cpu < VCPUS);
	return points->hard_used != 3;
}

static void kick(void *arg, unsigned cpu)
{
	must(cpu < VCPUS);
}

static const struct gdb_target_ops target = {.get = get,
					     .set = set,
					     .read = memory_read,
					     .write = memory_write,
					     .arm = arm,
					     .kick = kick};

static void on_log(void *arg, const char *line)
{
	must(strlen(line) < 256);
}

void gdb_stop(struct gdb *g)
{
}

bool gdb_resume(struct gdb *g)
{
	g->vcpu[0].why = GDB_SOFT_BREAK;
	return g->vcpu[0].action != GDB_STEP;
}

void gdb_release(struct gdb *g)
{
}

int gdb_insert(struct gdb *g, bool hard, uint64_t gla)
{
	return gla % 3 ? 0 : EFAULT;
}

int gdb_remove(struct gdb *g, bool hard, uint64_t gla)
{
	return gla % 3 ? 0 : ENOENT;
}

void gdb_remove_all(struct gdb *g)
{
}

static void on_kill(void *arg)
{
}

/* --- gdb --- */

static size_t packets(char *out, const uint8_t *data, size_t size)
{
	size_t n = 0;

	while (size) {
		const uint8_t *end = memchr(data, '\n', size);
		size_t len = end ? (size_t)(end - data) : size;
		unsigned char sum = 0;

		out[n++] = '$';
		for (size_t i = 0; i < len; i++)
			sum = (unsigned char)(sum + data[i]);
		memcpy(out + n, data, len);
		n += len;
		n += (size_t)sprintf(out + n, "#%02x", sum);
		data += len + (len < size);
		size -= len + (len < size);
	}
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct gdb *g = calloc(1, sizeof(*g));
	char *text = malloc(5 * size + 8);
	size_t n = size ? size - 1 : 0;
	int ends[2], wake[2];

	if (!g || !text || size > MAX_INPUT ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) || pipe(wake))
		goto out;
	if (size && data[0] & 1)
		n = packets(text, data + 1, n);
	else if (n)
		memcpy(text, data + 1, n);
	/* What does not fit is not sent, and answers that nobody reads are lost. */
	if (write(ends[0], text, n) >= 0)
		shutdown(ends[0], SHUT_WR);
	pthread_mutex_init(&g->lock, NULL);
	g->cfg.nvcpus = VCPUS;
	g->cfg.target = &target;
	g->cfg.log = on_log;
	g->cfg.kill = on_kill;
	g->conn = ends[1];
	memcpy(g->wake, wake, sizeof(wake));
	strcpy(g->refusal, "TDH.VP.RD: TDX_TD_NON_DEBUG");
	gdb_session(g);
	must(strlen(g->out) < sizeof(g->out) && g->current < g->cfg.nvcpus);
	pthread_mutex_destroy(&g->lock);
	close(ends[0]);
	close(ends[1]);
	close(wake[0]);
	close(wake[1]);
out:
	free(text);
	free(g);
	return 0;
}
