/* SPDX-License-Identifier: MIT */
/* The initial contents of a TD: pages added and measured before it is finalized. */
#include "vmm/mmu.h"

#include <errno.h>

enum { EXTEND_CHUNK = 256 };

int tdx_vm_measure(struct tdx_vm *vm, gpa_t g)
{
	struct tdx_mem_result r;
	struct vmm_cpu *c;
	struct tdx_status s;

	if (vm_is_dead(vm))
		return -EIO;
	c = vmm_get_cpu(vm->vmm, -1);
	s = tdh_mr_extend(c->port, &vm->td, g, &r);
	vmm_put_cpu(c);
	if (tdx_is_success(s))
		return 0;
	if (tdx_is_busy(s))
		return vm_fail(vm, TDH_MR_EXTEND, s, -EBUSY);
	return vm_bug(vm, TDH_MR_EXTEND, s, &r.raw, "measuring");
}

static int add(struct tdx_vm *vm, uint64_t gfn, hpa_t source)
{
	enum mmu_result r;

	do {
		pthread_rwlock_rdlock(&vm->mmu_lock);
		r = mmu_map_private(vm, &vm->cache, gfn, TDX_LEVEL_4K, &source, -1);
		pthread_rwlock_unlock(&vm->mmu_lock);
	} while (r == MMU_RETRY);
	return r == MMU_OK ? 0 : r == MMU_NO_MEMORY ? -ENOMEM : -EIO;
}

int tdx_vm_add_page(struct tdx_vm *vm, gpa_t g, const void *data, bool measure)
{
	struct tdx_vmm *vmm = vm->vmm;
	uint64_t source;
	int err;

	if ((g.v & (TDX_PAGE_SIZE - 1)) || g.v >= vm_shared_mask(vm))
		return -EINVAL;
	pthread_mutex_lock(&vm->lock);
	if (atomic_load(&vm->state) != TDX_VM_INITIALIZED) {
		pthread_mutex_unlock(&vm->lock);
		return vm_is_dead(vm) ? -EIO : -EINVAL;
	}
	source = pages_get(&vmm->pages);
	err = source ? 0 : -ENOMEM;
	if (!err) {
		tdx_vmm_write(vmm, hpa(source), data, TDX_PAGE_SIZE);
		err = add(vm, g.v >> 12, hpa(source));
		pages_put(&vmm->pages, source);
	}
	for (unsigned i = 0; i < TDX_PAGE_SIZE && measure && !err; i += EXTEND_CHUNK)
		err = tdx_vm_measure(vm, gpa(g.v + i));
	pthread_mutex_unlock(&vm->lock);
	return err;
}
