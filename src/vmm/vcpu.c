/* SPDX-License-Identifier: MIT */
/* A vCPU: its pages, the processor it is associated with, and the run loop.
 *
 * A vCPU may run on one processor at a time and must be flushed from the old one before it runs on
 * another. Its thread holds the processor's lock while it is in the guest and lets go between two
 * entries when somebody waits for it. */
#include "vmm/internal.h"
#include "vmm/mmu.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "abi/eeq.h"
#include "arch/vmcs.h"
#include "arch/vmx.h"
#include "vmm/fields.h"
#include "vmm/lapic.h"

static void turn_init(pthread_cond_t *cond)
{
	pthread_condattr_t attr;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(cond, &attr);
	pthread_condattr_destroy(&attr);
}

static int vcpu_new(struct tdx_vm *vm, unsigned id, struct tdx_vcpu **out)
{
	unsigned n = atomic_load(&vm->nvcpus);
	struct tdx_vcpu *v;
	int err = 0;

	*out = NULL;
	for (unsigned i = 0; i < n && !err; i++)
		if (vm->vcpu[i]->id == id)
			err = -EEXIST;
	v = err || n == VM_MAX_VCPUS ? NULL : calloc(1, sizeof(*v));
	if (!err && !v)
		err = -ENOMEM;
	if (v) {
		v->vm = vm;
		v->id = id;
		v->pending.kind = -1;
		vcpu_reset_msrs(v);
		pthread_mutex_init(&v->mmu_mutex, NULL);
		turn_init(&v->my_turn);
		atomic_store(&v->cpu, -1);
		vm->vcpu[n] = v;
		atomic_store(&vm->nvcpus, n + 1);
		*out = v;
	}
	return err;
}

int tdx_vcpu_new(struct tdx_vm *vm, unsigned id, struct tdx_vcpu **out)
{
	int err = -EIO; /* KVM's answer to a vCPU too early or too late */

	*out = NULL;
	pthread_mutex_lock(&vm->lock);
	if (atomic_load(&vm->state) == TDX_VM_INITIALIZED)
		err = vcpu_new(vm, id, out);
	pthread_mutex_unlock(&vm->lock);
	return err;
}

static struct tdx_status write_field(const struct tdx_cpu *cpu, const struct tdx_vp *vp,
				     uint64_t id, uint64_t value)
{
	return tdh_vp_wr(cpu, vp, id, value, ~0ull, NULL);
}

static int add_page(struct tdx_vcpu *v, enum tdx_seamcall leaf, uint64_t *out)
{
	struct tdx_vm *vm = v->vm;
	uint64_t pa = pages_get(&vm->vmm->pages);
	struct vmm_cpu *c;
	int err;

	if (!pa)
		return -ENOMEM;
	if (leaf == TDH_VP_CREATE)
		v->vp.tdvpr = hpa(pa);
	c = vmm_get_cpu(vm->vmm, -1);
	err = vm_pamt_get(vm, c, pa);
	if (!err) {
		struct tdx_status s = leaf == TDH_VP_CREATE ? tdh_vp_create(c->cpu, &vm->td, &v->vp)
							    : tdh_vp_addcx(c->cpu, &v->vp, hpa(pa));

		if (!tdx_is_success(s)) {
			vm_pamt_put(vm, c, pa);
			err = vm_fail(vm, leaf, s, -EIO);
		}
	}
	vmm_put_cpu(c);
	if (err)
		pages_put(&vm->vmm->pages, pa);
	*out = pa;
	return err;
}

/* The pages of a TDVPS, one after the other. */
static int create(struct tdx_vcpu *v)
{
	struct tdx_vm *vm = v->vm;
	struct tdx_vmm *vmm = vm->vmm;
	unsigned pages =
		(vmm->info.tdvps_base_size + vm->num_l2_vms * vmm->info.tdvps_size_per_l2_vm) /
		(unsigned)TDX_PAGE_SIZE;
	uint64_t pa;
	int err = add_page(v, TDH_VP_CREATE, &pa);

	if (err)
		return err;
	v->created = true;
	if (pages > 1 + VCPU_MAX_TDCX)
		return -EIO;
	while (v->ntdcx + 1 < pages) {
		err = add_page(v, TDH_VP_ADDCX, &pa);
		if (err)
			return err;
		v->tdcx[v->ntdcx++] = pa;
	}
	return 0;
}

