/* SPDX-License-Identifier: MIT */
/* /dev/kvm: the small requests, and the lists of MSRs. */
#include <stdlib.h>

#include "arch/msr.h"
#include "kvm/internal.h"

long kvm_get_api_version(struct kvm_host *h, unsigned long arg)
{
	(void)h;
	return arg ? -EINVAL : KVM_VERSION;
}

long kvm_get_vcpu_mmap_size(struct kvm_host *h, unsigned long arg)
{
	(void)h;
	return arg ? -EINVAL : KVM_RUN_PAGES * KVM_PAGE_SIZE;
}

/* --- MSRs --- */

/* Those a client may read and write of a vCPU: what KVM emulates for a TD. */
static const uint32_t emulated[] = {
	MSR_BIOS_SIGN_ID,  MSR_APIC_BASE,	MSR_FEATURE_CONTROL, MSR_MTRRCAP,
	MSR_MTRR_DEF_TYPE, MSR_MCG_CAP,		MSR_MCG_STATUS,	     MSR_MISC_ENABLE,
	MSR_PLATFORM_INFO, MSR_FEATURE_ENABLES, MSR_TSC_DEADLINE,
};

/* Those that describe the processor. */
static const uint32_t features[] = {
	MSR_ARCH_CAPABILITIES,
	MSR_BIOS_SIGN_ID,
	MSR_PLATFORM_INFO,
};

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static long index_list(unsigned long arg, const uint32_t *list, uint32_t n)
{
	struct kvm_msr_index_list head;
	const uint32_t room = kvm_from_user(&head, arg, sizeof(head)) ? 0 : head.nmsrs;

	head.nmsrs = n;
	if (kvm_to_user(arg, &head, sizeof(head)))
		return -EFAULT;
	if (room < n)
		return -E2BIG;
	return kvm_to_user(arg + sizeof(head), list, n * sizeof(*list));
}

long kvm_get_msr_index_list(struct kvm_host *h, unsigned long arg)
{
	(void)h;
	return index_list(arg, emulated, COUNT(emulated));
}

long kvm_get_msr_feature_index_list(struct kvm_host *h, unsigned long arg)
{
	(void)h;
	return index_list(arg, features, COUNT(features));
}

/* As many as can be: how many were done. */
typedef bool msr_fn(void *of, struct kvm_msr *m);

static long each_msr(void *of, unsigned long arg, msr_fn *fn, bool write_back)
{
	struct kvm_msr_list head;
	struct kvm_msr m;
	unsigned i;

	if (kvm_from_user(&head, arg, sizeof(head)))
		return -EFAULT;
	if (head.nmsrs >= KVM_LIMIT_MSRS)
		return -E2BIG;
	for (i = 0; i < head.nmsrs; i++) {
		const uint64_t at = arg + sizeof(head) + i * sizeof(m);

		if (kvm_from_user(&m, at, sizeof(m)))
			return -EFAULT;
		if (!fn(of, &m))
			break;
		if (write_back && kvm_to_user(at, &m, sizeof(m)))
			return -EFAULT;
	}
	return (long)i;
}

static bool get_feature(void *of, struct kvm_msr *m)
{
	for (unsigned i = 0; i < COUNT(features); i++)
		if (features[i] == m->index) {
			if (!tdx_vmm_rdmsr(of, m->index, &m->data))
				m->data = 0;
			return true;
		}
	return false;
}

long kvm_get_feature_msrs(struct kvm_host *h, unsigned long arg)
{
	struct tdx_vmm *vmm;
	int err = kvm_host_power(h, &vmm);

	return err ? err : each_msr(vmm, arg, get_feature, true);
}

static bool get_msr(void *of, struct kvm_msr *m)
{
	struct kvm_vcpu *v = of;

	return v->td && tdx_vcpu_rdmsr(v->td, m->index, &m->data);
}

static bool set_msr(void *of, struct kvm_msr *m)
{
	struct kvm_vcpu *v = of;

	return v->td && tdx_vcpu_wrmsr(v->td, m->index, m->data);
}

long kvm_vcpu_get_msrs(struct kvm_vcpu *v, unsigned long arg)
{
	return each_msr(v, arg, get_msr, true);
}

long kvm_vcpu_set_msrs(struct kvm_vcpu *v, unsigned long arg)
{
	return each_msr(v, arg, set_msr, false);
}
