/* SPDX-License-Identifier: MIT */
/* See tools/quote_serve.h. A message has its length before it, four bytes, the high one first. One
 * connection after the other is served: a peer has some seconds for each step, then he is left, so
 * that nobody can keep the others waiting. */
#include "tools/quote_serve.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "tools/text.h"

#define MESSAGE_MAX 65536
#define PATIENCE_MS 10000
#define FRAME	    4
#define SAID_MAX    16u

/* A socket, or a negative errno. */
static int listen_at(const struct sockaddr *a, socklen_t size)
{
	int fd = socket(a->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0), e;

	if (fd < 0)
		return -errno;
	if (!bind(fd, a, size) && !listen(fd, 16))
		return fd;
	e = errno;
	close(fd);
	return -e;
}

static int listen_unix(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	struct stat st;
	int fd;

	if (strlen(path) >= sizeof(a.sun_path))
		return -ENAMETOOLONG;
	strcpy(a.sun_path, path);
	/* A socket that nobody is behind any more is in the way; anything else is somebody's. */
	if (!lstat(path, &st) && !S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && !connect(fd, (struct sockaddr *)&a, sizeof(a))) {
		close(fd);
		return -EADDRINUSE;
	}
	if (fd >= 0)
		close(fd);
	unlink(path);
	return listen_at((struct sockaddr *)&a, sizeof(a));
}

static int listen_vsock(const char *port)
{
	struct sockaddr_vm a = {.svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY};
	uint64_t number;

	if (!text_number(port, &number) || number > UINT32_MAX)
		return -EINVAL;
	a.svm_port = (unsigned)number;
	return listen_at((struct sockaddr *)&a, sizeof(a));
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ll + t.tv_nsec / 1000000;
}

static bool ready(int fd, short what, int64_t until)
{
	struct pollfd p = {.fd = fd, .events = what};
	const int64_t left = until - now_ms();

	return left > 0 && poll(&p, 1, (int)left) == 1;
}

/* All of it, in either direction, and in time: others wait, however slowly a peer lets a message
 * drip. */
static bool transfer(int fd, short what, uint8_t *p, size_t len, int64_t until)
{
	while (len) {
		ssize_t n = -1;

		if (ready(fd, what, until))
			n = what == POLLIN ? recv(fd, p, len, 0) : send(fd, p, len, MSG_NOSIGNAL);
		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

static size_t frame_get(const uint8_t p[FRAME])
{
	return (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
}

static void frame_put(uint8_t p[FRAME], size_t len)
{
	for (unsigned i = 0; i < FRAME; i++)
		p[i] = (uint8_t)(len >> 8 * (FRAME - 1 - i));
}

/* A peer can be refused as often as it likes, and not fill a log by it. */
static void say_refused(size_t len, const char *why, unsigned *refused)
{
	if (*refused < SAID_MAX)
		fprintf(stderr, "swtdx quote: a message of %zu bytes: %s%s\n", len, why,
			*refused + 1 == SAID_MAX ? "; of others it is not said" : "");
	*refused += *refused < SAID_MAX;
}

/* One request and its answer; false at the end of the connection. */
static bool serve_one(const struct tdx_quote_service *s, unsigned version, int fd,
		      unsigned *refused)
{
	const int64_t until = now_ms() + PATIENCE_MS;
	uint8_t frame[FRAME], out[FRAME + TDX_QUOTE_MAX + 64], *msg;
	size_t len, n;
	bool ok;

	if (!transfer(fd, POLLIN, frame, FRAME, until))
		return false;
	len = frame_get(frame);
	if (!len || len > MESSAGE_MAX) {
		say_refused(len, "none, or more than 65536", refused);
		return false;
	}
	msg = malloc(len);
	ok = msg && transfer(fd, POLLIN, msg, len, until) &&
	     !tdx_quote_service_answer(s, version, SWTDX_REPORT_KEY, SWTDX_REPORT_KEY_SIZE, msg,
				       len, out + FRAME, sizeof(out) - FRAME, &n);
	free(msg);
	if (!ok)
		return false;
	frame_put(out, n);
	if (n > 24)
		fprintf(stderr, "swtdx quote: a request of %zu bytes: a quote\n", len);
	else
		say_refused(len, "refused", refused);
	return transfer(fd, POLLOUT, out, FRAME + n, now_ms() + PATIENCE_MS);
}

static volatile sig_atomic_t stopped;

static void stop(int sig)
{
	(void)sig;
	stopped = 1;
}

/* Interruptions end the wait for a connection, and nothing else. */
static void catch_signals(void)
{
	struct sigaction act = {.sa_handler = stop};

	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
}

int quote_serve(const struct tdx_quote_service *s, unsigned version, const char *where,
		uint64_t count)
{
	bool vsock = !strncmp(where, "vsock:", 6);
	unsigned refused = 0;
	int fd = vsock ? listen_vsock(where + 6) : listen_unix(where), rc = 0;

	if (fd < 0)
		return fd;
	catch_signals();
	fprintf(stderr, "swtdx quote: listening at %s; its quotes are simulated\n", where);
	for (uint64_t i = 0; !stopped && (!count || i < count); i++) {
		int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);

		if (peer < 0) {
			rc = errno == EINTR ? 0 : -errno;
			break;
		}
		while (!stopped && serve_one(s, version, peer, &refused))
			;
		close(peer);
	}
	close(fd);
	if (!vsock)
		unlink(where);
	return rc;
}
