/* SPDX-License-Identifier: MIT */
/* From a discovered module to a ready one: TDMRs, the global key, PAMT initialisation.
 *
 * Whatever fails, PAMT memory goes back to the caller only after every cache is written back and,
 * where the platform needs it, the pages are cleared. */
#include "host/call.h"
#include "host/errno.h"
#include "host/internal.h"

/* A TDMR_INFO is 512-aligned; so is the array of their addresses. */
enum { INFO_SIZE = 512 };

static void wbinvd_everywhere(struct host_state *h)
{
	for (unsigned i = 0; i < h->ncpus; i++)
		h->cpus[i]->ops->wbinvd(h->cpus[i]);
}

static void free_pamts(struct host_state *h, const struct tdx_host_allocator *mem)
{
	while (h->npamts > 0) {
		struct host_tdmr *t = &h->tdmr[--h->npamts];

		mem->free(mem->ctx, t->pamt, host_pamt_size(t));
		t->pamt = hpa(0);
	}
}

static int alloc_pamts(struct host_state *h, const struct tdx_host_allocator *mem)
{
	for (h->npamts = 0; h->npamts < h->ntdmrs; h->npamts++) {
		struct host_tdmr *t = &h->tdmr[h->npamts];

		t->pamt = mem->alloc(mem->ctx, host_pamt_size(t), TDX_PAGE_SIZE, t->base);
		if (t->pamt.v == ~0ull)
			return -ENOMEM;
	}
	return 0;
}

static void fill_info(const struct host_tdmr *t, struct tdx_tdmr_info *info)
{
	uint64_t at = t->pamt.v;

	*info = (struct tdx_tdmr_info){.base = t->base.v, .size = t->size};
	info->pamt_4k_base = at;
	info->pamt_4k_size = t->pamt_size[TDX_LEVEL_4K];
	at += info->pamt_4k_size;
	info->pamt_2m_base = at;
	info->pamt_2m_size = t->pamt_size[TDX_LEVEL_2M];
	at += info->pamt_2m_size;
	info->pamt_1g_base = at;
	info->pamt_1g_size = t->pamt_size[TDX_LEVEL_1G];
	for (unsigned i = 0; i < t->nreserved; i++) {
		info->reserved[i].offset = t->reserved[i].base.v - t->base.v;
		info->reserved[i].size = t->reserved[i].size;
	}
}

static int sys_config(struct host_state *h, const struct tdx_host_allocator *mem)
{
	const struct tdx_port *cpu = h->cpus[0];
	uint64_t size = INFO_SIZE * (1 + (uint64_t)h->ntdmrs);
	hpa_t array = mem->alloc(mem->ctx, size, TDX_PAGE_SIZE, hpa(0));
	struct tdx_regs r = {.rcx = array.v, .rdx = h->ntdmrs, .r8 = h->global_hkid.v};
	int err;

	if (array.v == ~0ull)
		return -ENOMEM;
	for (unsigned i = 0; i < h->ntdmrs; i++) {
		uint64_t pa = array.v + INFO_SIZE * (1 + (uint64_t)i);
		struct tdx_tdmr_info info;

		fill_info(&h->tdmr[i], &info);
		cpu->ops->write(cpu, hpa(pa), &info, sizeof(info));
		cpu->ops->write(cpu, hpa(array.v + 8u * i), &pa, sizeof(pa));
	}
	err = host_check(h, TDH_SYS_CONFIG, host_call(cpu, TDH_SYS_CONFIG, 0, &r));
	mem->free(mem->ctx, array, size);
	return err;
}

/* The global key, once a package, one package after the other. */
static int key_config(struct tdx_host *host)
{
	struct host_state *h = host_of(host);
	int err = 0;

	for (unsigned i = 0; i < h->ncpus && !err; i++) {
		struct tdx_regs r = {0};

		if (tdx_host_leads_package(host, i))
			err = host_check(h, TDH_SYS_KEY_CONFIG,
					 host_call_key(h->cpus[i], TDH_SYS_KEY_CONFIG, &r));
	}
	return err;
}

static int init_tdmrs(struct host_state *h, void (*progress)(void *, uint64_t, uint64_t), void *arg)
{
	const struct tdx_port *cpu = h->cpus[0];
	uint64_t all = 0, before = 0;

	for (unsigned i = 0; i < h->ntdmrs; i++)
		all += h->tdmr[i].size;
	for (unsigned i = 0; i < h->ntdmrs; i++) {
		const struct host_tdmr *t = &h->tdmr[i];
		uint64_t next = 0;

		while (next < t->base.v + t->size) {
			struct tdx_regs r = {.rcx = t->base.v};
			int err = host_check(h, TDH_SYS_TDMR_INIT,
					     host_call(cpu, TDH_SYS_TDMR_INIT, 0, &r));

			if (err)
				return err;
			if (r.rdx != next && progress)
				progress(arg, before + (r.rdx - t->base.v), all);
			next = r.rdx;
			cpu->ops->relax(cpu);
		}
		before += t->size;
	}
	return 0;
}

int tdx_host_enable(struct tdx_host *host, const struct tdx_host_info *info,
		    const struct tdx_host_range *memory, unsigned nranges,
		    const struct tdx_host_allocator *mem,
		    void (*progress)(void *arg, uint64_t done, uint64_t all), void *arg)
{
	struct host_state *h = host_of(host);
	int err = host_tdmrs_cover(h, info, memory, nranges);

	if (!err)
		err = alloc_pamts(h, mem);
	if (!err)
		err = host_tdmrs_reserve(h, info, memory, nranges);
	if (!err)
		err = sys_config(h, mem);
	if (err) {
		free_pamts(h, mem);
		h->ntdmrs = 0;
		return err;
	}
	/* Dirty KeyID-0 lines of the PAMTs must be gone before the module writes them. */
	wbinvd_everywhere(h);
	err = key_config(host);
	if (!err)
		err = init_tdmrs(h, progress, arg);
	if (!err)
		return 0;
	wbinvd_everywhere(h);
	for (unsigned i = 0; i < h->npamts; i++)
		tdx_host_reset_pages(host, h->cpus[0], h->tdmr[i].pamt,
				     host_pamt_size(&h->tdmr[i]));
	free_pamts(h, mem);
	h->ntdmrs = 0;
	return err;
}

bool tdx_host_is_pamt(const struct tdx_host *host, hpa_t pa)
{
	const struct host_state *h = host_of_const(host);

	for (unsigned i = 0; i < h->npamts; i++)
		if (pa.v - h->tdmr[i].pamt.v < host_pamt_size(&h->tdmr[i]))
			return true;
	return false;
}
