/* SPDX-License-Identifier: MIT */
/* The mirror in a migration: which pages were blocked for writing, and which were exported.
 *
 * An entry says both (SPTE_BLOCKEDW, SPTE_EXPORTED); exported and not blocked is dirty. The
 * exporter sets them, a vCPU's write fault takes the block away (mmu.c); whoever finds an entry
 * frozen waits for it. */
#include "vmm/mmu.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>

/* Everything below p of [first, end) that is wanted. False: fn had enough. */
static bool visit(const struct mmu_page *p, uint64_t first, uint64_t end, enum tdx_level level,
		  bool (*fn)(void *arg, uint64_t gfn, uint64_t spte), void *arg)
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

static bool not_exported(void *arg, uint64_t gfn, uint64_t spte)
{
	(void)arg;
	(void)gfn;
	return !(spte & SPTE_EXPORTED);
}

bool mmu_any_exported(struct tdx_vm *vm, uint64_t gfn, uint64_t n)
{
	return !visit(vm->mirror_root, gfn, gfn + n, TDX_LEVEL_4K, not_exported, NULL);
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