/* What the host has to say of a vCPU that is there, on the processor it is associated with. */
static int connect(struct tdx_vcpu *v, struct vmm_cpu *c)
{
	const uint64_t root = mmu_shared_root(v->vm).v;
	struct tdx_status s =
		write_field(c->cpu, &v->vp, VP_FIELD_VMCS_64(VMCS_SHARED_EPT_POINTER), root);

	atomic_store(&v->cpu, (int)c->index);
	/* For the VMs whose L1 VMM lets them have shared memory. */
	for (unsigned l2 = 1; l2 <= v->vm->num_l2_vms && tdx_is_success(s); l2++)
		s = write_field(c->cpu, &v->vp, VP_FIELD_L2_VMCS_64(l2, VMCS_SHARED_EPT_POINTER),
				root);
	if (!tdx_is_success(s))
		return vm_bug(v->vm, TDH_VP_WR, s, NULL, "setting the shared EPT");
	if (v->lapic)
		s = lapic_connect(v->lapic, c->cpu);
	if (!tdx_is_success(s))
		return vm_bug(v->vm, TDH_VP_WR, s, NULL, "setting up posted interrupts");
	return 0;
}

int vcpu_imported(struct tdx_vcpu *v, struct vmm_cpu *c)
{
	int err = connect(v, c);

	v->initialized = !err;
	return err;
}

int vcpu_new_import(struct tdx_vm *vm, unsigned id, struct tdx_vcpu **out)
{
	struct tdx_vcpu *v;
	int err = vcpu_new(vm, id, out);

	if (err)
		return err;
	v = *out;
	if (vm->irqchip)
		v->lapic = lapic_new(v);
	return vm->irqchip && !v->lapic ? -ENOMEM : create(v);
}

static int init(struct tdx_vcpu *v, uint64_t initial_rcx)
{
	struct tdx_vm *vm = v->vm;
	struct vmm_cpu *c;
	struct tdx_status s;
	int err;

	/* Version 1 takes the TDR exclusively: nothing else may be calling. */
	mmu_write_lock(vm);
	c = vmm_get_cpu(vm->vmm,
			(int)(v->id % vm->vmm->ncpus)); /* is associated with it from now on */
	s = tdh_vp_init(c->cpu, &v->vp, initial_rcx, v->id);
	err = tdx_is_success(s) ? connect(v, c) : vm_fail(vm, TDH_VP_INIT, s, -EIO);
	vmm_put_cpu(c);
	mmu_write_unlock(vm);
	return err;
}

int tdx_vcpu_init(struct tdx_vcpu *v, uint64_t initial_rcx)
{
	struct tdx_vm *vm = v->vm;
	int err;

	pthread_mutex_lock(&vm->lock);
	err = vm_is_dead(vm) ? -EIO : -EINVAL;
	if (atomic_load(&vm->state) == TDX_VM_INITIALIZED && !v->initialized) {
		if (vm->irqchip && !v->lapic)
			v->lapic = lapic_new(v);
		err = vm->irqchip && !v->lapic ? -ENOMEM : v->created ? -EIO : create(v);
		if (!err)
			err = init(v, initial_rcx);
		v->initialized = !err;
	}
	pthread_mutex_unlock(&vm->lock);
	return err;
}

void vcpu_free(struct tdx_vcpu *v)
{
	struct tdx_vm *vm = v->vm;
	struct pages *pages = &vm->vmm->pages;

	if (vm->hkid_leaked && v->created) { /* leaked with the KeyID */
		pages_quarantine(pages, 1 + v->ntdcx);
	} else {
		while (v->ntdcx > 0)
			vm_reclaim_page(vm, v->tdcx[--v->ntdcx]);
		if (v->created)
			vm_reclaim_page(vm, v->vp.tdvpr.v);
	}
	lapic_free(v->lapic);
	free(v->cpuid);
	page_cache_drain(pages, &v->cache);
	for (unsigned i = 0; i < vm->vmm->ncpus; i++) {
		struct tdx_vcpu *holder = v;

		atomic_compare_exchange_strong(&vm->vmm->cpu[i].turns.holder, &holder, NULL);
	}
	pthread_cond_destroy(&v->my_turn);
	pthread_mutex_destroy(&v->mmu_mutex);
	free(v);
}

