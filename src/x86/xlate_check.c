/* SPDX-License-Identifier: MIT */
/* Every so many executions of a translated block, both: the emitted code with a journal of what it
 * stores, back to where it began, the interpreter, and a comparison. The guest goes on from what
 * the interpreter made.
 *
 * Emitted code for this ends before it calls a handler out, as a handler's effects cannot be taken
 * back, and is not linked. It writes through no entry of the TLB, so that each store comes here.
 * One vCPU only: another's store must not be taken back with those of the block. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include "x86/flags.h"
#include "x86/xlate.h"

#define JOURNAL	   128u
#define OFTEN	   64u /* the first executions of a block are compared, then each so many */
#define JMP_CANNOT 4

enum outcome { O_WENT_ON, O_STOPPED, O_FAULT, O_EXIT, O_CANNOT };

/* From ymm_hi up to the end of the opmasks. */
#define WIDE	  offsetof(struct x86_cpu, ymm_hi)
#define WIDE_SIZE (offsetof(struct x86_cpu, k) + sizeof(((struct x86_cpu *)0)->k) - WIDE)

/* All that a block may change without a handler. */
struct state {
	struct tdx_regs regs;
	uint64_t blkrip, rip, cr2, sysflags;
	int64_t left;
	uint16_t fl;
	struct x86_xmm xmm[16];
	uint8_t wide[WIDE_SIZE];
	struct x86_fxregs fx;
	uint8_t event[sizeof(((struct x86_cpu *)0)->ev)];
	struct x86_exit exit;
};

struct x86_check {
	struct {
		uint8_t *host;
		unsigned len;
		uint8_t before[16], after[16];
	} journal[JOURNAL];
	unsigned stores;
	int64_t steps;
	struct x86_op stopped; /* what emitted code that is at its end returns */
};

int xl_check_open(struct x86_cpu *cpu)
{
	cpu->check = calloc(1, sizeof(*cpu->check));
	return cpu->check ? 0 : -ENOMEM;
}

static void save(const struct x86_cpu *cpu, struct state *s)
{
	s->regs = cpu->regs;
	s->blkrip = cpu->blkrip;
	s->rip = cpu->rip;
	s->cr2 = cpu->cr2;
	s->left = cpu->left;
	s->fl = cpu->fl;
	s->sysflags = cpu->sysflags;
	memcpy(s->xmm, cpu->xmm, sizeof(s->xmm));
	memcpy(s->wide, (const uint8_t *)cpu + WIDE, WIDE_SIZE);
	s->fx = cpu->fx;
	memcpy(s->event, &cpu->ev, sizeof(s->event));
	s->exit = cpu->exit;
}

static void restore(struct x86_cpu *cpu, const struct state *s)
{
	cpu->regs = s->regs;
	cpu->blkrip = s->blkrip;
	cpu->rip = s->rip;
	cpu->cr2 = s->cr2;
	cpu->left = s->left;
	cpu->fl = s->fl;
	cpu->sysflags = s->sysflags;
	memcpy(cpu->xmm, s->xmm, sizeof(s->xmm));
	memcpy((uint8_t *)cpu + WIDE, s->wide, WIDE_SIZE);
	cpu->fx = s->fx;
	memcpy(&cpu->ev, s->event, sizeof(s->event));
	cpu->exit = s->exit;
	cpu->cur = NULL;
	cpu->rmw_pending = 0;
	cpu->step_one = false;
	cpu->dr_hit = 0;
}

/* --- what emitted code calls --- */

_Noreturn void x86_check_cannot(struct x86_cpu *cpu)
{
	longjmp(cpu->jb, JMP_CANNOT);
}

const struct x86_op *xl_check_stop(struct x86_cpu *cpu, const struct x86_op *op)
{
	x86_at(cpu, op);
	cpu->blkrip = cpu->rip;
	return &cpu->check->stopped;
}

const struct x86_op *xl_check_attend(struct x86_cpu *cpu)
{
	return &cpu->check->stopped;
}

static void note(struct x86_cpu *cpu, uint8_t *host, unsigned len)
{
	struct x86_check *c = cpu->check;

	/* One by one, instructions would see code that was just changed; a block does not. */
	if (c->stores == JOURNAL || x86_code_at(cpu->code, host, len))
		longjmp(cpu->jb, JMP_CANNOT);
	c->journal[c->stores].host = host;
	c->journal[c->stores].len = len;
	memcpy(c->journal[c->stores].before, host, len);
	c->stores++;
}

void *xl_check_rmw(struct x86_cpu *cpu, const struct x86_op *op, uint64_t va, unsigned size)
{
	void *p = x86_rmw_slow(cpu, op, va, size);

	note(cpu, cpu->bounce_part[0].host, cpu->bounce_here);
	if (size > cpu->bounce_here)
		note(cpu, cpu->bounce_part[1].host, size - cpu->bounce_here);
	return p;
}

void xl_check_store(struct x86_cpu *cpu, const struct x86_op *op, uint64_t va, uint64_t v,
		    unsigned size)
{
	memcpy(xl_check_rmw(cpu, op, va, size), &v, size);
	RMW_DONE;
}

void xl_check_push(struct x86_cpu *cpu, const struct x86_op *op, uint64_t sp, uint64_t v,
		   unsigned size)
{
	cpu->cur = op;
	sp = x86_seg_ea(cpu, X86_SS, sp, size, true);
	cpu->cur = NULL;
	xl_check_store(cpu, op, sp, v, size);
}

/* --- both --- */

static enum outcome outcome_of(int jumped)
{
	return jumped == JMP_FAULT ? O_FAULT : jumped == JMP_EXIT ? O_EXIT : O_CANNOT;
}

