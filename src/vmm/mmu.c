/* SPDX-License-Identifier: MIT */
/* The trees of a VM: making them, walking them, installing entries. Removals are mmu_zap.c.
 *
 * Tables are bounded by the slots, whatever the guest touches: where there is no memory, one entry
 * says so for all of the largest range around that no slot reaches into.
 *
 * An install holds mmu_lock for reading and freezes one entry at a time with a compare-and-swap;
 * the module is asked while the entry is frozen, and the entry then gets its value or its old one
 * back. A busy module is contention: the caller comes back. Anything else bugs the VM. */
#include "vmm/mmu.h"

#include <errno.h>
#include <stdlib.h>

#include "vmm/external.h"

static struct mmu_page *page_new(uint64_t gfn, enum tdx_level level, bool is_mirror)
{
	struct mmu_page *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->gfn = gfn & ~((1ull << (9 * ((unsigned)level + 1))) - 1);
	p->level = level;
	p->is_mirror = is_mirror;
	return p;
}

static void fill(struct mmu_page *p)
{
	for (unsigned i = 0; i < 512; i++)
		atomic_store_explicit(&p->spt[i], SPTE_NONPRESENT, memory_order_relaxed);
}

/* A table of the mirror; its external page comes with the install. */
struct mmu_page *mmu_mirror_page_new(uint64_t gfn, enum tdx_level level)
{
	struct mmu_page *p = page_new(gfn, level, true);

	if (!p)
		return NULL;
	p->spt = aligned_alloc(4096, 4096);
	if (!p->spt) {
		free(p);
		return NULL;
	}
	fill(p);
	return p;
}

/* A table of the direct tree: the processor walks it, so it is a page of the machine. */
static struct mmu_page *direct_page_new(struct tdx_vm *vm, uint64_t pa, uint64_t gfn,
					enum tdx_level level)
{
	struct mmu_page *p = page_new(gfn, level, false);
	const struct tdx_port *port = vm->vmm->port[0];

	if (!p)
		return NULL;
	p->pa = pa;
	p->spt = port->ops->va(port, hpa(pa));
	fill(p);
	return p;
}

void mmu_page_free(struct mmu_page *p)
{
	if (p->is_mirror)
		free((void *)p->spt);
	free(p);
}

static enum tdx_level root_level(const struct tdx_vm *vm)
{
	return vm->gpaw52 ? TDX_LEVEL_256T : TDX_LEVEL_512G;
}

int mmu_init(struct tdx_vm *vm)
{
	uint64_t pa = pages_get(&vm->vmm->pages);

	if (!pa)
		return -ENOMEM;
	vm->direct_root = direct_page_new(vm, pa, 0, root_level(vm));
	if (!vm->direct_root)
		pages_put(&vm->vmm->pages, pa);
	vm->mirror = &tdx_mirror;
	vm->mirror_root = mmu_mirror_page_new(0, root_level(vm)); /* external: inside the TDCS */
	return vm->direct_root && vm->mirror_root ? 0 : -ENOMEM;
}

hpa_t mmu_shared_root(const struct tdx_vm *vm)
{
	return hpa(vm->direct_root->pa);
}

static unsigned index_of(const struct mmu_page *p, uint64_t gfn)
{
	return (unsigned)(gfn >> (9 * (unsigned)p->level)) & 511u;
}

static uint64_t load(_Atomic uint64_t *sptep)
{
	return atomic_load_explicit(sptep, memory_order_acquire);
}

static void store(_Atomic uint64_t *sptep, uint64_t spte)
{
	atomic_store_explicit(sptep, spte, memory_order_release);
}

/* Take the entry for a change. False: somebody else was first. */
static bool freeze(_Atomic uint64_t *sptep, uint64_t old)
{
	return atomic_compare_exchange_strong(sptep, &old, SPTE_FROZEN);
}

