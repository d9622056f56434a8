/* SPDX-License-Identifier: MIT */
/* See vmm/lapic_timer.h. The thread's lock is a leaf but for what lapic_timer_fired() posts.
 *
 * Whatever the guest arms, the thread sleeps, without its lock, between two rounds that fire: a
 * round costs more than the shortest period that many vCPUs can ask for together, and whoever wants
 * the lock (a vCPU that arms, the end of the VM) must not wait for the guest to be content. */
#include "vmm/lapic_timer.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "vmm/lapic.h"

struct lapic_timers {
	struct tdx_vm *vm;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool stop;
	uint64_t target; /* what the thread sleeps for; 0: for ever */
	unsigned n;
	struct lapic_timer *timer[VM_MAX_VCPUS];
};

#define NSEC	 1000000000ull
#define SLACK_NS 50000ull /* as Linux gives its own timers */

uint64_t lapic_now(const struct tdx_vm *vm)
{
	const struct tdx_port *port = vm->vmm->port[0];

	return port->ops->tsc ? port->ops->tsc(port) : 0;
}

uint64_t lapic_tsc_hz(const struct tdx_vm *vm)
{
	const struct tdx_port *port = vm->vmm->port[0];
	uint32_t r[4];

	port->ops->cpuid(port, 0x15, 0, r);
	return r[0] && r[1] && r[2] ? (uint64_t)r[2] * r[1] / r[0] : NSEC;
}

static uint64_t earliest(const struct lapic_timers *t)
{
	uint64_t due = 0;

	for (unsigned i = 0; i < t->n; i++)
		if (t->timer[i]->due && (!due || t->timer[i]->due < due))
			due = t->timer[i]->due;
	return due;
}

static void fire(struct lapic_timers *t, uint64_t now)
{
	for (unsigned i = 0; i < t->n; i++) {
		uint64_t due = t->timer[i]->due;

		if (due && due <= now)
			t->timer[i]->due = lapic_timer_fired(t->timer[i]->apic, due, now);
	}
}

static uint64_t to_ns(uint64_t ticks, uint64_t hz)
{
	unsigned __int128 ns = (unsigned __int128)ticks * NSEC / hz;

	return ns > NSEC ? NSEC : (uint64_t)ns; /* the two clocks may drift apart */
}

static void sleep_for(struct lapic_timers *t, uint64_t ns)
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
	struct lapic_timers *t = arg;
	const uint64_t hz = lapic_tsc_hz(t->vm);

	pthread_mutex_lock(&t->lock);
	while (!t->stop) {
		uint64_t now = lapic_now(t->vm);

		t->target = earliest(t);
		if (!t->target)
			pthread_cond_wait(&t->changed, &t->lock);
		else if (t->target > now)
			sleep_for(t, to_ns(t->target - now, hz));
		else {
			fire(t, now);
			sleep_for(t, SLACK_NS);
		}
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

static int start(struct tdx_vm *vm)
{
	struct lapic_timers *t = calloc(1, sizeof(*t));
	pthread_condattr_t attr;
	int err;

	if (!t)
		return -ENOMEM;
	t->vm = vm;
	pthread_mutex_init(&t->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&t->changed, &attr);
	pthread_condattr_destroy(&attr);
	err = pthread_create(&t->thread, NULL, timer_thread, t);
	if (err) {
		free(t);
		return -err;
	}
	vm->timers = t;
	return 0;
}

static bool listed(const struct lapic_timers *t, const struct lapic_timer *timer)
{
	for (unsigned i = 0; i < t->n; i++)
		if (t->timer[i] == timer)
			return true;
	return false;
}

int lapic_timer_set(struct tdx_vm *vm, struct lapic_timer *timer, uint64_t due)
{
	struct lapic_timers *t;
	int err = 0;

	pthread_mutex_lock(&vm->timers_lock);
	if (!vm->timers && due)
		err = start(vm);
	t = vm->timers;
	pthread_mutex_unlock(&vm->timers_lock);
	if (err || !t)
		return err;
	pthread_mutex_lock(&t->lock);
	if (!listed(t, timer))
		t->timer[t->n++] = timer;
	timer->due = due;
	if (due && (!t->target || due < t->target))
		pthread_cond_signal(&t->changed);
	pthread_mutex_unlock(&t->lock);
	return 0;
}

void lapic_timers_free(struct tdx_vm *vm)
{
	struct lapic_timers *t = vm->timers;

	if (!t)
		return;
	pthread_mutex_lock(&t->lock);
	t->stop = true;
	pthread_cond_signal(&t->changed);
	pthread_mutex_unlock(&t->lock);
	pthread_join(t->thread, NULL);
	pthread_cond_destroy(&t->changed);
	pthread_mutex_destroy(&t->lock);
	free(t);
	vm->timers = NULL;
}