static enum outcome run_emitted(struct x86_cpu *cpu, const void *code)
{
	const struct x86_op *(*enter)(struct x86_cpu *, const void *);
	const void *way = xl_enter(cpu);
	const int jumped = setjmp(cpu->jb);

	if (jumped)
		return outcome_of(jumped);
	memcpy(&enter, &way, sizeof(enter));
	return enter(cpu, code) == &cpu->check->stopped ? O_STOPPED : O_WENT_ON;
}

/* count: so many instructions one after the other; 0: the block, which goes to its end. */
static enum outcome interpret(struct x86_cpu *cpu, const struct x86_block *b, int64_t count,
			      const struct x86_op **next)
{
	const int jumped = setjmp(cpu->jb);

	if (jumped)
		return outcome_of(jumped);
	if (!count) {
		*next = b->ops[1].fn(cpu, b->ops + 1);
		return O_WENT_ON;
	}
	while (cpu->check->steps) {
		const struct x86_op *head;

		cpu->check->steps--;
		cpu->rip = cpu->blkrip;
		head = x86_lookup(cpu, M_ONE);
		head[1].fn(cpu, head + 1);
	}
	cpu->rip = cpu->blkrip;
	*next = x86_lookup(cpu, 0);
	return O_STOPPED;
}

static void take_back(struct x86_check *c)
{
	unsigned i;

	for (i = 0; i < c->stores; i++)
		memcpy(c->journal[i].after, c->journal[i].host, c->journal[i].len);
	while (i-- > 0)
		memcpy(c->journal[i].host, c->journal[i].before, c->journal[i].len);
}

static const char *difference(const struct x86_cpu *cpu, const struct state *e, enum outcome how,
			      enum outcome other)
{
	const struct x86_check *c = cpu->check;
	unsigned i;

	if (how != other)
		return "the way out";
	if (memcmp(&e->regs, &cpu->regs, 16 * sizeof(uint64_t)) != 0)
		return "a register";
	if (e->fl != cpu->fl || e->sysflags != cpu->sysflags)
		return "a flag";
	if (e->left != cpu->left)
		return "the count";
	if (how == O_FAULT || how == O_EXIT ? e->rip != cpu->rip : e->blkrip != cpu->blkrip)
		return "RIP";
	if (memcmp(e->xmm, cpu->xmm, sizeof(e->xmm)) != 0 ||
	    memcmp(e->wide, (const uint8_t *)cpu + WIDE, WIDE_SIZE) != 0)
		return "a vector";
	if (memcmp(&e->fx, &cpu->fx, sizeof(e->fx)) != 0)
		return "x87 or MXCSR";
	if (e->cr2 != cpu->cr2)
		return "CR2";
	if (how == O_FAULT && memcmp(e->event, &cpu->ev, sizeof(e->event)) != 0)
		return "the fault";
	if (how == O_EXIT &&
	    (e->exit.reason != cpu->exit.reason || e->exit.gpa != cpu->exit.gpa ||
	     e->exit.gla != cpu->exit.gla || e->exit.qualification != cpu->exit.qualification))
		return "the exit";
	for (i = 0; i < c->stores; i++)
		if (memcmp(c->journal[i].host, c->journal[i].after, c->journal[i].len) != 0)
			return "memory";
	return NULL;
}

static void tell(struct x86_cpu *cpu, uint64_t rip, struct state *e, const char *what)
{
	struct x86_check_result *r = x86_code_result(cpu->code);
	unsigned i;

	if (r->differences++)
		return;
	for (i = 0; i < 16; i++)
		if (*tdx_reg(&e->regs, i) != *tdx_reg(&cpu->regs, i))
			break;
	snprintf(r->first, sizeof(r->first),
		 "block at 0x%llx, mode 0x%x: %s (flags 0x%x, interpreted 0x%x; register %u)",
		 (unsigned long long)rip, cpu->mode, what, e->fl, cpu->fl, i);
}

/* The block at blkrip. Returns what to go on with, or faults and exits as the interpreter did. */
const struct x86_op *xl_check_block(struct x86_cpu *cpu, struct x86_block *b, const void *code)
{
	struct x86_check *c = cpu->check;
	const struct x86_op *next = b->ops + 1;
	struct state start, emitted;
	enum outcome how, other;
	const char *what;
	int64_t count;
	jmp_buf outer;

	if (b->checked++ > OFTEN && b->checked % OFTEN != 0)
		return next;
	memcpy(&outer, &cpu->jb, sizeof(outer));
	save(cpu, &start);
	c->stores = 0;
	cpu->checking = true;
	cpu->left = b->ops->disp; /* one turn of a loop */
	how = run_emitted(cpu, code);
	count = b->ops->disp - cpu->left;
	cpu->left += start.left - b->ops->disp;
	cpu->checking = false;
	save(cpu, &emitted);
	take_back(c);
	restore(cpu, &start);
	if (how == O_CANNOT || (how == O_STOPPED && !count)) {
		memcpy(&cpu->jb, &outer, sizeof(outer));
		return next;
	}
	c->steps = count;
	other = interpret(cpu, b, how == O_STOPPED ? count : 0, &next);
	memcpy(&cpu->jb, &outer, sizeof(outer));
	/* An instruction that wants to begin again as a block of its own has no outcome yet. */
	if (other == O_CANNOT)
		longjmp(cpu->jb, JMP_AGAIN);
	x86_code_result(cpu->code)->compared++;
	what = difference(cpu, &emitted, how, other);
	if (what)
		tell(cpu, start.blkrip, &emitted, what);
	if (other == O_FAULT)
		longjmp(cpu->jb, JMP_FAULT);
	if (other == O_EXIT)
		longjmp(cpu->jb, JMP_EXIT);
	return next;
}
