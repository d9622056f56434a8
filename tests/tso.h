/* SPDX-License-Identifier: MIT */
/* x86's memory order, by running every order: code that works on words by C's and the compiler's
 * atomic operations, included after this header, is executed by up to three processors whose stores
 * wait in a buffer each and become visible one by one, later.
 *
 * A processor is a function of what it has read. So its state is the list of that: to go on, the
 * function is run from the start, told what it read before, up to the next operation that another
 * processor can notice, and left there. The search goes depth first through all choices of who is
 * next (a processor's operation, or the oldest store of its buffer) and follows each state once.
 * Words that only one processor writes or reads are no choice. Intel SDM, volume 3, 9.2: loads look
 * into the own buffer first, locked operations wait until it is empty; nothing else is out of
 * order. */
#ifndef TESTS_TSO_H
#define TESTS_TSO_H

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	TSO_CPUS = 3,
	TSO_CELLS = 64,
	TSO_READS = 160,
	TSO_BUFFER = 24,
	TSO_NOTES = 16,
	TSO_FEW = 1 << 12,
};

enum tso_kind { TSO_LOAD, TSO_PAUSE, TSO_ADD, TSO_OR, TSO_AND, TSO_SWAP, TSO_COMPARE };

struct tso_cpu {
	unsigned ops, reads, buffered; /* ops: everything done, reads and stores */
	bool done;
	enum tso_kind next; /* what it would do */
	uint8_t next_cell;
	uint64_t read[TSO_READS];
	struct {
		uint64_t cell, value;
	} buffer[TSO_BUFFER];
};

struct tso_state {
	struct tso_cpu cpu[TSO_CPUS];
	uint64_t cell[TSO_CELLS];
	unsigned note[TSO_NOTES]; /* what the processors say of themselves, outside of memory */
};

/* The processors, and what must be so after each step and at the end. */
struct tso_program {
	unsigned cpus;
	void (*run)(void *arg, unsigned cpu);
	bool (*is_sound)(void *arg, const struct tso_state *s, bool at_end);
	void *arg;
};

struct tso {
	const struct tso_program *program;
	struct {
		const volatile void *word;
		size_t size;
		uint8_t readers, writers;
	} cell[TSO_CELLS];
	unsigned cells;
	bool learnt; /* of a word that it is shared: what was searched before counts for nothing */
	uint64_t (*visited)[2]; /* hashes; room is a power of two, half of it never used */
	unsigned room, states, ends;
	bool broken;
	/* while a processor runs */
	struct tso_state *s;
	unsigned cpu, at, reads;
	bool goes; /* the operation it stands before is done */
	jmp_buf stop;
};

static struct tso tso;

static uint64_t tso_cut(uint64_t v, size_t size)
{
	return size == 8 ? v : v & ((1ull << 8 * size) - 1);
}

static uint8_t tso_cell(const volatile void *word, size_t size)
{
	unsigned i;

	for (i = 0; i < tso.cells && tso.cell[i].word != word; i++)
		;
	if (i == tso.cells) {
		assert_true(tso.cells < TSO_CELLS);
		tso.cell[tso.cells].word = word;
		tso.cell[tso.cells++].size = size;
		tso.learnt = true;
	}
	assert_int_equal(tso.cell[i].size, size);
	return (uint8_t)i;
}

static void tso_uses(uint8_t cell, bool writes)
{
	uint8_t *who = writes ? &tso.cell[cell].writers : &tso.cell[cell].readers;

	tso.learnt |= !(*who >> tso.cpu & 1);
	*who |= (uint8_t)(1u << tso.cpu);
}

/* As this processor sees it. */
static uint64_t tso_seen(uint8_t cell)
{
	const struct tso_cpu *c = &tso.s->cpu[tso.cpu];

	for (unsigned i = c->buffered; i-- > 0;)
		if (c->buffer[i].cell == cell)
			return c->buffer[i].value;
	return tso.s->cell[cell];
}

static bool tso_is_noticed(enum tso_kind kind, uint8_t cell)
{
	return kind != TSO_LOAD || tso.cell[cell].writers & ~(1u << tso.cpu);
}

/* Is the operation that now comes one of those done before? */
static bool tso_is_past(void)
{
	return tso.at++ < tso.s->cpu[tso.cpu].ops;
}

static uint64_t tso_read(enum tso_kind kind, const volatile void *word, size_t size,
			 uint64_t operand, uint64_t expected)
{
	struct tso_cpu *c = &tso.s->cpu[tso.cpu];
	const uint8_t cell = kind == TSO_PAUSE ? 0 : tso_cell(word, size);
	uint64_t old, value;

	if (tso_is_past())
		return c->read[tso.reads++];
	if (tso_is_noticed(kind, cell)) {
		if (!tso.goes) {
			c->next = kind;
			c->next_cell = cell;
			longjmp(tso.stop, 1);
		}
		tso.goes = false;
	}
	old = kind == TSO_PAUSE ? 0 : tso_seen(cell);
	value = kind == TSO_ADD			      ? old + operand
		: kind == TSO_OR		      ? old | operand
		: kind == TSO_AND		      ? old & operand
		: kind == TSO_SWAP || old == expected ? operand
						      : old;
	if (kind != TSO_PAUSE)
		tso_uses(cell, false);
	if (kind != TSO_PAUSE && kind != TSO_LOAD) {
		tso_uses(cell, true);
		tso.s->cell[cell] = tso_cut(value, size);
	}
	c->ops++;
	assert_true(c->reads < TSO_READS);
	c->read[c->reads++] = old;
	tso.reads++;
	return old;
}

