/* SPDX-License-Identifier: MIT */
/* The mirror's changes as calls to the module. What a busy one means is in vmm/busy.c: installs
 * come back with the next fault; for removals all vCPUs are kicked and kept out, and then one more
 * attempt must succeed. */
#include "vmm/external.h"

#include "vmm/busy.h"

#include <errno.h>

enum { RESTARTS = 10000 };

static enum tdx_seamcall leaf_of(enum external_op op)
{
	switch (op) {
	case EXTERNAL_LINK:
		return TDH_MEM_SEPT_ADD;
	case EXTERNAL_ADD:
		return TDH_MEM_PAGE_ADD;
	case EXTERNAL_AUG:
		break;
	}
	return TDH_MEM_PAGE_AUG;
}

static struct tdx_status install(const struct tdx_cpu *cpu, const struct tdx_vm *vm,
				 enum external_op op, gpa_t g, enum tdx_level level, hpa_t page,
				 const hpa_t *source, struct tdx_mem_result *r)
{
	switch (op) {
	case EXTERNAL_LINK:
		return tdh_mem_sept_add(cpu, &vm->td, g, level, page, r);
	case EXTERNAL_ADD:
		return tdh_mem_page_add(cpu, &vm->td, g, page, *source, r);
	case EXTERNAL_AUG:
		break;
	}
	return tdh_mem_page_aug(cpu, &vm->td, g, level, page, r);
}

/* As often in a row as policy says. */
static struct tdx_status install_patiently(const struct tdx_cpu *cpu, const struct tdx_vm *vm,
					   enum external_op op, gpa_t g, enum tdx_level level,
					   hpa_t page, const hpa_t *source,
					   struct tdx_mem_result *r)
{
	struct tdx_vmm *vmm = vm->vmm;
	struct tdx_status s;

	for (unsigned again = 0;; again++) {
		s = install(cpu, vm, op, g, level, page, source, r);
		if (vm_busy(leaf_of(op), s) != BUSY_LATER)
			return s;
		vmm_count(&vmm->contention.install_busy);
		if (again == vmm->policy.install_again || vm_is_dead(vm))
			break;
		vmm_count(&vmm->contention.install_again);
	}
	vmm_count(&vmm->contention.install_later);
	return s;
}

/* The page has no place in PAMT. */
static enum mmu_result no_pamt(struct tdx_vm *vm, int err)
{
	if (err == -ENOMEM)
		return MMU_NO_MEMORY;
	if (err == -EBUSY)
		return vm_is_dead(vm) ? MMU_DEAD : MMU_RETRY;
	vm_kill(vm, vm->error.text);
	return MMU_DEAD;
}

enum mmu_result mmu_set_external(struct tdx_vm *vm, enum external_op op, uint64_t gfn,
				 enum tdx_level level, uint64_t pa, const hpa_t *source,
				 int cpu_hint)
{
	gpa_t g = gpa((gfn << 12) & ~(tdx_level_size(level) - 1));
	struct vmm_cpu *c = vmm_get_cpu(vm->vmm, cpu_hint);
	bool small = op == EXTERNAL_LINK || level == TDX_LEVEL_4K;
	int err = small ? vm_pamt_get(vm, c, pa) : 0;
	struct tdx_mem_result r;
	struct tdx_status s;

	if (err) {
		vmm_put_cpu(c);
		return no_pamt(vm, err);
	}
	s = install_patiently(c->cpu, vm, op, g, level, hpa(pa), source, &r);
	if (small && !tdx_is_success(s))
		vm_pamt_put(vm, c, pa);
	vmm_put_cpu(c);
	if (tdx_is_success(s))
		return MMU_OK;
	if (vm_busy(leaf_of(op), s) == BUSY_LATER)
		return vm_is_dead(vm) ? MMU_DEAD : MMU_RETRY;
	vm_bug(vm, leaf_of(op), s, &r.raw, "mapping private memory");
	return MMU_DEAD;
}

/* --- removals --- */

