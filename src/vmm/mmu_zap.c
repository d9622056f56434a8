/* SPDX-License-Identifier: MIT */
/* Removing: leaves while the TD lives, tables at its end, and 2M pages made and broken.
 *
 * Everything here holds mmu_lock for writing. Private leaves go in batches: all blocked, one
 * tracking with one round of kicks, all removed. */
#include "vmm/external.h"

#include <errno.h>
#include <stdlib.h>

enum { BATCH = 512 };

struct zap {
	struct tdx_vm *vm;
	uint64_t first, end; /* gfns */
	struct external_leaf leaf[BATCH];
	uint64_t page[BATCH]; /* removed */
	unsigned n;
	int err;
};

static void flush_batch(struct zap *z)
{
	struct mirror_gone g = {.what = MIRROR_LEAVES, .leaf = z->leaf, .n = z->n, .page = z->page};
	int err;

	if (!z->n)
		return;
	err = z->vm->mirror->remove(z->vm, &g);
	pages_put_many(&z->vm->vmm->pages, z->page, g.npages);
	z->n = 0;
	z->err = z->err ? z->err : err;
}

static void zap_leaf(struct zap *z, struct mmu_page *p, unsigned i, uint64_t gfn, uint64_t spte)
{
	atomic_store_explicit(&p->spt[i],
			      SPTE_NONPRESENT | (p->is_mirror ? spte & SPTE_DROPPED : 0),
			      memory_order_release);
	if (!p->is_mirror)
		return; /* shared pages belong to the slot */
	z->leaf[z->n++] = (struct external_leaf){gfn, spte & SPTE_ADDR, p->level};
	if (z->n == BATCH)
		flush_batch(z);
}

static void zap_table(struct zap *z, struct mmu_page *p)
{
	uint64_t span = 1ull << (9 * (unsigned)p->level); /* gfns of an entry */

	unsigned i = z->first > p->gfn ? (unsigned)((z->first - p->gfn) / span) : 0;

	for (; i < 512; i++) {
		uint64_t gfn = p->gfn + i * span;
		uint64_t spte = atomic_load_explicit(&p->spt[i], memory_order_relaxed);

		if (gfn >= z->end)
			break;
		if ((spte & ~SPTE_DROPPED) == SPTE_NONPRESENT)
			continue;
		if (spte & SPTE_PRESENT && !(spte & SPTE_LEAF) && p->level > TDX_LEVEL_4K)
			zap_table(z, p->child[i]);
		else
			zap_leaf(z, p, i, gfn, spte);
	}
}

static int zap_root(struct tdx_vm *vm, struct mmu_page *root, uint64_t gfn, uint64_t n)
{
	struct zap *z = vm->zap;

	z->vm = vm;
	z->first = gfn;
	z->end = n > ~0ull - gfn ? ~0ull : gfn + n;
	z->n = 0;
	z->err = 0;
	zap_table(z, root);
	flush_batch(z);
	return z->err;
}

struct zap *mmu_zap_new(void)
{
	return calloc(1, sizeof(struct zap));
}

void mmu_zap_direct(struct tdx_vm *vm, uint64_t gfn, uint64_t n)
{
	zap_root(vm, vm->direct_root, gfn | vm_shared_mask(vm) >> 12, n);
	/* TLBs: the next entry flushes them. */
	atomic_fetch_add(&vm->shared_generation, 1);
	vm_kick_vcpus(vm);
}

/* --- 2M --- */

static struct mmu_page *table_of(struct tdx_vm *vm, uint64_t gfn, enum tdx_level level)
{
	struct mmu_page *p = vm->mirror_root;

	while (p && p->level > level)
		p = p->child[(gfn >> (9 * (unsigned)p->level)) & 511];
	return p;
}

int mmu_promote(struct tdx_vm *vm, uint64_t gfn)
{
	struct mmu_page *p = table_of(vm, gfn, TDX_LEVEL_2M), *child;
	unsigned i = (unsigned)(gfn >> 9) & 511u;
	struct external_leaf range = {gfn & ~511ull, 0, TDX_LEVEL_2M};
	uint64_t first;
	int err;

	child = p ? p->child[i] : NULL;
	if (!child)
		return -EINVAL;
	first = child->spt[0] & SPTE_ADDR;
	for (unsigned k = 0; k < 512; k++)
		if (!(child->spt[k] & SPTE_PRESENT) ||
		    (child->spt[k] & SPTE_ADDR) != first + k * 4096ull)
			return -EINVAL;
	if (first & (TDX_SIZE_2M - 1))
		return -EINVAL;
	range.pa = first;
	err = vm->mirror->remove(
		vm, &(struct mirror_gone){.what = MIRROR_MERGE, .leaf = &range, .n = 1});
	if (err)
		return err;
	p->child[i] = NULL;
	atomic_store(&p->spt[i], first | SPTE_PRESENT | SPTE_LEAF | SPTE_RWX);
	mmu_page_free(child);
	return vm_is_dead(vm) ? -EIO : 0;
}

