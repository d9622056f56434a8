/* SPDX-License-Identifier: MIT */
/* swtdx run: progress, messages, time. */
#include "tools/run.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <swtdx/x86.h>

#include "tools/verbs.h"

void run_end_stages(struct run_session *s)
{
	if (atomic_exchange(&s->last_what, NULL))
		fputc('\n', stderr);
}

int run_complain(struct run_session *s, const char *what, const char *why)
{
	run_end_stages(s);
	fprintf(stderr, "swtdx run: %s: %s\n", what, why);
	return VERB_ENVIRONMENT;
}

double run_seconds(const struct run_session *s)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)(t.tv_sec - s->start.tv_sec) + (double)(t.tv_nsec - s->start.tv_nsec) / 1e9;
}

void run_progress(void *arg, const char *what, uint64_t done, uint64_t all)
{
	struct run_session *s = arg;

	if (s->o.quiet || (s->last_what == what && !isatty(2)))
		return;
	if (s->last_what != what)
		fprintf(stderr, "%s[%7.3f] %s", s->last_what ? "\n" : "", run_seconds(s), what);
	else
		fprintf(stderr, "\r[%7.3f] %s %3" PRIu64 " %%", run_seconds(s), what,
			all ? done * 100 / all : 0);
	s->last_what = what;
}

void run_stage(struct run_session *s, const char *what)
{
	if (s->o.quiet)
		return;
	fprintf(stderr, "%s[%7.3f] %s", s->last_what ? "\n" : "", run_seconds(s), what);
	s->last_what = what;
}

void run_log(void *arg, const char *line)
{
	struct run_session *s = arg;

	run_end_stages(s);
	fprintf(stderr, "swtdx run: %s\n", line);
}

/* On a terminal a line that changes; elsewhere lines, and few. */
enum { ALIVE_S = 1, ALIVE_LOG_S = 10 };

int run_alive(struct run_session *s)
{
	static const char what[] = "running the TD";
	const bool terminal = isatty(2);
	const double every = terminal ? ALIVE_S : ALIVE_LOG_S, now = run_seconds(s);
	uint64_t done;

	if (s->o.quiet || s->o.native || !atomic_load(&s->entered) || atomic_load(&s->heard))
		return -1;
	if (s->alive == 0 || now < s->alive + every) {
		s->alive = s->alive == 0 ? now : s->alive;
		return (int)((s->alive + every - now) * 1000) + 1;
	}
	s->alive = now;
	done = tdx_x86_engine_instructions(s->engine) / 1000000;
	if (s->last_what != what)
		run_stage(s, what);
	fprintf(stderr, "%c[%7.3f] %s, %" PRIu64 " million instructions", terminal ? '\r' : '\n',
		now, what, done);
	return (int)(every * 1000) + 1;
}

enum { SAID_MAX = 8 };

void run_log_again(struct run_session *s, _Atomic unsigned *said, const char *line)
{
	unsigned n = atomic_load(said);

	while (n <= SAID_MAX && !atomic_compare_exchange_weak(said, &n, n + 1))
		;
	if (n < SAID_MAX)
		run_log(s, line);
	else if (n == SAID_MAX)
		run_log(s, "the guest goes on like that; it is not said again");
}

int run_vm_complain(struct run_session *s, const char *what, int err)
{
	struct tdx_vm_error e;

	run_end_stages(s);
	tdx_vm_error(s->vm, &e);
	return run_complain(s, what, *e.text ? e.text : strerror(-err));
}
