/* SPDX-License-Identifier: MIT */
/* A debugger of the host kernel: its processors' state, where they stop, and memory by address.
 *
 * A processor that waits, halted or in the firmware, is as well held as one that executes. */
#include "board/internal.h"

#include <string.h>

void board_debug_before(struct board_cpu *c)
{
	const struct board_debug *d = c->board->cfg.debug;

	if (!d)
		return;
	atomic_store(&c->debug_kick, false);
	d->before(c->board->cfg.debug_arg, c->id);
}

void board_debug_gone(const struct board_cpu *c)
{
	if (c->board->cfg.debug)
		c->board->cfg.debug->gone(c->board->cfg.debug_arg, c->id);
}

static void stopped(const struct board_cpu *c, enum board_stop why)
{
	c->board->cfg.debug->stopped(c->board->cfg.debug_arg, c->id, why);
}

bool board_debug_exit(const struct board_cpu *c, const struct x86_exit *e)
{
	if (!c->board->cfg.debug)
		return false;
	if (e->reason == X86_EXIT_BREAKPOINT) {
		stopped(c, BOARD_STOP_HARD);
		return true;
	}
	if (e->reason == VMX_EXIT_EXCEPTION_OR_NMI && c->points.soft &&
	    VMX_EVENT_VECTOR(e->intr_info) == VECTOR_BP) {
		stopped(c, BOARD_STOP_INT3);
		return true;
	}
	return false;
}

void board_debug_after(const struct board_cpu *c, const struct x86_exit *e)
{
	if (c->points.step && e->reason != X86_EXIT_KICK)
		stopped(c, BOARD_STOP_STEP);
}

void board_debug_kick(struct board *b, unsigned cpu)
{
	struct board_cpu *c = &b->cpu[cpu];

	atomic_store(&c->debug_kick, true);
	x86_kick(c->x86);
	pthread_mutex_lock(&c->lock);
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
	pthread_mutex_lock(&b->mailbox_lock);
	pthread_cond_broadcast(&b->mailbox);
	pthread_mutex_unlock(&b->mailbox_lock);
}

bool board_arm(struct board *b, unsigned cpu, const struct board_points *points)
{
	struct board_cpu *c = &b->cpu[cpu];
	bool ok = true;

	for (unsigned i = 0; i < BOARD_HARD; i++) {
		if (c->points.hard_used >> i & 1)
			x86_breakpoint(c->x86, c->points.hard[i], false);
		if (points->hard_used >> i & 1)
			ok &= x86_breakpoint(c->x86, points->hard[i], true) == 0;
	}
	c->x86->exception_bitmap &= ~(1u << VECTOR_BP);
	if (points->soft)
		c->x86->exception_bitmap |= 1u << VECTOR_BP;
	c->points = *points;
	return ok;
}

void board_state_get(const struct board *b, unsigned cpu, struct board_state *s)
{
	const struct x86_cpu *x = b->cpu[cpu].x86;

	*s = (struct board_state){
		.regs = x->regs,
		.rip = x->rip,
		.rflags = x86_rflags(x),
		.cr0 = x->cr0,
		.cr2 = x->cr2,
		.cr3 = x->cr3,
		.cr4 = x->cr4,
		.efer = x->efer,
		.fs_base = x->seg[X86_FS].base,
		.gs_base = x->seg[X86_GS].base,
	};
	for (unsigned i = 0; i < X86_NOSEG; i++)
		s->selector[i] = x->seg[i].sel;
	memcpy(s->fxsave, &x->fx, sizeof(x->fx));
	memcpy(s->fxsave + sizeof(x->fx), x->xmm, sizeof(x->xmm));
}

void board_state_set(struct board *b, unsigned cpu, const struct board_state *s)
{
	struct x86_cpu *x = b->cpu[cpu].x86;

	x->regs = s->regs;
	x->rip = s->rip;
	x86_set_rflags(x, s->rflags);
	memcpy(&x->fx, s->fxsave, sizeof(x->fx));
	memcpy(x->xmm, s->fxsave + sizeof(x->fx), sizeof(x->xmm));
}

bool board_poke(struct board *b, uint64_t pa, const void *bytes, size_t len)
{
	uint8_t *p = board_ram(b, pa, len);

	if (!p)
		return false;
	memcpy(p, bytes, len);
	x86_code_written(b->code, p);
	x86_code_written(b->code, p + len - 1);
	return true;
}
