/* SPDX-License-Identifier: MIT */
/* What reaches into a VM's mappings from outside the guest: page sizes, zaps, lost features.
 *
 * Nothing here but the two functions on 2M pages and tdx_vm_zap_private() touches a private
 * mapping. */
#include "vmm/mmu.h"

#include <errno.h>

static int resize(struct tdx_vm *vm, gpa_t g, bool promote)
{
	int err;

	if (g.v >= vm_shared_mask(vm))
		return -EINVAL;
	pthread_mutex_lock(&vm->lock);
	mmu_write_lock(vm);
	if (vm_is_dead(vm))
		err = -EIO;
	else if (!vm->mirror_root)
		err = -EINVAL;
	else if (atomic_load(&vm->exporting))
		err = -EBUSY;
	else
		err = promote ? mmu_promote(vm, g.v >> 12) : mmu_demote(vm, &vm->cache, g.v >> 12);
	mmu_write_unlock(vm);
	pthread_mutex_unlock(&vm->lock);
	return err;
}

int tdx_vm_promote(struct tdx_vm *vm, gpa_t g)
{
	return resize(vm, g, true);
}

int tdx_vm_demote(struct tdx_vm *vm, gpa_t g)
{
	return resize(vm, g, false);
}

int tdx_vm_zap_shared(struct tdx_vm *vm, gpa_t g, uint64_t size)
{
	if ((g.v | size) & (TDX_PAGE_SIZE - 1) || g.v + size < g.v ||
	    g.v + size > vm_shared_mask(vm))
		return -EINVAL;
	mmu_write_lock(vm);
	if (vm->direct_root)
		mmu_zap_direct(vm, g.v >> 12, size >> 12);
	mmu_write_unlock(vm);
	return 0;
}

int tdx_vm_zap_private(struct tdx_vm *vm, gpa_t g, uint64_t size)
{
	int err;

	if ((g.v | size) & (TDX_PAGE_SIZE - 1) || g.v + size < g.v ||
	    g.v + size > vm_shared_mask(vm))
		return -EINVAL;
	mmu_write_lock(vm);
	err = vm_is_dead(vm) ? -EIO : 0;
	if (!err)
		err = mmu_let_go(vm, g.v >> 12, size >> 12)
			      ? mmu_zap(vm, g.v >> 12, size >> 12, MMU_PRIVATE)
			      : -EAGAIN;
	mmu_write_unlock(vm);
	return err;
}

void tdx_vm_offer_map_gpa(struct tdx_vm *vm, bool offered)
{
	atomic_store(&vm->no_map_gpa, !offered);
}

int tdx_vm_inhibit_apicv(struct tdx_vm *vm)
{
	return vm_kill(vm, "posted interrupts are inhibited, and it has no others");
}
