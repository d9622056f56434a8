/* SPDX-License-Identifier: MIT */
/* Virtual time. Processors take turns, as many instructions each as the seed says, and the clock is
 * that of the instructions executed: nothing depends on the host's clock or on its scheduler, and a
 * run is the same each time.
 *
 * Who has the turn is the only one who executes, in a TD too, and the only one who sends interrupts
 * or fires timers. When nobody can go on, time goes on to the next timer. */
#include "board/internal.h"

#include <swtdx/x86.h>

#include "machine/splitmix.h"

/* Instructions of a turn: from this many to twice as many. */
#define TURN 20000ull

static uint64_t now(struct board *b)
{
	return atomic_load_explicit(&b->m->tsc, memory_order_relaxed);
}

/* The next who can go on; time passes until there is one: who waits can go on when all has been
 * ended, too. NULL: nobody ever can. */
static struct board_cpu *next(struct board *b, unsigned after)
{
	uint64_t due;

	for (;;) {
		timers_fire(b->timers, now(b));
		for (unsigned i = 1; i <= b->ncpus; i++) {
			struct board_cpu *c = &b->cpu[(after + i) % b->ncpus];

			if (!c->ready || c->ready(c) || board_rest_calls(c))
				return c;
		}
		due = timers_next(b->timers);
		if (!due)
			return NULL;
		if (due > now(b))
			atomic_store_explicit(&b->m->tsc, due, memory_order_relaxed);
	}
}

static void give(struct board *b, struct board_cpu *c)
{
	pthread_mutex_lock(&b->turns.lock);
	b->turns.holder = c->id;
	b->turns.left = (int64_t)(TURN + splitmix_next(&b->turns.random) % TURN);
	pthread_cond_signal(&c->turn);
	pthread_mutex_unlock(&b->turns.lock);
}

static void wait_for_turn(struct board_cpu *c)
{
	struct board *b = c->board;

	pthread_mutex_lock(&b->turns.lock);
	while (b->turns.holder != c->id && !atomic_load(&b->ended))
		pthread_cond_wait(&c->turn, &b->turns.lock);
	pthread_mutex_unlock(&b->turns.lock);
}

void board_turn_take(struct board_cpu *c)
{
	if (c->board->turns.on)
		wait_for_turn(c);
}

static void pass(struct board_cpu *c)
{
	struct board_cpu *to = next(c->board, c->id);

	if (!to) {
		board_ends(c->board, BOARD_HALTED, "every processor waits, and no timer is armed");
		return;
	}
	give(c->board, to);
	wait_for_turn(c);
}

/* What a processor waits for is said in its own turn: who has another's looks at it. */
void board_turn_until(struct board_cpu *c, bool (*ready)(const struct board_cpu *c))
{
	struct board *b = c->board;

	wait_for_turn(c);
	if (atomic_load(&b->ended))
		return;
	c->ready = ready;
	pass(c);
	if (!atomic_load(&b->ended))
		c->ready = NULL;
}

void board_turn(struct board_cpu *c, uint64_t instructions, bool gives_way)
{
	struct turns *t = &c->board->turns;

	if (!t->on)
		return;
	atomic_fetch_add_explicit(&c->board->m->tsc, instructions, memory_order_relaxed);
	t->left -= (int64_t)instructions;
	if ((t->left <= 0 || gives_way) && !atomic_load(&c->board->ended))
		pass(c);
}

uint64_t board_turn_left(const struct board *b)
{
	return b->turns.left > 0 ? (uint64_t)b->turns.left : 1;
}

/* machine.ran: a TD has executed so much on the processor. What it may execute next is returned. */
static uint64_t td_ran(void *board, struct machine_lp *lp, uint64_t instructions, bool gives_way)
{
	struct board *b = board;

	board_turn(&b->cpu[lp->id], instructions, gives_way);
	return board_turn_left(b);
}

void board_turns_start(struct board *b, uint64_t seed)
{
	b->turns.on = true;
	b->turns.random = seed;
	b->turns.left = TURN;
	b->m->ran = td_ran;
	b->m->ran_arg = b;
	timers_by_hand(b->timers);
	for (unsigned i = 0; i < b->ncpus; i++)
		b->cpu[i].x86->steady = true;
}

void board_turns_end(struct board *b)
{
	pthread_mutex_lock(&b->turns.lock);
	for (unsigned i = 0; i < b->ncpus; i++)
		pthread_cond_signal(&b->cpu[i].turn);
	pthread_mutex_unlock(&b->turns.lock);
}
