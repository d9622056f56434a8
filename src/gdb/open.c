/* SPDX-License-Identifier: MIT */
/* Where the server listens, its beginning and end. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gdb/internal.h"

bool gdb_is_address(const char *where)
{
	const char *colon = strrchr(where, ':'), *port = colon ? colon + 1 : where;

	return port[0] && strlen(port) <= 5 && strspn(port, "0123456789") == strlen(port) &&
	       strtoul(port, NULL, 10) <= 65535;
}

static int listen_at(struct gdb *g, const char *where, char *err, size_t errlen)
{
	struct addrinfo hint = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *ai;
	const char *colon = strrchr(where, ':'), *port = colon ? colon + 1 : where;
	char host[128] = "127.0.0.1", line[96];
	struct sockaddr_in in;
	socklen_t len = sizeof(in);
	int e;

	if (colon && colon > where)
		snprintf(host, sizeof(host), "%.*s", (int)(colon - where), where);
	e = getaddrinfo(host, port, &hint, &ai);
	if (e) {
		snprintf(err, errlen, "%s", gai_strerror(e));
		return -1;
	}
	g->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(g->listener, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
	if (bind(g->listener, ai->ai_addr, ai->ai_addrlen) || listen(g->listener, 1) ||
	    getsockname(g->listener, (struct sockaddr *)&in, &len)) {
		snprintf(err, errlen, "%s", strerror(errno));
		freeaddrinfo(ai);
		return -1;
	}
	freeaddrinfo(ai);
	snprintf(line, sizeof(line), "gdb: waiting for \"target remote %s:%u\"",
		 inet_ntoa(in.sin_addr), ntohs(in.sin_port));
	g->cfg.log(g->cfg.arg, line);
	return 0;
}

static void free_gdb(struct gdb *g)
{
	const int fd[] = {g->listener, g->wake[0], g->wake[1]};

	for (unsigned i = 0; i < sizeof(fd) / sizeof(fd[0]); i++)
		if (fd[i] >= 0)
			close(fd[i]);
	pthread_cond_destroy(&g->changed);
	pthread_mutex_destroy(&g->lock);
	free(g);
}

struct gdb *gdb_open(const struct gdb_config *cfg, const char *where, char *err, size_t errlen)
{
	struct gdb *g = cfg->nvcpus <= GDB_MAX_VCPUS ? calloc(1, sizeof(*g)) : NULL;

	if (!g) {
		snprintf(err, errlen, "no memory");
		return NULL;
	}
	g->cfg = *cfg;
	g->listener = g->wake[0] = g->wake[1] = -1;
	g->stopped = true;
	pthread_mutex_init(&g->lock, NULL);
	pthread_cond_init(&g->changed, NULL);
	if (pipe2(g->wake, O_CLOEXEC | O_NONBLOCK)) {
		snprintf(err, errlen, "%s", strerror(errno));
		free_gdb(g);
		return NULL;
	}
	if (listen_at(g, where, err, errlen)) {
		free_gdb(g);
		return NULL;
	}
	return g;
}

bool gdb_start(struct gdb *g)
{
	g->started = pthread_create(&g->thread, NULL, gdb_serve, g) == 0;
	return g->started;
}

void gdb_ending(struct gdb *g)
{
	pthread_mutex_lock(&g->lock);
	g->ending = true;
	pthread_cond_broadcast(&g->changed);
	pthread_mutex_unlock(&g->lock);
}

void gdb_close(struct gdb *g, int status)
{
	pthread_mutex_lock(&g->lock);
	g->closing = true;
	g->status = status;
	pthread_cond_broadcast(&g->changed);
	pthread_mutex_unlock(&g->lock);
	gdb_wake(g);
	if (g->started)
		pthread_join(g->thread, NULL);
	free_gdb(g);
}
