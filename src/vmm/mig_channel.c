/* SPDX-License-Identifier: MIT */
/* A migration's channel over file descriptors. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <swtdx/migrate.h>

static const struct tdx_mig_fds *fds_of(void *arg)
{
	return arg;
}

/* As much as there is room for. A socket whose other end is gone is an error, not a signal; a pipe
 * that has room has it for so much. */
static ssize_t put(int fd, const uint8_t *p, size_t len)
{
	ssize_t n = send(fd, p, len, MSG_NOSIGNAL | MSG_DONTWAIT);

	return n < 0 && errno == ENOTSOCK ? write(fd, p, len < PIPE_BUF ? len : PIPE_BUF) : n;
}

/* In milliseconds, as poll() takes them. */
static int patience_of(const struct tdx_mig_fds *fds)
{
	const unsigned most = INT_MAX / 1000, s = fds->patience ? fds->patience : TDX_MIG_PATIENCE;

	return (int)(s < most ? s : most) * 1000;
}

/* Until one of them is ready, as long as there is patience. */
static int wait_for(const struct tdx_mig_fds *fds, struct pollfd *p, nfds_t n)
{
	int ready;

	while ((ready = poll(p, n, patience_of(fds))) < 0)
		if (errno != EINTR)
			return -errno;
	return ready ? 0 : -ETIMEDOUT;
}

/* Until there is room. Who speaks instead of listening has given up. */
static int wait_for_room(const struct tdx_mig_fds *fds)
{
	struct pollfd p[2] = {{.fd = fds->out, .events = POLLOUT},
			      {.fd = fds->in, .events = POLLIN}};
	const int err = wait_for(fds, p, 2);

	if (err)
		return err;
	return !p[0].revents && p[1].revents ? -ECONNABORTED : 0;
}

static int fd_send(void *arg, const void *buf, size_t len)
{
	const struct tdx_mig_fds *fds = fds_of(arg);
	const uint8_t *p = buf;

	while (len) {
		int err = wait_for_room(fds);
		ssize_t n = err ? 0 : put(fds->out, p, len);

		if (err)
			return err;
		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return -errno;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int fd_recv(void *arg, void *buf, size_t len)
{
	uint8_t *p = buf;

	while (len) {
		struct pollfd ready = {.fd = fds_of(arg)->in, .events = POLLIN};
		int err = wait_for(fds_of(arg), &ready, 1);
		ssize_t n = err ? 0 : read(fds_of(arg)->in, p, len);

		if (err)
			return err;
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EPIPE;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static bool fd_answered(void *arg)
{
	struct pollfd p = {.fd = fds_of(arg)->in, .events = POLLIN};

	return poll(&p, 1, 0) > 0 && p.revents & (POLLIN | POLLHUP | POLLERR);
}

static int nowhere(void *arg, const void *buf, size_t len)
{
	(void)arg;
	(void)buf;
	(void)len;
	return 0;
}

void tdx_mig_channel_of(const struct tdx_mig_fds *fds, struct tdx_mig_channel *out)
{
	*out = (struct tdx_mig_channel){
		.send = fds->out < 0 ? nowhere : fd_send,
		.recv = fd_recv,
		.answered = fds->in < 0 ? NULL : fd_answered,
		.arg = (void *)(uintptr_t)fds,
	};
}
