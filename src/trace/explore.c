/* SPDX-License-Identifier: MIT */
/* The search through the states that schedules lead to. Each thread is a fiber; each state is
 * reached by running the schedule that found it from the snapshot on. */
#include "trace/explore.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/native/fiber.h"
#include "module/invariants.h"
#include "module/hooks.h"
#include "module/tx.h"
#include "trace/holders.h"

enum { STACK = 64 << 10, DEFAULT_MAX_STATES = 1000000, NO_NODE = 0xffffffff };

struct node {
	struct state_hash hash;
	double ways; /* schedules that lead here */
	uint32_t parent;
	uint32_t depth;
	uint8_t thread; /* whose step led here from parent */
	uint8_t enabled;
	bool ends; /* some schedule from here finishes */
};

struct edge {
	uint32_t from, to;
};

struct thread {
	struct explore *e;
	unsigned id;
	struct fiber fiber;
	unsigned at;
	bool done;
	/* of the step just made */
	bool returned;
	unsigned returned_at;
	struct outcome outcome;
};

struct explore {
	const struct scenario *s;
	const struct module_hooks *hooks; /* ours */
	struct player *p;
	struct snapshot *snap;
	struct fiber host;
	struct thread thread[SCENARIO_MAX_THREADS];
	struct thread *current; /* NULL: nobody yields */
	struct node *node;
	unsigned nnodes, max_nodes, limit;
	uint32_t *table; /* node + 1 by hash */
	unsigned table_size;
	struct edge *edge;
	unsigned nedges, max_edges;
	struct holders holders; /* since the beginning of this schedule */
	/* while showing a schedule: who listened to the module before, and still does */
	const struct module_hooks *next;
	void *next_arg;
	void (*event)(void *arg, const struct explore_event *ev);
	void *event_arg;
	unsigned step;
};

/* --- threads --- */

static void yield_to_search(struct explore *e)
{
	struct thread *t = e->current;

	if (t)
		fiber_switch(&t->fiber, &e->host);
}

static void tell(struct explore *e, struct explore_event *ev)
{
	if (!e->event || !e->current)
		return;
	ev->step = e->step;
	ev->thread = e->current->id;
	ev->call = e->current->at;
	e->event(e->event_arg, ev);
}

/* --- listening --- */

/* The other listener hears what is shown, not the steps that lead to a beginning. */
static bool heard(const struct explore *e)
{
	return e->next && e->event;
}

static struct tdx_status on_enter(void *arg, struct lp *lp, bool guest, struct tdx_regs *regs)
{
	struct explore_event ev = {.kind = EVENT_BEGIN, .lp = lp->id};
	struct explore *e = arg;

	if (!guest) {
		yield_to_search(e);
		tell(e, &ev);
	}
	return heard(e) ? e->next->enter(e->next_arg, lp, guest, regs) : tdx_success();
}

static void on_leave(void *arg, struct lp *lp, bool guest, const struct tdx_regs *in,
		     const struct tdx_regs *out)
{
	struct explore *e = arg;

	if (heard(e))
		e->next->leave(e->next_arg, lp, guest, in, out);
}

static void on_resume(void *arg, struct lp *lp, enum module_next next)
{
	struct explore *e = arg;

	if (heard(e))
		e->next->resume(e->next_arg, lp, next);
}

static void on_exit_of_guest(void *arg, struct lp *lp, const struct vmexit *exit,
			     const struct tdx_regs *guest)
{
	struct explore_event ev = {.kind = EVENT_BEGIN, .lp = lp->id};
	struct explore *e = arg;

	yield_to_search(e);
	tell(e, &ev);
	if (heard(e))
		e->next->exit(e->next_arg, lp, exit, guest);
}

static void on_acquired(void *arg, struct lp *lp, enum lock_resource res, uint64_t key,
			enum lock_mode mode, bool guest, enum lock_result result)
{
	struct explore_event ev = {.kind = EVENT_ACQUIRE,
				   .lp = lp->id,
				   .res = res,
				   .key = key,
				   .mode = mode,
				   .result = result};
	struct explore *e = arg;

