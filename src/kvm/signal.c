/* SPDX-License-Identifier: MIT */
/* KVM_SET_SIGNAL_MASK: signals that end KVM_RUN although the thread blocks them.
 *
 * In the kernel that mask is the thread's own while it is in KVM_RUN, and gone before a handler
 * could run: the signal is still pending when the client has its thread back. Here the thread keeps
 * the mask that it has, to the same end. Nobody else can see what is pending for it, so that a
 * thread of the VM takes its vCPUs out of their guests each millisecond, to look. */
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "kvm/internal.h"

enum { LOOK_NS = 1000000 };

bool kvm_signal_waits(const struct kvm_vcpu *v)
{
	uint64_t pending = 0;

	return v->masked && !syscall(SYS_rt_sigpending, &pending, sizeof(pending)) &&
	       pending & ~v->sigset;
}

static void *look(void *arg)
{
	struct kvm_vm *vm = arg;
	const struct timespec step = {0, LOOK_NS};

	while (!atomic_load(&vm->look_ends)) {
		nanosleep(&step, NULL);
		pthread_mutex_lock(&vm->lock);
		for (unsigned i = 0; i < vm->nvcpus; i++)
			if (atomic_load(&vm->vcpu[i]->looks))
				tdx_vcpu_kick(vm->vcpu[i]->td);
		pthread_mutex_unlock(&vm->lock);
	}
	return NULL;
}

static int start(struct kvm_vm *vm)
{
	int err = 0;

	pthread_mutex_lock(&vm->lock);
	if (!vm->looker)
		err = kvm_thread(&vm->look_thread, look, vm);
	vm->looker = vm->looker || !err;
	pthread_mutex_unlock(&vm->lock);
	return err ? -ENOMEM : 0;
}

void kvm_signal_end(struct kvm_vm *vm)
{
	atomic_store(&vm->look_ends, true);
	if (vm->looker)
		pthread_join(vm->look_thread, NULL);
	vm->looker = false;
}

long kvm_vcpu_set_signal_mask(struct kvm_vcpu *v, unsigned long arg)
{
	struct kvm_signal_mask m;
	uint64_t set;

	if (!arg) {
		v->masked = false;
		return 0;
	}
	if (kvm_from_user(&m, arg, sizeof(m)))
		return -EFAULT;
	if (m.len != sizeof(set))
		return -EINVAL;
	if (kvm_from_user(&set, arg + offsetof(struct kvm_signal_mask, sigset), sizeof(set)))
		return -EFAULT;
	if (v->td && start(v->vm))
		return -ENOMEM;
	v->sigset = set;
	v->masked = true;
	return 0;
}
