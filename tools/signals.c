/* SPDX-License-Identifier: MIT */
/* See tools/signals.h. */
#include "tools/signals.h"

#include <pthread.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "tools/run_console.h"

static const int taken[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};

bool signals_open(struct signals *s)
{
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		sigaddset(&set, taken[i]);
	s->told = false;
	s->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (s->fd >= 0)
		pthread_sigmask(SIG_BLOCK, &set, &s->before);
	return s->fd >= 0;
}

/* The shell gets its terminal as it was, and ours becomes the guest's again. */
static void suspend(struct run_console *terminal)
{
	const bool raw = terminal && terminal->raw;

	if (raw)
		run_console_raw(terminal, false);
	kill(getpid(), SIGSTOP);
	if (raw)
		run_console_raw(terminal, true);
}

int signals_take(struct signals *s, struct run_console *terminal)
{
	struct signalfd_siginfo info;

	if (read(s->fd, &info, sizeof(info)) != sizeof(info))
		return 0;
	if (info.ssi_signo == SIGTSTP) {
		suspend(terminal);
		return 0;
	}
	if (s->told) {
		if (terminal)
			run_console_raw(terminal, false);
		_exit(SIGNALS_STATUS + (int)info.ssi_signo);
	}
	s->told = true;
	return (int)info.ssi_signo;
}

void signals_close(struct signals *s)
{
	if (s->fd < 0)
		return;
	pthread_sigmask(SIG_SETMASK, &s->before, NULL);
	close(s->fd);
	s->fd = -1;
}