	if (result == LOCK_OK)
		holders_take(&e->holders, (struct holder){lp->id, res, key, mode});
	tell(e, &ev);
	if (heard(e))
		e->next->acquired(e->next_arg, lp, res, key, mode, guest, result);
	yield_to_search(e);
}

static void on_step(void *arg, struct lp *lp)
{
	(void)lp;
	yield_to_search(arg);
}

/* One step: in between the locks are not taken one by one. */
static void on_took(void *arg, struct lp *lp, const struct tx_held *lock, unsigned n)
{
	struct explore *e = arg;

	for (const struct tx_held *end = lock + n; lock < end; lock++) {
		struct explore_event ev = {.kind = EVENT_ACQUIRE,
					   .lp = lp->id,
					   .res = lock->res,
					   .key = lock->key,
					   .mode = lock->mode,
					   .result = LOCK_OK};

		holders_take(&e->holders,
			     (struct holder){lp->id, lock->res, lock->key, lock->mode});
		tell(e, &ev);
		if (heard(e))
			e->next->acquired(e->next_arg, lp, lock->res, lock->key, lock->mode, false,
					  LOCK_OK);
	}
	yield_to_search(e);
}

static void on_released(void *arg, struct lp *lp, enum lock_resource res, uint64_t key,
			enum lock_mode mode)
{
	struct explore_event ev = {
		.kind = EVENT_RELEASE, .lp = lp->id, .res = res, .key = key, .mode = mode};
	struct explore *e = arg;

	holders_release(&e->holders, (struct holder){lp->id, res, key, mode});
	tell(e, &ev);
	if (heard(e))
		e->next->released(e->next_arg, lp, res, key, mode);
	yield_to_search(e);
}

static const struct module_hooks hooks = {
	.enter = on_enter,
	.leave = on_leave,
	.resume = on_resume,
	.acquired = on_acquired,
	.released = on_released,
	.exit = on_exit_of_guest,
};

static const struct module_hooks short_way_hooks = {
	.enter = on_enter,
	.leave = on_leave,
	.resume = on_resume,
	.acquired = on_acquired,
	.released = on_released,
	.step = on_step,
	.took = on_took,
	.exit = on_exit_of_guest,
};

static struct outcome outcome_of(const struct vec_step *s, bool ran, const struct played *d)
{
	struct outcome o = {.status = tdx_status(d->regs.rax)};
	bool guest = s->kind == VEC_TDCALL || s->kind == VEC_GUEST;

	if (!ran)
		return (struct outcome){.kind = OUTCOME_NOT_RUN};
	if (d->next == MODULE_SHUTDOWN)
		return (struct outcome){.kind = OUTCOME_FATAL};
	if (d->next == MODULE_TO_HOST)
		o.kind = guest ? OUTCOME_TD_EXIT : OUTCOME_STATUS;
	else
		o.kind = guest ? OUTCOME_GUEST : OUTCOME_ENTERED;
	if (o.kind == OUTCOME_ENTERED || (o.kind == OUTCOME_GUEST && s->kind == VEC_GUEST))
		o.status = tdx_success();
	return o;
}

static void thread_main(void *arg)
{
	struct thread *t = arg;
	struct explore *e = t->e;
	const struct scenario_thread *st = &e->s->thread[t->id];

	for (t->at = 0; t->at < st->nsteps;) {
		const struct scenario_step *step = &st->step[t->at];
		struct explore_event ev = {.kind = EVENT_END};
		struct played d;
		bool ran;

		memset(&d, 0, sizeof(d));
		ran = player_step(e->p, &step->step, &d);
		if (d.call || !ran) {
			t->outcome = outcome_of(&step->step, ran, &d);
			t->returned = true;
			t->returned_at = t->at;
			ev.outcome = t->outcome;
			ev.lp = d.lp;
			tell(e, &ev);
		}
		if (step->retry && outcome_is_busy(&t->outcome))
			continue;
		t->at++;
	}
	t->done = true;
	for (;;)
		yield_to_search(e);
}

static void step_thread(struct explore *e, unsigned id)
{
	struct thread *t = &e->thread[id];

	t->returned = false;
	e->current = t;
	fiber_switch(&e->host, &t->fiber);
	e->current = NULL;
}

