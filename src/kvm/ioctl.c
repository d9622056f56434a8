/* SPDX-License-Identifier: MIT */
/* From a descriptor and a request to the function that answers it. One row a request. */
#include <unistd.h>

#include "kvm/internal.h"

#define NAMED(request) request, #request

struct system_row {
	unsigned long request;
	const char *name;
	kvm_system_fn *fn;
};
static const struct system_row system_rows[] = {
	{NAMED(KVM_GET_API_VERSION), kvm_get_api_version},
	{NAMED(KVM_CREATE_VM), kvm_create_vm},
	{NAMED(KVM_CHECK_EXTENSION), kvm_check_extension},
	{NAMED(KVM_GET_VCPU_MMAP_SIZE), kvm_get_vcpu_mmap_size},
	{NAMED(KVM_GET_SUPPORTED_CPUID), kvm_get_supported_cpuid},
	{NAMED(KVM_GET_MSR_INDEX_LIST), kvm_get_msr_index_list},
	{NAMED(KVM_GET_MSR_FEATURE_INDEX_LIST), kvm_get_msr_feature_index_list},
	{NAMED(KVM_GET_MSRS), kvm_get_feature_msrs},
	{NAMED(KVM_X86_GET_MCE_CAP_SUPPORTED), kvm_get_mce_cap_supported},
};

struct vm_row {
	unsigned long request;
	const char *name;
	kvm_vm_fn *fn;
};
static const struct vm_row vm_rows[] = {
	{NAMED(KVM_CHECK_EXTENSION), kvm_vm_check_extension},
	{NAMED(KVM_CREATE_VCPU), kvm_vm_create_vcpu},
	{NAMED(KVM_SET_USER_MEMORY_REGION), kvm_vm_set_region},
	{NAMED(KVM_SET_USER_MEMORY_REGION2), kvm_vm_set_region2},
	{NAMED(KVM_SET_TSS_ADDR), kvm_vm_set_tss_addr},
	{NAMED(KVM_SET_IDENTITY_MAP_ADDR), kvm_vm_set_identity_map_addr},
	{NAMED(KVM_CREATE_IRQCHIP), kvm_vm_create_irqchip},
	{NAMED(KVM_IRQ_LINE), kvm_vm_irq_line},
	{NAMED(KVM_IRQ_LINE_STATUS), kvm_vm_irq_line_status},
	{NAMED(KVM_SET_GSI_ROUTING), kvm_vm_set_gsi_routing},
	{NAMED(KVM_IRQFD), kvm_vm_irqfd},
	{NAMED(KVM_IOEVENTFD), kvm_vm_ioeventfd},
	{NAMED(KVM_SET_BOOT_CPU_ID), kvm_vm_set_boot_cpu_id},
	{NAMED(KVM_GET_CLOCK), kvm_vm_get_clock},
	{NAMED(KVM_SET_CLOCK), kvm_vm_set_clock},
	{NAMED(KVM_SET_TSC_KHZ), kvm_vm_set_tsc_khz},
	{NAMED(KVM_GET_TSC_KHZ), kvm_vm_get_tsc_khz},
	{NAMED(KVM_ENABLE_CAP), kvm_vm_enable_cap},
	{NAMED(KVM_SIGNAL_MSI), kvm_vm_signal_msi},
	{NAMED(KVM_MEMORY_ENCRYPT_OP), kvm_vm_encrypt_op},
	{NAMED(KVM_SET_MEMORY_ATTRIBUTES), kvm_vm_set_attributes},
	{NAMED(KVM_CREATE_GUEST_MEMFD), kvm_vm_create_memory},
};

