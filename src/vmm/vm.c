/* SPDX-License-Identifier: MIT */
/* A TD from TDH.MNG.CREATE to the last page back. The order of calls is that of KVM (HOST facts, 6
 * and 7); a failure on the way runs the same teardown as the end. */
#include "abi/ghci.h"
#include "abi/metadata.h"
#include "vmm/busy.h"
#include "device/timers.h"
#include "vmm/fields.h"
#include "vmm/lapic.h"
#include "vmm/mmu.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <swtdx/migrate.h>

int tdx_vm_new(struct tdx_vmm *vmm, struct tdx_vm **out)
{
	struct tdx_vm *vm = calloc(1, sizeof(*vm));

	*out = NULL;
	if (!vm)
		return -ENOMEM;
	if (mmu_lock_init(vm)) {
		free(vm);
		return -ENOMEM;
	}
	vm->vmm = vmm;
	pthread_mutex_init(&vm->lock, NULL);
	pthread_mutex_init(&vm->error_lock, NULL);
	atomic_store(&vm->state, TDX_VM_UNINITIALIZED);
	*out = vm;
	return 0;
}

enum tdx_vm_state tdx_vm_state(const struct tdx_vm *vm)
{
	return vm_state(vm);
}

struct tdx_td tdx_vm_td(const struct tdx_vm *vm)
{
	return vm->td;
}

gpa_t tdx_vm_shared_bit(const struct tdx_vm *vm)
{
	return gpa(vm_shared_mask(vm));
}

static int no_entropy_or_io(struct tdx_status s)
{
	return tdx_is(s, TDX_RND_NO_ENTROPY) ? -EAGAIN : -EIO;
}

/* TDR page and KeyID; -EAGAIN when there is no entropy. */
static int create(struct tdx_vm *vm)
{
	struct tdx_vmm *vmm = vm->vmm;
	struct vmm_cpu *c;
	int err = tdx_host_hkid_get(&vmm->host, &vm->td.hkid);

	if (err)
		return err;
	vm->td.tdr = hpa(pages_get(&vmm->pages));
	if (!vm->td.tdr.v) {
		tdx_host_hkid_put(&vmm->host, vm->td.hkid);
		return -ENOMEM;
	}
	c = vmm_get_cpu(vmm, -1);
	err = vm_pamt_get(vm, c, vm->td.tdr.v);
	if (!err) {
		struct tdx_status s = tdh_mng_create(c->cpu, &vm->td);

		if (!tdx_is_success(s)) {
			vm_pamt_put(vm, c, vm->td.tdr.v);
			err = vm_fail(vm, TDH_MNG_CREATE, s, no_entropy_or_io(s));
		}
	}
	vmm_put_cpu(c);
	if (!err) {
		vm->tdr_created = vm->hkid_assigned = true;
		return 0;
	}
	pages_put(&vmm->pages, vm->td.tdr.v);
	tdx_host_hkid_put(&vmm->host, vm->td.hkid);
	vm->td = (struct tdx_td){0};
	return err;
}

/* On one processor of each package, one after the other. */
static int configure_keys(struct tdx_vm *vm)
{
	struct tdx_vmm *vmm = vm->vmm;

	for (unsigned i = 0; i < vmm->ncpus; i++) {
		struct vmm_cpu *c;
		struct tdx_status s;

		if (!tdx_host_leads_package(&vmm->host, i))
			continue;
		/* Keys are programmed by one processor at a time. */
		pthread_mutex_lock(&vmm->tdx_lock);
		c = vmm_get_this_cpu(vmm, i);
		s = tdh_mng_key_config(c->cpu, &vm->td);
		vmm_put_cpu(c);
		pthread_mutex_unlock(&vmm->tdx_lock);
		if (tdx_is_error(s))
			return vm_fail(vm, TDH_MNG_KEY_CONFIG, s, -EIO);
	}
	return 0;
}

static struct tdx_status give_control_page(struct tdx_vm *vm, const struct vmm_cpu *c,
					   enum tdx_seamcall leaf, hpa_t page)
{
	struct tdx_status s;
	unsigned tries = 0;

	do {
		s = leaf == TDH_MNG_ADDCX ? tdh_mng_addcx(c->cpu, &vm->td, page)
					  : tdh_mig_stream_create(c->cpu, &vm->td, page);
	} while (vm_again(vm, leaf, s, &tries));
	return s;
}

