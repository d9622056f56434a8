/* SPDX-License-Identifier: MIT */
/* The mirror's changes as calls to the module. What a busy one means is in vmm/busy.c: installs
 * come back with the next fault; for removals all vCPUs are kicked and kept out, and then one more
 * attempt must succeed. */
#include "vmm/external.h"

#include "vmm/busy.h"

#include <errno.h>

enum { RESTARTS = 10000 };

static enum tdx_seamcall leaf_of(enum mirror_install what)
{
	switch (what) {
	case MIRROR_LINK:
	case MIRROR_LINK_L2:
		return TDH_MEM_SEPT_ADD;
	case MIRROR_ADD:
		return TDH_MEM_PAGE_ADD;
	case MIRROR_AUG:
		return TDH_MEM_PAGE_AUG;
	case MIRROR_UNBLOCKW:
		return TDH_EXPORT_UNBLOCKW;
	case MIRROR_SPLIT:
		break;
	}
	return TDH_MEM_PAGE_DEMOTE;
}

/* One attempt at an entry. l2: the tables that LINK_L2 offers. */
static struct tdx_status install(const struct tdx_cpu *cpu, const struct tdx_vm *vm,
				 const struct mirror_new *e, struct tdx_l2_tables *l2,
				 struct tdx_mem_result *r)
{
	gpa_t g = gpa((e->gfn << 12) & ~(tdx_level_size(e->level) - 1));

	if (e->what == MIRROR_LINK_L2)
		return tdh_mem_sept_add_l2(cpu, &vm->td, g, e->level, true, l2, r);
	if (e->what == MIRROR_LINK)
		return tdh_mem_sept_add(cpu, &vm->td, g, e->level, hpa(e->pa), r);
	if (e->what == MIRROR_UNBLOCKW)
		return tdh_export_unblockw(cpu, &vm->td, g, e->level, r);
	if (e->what == MIRROR_ADD)
		return tdh_mem_page_add(cpu, &vm->td, g, hpa(e->pa), *e->source, r);
	return tdh_mem_page_aug(cpu, &vm->td, g, e->level, hpa(e->pa), r);
}

/* As often in a row as policy says. */
static struct tdx_status install_patiently(const struct tdx_cpu *cpu, const struct tdx_vm *vm,
					   const struct mirror_new *e, struct tdx_l2_tables *l2,
					   struct tdx_mem_result *r)
{
	struct tdx_vmm *vmm = vm->vmm;
	struct tdx_status s;

