/* SPDX-License-Identifier: MIT */
#include "module/census.h"

#include <string.h>

#include "module/kot.h"
#include "module/pamt_walk.h"

/* Visits what starts at the address, as large as it is; returns its size. */
static uint64_t visit(struct module *mod, uint64_t pa, module_visitor *fn, void *arg)
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
		fn(arg, pa, size, (enum tdx_page_type)type);
		return size;
	}
	return TDX_PAGE_SIZE;
}

void module_visit_pages(struct module *mod, module_visitor *fn, void *arg)
{
	for (uint32_t i = 0; i < mod->num_tdmrs; i++) {
		uint64_t pa = mod->tdmr[i].base, end = pa + mod->tdmr[i].size;

		while (pa < end)
			pa += visit(mod, pa, fn, arg);
	}
}

static void count(void *arg, uint64_t pa, uint64_t size, enum tdx_page_type type)
{
	uint64_t *counts = arg;

	(void)pa;
	counts[type] += size / TDX_PAGE_SIZE;
}

void module_count_pages(struct module *mod, uint64_t counts[16])
{
	memset(counts, 0, 16 * sizeof(counts[0]));
	module_visit_pages(mod, count, counts);
}

bool module_vcpu_index(struct module *mod, uint64_t pa, unsigned *index)
{
	const struct pamt_entry *e = pa % TDX_PAGE_SIZE ? NULL : pamt_4k(mod, pa);
	const struct tdvps *vps;

	if (!e || pamt_type(e) != TDX_PT_TDVPR || !machine_is_ram(mod->m, pa, TDX_PAGE_SIZE))
		return false;
	vps = machine_ptr(mod->m, pa);
	*index = __atomic_load_n(&vps->vcpu_index, __ATOMIC_RELAXED);
	return __atomic_load_n(&vps->state, __ATOMIC_RELAXED) != TDX_VCPU_UNINITIALIZED;
}

bool module_measurements(struct module *mod, uint64_t tdr_pa, struct tdx_digest *mrtd,
			 struct tdx_digest rtmr[TDX_RTMRS])
{
	const struct pamt_entry *e = tdr_pa % TDX_PAGE_SIZE ? NULL : pamt_4k(mod, tdr_pa);
	const struct tdcs *tdcs;
	const struct tdr *tdr;

	if (!e || pamt_type(e) != TDX_PT_TDR || !machine_is_ram(mod->m, tdr_pa, TDX_PAGE_SIZE))
		return false;
	tdr = machine_ptr(mod->m, tdr_pa);
	if (tdr->num_tdcx < TDCS_MIN_PAGES)
		return false;
	tdcs = machine_ptr(mod->m, machine_strip(mod->m, tdr->tdcx_pa[TDCS_PAGE_MAIN]));
	memcpy(mrtd->b, tdcs->mrtd, sizeof(mrtd->b));
	for (unsigned i = 0; i < TDX_RTMRS; i++)
		memcpy(rtmr[i].b, tdcs->rtmr[i], sizeof(rtmr[i].b));
	return true;
}

bool module_hkid_is_free(const struct module *mod, unsigned hkid)
{
	return hkid_is_private(mod, hkid) && kot_state(mod, hkid) == TDX_KOT_FREE;
}
