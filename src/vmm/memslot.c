/* SPDX-License-Identifier: MIT */
/* Guest memory as the user lays it out: slots, the private attribute of each page, and the host's
 * pages behind shared memory. Changed under mmu_lock for writing, read under it for reading. */
#include "vmm/mmu.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct memslot *vm_slot_of(struct tdx_vm *vm, uint64_t gfn)
{
	for (unsigned i = 0; i < vm->nslots; i++)
		if (gfn - vm->slot[i].gfn < vm->slot[i].npages)
			return &vm->slot[i];
	return NULL;
}

static void free_slot(struct tdx_vm *vm, struct memslot *s)
{
	const struct tdx_port *port = vm->vmm->port[0];
	uint64_t left = atomic_load(&s->nshared);

	for (uint64_t i = 0; left && i < s->npages; i++) {
		const uint64_t pa = atomic_load(&s->shared_pa[i]);

		if (!pa)
			continue;
		pages_put(&vm->vmm->pages, pa);
		left--;
	}
	if (s->user_pa)
		port->ops->unmap_user(port, hpa(s->user_pa));
	free(s->private_);
	free((void *)s->shared_pa);
	*s = (struct memslot){0};
}

void vm_free_slots(struct tdx_vm *vm)
{
	for (unsigned i = 0; i < vm->nslots; i++)
		if (vm->slot[i].npages)
			free_slot(vm, &vm->slot[i]);
}

static int delete_slot(struct tdx_vm *vm, struct memslot *s)
{
	int err;

	if (!s->npages)
		return -EINVAL;
	if (!mmu_let_go(vm, s->gfn, s->npages))
		return -EAGAIN;
	/* The slot says nothing of which tree its pages are in: both lose exactly its leaves. */
	err = mmu_zap(vm, s->gfn, s->npages, MMU_SHARED | MMU_PRIVATE);
	free_slot(vm, s);
	vm->slot_changes++;
	return err;
}

/* What is behind the shared pages of a new slot: the user's memory, or room to write down pages of
 * the monitor's own. */
static int back_slot(struct tdx_vm *vm, struct memslot *s, uint64_t npages, void *user)
{
	const struct tdx_port *port = vm->vmm->port[0];

	if (!user) {
		s->shared_pa = calloc(npages, sizeof(*s->shared_pa));
		return s->shared_pa ? 0 : -ENOMEM;
	}
	if (!port->ops->map_user)
		return -EOPNOTSUPP;
	s->user_pa = port->ops->map_user(port, user, npages << 12).v;
	return s->user_pa ? 0 : -ENOMEM;
}

static int add_slot(struct tdx_vm *vm, struct memslot *s, uint64_t gfn, uint64_t npages, void *user,
		    bool private_)
{
	int err;

	for (unsigned i = 0; i < vm->nslots; i++) {
		const struct memslot *o = &vm->slot[i];

		if (o->npages && gfn < o->gfn + o->npages && o->gfn < gfn + npages)
			return -EEXIST;
	}
	s->private_ = calloc(npages, 1);
	err = s->private_ ? back_slot(vm, s, npages, user) : -ENOMEM;
	if (err) {
		free(s->private_);
		*s = (struct memslot){0};
		return err;
	}
	if (!user)
		memset(s->private_, 1, npages);
	s->no_private = !private_;
	s->gfn = gfn;
	s->npages = npages;
	if ((unsigned)(s - vm->slot) >= vm->nslots)
		vm->nslots = (unsigned)(s - vm->slot) + 1;
	vm->slot_changes++;
	/* What said that there is no memory says it no more. */
	return mmu_zap(vm, gfn, npages, MMU_SHARED);
}

int tdx_vm_back_memslot(struct tdx_vm *vm, unsigned slot, hpa_t pa)
{
	int err = -EINVAL;

	if (slot >= VM_MAX_SLOTS || !pa.v || pa.v & (TDX_PAGE_SIZE - 1))
		return -EINVAL;
	mmu_write_lock(vm);
	if (vm->slot[slot].npages) {
		vm->slot[slot].backing_pa = pa.v;
		err = 0;
	}
	mmu_write_unlock(vm);
	return err;
}

/* A range of whole pages below the shared bit. */
static bool range_valid(const struct tdx_vm *vm, uint64_t gpa_, uint64_t size)
{
	return !((gpa_ | size) & (TDX_PAGE_SIZE - 1)) && gpa_ + size >= gpa_ &&
	       gpa_ + size <= vm_shared_mask(vm);
}

static int set_memslot(struct tdx_vm *vm, unsigned slot, gpa_t g, uint64_t size, void *user,
		       bool private_)
{
	struct memslot *s;
	int err;

	if (slot >= VM_MAX_SLOTS || !range_valid(vm, g.v, size))
		return -EINVAL;
	if (vm_state(vm) == TDX_VM_UNINITIALIZED)
		return -EINVAL;
	s = &vm->slot[slot];
	mmu_write_lock(vm);
	if (vm_is_dead(vm))
		err = -EIO;
	else if (vm_state(vm) == TDX_VM_EXPORTED) /* the other side has them all */
		err = -EAGAIN;
	else if (!size)
		err = delete_slot(vm, s);
	else
		err = s->npages ? -EEXIST : add_slot(vm, s, g.v >> 12, size >> 12, user, private_);
	mmu_write_unlock(vm);
	return err;
}

