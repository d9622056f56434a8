/* SPDX-License-Identifier: MIT */
/* Faults on purpose: which call they hit, and what they do to it. */
#include "system/system.h"

#include <swtdx/decode.h>

#include "abi/operand.h"
#include "module/census.h"

void system_faults_init(struct system_faults *faults, uint64_t seed)
{
	pthread_mutex_init(&faults->lock, NULL);
	faults->random = seed | 1;
}

void system_faults_destroy(struct system_faults *faults)
{
	pthread_mutex_destroy(&faults->lock);
}

int system_inject(struct system *sys, const struct tdx_fault *fault)
{
	struct system_faults *all = &sys->faults;
	int id = -1;

	pthread_mutex_lock(&all->lock);
	if (atomic_load(&all->n) < TDX_MODEL_FAULTS) {
		id = (int)atomic_load(&all->n);
		all->fault[id].f = *fault;
		all->fault[id].seen = 0;
		atomic_store(&all->fault[id].hits, 0);
		atomic_store(&all->n, (unsigned)id + 1);
	}
	pthread_mutex_unlock(&all->lock);
	return id;
}

uint64_t system_fault_hits(const struct system *sys, int id)
{
	return id >= 0 && id < TDX_MODEL_FAULTS ? atomic_load(&sys->faults.fault[id].hits) : 0;
}

void system_clear_faults(struct system *sys)
{
	pthread_mutex_lock(&sys->faults.lock);
	atomic_store(&sys->faults.n, 0);
	pthread_mutex_unlock(&sys->faults.lock);
}

static uint64_t draw(struct system_faults *all)
{
	all->random ^= all->random << 13;
	all->random ^= all->random >> 7;
	all->random ^= all->random << 17;
	return all->random;
}

/* Of a TDVPR in a register, without flags. */
#define TDVPR_MASK 0x000ffffffffff000ull

/* The register's value; 0 where the leaf takes nothing of the kind. */
static uint64_t operand(const struct tdx_regs *regs, unsigned leaf, const char *what)
{
	const int reg = tdx_leaf_operand_register(tdx_seamcall_leaf(leaf), what);
	struct tdx_regs copy = *regs;

	return reg < 0 ? 0 : *tdx_reg(&copy, (unsigned)reg);
}

static bool is_for_vcpu(struct system *sys, unsigned vcpu, unsigned leaf, unsigned lp,
			const struct tdx_regs *regs)
{
	const uint64_t tdvpr = operand(regs, leaf, "TDVPR") & TDVPR_MASK;
	unsigned index;

	return module_vcpu_index(sys->mod, tdvpr ? tdvpr : sys->faults.entered[lp], &index) &&
	       index == vcpu;
}

static bool is_on_gpa(gpa_t at, unsigned leaf, const struct tdx_regs *regs)
{
	const uint64_t word = operand(regs, leaf, "GPA");
	const unsigned level = gpa_level_level(word);
	const uint64_t size =
		level <= TDX_LEVEL_256T ? tdx_level_size((enum tdx_level)level) : TDX_PAGE_SIZE;

	return tdx_leaf_operand_register(tdx_seamcall_leaf(leaf), "GPA") >= 0 &&
	       ((gpa_level_gpa(word).v ^ at.v) & ~(size - 1)) == 0;
}

/* Does it hit this call? Counts the call. */
static bool hits(struct system *sys, struct system_fault *x, unsigned lp,
		 const struct tdx_regs *regs)
{
	struct system_faults *all = &sys->faults;
	const unsigned leaf = tdx_rax_leaf(regs->rax);
	const struct tdx_fault *f = &x->f;
	uint64_t first = f->nth ? f->nth : 1;

	if ((f->leaf >= 0 && (unsigned)f->leaf != leaf) || (f->cpu >= 0 && (unsigned)f->cpu != lp))
		return false;
	if ((f->by_vcpu && !is_for_vcpu(sys, f->vcpu, leaf, lp, regs)) ||
	    (f->by_gpa && !is_on_gpa(f->gpa, leaf, regs)))
		return false;
	x->seen++;
	if (x->seen < first || (f->times && x->seen - first >= f->times))
		return false;
	if (f->permille && draw(all) % 1000 >= f->permille)
		return false;
	atomic_fetch_add(&x->hits, 1);
	return true;
}

static struct tdx_status random_busy(struct system_faults *all)
{
	enum tdx_operand op;
	size_t n = 0;

	while (tdx_operand_at(n, &op))
		n++;
	tdx_operand_at(draw(all) % n, &op);
	return tdx_error_op(TDX_OPERAND_BUSY, op);
}

static bool refuse(struct tdx_regs *regs, const struct tdx_fault *f, struct tdx_status s)
{
	regs->rax = s.raw;
	regs->rcx = f->rcx;
	regs->rdx = f->rdx;
	regs->r8 = f->r8;
	return true;
}

/* The hardware of the processor fails, or the call is refused. */
static bool strike(struct system *sys, unsigned lp, const struct tdx_fault *f,
		   struct tdx_regs *regs)
{
	switch (f->kind) {
	case TDX_FAULT_STATUS:
		return refuse(regs, f, f->status);
	case TDX_FAULT_BUSY:
		return refuse(regs, f, random_busy(&sys->faults));
	case TDX_FAULT_ENTROPY:
		atomic_store(&sys->m->rng_fail, 1 << 30);
		break;
	case TDX_FAULT_KEY:
		atomic_store(&sys->m->pconfig_result, 2);
		break;
	case TDX_FAULT_KEY_BUSY:
		atomic_store(&sys->m->pconfig_result, 5);
		break;
	case TDX_FAULT_INTERRUPT:
		atomic_store(&sys->m->lp[lp].irq_countdown, f->polls);
		break;
	case TDX_FAULT_STOP:
		break; /* not under the lock: system_fault_before() */
	}
	return false;
}

bool system_fault_before(struct system *sys, unsigned lp, struct tdx_regs *regs)
{
	struct system_faults *all = &sys->faults;
	unsigned leaf = tdx_rax_leaf(regs->rax);
	void (*stop)(void *arg) = NULL;
	void *arg = NULL;
	bool refused = false;

	if (leaf == TDH_VP_ENTER)
		all->entered[lp] = regs->rcx & TDVPR_MASK;
	pthread_mutex_lock(&all->lock);
	for (unsigned i = 0; i < atomic_load(&all->n) && !refused; i++) {
		struct system_fault *x = &all->fault[i];

		if (!hits(sys, x, lp, regs))
			continue;
		refused = strike(sys, lp, &x->f, regs);
		if (x->f.kind == TDX_FAULT_STOP) {
			stop = x->f.stop;
			arg = x->f.arg;
		}
	}
	pthread_mutex_unlock(&all->lock);
	if (stop)
		stop(arg);
	return refused;
}

void system_fault_after(struct system *sys, unsigned lp)
{
	atomic_store(&sys->m->rng_fail, 0);
	atomic_store(&sys->m->pconfig_result, 0);
	atomic_store(&sys->m->lp[lp].irq_countdown, -1);
}
