/* SPDX-License-Identifier: MIT */
/* What the module owns, by its PAMT, and what the caches still hold of KeyIDs that are free. */
#include "system/system.h"

#include <string.h>

#include "module/internal.h"
#include "module/pamt.h"

/* Counts what starts at the address, as large as it is; returns its size. */
static uint64_t count_page(struct module *mod, uint64_t pa, uint64_t count[16])
{
	static const enum tdx_level levels[] = {TDX_LEVEL_1G, TDX_LEVEL_2M, TDX_LEVEL_4K};

	for (unsigned l = 0; l < 3; l++) {
		const struct pamt_entry *e = pamt_of_size(mod, pa, levels[l]);
		uint64_t size = tdx_level_size(levels[l]);
		unsigned type;

		if (!e)
			return size;
		type = e->type & 15u;
		if ((pa & (size - 1)) || type == TDX_PT_NDA || type == TDX_PT_PAMT)
			continue;
		count[type] += size / TDX_PAGE_SIZE;
		return size;
	}
	return TDX_PAGE_SIZE;
}

uint64_t system_pages(const struct system *sys, uint64_t count[16])
{
	struct module *mod = sys->mod;
	uint64_t sum = 0;

	memset(count, 0, 16 * sizeof(count[0]));
	for (uint32_t i = 0; i < mod->num_tdmrs; i++) {
		uint64_t pa = mod->tdmr[i].base, end = pa + mod->tdmr[i].size;

		while (pa < end)
			pa += count_page(mod, pa, count);
	}
	for (unsigned type = 0; type < 16; type++)
		sum += type == TDX_PT_RSVD ? 0 : count[type];
	return sum;
}

uint64_t system_stale_lines(const struct system *sys)
{
	const struct machine *m = sys->m;
	uint64_t n = 0;

	for (uint64_t page = 0; page < m->cfg.mem_end >> 12; page++) {
		uint64_t w = atomic_load_explicit(&m->page[page].word, memory_order_relaxed);
		unsigned hkid_ = (unsigned)(w & PAGE_HKID_MASK);

		if (!(w & PAGE_DIRTY_MASK) || hkid_ < sys->mod->private_hkid_min)
			continue;
		n += sys->mod->kot[hkid_].state == TDX_KOT_FREE ? TDX_PAGE_SIZE / 64 : 0;
	}
	return n;
}
