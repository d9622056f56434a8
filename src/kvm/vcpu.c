/* SPDX-License-Identifier: MIT */
/* A vCPU and the page it shares with its client. */
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "kvm/internal.h"

void kvm_vcpu_free(struct kvm_vcpu *v)
{
	if (v->run)
		munmap(v->run, KVM_RUN_PAGES * KVM_PAGE_SIZE);
	if (v->stats_fd >= 0)
		close(v->stats_fd);
	free(v->cpuid);
	pthread_mutex_destroy(&v->lock);
	free(v);
}

/* KVM's order: number, whether it is taken, and only then what TDX wants. From here on the VM has a
 * limit of ids, whatever becomes of the vCPU. */
static int may_create(struct kvm_vm *vm, unsigned long id)
{
	if (id >= KVM_LIMIT_VCPU_ID || vm->nvcpus >= vm->host->cfg.vcpus)
		return -EINVAL;
	for (unsigned i = 0; i < vm->nvcpus; i++)
		if (vm->vcpu[i]->id == id)
			return -EEXIST;
	if (!vm->max_vcpu_ids)
		vm->max_vcpu_ids = KVM_LIMIT_VCPU_ID;
	if (id >= vm->max_vcpu_ids)
		return -EINVAL;
	if (vm->td && tdx_vm_state(vm->td) != TDX_VM_INITIALIZED)
		return -EIO;
	return vm->td && !vm->split ? -EINVAL : 0;
}

static int create(struct kvm_vm *vm, struct kvm_vcpu *v)
{
	const size_t size = KVM_RUN_PAGES * KVM_PAGE_SIZE;
	int fd = kvm_object_open(vm->host, &v->object, KVM_VCPU, "kvm-vcpu", size, true), err = 0;

	if (fd < 0)
		return fd;
	/* By our own open of the file, whose mapping does not keep the client's open. */
	v->run = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED,
		      v->object.own >= 0 ? v->object.own : fd, 0);
	if (v->run == MAP_FAILED) {
		v->run = NULL;
		err = -ENOMEM;
	}
	if (!err && vm->td)
		err = tdx_vcpu_new(vm->td, v->id, &v->td);
	if (!err)
		return fd;
	kvm_object_close(vm->host, &v->object);
	close(fd);
	return err;
}

long kvm_vm_create_vcpu(struct kvm_vm *vm, unsigned long id)
{
	struct kvm_vcpu *v;
	int fd;

	pthread_mutex_lock(&vm->lock);
	fd = may_create(vm, id);
	v = fd ? NULL : calloc(1, sizeof(*v));
	if (!fd && !v)
		fd = -ENOMEM;
	if (v) {
		v->vm = vm;
		v->id = (unsigned)id;
		v->stats_fd = -1;
		v->mcg_cap = KVM_LIMIT_MCE_BANKS;
		v->mp_state = id == vm->boot_id ? KVM_MP_RUNNABLE : KVM_MP_UNINITIALIZED;
		pthread_mutex_init(&v->lock, NULL);
		fd = create(vm, v);
		if (fd < 0) {
			kvm_vcpu_free(v);
		} else {
			v->index = vm->nvcpus;
			vm->td_vcpu[vm->nvcpus] = v->td;
			vm->vcpu[vm->nvcpus++] = v;
		}
	}
	pthread_mutex_unlock(&vm->lock);
	return fd;
}

/* --- the small requests --- */

long kvm_vcpu_tpr_access(struct kvm_vcpu *v, unsigned long arg)
{
	struct kvm_tpr_access t;

	(void)v;
	if (kvm_from_user(&t, arg, sizeof(t)))
		return -EFAULT;
	if (t.flags)
		return -EINVAL;
	return kvm_to_user(arg, &t, sizeof(t));
}

long kvm_vcpu_set_vapic_addr(struct kvm_vcpu *v, unsigned long arg)
{
	uint64_t addr;

	if (!v->vm->split)
		return -EINVAL;
	if (kvm_from_user(&addr, arg, sizeof(addr)))
		return -EFAULT;
	return addr && !kvm_memory_has_slot(v->vm, addr) ? -EINVAL : 0;
}

long kvm_vcpu_get_mp_state(struct kvm_vcpu *v, unsigned long arg)
{
	return kvm_to_user(arg, &v->mp_state, sizeof(v->mp_state));
}

long kvm_vcpu_set_mp_state(struct kvm_vcpu *v, unsigned long arg)
{
	uint32_t state;

	if (kvm_from_user(&state, arg, sizeof(state)))
		return -EFAULT;
	switch (state) {
	case KVM_MP_SIPI_RECEIVED: /* KVM's word for it since: it waits for one that is there */
		state = KVM_MP_INIT_RECEIVED;
		break;
	case KVM_MP_UNINITIALIZED:
	case KVM_MP_INIT_RECEIVED:
	case KVM_MP_HALTED:
	case KVM_MP_AP_RESET_HOLD:
	case KVM_MP_RUNNABLE:
		break;
	default:
		return -EINVAL;
	}
	if (state != KVM_MP_RUNNABLE && !v->vm->split)
		return -EINVAL; /* no local APIC in the kernel */
	v->mp_state = state;
	return 0;
}

/* As many pages as can be; success if one could. */
long kvm_vcpu_pre_fault(struct kvm_vcpu *v, unsigned long arg)
{
	struct kvm_prefault p;
	long err = 0;
	bool some = false;

	if (kvm_from_user(&p, arg, sizeof(p)))
		return -EFAULT;
	if (p.flags || (p.gpa | p.size) & (KVM_PAGE_SIZE - 1) || p.gpa + p.size <= p.gpa)
		err = -EINVAL;
	else if (!v->td)
		err = -EOPNOTSUPP;
	while (!err && p.size) {
		err = kvm_signal_waits(v) ? -EINTR : tdx_vcpu_prefault(v->td, gpa(p.gpa));
		if (err)
			break;
		some = true;
		p.gpa += KVM_PAGE_SIZE;
		p.size -= KVM_PAGE_SIZE;
	}
	if (kvm_to_user(arg, &p, sizeof(p)))
		return -EFAULT;
	return some ? 0 : err;
}

long kvm_vcpu_get_tsc_khz(struct kvm_vcpu *v, unsigned long arg)
{
	(void)arg;
	return (long)v->vm->tsc_khz;
}
