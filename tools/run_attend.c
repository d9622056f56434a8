/* SPDX-License-Identifier: MIT */
/* See tools/run_attend.h. A signal to end is taken once: the TD is torn down, the summary printed,
 * the trace closed. The second one ends the process as it is. */
#include "tools/run_attend.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tools/run.h"
#include "tools/verbs.h"
#include "trace/trace.h"

enum { BUSY_MS = 5, SAVE_MS = 200 };

static void help(struct run_session *s)
{
	run_log(s, "Ctrl-A x ends the TD, Ctrl-A Ctrl-A is Ctrl-A for the guest, Ctrl-A h says "
		   "this; any other key, Ctrl-C too, is the guest's");
}

/* While the consoles are opened they are not looked at; no terminal is raw then. */
static void on_signal(struct run_session *s)
{
	struct run_console *terminal = atomic_load(&s->attend.console) ? run_terminal(s) : NULL;
	const int signal = signals_take(&s->attend.signals, terminal);
	char line[64];

	if (!signal)
		return;
	snprintf(line, sizeof(line), "%s: the TD ends", strsignal(signal));
	run_finish(s, SIGNALS_STATUS + signal, line);
}

static void on_console(struct run_session *s, unsigned i, short revents)
{
	enum run_key key;

	if (run_console_event(&s->console[i], revents, &key))
		s->attend.came[i] = true;
	if (key == RUN_KEY_HELP)
		help(s);
	if (key == RUN_KEY_END)
		run_finish(s, VERB_OK, "Ctrl-A x: the TD ends");
}

/* Milliseconds to the end of the run's time; -1: there is none. */
static int time_left(const struct run_session *s)
{
	double left = (double)s->o.timeout - run_seconds(s);

	if (!s->o.timeout || s->outcome >= 0)
		return -1;
	return left <= 0 ? 0 : left > 3600 ? 3600000 : (int)(left * 1000) + 1;
}

static int sooner(int a, int b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* What the consoles are waited for, and how long at most. */
static int look_at_consoles(struct run_session *s, struct pollfd *fds)
{
	int timeout = -1;

	for (unsigned i = 0; i < RUN_SERIALS; i++) {
		fds[i].fd = -1;
		if (!atomic_load(&s->attend.console))
			continue;
		if (s->attend.came[i] && run_ports_came(&s->ports, i))
			s->attend.came[i] = false;
		if (s->attend.came[i])
			timeout = sooner(timeout, BUSY_MS);
		if (!run_console_poll(&s->console[i], &fds[i]))
			timeout = sooner(timeout, RUN_CONSOLE_LOOK_MS);
	}
	return timeout;
}

static void *attend(void *arg)
{
	struct run_session *s = arg;

	while (!atomic_load(&s->attend.stop)) {
		struct pollfd fds[2 + RUN_SERIALS] = {
			{.fd = s->attend.signals.fd, .events = POLLIN},
			{.fd = s->attend.wake, .events = POLLIN}};
		struct pollfd *consoles = fds + 2;
		int timeout = look_at_consoles(s, consoles);
		uint64_t count;

		if (atomic_exchange(&s->attend.restrict_, false))
			sandbox_thread();
		timeout = sooner(timeout, sooner(time_left(s), run_alive(s)));
		if (atomic_load(&s->attend.trace)) {
			trace_save(s->trace);
			timeout = sooner(timeout, SAVE_MS);
		}
		if (poll(fds, 2 + RUN_SERIALS, timeout) < 0 && errno != EINTR)
			break;
		if (time_left(s) == 0)
			run_finish(s, VERB_DIFFERENCE, "its time is over (--timeout): the TD ends");
		if (fds[0].revents)
			on_signal(s);
		for (unsigned i = 0; i < RUN_SERIALS; i++)
			if (consoles[i].fd >= 0 && consoles[i].revents)
				on_console(s, i, consoles[i].revents);
		if (fds[1].revents && read(s->attend.wake, &count, sizeof(count)) < 0)
			continue;
	}
	return NULL;
}

void run_attend_wake(struct run_session *s)
{
	const uint64_t one = 1;

	if (s->attend.started && write(s->attend.wake, &one, sizeof(one)) < 0)
		return; /* it is awake */
}

bool run_attend_start(struct run_session *s)
{
	struct run_attend *a = &s->attend;

	a->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	a->started = signals_open(&a->signals) && a->wake >= 0 &&
		     pthread_create(&a->thread, NULL, attend, s) == 0;
	if (!a->started)
		signals_close(&a->signals);
	return a->started;
}

void run_attend_console(struct run_session *s)
{
	atomic_store(&s->attend.console, true);
	run_attend_wake(s);
}

void run_attend_trace(struct run_session *s)
{
	atomic_store(&s->attend.trace, true);
	run_attend_wake(s);
}

void run_attend_restrict(struct run_session *s)
{
	if (s->o.sandbox != SANDBOX_ON || !s->attend.started)
		return;
	atomic_store(&s->attend.restrict_, true);
	run_attend_wake(s);
}

void run_attend_stop(struct run_session *s)
{
	struct run_attend *a = &s->attend;

	if (a->started) {
		atomic_store(&a->stop, true);
		run_attend_wake(s);
		pthread_join(a->thread, NULL);
	}
	signals_close(&a->signals);
	if (a->wake >= 0)
		close(a->wake);
	a->started = false;
}