static void tso_store(volatile void *word, size_t size, uint64_t value)
{
	struct tso_cpu *c = &tso.s->cpu[tso.cpu];
	const uint8_t cell = tso_cell(word, size);

	if (tso_is_past())
		return;
	c->ops++;
	tso_uses(cell, true);
	assert_true(c->buffered < TSO_BUFFER);
	c->buffer[c->buffered].cell = cell;
	c->buffer[c->buffered++].value = tso_cut(value, size);
}

/* A fence is a locked operation on a word of nobody's. */
static void tso_fence(void)
{
	static uint64_t nobodys;

	tso_read(TSO_OR, &nobodys, sizeof(nobodys), 0, 0);
}

/* Here another may be next. */
static void tso_pause(void)
{
	tso_read(TSO_PAUSE, NULL, 0, 0, 0);
}

static void tso_note(unsigned n, int more)
{
	if (tso_is_past())
		return;
	tso.s->cpu[tso.cpu].ops++;
	tso.s->note[n] += (unsigned)more;
}

static bool tso_compare(volatile void *word, void *expected, size_t size, uint64_t value)
{
	uint64_t want = 0, old;

	memcpy(&want, expected, size);
	old = tso_read(TSO_COMPARE, word, size, value, want);
	memcpy(expected, &old, size);
	return old == want;
}

/* --- the search --- */

/* Up to the next operation that others notice, that included when `goes`. */
static void tso_run(struct tso_state *s, unsigned cpu, bool goes)
{
	tso.s = s;
	tso.cpu = cpu;
	tso.at = tso.reads = 0;
	tso.goes = goes;
	if (setjmp(tso.stop))
		return;
	tso.program->run(tso.program->arg, cpu);
	s->cpu[cpu].done = true;
}

static void tso_drain(struct tso_state *s, unsigned cpu)
{
	struct tso_cpu *c = &s->cpu[cpu];

	s->cell[c->buffer[0].cell] = c->buffer[0].value;
	c->buffered--;
	memmove(&c->buffer[0], &c->buffer[1], c->buffered * sizeof(c->buffer[0]));
	memset(&c->buffer[c->buffered], 0, sizeof(c->buffer[0]));
}

/* Stores that nobody else looks at. */
static void tso_drain_own(struct tso_state *s, unsigned cpu)
{
	const struct tso_cpu *c = &s->cpu[cpu];

	while (c->buffered &&
	       !((tso.cell[c->buffer[0].cell].readers | tso.cell[c->buffer[0].cell].writers) &
		 ~(1u << cpu)))
		tso_drain(s, cpu);
}

static bool tso_may_go(const struct tso_cpu *c)
{
	return !c->done && (c->next == TSO_LOAD || c->next == TSO_PAUSE || !c->buffered);
}

static void tso_hash(const void *bytes, size_t len, uint64_t h[2])
{
	const uint64_t *w = bytes;

	for (size_t i = 0; i < len / 8; i++) {
		h[0] = (h[0] ^ w[i]) * 0x9e3779b97f4a7c15ull;
		h[0] ^= h[0] >> 32;
		h[1] = (h[1] + w[i]) * 0xc2b2ae3d27d4eb4full;
		h[1] ^= h[1] >> 29;
	}
}

static uint64_t *tso_place(const uint64_t h[2])
{
	unsigned i = (unsigned)h[0] & (tso.room - 1);

	while ((tso.visited[i][0] | tso.visited[i][1]) &&
	       (tso.visited[i][0] != h[0] || tso.visited[i][1] != h[1]))
		i = (i + 1) & (tso.room - 1);
	return tso.visited[i];
}

static void tso_make_room(unsigned room)
{
	uint64_t(*old)[2] = tso.visited;
	const unsigned n = old ? tso.room : 0;

	tso.room = room;
	tso.visited = calloc(room, sizeof(tso.visited[0]));
	assert_non_null(tso.visited);
	for (unsigned i = 0; i < n; i++)
		if (old[i][0] | old[i][1])
			memcpy(tso_place(old[i]), old[i], sizeof(old[i]));
	free(old);
}