/* Back to the beginning: every thread stands before its first call. */
static void begin(struct explore *e)
{
	snapshot_rewind(e->snap);
	holders_none(&e->holders);
	for (unsigned i = 0; i < e->s->nthreads; i++) {
		struct thread *t = &e->thread[i];

		fiber_rearm(&t->fiber);
		t->at = 0;
		t->done = false;
		step_thread(e, i);
	}
}

static uint8_t enabled(const struct explore *e)
{
	uint8_t set = 0;

	for (unsigned i = 0; i < e->s->nthreads; i++)
		set |= (uint8_t)(!e->thread[i].done << i);
	return set;
}

static struct state_hash hash_now(const struct explore *e)
{
	struct state_hash h = snapshot_hash(e->snap);

	for (unsigned i = 0; i < e->s->nthreads; i++) {
		const struct thread *t = &e->thread[i];
		const uint8_t *top = (const uint8_t *)t->fiber.stack + t->fiber.size;
		uint64_t at[2] = {t->at, t->done};

		h = hash_more(h, at, sizeof(at));
		if (!t->done)
			h = hash_more(h, t->fiber.sp, (size_t)(top - (const uint8_t *)t->fiber.sp));
	}
	return h;
}

/* --- states --- */

static unsigned *slot_of(struct explore *e, struct state_hash h)
{
	unsigned i = (unsigned)h.a & (e->table_size - 1);

	while (e->table[i]) {
		const struct node *n = &e->node[e->table[i] - 1];

		if (n->hash.a == h.a && n->hash.b == h.b)
			break;
		i = (i + 1) & (e->table_size - 1);
	}
	return &e->table[i];
}

static bool grow_table(struct explore *e)
{
	unsigned size = e->table_size ? 2 * e->table_size : 1024;
	uint32_t *table = calloc(size, sizeof(*table));

	if (!table)
		return false;
	free(e->table);
	e->table = table;
	e->table_size = size;
	for (unsigned i = 0; i < e->nnodes; i++)
		*slot_of(e, e->node[i].hash) = i + 1;
	return true;
}

/* NO_NODE: out of memory. */
static uint32_t add_node(struct explore *e, struct state_hash h, uint32_t parent, uint8_t thread)
{
	struct node *n;

	if (e->nnodes == e->max_nodes) {
		unsigned max = e->max_nodes ? 2 * e->max_nodes : 512;
		struct node *more = realloc(e->node, max * sizeof(*more));

		if (!more)
			return NO_NODE;
		e->node = more;
		e->max_nodes = max;
	}
	if (2 * e->nnodes >= e->table_size && !grow_table(e))
		return NO_NODE;
	n = &e->node[e->nnodes];
	*n = (struct node){.hash = h, .parent = parent, .thread = thread, .enabled = enabled(e)};
	if (parent != NO_NODE)
		n->depth = e->node[parent].depth + 1;
	*slot_of(e, h) = ++e->nnodes;
	return e->nnodes - 1;
}

static bool add_edge(struct explore *e, uint32_t from, uint32_t to)
{
	if (e->nedges == e->max_edges) {
		unsigned max = e->max_edges ? 2 * e->max_edges : 1024;
		struct edge *more = realloc(e->edge, max * sizeof(*more));

		if (!more)
			return false;
		e->edge = more;
		e->max_edges = max;
	}
	e->edge[e->nedges++] = (struct edge){from, to};
	return true;
}

unsigned explore_schedule(const struct explore *e, unsigned node, uint8_t *thread, unsigned max)
{
	unsigned n = e->node[node].depth;

	for (unsigned i = n; i-- > 0; node = e->node[node].parent)
		if (i < max)
			thread[i] = e->node[node].thread;
	return n < max ? n : max;
}

unsigned outcome_schedule(const struct explore *e, const struct outcome *o, uint8_t *thread,
			  unsigned max)
{
	unsigned n = explore_schedule(e, o->node, thread, max);

	if (n < max)
		thread[n++] = o->thread;
	return n;
}