	for (unsigned again = 0;; again++) {
		s = install(cpu, vm, e, l2, r);
		if (vm_busy(leaf_of(e->what), s) != BUSY_LATER)
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

/* --- pages for tables of L2 VMs --- */

/* They are not the module's. */
static void keep_l2(struct tdx_vm *vm, struct vmm_cpu *c, const struct tdx_l2_tables *l2)
{
	for (unsigned i = 1; i <= VM_MAX_L2; i++)
		if (l2->of[i].there)
			vm_pamt_put(vm, c, l2->of[i].page.v);
}

static int offer_l2(struct tdx_vm *vm, struct vmm_cpu *c, const uint64_t *l2_pa,
		    struct tdx_l2_tables *l2)
{
	for (unsigned i = 1; i <= vm->num_l2_vms; i++) {
		int err = l2_pa[i - 1] ? vm_pamt_get(vm, c, l2_pa[i - 1]) : 0;

		if (err) {
			keep_l2(vm, c, l2);
			return err;
		}
		l2->of[i].page = hpa(l2_pa[i - 1]);
		l2->of[i].there = l2_pa[i - 1] != 0;
	}
	return 0;
}

/* After a success: what is still there was not needed. */
static void settle_l2(struct tdx_vm *vm, struct vmm_cpu *c, uint64_t *l2_pa,
		      const struct tdx_l2_tables *l2)
{
	keep_l2(vm, c, l2);
	for (unsigned i = 1; i <= VM_MAX_L2; i++)
		if (!l2->of[i].there)
			l2_pa[i - 1] = 0;
}

/* The pages an entry needs in PAMT: all small ones. */
static int pamt_for(struct tdx_vm *vm, struct vmm_cpu *c, const struct mirror_new *e,
		    struct tdx_l2_tables *l2)
{
	switch (e->what) {
	case MIRROR_LINK_L2:
		return offer_l2(vm, c, e->l2_pa, l2);
	case MIRROR_LINK:
		return vm_pamt_get(vm, c, e->pa);
	case MIRROR_ADD:
	case MIRROR_AUG:
		return e->level == TDX_LEVEL_4K ? vm_pamt_get(vm, c, e->pa) : 0;
	case MIRROR_UNBLOCKW:
	case MIRROR_SPLIT:
		break;
	}
	return 0;
}

static void pamt_settled(struct tdx_vm *vm, struct vmm_cpu *c, const struct mirror_new *e,
			 const struct tdx_l2_tables *l2, bool done)
{
	if (e->what == MIRROR_LINK_L2 && done)
		settle_l2(vm, c, e->l2_pa, l2);
	else if (e->what == MIRROR_LINK_L2)
		keep_l2(vm, c, l2);
	else if (!done && e->what != MIRROR_UNBLOCKW &&
		 (e->what == MIRROR_LINK || e->level == TDX_LEVEL_4K))
		vm_pamt_put(vm, c, e->pa);
}

static enum mmu_result install_entry(struct tdx_vm *vm, const struct mirror_new *e)
{
	struct vmm_cpu *c = vmm_get_cpu(vm->vmm, e->cpu_hint);
	struct tdx_l2_tables l2 = {0};
	int err = pamt_for(vm, c, e, &l2);
	struct tdx_mem_result r;
	struct tdx_status s;

	if (err) {
		vmm_put_cpu(c);
		return no_pamt(vm, err);
	}
	s = install_patiently(c->cpu, vm, e, &l2, &r);
	pamt_settled(vm, c, e, &l2, tdx_is_success(s));
	vmm_put_cpu(c);
	if (tdx_is_success(s))
		return MMU_OK;
	if (vm_busy(leaf_of(e->what), s) == BUSY_LATER)
		return vm_is_dead(vm) ? MMU_DEAD : MMU_RETRY;
	vm_bug(vm, leaf_of(e->what), s, &r.raw, "mapping private memory");
	return MMU_DEAD;
}

/* --- removals --- */

struct removal {
	struct tdx_vm *vm;
	const struct external_leaf *leaf;
	uint64_t table_pa;
	struct tdx_l2_tables *l2;	  /* of a TD with L2 VMs: theirs */
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
	a->l2 = NULL;
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
	const gpa_t g = gpa(a->leaf->gfn << 12);

	if (a->l2)
		return tdh_mem_page_promote_l2(cpu, &a->vm->td, g, a->leaf->level, a->l2, &a->r);
	return tdh_mem_page_promote(cpu, &a->vm->td, g, a->leaf->level, &a->r);
}

static struct tdx_status do_demote(const struct tdx_cpu *cpu, struct removal *a)
{
	const gpa_t g = gpa(a->leaf->gfn << 12);

	if (a->l2)
		return tdh_mem_page_demote_l2(cpu, &a->vm->td, g, a->leaf->level, true, a->l2,
					      a->pair, &a->r);
	return tdh_mem_page_demote(cpu, &a->vm->td, g, a->leaf->level, hpa(a->table_pa), a->pair,
				   &a->r);
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

	if (__builtin_expect(tdx_is_success(s), 1))
		return 0;
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

static int external_block(struct tdx_vm *vm, struct vmm_cpu *c, const struct external_leaf *leaf)
{
	struct removal a;

	removal_of(&a, vm, leaf);
	return no_vcpus(vm, c, TDH_MEM_RANGE_BLOCK, do_block, &a, "removing private memory");
}

static int external_unblock(struct tdx_vm *vm, struct vmm_cpu *c, const struct external_leaf *leaf)
{
	struct removal a = {.vm = vm, .leaf = leaf};

	return no_vcpus(vm, c, TDH_MEM_RANGE_UNBLOCK, do_unblock, &a, "unblocking private memory");
}

static int external_track(struct tdx_vm *vm, struct vmm_cpu *c)
{
	struct removal a = {.vm = vm};
	int err;

	/* No TLB has anything of a TD that has never run. */
	if (atomic_load(&vm->state) == TDX_VM_INITIALIZED)
		return 0;
	err = no_vcpus(vm, c, TDH_MEM_TRACK, do_track, &a, "removing private memory");
	if (!err) {
		vmm_count(&vm->tracks);
		vm_kick_vcpus(vm);
	}
	return err;
}

uint64_t tdx_vm_tracks(const struct tdx_vm *vm)
{
	return atomic_load(&((struct tdx_vm *)(uintptr_t)vm)->tracks);
}

int mirror_track(struct tdx_vm *vm)
{
	struct vmm_cpu *c = vmm_get_cpu(vm->vmm, -1);
	int err = external_track(vm, c);

	vmm_put_cpu(c);
	return err;
}

static int external_remove(struct tdx_vm *vm, struct vmm_cpu *c, const struct external_leaf *leaf)
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

static int external_promote(struct tdx_vm *vm, struct vmm_cpu *c, const struct external_leaf *leaf,
			    uint64_t *table_pa, struct tdx_l2_tables *l2)
{
	struct tdx_vmm *vmm = vm->vmm;
	struct removal a = {.vm = vm,
			    .leaf = leaf,
			    .l2 = vm->num_l2_vms ? l2 : NULL,
			    .refusal = TDX_EPT_INVALID_PROMOTE_CONDITIONS};
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

static int external_demote(struct tdx_vm *vm, struct vmm_cpu *c, const struct external_leaf *leaf,
			   const struct mirror_new *e)
{
	struct tdx_l2_tables l2 = {.of[0] = {hpa(e->pa), true}};
	struct removal a = {
		.vm = vm, .leaf = leaf, .table_pa = e->pa, .l2 = vm->num_l2_vms ? &l2 : NULL};
	int err = vm_pamt_get(vm, c, e->pa);

	if (err)
		return err;
	err = a.l2 ? offer_l2(vm, c, e->l2_pa, &l2) : 0;
	if (!err) {
		err = demote(vm, c, &a);
		if (err)
			keep_l2(vm, c, &l2);
		else if (a.l2)
			settle_l2(vm, c, e->l2_pa, &l2);
	}
	if (err)
		vm_pamt_put(vm, c, e->pa);
	return err;
}

/* Blocked and tracked, so that no TLB has anything of it. */
static int block_one(struct tdx_vm *vm, struct vmm_cpu *c, const struct external_leaf *leaf)
{
	int err = external_block(vm, c, leaf);

	return err ? err : external_track(vm, c);
}

static enum mmu_result split(struct tdx_vm *vm, const struct mirror_new *e)
{
	const struct external_leaf leaf = {e->gfn, e->leaf_pa, e->level};
	struct vmm_cpu *c = vmm_get_cpu(vm->vmm, e->cpu_hint);
	int err = block_one(vm, c, &leaf);

	if (!err)
		err = external_demote(vm, c, &leaf, e);
	vmm_put_cpu(c);
	return !err ? MMU_OK : err == -ENOMEM ? MMU_NO_MEMORY : MMU_DEAD;
}

static enum mmu_result mirror_install(struct tdx_vm *vm, const struct mirror_new *e)
{
	return e->what == MIRROR_SPLIT ? split(vm, e) : install_entry(vm, e);
}

/* Between two calls of a batch: somebody else may want the processor. */
static struct vmm_cpu *let_waiters_on(struct tdx_vm *vm, struct vmm_cpu *c)
{
	if (!atomic_load_explicit(&c->waiting, memory_order_relaxed))
		return c;
	vmm_put_cpu(c);
	return vmm_get_cpu(vm->vmm, -1);
}

static int remove_leaves(struct tdx_vm *vm, struct mirror_gone *g)
{
	/* Of a dead VM nothing is removed, nor of one in the middle of a migration: its pages are
	 * reclaimed once the KeyID is free. */
	int err = vm_is_dead(vm) || vm->sealed ? -EIO : 0;
	struct vmm_cpu *c = vmm_get_cpu(vm->vmm, -1);

	for (unsigned i = 0; i < g->n && !err; i++) {
		err = external_block(vm, c, &g->leaf[i]);
		c = let_waiters_on(vm, c);
	}
	if (!err)
		err = external_track(vm, c);
	for (unsigned i = 0; i < g->n; i++) {
		const struct external_leaf *l = &g->leaf[i];

		if (!err)
			err = external_remove(vm, c, l);
		if (err || vm->ending)
			vm_let_wait(vm, l->pa, l->level, !err);
		else if (l->level == TDX_LEVEL_2M)
			pages_put_block(&vm->vmm->pages, l->pa);
		else
			g->page[g->npages++] = l->pa;
		c = let_waiters_on(vm, c);
	}
	vmm_put_cpu(c);
	return err;
}

/* A table's page that came out of the TD; quarantined when it cannot be cleaned. */
static void table_came_out(struct tdx_vm *vm, struct vmm_cpu *c, uint64_t pa)
{
	if (vm_clean_private_page(vm, c, pa, TDX_LEVEL_4K)) {
		pages_quarantine(&vm->vmm->pages, 1);
		return;
	}
	vm_pamt_put(vm, c, pa);
	pages_put(&vm->vmm->pages, pa);
}

static int merge(struct tdx_vm *vm, const struct external_leaf *leaf)
{
	struct vmm_cpu *c = vmm_get_cpu(vm->vmm, -1);
	struct tdx_l2_tables l2 = {0};
	uint64_t table_pa;
	int err = block_one(vm, c, leaf);

	if (!err)
		err = external_promote(vm, c, leaf, &table_pa, &l2);
	if (err == -EINVAL) /* pages of different states: they stay as they were */
		external_unblock(vm, c, leaf);
	if (err) {
		vmm_put_cpu(c);
		return err;
	}
	/* It is done, whatever becomes of the pages the tables were in. */
	table_came_out(vm, c, table_pa);
	for (unsigned i = 1; i <= VM_MAX_L2; i++)
		if (l2.of[i].there)
			table_came_out(vm, c, l2.of[i].page.v);
	vmm_put_cpu(c);
	return 0;
}

/* The KeyID must have been released before. */
static int remove_table(struct tdx_vm *vm, uint64_t pa)
{
	if (!pa)
		return 0;      /* the root is part of the TDCS */
	if (vm->hkid_assigned) /* tables go at the end only; leaves go before */
		vm_kill(vm, "a table was to go while it lives");
	if (vm->hkid_assigned || vm->hkid_leaked) {
		pages_quarantine(&vm->vmm->pages, 1);
		return -EIO;
	}
	return vm_reclaim_page(vm, pa);
}

static int mirror_remove(struct tdx_vm *vm, struct mirror_gone *g)
{
	switch (g->what) {
	case MIRROR_LEAVES:
		return remove_leaves(vm, g);
	case MIRROR_MERGE:
		return merge(vm, g->leaf);
	case MIRROR_TABLE:
		break;
	}
	return remove_table(vm, g->table_pa);
}

const struct mirror_ops tdx_mirror = {mirror_install, mirror_remove};
