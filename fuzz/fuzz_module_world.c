/* SPDX-License-Identifier: MIT */
/* The fuzzer's machine, brought up, and its notes. All of the second gigabyte but 64M is a hole, so
 * that the invariants, which read the PAMT, are quick to check. */
#include "fuzz/fuzz_module.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/metadata.h"

#define INFO	  0x1001000ull
#define LIST	  0x1000000ull
#define POOL_SIZE ((uint64_t)WORLD_PAGES * TDX_PAGE_SIZE)

static bool call(struct world *w, unsigned lp, struct tdx_regs regs, struct tdx_regs *out)
{
	module_seamcall(w->mod, lp, &regs);
	*out = regs;
	return tdx_is_success(tdx_status(regs.rax));
}

static void describe(struct world *w)
{
	struct tdx_tdmr_info *t = machine_ptr(w->m, INFO);

	*(uint64_t *)machine_ptr(w->m, LIST) = INFO;
	*t = (struct tdx_tdmr_info){
		.base = WORLD_POOL,
		.size = TDX_SIZE_1G,
		.pamt_1g_base = 0x2000000,
		.pamt_1g_size = 0x1000,
		.pamt_2m_base = 0x2001000,
		.pamt_2m_size = 0x2000,
		.pamt_4k_base = 0x2003000,
		.pamt_4k_size = 0x400000,
	};
	t->reserved[0].offset = POOL_SIZE;
	t->reserved[0].size = TDX_SIZE_1G - POOL_SIZE;
}

static bool bring_up(struct world *w)
{
	uint64_t config = WORLD_HKID | (w->dynamic ? 1ull << 16 : 0);
	struct tdx_regs r;

	describe(w);
	if (!call(w, 0, (struct tdx_regs){.rax = TDH_SYS_INIT}, &r))
		return false;
	for (unsigned lp = 0; lp < WORLD_LPS; lp++)
		if (!call(w, lp, (struct tdx_regs){.rax = TDH_SYS_LP_INIT}, &r))
			return false;
	if (!call(w, 0,
		  (struct tdx_regs){.rax = TDH_SYS_CONFIG, .rcx = LIST, .rdx = 1, .r8 = config},
		  &r))
		return false;
	for (unsigned lp = 0; lp < WORLD_LPS; lp += WORLD_LPS / w->m->cfg.pkgs)
		if (!call(w, lp, (struct tdx_regs){.rax = TDH_SYS_KEY_CONFIG}, &r))
			return false;
	do
		if (!call(w, 0, (struct tdx_regs){.rax = TDH_SYS_TDMR_INIT, .rcx = WORLD_POOL}, &r))
			return false;
	while (r.rdx < WORLD_POOL + TDX_SIZE_1G);
	return true;
}

/* With dynamic PAMT most ranges get their pair of pages, from the range itself. */
static void add_pamt_pairs(struct world *w)
{
	struct tdx_regs r;

	for (uint64_t pa = WORLD_POOL; w->dynamic && pa < WORLD_POOL + POOL_SIZE * 3 / 4;
	     pa += TDX_SIZE_2M)
		if (call(w, 0,
			 (struct tdx_regs){.rax = TDH_PHYMEM_PAMT_ADD,
					   .rcx = pa | TDX_LEVEL_2M,
					   .rdx = pa + TDX_SIZE_2M - 0x2000,
					   .r8 = pa + TDX_SIZE_2M - 0x1000},
			 &r))
			world_give(w, pa + TDX_SIZE_2M - 0x2000, 0x2000, 0xff);
}

bool world_make(struct world *w, uint64_t seed, bool dynamic, char *err, size_t len)
{
	struct machine_config cfg;

	machine_default_config(&cfg);
	cfg.lps = WORLD_LPS;
	cfg.pkgs = 2;
	cfg.seed = seed;
	cfg.integrity = false;
	memset(w, 0, sizeof(*w));
	w->dynamic = dynamic;
	w->m = machine_new(&cfg, err, len);
	if (!w->m)
		return false;
	w->mod = module_load(w->m);
	if (!w->mod || !bring_up(w)) {
		snprintf(err, len, "the module does not come up");
		world_free(w);
		return false;
	}
	add_pamt_pairs(w);
	for (unsigned i = 0; i < WORLD_SLOTS; i++) {
		w->slot[i].tdr = WORLD_POOL + i * 0x3000ull;
		world_give(w, w->slot[i].tdr, TDX_PAGE_SIZE, 0xff);
	}
	return true;
}