struct removal {
	struct tdx_vm *vm;
	const struct external_leaf *leaf;
	uint64_t table_pa;
	const struct tdx_pamt_pair *pair; /* for it, with dynamic PAMT */
	uint64_t refusal; /* a status that is no fault of the monitor: -EINVAL; 0 none */
	struct tdx_mem_result r;
};

/* For the hot calls, which fill in all of a->r. */
static void removal_of(struct removal *a, struct tdx_vm *vm, const struct external_leaf *leaf)
{
	a->vm = vm;
	a->leaf = leaf;
	a->table_pa = 0;
	a->pair = NULL;
	a->refusal = 0;
}

typedef struct tdx_status removal_fn(const struct tdx_cpu *cpu, struct removal *a);

static struct tdx_status do_block(const struct tdx_cpu *cpu, struct removal *a)
{
	return tdh_mem_range_block(cpu, &a->vm->td, gpa(a->leaf->gfn << 12), a->leaf->level, &a->r);
}

static struct tdx_status do_unblock(const struct tdx_cpu *cpu, struct removal *a)
{
	return tdh_mem_range_unblock(cpu, &a->vm->td, gpa(a->leaf->gfn << 12), a->leaf->level,
				     &a->r);
}

static struct tdx_status do_track(const struct tdx_cpu *cpu, struct removal *a)
{
	return tdh_mem_track(cpu, &a->vm->td);
}

static struct tdx_status do_remove(const struct tdx_cpu *cpu, struct removal *a)
{
	return tdh_mem_page_remove(cpu, &a->vm->td, gpa(a->leaf->gfn << 12), a->leaf->level, &a->r);
}

static struct tdx_status do_promote(const struct tdx_cpu *cpu, struct removal *a)
{
	return tdh_mem_page_promote(cpu, &a->vm->td, gpa(a->leaf->gfn << 12), a->leaf->level,
				    &a->r);
}

static struct tdx_status do_demote(const struct tdx_cpu *cpu, struct removal *a)
{
	return tdh_mem_page_demote(cpu, &a->vm->td, gpa(a->leaf->gfn << 12), a->leaf->level,
				   hpa(a->table_pa), a->pair, &a->r);
}

/* An interrupted call starts anew; it was not contention. */
static struct tdx_status whole(const struct vmm_cpu *c, removal_fn *fn, struct removal *a)
{
	struct tdx_status s = fn(c->cpu, a);

	for (unsigned i = 0; tdx_is(s, TDX_INTERRUPTED_RESTARTABLE) && i < RESTARTS; i++)
		s = fn(c->cpu, a);
	return s;
}

/* tdh_do_no_vcpus of KVM. The processor stays held: a vCPU that waits for it is in no guest. */
static int no_vcpus(struct tdx_vm *vm, const struct vmm_cpu *c, enum tdx_seamcall leaf,
		    removal_fn *fn, struct removal *a, const char *what)
{
	const struct tdx_vmm_policy *p = &vm->vmm->policy;
	struct vmm_contention *n = &vm->vmm->contention;
	struct tdx_status s = whole(c, fn, a);

	for (unsigned again = 0; again < p->remove_again && vm_busy(leaf, s) == BUSY_NO_VCPUS;
	     again++) {
		vmm_count(&n->remove_busy);
		vmm_count(&n->remove_again);
		s = whole(c, fn, a);
	}
	/* An old epoch cannot be: every tracking is followed by a kick. */
	for (unsigned kicks = 0; kicks < p->kicks && vm_busy(leaf, s) == BUSY_NO_VCPUS; kicks++) {
		vmm_count(&n->remove_busy);
		vmm_count(&n->kicks);
		atomic_store(&vm->wait_for_sept_zap, true);
		vm_kick_vcpus(vm);
		s = whole(c, fn, a);
		atomic_store(&vm->wait_for_sept_zap, false);
	}
	if (tdx_is_success(s))
		return 0;
	if (a->refusal && tdx_is(s, a->refusal))
		return -EINVAL;
	return vm_bug(vm, leaf, s, &a->r.raw, what);
}

int mmu_external_block(struct tdx_vm *vm, struct vmm_cpu *c, const struct external_leaf *leaf)
{
	struct removal a;

	removal_of(&a, vm, leaf);
	return no_vcpus(vm, c, TDH_MEM_RANGE_BLOCK, do_block, &a, "removing private memory");
}