int vm_add_control_page(struct tdx_vm *vm, enum tdx_seamcall leaf)
{
	struct tdx_vmm *vmm = vm->vmm;
	uint64_t pa = vm->ntdcs < VM_MAX_TDCS ? pages_get(&vmm->pages) : 0;
	struct vmm_cpu *c;
	int err;

	if (!pa)
		return -ENOMEM;
	c = vmm_get_cpu(vmm, -1);
	err = vm_pamt_get(vm, c, pa);
	if (!err) {
		struct tdx_status s = give_control_page(vm, c, leaf, hpa(pa));

		if (!tdx_is_success(s)) {
			vm_pamt_put(vm, c, pa);
			err = vm_fail(vm, leaf, s, no_entropy_or_io(s));
		}
	}
	vmm_put_cpu(c);
	if (err)
		pages_put(&vmm->pages, pa);
	else
		vm->tdcs[vm->ntdcs++] = pa;
	return err;
}

unsigned vm_tdcs_pages(const struct tdx_vm *vm)
{
	const struct tdx_host_info *info = &vm->vmm->info;

	return (info->tdcs_base_size + vm->num_l2_vms * info->tdcs_size_per_l2_vm) /
	       (unsigned)TDX_PAGE_SIZE;
}

static int add_tdcs(struct tdx_vm *vm)
{
	int err = 0;

	while (vm->ntdcs < vm_tdcs_pages(vm) && !err)
		err = vm_add_control_page(vm, TDH_MNG_ADDCX);
	return err;
}

static const struct tdx_vm_cpuid *wanted(const struct tdx_vm_params *p, uint32_t leaf,
					 uint32_t subleaf)
{
	for (unsigned i = 0; i < p->ncpuid; i++)
		if (p->cpuid[i].leaf == leaf && p->cpuid[i].subleaf == subleaf)
			return &p->cpuid[i];
	return NULL;
}

enum { TSC_UNIT = 25000, TSC_UNITS_MAX = UINT16_MAX }; /* kHz; the module knows the limits */

static int fill_params(const struct tdx_vm *vm, const struct tdx_vm_params *p,
		       struct tdx_td_params *t)
{
	const struct tdx_host_info *info = &vm->vmm->info;
	unsigned matched = 0;

	if (p->ncpuid > 64)
		return -E2BIG;
	if ((p->attributes & ~info->attributes_fixed0) || (p->xfam & ~info->xfam_fixed0) ||
	    (p->xfam & info->xfam_fixed1) != info->xfam_fixed1 || !p->max_vcpus ||
	    p->max_vcpus > info->max_vcpus_per_td || p->tsc_khz % TSC_UNIT ||
	    p->tsc_khz / TSC_UNIT > TSC_UNITS_MAX || p->num_l2_vms > VM_MAX_L2)
		return -EINVAL;
	if (p->num_l2_vms && !info->tdcs_size_per_l2_vm)
		return -EOPNOTSUPP;
	memset(t, 0, sizeof(*t));
	t->attributes = p->attributes;
	t->xfam = p->xfam;
	t->max_vcpus = (uint16_t)p->max_vcpus;
	t->num_l2_vms = (uint8_t)p->num_l2_vms;
	t->eptp_controls = TDX_EPTP_MT_WB | (p->gpaw52 ? TDX_EPTP_WALK_5 : TDX_EPTP_WALK_4);
	t->config_flags =
		(p->rbp_mod ? 0 : TDX_CONFIG_NO_RBP_MOD) | (p->gpaw52 ? TDX_CONFIG_GPAW : 0);
	t->tsc_frequency = (uint16_t)((p->tsc_khz ? p->tsc_khz : 2100000) / TSC_UNIT);
	t->mrconfigid = p->mrconfigid;
	t->mrowner = p->mrowner;
	t->mrownerconfig = p->mrownerconfig;
	for (unsigned i = 0; i < info->num_cpuid_config && i < TDX_TD_PARAMS_CPUIDS; i++) {
		const struct tdx_host_cpuid_config *c = &info->cpuid_config[i];
		const struct tdx_vm_cpuid *w = wanted(p, c->leaf, c->subleaf);

		if (!w)
			continue;
		matched++;
		t->cpuid[i] = (struct tdx_cpuid_values){
			w->value.eax & c->mask.eax, w->value.ebx & c->mask.ebx,
			w->value.ecx & c->mask.ecx, w->value.edx & c->mask.edx};
	}
	/* An entry that no configurable leaf takes would silently be lost. */
	return matched == p->ncpuid ? 0 : -EINVAL;
}

