/* SPDX-License-Identifier: MIT */
/* mmu_lock: many faults at once, or one removal.
 *
 * A vCPU's fault takes nothing but the vCPU's own mutex, so two faults share no line of memory; a
 * removal takes the lock of everybody else and then every vCPU's mutex. vCPUs that are made
 * meanwhile do not run before the VM is finalized, which takes the lock for writing itself. */
#include "vmm/internal.h"

#include <errno.h>

int mmu_lock_init(struct tdx_vm *vm)
{
	pthread_rwlockattr_t attr;
	int err;

	if (pthread_rwlockattr_init(&attr))
		return -ENOMEM;
	pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
	err = pthread_rwlock_init(&vm->mmu_rwlock, &attr);
	pthread_rwlockattr_destroy(&attr);
	return -err;
}

void mmu_lock_destroy(struct tdx_vm *vm)
{
	pthread_rwlock_destroy(&vm->mmu_rwlock);
}

void mmu_read_lock(struct tdx_vm *vm, struct tdx_vcpu *v)
{
	if (v)
		pthread_mutex_lock(&v->mmu_mutex);
	else
		pthread_rwlock_rdlock(&vm->mmu_rwlock);
}

void mmu_read_unlock(struct tdx_vm *vm, struct tdx_vcpu *v)
{
	if (v)
		pthread_mutex_unlock(&v->mmu_mutex);
	else
		pthread_rwlock_unlock(&vm->mmu_rwlock);
}

void mmu_write_lock(struct tdx_vm *vm)
{
	pthread_rwlock_wrlock(&vm->mmu_rwlock);
	vm->mmu_vcpus = atomic_load(&vm->nvcpus);
	for (unsigned i = 0; i < vm->mmu_vcpus; i++)
		pthread_mutex_lock(&vm->vcpu[i]->mmu_mutex);
}

void mmu_write_unlock(struct tdx_vm *vm)
{
	for (unsigned i = 0; i < vm->mmu_vcpus; i++)
		pthread_mutex_unlock(&vm->vcpu[i]->mmu_mutex);
	pthread_rwlock_unlock(&vm->mmu_rwlock);
}