/* Registers and what belongs to them: a TD's are its own. */
#define KVM_GET_REGS	    _IOC(_IOC_READ, KVM_TYPE, 0x81, 144)
#define KVM_SET_REGS	    _IOC(_IOC_WRITE, KVM_TYPE, 0x82, 144)
#define KVM_GET_SREGS	    _IOC(_IOC_READ, KVM_TYPE, 0x83, 312)
#define KVM_SET_SREGS	    _IOC(_IOC_WRITE, KVM_TYPE, 0x84, 312)
#define KVM_TRANSLATE	    _IOC(_IOC_READ | _IOC_WRITE, KVM_TYPE, 0x85, 24)
#define KVM_GET_FPU	    _IOC(_IOC_READ, KVM_TYPE, 0x8c, 416)
#define KVM_SET_FPU	    _IOC(_IOC_WRITE, KVM_TYPE, 0x8d, 416)
#define KVM_GET_LAPIC	    _IOC(_IOC_READ, KVM_TYPE, 0x8e, 1024)
#define KVM_SET_LAPIC	    _IOC(_IOC_WRITE, KVM_TYPE, 0x8f, 1024)
#define KVM_SET_GUEST_DEBUG _IOC(_IOC_WRITE, KVM_TYPE, 0x9b, 72)
#define KVM_GET_DEBUGREGS   _IOC(_IOC_READ, KVM_TYPE, 0xa1, 128)
#define KVM_SET_DEBUGREGS   _IOC(_IOC_WRITE, KVM_TYPE, 0xa2, 128)
#define KVM_GET_XSAVE	    _IOC(_IOC_READ, KVM_TYPE, 0xa4, 4096)
#define KVM_SET_XSAVE	    _IOC(_IOC_WRITE, KVM_TYPE, 0xa5, 4096)
#define KVM_GET_XCRS	    _IOC(_IOC_READ, KVM_TYPE, 0xa6, 392)
#define KVM_SET_XCRS	    _IOC(_IOC_WRITE, KVM_TYPE, 0xa7, 392)
#define KVM_GET_XSAVE2	    _IOC(_IOC_READ, KVM_TYPE, 0xcf, 4096)
#define KVM_GET_SREGS2	    _IOC(_IOC_READ, KVM_TYPE, 0xcc, 320)
#define KVM_SET_SREGS2	    _IOC(_IOC_WRITE, KVM_TYPE, 0xcd, 320)

struct vcpu_row {
	unsigned long request;
	const char *name;
	kvm_vcpu_fn *fn;
};
static const struct vcpu_row vcpu_rows[] = {
	{NAMED(KVM_RUN), kvm_vcpu_run},
	{NAMED(KVM_GET_MSRS), kvm_vcpu_get_msrs},
	{NAMED(KVM_SET_MSRS), kvm_vcpu_set_msrs},
	{NAMED(KVM_SET_CPUID2), kvm_vcpu_set_cpuid2},
	{NAMED(KVM_TPR_ACCESS_REPORTING), kvm_vcpu_tpr_access},
	{NAMED(KVM_SET_VAPIC_ADDR), kvm_vcpu_set_vapic_addr},
	{NAMED(KVM_GET_MP_STATE), kvm_vcpu_get_mp_state},
	{NAMED(KVM_SET_MP_STATE), kvm_vcpu_set_mp_state},
	{NAMED(KVM_NMI), kvm_vcpu_nmi},
	{NAMED(KVM_X86_SETUP_MCE), kvm_vcpu_setup_mce},
	{NAMED(KVM_GET_TSC_KHZ), kvm_vcpu_get_tsc_khz},
	{NAMED(KVM_SET_TSC_KHZ), kvm_vcpu_protected},
	{NAMED(KVM_MEMORY_ENCRYPT_OP), kvm_vcpu_encrypt_op},
	{NAMED(KVM_GET_REGS), kvm_vcpu_protected},
	{NAMED(KVM_SET_REGS), kvm_vcpu_protected},
	{NAMED(KVM_GET_SREGS), kvm_vcpu_protected},
	{NAMED(KVM_SET_SREGS), kvm_vcpu_protected},
	{NAMED(KVM_GET_SREGS2), kvm_vcpu_protected},
	{NAMED(KVM_SET_SREGS2), kvm_vcpu_protected},
	{NAMED(KVM_TRANSLATE), kvm_vcpu_protected},
	{NAMED(KVM_GET_FPU), kvm_vcpu_protected},
	{NAMED(KVM_SET_FPU), kvm_vcpu_protected},
	{NAMED(KVM_GET_LAPIC), kvm_vcpu_protected},
	{NAMED(KVM_SET_LAPIC), kvm_vcpu_protected},
	{NAMED(KVM_SET_GUEST_DEBUG), kvm_vcpu_protected},
	{NAMED(KVM_GET_DEBUGREGS), kvm_vcpu_protected},
	{NAMED(KVM_SET_DEBUGREGS), kvm_vcpu_protected},
	{NAMED(KVM_GET_XSAVE), kvm_vcpu_protected},
	{NAMED(KVM_SET_XSAVE), kvm_vcpu_protected},
	{NAMED(KVM_GET_XSAVE2), kvm_vcpu_protected},
	{NAMED(KVM_GET_XCRS), kvm_vcpu_protected},
	{NAMED(KVM_SET_XCRS), kvm_vcpu_protected},
};

