/* SPDX-License-Identifier: MIT */
/* From a descriptor and a request to what answers it. */
#include <unistd.h>

#include "kvm/requests.h"

enum { LARGEST_ARGUMENT = 4096 };

/* The same for every argument: but one that cannot be read is told first, where KVM reads it. */
static long refuse(const struct kvm_request *r, unsigned long arg)
{
	const size_t size = r->reads < 0 ? _IOC_SIZE(r->request) : (size_t)r->reads;
	uint8_t read[LARGEST_ARGUMENT];

	return size && kvm_from_user(read, arg, size) ? -EFAULT : r->answer;
}

static long missing(struct kvm_host *h, enum kvm_kind kind, unsigned long request, long answer)
{
	kvm_host_note(h, kind, request, false);
	return answer;
}

static long on_system(struct kvm_host *h, unsigned long request, unsigned long arg)
{
	const struct kvm_request *r = kvm_request_find(h, KVM_SYSTEM, request);

	return r ? r->fn.system(h, arg) : missing(h, KVM_SYSTEM, request, -EINVAL);
}

/* After fork() the memory is another's; a dead VM answers nothing. */
static bool usable(const struct kvm_vm *vm)
{
	return vm->pid == getpid() && !kvm_vm_is_dead(vm);
}

static long on_vm(struct kvm_vm *vm, unsigned long request, unsigned long arg)
{
	const struct kvm_request *r = kvm_request_find(vm->host, KVM_VM, request);
	long value;

	if (!usable(vm))
		return -EIO;
	if (!r)
		return missing(vm->host, KVM_VM, request, -ENOTTY);
	value = r->fn.vm ? r->fn.vm(vm, arg) : refuse(r, arg);
	kvm_stats_show_vm(vm);
	return value;
}

static long on_vcpu(struct kvm_vcpu *v, unsigned long request, unsigned long arg)
{
	const struct kvm_request *row = kvm_request_find(v->vm->host, KVM_VCPU, request);
	long r;

	if (!usable(v->vm))
		return -EIO;
	if (_IOC_TYPE(request) != KVM_TYPE)
		return -EINVAL;
	if (!row)
		return missing(v->vm->host, KVM_VCPU, request, -EINVAL);
	pthread_mutex_lock(&v->lock);
	r = row->fn.vcpu ? row->fn.vcpu(v, arg) : refuse(row, arg);
	pthread_mutex_unlock(&v->lock);
	return r;
}

long kvm_ioctl(struct kvm_host *h, int fd, unsigned long request, unsigned long arg, bool *ours)
{
	struct kvm_object *o = kvm_object_get(h, fd);
	long r = -ENOTTY;

	*ours = o != NULL;
	if (!o)
		return -EBADF;
	switch (o->kind) {
	case KVM_SYSTEM:
		r = on_system(h, request, arg);
		break;
	case KVM_VM:
		r = on_vm((struct kvm_vm *)o, request, arg);
		break;
	case KVM_VCPU:
		r = on_vcpu((struct kvm_vcpu *)o, request, arg);
		break;
	case KVM_MEMORY: /* has none */
	case KVM_KINDS:
		break;
	}
	kvm_object_put(h, o);
	if (atomic_load(&h->ending))
		for (;;)
			pause(); /* there is no client to go back to */
	return r;
}