/* The child table below p's entry for gfn, made if it is missing. */
static enum mmu_result child_of(struct tdx_vm *vm, struct page_cache *cache, struct mmu_page *p,
				uint64_t gfn, int cpu_hint, struct mmu_page **child)
{
	unsigned i = index_of(p, gfn);
	uint64_t old = load(&p->spt[i]), pa;
	enum mmu_result r = MMU_OK;
	bool frozen;

	if (old == SPTE_FROZEN)
		return MMU_RETRY;
	if (old & SPTE_PRESENT) {
		*child = old & SPTE_LEAF ? NULL : p->child[i]; /* NULL: a larger page has it */
		return MMU_OK;
	}
	if (!page_cache_fill(&vm->vmm->pages, cache, 1))
		return MMU_NO_MEMORY;
	pa = page_cache_get(cache);
	*child = p->is_mirror ? mmu_mirror_page_new(gfn, p->level - 1)
			      : direct_page_new(vm, pa, gfn, p->level - 1);
	if (!*child) {
		page_cache_put(&vm->vmm->pages, cache, pa);
		return MMU_NO_MEMORY;
	}
	(*child)->pa = pa;
	frozen = freeze(&p->spt[i], old);
	if (!frozen)
		r = MMU_RETRY;
	else if (p->is_mirror)
		r = vm->mirror->install(vm, &(struct mirror_new){.what = MIRROR_LINK,
								 .gfn = gfn,
								 .level = p->level,
								 .pa = pa,
								 .cpu_hint = cpu_hint});
	if (r != MMU_OK) {
		if (frozen)
			store(&p->spt[i], old);
		mmu_page_free(*child);
		page_cache_put(&vm->vmm->pages, cache, pa);
		return r;
	}
	p->child[i] = *child;
	store(&p->spt[i], pa | SPTE_PRESENT | SPTE_RWX);
	return MMU_OK;
}

/* The table that has gfn's entry of this level; NULL when a larger page maps gfn. */
static enum mmu_result walk(struct tdx_vm *vm, struct page_cache *cache, struct mmu_page *root,
			    uint64_t gfn, enum tdx_level level, int cpu_hint, struct mmu_page **out)
{
	struct mmu_page *p = root;

	while (p->level > level) {
		enum mmu_result r = child_of(vm, cache, p, gfn, cpu_hint, &p);

		if (r != MMU_OK || !p) {
			*out = NULL;
			return r;
		}
	}
	*out = p;
	return MMU_OK;
}

/* The page that a slot's user has for gfn; 0: it is left to the monitor. */
static uint64_t backing(struct tdx_vm *vm, uint64_t gfn)
{
	const struct memslot *s = vm_slot_of(vm, gfn);

	return s && s->backing_pa ? s->backing_pa + ((gfn - s->gfn) << 12) : 0;
}

uint64_t mmu_new_page(struct tdx_vm *vm, uint64_t gfn)
{
	const uint64_t users = backing(vm, gfn);

	return users ? users : pages_get(&vm->vmm->pages);
}

static uint64_t get_private(struct tdx_vm *vm, struct page_cache *cache, uint64_t gfn,
			    enum tdx_level level)
{
	uint64_t users = level == TDX_LEVEL_2M ? 0 : backing(vm, gfn);

	if (level == TDX_LEVEL_2M)
		return pages_get_block(&vm->vmm->pages);
	if (users)
		return users;
	return page_cache_fill(&vm->vmm->pages, cache, 1) ? page_cache_get(cache) : 0;
}

static void put_private(struct tdx_vm *vm, struct page_cache *cache, uint64_t gfn,
			enum tdx_level level, uint64_t pa)
{
	if (level == TDX_LEVEL_2M)
		pages_put_block(&vm->vmm->pages, pa);
	else if (!backing(vm, gfn))
		page_cache_put(&vm->vmm->pages, cache, pa);
}

/* The guest writes to a page that the exporter has blocked for that: it may, and the page is dirty
 * if it was exported. */