int mmu_external_unblock(struct tdx_vm *vm, struct vmm_cpu *c, const struct external_leaf *leaf)
{
	struct removal a = {.vm = vm, .leaf = leaf};

	return no_vcpus(vm, c, TDH_MEM_RANGE_UNBLOCK, do_unblock, &a, "unblocking private memory");
}

int mmu_external_track(struct tdx_vm *vm, struct vmm_cpu *c)
{
	struct removal a = {.vm = vm};
	int err;

	/* No TLB has anything of a TD that has never run. */
	if (atomic_load(&vm->state) == TDX_VM_INITIALIZED)
		return 0;
	err = no_vcpus(vm, c, TDH_MEM_TRACK, do_track, &a, "removing private memory");
	if (!err)
		vm_kick_vcpus(vm);
	return err;
}

int mmu_external_remove(struct tdx_vm *vm, struct vmm_cpu *c, const struct external_leaf *leaf)
{
	struct removal a;
	int err;

	removal_of(&a, vm, leaf);
	err = no_vcpus(vm, c, TDH_MEM_PAGE_REMOVE, do_remove, &a, "removing private memory");
	if (err || vm->ending)
		return err;
	err = vm_clean_private_page(vm, c, leaf->pa, leaf->level);
	if (!err && leaf->level == TDX_LEVEL_4K)
		vm_pamt_put(vm, c, leaf->pa);
	return err;
}

int mmu_external_promote(struct tdx_vm *vm, struct vmm_cpu *c, const struct external_leaf *leaf,
			 uint64_t *table_pa)
{
	struct tdx_vmm *vmm = vm->vmm;
	struct removal a = {.vm = vm, .leaf = leaf, .refusal = TDX_EPT_INVALID_PROMOTE_CONDITIONS};
	int err = no_vcpus(vm, c, TDH_MEM_PAGE_PROMOTE, do_promote, &a, "promoting a range");
	struct tdx_status s;

	*table_pa = a.r.page.v;
	if (err)
		return err;
	s = tdx_host_pamt_promoted(&vmm->host, c->cpu, hpa(leaf->pa), &a.r, &vmm->mem);
	if (!tdx_is_success(s)) /* promoted it is, all the same */
		vm_bug(vm, TDH_PHYMEM_PAGE_WBINVD, s, NULL, "taking PAMT pages back");
	return 0;
}

static int demote(struct tdx_vm *vm, struct vmm_cpu *c, struct removal *a)
{
	struct tdx_vmm *vmm = vm->vmm;
	struct tdx_pamt_pair pair;
	int err;

	if (vmm->dynamic_pamt) {
		err = tdx_host_pamt_pair_alloc(&vmm->mem, &pair);
		if (err)
			return err;
		a->pair = &pair;
	}
	err = no_vcpus(vm, c, TDH_MEM_PAGE_DEMOTE, do_demote, a, "demoting a page");
	if (!err)
		tdx_host_pamt_demoted(&vmm->host, hpa(a->leaf->pa));
	else if (a->pair)
		tdx_host_pamt_pair_free(&vmm->mem, &pair);
	return err;
}

int mmu_external_demote(struct tdx_vm *vm, struct vmm_cpu *c, const struct external_leaf *leaf,
			uint64_t table_pa)
{
	struct removal a = {.vm = vm, .leaf = leaf, .table_pa = table_pa};
	int err = vm_pamt_get(vm, c, table_pa);

	if (err)
		return err;
	err = demote(vm, c, &a);
	if (err)
		vm_pamt_put(vm, c, table_pa);
	return err;
}

void mmu_free_external(struct tdx_vm *vm, struct mmu_page *p)
{
	if (!p->pa)
		return;	       /* the root is part of the TDCS */
	if (vm->hkid_assigned) /* tables go at the end only; leaves go before */
		vm_kill(vm, "a table was to go while it lives");
	if (vm->hkid_assigned || vm->hkid_leaked)
		pages_quarantine(&vm->vmm->pages, 1);
	else
		vm_reclaim_page(vm, p->pa);
}