static int init(struct tdx_vm *vm, const struct tdx_td_params *params)
{
	struct tdx_vmm *vmm = vm->vmm;
	uint64_t pa = pages_get(&vmm->pages);
	struct tdx_init_result r;
	struct vmm_cpu *c;
	struct tdx_status s;

	if (!pa)
		return -ENOMEM;
	c = vmm_get_cpu(vmm, -1);
	c->port->ops->write(c->port, hpa(pa), params, sizeof(*params));
	s = tdh_mng_init(c->cpu, &vm->td, hpa(pa), &r);
	vmm_put_cpu(c);
	pages_put(&vmm->pages, pa);
	if (tdx_is_success(s))
		return 0;
	return vm_fail(vm, TDH_MNG_INIT, s, tdx_is(s, TDX_OPERAND_INVALID) ? -EINVAL : -EIO);
}

/* Where a table of an L2 VM is missing the host is asked, not the L1 VMM told. */
static int offer_l2_tables(struct tdx_vm *vm)
{
	int err = 0;

	for (unsigned l2 = 1; l2 <= vm->num_l2_vms && !err; l2++) {
		const uint64_t id =
			md_td.row[MD_TD_VM_CTLS].id & ~(MD_ID_LAST_FIELD | MD_ID_LAST_ELEMENT);
		struct vmm_cpu *c = vmm_get_cpu(vm->vmm, -1);
		struct tdx_status s =
			tdh_mng_wr(c->cpu, &vm->td, id + l2, VM_CTLS_EPT_VIOLATION_ON_L2_WALK,
				   VM_CTLS_EPT_VIOLATION_ON_L2_WALK, NULL);

		vmm_put_cpu(c);
		if (!tdx_is_success(s))
			err = vm_fail(vm, TDH_MNG_WR, s, -EIO);
	}
	return err;
}

/* The TDCS and TDR pages; the KeyID must be free. */
static void reclaim_control_pages(struct tdx_vm *vm)
{
	struct tdx_vmm *vmm = vm->vmm;
	struct tdx_page_metadata md;
	struct vmm_cpu *c;
	enum tdx_seamcall leaf = TDH_PHYMEM_PAGE_RECLAIM;
	struct tdx_status s;
	bool whole = true;

	if (!vm->tdr_created)
		return;
	vm->tdr_created = false;
	if (vm->hkid_leaked) { /* nothing can be reclaimed */
		pages_quarantine(&vmm->pages, 1 + vm->ntdcs);
		vm->ntdcs = 0;
		return;
	}
	while (vm->ntdcs > 0)
		if (vm_reclaim_page(vm, vm->tdcs[--vm->ntdcs]))
			whole = false;
	c = vmm_get_cpu(vmm, -1);
	s = vmm_reclaim(vmm, c, vm->td.tdr.v, &md);
	/* The module touched the TDR under the global KeyID until now. */
	if (tdx_is_success(s)) {
		leaf = TDH_PHYMEM_PAGE_WBINVD;
		s = tdh_phymem_page_wbinvd_tdr(&vmm->host, c->cpu, &vm->td);
	}
	if (tdx_is_success(s)) {
		tdx_host_reset_pages(&vmm->host, c->cpu, vm->td.tdr, TDX_PAGE_SIZE);
		vm_pamt_put(vm, c, vm->td.tdr.v);
	}
	vmm_put_cpu(c);
	if (tdx_is_success(s)) {
		pages_put(&vmm->pages, vm->td.tdr.v);
	} else {
		if (whole)
			vm_bug(vm, leaf, s, &md.raw, "reclaiming the TDR");
		pages_quarantine(&vmm->pages, 1);
	}
}

static void unwind(struct tdx_vm *vm)
{
	if (vm->hkid_assigned)
		vm_release_hkid(vm);
	mmu_free_mirror(vm);
	mmu_free_direct(vm);
	reclaim_control_pages(vm);
	vm->td = (struct tdx_td){0};
}

