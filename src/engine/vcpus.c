/* SPDX-License-Identifier: MIT */
/* The table of an engine's vCPUs; see vcpus.h. */
#include "engine/vcpus.h"

void vcpus_init(struct vcpus *v, const struct vcpus_ops *ops, void *arg)
{
	v->ops = ops;
	v->arg = arg;
	v->n = 0;
	pthread_mutex_init(&v->lock, NULL);
	for (unsigned i = 0; i < MACHINE_MAX_LPS; i++) {
		v->lp[i].last.vcpu = NULL;
		v->lp[i].running = false;
		pthread_mutex_init(&v->lp[i].lock, NULL);
	}
}

void vcpus_destroy(struct vcpus *v)
{
	for (unsigned i = 0; i < v->n; i++)
		v->ops->free(v->entry[i].vcpu);
	for (unsigned i = 0; i < MACHINE_MAX_LPS; i++)
		pthread_mutex_destroy(&v->lp[i].lock);
	pthread_mutex_destroy(&v->lock);
}

/* Of the table; one more than the last when there is none. Its lock is held. */
static unsigned find(const struct vcpus *v, uint64_t tdvpr_pa)
{
	unsigned i = 0;

	while (i < v->n && v->entry[i].tdvpr_pa != tdvpr_pa)
		i++;
	return i;
}

static void *find_or_make(struct vcpus *v, uint64_t tdvpr_pa)
{
	void *vcpu = NULL;
	unsigned i;

	pthread_mutex_lock(&v->lock);
	i = find(v, tdvpr_pa);
	if (i < v->n)
		vcpu = v->entry[i].vcpu;
	else if (v->n < VCPUS_MAX)
		vcpu = v->ops->make(v->arg, tdvpr_pa);
	if (i == v->n && vcpu)
		v->entry[v->n++] = (struct vcpus_entry){tdvpr_pa, vcpu};
	pthread_mutex_unlock(&v->lock);
	return vcpu;
}

void *vcpus_enter(struct vcpus *v, unsigned lp, uint64_t tdvpr_pa)
{
	struct vcpus_lp *here = &v->lp[lp];
	void *vcpu;

	pthread_mutex_lock(&here->lock);
	if (!here->last.vcpu || here->last.tdvpr_pa != tdvpr_pa)
		here->last = (struct vcpus_entry){tdvpr_pa, find_or_make(v, tdvpr_pa)};
	vcpu = here->last.vcpu;
	here->running = vcpu != NULL;
	pthread_mutex_unlock(&here->lock);
	return vcpu;
}

void vcpus_leave(struct vcpus *v, unsigned lp)
{
	pthread_mutex_lock(&v->lp[lp].lock);
	v->lp[lp].running = false;
	pthread_mutex_unlock(&v->lp[lp].lock);
}

void vcpus_kick(struct vcpus *v, unsigned lp, void (*kick)(void *vcpu))
{
	pthread_mutex_lock(&v->lp[lp].lock);
	if (v->lp[lp].running)
		kick(v->lp[lp].last.vcpu);
	pthread_mutex_unlock(&v->lp[lp].lock);
}

void vcpus_forget(struct vcpus *v, uint64_t tdvpr_pa)
{
	void *vcpu = NULL;
	unsigned i;

	pthread_mutex_lock(&v->lock);
	i = find(v, tdvpr_pa);
	if (i < v->n) {
		vcpu = v->entry[i].vcpu;
		v->entry[i] = v->entry[--v->n];
	}
	pthread_mutex_unlock(&v->lock);
	if (!vcpu)
		return;
	for (i = 0; i < MACHINE_MAX_LPS; i++) {
		pthread_mutex_lock(&v->lp[i].lock);
		if (v->lp[i].last.vcpu == vcpu)
			v->lp[i].last.vcpu = NULL;
		pthread_mutex_unlock(&v->lp[i].lock);
	}
	v->ops->free(vcpu);
}
