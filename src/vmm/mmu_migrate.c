/* SPDX-License-Identifier: MIT */
/* The mirror in a migration: which pages were blocked for writing, and which were exported.
 *
 * An entry says both (SPTE_BLOCKEDW, SPTE_EXPORTED); exported and not blocked is dirty. The
 * exporter sets them, a vCPU's write fault takes the block away (mmu.c); whoever finds an entry
 * frozen waits for it. A page that the importer has does not leave the TD before it was cancelled
 * there: who wants to remove it marks it (SPTE_UNWANTED) and comes again; the exporter cancels it,
 * and leaves marked pages out until the TD stands. */
#include "vmm/mmu.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>

typedef bool visitor(void *arg, uint64_t gfn, uint64_t spte);

/* Every leaf of [first, end) below p. False: fn had enough. */
static bool visit(const struct mmu_page *p, uint64_t first, uint64_t end, enum tdx_level level,
		  visitor *fn, void *arg)
{
	const uint64_t span = 1ull << (9 * (unsigned)p->level);
	unsigned i = first > p->gfn ? (unsigned)((first - p->gfn) / span) : 0;

	for (; i < 512 && p->gfn + i * span < end; i++) {
		const uint64_t spte = atomic_load_explicit(&p->spt[i], memory_order_acquire);

		if (!(spte & SPTE_PRESENT))
			continue;
		if (spte & SPTE_LEAF) {
			if (p->level == level && !fn(arg, p->gfn + i * span, spte))
				return false;
		} else if (p->level > level && !visit(p->child[i], first, end, level, fn, arg)) {
			return false;
		}
	}
	return true;
}

struct collect {
	struct mmu_pages *out;
	bool (*want)(uint64_t spte);
	int err;
};

static bool collect(void *arg, uint64_t gfn, uint64_t spte)
{
	struct collect *c = arg;
	struct mmu_pages *p = c->out;

	if (!c->want(spte))
		return true;
	if (p->n == p->max) {
		size_t max = p->max ? 2 * p->max : 1024;
		uint64_t *more = realloc(p->gfn, max * sizeof(*more));

		if (!more) {
			c->err = -ENOMEM;
			return false;
		}
		p->gfn = more;
		p->max = max;
	}
	p->gfn[p->n++] = gfn;
	return true;
}

int mmu_collect(struct tdx_vm *vm, enum tdx_level level, bool (*want)(uint64_t spte),
		struct mmu_pages *out)
{
	struct collect c = {.out = out, .want = want};

	out->n = 0;
	visit(vm->mirror_root, 0, ~0ull, level, collect, &c);
	return c.err;
}

/* The entry of gfn's 4K page; NULL: a table on the way is missing. */
static _Atomic uint64_t *entry_of(struct tdx_vm *vm, uint64_t gfn)
{
	struct mmu_page *p = vm->mirror_root;

	while (p && p->level > TDX_LEVEL_4K)
		p = p->child[(gfn >> (9 * (unsigned)p->level)) & 511];
	return p ? &p->spt[gfn & 511] : NULL;
}

void mmu_mark(struct tdx_vm *vm, uint64_t gfn, uint64_t set, uint64_t clear)
{
	_Atomic uint64_t *sptep = entry_of(vm, gfn);
	uint64_t old = sptep ? atomic_load(sptep) : 0;

	while (old & SPTE_PRESENT || old == SPTE_FROZEN) {
		if (old == SPTE_FROZEN) {
			sched_yield();
			old = atomic_load(sptep);
			continue;
		}
		if (atomic_compare_exchange_weak(sptep, &old, (old | set) & ~clear))
			return;
	}
}

static bool not_exported(void *arg, uint64_t gfn, uint64_t spte)
{
	(void)arg;
	(void)gfn;
	return !(spte & SPTE_EXPORTED);
}

static bool mark_unwanted(void *arg, uint64_t gfn, uint64_t spte)
{
	(void)spte;
	mmu_mark(arg, gfn, SPTE_UNWANTED, 0);
	return true;
}

bool mmu_let_go(struct tdx_vm *vm, uint64_t gfn, uint64_t n)
{
	const uint64_t end = n > ~0ull - gfn ? ~0ull : gfn + n;

	if (vm_state(vm) == TDX_VM_EXPORTED) /* it stands: the importer has what there is */
		return false;
	if (!atomic_load(&vm->exporting) ||
	    visit(vm->mirror_root, gfn, end, TDX_LEVEL_4K, not_exported, NULL))
		return true;
	/* All of it: no other page is to be exported meanwhile. */
	visit(vm->mirror_root, gfn, end, TDX_LEVEL_4K, mark_unwanted, vm);
	atomic_store(&vm->unwanted, true);
	return false;
}

static bool found(void *arg, uint64_t gfn, uint64_t spte)
{
	(void)arg;
	(void)gfn;
	(void)spte;
	return false;
}

bool mmu_is_empty(struct tdx_vm *vm, uint64_t gfn, uint64_t n)
{
	return visit(vm->mirror_root, gfn, gfn + n, TDX_LEVEL_4K, found, NULL);
}

/* The next gfn of [first, end) that was dropped and has no page; end: none. */
static uint64_t next_dropped(const struct mmu_page *p, uint64_t first, uint64_t end)
{
	const uint64_t span = 1ull << (9 * (unsigned)p->level);
	unsigned i = first > p->gfn ? (unsigned)((first - p->gfn) / span) : 0;

	for (; i < 512 && p->gfn + i * span < end; i++) {
		const uint64_t gfn = p->gfn + i * span;
		const uint64_t spte = atomic_load_explicit(&p->spt[i], memory_order_acquire);
		uint64_t below;

		if (p->level == TDX_LEVEL_4K) {
			if (spte & SPTE_DROPPED && !(spte & SPTE_PRESENT))
				return gfn;
			continue;
		}
		if (!(spte & SPTE_PRESENT) || spte & SPTE_LEAF)
			continue;
		below = next_dropped(p->child[i], first, end);
		if (below < end)
			return below;
	}
	return end;
}

int mmu_fill_dropped(struct tdx_vm *vm, uint64_t gfn, uint64_t n)
{
	const uint64_t end = n > ~0ull - gfn ? ~0ull : gfn + n;

	while ((gfn = next_dropped(vm->mirror_root, gfn, end)) < end) {
		const struct memslot *s = vm_slot_of(vm, gfn);
		enum mmu_result r = MMU_OK;

		if (s && !s->no_private && s->private_[gfn - s->gfn])
			r = mmu_map_private(vm, &vm->cache, gfn, TDX_LEVEL_4K, NULL, -1);
		if (r == MMU_RETRY)
			return -EAGAIN;
		if (r == MMU_NO_MEMORY || r == MMU_DEAD)
			return r == MMU_DEAD ? -EIO : -ENOMEM;
		gfn++;
	}
	return 0;
}

uint64_t mmu_page_at(struct tdx_vm *vm, uint64_t gfn)
{
	_Atomic uint64_t *sptep = entry_of(vm, gfn);
	const uint64_t spte = sptep ? atomic_load(sptep) : 0;

	return spte & SPTE_PRESENT ? spte & SPTE_ADDR : 0;
}

void mmu_dropped(struct tdx_vm *vm, uint64_t gfn)
{
	atomic_store(entry_of(vm, gfn), SPTE_NONPRESENT | SPTE_DROPPED);
}