void world_free(struct world *w)
{
	if (w->mod)
		module_unload(w->mod);
	machine_free(w->m);
	w->mod = NULL;
	w->m = NULL;
}

static uint64_t page_pa(unsigned i)
{
	return WORLD_POOL + i * TDX_PAGE_SIZE;
}

uint64_t world_page(struct actor *a)
{
	unsigned i = 0;

	for (unsigned look = 0; look < 8; look++) {
		/* few ranges, so that some fill up and others stay whole */
		i = below(a, chance(a, 90) ? WORLD_PAGES / 8 : WORLD_PAGES);
		if (!atomic_load_explicit(&a->w->used[i], memory_order_relaxed))
			break;
	}
	return page_pa(i);
}

uint64_t world_page_2m(struct actor *a)
{
	return WORLD_POOL +
	       (WORLD_PAGES / 2 + below(a, WORLD_PAGES / 1024) * 512ull) * TDX_PAGE_SIZE;
}

uint64_t world_owned_page(struct actor *a, const struct slot *s)
{
	uint8_t owner = (uint8_t)(s - a->w->slot + 1);
	unsigned i = below(a, WORLD_PAGES);

	for (unsigned look = 0; look < WORLD_PAGES; look++, i = (i + 1) % WORLD_PAGES)
		if (atomic_load_explicit(&a->w->used[i], memory_order_relaxed) == owner)
			return page_pa(i);
	return s->tdr;
}

void world_give(struct world *w, uint64_t pa, uint64_t size, uint8_t owner)
{
	if (pa - WORLD_POOL >= POOL_SIZE)
		return;
	for (uint64_t i = (pa - WORLD_POOL) / TDX_PAGE_SIZE, n = size / TDX_PAGE_SIZE;
	     n && i < WORLD_PAGES; n--, i++)
		atomic_store_explicit(&w->used[i], owner, memory_order_relaxed);
}

uint64_t world_gpa(struct actor *a, unsigned level)
{
	uint64_t gpa_ = (chance(a, 5) ? 1 : 0) * TDX_SIZE_1G +
			below(a, level || chance(a, 5) ? 6 : 3) * TDX_SIZE_2M +
			below(a, chance(a, 90) ? 12 : 512) * TDX_PAGE_SIZE;

	if (level > TDX_LEVEL_256T)
		return gpa_;
	return gpa_ & ~(tdx_level_size((enum tdx_level)level) - 1);
}

uint64_t world_gpa_level(struct actor *a, unsigned low, unsigned high)
{
	unsigned level = low + below(a, high - low + 1);

	return world_gpa(a, level) | level;
}

uint64_t world_junk(struct actor *a)
{
	switch (below(a, 10)) {
	case 0:
		return 0;
	case 1:
		return ~0ull;
	case 2:
		return below(a, 16);
	case 3:
		return 1ull << below(a, 64);
	case 4:
		return rnd(a);
	case 5:
		return world_page(a) | below(a, 8);
	case 6:
		return a->w->slot[below(a, WORLD_SLOTS)].tdr | 1ull << below(a, 64);
	case 7:
		return WORLD_SHARED + below(a, 16) * 0x100ull;
	case 8:
		return world_gpa(a, 0) | below(a, 6);
	default:
		return (1ull << below(a, 64)) - 1;
	}
}

uint64_t world_metadata_id(struct actor *a, unsigned context)
{
	const struct md_table *t = context == MD_CTX_SYS  ? &md_sys
				   : context == MD_CTX_TD ? &md_td
				   : chance(a, 60)	  ? &md_vp
							  : &md_vmcs;
	const struct md_field *f = &t->row[below(a, t->rows)];

	if (chance(a, 5))
		return rnd(a);
	return f->id + (f->last_field ? below(a, f->last_field + 1u) : 0) +
	       (f->last_element ? below(a, f->last_element + 1u) : 0);
}