static enum mmu_result unblock_writing(struct tdx_vm *vm, _Atomic uint64_t *sptep, uint64_t old,
				       const struct mirror_new *e)
{
	enum mmu_result r;

	if (!freeze(sptep, old))
		return MMU_RETRY;
	r = vm->mirror->install(vm, e);
	store(sptep, r == MMU_OK ? old & ~SPTE_BLOCKEDW : old);
	return r;
}

enum mmu_result mmu_map_private(struct tdx_vm *vm, struct page_cache *cache, uint64_t gfn,
				enum tdx_level level, const hpa_t *source, int cpu_hint)
{
	struct mmu_page *p;
	enum mmu_result r = walk(vm, cache, vm->mirror_root, gfn, level, cpu_hint, &p);
	uint64_t old, pa;
	unsigned i;

	if (r != MMU_OK)
		return r;
	if (!p)
		return source ? MMU_EXISTS : MMU_OK;
	i = index_of(p, gfn);
	old = load(&p->spt[i]);
	if (old == SPTE_FROZEN)
		return MMU_RETRY;
	if (old & SPTE_PRESENT && old & SPTE_BLOCKEDW)
		return unblock_writing(vm, &p->spt[i], old,
				       &(struct mirror_new){.what = MIRROR_UNBLOCKW,
							    .gfn = gfn,
							    .level = level,
							    .cpu_hint = cpu_hint});
	if (old & SPTE_PRESENT)
		return source ? MMU_EXISTS : MMU_OK;
	if (vm->importing && !(old & SPTE_DROPPED))
		return MMU_RETRY; /* it is on its way */
	pa = get_private(vm, cache, gfn, level);
	if (!pa)
		return MMU_NO_MEMORY;
	if (!freeze(&p->spt[i], old)) {
		put_private(vm, cache, gfn, level, pa);
		return MMU_RETRY;
	}
	r = vm->mirror->install(vm, &(struct mirror_new){.what = source ? MIRROR_ADD : MIRROR_AUG,
							 .gfn = gfn,
							 .level = level,
							 .pa = pa,
							 .source = source,
							 .cpu_hint = cpu_hint});
	if (r == MMU_OK) {
		store(&p->spt[i], pa | SPTE_PRESENT | SPTE_LEAF | SPTE_RWX | (old & SPTE_DROPPED));
		return MMU_OK;
	}
	store(&p->spt[i], old);
	put_private(vm, cache, gfn, level, pa);
	return r;
}

/* Does a slot reach into the range of gfn's entry of this level? */
static bool has_memory(const struct tdx_vm *vm, uint64_t gfn, unsigned level)
{
	uint64_t span = 1ull << (9 * level), first = gfn & ~(span - 1);

	for (unsigned i = 0; i < vm->nslots; i++) {
		const struct memslot *s = &vm->slot[i];

		if (s->npages && s->gfn < first + span && first < s->gfn + s->npages)
			return true;
	}
	return false;
}

enum mmu_result mmu_map_mmio(struct tdx_vm *vm, struct page_cache *cache, uint64_t gfn)
{
	uint64_t direct_gfn = gfn | vm_shared_mask(vm) >> 12;
	unsigned level = root_level(vm);

	while (level && has_memory(vm, gfn, level))
		level--;
	for (;; level--) {
		struct mmu_page *p;
		enum mmu_result r =
			walk(vm, cache, vm->direct_root, direct_gfn, (enum tdx_level)level, -1, &p);
		_Atomic uint64_t *sptep;
		uint64_t old;

		if (r != MMU_OK || !p)
			return r;
		sptep = &p->spt[index_of(p, direct_gfn)];
		old = load(sptep);
		if (old == SPTE_FROZEN)
			return MMU_RETRY;
		if (old == SPTE_MMIO)
			return MMU_EXISTS;
		if (level && old & SPTE_PRESENT && !(old & SPTE_LEAF))
			continue; /* a table that a slot has left */
		return atomic_compare_exchange_strong(sptep, &old, SPTE_MMIO) ? MMU_OK : MMU_RETRY;
	}
}