int mmu_demote(struct tdx_vm *vm, struct page_cache *cache, uint64_t gfn)
{
	struct mmu_page *p = table_of(vm, gfn, TDX_LEVEL_2M), *child;
	unsigned i = (unsigned)(gfn >> 9) & 511u;
	uint64_t spte = p ? atomic_load(&p->spt[i]) : 0, table_pa;
	uint64_t l2_pa[VM_MAX_L2] = {0};
	const struct external_leaf range = {gfn & ~511ull, spte & SPTE_ADDR, TDX_LEVEL_2M};
	enum mmu_result r;

	if (!(spte & SPTE_PRESENT) || !(spte & SPTE_LEAF))
		return -EINVAL;
	if (!page_cache_fill(&vm->vmm->pages, cache, 1 + vm->num_l2_vms))
		return -ENOMEM;
	child = mmu_mirror_page_new(range.gfn, TDX_LEVEL_4K);
	if (!child)
		return -ENOMEM;
	table_pa = page_cache_get(cache);
	for (unsigned l2 = 0; l2 < vm->num_l2_vms; l2++)
		child->l2_pa[l2] = l2_pa[l2] = page_cache_get(cache);
	r = vm->mirror->install(vm, &(struct mirror_new){.what = MIRROR_SPLIT,
							 .gfn = range.gfn,
							 .level = TDX_LEVEL_2M,
							 .pa = table_pa,
							 .leaf_pa = range.pa,
							 .l2_pa = l2_pa,
							 .cpu_hint = -1});
	for (unsigned l2 = 0; l2 < vm->num_l2_vms; l2++) {
		if (!l2_pa[l2])
			continue; /* the VM has a table there now */
		page_cache_put(&vm->vmm->pages, cache, l2_pa[l2]);
		child->l2_pa[l2] = 0;
	}
	if (r != MMU_OK) {
		mmu_page_free(child);
		page_cache_put(&vm->vmm->pages, cache, table_pa); /* it was refused */
		return r == MMU_NO_MEMORY ? -ENOMEM : -EIO;
	}
	child->pa = table_pa;
	for (unsigned k = 0; k < 512; k++)
		atomic_store(&child->spt[k], ((spte & SPTE_ADDR) + k * 4096ull) | SPTE_PRESENT |
						     SPTE_LEAF | SPTE_RWX);
	p->child[i] = child;
	atomic_store(&p->spt[i], table_pa | SPTE_PRESENT | SPTE_RWX);
	return 0;
}

/* A 2M page that lies across the end of a range to be removed is split: its other pages stay. */
static int split_at(struct tdx_vm *vm, uint64_t gfn)
{
	struct mmu_page *p = gfn & 511 ? table_of(vm, gfn, TDX_LEVEL_2M) : NULL;
	uint64_t spte = p ? atomic_load(&p->spt[(gfn >> 9) & 511]) : 0;

	/* Writers of mmu_lock are alone, so the VM's page cache is theirs. */
	return spte & SPTE_LEAF && spte & SPTE_PRESENT ? mmu_demote(vm, &vm->cache, gfn) : 0;
}

int mmu_zap(struct tdx_vm *vm, uint64_t gfn, uint64_t n, unsigned filter)
{
	int err = 0;

	if (filter & MMU_SHARED && vm->direct_root)
		mmu_zap_direct(vm, gfn, n);
	if (filter & MMU_PRIVATE && vm->mirror_root) {
		err = split_at(vm, gfn);
		if (!err)
			err = split_at(vm, gfn + n);
		if (!err)
			err = zap_root(vm, vm->mirror_root, gfn, n);
	}
	return err;
}

/* --- the end --- */

static void free_external(struct tdx_vm *vm, uint64_t pa)
{
	if (pa)
		vm->mirror->remove(vm, &(struct mirror_gone){.what = MIRROR_TABLE, .table_pa = pa});
}

static void free_tables(struct tdx_vm *vm, struct mmu_page *p)
{
	for (unsigned i = 0; i < 512; i++) {
		uint64_t spte = atomic_load_explicit(&p->spt[i], memory_order_relaxed);

		/* Nobody walks here any more; whoever did would stop. */
		atomic_store_explicit(&p->spt[i], SPTE_FROZEN, memory_order_relaxed);
		if (p->level > TDX_LEVEL_4K && spte & SPTE_PRESENT && !(spte & SPTE_LEAF))
			free_tables(vm, p->child[i]);
	}
	if (p->is_mirror) {
		free_external(vm, p->pa);
		for (unsigned l2 = 0; l2 < VM_MAX_L2; l2++)
			free_external(vm, p->l2_pa[l2]);
	} else {
		pages_put(&vm->vmm->pages, p->pa);
	}
	mmu_page_free(p);
}

void mmu_free_mirror(struct tdx_vm *vm)
{
	if (vm->mirror_root)
		free_tables(vm, vm->mirror_root);
	vm->mirror_root = NULL;
	free(vm->zap);
	vm->zap = NULL;
}

void mmu_free_direct(struct tdx_vm *vm)
{
	if (vm->direct_root)
		free_tables(vm, vm->direct_root);
	vm->direct_root = NULL;
}