static void unload(struct tdx_vcpu *v, struct vmm_cpu *c)
{
	if (v->watched)
		c->port->ops->watch(c->port, NULL);
	atomic_store(&v->in_guest, false);
	atomic_store(&c->in_guest, false);
	vmm_put_cpu(c);
}

/* The user does not mind: where it was, unless that is taken and another is not. */
static unsigned choose(const struct tdx_vcpu *v, int was)
{
	const struct tdx_vmm *vmm = v->vm->vmm;
	unsigned first = was >= 0 ? (unsigned)was : v->id % vmm->ncpus;

	for (unsigned i = 0; i < vmm->ncpus; i++) {
		const struct vmm_cpu *c = &vmm->cpu[(first + i) % vmm->ncpus];

		const struct tdx_vcpu *holder = atomic_load(&c->turns.holder);

		if (!atomic_load(&c->in_guest) && !atomic_load(&c->waiting) &&
		    (!holder || holder == v))
			return c->index;
	}
	return first;
}

/* Beside nobody who has the TDR exclusive: those hold mmu_lock for writing. */
static int leave_processor(struct tdx_vcpu *v)
{
	int err;

	mmu_read_lock(v->vm, v);
	err = vcpu_flush(v);
	mmu_read_unlock(v->vm, v);
	return err;
}

/* Come to run on a processor, whose lock is held on return. NULL: not now, ask again. */
static struct vmm_cpu *load(struct tdx_vcpu *v, int cpu)
{
	struct tdx_vmm *vmm = v->vm->vmm;
	int was = atomic_load(&v->cpu);
	unsigned want = cpu >= 0 ? (unsigned)cpu % vmm->ncpus : choose(v, was);
	struct vmm_cpu *c = &vmm->cpu[want];

	if (was >= 0 && (unsigned)was != want && leave_processor(v))
		return NULL;
	if (!vmm_take_turn(c, v))
		return NULL;
	while (atomic_load(&c->waiting))
		sched_yield();
	c = vmm_get_this_cpu(vmm, want);
	atomic_store(&v->cpu, (int)want);
	atomic_store(&c->in_guest, true);
	atomic_store(&v->in_guest, true);
	if (atomic_load(&v->vm->wait_for_sept_zap) || vcpu_wanted(v) || vm_is_dead(v->vm)) {
		unload(v, c);
		return NULL;
	}
	return c;
}

/* What is owed to the guest or the processor, on the processor. */
static void before_entry(struct tdx_vcpu *v, const struct vmm_cpu *c)
{
	uint64_t generation = atomic_load(&v->vm->shared_generation);

	if (v->watched)
		c->port->ops->watch(c->port, v->watched);
	if (generation != v->shared_generation) {
		if (c->port->ops->invept)
			c->port->ops->invept(c->port);
		v->shared_generation = generation;
	}
	if (atomic_exchange(&v->pend_nmi, false)) {
		struct tdx_status s = write_field(c->cpu, &v->vp, md_vp.row[MD_VP_PEND_NMI].id, 1);

		if (!tdx_is_success(s)) /* the next entry tries again */
			atomic_store(&v->pend_nmi, true);
	}
}

static bool is_interrupt(struct tdx_status s)
{
	return !tdx_is_error(s) && (tdx_details(s) & 0xffff) == VMX_EXIT_EXTERNAL_INTERRUPT;
}

static struct tdx_status enter(struct tdx_vcpu *v, const struct vmm_cpu *c)
{
	struct tdx_status s;

	before_entry(v, c);
	s = v->for_l1 ? tdh_vp_enter_l1(c->cpu, &v->vp, &v->regs, NULL)
		      : tdh_vp_enter(c->cpu, &v->vp, &v->regs, NULL);
	v->for_l1 = v->for_l1 && tdx_is_error(s);
	if (!tdx_is_error(s))
		v->in_l2 = tdx_exit_l2_vm(v->regs.rcx) != 0;
	atomic_fetch_add(&v->exits, 1);
	return s;
}

/* The next entry is its L1 VMM's, whose TDG.VP.ENTER ends there and then: an interrupt waits. The
 * module may let it execute some instructions first, against single steps. */
