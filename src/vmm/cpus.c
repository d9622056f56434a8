/* SPDX-License-Identifier: MIT */
/* Processors: who may make calls on one, and getting guests off them.
 *
 * A thread that wants a processor announces itself, interrupts a guest that may be on it and takes
 * its lock; a vCPU coming out of the guest lets go while anybody is announced. */
#include "vmm/internal.h"

#include <sched.h>

static void take(struct vmm_cpu *c)
{
	if (pthread_mutex_trylock(&c->lock) == 0)
		return;
	atomic_fetch_add(&c->waiting, 1);
	while (pthread_mutex_trylock(&c->lock) != 0) {
		if (atomic_load(&c->in_guest))
			c->port->ops->interrupt(c->port);
		c->port->ops->relax(c->port);
	}
	atomic_fetch_sub(&c->waiting, 1);
}

struct vmm_cpu *vmm_get_this_cpu(struct tdx_vmm *vmm, unsigned index)
{
	struct vmm_cpu *c = &vmm->cpu[index];

	take(c);
	return c;
}

struct vmm_cpu *vmm_get_cpu(struct tdx_vmm *vmm, int hint)
{
	unsigned first = hint >= 0 ? (unsigned)hint % vmm->ncpus : 0;

	for (unsigned i = 0; i < vmm->ncpus; i++) {
		struct vmm_cpu *c = &vmm->cpu[(first + i) % vmm->ncpus];

		if (pthread_mutex_trylock(&c->lock) == 0)
			return c;
	}
	return vmm_get_this_cpu(vmm, first);
}

void vmm_put_cpu(struct vmm_cpu *cpu)
{
	pthread_mutex_unlock(&cpu->lock);
}

void vm_kick_vcpus(struct tdx_vm *vm)
{
	struct tdx_vmm *vmm = vm->vmm;
	unsigned n = atomic_load(&vm->nvcpus);

	for (unsigned i = 0; i < n; i++) {
		struct tdx_vcpu *v = vm->vcpu[i];
		uint64_t before = atomic_load(&v->exits);

		while (atomic_load(&v->in_guest) && atomic_load(&v->exits) == before) {
			int cpu = atomic_load(&v->cpu);

			if (cpu >= 0)
				vmm->port[cpu]->ops->interrupt(vmm->port[cpu]);
			sched_yield();
		}
	}
}