static void note_outcome(struct explore_result *r, const struct thread *t, unsigned node)
{
	struct explore_call *c = &r->call[t->id][t->returned_at];

	for (unsigned i = 0; i < c->n; i++)
		if (c->outcome[i].kind == t->outcome.kind &&
		    c->outcome[i].status.raw == t->outcome.status.raw)
			return;
	if (c->n == EXPLORE_MAX_OUTCOMES)
		return;
	c->outcome[c->n] = t->outcome;
	c->outcome[c->n].thread = (uint8_t)t->id;
	c->outcome[c->n++].node = node;
}

static void final_state(struct explore *e, const struct explore_options *opt,
			struct explore_result *r, unsigned node)
{
	r->finals++;
	e->node[node].ends = true;
	if (opt->check && !r->broken &&
	    !module_check_invariants(e->p->mod, r->why, sizeof(r->why))) {
		r->broken = true;
		r->broken_node = node;
	}
}

/* The schedule to `from`, then one step of a thread. */
static int follow(struct explore *e, const struct explore_options *opt, struct explore_result *r,
		  uint32_t from, uint8_t id)
{
	uint8_t schedule[EXPLORE_MAX_STEPS];
	unsigned n = explore_schedule(e, from, schedule, EXPLORE_MAX_STEPS);
	struct state_hash h;
	uint32_t to;

	if (n == EXPLORE_MAX_STEPS) {
		r->bounded = true;
		return 0;
	}
	begin(e);
	for (unsigned i = 0; i < n; i++)
		step_thread(e, schedule[i]);
	step_thread(e, id);
	r->runs++;
	h = hash_now(e);
	if (opt->apart)
		h = (struct state_hash){e->nnodes, ~e->nnodes};
	to = *slot_of(e, h);
	if (to == 0) {
		to = add_node(e, h, from, id);
		if (to == NO_NODE)
			return -ENOMEM;
		if (e->node[to].enabled == 0)
			final_state(e, opt, r, to);
	} else
		to--;
	if (*e->holders.clash && opt->check && !r->broken) {
		r->broken = true;
		r->broken_node = to;
		memccpy(r->why, e->holders.clash, '\0', sizeof(r->why));
	}
	if (e->thread[id].returned)
		note_outcome(r, &e->thread[id], from);
	return add_edge(e, from, to) ? 0 : -ENOMEM;
}

/* Which states have a way to the end? Edges are in the order of the search, so few passes do. */
static void find_stuck(struct explore *e, struct explore_result *r)
{
	bool again = true;

	while (again) {
		again = false;
		for (unsigned i = e->nedges; i-- > 0;) {
			struct node *from = &e->node[e->edge[i].from];

			if (!from->ends && e->node[e->edge[i].to].ends)
				from->ends = again = true;
		}
	}
	for (unsigned i = 0; i < e->nnodes; i++)
		if (!e->node[i].ends && r->stuck++ == 0)
			r->stuck_node = i;
}

/* Ways to every state, in an order in which those to the states before it are known; when there is
 * none, threads that try again can go on for ever. Edges are sorted by where they begin. */
static bool count_schedules(struct explore *e, struct explore_result *r)
{
	uint32_t *queue = calloc(e->nnodes, 3 * sizeof(*queue)), *in = queue + e->nnodes,
		 *first = in + e->nnodes;
	unsigned head = 0, tail = 0;

	if (!queue)
		return false;
	for (unsigned i = e->nedges; i-- > 0;) {
		first[e->edge[i].from] = i;
		in[e->edge[i].to]++;
	}
	e->node[0].ways = 1;
	if (in[0] == 0)
		queue[tail++] = 0;
	while (head < tail) {
		uint32_t from = queue[head++];

		for (unsigned i = first[from]; i < e->nedges && e->edge[i].from == from; i++) {
			uint32_t to = e->edge[i].to;

			e->node[to].ways += e->node[from].ways;
			if (--in[to] == 0)
				queue[tail++] = to;
		}
		if (e->node[from].enabled == 0)
			r->schedules += e->node[from].ways;
	}
	if (tail < e->nnodes)
		r->schedules = INFINITY;
	free(queue);
	return true;
}

