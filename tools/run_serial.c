/* SPDX-License-Identifier: MIT */
/* See tools/run_serial.h. */
#include "tools/run_serial.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const char *path_of(const char *where)
{
	return strchr(where, ':') + 1;
}

bool run_serial_kind(const char *where, enum run_console_kind *kind)
{
	static const struct {
		const char *name;
		enum run_console_kind kind;
	} known[] = {
		{"stdio", RUN_CONSOLE_STDIO},  {"pty", RUN_CONSOLE_PTY},
		{"none", RUN_CONSOLE_NONE},    {"file:", RUN_CONSOLE_FILE},
		{"unix:", RUN_CONSOLE_SOCKET},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		const size_t n = strlen(known[i].name);
		const bool path = known[i].name[n - 1] == ':';

		*kind = known[i].kind;
		if (path ? !strncmp(where, known[i].name, n) && where[n]
			 : !strcmp(where, known[i].name))
			return true;
	}
	return false;
}

/* In the background reading would stop the process: it is somebody else's terminal then. */
static bool own_terminal(void)
{
	return isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) == getpgrp();
}

static int open_stdio(struct run_console *c, const struct run_serial_config *cfg)
{
	struct stat st;

	c->in = STDIN_FILENO;
	c->out = cfg->out;
	c->filtered = !cfg->unfiltered && isatty(c->out);
	c->by_lines = fstat(c->out, &st) == 0 && S_ISREG(st.st_mode);
	c->terminal = own_terminal() && tcgetattr(STDIN_FILENO, &c->modes) == 0;
	c->closed = isatty(STDIN_FILENO) && !c->terminal;
	c->connected = true;
	run_console_raw(c, true);
	return 0;
}

static int open_file(struct run_console *c, const char *path)
{
	struct stat st;

	c->out = strcmp(path, "-") ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)
				   : dup(STDOUT_FILENO);
	if (c->out < 0)
		return -errno;
	c->by_lines = fstat(c->out, &st) == 0 && S_ISREG(st.st_mode);
	c->connected = true;
	return 0;
}

/* A socket that a run left behind is nobody's; anything else at the path stays. */
static void remove_left_over(const struct sockaddr_un *at)
{
	struct stat st;
	int fd;

	if (lstat(at->sun_path, &st) || !S_ISSOCK(st.st_mode))
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (const struct sockaddr *)at, sizeof(*at)) &&
	    errno == ECONNREFUSED)
		unlink(at->sun_path);
	if (fd >= 0)
		close(fd);
}

static int open_socket(struct run_console *c, const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int err;

	if (strlen(path) >= sizeof(at.sun_path))
		return -ENAMETOOLONG;
	memcpy(at.sun_path, path, strlen(path) + 1);
	remove_left_over(&at);
	c->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->listener < 0)
		return -errno;
	if (bind(c->listener, (const struct sockaddr *)&at, sizeof(at)) || listen(c->listener, 1)) {
		err = -errno;
		close(c->listener);
		c->listener = -1;
		return err;
	}
	c->path = path;
	return 0;
}

/* The other end is opened once: a pseudo-terminal that never was looks as if somebody had it. */
static int open_pty(struct run_console *c, bool unfiltered, char *name, size_t len)
{
	struct termios modes;
	const char *other;
	int slave;

	c->in = c->out = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	other = c->in < 0 || grantpt(c->in) || unlockpt(c->in) ? NULL : ptsname(c->in);
	slave = other ? open(other, O_RDWR | O_NOCTTY | O_CLOEXEC) : -1;
	if (slave < 0)
		return -errno;
	if (tcgetattr(slave, &modes) == 0) {
		cfmakeraw(&modes);
		tcsetattr(slave, TCSANOW, &modes);
	}
	snprintf(name, len, "%s", other);
	close(slave);
	c->filtered = !unfiltered;
	return 0;
}

int run_serial_open(struct run_console *c, const struct run_serial_config *cfg, char *name,
		    size_t len)
{
	memset(c, 0, sizeof(*c));
	pthread_mutex_init(&c->lock, NULL);
	c->in = c->out = c->listener = c->pending = -1;
	c->wake = cfg->wake;
	c->ending = cfg->ending;
	c->broken = cfg->broken;
	c->arg = cfg->arg;
	*name = '\0';
	if (!run_serial_kind(cfg->where, &c->kind))
		return -EINVAL;
	switch (c->kind) {
	case RUN_CONSOLE_NONE:
		c->connected = true;
		break;
	case RUN_CONSOLE_STDIO:
		return open_stdio(c, cfg);
	case RUN_CONSOLE_FILE:
		return open_file(c, path_of(cfg->where));
	case RUN_CONSOLE_SOCKET:
		snprintf(name, len, "%s", path_of(cfg->where));
		return open_socket(c, path_of(cfg->where));
	case RUN_CONSOLE_PTY:
		return open_pty(c, cfg->unfiltered, name, len);
	}
	return 0;
}

void run_serial_close(struct run_console *c)
{
	run_console_flush(c);
	run_console_raw(c, false);
	if (c->kind != RUN_CONSOLE_STDIO && c->out >= 0)
		close(c->out);
	if (c->listener >= 0)
		close(c->listener);
	if (c->path)
		unlink(c->path);
	pthread_mutex_destroy(&c->lock);
}

void run_serial_wait(struct run_console *c)
{
	while (!c->connected && !c->ending(c->arg))
		poll(NULL, 0, RUN_CONSOLE_LOOK_MS);
}
