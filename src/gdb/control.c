/* SPDX-License-Identifier: MIT */
/* Stopping vCPUs and letting them go; breakpoints and steps: INT3 in memory, and what the target
 * can be armed with.
 *
 * A #BP where no breakpoint is was the guest's own. The host cannot inject it, so the instruction
 * is executed again with #BP let through, for one step. */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "gdb/internal.h"

/* Bring a vCPU's controls to what it is to do. It is parked, or it is the caller. */
static bool apply(struct gdb *g, unsigned i, bool step)
{
	const struct gdb_vcpu *v = &g->vcpu[i];
	struct gdb_points p = {.step = step || v->reflecting,
			       .soft = g->nsoft && !v->reflecting,
			       .hard_used = g->hard_used};

	memcpy(p.hard, g->hard, sizeof(p.hard));
	return gdb_arm(g, i, &p);
}

/* --- the vCPUs' threads --- */

void gdb_wake(struct gdb *g)
{
	if (write(g->wake[1], "", 1) < 0)
		return; /* full: the server is about to look anyway */
}

static void stop_here(struct gdb *g, struct gdb_vcpu *v, enum gdb_why why)
{
	pthread_mutex_lock(&g->lock);
	v->why = why;
	v->action = GDB_HOLD;
	pthread_mutex_unlock(&g->lock);
	gdb_wake(g);
}

static bool soft_at(struct gdb *g, uint64_t gla)
{
	bool found = false;

	pthread_mutex_lock(&g->lock);
	for (unsigned i = 0; i < g->nsoft && !found; i++)
		found = g->soft[i].gla == gla;
	pthread_mutex_unlock(&g->lock);
	return found;
}

void gdb_stopped(struct gdb *g, unsigned i, enum gdb_event event)
{
	struct gdb_vcpu *v = &g->vcpu[i];
	bool own = v->reflecting;
	uint64_t rip;

	switch (event) {
	case GDB_EVENT_STEP:
		v->reflecting = false;
		if (own && v->action != GDB_STEP)
			apply(g, i, false);
		else
			stop_here(g, v, GDB_STEPPED);
		break;
	case GDB_EVENT_INT3:
		if (gdb_get_word(g, i, GDB_rip, &rip) && soft_at(g, rip)) {
			stop_here(g, v, GDB_SOFT_BREAK);
		} else {
			v->reflecting = true;
			apply(g, i, v->action == GDB_STEP);
		}
		break;
	case GDB_EVENT_HARD:
		stop_here(g, v, GDB_HARD_BREAK);
		break;
	}
}

static bool held(const struct gdb *g, unsigned i)
{
	return !g->closing && !g->ending && (g->stopped || g->vcpu[i].action == GDB_HOLD);
}

void gdb_before_run(struct gdb *g, unsigned i)
{
	struct gdb_vcpu *v = &g->vcpu[i];

	pthread_mutex_lock(&g->lock);
	v->parked = true;
	pthread_cond_broadcast(&g->changed);
	while (held(g, i))
		pthread_cond_wait(&g->changed, &g->lock);
	v->parked = false;
	pthread_mutex_unlock(&g->lock);
}

bool gdb_may_run(struct gdb *g, unsigned i, unsigned milliseconds)
{
	struct gdb_vcpu *v = &g->vcpu[i];
	struct timespec until;
	bool may;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += (long)milliseconds * 1000000l;
	until.tv_sec += until.tv_nsec / 1000000000l;
	until.tv_nsec %= 1000000000l;
	pthread_mutex_lock(&g->lock);
	v->parked = true;
	pthread_cond_broadcast(&g->changed);
	while (held(g, i))
		if (pthread_cond_timedwait(&g->changed, &g->lock, &until))
			break;
	may = !held(g, i);
	v->parked = !may;
	pthread_mutex_unlock(&g->lock);
	return may;
}

void gdb_left(struct gdb *g, unsigned i)
{
	pthread_mutex_lock(&g->lock);
	g->vcpu[i].parked = true;
	pthread_cond_broadcast(&g->changed);
	pthread_mutex_unlock(&g->lock);
}

void gdb_gone(struct gdb *g, unsigned i)
{
	pthread_mutex_lock(&g->lock);
	g->vcpu[i].gone = true;
	pthread_cond_broadcast(&g->changed);
	pthread_mutex_unlock(&g->lock);
}

/* --- the server --- */

