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

#include "tools/term_filter.h"

enum { PATIENCE_MS = 5000, LAST_WORDS_MS = 500, SAID_MAX = 64 << 10 };

/* --- what is open --- */

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

/* --- what the server says --- */

static void put(const uint8_t *p, size_t n)
{
	while (n) {
		const ssize_t done = write(STDERR_FILENO, p, n);

		if (done < 0 && errno != EINTR)
			return;
		p += done > 0 ? done : 0;
		n -= done > 0 ? (size_t)done : 0;
	}
}

/* A guest has a say in it, as by the names of its files: on a terminal it is filtered as the
 * guest's own output is, and of a flood only the beginning is passed on. */
static _Noreturn void speak(int from, const char *name)
{
	static const char flood[] = " says more, which is not shown\n";
	uint8_t in[4096], out[sizeof(in) + TERM_SEQUENCE_MAX];
	const bool terminal = isatty(STDERR_FILENO);
	struct term_filter filter = {0};
	size_t said = 0;
	ssize_t got;

	while ((got = read(from, in, sizeof(in))) > 0 || (got < 0 && errno == EINTR)) {
		size_t n = 0;

		for (ssize_t i = 0; i < got && said < SAID_MAX; i++, said++) {
			if (terminal)
				n += term_filter(&filter, in[i], out + n);
			else
				out[n++] = in[i];
			if (n < sizeof(in))
				continue;
			put(out, n);
			n = 0;
		}
		put(out, n);
		if (said == SAID_MAX) {
			said++;
			put((const uint8_t *)"\n", 1);
			put((const uint8_t *)name, strlen(name));
			put((const uint8_t *)flood, sizeof(flood) - 1);
		}
	}
	_exit(0);
}

/* Its beginning and its end are the caller's to close. */
static pid_t listen_to(int said[2], const char *name)
{
	pid_t pid = -1;

	if (pipe2(said, O_CLOEXEC))
		return -1;
	pid = fork();
	if (pid == 0) {
		syscall(SYS_close_range, SERVER_SOCKET, KEEPER_GONE, 0);
		close(said[1]);
		signal(SIGTTOU, SIG_IGN); /* whoever has the terminal */
		speak(said[0], name);
	}
	close(said[0]);
	return pid;
}

/* --- the keeper --- */

static _Noreturn void serve(const char *path, char *const argv[], int say)
{
	const int null = open("/dev/null", O_RDWR);

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	dup2(null, STDIN_FILENO);
	dup2(say, STDERR_FILENO);
	dup2(say, STDOUT_FILENO);
	syscall(SYS_close_range, SERVER_SOCKET + 1, ~0u, 0);
	signal(SIGINT, SIG_DFL);
	execv(path, argv);
	_exit(127);
}

static struct pollfd end_of(pid_t pid)
{
	return (struct pollfd){.fd = (int)syscall(SYS_pidfd_open, pid, 0), .events = POLLIN};
}

/* Ours or the server's end, whichever comes first; then it is the other's. */
static _Noreturn void keep(const char *path, char *const argv[])
{
	struct pollfd fd[2], silence;
	pid_t pid, voice;
	int said[2];

	setpgid(0, 0); /* Ctrl-C is for us: the server ends in order */
	signal(SIGINT, SIG_IGN);
	voice = listen_to(said, argv[0]);
	if (voice < 0)
		_exit(1);
	pid = fork();
	if (pid == 0)
		serve(path, argv, said[1]);
	close(SERVER_SOCKET);
	close(said[1]);
	if (pid < 0)
		_exit(1);
	silence = end_of(voice);
	fd[0] = end_of(pid);
	fd[1] = (struct pollfd){.fd = KEEPER_LIFE, .events = POLLIN};
	while (poll(fd, 2, -1) < 0 && errno == EINTR)
		;
	if (!fd[0].revents) {
		kill(pid, SIGTERM);
		if (poll(fd, 1, PATIENCE_MS) == 0)
			kill(pid, SIGKILL);
	}
	waitpid(pid, NULL, 0);
	/* its last words; the terminal may stand still, and children of the server live on */
	poll(&silence, 1, LAST_WORDS_MS);
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
