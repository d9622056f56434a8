/* SPDX-License-Identifier: MIT */
/* Where the other process of a migration is: a socket with a name, or a port of a machine. Who is
 * there is nobody's to believe: keys and TD are the migration TDs' and the module's to protect. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tools/migrate.h"

enum { HOST_MAX = 256 };

bool migrate_is_unix(const char *where)
{
	return strncmp(where, "unix:", 5) == 0;
}

bool migrate_is_peer(const char *where)
{
	return migrate_is_unix(where) || strncmp(where, "tcp:", 4) == 0;
}

typedef int use_fn(int fd, const struct sockaddr *at, socklen_t len);

static int bind_and_listen(int fd, const struct sockaddr *at, socklen_t len)
{
	const int on = 1;

	if (at->sa_family != AF_UNIX)
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	return bind(fd, at, len) || listen(fd, 1) ? -1 : 0;
}

static void close_keeping_errno(int fd)
{
	const int err = errno;

	close(fd);
	errno = err;
}

static int use_socket(int family, const struct sockaddr *at, socklen_t len, use_fn *use)
{
	const int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0 || use(fd, at, len) == 0) {
		/* records are sent in one piece each: none waits for the next */
		if (fd >= 0 && family != AF_UNIX)
			(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		return fd;
	}
	close_keeping_errno(fd);
	return -1;
}

static const char *open_unix(const char *path, use_fn *use, int *fd)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(at.sun_path))
		return strerror(ENAMETOOLONG);
	strcpy(at.sun_path, path);
	*fd = use_socket(AF_UNIX, (const struct sockaddr *)&at, sizeof(at), use);
	return *fd < 0 ? strerror(errno) : NULL;
}

/* "[::1]:80" or "host:80": the host without brackets, and the port. */
static const char *split(const char *where, char host[HOST_MAX], const char **port)
{
	const char *colon = strrchr(where, ':');
	size_t n = colon ? (size_t)(colon - where) : 0;

	if (!n || !colon[1] || n >= HOST_MAX)
		return "it is not HOST:PORT";
	if (where[0] == '[' && where[n - 1] == ']') {
		where++;
		n -= 2;
	}
	memcpy(host, where, n);
	host[n] = '\0';
	*port = colon + 1;
	return NULL;
}

static const char *open_tcp(const char *where, use_fn *use, int *fd)
{
	const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct addrinfo *all = NULL;
	char host[HOST_MAX];
	const char *port, *why = split(where, host, &port);
	int err;

	if (why)
		return why;
	err = getaddrinfo(host, port, &hints, &all);
	if (err)
		return gai_strerror(err);
	*fd = -1;
	for (const struct addrinfo *a = all; a && *fd < 0; a = a->ai_next)
		*fd = use_socket(a->ai_family, a->ai_addr, a->ai_addrlen, use);
	err = errno;
	freeaddrinfo(all);
	return *fd < 0 ? strerror(err) : NULL;
}

static const char *open_peer(const char *where, use_fn *use, int *fd)
{
	return migrate_is_unix(where) ? open_unix(where + strlen("unix:"), use, fd)
				      : open_tcp(where + strlen("tcp:"), use, fd);
}

const char *migrate_connect(const char *where, int *fd)
{
	return open_peer(where, connect, fd);
}

/* With port 0 the system has chosen one. */
static void name_of(int fd, const char *where, char at[MIGRATE_ADDRESS])
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	char host[64], port[16];

	if (migrate_is_unix(where))
		snprintf(at, MIGRATE_ADDRESS, "%s", where + strlen("unix:"));
	else if (getsockname(fd, (struct sockaddr *)&sa, &len) == 0 &&
		 getnameinfo((struct sockaddr *)&sa, len, host, sizeof(host), port, sizeof(port),
			     NI_NUMERICHOST | NI_NUMERICSERV) == 0)
		snprintf(at, MIGRATE_ADDRESS, "%s:%s", host, port);
	else
		snprintf(at, MIGRATE_ADDRESS, "%s", where + strlen("tcp:"));
}

const char *migrate_listen(const char *where, int *fd, char at[MIGRATE_ADDRESS])
{
	const char *why = open_peer(where, bind_and_listen, fd);

	if (!why)
		name_of(*fd, where, at);
	return why;
}
