/* SPDX-License-Identifier: MIT */
/* The initial contents of a TD: pages added and measured before it is finalized. */
#include "abi/metadata.h"
#include "vmm/busy.h"
#include "vmm/mmu.h"

#include <errno.h>
#include <string.h>

enum { EXTEND_CHUNK = 256 };

/* Chunks of [g, g+size), on one processor. */
static int measure(struct tdx_vm *vm, gpa_t g, uint64_t size)
{
	struct tdx_status s = tdx_success();
	struct tdx_mem_result r;
	struct vmm_cpu *c;

	c = vmm_get_cpu(vm->vmm, -1);
	for (uint64_t i = 0; i < size && tdx_is_success(s); i += EXTEND_CHUNK)
		s = tdh_mr_extend(c->cpu, &vm->td, gpa(g.v + i), &r);
	vmm_put_cpu(c);
	if (tdx_is_success(s))
		return 0;
	if (vm_busy(TDH_MR_EXTEND, s) == BUSY_TELL_USER)
		return vm_fail(vm, TDH_MR_EXTEND, s, -EBUSY);
	return vm_bug(vm, TDH_MR_EXTEND, s, &r.raw, "measuring");
}

int tdx_vm_measure(struct tdx_vm *vm, gpa_t g)
{
	int err;

	pthread_mutex_lock(&vm->lock);
	if (atomic_load(&vm->state) != TDX_VM_INITIALIZED)
		err = vm_is_dead(vm) ? -EIO : -EINVAL;
	else
		err = measure(vm, g, EXTEND_CHUNK);
	pthread_mutex_unlock(&vm->lock);
	return err;
}

static bool is_private(struct tdx_vm *vm, uint64_t gfn)
{
	const struct memslot *s = vm_slot_of(vm, gfn);

	return s && !s->no_private && s->private_[gfn - s->gfn];
}

static int add(struct tdx_vm *vm, uint64_t gfn)
{
	hpa_t source = hpa(vm->add_source);
	enum mmu_result r = MMU_OK;
	unsigned tries = 0;
	bool private_;

	do {
		mmu_read_lock(vm, NULL);
		private_ = is_private(vm, gfn);
		if (private_)
			r = mmu_map_private(vm, &vm->cache, gfn, TDX_LEVEL_4K, &source, -1);
		mmu_read_unlock(vm, NULL);
	} while (r == MMU_RETRY && vm_try_again(vm, &tries));
	if (!private_)
		return -EINVAL;
	switch (r) {
	case MMU_OK:
		return 0;
	case MMU_EXISTS:
		return -EEXIST;
	case MMU_NO_MEMORY:
		return -ENOMEM;
	case MMU_RETRY:
		return vm_is_dead(vm) ? -EIO : -EBUSY;
	case MMU_DEAD:
		break;
	}
	return -EIO;
}

int tdx_vm_add_region(struct tdx_vm *vm, struct tdx_vm_region *r, bool extend)
{
	uint64_t size = r->pages * TDX_PAGE_SIZE;
	bool fits;

	if (r->gpa.v & (TDX_PAGE_SIZE - 1) || !r->pages || size / TDX_PAGE_SIZE != r->pages ||
	    r->gpa.v + size < r->gpa.v)
		return -EINVAL;
	mmu_read_lock(vm, NULL);
	fits = is_private(vm, r->gpa.v >> 12) && is_private(vm, (r->gpa.v + size - 1) >> 12);
	mmu_read_unlock(vm, NULL);
	if (!fits)
		return vm_is_dead(vm) ? -EIO : -EINVAL;
	while (r->pages) {
		int err = tdx_vm_add_page(vm, r->gpa, r->source, extend);

		if (err)
			return err;
		r->gpa.v += TDX_PAGE_SIZE;
		r->source = (const uint8_t *)r->source + TDX_PAGE_SIZE;
		r->pages--;
	}
	return 0;
}

int tdx_vm_add_page(struct tdx_vm *vm, gpa_t g, const void *data, bool extend)
{
	struct tdx_vmm *vmm = vm->vmm;
	int err = 0;

	if ((g.v & (TDX_PAGE_SIZE - 1)) || g.v >= vm_shared_mask(vm))
		return -EINVAL;
	pthread_mutex_lock(&vm->lock);
	if (atomic_load(&vm->state) != TDX_VM_INITIALIZED)
		err = vm_is_dead(vm) ? -EIO : -EINVAL;
	if (!err && !vm->add_source) {
		vm->add_source = pages_get(&vmm->pages);
		err = vm->add_source ? 0 : -ENOMEM;
	}
	if (!err) {
		tdx_vmm_write(vmm, hpa(vm->add_source), data, TDX_PAGE_SIZE);
		err = add(vm, g.v >> 12);
	}
	if (!err && extend)
		err = measure(vm, g, TDX_PAGE_SIZE);
	pthread_mutex_unlock(&vm->lock);
	return err;
}

int tdx_vm_mrtd(struct tdx_vm *vm, struct tdx_digest *mrtd)
{
	const uint64_t id = md_td.row[MD_TD_MRTD].id & ~(MD_ID_LAST_ELEMENT | MD_ID_LAST_FIELD);
	struct tdx_status s = tdx_success();
	struct vmm_cpu *c;

	if (atomic_load(&vm->state) != TDX_VM_RUNNABLE)
		return vm_is_dead(vm) ? -EIO : -EINVAL;
	c = vmm_get_cpu(vm->vmm, -1);
	for (unsigned i = 0; i < sizeof(*mrtd) / 8 && tdx_is_success(s); i++) {
		struct tdx_field_value v;

		s = tdh_mng_rd(c->cpu, &vm->td, id + i, &v);
		memcpy(&mrtd->b[8 * i], &v.value, 8);
	}
	vmm_put_cpu(c);
	if (tdx_is_success(s))
		return 0;
	if (vm_busy(TDH_MNG_RD, s) == BUSY_TELL_USER)
		return vm_fail(vm, TDH_MNG_RD, s, -EBUSY);
	return vm_fail(vm, TDH_MNG_RD, s, -EIO);
}

void vm_end_build(struct tdx_vm *vm)
{
	if (vm->add_source)
		pages_put(&vm->vmm->pages, vm->add_source);
	vm->add_source = 0;
}
