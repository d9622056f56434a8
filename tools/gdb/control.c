/* SPDX-License-Identifier: MIT */
/* Stopping vCPUs and letting them go; breakpoints and steps, by what the host of a debug TD may
 * write: INT3 into memory and #BP in the exception bitmap, DR0..DR3 and #DB, the monitor trap flag.
 *
 * A #BP where no breakpoint is was the guest's own. The host cannot inject it, so the instruction
 * is executed again with #BP let through, for one step. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "arch/vmcs.h"
#include "arch/x86.h"
#include "tools/gdb/internal.h"
#include "vmm/fields.h"

#define DR7_USED 0xffff00ffull

/* Bring a vCPU's controls to what it is to do. It is parked, or it is the caller. */
static bool apply(struct gdb *g, unsigned i, bool step)
{
	struct gdb_vcpu *v = &g->vcpu[i];
	uint32_t exceptions = (g->nsoft && !v->reflecting ? 1u << VECTOR_BP : 0) |
			      (g->hard_used ? 1u << VECTOR_DB : 0);
	bool trap_flag = step || v->reflecting;

	if (exceptions != v->exceptions) {
		if (!gdb_set_field(g, i, VP_FIELD_VMCS_32(VMCS_EXCEPTION_BITMAP), exceptions,
				   1u << VECTOR_BP | 1u << VECTOR_DB))
			return false;
		v->exceptions = exceptions;
	}
	if (trap_flag != v->trap_flag) {
		if (!gdb_set_field(g, i, VP_FIELD_VMCS_32(VMCS_PROCBASED_CTLS),
				   trap_flag ? PROCBASED_MONITOR_TRAP : 0, PROCBASED_MONITOR_TRAP))
			return false;
		v->trap_flag = trap_flag;
	}
	/* A vCPU that never had one has nothing to be taken away, which might be refused. */
	if (v->hard_generation != g->hard_generation && (g->hard_used || v->hard_used)) {
		uint64_t dr7 = 0;

		for (unsigned n = 0; n < GDB_HARD; n++) {
			dr7 |= (uint64_t)(g->hard_used >> n & 1) << (2 * n + 1); /* global */
			if (g->hard_used >> n & 1 &&
			    !gdb_set_field(g, i, md_vp.row[MD_VP_DR0 + n].id, g->hard[n], ~0ull))
				return false;
		}
		if (!gdb_set_field(g, i, VP_FIELD_VMCS_64(VMCS_GUEST_DR7), dr7, DR7_USED))
			return false;
		v->hard_generation = g->hard_generation;
		v->hard_used = g->hard_used;
	}
	return true;
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

void gdb_debug_exit(struct gdb *g, unsigned i, const struct tdx_run *run)
{
	struct gdb_vcpu *v = &g->vcpu[i];
	uint64_t rip;

	if (run->debug.step) {
		bool own = v->reflecting;

		v->reflecting = false;
		if (own && v->action != GDB_STEP)
			apply(g, i, false);
		else
			stop_here(g, v, GDB_STEPPED);
	} else if (run->debug.vector == VECTOR_BP) {
		if (gdb_field(g, i, VP_FIELD_VMCS_64(VMCS_GUEST_RIP), &rip) && soft_at(g, rip)) {
			stop_here(g, v, GDB_SOFT_BREAK);
		} else {
			v->reflecting = true;
			apply(g, i, v->action == GDB_STEP);
		}
	} else {
		stop_here(g, v,
			  run->debug.qualification & DR6_BREAKS ? GDB_HARD_BREAK : GDB_STEPPED);
	}
}

void gdb_before_run(struct gdb *g, unsigned i)
{
	struct gdb_vcpu *v = &g->vcpu[i];

	pthread_mutex_lock(&g->lock);
	v->parked = true;
	pthread_cond_broadcast(&g->changed);
	while (!g->closing && !g->ending && (g->stopped || v->action == GDB_HOLD))
		pthread_cond_wait(&g->changed, &g->lock);
	v->parked = false;
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
			tdx_vcpu_kick(g->vcpu[i].vcpu);
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
			g->hard_generation++;
			if (in_force(g))
				return 0;
			g->hard_used &= ~(1u << i);
			g->hard_generation++;
			return EPERM;
		}
	return ENOSPC;
}

int gdb_remove(struct gdb *g, bool hard, uint64_t gla)
{
	int h = hard ? hard_at(g, gla) : -1;

	if (h >= 0) {
		g->hard_used &= ~(1u << h);
		g->hard_generation++;
	}
	for (unsigned i = 0; !hard && i < g->nsoft; i++)
		if (g->soft[i].gla == gla)
			return remove_soft(g, i);
	return 0;
}

void gdb_remove_all(struct gdb *g)
{
	while (g->nsoft)
		remove_soft(g, g->nsoft - 1);
	if (g->hard_used)
		g->hard_generation++;
	g->hard_used = 0;
}