static int search(struct explore *e, const struct explore_options *opt, struct explore_result *r)
{
	unsigned max = opt->max_states ? opt->max_states : DEFAULT_MAX_STATES;
	int err = 0;

	memset(r, 0, sizeof(*r));
	e->nnodes = e->nedges = 0;
	if (e->table)
		memset(e->table, 0, e->table_size * sizeof(*e->table));
	else if (!grow_table(e))
		return -ENOMEM;
	begin(e);
	if (add_node(e, hash_now(e), NO_NODE, 0) == NO_NODE)
		return -ENOMEM;
	for (uint32_t i = 0; i < e->nnodes && !err; i++) {
		if (e->nnodes >= max) {
			r->bounded = true;
			break;
		}
		if (opt->progress && i % 64 == 0)
			opt->progress(opt->arg, e->nnodes, i);
		for (uint8_t t = 0; t < e->s->nthreads && !err; t++)
			if (e->node[i].enabled & 1u << t)
				err = follow(e, opt, r, i, t);
	}
	r->states = e->nnodes;
	if (err)
		return err;
	if (!r->bounded)
		find_stuck(e, r);
	return count_schedules(e, r) ? 0 : -ENOMEM;
}

/* Learn which pages the threads write: each order of whole threads, one after the other. */
static int learn(struct explore *e)
{
	unsigned n = e->s->nthreads;

	snapshot_restore(e->snap);
	for (unsigned first = 0; first < n; first++) {
		begin(e);
		for (unsigned i = 0; i < n; i++)
			for (unsigned k = 0;
			     k < EXPLORE_MAX_STEPS && !e->thread[(first + i) % n].done; k++)
				step_thread(e, (first + i) % n);
	}
	return snapshot_learn(e->snap);
}

int explore_run(struct explore *e, const struct explore_options *opt, struct explore_result *r)
{
	int err;

	module_set_hooks(e->p->mod, e->hooks, e);
	err = learn(e);
	while (!err) {
		err = search(e, opt, r);
		if (err)
			break;
		err = snapshot_surprised(e->snap);
		if (err <= 0)
			break;
		err = snapshot_learn(e->snap); /* a page only some schedules write */
	}
	module_set_hooks(e->p->mod, NULL, NULL);
	return err;
}

void explore_show(struct explore *e, const uint8_t *thread, unsigned n, bool finish,
		  void (*event)(void *arg, const struct explore_event *ev), void *arg)
{
	e->next = e->p->mod->hooks;
	e->next_arg = e->p->mod->hooks_arg;
	module_set_hooks(e->p->mod, e->hooks, e);
	begin(e);
	e->event = event;
	e->event_arg = arg;
	for (e->step = 0; e->step < n; e->step++)
		if (thread[e->step] < e->s->nthreads)
			step_thread(e, thread[e->step]);
	for (unsigned i = 0; finish && i < e->s->nthreads; i++)
		for (; e->step < EXPLORE_MAX_STEPS && !e->thread[i].done; e->step++)
			step_thread(e, i);
	e->event = NULL;
	module_set_hooks(e->p->mod, e->next, e->next_arg);
	e->next = NULL;
}

struct explore *explore_new(const struct scenario *s, struct player *p, struct snapshot *snap)
{
	struct explore *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->s = s;
	e->hooks = &hooks;
	e->p = p;
	e->snap = snap;
	fiber_host_init(&e->host);
	for (unsigned i = 0; i < s->nthreads; i++) {
		e->thread[i].e = e;
		e->thread[i].id = i;
		if (!fiber_init(&e->thread[i].fiber, STACK, thread_main, &e->thread[i])) {
			explore_free(e);
			return NULL;
		}
	}
	return e;
}

void explore_short_way(struct explore *e)
{
	e->hooks = &short_way_hooks;
}

void explore_free(struct explore *e)
{
	if (!e)
		return;
	for (unsigned i = 0; i < e->s->nthreads; i++)
		if (e->thread[i].fiber.stack)
			fiber_free(&e->thread[i].fiber);
	free(e->node);
	free(e->table);
	free(e->edge);
	free(e);
}
