/* SPDX-License-Identifier: MIT */
/* See device/timers.h. The thread's lock is a leaf but for what timer.fired() takes.
 *
 * Whatever a guest arms, the thread sleeps, without its lock, between two rounds that fire: a
 * round costs more than the shortest period that many timers can ask for together, and whoever
 * wants the lock (a processor that arms, the end of the machine) must not wait for the guest to be
 * content. */
#include "device/timers.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

struct timers {
	uint64_t (*now)(void *arg);
	void *arg;
	uint64_t hz;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool running, stop, by_hand;
	uint64_t target; /* what the thread sleeps for; 0: for ever */
	struct timer *first;
};

#define NSEC	 1000000000ull
#define SLACK_NS 50000ull /* as Linux gives its own timers */

struct timers *timers_new(uint64_t (*now)(void *arg), void *arg, uint64_t hz)
{
	struct timers *t = calloc(1, sizeof(*t));
	pthread_condattr_t attr;

	if (!t)
		return NULL;
	t->now = now;
	t->arg = arg;
	t->hz = hz;
	pthread_mutex_init(&t->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&t->changed, &attr);
	pthread_condattr_destroy(&attr);
	return t;
}

static uint64_t earliest(const struct timers *t)
{
	uint64_t due = 0;

	for (const struct timer *i = t->first; i; i = i->next)
		if (i->due && (!due || i->due < due))
			due = i->due;
	return due;
}

static void fire(struct timers *t, uint64_t now)
{
	for (struct timer *i = t->first; i; i = i->next)
		if (i->due && i->due <= now)
			i->due = i->fired(i->arg, i->due, now);
}

static uint64_t to_ns(uint64_t ticks, uint64_t hz)
{
	unsigned __int128 ns = (unsigned __int128)ticks * NSEC / hz;

	return ns > NSEC ? NSEC : (uint64_t)ns; /* the two clocks may drift apart */
}

static void sleep_for(struct timers *t, uint64_t ns)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	ns += (uint64_t)at.tv_nsec;
	at.tv_sec += (time_t)(ns / NSEC);
	at.tv_nsec = (long)(ns % NSEC);
	pthread_cond_timedwait(&t->changed, &t->lock, &at);
}

static void *timer_thread(void *arg)
{
	struct timers *t = arg;

	pthread_mutex_lock(&t->lock);
	while (!t->stop) {
		uint64_t now = t->now(t->arg);

		t->target = earliest(t);
		if (!t->target) {
			pthread_cond_wait(&t->changed, &t->lock);
		} else if (t->target > now) {
			sleep_for(t, to_ns(t->target - now, t->hz));
		} else {
			fire(t, now);
			sleep_for(t, SLACK_NS);
		}
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

/* Under the lock, which the thread waits for. */
static int start(struct timers *t)
{
	sigset_t all, before;
	int err;

	/* Signals are for threads of the program that has the machine in it. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&t->thread, NULL, timer_thread, t);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	t->running = !err;
	return -err;
}

int timers_set(struct timers *t, struct timer *timer, uint64_t due)
{
	int err = 0;

	pthread_mutex_lock(&t->lock);
	if (due && !t->running && !t->by_hand)
		err = start(t);
	if (!err) {
		if (!timer->listed) {
			timer->listed = true;
			timer->next = t->first;
			t->first = timer;
		}
		timer->due = due;
		if (due && (!t->target || due < t->target))
			pthread_cond_signal(&t->changed);
	}
	pthread_mutex_unlock(&t->lock);
	return err;
}

void timers_by_hand(struct timers *t)
{
	t->by_hand = true;
}

void timers_fire(struct timers *t, uint64_t now)
{
	pthread_mutex_lock(&t->lock);
	fire(t, now);
	pthread_mutex_unlock(&t->lock);
}

uint64_t timers_next(struct timers *t)
{
	uint64_t due;

	pthread_mutex_lock(&t->lock);
	due = earliest(t);
	pthread_mutex_unlock(&t->lock);
	return due;
}

void timers_hold(struct timers *t)
{
	pthread_mutex_lock(&t->lock);
}

void timers_go_on(struct timers *t)
{
	pthread_mutex_unlock(&t->lock);
}

void timers_free(struct timers *t)
{
	if (!t)
		return;
	pthread_mutex_lock(&t->lock);
	t->stop = true;
	pthread_cond_signal(&t->changed);
	pthread_mutex_unlock(&t->lock);
	if (t->running)
		pthread_join(t->thread, NULL);
	pthread_cond_destroy(&t->changed);
	pthread_mutex_destroy(&t->lock);
	free(t);
}
