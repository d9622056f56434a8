/* SPDX-License-Identifier: MIT */
/* See tools/server.h. */
#include "tools/server.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PATIENCE_MS = 5000 };

/* --- the keeper --- */

/* What keeper and server have open besides the standard three: nothing else that was ours, as the
 * end of another keeper's pipe, which would not end then. */
enum { KEEPER_LIFE = SERVER_SOCKET + 1, KEEPER_GONE };

static void close_others(int socket_, int life, int gone)
{
	const int from[] = {socket_, life, gone};
	int above[3];

	for (unsigned i = 0; i < 3; i++)
		above[i] = fcntl(from[i], F_DUPFD, KEEPER_GONE + 1);
	for (unsigned i = 0; i < 3; i++)
		dup2(above[i], SERVER_SOCKET + (int)i);
	syscall(SYS_close_range, KEEPER_GONE + 1, ~0u, 0);
}

static _Noreturn void serve(const char *path, char *const argv[])
{
	const int null = open("/dev/null", O_RDWR);

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	dup2(null, STDIN_FILENO);
	dup2(STDERR_FILENO, STDOUT_FILENO);
	syscall(SYS_close_range, SERVER_SOCKET + 1, ~0u, 0);
	signal(SIGINT, SIG_DFL);
	execv(path, argv);
	_exit(127);
}

/* Ours or the server's end, whichever comes first; then it is the other's. */
static _Noreturn void keep(const char *path, char *const argv[])
{
	struct pollfd fd[2];
	pid_t pid;

	setpgid(0, 0); /* Ctrl-C is for us: the server ends in order */
	signal(SIGINT, SIG_IGN);
	pid = fork();
	if (pid == 0)
		serve(path, argv);
	close(SERVER_SOCKET);
	if (pid < 0)
		_exit(1);
	fd[0] = (struct pollfd){.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
	fd[1] = (struct pollfd){.fd = KEEPER_LIFE, .events = POLLIN};
	while (poll(fd, 2, -1) < 0 && errno == EINTR)
		;
	if (!fd[0].revents) {
		kill(pid, SIGTERM);
		if (poll(fd, 1, PATIENCE_MS) == 0)
			kill(pid, SIGKILL);
	}
	waitpid(pid, NULL, 0);
	_exit(0);
}

/* --- us --- */

/* In a folder that is ours alone, and not there any more when this returns. The listening socket;
 * *connected: to it. */
static int make_sockets(int *connected)
{
	char dir[] = "/tmp/swtdx-XXXXXX";
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int listening = -1, err = 0;

	if (!mkdtemp(dir))
		return -errno;
	snprintf(at.sun_path, sizeof(at.sun_path), "%s/socket", dir);
	listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	*connected = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listening < 0 || *connected < 0 ||
	    bind(listening, (const struct sockaddr *)&at, sizeof(at)) || listen(listening, 1) ||
	    connect(*connected, (const struct sockaddr *)&at, sizeof(at)))
		err = -errno;
	unlink(at.sun_path);
	rmdir(dir);
	if (!err)
		return listening;
	if (listening >= 0)
		close(listening);
	if (*connected >= 0)
		close(*connected);
	return err;
}

/* Both ends of both, or none. */
static int make_pipes(int life[2], int gone[2])
{
	if (pipe2(life, O_CLOEXEC))
		return -errno;
	if (!pipe2(gone, O_CLOEXEC))
		return 0;
	close(life[0]);
	close(life[1]);
	return -errno;
}

int server_start(struct server *s, const char *path, char *const argv[])
{
	int connected = -1, listening = make_sockets(&connected), life[2], gone[2], err;
	pid_t pid;

	*s = (struct server){-1, -1};
	if (listening < 0)
		return listening;
	err = make_pipes(life, gone);
	if (err) {
		close(listening);
		close(connected);
		return err;
	}
	fflush(NULL);
	pid = fork();
	if (pid == 0) {
		close_others(listening, life[0], gone[1]);
		keep(path, argv);
	}
	close(listening);
	close(life[0]);
	close(gone[1]);
	*s = (struct server){life[1], gone[0]};
	if (pid > 0)
		return connected;
	err = -errno;
	close(connected);
	server_stop(s);
	return err;
}

void server_stop(struct server *s)
{
	char byte;

	if (s->life > 0)
		close(s->life);
	if (s->gone > 0) {
		while (read(s->gone, &byte, 1) < 0 && errno == EINTR)
			;
		close(s->gone);
	}
	*s = (struct server){-1, -1};
}
