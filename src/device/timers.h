/* SPDX-License-Identifier: MIT */
/* Timers of a machine's devices: one thread that sleeps until the earliest is due.
 *
 * Ticks are the owner's clock: `now` and `hz`. The fields of a timer are this file's. Any thread.
 */
#ifndef DEVICE_TIMERS_H
#define DEVICE_TIMERS_H

#include <stdbool.h>
#include <stdint.h>

struct timer {
	struct timer *next;
	bool listed;
	uint64_t due; /* 0: not armed */
	/* Called by the thread, under its lock, when it is due: when next? 0 never, else later than
	 * now. It must not call timers_set(). */
	uint64_t (*fired)(void *arg, uint64_t due, uint64_t now);
	void *arg;
};

struct timers;

/* The thread starts with the first timer that is armed. NULL: no memory. */
struct timers *timers_new(uint64_t (*now)(void *arg), void *arg, uint64_t hz);
/* From now on there is no thread: they fire in timers_fire() alone. Before the first is armed. */
void timers_by_hand(struct timers *t);
void timers_fire(struct timers *t, uint64_t now);
/* When the next is due; 0: none is armed. */
uint64_t timers_next(struct timers *t);
/* None fires between the two, nor is one being fired; timers_set() waits. */
void timers_hold(struct timers *t);
void timers_go_on(struct timers *t);
/* No timer fires after it; those that were armed may be freed. */
void timers_free(struct timers *t);

/* `timer` is due at that tick, or never again with 0. It stays until timers_free(). 0; -EAGAIN. */
int timers_set(struct timers *t, struct timer *timer, uint64_t due);

#endif
