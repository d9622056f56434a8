/* SPDX-License-Identifier: MIT */
/* All processors come to rest, each where nothing of it is but its registers: before an
 * instruction, in HLT or in the firmware. The last to come tells, and then they go on.
 *
 * One that is in a TD comes when it leaves it, by the host's own timer as a rule: nothing is done
 * to a TD that the host would see. With turns (virtual time) who rests has no use for a turn until
 * all go on, so that where they come to rest is the same each time. */
#include "board/internal.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

enum { PATIENCE_S = 20 };

static bool goes_on(const struct board_cpu *c)
{
	return !atomic_load(&c->board->rest.wanted) || !c->resting;
}

bool board_rest_calls(const struct board_cpu *c)
{
	return atomic_load(&c->board->rest.wanted) && !c->resting;
}

void board_pause(struct board *b)
{
	if (atomic_exchange(&b->rest.wanted, true))
		return;
	for (unsigned i = 0; i < b->ncpus; i++) {
		x86_kick(b->cpu[i].x86);
		pthread_mutex_lock(&b->cpu[i].lock);
		pthread_cond_signal(&b->cpu[i].wake);
		pthread_mutex_unlock(&b->cpu[i].lock);
	}
	pthread_mutex_lock(&b->mailbox_lock);
	pthread_cond_broadcast(&b->mailbox);
	pthread_mutex_unlock(&b->mailbox_lock);
}

/* Under the lock. */
static void go_on(struct board *b)
{
	atomic_store(&b->rest.wanted, false);
	b->rest.resting = 0;
	for (unsigned i = 0; i < b->ncpus; i++)
		b->cpu[i].resting = false;
	pthread_cond_broadcast(&b->rest.go);
}

static void give_up(struct board *b)
{
	char who[80] = "a processor";

	for (unsigned i = 0; i < b->ncpus; i++)
		if (!b->cpu[i].resting)
			snprintf(who, sizeof(who), "processor %u has not left its TD for %d s", i,
				 PATIENCE_S);
	go_on(b);
	pthread_mutex_unlock(&b->rest.lock);
	b->cfg.paused(b->cfg.paused_arg, who);
	pthread_mutex_lock(&b->rest.lock);
}

/* Under the lock: until all go on, or the machine ends. */
static void wait_here(struct board_cpu *c)
{
	struct board *b = c->board;
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PATIENCE_S;
	while (!goes_on(c) && !atomic_load(&b->ended)) {
		const int e = pthread_cond_timedwait(&b->rest.go, &b->rest.lock, &until);

		if (e == ETIMEDOUT && !goes_on(c) && !atomic_load(&b->ended))
			give_up(b);
	}
}

void board_rest(struct board_cpu *c, enum board_at at)
{
	struct board *b = c->board;

	if (!atomic_load(&b->rest.wanted) || atomic_load(&b->ended))
		return;
	pthread_mutex_lock(&b->rest.lock);
	c->at = at;
	c->resting = true;
	if (++b->rest.resting == b->ncpus) {
		pthread_mutex_unlock(&b->rest.lock); /* it may end the machine */
		b->cfg.paused(b->cfg.paused_arg, NULL);
		pthread_mutex_lock(&b->rest.lock);
		go_on(b);
	} else if (!b->turns.on) {
		wait_here(c);
	} else {
		pthread_mutex_unlock(&b->rest.lock);
		while (!goes_on(c) && !atomic_load(&b->ended))
			board_turn_until(c, goes_on);
		return;
	}
	pthread_mutex_unlock(&b->rest.lock);
}

void board_rest_ends(struct board *b)
{
	pthread_mutex_lock(&b->rest.lock);
	pthread_cond_broadcast(&b->rest.go);
	pthread_mutex_unlock(&b->rest.lock);
}