/* False: it was seen before. */
static bool tso_is_new(const struct tso_state *s)
{
	uint64_t h[2] = {1, 2}, *place;

	for (unsigned i = 0; i < tso.program->cpus; i++) {
		const struct tso_cpu *c = &s->cpu[i];
		const uint64_t counts[] = {c->ops, c->reads, c->buffered, c->done};

		tso_hash(counts, sizeof(counts), h);
		tso_hash(c->read, c->reads * sizeof(c->read[0]), h);
		tso_hash(c->buffer, c->buffered * sizeof(c->buffer[0]), h);
	}
	tso_hash(s->cell, tso.cells * sizeof(s->cell[0]), h);
	place = tso_place(h);
	if (place[0] | place[1])
		return false;
	memcpy(place, h, sizeof(h));
	if (2 * ++tso.states >= tso.room)
		tso_make_room(2 * tso.room);
	return true;
}

static void tso_follow(struct tso_state *s);

static void tso_choose(const struct tso_state *from, unsigned cpu, bool drains)
{
	struct tso_state *s = malloc(sizeof(*s));

	assert_non_null(s);
	memcpy(s, from, sizeof(*s));
	if (drains)
		tso_drain(s, cpu);
	else
		tso_run(s, cpu, true);
	tso_drain_own(s, cpu);
	tso_follow(s);
	free(s);
}

static void tso_follow(struct tso_state *s)
{
	bool at_end = true;

	for (unsigned i = 0; i < tso.program->cpus; i++)
		at_end &= s->cpu[i].done && !s->cpu[i].buffered;
	if (tso.learnt || tso.broken || !tso_is_new(s))
		return;
	tso.ends += at_end;
	tso.broken = !tso.program->is_sound(tso.program->arg, s, at_end);
	for (unsigned i = 0; i < tso.program->cpus; i++) {
		if (tso_may_go(&s->cpu[i]))
			tso_choose(s, i, false);
		if (s->cpu[i].buffered)
			tso_choose(s, i, true);
	}
}

static void tso_begin(struct tso_state *s)
{
	memset(s, 0, sizeof(*s));
	for (unsigned i = 0; i < tso.cells; i++)
		memcpy(&s->cell[i], (const void *)(uintptr_t)tso.cell[i].word, tso.cell[i].size);
	for (unsigned i = 0; i < tso.program->cpus; i++) {
		tso_run(s, i, false);
		tso_drain_own(s, i);
	}
}

/* True: it was sound in every order. */
static bool tso_search(const struct tso_program *program)
{
	struct tso_state *s = malloc(sizeof(*s));

	memset(&tso, 0, sizeof(tso));
	tso.program = program;
	assert_non_null(s);
	do {
		free(tso.visited);
		tso.visited = NULL;
		tso_make_room(TSO_FEW);
		tso.learnt = false;
		tso.states = tso.ends = 0;
		tso_begin(s);
		tso_follow(s);
	} while (tso.learnt && !tso.broken);
	free(tso.visited);
	free(s);
	return !tso.broken;
}

/* --- what the code that follows means by its operations --- */

#undef atomic_load_explicit
#undef atomic_store_explicit
#undef atomic_exchange_explicit
#undef atomic_thread_fence

/* Not a plain cast: what it was need not be looked at. */
#define TSO_READ(kind, p, operand)                                                                 \
	__extension__({                                                                            \
		__typeof__((void)0, *(p)) was_ = (__typeof__((void)0, *(p)))tso_read(              \
			kind, p, sizeof(*(p)), (uint64_t)(operand), 0);                            \
		was_;                                                                              \
	})
/* A sequentially consistent store is an exchange. */
#define TSO_STORE(p, v, order)                                                                     \
	((order) == memory_order_seq_cst                                                           \
		 ? (void)tso_read(TSO_SWAP, p, sizeof(*(p)), (uint64_t)(v), 0)                     \
		 : tso_store(p, sizeof(*(p)), (uint64_t)(v)))

#define atomic_load_explicit(p, order)	      TSO_READ(TSO_LOAD, p, 0)
#define atomic_store_explicit(p, v, order)    TSO_STORE(p, v, order)
#define atomic_exchange_explicit(p, v, order) TSO_READ(TSO_SWAP, p, v)
#define atomic_thread_fence(order)	      tso_fence()

#define __atomic_load_n(p, order)	      TSO_READ(TSO_LOAD, p, 0)
#define __atomic_store_n(p, v, order)	      TSO_STORE(p, v, order)
#define __atomic_exchange_n(p, v, order)      TSO_READ(TSO_SWAP, p, v)
#define __atomic_fetch_add(p, v, order)	      TSO_READ(TSO_ADD, p, v)
#define __atomic_fetch_sub(p, v, order)	      TSO_READ(TSO_ADD, p, -(uint64_t)(v))
#define __atomic_fetch_or(p, v, order)	      TSO_READ(TSO_OR, p, v)
#define __atomic_fetch_and(p, v, order)	      TSO_READ(TSO_AND, p, v)
#define __atomic_compare_exchange_n(p, expected, v, weak, order, otherwise)                        \
	tso_compare(p, expected, sizeof(*(p)), (uint64_t)(v))

#endif