#define FIND(rows, request_, row)                                                                  \
	do {                                                                                       \
		row = NULL;                                                                        \
		for (size_t i_ = 0; i_ < sizeof(rows) / sizeof((rows)[0]); i_++)                   \
			if ((rows)[i_].request == (request_))                                      \
				row = &(rows)[i_];                                                 \
	} while (0)

const char *kvm_request_name(enum kvm_kind kind, unsigned long request)
{
	/* What clients are known to ask for and need not get. */
	static const struct {
		unsigned nr;
		const char *name;
	} known[] = {{0x42, "KVM_GET_DIRTY_LOG"},
		     {0x67, "KVM_REGISTER_COALESCED_MMIO"},
		     {0x86, "KVM_INTERRUPT"},
		     {0x8b, "KVM_SET_SIGNAL_MASK"},
		     {0x9f, "KVM_GET_VCPU_EVENTS"},
		     {0xa0, "KVM_SET_VCPU_EVENTS"},
		     {0xad, "KVM_KVMCLOCK_CTRL"},
		     {0xb7, "KVM_SMI"},
		     {0xc1, "KVM_GET_SUPPORTED_HV_CPUID"},
		     {0xce, "KVM_GET_STATS_FD"},
		     {0xd5, "KVM_PRE_FAULT_MEMORY"},
		     {0xe0, "KVM_CREATE_DEVICE"},
		     {0xe1, "KVM_SET_DEVICE_ATTR"},
		     {0xe2, "KVM_GET_DEVICE_ATTR"},
		     {0xe3, "KVM_HAS_DEVICE_ATTR"}};

	(void)kind;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].nr == _IOC_NR(request))
			return known[i].name;
	return "unknown";
}

static long missing(struct kvm_host *h, enum kvm_kind kind, unsigned long request, long answer)
{
	kvm_host_note(h, kind, request, false);
	return answer;
}

static long on_system(struct kvm_host *h, unsigned long request, unsigned long arg)
{
	const struct system_row *row;

	FIND(system_rows, request, row);
	return row ? row->fn(h, arg) : missing(h, KVM_SYSTEM, request, -EINVAL);
}

/* After fork() the memory is another's; a dead VM answers nothing. */
static bool usable(const struct kvm_vm *vm)
{
	return vm->pid == getpid() && !kvm_vm_is_dead(vm);
}

static long on_vm(struct kvm_vm *vm, unsigned long request, unsigned long arg)
{
	const struct vm_row *row;

	if (!usable(vm))
		return -EIO;
	FIND(vm_rows, request, row);
	return row ? row->fn(vm, arg) : missing(vm->host, KVM_VM, request, -ENOTTY);
}

static long on_vcpu(struct kvm_vcpu *v, unsigned long request, unsigned long arg)
{
	const struct vcpu_row *row;
	long r;

	if (!usable(v->vm))
		return -EIO;
	if (_IOC_TYPE(request) != KVM_TYPE)
		return -EINVAL;
	FIND(vcpu_rows, request, row);
	if (!row)
		return missing(v->vm->host, KVM_VCPU, request, -EINVAL);
	pthread_mutex_lock(&v->lock);
	r = row->fn(v, arg);
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
