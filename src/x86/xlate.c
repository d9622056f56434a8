/* SPDX-License-Identifier: MIT */
/* When blocks are translated, linked and forgotten.
 *
 * A block's head counts how often it is executed; after so many times the block is translated, or
 * left to the interpreter for good. Emitted code is never changed: where a link leads, and where a
 * block begins, is a word of data. When a processor has all the room it may have, it forgets all
 * its code and begins again with what is in use. */
#include <cpuid.h>
#include <errno.h>
#include <stdlib.h>
#include "x86/xlate.h"

#define CALLOUT_OPS (256u << 10) / sizeof(struct x86_op) /* for each chunk */

struct x86_xlate {
	struct xl_pool *pool;
	const struct xl_stubs *stubs;
	unsigned after; /* executions */
	unsigned nchunks, chunk;
	uint8_t *chunks[XL_CHUNKS];
	struct x86_op *callouts[XL_CHUNKS]; /* the operations that a chunk's code calls */
	unsigned ncallouts;
	struct emit e, cold;
	struct xl_unit unit;
};

static void ask_host(struct xl_unit *u)
{
	unsigned a, b = 0, c = 0, d;

	u->has_xsave = __get_cpuid(1, &a, &b, &c, &d) && (c >> 27 & 1); /* OSXSAVE */
	b = 0;
	u->has_adx = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b >> 19 & 1);
}

int xl_open(struct x86_cpu *cpu)
{
	unsigned after;
	bool check;
	struct xl_pool *pool = x86_code_pool(cpu->code, &after, &check);
	struct x86_xlate *x;

	if (!pool)
		return 0;
	x = calloc(1, sizeof(*x));
	if (!x)
		return -ENOMEM;
	x->pool = pool;
	x->after = after;
	x->stubs = xl_pool_stubs(pool);
	xl_pool_join(pool);
	ask_host(&x->unit);
	cpu->xlate = x;
	return check ? xl_check_open(cpu) : 0;
}

/* All chunks but so many. */
static void give_back(struct x86_xlate *x, unsigned keep)
{
	for (; x->nchunks > keep; x->nchunks--) {
		xl_pool_give(x->pool, x->chunks[x->nchunks - 1]);
		free(x->callouts[x->nchunks - 1]);
	}
}

void xl_close(struct x86_cpu *cpu)
{
	struct x86_xlate *x = cpu->xlate;

	if (!x)
		return;
	give_back(x, 0);
	xl_pool_leave(x->pool);
	free(cpu->check);
	free(x);
}

/* --- what emitted code calls --- */

OP(xl_go_on)
{
	(void)cpu;
	(void)op;
	return NULL;
}

const struct x86_op *xl_goto(struct x86_cpu *cpu, uint64_t rip)
{
	cpu->rip = rip;
	return x86_lookup(cpu, 0);
}

const struct x86_op *xl_attend(struct x86_cpu *cpu)
{
	cpu->rip = cpu->blkrip;
	return x86_attend(cpu);
}

uint64_t xl_pop(struct x86_cpu *cpu, const struct x86_op *op, uint64_t sp, unsigned size)
{
	uint64_t v;

	cpu->cur = op;
	v = x86_ld(cpu, x86_seg_ea(cpu, X86_SS, sp, size, false), size, ACC_SS);
	cpu->cur = NULL;
	return v;
}

void xl_push_slow(struct x86_cpu *cpu, const struct x86_op *op, uint64_t sp, uint64_t v,
		  unsigned size)
{
	cpu->cur = op;
	x86_st(cpu, x86_seg_ea(cpu, X86_SS, sp, size, true), v, size, ACC_SS);
	cpu->cur = NULL;
}

void xl_rmw_done(struct x86_cpu *cpu)
{
	RMW_DONE;
}

static struct x86_block *block_of(const struct x86_op *head)
{
	return (struct x86_block *)(uintptr_t)head->imm;
}

const struct x86_op *xl_relink(struct x86_cpu *cpu, struct x86_link *link)
{
	const uint64_t evictions = x86_cache_evictions(cpu);
	const struct x86_op *to = link->to;

	if (link->gen != R64(link->which))
		to = x86_relink(cpu, link);
	if (evictions == x86_cache_evictions(cpu) && link->to == to &&
	    block_of(to)->code != cpu->xlate->stubs->ops)
		link->code = block_of(to)->code;
	return to;
}

/* --- heads --- */

static bool must_attend(struct x86_cpu *cpu, const struct x86_op *op)
{
	return unlikely(cpu->left < op->disp ||
			atomic_load_explicit(&cpu->attn, memory_order_relaxed));
}

SOP(head_with_code)
{
	const struct x86_op *(*enter)(struct x86_cpu *, const void *);
	const void *way = cpu->xlate->stubs->enter;

	memcpy(&enter, &way, sizeof(enter));
	return enter(cpu, block_of(op)->code);
}

const void *xl_enter(const struct x86_cpu *cpu)
{
	return cpu->xlate->stubs->enter;
}

