/* SPDX-License-Identifier: MIT */
#include "module/census.h"

#include <string.h>

#include "module/kot.h"
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

void module_count_pages(struct module *mod, uint64_t count[16])
{
	memset(count, 0, 16 * sizeof(count[0]));
	for (uint32_t i = 0; i < mod->num_tdmrs; i++) {
		uint64_t pa = mod->tdmr[i].base, end = pa + mod->tdmr[i].size;

		while (pa < end)
			pa += count_page(mod, pa, count);
	}
}

bool module_hkid_is_free(const struct module *mod, unsigned hkid)
{
	return hkid_is_private(mod, hkid) && kot_state(mod, hkid) == TDX_KOT_FREE;
}
