/* SPDX-License-Identifier: MIT */
/* Turns of vCPUs on a processor: first come, first served, for a slice of time each.
 *
 * A vCPU keeps its turn over exits that the monitor handles, and over short ones of its user; it
 * loses it when its slice is over while another waits, when it waits itself (HLT, a loop of PAUSEs,
 * which the engine ends with an interrupt), or when it has not come back for two ticks. Only the
 * first of the queue watches the time. Without turns vCPUs that spin throw those that work off the
 * processor as fast as they get there: with 32 on one, nobody comes up. */
#include "vmm/internal.h"

#include <time.h>

enum { TICK_NS = 100000, REST_NS = 10000000, SLICE_TICKS = 20, IDLE_TICKS = 2 };

void vmm_turns_init(struct vmm_turns *t)
{
	pthread_mutex_init(&t->lock, NULL);
}

void vmm_turns_destroy(struct vmm_turns *t)
{
	pthread_mutex_destroy(&t->lock);
}

static void wait(struct vmm_turns *t, struct tdx_vcpu *v, long ns)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_nsec += ns;
	if (at.tv_nsec >= 1000000000) {
		at.tv_sec++;
		at.tv_nsec -= 1000000000;
	}
	pthread_cond_timedwait(&v->my_turn, &t->lock, &at);
}

static void enqueue(struct vmm_turns *t, struct tdx_vcpu *v)
{
	v->next_turn = NULL;
	if (atomic_load(&t->first))
		t->last->next_turn = v;
	else
		atomic_store(&t->first, v);
	t->last = v;
}

static void wake_first(struct vmm_turns *t)
{
	if (atomic_load(&t->first))
		pthread_cond_signal(&atomic_load(&t->first)->my_turn);
}

static void dequeue(struct vmm_turns *t, struct tdx_vcpu *v)
{
	struct tdx_vcpu *before = atomic_load(&t->first);

	if (before == v) {
		atomic_store(&t->first, v->next_turn);
		wake_first(t);
		return;
	}
	while (before->next_turn != v)
		before = before->next_turn;
	before->next_turn = v->next_turn;
	if (t->last == v)
		t->last = before;
}

/* What the first sees of the holder, a tick at a time. */
struct watch {
	unsigned ticks, idle, entries;
};

static void tick(struct vmm_cpu *c, struct watch *w)
{
	struct vmm_turns *t = &c->turns;
	unsigned entries = atomic_load(&t->entries);
	bool in_guest = atomic_load(&c->in_guest);

	w->idle = in_guest || entries != w->entries ? 0 : w->idle + 1;
	w->entries = entries;
	if (w->idle == IDLE_TICKS) {
		atomic_store(&t->holder, NULL);
	} else if (++w->ticks >= SLICE_TICKS) {
		atomic_store(&t->over, true);
		if (in_guest)
			c->port->ops->interrupt(c->port);
	}
}

bool vmm_take_turn(struct vmm_cpu *c, struct tdx_vcpu *v)
{
	struct vmm_turns *t = &c->turns;
	struct watch w = {0};
	bool go = true;

	atomic_fetch_add_explicit(&t->entries, 1, memory_order_relaxed);
	if (atomic_load(&t->holder) == v)
		return true;
	pthread_mutex_lock(&t->lock);
	if (!atomic_load(&t->holder) && !atomic_load(&t->first)) {
		atomic_store(&t->holder, v);
		pthread_mutex_unlock(&t->lock);
		return true;
	}
	enqueue(t, v);
	while (go && (atomic_load(&t->first) != v || atomic_load(&t->holder))) {
		bool mine = atomic_load(&t->first) == v;

		wait(t, v, mine ? TICK_NS : REST_NS);
		if (mine && atomic_load(&t->holder))
			tick(c, &w);
		go = !vcpu_wanted(v) && !vm_is_dead(v->vm);
	}
	dequeue(t, v);
	if (go) {
		atomic_store(&t->over, false);
		atomic_store(&t->holder, v);
	}
	pthread_mutex_unlock(&t->lock);
	return go;
}

void vmm_end_turn(struct vmm_cpu *c, struct tdx_vcpu *v, bool now)
{
	struct vmm_turns *t = &c->turns;

	if (!atomic_load(&t->first) || (!now && !atomic_load(&t->over)))
		return;
	pthread_mutex_lock(&t->lock);
	if (atomic_load(&t->holder) == v)
		atomic_store(&t->holder, NULL);
	wake_first(t);
	pthread_mutex_unlock(&t->lock);
}
