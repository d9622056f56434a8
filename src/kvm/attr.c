/* SPDX-License-Identifier: MIT */
/* Attributes, single registers, and what else a client may ask in words of its own. */
#include "kvm/internal.h"

enum { DIRTY_WORD_PAGES = 64, MIN_MMU_PAGES = 64 };

/* --- of /dev/kvm: the state that XSAVE can have in a guest --- */

static int system_attr(struct kvm_host *h, unsigned long arg, struct kvm_device_attr *a,
		       uint64_t *value)
{
	struct tdx_vmm *vmm;
	int err;

	if (kvm_from_user(a, arg, sizeof(*a)))
		return -EFAULT;
	if (a->group || a->attr != KVM_ATTR_XCOMP_GUEST_SUPP)
		return -ENXIO;
	err = kvm_host_power(h, &vmm);
	if (err)
		return err;
	*value = kvm_host_xfam(h);
	return 0;
}

long kvm_get_device_attr(struct kvm_host *h, unsigned long arg)
{
	struct kvm_device_attr a;
	uint64_t value = 0;
	const int err = system_attr(h, arg, &a, &value);

	return err ? err : kvm_to_user(a.addr, &value, sizeof(value));
}

long kvm_has_device_attr(struct kvm_host *h, unsigned long arg)
{
	struct kvm_device_attr a;
	uint64_t value;

	return system_attr(h, arg, &a, &value);
}

/* --- of a vCPU: the offset of its TSC, which is the TD's --- */

static int vcpu_attr(unsigned long arg, struct kvm_device_attr *a)
{
	if (kvm_from_user(a, arg, sizeof(*a)))
		return -EFAULT;
	return a->group || a->attr != KVM_ATTR_TSC_OFFSET ? -ENXIO : 0;
}

long kvm_vcpu_has_attr(struct kvm_vcpu *v, unsigned long arg)
{
	struct kvm_device_attr a;

	(void)v;
	return vcpu_attr(arg, &a);
}

long kvm_vcpu_get_attr(struct kvm_vcpu *v, unsigned long arg)
{
	const uint64_t offset = v->td ? tdx_vcpu_tsc_offset(v->td) : 0;
	struct kvm_device_attr a;
	const int err = vcpu_attr(arg, &a);

	return err ? err : kvm_to_user(a.addr, &offset, sizeof(offset));
}

/* Taken, and of no effect: the module manages it. */
long kvm_vcpu_set_attr(struct kvm_vcpu *v, unsigned long arg)
{
	struct kvm_device_attr a;
	uint64_t offset;
	const int err = vcpu_attr(arg, &a);

	(void)v;
	return err ? err : kvm_from_user(&offset, a.addr, sizeof(offset));
}

/* --- single registers: MSRs --- */

static long one_reg(struct kvm_vcpu *v, unsigned long arg, bool write)
{
	struct kvm_one_reg r;
	uint64_t value = 0;

	if (kvm_from_user(&r, arg, sizeof(r)))
		return -EFAULT;
	if ((r.id & KVM_REG_ARCH_MASK) != KVM_REG_X86 || r.id & KVM_REG_RESERVED ||
	    KVM_REG_TYPE(r.id) != KVM_REG_TYPE_MSR ||
	    (r.id & KVM_REG_SIZE_MASK) != KVM_REG_SIZE_U64)
		return -EINVAL;
	if (write && kvm_from_user(&value, r.addr, sizeof(value)))
		return -EFAULT;
	if (!v->td || !(write ? tdx_vcpu_wrmsr(v->td, KVM_REG_INDEX(r.id), value)
			      : tdx_vcpu_rdmsr(v->td, KVM_REG_INDEX(r.id), &value)))
		return -EINVAL;
	return write ? 0 : kvm_to_user(r.addr, &value, sizeof(value));
}

long kvm_vcpu_get_one_reg(struct kvm_vcpu *v, unsigned long arg)
{
	return one_reg(v, arg, false);
}

long kvm_vcpu_set_one_reg(struct kvm_vcpu *v, unsigned long arg)
{
	return one_reg(v, arg, true);
}

/* Registers of KVM's own making: a shadow stack's pointer, which no vCPU here has. */
long kvm_vcpu_get_reg_list(struct kvm_vcpu *v, unsigned long arg)
{
	uint64_t n;

	(void)v;
	if (kvm_from_user(&n, arg, sizeof(n)))
		return -EFAULT;
	n = 0;
	return kvm_to_user(arg, &n, sizeof(n));
}

/* KVM does not know a TD's page tables, and takes the one it knows for a processor that pages
 * nothing. */
long kvm_vcpu_translate(struct kvm_vcpu *v, unsigned long arg)
{
	struct kvm_translation t;

	if (kvm_from_user(&t, arg, sizeof(t)))
		return -EFAULT;
	if (!v->td)
		return -EINVAL;
	t.physical_address = t.linear_address;
	t.valid = t.writeable = 1;
	t.usermode = 0;
	return kvm_to_user(arg, &t, sizeof(t));
}

long kvm_vcpu_enable_cap(struct kvm_vcpu *v, unsigned long arg)
{
	struct kvm_enable_cap c;

	if (kvm_from_user(&c, arg, sizeof(c)))
		return -EFAULT;
	/* CPUID's paravirtual features bind a guest: a TD is told of none. */
	if (c.flags || c.cap != KVM_CAP_ENFORCE_PV_FEATURE_CPUID)
		return -EINVAL;
	(void)v;
	return 0;
}

/* --- of a VM --- */

long kvm_vm_set_nr_mmu_pages(struct kvm_vm *vm, unsigned long arg)
{
	(void)vm;
	return arg < MIN_MMU_PAGES ? -EINVAL : 0; /* of shadow pages there are none */
}

/* Of shared memory alone: private pages have no log. Writes are not watched, so each page of a slot
 * that has a log is in it. */
long kvm_vm_get_dirty_log(struct kvm_vm *vm, unsigned long arg)
{
	const uint64_t all = ~0ull;
	struct kvm_dirty_log l;
	uint64_t pages;
	long r = 0;

	if (kvm_from_user(&l, arg, sizeof(l)))
		return -EFAULT;
	if (l.slot >= KVM_SLOTS)
		return -EINVAL;
	pthread_mutex_lock(&vm->lock);
	pages = vm->slot[l.slot].flags & KVM_REGION_LOG_DIRTY ? vm->slot[l.slot].size >> 12 : 0;
	pthread_mutex_unlock(&vm->lock);
	if (!pages)
		return -ENOENT;
	for (uint64_t at = l.bitmap; pages && !r; at += sizeof(all)) {
		const uint64_t n = pages < DIRTY_WORD_PAGES ? pages : DIRTY_WORD_PAGES;
		const uint64_t word = n < DIRTY_WORD_PAGES ? (1ull << n) - 1 : all;

		r = kvm_to_user(at, &word, sizeof(word));
		pages -= n;
	}
	return r;
}
