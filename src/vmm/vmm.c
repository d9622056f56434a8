/* SPDX-License-Identifier: MIT */
/* The host that runs TDs: bring-up through the host library, its memory, its processors. */
#include "vmm/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_TSC_HZ = 1000000000 }; /* of a processor that does not say */

static hpa_t alloc(void *ctx, uint64_t size, uint64_t align, hpa_t near)
{
	struct tdx_vmm *vmm = ctx;
	uint64_t whole = (size + TDX_PAGE_SIZE - 1) & ~(TDX_PAGE_SIZE - 1);
	uint64_t pa = 0;

	(void)near;
	if (whole == TDX_PAGE_SIZE)
		pa = pages_get(&vmm->pages);
	else if (whole)
		pa = pages_get_run(&vmm->pages, whole, align);
	return hpa(pa ? pa : ~0ull);
}

static void dealloc(void *ctx, hpa_t pa, uint64_t size)
{
	struct tdx_vmm *vmm = ctx;

	pages_put_run(&vmm->pages, pa.v, (size + TDX_PAGE_SIZE - 1) & ~(TDX_PAGE_SIZE - 1));
}

static void tdmr_progress(void *arg, uint64_t done, uint64_t all)
{
	struct tdx_vmm *vmm = arg;

	if (vmm->cfg.progress)
		vmm->cfg.progress(vmm->cfg.arg, "initialising PAMTs", done, all);
}

/* What the host's memory map, or the module, is too small for. False: nothing was. */
static bool say_shortage(const struct tdx_vmm *vmm, char *why, size_t len)
{
	struct tdx_host_shortage s;
	unsigned long long from, to;

	tdx_host_shortage(&vmm->host, &s);
	from = s.range.base.v;
	to = from + s.range.size;
	switch (s.what) {
	case TDX_HOST_SHORT_OF_NOTHING:
		return false;
	case TDX_HOST_SHORT_OF_TDMRS:
		snprintf(why, len, "no TDMR is left for [0x%llx, 0x%llx): the module takes %llu",
			 from, to, (unsigned long long)s.limit);
		return true;
	case TDX_HOST_SHORT_OF_RESERVED_AREAS:
		snprintf(why, len, "TDMR %u [0x%llx, 0x%llx) has more than %llu reserved areas",
			 s.tdmr, from, to, (unsigned long long)s.limit);
		return true;
	case TDX_HOST_SHORT_OF_PAMT_MEMORY:
		snprintf(why, len,
			 "no %llu bytes in a row for the PAMT of TDMR %u [0x%llx, 0x%llx)",
			 (unsigned long long)s.need, s.tdmr, from, to);
		return true;
	case TDX_HOST_SHORT_OF_LIST_MEMORY:
		break;
	}
	snprintf(why, len, "no %llu bytes for the descriptions of %u TDMRs",
		 (unsigned long long)s.need, s.tdmr);
	return true;
}

static int explain(struct tdx_vmm *vmm, int e, const char *what, char *err, size_t errlen)
{
	struct tdx_status s = tdx_host_last_status(&vmm->host);
	char name[96], why[160];

	if (say_shortage(vmm, why, sizeof(why)))
		snprintf(err, errlen, "%s: %s", what, why);
	else if (tdx_is_error(s))
		snprintf(err, errlen, "%s: %s: %s", what,
			 tdx_seamcall_leaf(tdx_host_last_leaf(&vmm->host))->name,
			 tdx_status_format(s, name, sizeof(name)));
	else
		snprintf(err, errlen, "%s: %s", what, strerror(-e));
	return e;
}

