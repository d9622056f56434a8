/* SPDX-License-Identifier: MIT */
/* Another's program that serves us over a socket: started with a listening socket as its file
 * descriptor 3, ended when we say so or end ourselves, however that comes.
 *
 * A keeper, a process between it and us, sees to that: from a sandbox we could neither signal nor
 * wait for it. What it says goes to standard error: to a terminal filtered (tools/term_filter.h),
 * of more than 64 KiB the beginning. Before there are threads. */
#ifndef TOOLS_SERVER_H
#define TOOLS_SERVER_H

#include <stdbool.h>

enum { SERVER_SOCKET = 3 };

struct server {
	int life; /* closed: it is to end */
	int gone; /* at its end: it has */
};

/* Starts `path`, argv[0] its name, and connects: the socket, or a negative errno. */
int server_start(struct server *s, const char *path, char *const argv[]);
/* Ends it, and waits for that: by SIGTERM, and after some seconds by SIGKILL. Of one that was never
 * started (all zero bytes, or {-1, -1}) nothing. */
void server_stop(struct server *s);

#endif
