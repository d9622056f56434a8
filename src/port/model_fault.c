/* SPDX-License-Identifier: MIT */
/* Faults on purpose: which call they hit, and what they do to it. */
#include "port/model.h"

int tdx_model_inject(struct tdx_model *model, const struct tdx_fault *fault)
{
	struct model_faults *all = &model->faults;
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

uint64_t tdx_model_fault_hits(const struct tdx_model *model, int id)
{
	return id >= 0 && id < TDX_MODEL_FAULTS ? atomic_load(&model->faults.fault[id].hits) : 0;
}

void tdx_model_clear_faults(struct tdx_model *model)
{
	pthread_mutex_lock(&model->faults.lock);
	atomic_store(&model->faults.n, 0);
	pthread_mutex_unlock(&model->faults.lock);
}

static uint64_t draw(struct model_faults *all)
{
	all->random ^= all->random << 13;
	all->random ^= all->random >> 7;
	all->random ^= all->random << 17;
	return all->random;
}

/* Does it hit this call? Counts the call. */
static bool hits(struct model_faults *all, struct model_fault *x, unsigned leaf, unsigned cpu)
{
	const struct tdx_fault *f = &x->f;
	uint64_t first = f->nth ? f->nth : 1;

	if ((f->leaf >= 0 && (unsigned)f->leaf != leaf) || (f->cpu >= 0 && (unsigned)f->cpu != cpu))
		return false;
	x->seen++;
	if (x->seen < first || (f->times && x->seen - first >= f->times))
		return false;
	if (f->permille && draw(all) % 1000 >= f->permille)
		return false;
	atomic_fetch_add(&x->hits, 1);
	return true;
}

static struct tdx_status random_busy(struct model_faults *all)
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
static bool strike(struct tdx_model *model, unsigned cpu, const struct tdx_fault *f,
		   struct tdx_regs *regs)
{
	switch (f->kind) {
	case TDX_FAULT_STATUS:
		return refuse(regs, f, f->status);
	case TDX_FAULT_BUSY:
		return refuse(regs, f, random_busy(&model->faults));
	case TDX_FAULT_ENTROPY:
		atomic_store(&model->m->rng_fail, 1 << 30);
		break;
	case TDX_FAULT_KEY:
		atomic_store(&model->m->pconfig_result, 2);
		break;
	case TDX_FAULT_KEY_BUSY:
		atomic_store(&model->m->pconfig_result, 5);
		break;
	case TDX_FAULT_INTERRUPT:
		atomic_store(&model->m->lp[cpu].irq_countdown, f->polls);
		break;
	case TDX_FAULT_STOP:
		break; /* not under the lock: model_fault_before() */
	}
	return false;
}

bool model_fault_before(struct tdx_model *model, unsigned cpu, struct tdx_regs *regs)
{
	struct model_faults *all = &model->faults;
	unsigned leaf = tdx_rax_leaf(regs->rax);
	void (*stop)(void *arg) = NULL;
	void *arg = NULL;
	bool refused = false;

	pthread_mutex_lock(&all->lock);
	for (unsigned i = 0; i < atomic_load(&all->n) && !refused; i++) {
		struct model_fault *x = &all->fault[i];

		if (!hits(all, x, leaf, cpu))
			continue;
		refused = strike(model, cpu, &x->f, regs);
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

void model_fault_after(struct tdx_model *model, unsigned cpu)
{
	atomic_store(&model->m->rng_fail, 0);
	atomic_store(&model->m->pconfig_result, 0);
	atomic_store(&model->m->lp[cpu].irq_countdown, -1);
}