int tdx_vm_set_memslot(struct tdx_vm *vm, unsigned slot, gpa_t g, uint64_t size)
{
	return set_memslot(vm, slot, g, size, NULL, true);
}

int tdx_vm_set_user_memslot(struct tdx_vm *vm, unsigned slot, gpa_t g, uint64_t size, void *user,
			    bool private_)
{
	if (!user || (uintptr_t)user & (TDX_PAGE_SIZE - 1))
		return -EINVAL;
	return set_memslot(vm, slot, g, size, user, private_);
}

int tdx_vm_set_private(struct tdx_vm *vm, gpa_t g, uint64_t size, bool private_)
{
	uint64_t gfn = g.v >> 12, end = gfn + (size >> 12);
	int err = 0;

	if (!size || !range_valid(vm, g.v, size))
		return -EINVAL;
	mmu_write_lock(vm);
	if (vm_is_dead(vm))
		err = -EIO;
	for (uint64_t f = gfn; f < end && !err; f++)
		err = vm_slot_of(vm, f) ? 0 : -EINVAL;
	/* The other side has such a page already, or it has not come yet. */
	if (!err && !private_ && !mmu_let_go(vm, gfn, end - gfn))
		err = -EAGAIN;
	if (!err && (atomic_load(&vm->importing) || vm_state(vm) == TDX_VM_EXPORTED))
		err = -EAGAIN;
	/* Runs of pages that change leave the tree they were in. */
	while (gfn < end && !err) {
		uint64_t first;

		while (gfn < end &&
		       vm_slot_of(vm, gfn)->private_[gfn - vm_slot_of(vm, gfn)->gfn] == private_)
			gfn++;
		for (first = gfn; gfn < end; gfn++) {
			struct memslot *s = vm_slot_of(vm, gfn);

			if (s->private_[gfn - s->gfn] == private_)
				break;
			s->private_[gfn - s->gfn] = private_;
		}
		if (gfn > first)
			err = mmu_zap(vm, first, gfn - first, private_ ? MMU_SHARED : MMU_PRIVATE);
	}
	if (!err && private_)
		err = mmu_fill_dropped(vm, g.v >> 12, size >> 12);
	if (vm_is_dead(vm))
		err = -EIO;
	mmu_write_unlock(vm);
	return err;
}

uint64_t vm_shared_page(struct tdx_vm *vm, struct memslot *s, uint64_t gfn)
{
	_Atomic uint64_t *slot = s->user_pa ? NULL : &s->shared_pa[gfn - s->gfn];
	static const uint8_t zero[TDX_PAGE_SIZE];
	uint64_t pa, none = 0;

	if (s->user_pa)
		return s->user_pa + ((gfn - s->gfn) << 12);
	pa = atomic_load(slot);
	if (pa)
		return pa;
	pa = pages_get(&vm->vmm->pages);
	if (!pa)
		return 0;
	/* By whole lines under the host's KeyID: they may still be those of a private page. */
	tdx_vmm_write(vm->vmm, hpa(pa), zero, sizeof(zero));
	if (atomic_compare_exchange_strong(slot, &none, pa)) {
		atomic_fetch_add(&s->nshared, 1);
		return pa;
	}
	pages_put(&vm->vmm->pages, pa);
	return none;
}

enum access { READ_SHARED, WRITE_SHARED, WRITE_ANY };

static int shared_access(struct tdx_vm *vm, uint64_t a, uint8_t *buf, size_t len, enum access how)
{
	int err = 0;

	mmu_read_lock(vm, NULL);
	while (len && !err) {
		size_t n = TDX_PAGE_SIZE - (a & (TDX_PAGE_SIZE - 1));
		struct memslot *s = vm_slot_of(vm, a >> 12);
		const struct tdx_port *port = vm->vmm->port[0];
		uint64_t pa;
		uint8_t *p;

		if (!s || (how != WRITE_ANY && s->private_[(a >> 12) - s->gfn])) {
			err = -EFAULT;
			break;
		}
		pa = vm_shared_page(vm, s, a >> 12);
		if (!pa) {
			err = -ENOMEM;
			break;
		}
		n = n < len ? n : len;
		p = (uint8_t *)port->ops->va(port, hpa(pa)) + (a & (TDX_PAGE_SIZE - 1));
		if (how != READ_SHARED)
			memcpy(p, buf, n);
		else
			memcpy(buf, p, n);
		buf += n;
		a += n;
		len -= n;
	}
	mmu_read_unlock(vm, NULL);
	return err;
}

int tdx_vm_read_shared(struct tdx_vm *vm, gpa_t g, void *buf, size_t len)
{
	return shared_access(vm, g.v & ~vm_shared_mask(vm), buf, len, READ_SHARED);
}

int tdx_vm_write_shared(struct tdx_vm *vm, gpa_t g, const void *buf, size_t len)
{
	return shared_access(vm, g.v & ~vm_shared_mask(vm), (uint8_t *)(uintptr_t)buf, len,
			     WRITE_SHARED);
}

int vm_write_host_side(struct tdx_vm *vm, uint64_t gpa_, const void *buf, size_t len)
{
	return shared_access(vm, gpa_, (uint8_t *)(uintptr_t)buf, len, WRITE_ANY);
}