static int bring_up(struct tdx_vmm *vmm, char *err, size_t errlen)
{
	const struct tdx_vmm_config *cfg = &vmm->cfg;
	unsigned flags = cfg->errata | (cfg->dynamic_pamt ? TDX_HOST_DYNAMIC_PAMT : 0);
	int e = tdx_host_init(&vmm->host, vmm->port, vmm->ncpus, flags);

	if (e)
		return explain(vmm, e, "this machine has no TDX", err, errlen);
	e = tdx_host_discover(&vmm->host, &vmm->info);
	if (e)
		return explain(vmm, e, "the TDX module does not start", err, errlen);
	if (vmm->info.tdcs_base_size > VM_MAX_TDCS * TDX_PAGE_SIZE ||
	    vmm->info.tdvps_base_size > (VCPU_MAX_TDCX + 1) * TDX_PAGE_SIZE)
		return explain(vmm, -EINVAL, "the TDX module wants more control pages than known",
			       err, errlen);
	e = tdx_host_enable(&vmm->host, &vmm->info, vmm->memory, vmm->nranges, &vmm->mem,
			    tdmr_progress, vmm);
	if (e)
		return explain(vmm, e, "the TDX module is not configured", err, errlen);
	vmm->dynamic_pamt = tdx_host_has_dynamic_pamt(&vmm->host);
	vmm->pamt_pages = vmm->pages.used_pages;
	vmm->pamt_bytes = tdx_host_pamt_size(&vmm->host);
	return 0;
}

/* With dynamic PAMT a TDMR has holes of whole 2M ranges, so memory begins and ends with one. */
static void take_memory(struct tdx_vmm *vmm, const struct tdx_vmm_config *cfg)
{
	uint64_t unit = cfg->dynamic_pamt ? TDX_SIZE_2M : TDX_PAGE_SIZE;

	for (unsigned i = 0; i < cfg->nranges && vmm->nranges < TDX_MAX_CMRS; i++) {
		uint64_t base = (cfg->memory[i].base.v + unit - 1) & ~(unit - 1);
		uint64_t end = (cfg->memory[i].base.v + cfg->memory[i].size) & ~(unit - 1);

		if (base < end)
			vmm->memory[vmm->nranges++] = (struct tdx_range){hpa(base), end - base};
	}
}

int tdx_vmm_new(const struct tdx_vmm_config *cfg, struct tdx_vmm **out, char *err, size_t errlen)
{
	static const struct tdx_vmm_policy usual = TDX_VMM_POLICY_DEFAULT;
	struct tdx_vmm *vmm;
	int e;

	*out = NULL;
	if (cfg->ncpus > VMM_MAX_CPUS) {
		snprintf(err, errlen, "more than %d processors", VMM_MAX_CPUS);
		return -EINVAL;
	}
	vmm = calloc(1, sizeof(*vmm));
	if (vmm)
		take_memory(vmm, cfg);
	if (!vmm || pages_init(&vmm->pages, vmm->memory, vmm->nranges)) {
		snprintf(err, errlen, "out of memory");
		free(vmm);
		return -ENOMEM;
	}
	vmm->cfg = *cfg;
	vmm->policy = cfg->policy ? *cfg->policy : usual;
	vmm->mem = (struct tdx_host_allocator){alloc, dealloc, vmm};
	vmm->ncpus = cfg->ncpus;
	for (unsigned i = 0; i < cfg->ncpus; i++) {
		vmm->port[i] = cfg->cpus[i];
		vmm->cpu[i].port = cfg->cpus[i];
		vmm->cpu[i].cpu = tdx_cpu_of(cfg->cpus[i]);
		vmm->cpu[i].index = i;
		pthread_mutex_init(&vmm->cpu[i].lock, NULL);
		vmm_turns_init(&vmm->cpu[i].turns);
	}
	pthread_mutex_init(&vmm->tdx_lock, NULL);
	e = bring_up(vmm, err, errlen);
	if (e) {
		tdx_vmm_free(vmm);
		return e;
	}
	*out = vmm;
	return 0;
}

void tdx_vmm_free(struct tdx_vmm *vmm)
{
	if (!vmm)
		return;
	for (unsigned i = 0; i < vmm->ncpus; i++) {
		pthread_mutex_destroy(&vmm->cpu[i].lock);
		vmm_turns_destroy(&vmm->cpu[i].turns);
	}
	pthread_mutex_destroy(&vmm->tdx_lock);
	pages_destroy(&vmm->pages);
	free(vmm);
}

void tdx_vmm_set_rebooting(struct tdx_vmm *vmm)
{
	atomic_store(&vmm->rebooting, true);
}

void tdx_vmm_fail_alloc(struct tdx_vmm *vmm, uint64_t nth)
{
	pages_fail(&vmm->pages, nth);
}

