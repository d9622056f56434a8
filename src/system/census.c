/* SPDX-License-Identifier: MIT */
/* What the module owns, by its PAMT, and what the caches still hold of KeyIDs that are free. */
#include "system/system.h"

#include "module/census.h"

struct visit {
	void (*fn)(void *arg, uint64_t pa, uint64_t pages, enum tdx_page_type type);
	void *arg;
};

static void visit(void *arg, uint64_t pa, uint64_t size, enum tdx_page_type type)
{
	const struct visit *v = arg;

	if (type != TDX_PT_RSVD)
		v->fn(v->arg, pa, size / TDX_PAGE_SIZE, type);
}

void system_visit_pages(const struct system *sys,
			void (*fn)(void *arg, uint64_t pa, uint64_t pages, enum tdx_page_type type),
			void *arg)
{
	module_visit_pages(sys->mod, visit, &(struct visit){fn, arg});
}

uint64_t system_pages(const struct system *sys, uint64_t count[16])
{
	uint64_t sum = 0;

	module_count_pages(sys->mod, count);
	for (unsigned type = 0; type < 16; type++)
		sum += type == TDX_PT_RSVD ? 0 : count[type];
	return sum;
}

bool system_measurements(const struct system *sys, uint64_t tdr_pa, struct tdx_digest *mrtd,
			 struct tdx_digest rtmr[TDX_RTMRS])
{
	return module_measurements(sys->mod, tdr_pa, mrtd, rtmr);
}

void system_visit_stale(const struct system *sys,
			void (*fn)(void *arg, uint64_t pa, uint64_t lines), void *arg)
{
	const struct machine *m = sys->m;

	for (uint64_t page = 0; page < m->cfg.mem_end >> 12; page++) {
		const uint64_t w = atomic_load_explicit(&m->page[page].word, memory_order_relaxed);

		if (w & PAGE_DIRTY_MASK &&
		    module_hkid_is_free(sys->mod, (unsigned)(w & PAGE_HKID_MASK)))
			fn(arg, page << 12, TDX_PAGE_SIZE / 64);
	}
}

static void count(void *arg, uint64_t pa, uint64_t lines)
{
	uint64_t *n = arg;

	(void)pa;
	*n += lines;
}

uint64_t system_stale_lines(const struct system *sys)
{
	uint64_t n = 0;

	system_visit_stale(sys, count, &n);
	return n;
}
