/* SPDX-License-Identifier: MIT */
/* Pages and KeyIDs on their way back. One call each, unless policy wants a busy one again: whatever
 * does not come back is lost on purpose, because the next owner would find another's data or a
 * machine check in it. */
#include "vmm/busy.h"

#include <errno.h>
#include <stdlib.h>

enum { CACHE_WB_ROUNDS = 10000 };

struct tdx_status vmm_reclaim(struct tdx_vmm *vmm, const struct vmm_cpu *c, uint64_t pa,
			      struct tdx_page_metadata *md)
{
	struct tdx_status s = tdh_phymem_page_reclaim(c->cpu, hpa(pa), md);

	for (unsigned again = 0; vm_busy(TDH_PHYMEM_PAGE_RECLAIM, s) != BUSY_NOT; again++) {
		vmm_count(&vmm->contention.reclaim_busy);
		if (again == vmm->policy.reclaim_again)
			break;
		vmm_count(&vmm->contention.reclaim_again);
		c->port->ops->relax(c->port);
		s = tdh_phymem_page_reclaim(c->cpu, hpa(pa), md);
	}
	return s;
}

int vm_reclaim_page(struct tdx_vm *vm, uint64_t pa)
{
	struct tdx_vmm *vmm = vm->vmm;
	struct tdx_page_metadata md;
	struct vmm_cpu *c = vmm_get_cpu(vmm, -1);
	struct tdx_status s = vmm_reclaim(vmm, c, pa, &md);

	/* No flush: the write-back before the KeyID was freed covered the TD's KeyID. */
	if (tdx_is_success(s)) {
		tdx_host_reset_pages(&vmm->host, c->cpu, hpa(pa), TDX_PAGE_SIZE);
		vm_pamt_put(vm, c, pa);
	}
	vmm_put_cpu(c);
	if (tdx_is_success(s)) {
		pages_put(&vmm->pages, pa);
		return 0;
	}
	pages_quarantine(&vmm->pages, 1);
	return vm_bug(vm, TDH_PHYMEM_PAGE_RECLAIM, s, &md.raw, "reclaiming a control page");
}

void vm_let_wait(struct tdx_vm *vm, uint64_t pa, enum tdx_level level, bool removed)
{
	struct waiting_run *last = vm->nwaiting ? &vm->waiting[vm->nwaiting - 1] : NULL;

	if (last && last->level == level && last->removed == removed &&
	    pa == last->pa + last->n * tdx_level_size(level)) {
		last->n++;
		return;
	}
	if (vm->nwaiting == vm->maxwaiting) {
		size_t max = vm->maxwaiting ? 2 * vm->maxwaiting : 512;
		struct waiting_run *more = realloc(vm->waiting, max * sizeof(*more));

		if (!more) {
			pages_quarantine(&vm->vmm->pages, tdx_level_size(level) / TDX_PAGE_SIZE);
			return;
		}
		vm->waiting = more;
		vm->maxwaiting = max;
	}
	vm->waiting[vm->nwaiting++] = (struct waiting_run){pa, 1, level, removed};
}

/* Can the host have the page? The VM is bugged already when it was not removed, or when its KeyID
 * never became free: then nothing has written the caches back, and each page needs that itself. */
static bool is_free(struct tdx_vm *vm, struct vmm_cpu *c, const struct waiting_run *r, uint64_t pa)
{
	if (r->removed)
		return !vm->hkid_leaked || !vm_clean_private_page(vm, c, pa, r->level);
	return !vm->hkid_leaked && tdx_is_success(vmm_reclaim(vm->vmm, c, pa, NULL));
}

/* What is free, back to where pages come from. */
static void free_run(struct tdx_vm *vm, struct vmm_cpu *c, uint64_t pa, uint64_t size,
		     enum tdx_level level)
{
	struct tdx_vmm *vmm = vm->vmm;

	tdx_host_reset_pages(&vmm->host, c->cpu, hpa(pa), size);
	if (level == TDX_LEVEL_2M) {
		for (uint64_t end = pa + size; pa < end; pa += TDX_SIZE_2M)
			pages_put_block(&vmm->pages, pa);
		return;
	}
	for (uint64_t a = pa; vmm->dynamic_pamt && a < pa + size; a += TDX_PAGE_SIZE)
		vm_pamt_put(vm, c, a);
	pages_put_run(&vmm->pages, pa, size);
}