/* One table of an L2 VM, beside that of the TD below p's entry for gfn. */
static enum mmu_result link_l2(struct tdx_vm *vm, struct page_cache *cache, struct mmu_page *p,
			       uint64_t gfn, unsigned l2, int cpu_hint)
{
	const unsigned i = index_of(p, gfn);
	uint64_t old = load(&p->spt[i]), l2_pa[VM_MAX_L2] = {0}, pa;
	enum mmu_result r;

	if (old == SPTE_FROZEN)
		return MMU_RETRY;
	if (!page_cache_fill(&vm->vmm->pages, cache, 1))
		return MMU_NO_MEMORY;
	pa = l2_pa[l2 - 1] = page_cache_get(cache);
	if (!freeze(&p->spt[i], old)) {
		page_cache_put(&vm->vmm->pages, cache, pa);
		return MMU_RETRY;
	}
	r = vm->mirror->install(vm, &(struct mirror_new){.what = MIRROR_LINK_L2,
							 .gfn = gfn,
							 .level = p->level,
							 .l2_pa = l2_pa,
							 .cpu_hint = cpu_hint});
	if (r == MMU_OK && !l2_pa[l2 - 1])
		p->child[i]->l2_pa[l2 - 1] = pa;
	else
		page_cache_put(&vm->vmm->pages, cache, pa);
	store(&p->spt[i], old);
	return r;
}

enum mmu_result mmu_map_l2_tables(struct tdx_vm *vm, struct page_cache *cache, uint64_t gfn,
				  unsigned l2, int cpu_hint)
{
	enum mmu_result r = MMU_EXISTS;
	struct mmu_page *p = vm->mirror_root;

	while (p->level > TDX_LEVEL_4K) {
		const uint64_t spte = load(&p->spt[index_of(p, gfn)]);

		if (spte == SPTE_FROZEN)
			return MMU_RETRY;
		if (!(spte & SPTE_PRESENT) || spte & SPTE_LEAF)
			break;
		if (!p->child[index_of(p, gfn)]->l2_pa[l2 - 1]) {
			r = link_l2(vm, cache, p, gfn, l2, cpu_hint);
			if (r != MMU_OK)
				return r;
		}
		p = p->child[index_of(p, gfn)];
	}
	return r;
}

enum mmu_result mmu_map_shared(struct tdx_vm *vm, struct page_cache *cache, uint64_t gfn,
			       uint64_t spte)
{
	uint64_t direct_gfn = gfn | vm_shared_mask(vm) >> 12;
	struct mmu_page *p;
	enum mmu_result r = walk(vm, cache, vm->direct_root, direct_gfn, TDX_LEVEL_4K, -1, &p);

	if (r != MMU_OK || !p)
		return r;
	if (load(&p->spt[index_of(p, direct_gfn)]) == spte)
		return MMU_EXISTS;
	store(&p->spt[index_of(p, direct_gfn)], spte);
	return MMU_OK;
}

enum mmu_result mmu_import_entry(struct tdx_vm *vm, struct page_cache *cache, uint64_t gfn)
{
	struct mmu_page *p;
	enum mmu_result r = walk(vm, cache, vm->mirror_root, gfn, TDX_LEVEL_4K, -1, &p);

	if (r != MMU_OK)
		return r;
	return !p || load(&p->spt[index_of(p, gfn)]) & SPTE_PRESENT ? MMU_EXISTS : MMU_OK;
}

void mmu_imported(struct tdx_vm *vm, uint64_t gfn, uint64_t pa)
{
	struct mmu_page *p = vm->mirror_root;

	while (p->level > TDX_LEVEL_4K)
		p = p->child[index_of(p, gfn)];
	store(&p->spt[index_of(p, gfn)], pa | SPTE_PRESENT | SPTE_LEAF | SPTE_RWX);
}
