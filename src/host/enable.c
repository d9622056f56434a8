/* SPDX-License-Identifier: MIT */
/* From a discovered module to a ready one: TDMRs, the global key, PAMT initialisation.
 *
 * Whatever fails, PAMT memory goes back to the caller only after every cache is written back and,
 * where the platform needs it, the pages are cleared. */
#include "abi/features.h"
#include "abi/operand.h"
#include "host/call.h"
#include "host/errno.h"
#include "host/internal.h"

/* A TDMR_INFO is 512-aligned; so is the array of their addresses. */
enum { INFO_SIZE = 512 };

static void wbinvd(void *arg)
{
	const struct tdx_port *port = arg;

	port->ops->wbinvd(port);
}

static int wbinvd_everywhere(struct host_state *h)
{
	int err = 0;

	for (unsigned i = 0; i < h->ncpus && !err; i++)
		if (host_bit(h->online, i))
			err = host_on(h->cpus[i], wbinvd, (void *)(uintptr_t)h->cpus[i]);
	return err;
}

/* One call, where it must be made. */
struct call {
	struct host_state *h;
	const struct tdx_port *port;
	unsigned leaf;
	struct tdx_regs regs;
	int err;
};

static void make_call(void *arg)
{
	struct call *c = arg;
	const struct tdx_cpu *cpu = tdx_cpu_of(c->port);
	struct tdx_status s = c->leaf == TDH_SYS_KEY_CONFIG ? host_call_key(cpu, c->leaf, &c->regs)
							    : host_call(cpu, c->leaf, 0, &c->regs);

	c->err = host_check(c->h, c->leaf, s);
}

static int call_there(struct call *c)
{
	int err = c->port ? host_on(c->port, make_call, c) : -ENXIO;

	return err ? err : c->err;
}

static void free_pamts(struct host_state *h, const struct tdx_host_allocator *mem)
{
	if (h->chunk_size)
		mem->free(mem->ctx, h->chunk, h->chunk_size);
	h->chunk_size = 0;
	while (h->npamts > 0) {
		struct host_tdmr *t = &h->tdmr[--h->npamts];

		if (!h->dynamic_pamt)
			mem->free(mem->ctx, t->pamt, host_pamt_size(t));
		t->pamt = hpa(0);
		t->users = NULL;
	}
}

static int short_of_pamt_memory(struct host_state *h, unsigned i, uint64_t need)
{
	const struct host_tdmr *t = &h->tdmr[i];

	h->shortage = (struct tdx_host_shortage){
		TDX_HOST_SHORT_OF_PAMT_MEMORY, i, {t->base, t->size}, need, 0};
	return -ENOMEM;
}

/* Bitmaps, the entries of larger pages and the counting words of all TDMRs are little: one chunk,
 * because whatever 2M they begin in is no TD's. */
static int alloc_chunk(struct host_state *h, const struct tdx_host_allocator *mem)
{
	uint64_t size = 0;
	uint64_t at;

	for (unsigned i = 0; i < h->ntdmrs; i++)
		size += host_pamt_size(&h->tdmr[i]) + host_users_size(&h->tdmr[i]);
	size = (size + TDX_SIZE_2M - 1) & ~(TDX_SIZE_2M - 1);
	h->chunk = mem->alloc(mem->ctx, size, TDX_SIZE_2M, h->tdmr[0].base);
	if (h->chunk.v == ~0ull)
		return short_of_pamt_memory(h, 0, size);
	h->chunk_size = size;
	at = h->chunk.v;
	for (h->npamts = 0; h->npamts < h->ntdmrs; h->npamts++) {
		struct host_tdmr *t = &h->tdmr[h->npamts];

		t->pamt = hpa(at);
		at += host_pamt_size(t);
	}
	for (unsigned i = 0; i < h->ntdmrs; i++) {
		struct host_tdmr *t = &h->tdmr[i];

		t->users = h->cpus[0]->ops->va(h->cpus[0], hpa(at));
		for (uint64_t k = 0; k < host_users_size(t) / sizeof(*t->users); k++)
			t->users[k] = 0;
		at += host_users_size(t);
	}
	return 0;
}

