/* SPDX-License-Identifier: MIT */
/* See tools/run_attend.h. A signal to end is taken once: the TD is torn down, the summary printed,
 * the trace closed. The second one ends the process as it is. */
#include "tools/run_attend.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "tools/run.h"
#include "tools/verbs.h"

enum { STATUS_OF_SIGNAL = 128 };

static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};

static void help(struct run_session *s)
{
	run_log(s, "Ctrl-A x ends the TD, Ctrl-A Ctrl-A is Ctrl-A for the guest, Ctrl-A h says "
		   "this; any other key, Ctrl-C too, is the guest's");
}

/* The shell gets its terminal as it was, and ours becomes the guest's again. */
static void suspend(struct run_session *s, bool console)
{
	bool raw = console && s->console.raw;

	if (raw)
		run_console_raw(&s->console, false);
	kill(getpid(), SIGSTOP);
	if (raw)
		run_console_raw(&s->console, true);
}

static void on_signal(struct run_session *s, bool console)
{
	struct signalfd_siginfo info;
	char line[64];

	if (read(s->attend.signals, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGTSTP) {
		suspend(s, console);
		return;
	}
	if (atomic_fetch_add(&s->attend.told, 1)) {
		if (console)
			run_console_raw(&s->console, false);
		_exit(STATUS_OF_SIGNAL + (int)info.ssi_signo);
	}
	snprintf(line, sizeof(line), "%s: the TD ends", strsignal((int)info.ssi_signo));
	run_finish(s, STATUS_OF_SIGNAL + (int)info.ssi_signo, line);
}

/* False: there will be no more. */
static bool on_keys(struct run_session *s)
{
	unsigned char key;

	if (read(STDIN_FILENO, &key, 1) != 1)
		return false;
	switch (run_console_key(&s->console, key)) {
	case RUN_KEY_GUESTS:
		break;
	case RUN_KEY_HELP:
		help(s);
		break;
	case RUN_KEY_END:
		run_finish(s, VERB_OK, "Ctrl-A x: the TD ends");
		break;
	}
	return true;
}

/* Milliseconds to the end of the run's time; -1: there is none. */
static int time_left(const struct run_session *s)
{
	double left = (double)s->o.timeout - run_seconds(s);

	if (!s->o.timeout || s->outcome >= 0)
		return -1;
	return left <= 0 ? 0 : left > 3600 ? 3600000 : (int)(left * 1000) + 1;
}

static void *attend(void *arg)
{
	struct run_session *s = arg;
	bool keys = true;

	while (!atomic_load(&s->attend.stop)) {
		bool console = atomic_load(&s->attend.console);
		bool listen =
			console && keys && s->console.terminal && run_console_room(&s->console);
		struct pollfd fds[] = {{.fd = s->attend.signals, .events = POLLIN},
				       {.fd = s->attend.wake, .events = POLLIN},
				       {.fd = listen ? STDIN_FILENO : -1, .events = POLLIN}};
		uint64_t count;

		if (atomic_exchange(&s->attend.restrict_, false))
			sandbox_thread();
		if (poll(fds, 3, time_left(s)) < 0 && errno != EINTR)
			break;
		if (time_left(s) == 0)
			run_finish(s, VERB_DIFFERENCE, "its time is over (--timeout): the TD ends");
		if (fds[1].revents && read(s->attend.wake, &count, sizeof(count)) < 0)
			continue;
		if (fds[0].revents)
			on_signal(s, console);
		if (fds[2].revents)
			keys = on_keys(s);
	}
	return NULL;
}

static void wake(struct run_session *s)
{
	const uint64_t one = 1;

	if (write(s->attend.wake, &one, sizeof(one)) < 0)
		return; /* it is awake */
}

bool run_attend_start(struct run_session *s)
{
	struct run_attend *a = &s->attend;
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaddset(&set, signals[i]);
	a->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	a->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	pthread_sigmask(SIG_BLOCK, &set, &a->before);
	a->started =
		a->signals >= 0 && a->wake >= 0 && pthread_create(&a->thread, NULL, attend, s) == 0;
	if (!a->started)
		pthread_sigmask(SIG_SETMASK, &a->before, NULL);
	return a->started;
}

void run_attend_console(struct run_session *s, bool open)
{
	atomic_store(&s->attend.console, open);
	if (s->attend.started)
		wake(s);
}

void run_attend_restrict(struct run_session *s)
{
	if (s->o.sandbox != SANDBOX_ON || !s->attend.started)
		return;
	atomic_store(&s->attend.restrict_, true);
	wake(s);
}

void run_attend_stop(struct run_session *s)
{
	struct run_attend *a = &s->attend;

	if (a->started) {
		atomic_store(&a->stop, true);
		wake(s);
		pthread_join(a->thread, NULL);
		pthread_sigmask(SIG_SETMASK, &a->before, NULL);
	}
	if (a->signals >= 0)
		close(a->signals);
	if (a->wake >= 0)
		close(a->wake);
	a->started = false;
}