/* What cannot even be reclaimed now is lost for good. */
void vm_free_waiting(struct tdx_vm *vm)
{
	struct vmm_cpu *c = vmm_get_cpu(vm->vmm, -1);

	for (size_t i = 0; i < vm->nwaiting; i++) {
		const struct waiting_run *r = &vm->waiting[i];
		const uint64_t size = tdx_level_size(r->level), end = r->pa + r->n * size;

		if (r->removed && !vm->hkid_leaked) {
			free_run(vm, c, r->pa, end - r->pa, r->level);
			continue;
		}
		for (uint64_t pa = r->pa; pa < end; pa += size) {
			if (is_free(vm, c, r, pa))
				free_run(vm, c, pa, size, r->level);
			else
				pages_quarantine(&vm->vmm->pages, size / TDX_PAGE_SIZE);
		}
	}
	vmm_put_cpu(c);
	free(vm->waiting);
	vm->waiting = NULL;
	vm->nwaiting = vm->maxwaiting = 0;
}

int vm_clean_private_page(struct tdx_vm *vm, struct vmm_cpu *cpu, uint64_t pa, enum tdx_level level)
{
	struct tdx_vmm *vmm = vm->vmm;
	uint64_t size = tdx_level_size(level);

	for (uint64_t a = pa; a < pa + size; a += TDX_PAGE_SIZE) {
		struct tdx_status s =
			tdh_phymem_page_wbinvd_hkid(&vmm->host, cpu->cpu, hpa(a), vm->td.hkid);

		if (!tdx_is_success(s))
			return vm_bug(vm, TDH_PHYMEM_PAGE_WBINVD, s, NULL,
				      "writing back a removed page");
	}
	tdx_host_reset_pages(&vmm->host, cpu->cpu, hpa(pa), size);
	return 0;
}

/* Write the caches of one package back, in as many pieces as interrupts make of it. */
static struct tdx_status cache_wb(struct vmm_cpu *c)
{
	struct tdx_status s = tdx_success();

	for (unsigned i = 0; i < CACHE_WB_ROUNDS; i++) {
		s = tdh_phymem_cache_wb(c->cpu, i > 0);
		if (!tdx_is(s, TDX_INTERRUPTED_RESUMABLE))
			break;
		c->port->ops->relax(c->port);
	}
	/* Somebody else did it already. */
	return tdx_is(s, TDX_NO_HKID_READY_TO_WBCACHE) ? tdx_success() : s;
}

static int write_back_packages(struct tdx_vm *vm)
{
	struct tdx_vmm *vmm = vm->vmm;

	for (unsigned i = 0; i < vmm->ncpus; i++) {
		struct vmm_cpu *c;
		struct tdx_status s;

		if (!tdx_host_leads_package(&vmm->host, i))
			continue;
		c = vmm_get_this_cpu(vmm, i);
		s = cache_wb(c);
		vmm_put_cpu(c);
		if (tdx_is_error(s))
			return vm_bug(vm, TDH_PHYMEM_CACHE_WB, s, NULL, "releasing the KeyID");
	}
	return 0;
}

static int on_td(struct tdx_vm *vm, enum tdx_seamcall leaf,
		 struct tdx_status (*fn)(const struct tdx_cpu *, const struct tdx_td *))
{
	struct vmm_cpu *c = vmm_get_cpu(vm->vmm, -1);
	struct tdx_status s = fn(c->cpu, &vm->td);

	vmm_put_cpu(c);
	return tdx_is_success(s) ? 0 : vm_bug(vm, leaf, s, NULL, "releasing the KeyID");
}

int vm_release_hkid(struct tdx_vm *vm)
{
	struct tdx_vmm *vmm = vm->vmm;
	unsigned n = atomic_load(&vm->nvcpus);
	int err;

	for (unsigned i = 0; i < n; i++)
		(void)vcpu_flush(vm->vcpu[i]); /* what is left, VPFLUSHDONE will tell */
	pthread_mutex_lock(&vmm->tdx_lock);
	err = on_td(vm, TDH_MNG_VPFLUSHDONE, tdh_mng_vpflushdone);
	if (!err)
		err = write_back_packages(vm);
	if (!err)
		err = on_td(vm, TDH_MNG_KEY_FREEID, tdh_mng_key_freeid);
	if (!err) {
		tdx_host_hkid_put(&vmm->host, vm->td.hkid);
	} else {
		vmm->leaked_hkids++;
		vm->hkid_leaked = true;
	}
	vm->hkid_assigned = false;
	pthread_mutex_unlock(&vmm->tdx_lock);
	return err;
}