static int alloc_pamts(struct host_state *h, const struct tdx_host_allocator *mem)
{
	h->npamts = 0;
	if (h->dynamic_pamt)
		return alloc_chunk(h, mem);
	for (; h->npamts < h->ntdmrs; h->npamts++) {
		struct host_tdmr *t = &h->tdmr[h->npamts];

		t->pamt = mem->alloc(mem->ctx, host_pamt_size(t), TDX_PAGE_SIZE, t->base);
		if (t->pamt.v == ~0ull)
			return short_of_pamt_memory(h, h->npamts, host_pamt_size(t));
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

/* The descriptions as the module wants them: an array of addresses, then what is there. */
struct tdmr_array {
	struct host_state *h;
	const struct tdx_port *port;
	hpa_t base;
};

static void write_array(void *arg)
{
	const struct tdmr_array *a = arg;

	for (unsigned i = 0; i < a->h->ntdmrs; i++) {
		uint64_t pa = a->base.v + INFO_SIZE * (1 + (uint64_t)i);
		struct tdx_tdmr_info info;

		fill_info(&a->h->tdmr[i], &info);
		a->port->ops->write(a->port, hpa(pa), &info, sizeof(info));
		a->port->ops->write(a->port, hpa(a->base.v + 8u * i), &pa, sizeof(pa));
	}
}

static int sys_config(struct host_state *h, const struct tdx_host_allocator *mem)
{
	uint64_t size = INFO_SIZE * (1 + (uint64_t)h->ntdmrs);
	struct tdmr_array a = {h, host_any(h), mem->alloc(mem->ctx, size, TDX_PAGE_SIZE, hpa(0))};
	struct call c = {h,
			 a.port,
			 TDH_SYS_CONFIG,
			 {.rcx = a.base.v,
			  .rdx = h->ntdmrs,
			  .r8 = h->global_hkid.v | (h->dynamic_pamt ? SYS_CONFIG_DYNAMIC_PAMT : 0)},
			 0};
	int err;

	if (a.base.v == ~0ull) {
		h->shortage = (struct tdx_host_shortage){
			TDX_HOST_SHORT_OF_LIST_MEMORY, h->ntdmrs, {hpa(0), 0}, size, 0};
		return -ENOMEM;
	}
	err = a.port ? host_on(a.port, write_array, &a) : -ENXIO;
	if (!err)
		err = call_there(&c);
	mem->free(mem->ctx, a.base, size);
	return err;
}

/* The global key, once a package, one package after the other. */
static int key_config(struct tdx_host *host)
{
	struct host_state *h = host_of(host);
	int err = 0;

	for (unsigned i = 0; i < h->ncpus && !err; i++) {
		struct call c = {h, h->cpus[i], TDH_SYS_KEY_CONFIG, {0}, 0};

		if (tdx_host_leads_package(host, i))
			err = call_there(&c);
	}
	return err;
}

static int init_tdmrs(struct host_state *h, void (*progress)(void *, uint64_t, uint64_t), void *arg)
{
	uint64_t all = 0, before = 0;

	for (unsigned i = 0; i < h->ntdmrs; i++)
		all += h->tdmr[i].size;
	for (unsigned i = 0; i < h->ntdmrs; i++) {
		const struct host_tdmr *t = &h->tdmr[i];
		uint64_t next = 0;

		while (next < t->base.v + t->size) {
			struct call c = {h, host_any(h), TDH_SYS_TDMR_INIT, {.rcx = t->base.v}, 0};
			int err = call_there(&c);

			if (err)
				return err;
			if (c.regs.rdx == next)
				continue;
			/* Not after each of the many calls of it: nobody is waited for, and a
			 * processor given away on a busy host is away for long. */
			next = c.regs.rdx;
			if (progress)
				progress(arg, before + (next - t->base.v), all);
			c.port->ops->relax(c.port);
		}
		before += t->size;
	}
	return 0;
}

struct resetting {
	const struct tdx_host *host;
	const struct tdx_port *port;
};

static void reset_pamts(void *arg)
{
	const struct resetting *r = arg;
	const struct host_state *h = host_of_const(r->host);

	for (unsigned i = 0; i < h->npamts; i++)
		tdx_host_reset_pages(r->host, tdx_cpu_of(r->port), h->tdmr[i].pamt,
				     host_pamt_size(&h->tdmr[i]));
}

/* The module may have written PAMTs: every cache is written back before their memory is another's.
 * When not even that can be done, the memory is lost on purpose. */
static void take_back(struct tdx_host *host, const struct tdx_host_allocator *mem)
{
	struct host_state *h = host_of(host);
	struct resetting r = {host, host_any(h)};

	if (!wbinvd_everywhere(h) && r.port && !host_on(r.port, reset_pamts, &r))
		free_pamts(h, mem);
	h->ntdmrs = h->npamts = 0;
}

/* KeyIDs must be high enough for the module to put its own words in PAMT entries. */
static bool can_be_dynamic(const struct host_state *h, const struct tdx_host_info *info)
{
	return info->features0 & TDX_FEATURE_DYNAMIC_PAMT &&
	       h->keyid_bits >= info->min_dynamic_pamt_keyid_bits && info->pamt_bitmap_entry_bits;
}

int tdx_host_enable(struct tdx_host *host, const struct tdx_host_info *info,
		    const struct tdx_range *memory, unsigned nranges,
		    const struct tdx_host_allocator *mem,
		    void (*progress)(void *arg, uint64_t done, uint64_t all), void *arg)
{
	struct host_state *h = host_of(host);
	int err;

	h->shortage = (struct tdx_host_shortage){TDX_HOST_SHORT_OF_NOTHING, 0, {hpa(0), 0}, 0, 0};
	h->dynamic_pamt = h->flags & TDX_HOST_DYNAMIC_PAMT && can_be_dynamic(h, info);
	err = host_tdmrs_cover(h, info, memory, nranges);
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
	err = wbinvd_everywhere(h);
	if (!err)
		err = key_config(host);
	if (!err)
		err = init_tdmrs(h, progress, arg);
	if (err)
		take_back(host, mem);
	return err;
}

void tdx_host_shortage(const struct tdx_host *host, struct tdx_host_shortage *s)
{
	*s = host_of_const(host)->shortage;
}