static int leave_once(struct tdx_vcpu *v)
{
	struct vmm_cpu *c;
	struct tdx_status s;
	int r;

	atomic_store(&v->kicked, false);
	c = load(v, -1);
	if (!c)
		return -EBUSY;
	v->for_l1 = true;
	c->port->ops->interrupt(c->port);
	s = enter(v, c);
	unload(v, c);
	r = vcpu_handle_exit(v, s, &v->owed_run);
	vmm_end_turn(c, v, is_interrupt(s));
	v->owed = r == 0;
	return r < 0 ? r : v->owed ? -EBUSY : 0;
}

int vcpu_leave_vm(struct tdx_vcpu *v)
{
	enum { TRIES = 1000 };

	if ((v->in_l2 || v->for_l1) && v->pending.kind >= 0)
		return -EBUSY;
	for (unsigned i = 0; i < TRIES; i++) {
		const int err = v->in_l2 || v->for_l1 ? leave_once(v) : 0;

		if (v->owed || (err && err != -EBUSY))
			return err;
		if (!v->in_l2 && !v->for_l1)
			return 0;
		sched_yield();
	}
	return -EBUSY;
}

int tdx_vcpu_run(struct tdx_vcpu *v, int cpu, struct tdx_run *run)
{
	struct tdx_vm *vm = v->vm;
	int r;

	if (vm_is_dead(vm))
		return -EIO;
	if (!v->initialized || atomic_load(&vm->state) != TDX_VM_RUNNABLE)
		return -EINVAL;
	if (v->owed) {
		v->owed = false;
		*run = v->owed_run;
		return 0;
	}
	r = vcpu_complete(v, run);
	while (r == 1) {
		struct vmm_cpu *c;
		struct tdx_status s;

		if (vm_is_dead(vm))
			return -EIO;
		if (vcpu_wanted(v)) {
			atomic_store(&v->kicked, false);
			run->exit = TDX_EXIT_INTR;
			return 0;
		}
		c = load(v, cpu);
		if (!c) {
			sched_yield();
			continue;
		}
		s = enter(v, c);
		unload(v, c);
		r = vcpu_handle_exit(v, s, run);
		/* Interrupted: somebody wants the processor, or it has nothing to do. */
		vmm_end_turn(c, v, is_interrupt(s));
	}
	return r;
}

void tdx_vcpu_kick(struct tdx_vcpu *v)
{
	struct tdx_vmm *vmm = v->vm->vmm;
	int cpu;

	atomic_store(&v->kicked, true);
	if (v->lapic)
		lapic_wake(v->lapic);
	cpu = atomic_load(&v->cpu);
	if (cpu >= 0 && atomic_load(&v->in_guest))
		vmm->port[cpu]->ops->interrupt(vmm->port[cpu]);
}

uint64_t tdx_vcpu_exits(const struct tdx_vcpu *v)
{
	return atomic_load(&((struct tdx_vcpu *)(uintptr_t)v)->exits);
}

int tdx_vcpu_watch(struct tdx_vcpu *v, const volatile uint8_t *byte)
{
	if (!v->vm->vmm->port[0]->ops->watch)
		return -EOPNOTSUPP;
	if (v->lapic && !lapic_wakes_by_signal(v->lapic))
		return -ENOMEM;
	v->watched = byte;
	return 0;
}

int tdx_vcpu_set_cpuid(struct tdx_vcpu *v, const struct tdx_vm_cpuid *cpuid, unsigned n)
{
	struct tdx_vm_cpuid *copy = n ? malloc(n * sizeof(*copy)) : NULL;

	if (n && !copy)
		return -ENOMEM;
	if (n)
		memcpy(copy, cpuid, n * sizeof(*copy));
	free(v->cpuid);
	v->cpuid = copy;
	v->ncpuid = n;
	return 0;
}

void tdx_vcpu_nmi(struct tdx_vcpu *v)
{
	int cpu;

	atomic_store(&v->pend_nmi, true);
	cpu = atomic_load(&v->cpu);
	if (atomic_load(&v->in_guest) && cpu >= 0)
		v->vm->vmm->port[cpu]->ops->interrupt(v->vm->vmm->port[cpu]);
	if (v->lapic)
		lapic_wake(v->lapic);
}

struct tdx_vp tdx_vcpu_vp(const struct tdx_vcpu *v)
{
	return v->vp;
}

unsigned tdx_vcpu_id(const struct tdx_vcpu *v)
{
	return v->id;
}