const struct tdx_host_info *tdx_vmm_info(const struct tdx_vmm *vmm)
{
	return &vmm->info;
}

void tdx_vmm_cpuid(struct tdx_vmm *vmm, uint32_t leaf, uint32_t subleaf, uint32_t out[4])
{
	vmm->port[0]->ops->cpuid(vmm->port[0], leaf, subleaf, out);
}

bool tdx_vmm_rdmsr(struct tdx_vmm *vmm, uint32_t msr, uint64_t *value)
{
	return vmm->port[0]->ops->rdmsr(vmm->port[0], msr, value);
}

uint64_t tdx_vmm_tsc(struct tdx_vmm *vmm)
{
	const struct tdx_port *port = vmm->port[0];

	return port->ops->tsc ? port->ops->tsc(port) : 0;
}

/* CPUID leaf 0x15 has the crystal and the ratio to it. */
uint64_t tdx_vmm_tsc_hz(struct tdx_vmm *vmm)
{
	uint32_t r[4];

	tdx_vmm_cpuid(vmm, 0x15, 0, r);
	return r[0] && r[1] && r[2] ? (uint64_t)r[2] * r[1] / r[0] : DEFAULT_TSC_HZ;
}

void tdx_vmm_memory(struct tdx_vmm *vmm, struct tdx_vmm_memory *m)
{
	uint64_t pairs;
	unsigned used;

	pthread_mutex_lock(&vmm->tdx_lock);
	m->free_hkids = tdx_host_hkids(&vmm->host, &used);
	m->free_hkids -= used;
	m->leaked_hkids = vmm->leaked_hkids;
	pthread_mutex_unlock(&vmm->tdx_lock);
	pthread_mutex_lock(&vmm->pages.lock);
	m->free_pages = vmm->pages.free_pages;
	pairs = (tdx_host_pamt_size(&vmm->host) - vmm->pamt_bytes) / TDX_PAGE_SIZE;
	m->used_pages = vmm->pages.used_pages - vmm->pamt_pages - pairs;
	m->pamt_pages = vmm->pamt_pages + pairs;
	m->dynamic_pamt = vmm->dynamic_pamt;
	m->quarantined_pages = vmm->pages.quarantined;
	pthread_mutex_unlock(&vmm->pages.lock);
}

void tdx_vmm_contention(const struct tdx_vmm *vmm, struct tdx_vmm_contention *c)
{
	const struct vmm_contention *n = &vmm->contention;

	*c = (struct tdx_vmm_contention){
		.install_busy = n->install_busy,
		.install_again = n->install_again,
		.install_later = n->install_later,
		.remove_busy = n->remove_busy,
		.remove_again = n->remove_again,
		.kicks = n->kicks,
		.reclaim_busy = n->reclaim_busy,
		.reclaim_again = n->reclaim_again,
	};
}

int tdx_vmm_alloc(struct tdx_vmm *vmm, uint64_t pages, hpa_t *pa)
{
	*pa = hpa(0);
	if (!pages)
		return -EINVAL;
	*pa = hpa(pages_lend(&vmm->pages, pages));
	return pa->v ? 0 : -ENOMEM;
}

int tdx_vmm_dealloc(struct tdx_vmm *vmm, hpa_t pa, uint64_t pages)
{
	return pages_put_lent(&vmm->pages, pa.v, pages) ? 0 : -EINVAL;
}

void *tdx_vmm_va(struct tdx_vmm *vmm, hpa_t pa)
{
	return vmm->port[0]->ops->va(vmm->port[0], pa);
}

void tdx_vmm_write(struct tdx_vmm *vmm, hpa_t pa, const void *buf, size_t len)
{
	struct vmm_cpu *c = vmm_get_cpu(vmm, -1);

	c->port->ops->write(c->port, pa, buf, len);
	vmm_put_cpu(c);
}

void tdx_vmm_read(struct tdx_vmm *vmm, hpa_t pa, void *buf, size_t len)
{
	struct vmm_cpu *c = vmm_get_cpu(vmm, -1);

	c->port->ops->read(c->port, pa, buf, len);
	vmm_put_cpu(c);
}
