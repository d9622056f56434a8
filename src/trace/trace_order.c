/* SPDX-License-Identifier: MIT */
/* The order in which calls that overlapped can be made one after the other and answer the same.
 *
 * Whoever had a lock first goes first: a holder before whom it turned away, and a host that was
 * turned away (it leaves host priority behind) before those who tried later. What is left free goes
 * in order of beginning. Two calls that turned each other away have no such order; any will do
 * then, since both locks are held by an agent when they are played. */
#include <stdlib.h>
#include <string.h>

#include "trace/trace_show.h"

struct attempt {
	uint64_t key, ns;
	size_t record;
	uint8_t res;
	bool alone; /* exclusive, or turned away */
};

struct edge {
	size_t to, from; /* `from` first */
};

struct list {
	void *at;
	size_t n, max, size;
};

static void *add(struct list *l)
{
	if (l->n == l->max) {
		size_t max = l->max ? 2 * l->max : 256;
		void *more = realloc(l->at, max * l->size);

		if (!more)
			return NULL;
		l->at = more;
		l->max = max;
	}
	return (char *)l->at + l->n++ * l->size;
}

static bool is_call(const struct trace_record *r)
{
	return r->type == TRACE_SEAMCALL || r->type == TRACE_EXIT;
}

static bool put_edge(struct list *edges, size_t from, size_t to)
{
	struct edge *e = from != to ? add(edges) : NULL;

	if (e)
		*e = (struct edge){to, from};
	return e || from == to;
}

static int by_lock(const void *a, const void *b)
{
	const struct attempt *x = a, *y = b;

	if (x->res != y->res)
		return x->res < y->res ? -1 : 1;
	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	if (x->ns != y->ns)
		return x->ns < y->ns ? -1 : 1;
	return (x->record > y->record) - (x->record < y->record);
}

static int by_to(const void *a, const void *b)
{
	const struct edge *x = a, *y = b;

	return (x->to > y->to) - (x->to < y->to);
}

/* Attempts on one lock in their order: each after the last that was alone; one that is alone after
 * all since then as well. */
static bool conflicts(const struct attempt *a, size_t n, struct list *edges)
{
	size_t last = n, since = 0;

	for (size_t i = 0; i < n; i++) {
		if (last < n && !put_edge(edges, a[last].record, a[i].record))
			return false;
		if (!a[i].alone)
			continue;
		for (size_t k = since; k < i; k++)
			if (!put_edge(edges, a[k].record, a[i].record))
				return false;
		last = i;
		since = i + 1;
	}
	return true;
}

/* Records of a processor keep their order. */
static bool own_order(const struct trace_file *f, size_t from, size_t to, struct list *edges)
{
	size_t before[256];

	memset(before, 0xff, sizeof(before));
	for (size_t i = from; i < to; i++) {
		size_t *b = &before[f->record[i].lp & 0xff];

		if (*b != ~(size_t)0 && !put_edge(edges, *b, i))
			return false;
		*b = i;
	}
	return true;
}

static bool lock_order(const struct trace_file *f, size_t from, size_t to, struct list *edges)
{
	struct list attempts = {.size = sizeof(struct attempt)};
	const struct attempt *a;
	bool ok = true;
	size_t n;

	for (size_t i = from; i < to; i++)
		for (unsigned k = 0; ok && k < f->record[i].nlocks; k++) {
			const struct trace_lock *l = &f->record[i].lock[k];
			struct attempt *new = add(&attempts);

			ok = new != NULL;
			if (ok)
				*new = (struct attempt){
					l->key, f->record[i].begin_ns + l->taken_ns, i, l->res,
					l->mode == LOCK_EXCLUSIVE || l->result != LOCK_OK};
		}
	a = attempts.at;
	if (ok && attempts.n)
		qsort(attempts.at, attempts.n, sizeof(*a), by_lock);
	for (size_t i = 0; ok && i < attempts.n; i += n) {
		for (n = 1;
		     i + n < attempts.n && a[i + n].res == a[i].res && a[i + n].key == a[i].key;)
			n++;
		ok = conflicts(a + i, n, edges);
	}
	free(attempts.at);
	return ok;
}

/* Depth first, what must precede first. A cycle is cut where it is met. */
static bool sort(const struct edge *e, size_t nedges, size_t from, size_t to, size_t *order)
{
	size_t n = to - from, out = from, depth;
	size_t *next = calloc(n + 1, sizeof(*next)), *stack = calloc(n, sizeof(*stack));
	bool *seen = calloc(n, sizeof(*seen)), ok = next && stack && seen;

	/* Edges are in order of `to`: next[i] is the first of i's not looked at yet. */
	for (size_t i = 0, k = 0; ok && i <= n; i++) {
		while (k < nedges && e[k].to < from + i)
			k++;
		next[i] = k;
	}
	for (size_t i = 0; ok && i < n; i++) {
		if (seen[i])
			continue;
		stack[0] = i;
		seen[i] = true;
		for (depth = 1; depth > 0;) {
			size_t top = stack[depth - 1];

			if (next[top] < nedges && e[next[top]].to == from + top) {
				size_t before = e[next[top]++].from - from;

				if (!seen[before]) {
					seen[before] = true;
					stack[depth++] = before;
				}
			} else {
				order[out++] = from + top;
				depth--;
			}
		}
	}
	free(next);
	free(stack);
	free(seen);
	return ok;
}

/* Records from..to overlap. */
static bool order_these(const struct trace_file *f, size_t from, size_t to, size_t *order)
{
	struct list edges = {.size = sizeof(struct edge)};
	bool ok = own_order(f, from, to, &edges) && lock_order(f, from, to, &edges);

	if (ok && edges.n)
		qsort(edges.at, edges.n, sizeof(struct edge), by_to);
	ok = ok && sort(edges.at, edges.n, from, to, order);
	free(edges.at);
	return ok;
}

size_t *trace_order(const struct trace_file *f)
{
	size_t *order = calloc(f->nrecords + 1, sizeof(*order)), from = 0, calls = 0;
	uint64_t until = 0;
	bool ok = order != NULL;

	for (size_t i = 0; ok && i <= f->nrecords; i++) {
		const struct trace_record *r = i < f->nrecords ? &f->record[i] : NULL;

		if (r && !(is_call(r) && r->begin_ns >= until)) {
			calls += is_call(r);
		} else {
			for (size_t k = from; k < i; k++)
				order[k] = k;
			ok = calls < 2 || order_these(f, from, i, order);
			from = i;
			calls = 1;
		}
		if (r && is_call(r) && r->begin_ns + r->duration_ns > until)
			until = r->begin_ns + r->duration_ns;
	}
	if (!ok) {
		free(order);
		return NULL;
	}
	return order;
}