/* import: the TD's own parameters come with it. */
static int init_vm(struct tdx_vm *vm, const struct tdx_vm_params *p, bool import)
{
	struct tdx_td_params params;
	int err;

	pthread_mutex_lock(&vm->lock);
	err = vm_is_dead(vm) ? -EIO : -EINVAL;
	if (atomic_load(&vm->state) == TDX_VM_UNINITIALIZED)
		err = import ? 0 : fill_params(vm, p, &params); /* there are no vCPUs before */
	if (!err && p->kvm_hypercalls && !p->irqchip)
		err = -EINVAL;
	if (!err && import &&
	    (p->num_l2_vms > VM_MAX_L2 || (p->num_l2_vms && !vm->vmm->info.tdcs_size_per_l2_vm)))
		err = -EINVAL;
	if (err)
		goto out;
	vm->gpaw52 = p->gpaw52;
	vm->huge_pages = p->huge_pages;
	vm->irqchip = p->irqchip;
	vm->halt_waits = p->halt_waits;
	vm->apic_bus_hz = p->apic_bus_hz;
	vm->kvm_calls = p->kvm_hypercalls;
	vm->num_l2_vms = p->num_l2_vms;
	vm->attributes = p->attributes;
	pthread_mutex_lock(&vm->vmm->tdx_lock);
	err = create(vm);
	pthread_mutex_unlock(&vm->vmm->tdx_lock);
	if (!err)
		err = configure_keys(vm);
	if (!err)
		err = add_tdcs(vm);
	if (!err && !import)
		err = init(vm, &params);
	if (!err && !import) /* it comes with the TD */
		err = offer_l2_tables(vm);
	if (!err)
		err = mmu_init(vm);
	if (!err)
		err = (vm->zap = mmu_zap_new()) ? 0 : -ENOMEM;
	if (err) {
		unwind(vm);
	} else {
		vm->importing = import;
		vm->sealed = import;
		atomic_store(&vm->state, import ? TDX_VM_IMPORTING : TDX_VM_INITIALIZED);
	}
out:
	pthread_mutex_unlock(&vm->lock);
	return err;
}

int tdx_vm_init(struct tdx_vm *vm, const struct tdx_vm_params *p)
{
	return init_vm(vm, p, false);
}

int tdx_vm_init_import(struct tdx_vm *vm, const struct tdx_vm_params *p)
{
	return init_vm(vm, p, true);
}

int tdx_vm_finalize(struct tdx_vm *vm)
{
	int err = 0, was = TDX_VM_INITIALIZED;
	struct vmm_cpu *c;
	struct tdx_status s;

	pthread_mutex_lock(&vm->lock);
	if (atomic_load(&vm->state) != TDX_VM_INITIALIZED)
		err = vm_is_dead(vm) ? -EIO : -EINVAL;
	if (!err) {
		/* A removal on its way would have skipped tracking, and the TDR is taken
		 * exclusively. */
		mmu_write_lock(vm);
		c = vmm_get_cpu(vm->vmm, -1);
		s = tdh_mr_finalize(c->cpu, &vm->td);
		vmm_put_cpu(c);
		if (tdx_is_success(s))
			atomic_compare_exchange_strong(&vm->state, &was, TDX_VM_RUNNABLE);
		else if (vm_busy(TDH_MR_FINALIZE, s) == BUSY_TELL_USER)
			err = vm_fail(vm, TDH_MR_FINALIZE, s, -EBUSY);
		else
			err = vm_bug(vm, TDH_MR_FINALIZE, s, NULL, "finalize");
		mmu_write_unlock(vm);
	}
	if (!err)
		vm_end_build(vm);
	pthread_mutex_unlock(&vm->lock);
	return err;
}

void tdx_vm_destroy(struct tdx_vm *vm)
{
	struct tdx_vmm *vmm;
	unsigned n;

	if (!vm)
		return;
	vmm = vm->vmm;
	n = atomic_load(&vm->nvcpus);
	timers_free(vm->timers);
	vm->timers = NULL;
	/* Private pages go while the KeyID is assigned, control pages after it is free. */
	mmu_write_lock(vm);
	vm->ending = true;
	if (vm->mirror_root)
		mmu_zap(vm, 0, ~0ull >> 12, MMU_PRIVATE | MMU_SHARED);
	mmu_write_unlock(vm);
	if (vm->hkid_assigned)
		vm_release_hkid(vm);
	for (unsigned i = 0; i < n; i++)
		vcpu_free(vm->vcpu[i]);
	vm_free_waiting(vm);
	mmu_free_mirror(vm);
	mmu_free_direct(vm);
	vm_free_slots(vm);
	reclaim_control_pages(vm);
	vm_end_build(vm);
	page_cache_drain(&vmm->pages, &vm->cache);
	mmu_lock_destroy(vm);
	pthread_mutex_destroy(&vm->error_lock);
	pthread_mutex_destroy(&vm->lock);
	free(vm);
}