SOP(head_with_both)
{
	struct x86_block *b = block_of(op);

	if (must_attend(cpu, op))
		return xl_attend(cpu);
	return xl_check_block(cpu, b, b->emitted);
}

static void translate(struct x86_cpu *cpu, struct x86_block *b);

SOP(head_that_counts)
{
	struct x86_block *b = block_of(op);

	if (must_attend(cpu, op))
		return xl_attend(cpu);
	if (b->executed++ >= cpu->xlate->after) {
		translate(cpu, b);
		return b->ops[0].fn(cpu, b->ops);
	}
	NEXT;
}

void xl_born(struct x86_cpu *cpu, struct x86_block *b)
{
	unsigned i;

	if (!cpu->xlate || b->dropped)
		return;
	b->executed = b->checked = 0;
	b->code = cpu->xlate->stubs->ops;
	b->ops[0].fn = head_that_counts;
	for (i = 0; i < b->nlinks; i++)
		b->links[i].code = cpu->xlate->stubs->relink;
}

const void *xl_unlinked(const struct x86_cpu *cpu)
{
	return cpu->xlate ? cpu->xlate->stubs->relink : NULL;
}

const void *xl_dropped(const struct x86_cpu *cpu)
{
	return cpu->xlate ? cpu->xlate->stubs->again : NULL;
}

/* --- room --- */

static void begin_chunk(struct x86_xlate *x, unsigned i, intptr_t rx)
{
	x->chunk = i;
	x->ncallouts = 0;
	x->e = (struct emit){x->chunks[i], x->chunks[i] + XL_HOT, rx};
	x->cold = (struct emit){x->e.end, x->chunks[i] + XL_CHUNK, rx};
}

struct x86_op *xl_callout_ops(struct x86_cpu *cpu, unsigned n)
{
	struct x86_xlate *x = cpu->xlate;
	struct x86_op *ops = x->callouts[x->chunk] + x->ncallouts;

	if (x->ncallouts + n > CALLOUT_OPS)
		return NULL;
	x->ncallouts += n;
	return ops;
}

static bool another_chunk(struct x86_xlate *x)
{
	const unsigned n = x->nchunks;
	struct x86_op *callouts;
	uint8_t *chunk;
	intptr_t rx;

	chunk = xl_pool_take(x->pool, n, &rx);
	if (!chunk)
		return false;
	callouts = calloc(CALLOUT_OPS, sizeof(*callouts));
	if (!callouts) {
		xl_pool_give(x->pool, chunk);
		return false;
	}
	x->chunks[n] = chunk;
	x->callouts[n] = callouts;
	x->nchunks++;
	begin_chunk(x, n, rx);
	return true;
}

static bool has_room(const struct emit *e)
{
	return e->end - e->p >= (ptrdiff_t)XL_UNIT;
}

static bool make_room(struct x86_cpu *cpu)
{
	struct x86_xlate *x = cpu->xlate;
	const intptr_t rx = x->e.rx;

	if (x->nchunks && has_room(&x->e) && has_room(&x->cold) &&
	    x->ncallouts + 2 * BLOCK_OPS <= CALLOUT_OPS)
		return true;
	if (x->nchunks && x->chunk + 1 < x->nchunks) {
		begin_chunk(x, x->chunk + 1, rx);
		return true;
	}
	if (another_chunk(x))
		return true;
	if (!x->nchunks)
		return false;
	x86_cache_each(cpu, xl_born);
	give_back(x, xl_pool_share(x->pool)); /* for processors that have come since */
	begin_chunk(x, 0, rx);
	return true;
}

static bool suits(const struct x86_cpu *cpu, const struct x86_block *b)
{
	return (b->mode & M_L64 || x86_flat32(b->mode)) && !(b->mode & M_ONE) && !b->host2 &&
	       !cpu->nbreaks && !cpu->dr_execution;
}

static void translate(struct x86_cpu *cpu, struct x86_block *b)
{
	struct x86_xlate *x = cpu->xlate;
	struct xl_unit *u = &x->unit;
	unsigned callouts;

	b->ops[0].fn = x86_head;
	if (!suits(cpu, b) || !make_room(cpu))
		return;
	b->ops[0].fn = x86_head; /* making room may have taken it for a new one */
	while ((uintptr_t)x->e.p & 15)
		emit1(&x->e, 0xcc);
	u->cpu = cpu;
	u->block = b;
	u->stubs = x->stubs;
	u->e = x->e;
	u->e.end = x->e.p + XL_UNIT;
	u->cold = x->cold;
	u->cold.end = x->cold.p + XL_UNIT;
	u->ncolds = u->callouts = 0;
	u->failed = false;
	u->check = cpu->check;
	callouts = x->ncallouts;
	if (!xl_unit(u)) {
		x->ncallouts = callouts;
		return;
	}
	x->e.p = u->e.p;
	x->cold.p = u->cold.p;
	b->emitted = u->entry;
	b->ops[0].fn = head_with_both;
	if (cpu->check)
		return;
	b->code = u->entry;
	b->ops[0].fn = head_with_code;
}