void gdb_stop(struct gdb *g)
{
	pthread_mutex_lock(&g->lock);
	g->stopped = true;
	for (unsigned i = 0; i < g->cfg.nvcpus; i++)
		if (!g->vcpu[i].parked && !g->vcpu[i].gone)
			g->cfg.target->kick(g->cfg.target_arg, i);
	for (unsigned i = 0; i < g->cfg.nvcpus; i++)
		while (!g->vcpu[i].parked && !g->vcpu[i].gone && !g->closing)
			pthread_cond_wait(&g->changed, &g->lock);
	pthread_mutex_unlock(&g->lock);
}

bool gdb_resume(struct gdb *g)
{
	bool ok = true;

	for (unsigned i = 0; i < g->cfg.nvcpus && ok; i++)
		if (!g->vcpu[i].gone && g->vcpu[i].action != GDB_HOLD)
			ok = apply(g, i, g->vcpu[i].action == GDB_STEP);
	if (!ok)
		return false;
	pthread_mutex_lock(&g->lock);
	for (unsigned i = 0; i < g->cfg.nvcpus; i++)
		g->vcpu[i].why = GDB_NOT_STOPPED;
	g->stopped = false;
	pthread_cond_broadcast(&g->changed);
	pthread_mutex_unlock(&g->lock);
	return true;
}

void gdb_release(struct gdb *g)
{
	for (unsigned i = 0; i < g->cfg.nvcpus; i++)
		if (!g->vcpu[i].gone)
			apply(g, i, false);
	pthread_mutex_lock(&g->lock);
	for (unsigned i = 0; i < g->cfg.nvcpus; i++) {
		g->vcpu[i].action = GDB_CONTINUE;
		g->vcpu[i].why = GDB_NOT_STOPPED;
	}
	g->stopped = false;
	pthread_cond_broadcast(&g->changed);
	pthread_mutex_unlock(&g->lock);
}

static int insert_soft(struct gdb *g, uint64_t gla)
{
	static const uint8_t int3 = 0xcc;
	struct gdb_soft b = {.gla = gla};

	if (soft_at(g, gla))
		return 0;
	if (g->nsoft == GDB_SOFT)
		return ENOSPC;
	if (!gdb_translate(g, gla, &b.gpa) || !gdb_read_gpa(g, b.gpa, &b.old, 1) ||
	    !gdb_write_gpa(g, b.gpa, &int3, 1))
		return EFAULT;
	pthread_mutex_lock(&g->lock);
	g->soft[g->nsoft++] = b;
	pthread_mutex_unlock(&g->lock);
	return 0;
}

static int remove_soft(struct gdb *g, unsigned i)
{
	struct gdb_soft b = g->soft[i];

	pthread_mutex_lock(&g->lock);
	g->soft[i] = g->soft[--g->nsoft];
	pthread_mutex_unlock(&g->lock);
	return gdb_write_gpa(g, b.gpa, &b.old, 1) ? 0 : EFAULT;
}

static int hard_at(const struct gdb *g, uint64_t gla)
{
	for (unsigned i = 0; i < GDB_HARD; i++)
		if (g->hard_used >> i & 1 && g->hard[i] == gla)
			return (int)i;
	return -1;
}

/* What is not taken now would be refused when the guest is to go on. */
static bool in_force(struct gdb *g)
{
	for (unsigned i = 0; i < g->cfg.nvcpus; i++)
		if (!g->vcpu[i].gone && !apply(g, i, false))
			return false;
	return true;
}

int gdb_insert(struct gdb *g, bool hard, uint64_t gla)
{
	if (!hard)
		return insert_soft(g, gla);
	if (hard_at(g, gla) >= 0)
		return 0;
	for (unsigned i = 0; i < GDB_HARD; i++)
		if (!(g->hard_used >> i & 1)) {
			g->hard[i] = gla;
			g->hard_used |= 1u << i;
			if (in_force(g))
				return 0;
			g->hard_used &= ~(1u << i);
			return EPERM;
		}
	return ENOSPC;
}

int gdb_remove(struct gdb *g, bool hard, uint64_t gla)
{
	int h = hard ? hard_at(g, gla) : -1;

	if (h >= 0)
		g->hard_used &= ~(1u << h);
	for (unsigned i = 0; !hard && i < g->nsoft; i++)
		if (g->soft[i].gla == gla)
			return remove_soft(g, i);
	return 0;
}

void gdb_remove_all(struct gdb *g)
{
	while (g->nsoft)
		remove_soft(g, g->nsoft - 1);
	g->hard_used = 0;
}
