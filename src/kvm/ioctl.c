/* SPDX-License-Identifier: MIT */
/* From a descriptor and a request to the function that answers it. One row a request, with the
 * capability without which it is not there (KVM_CAP_IRQCHIP is no such one). */
#include <unistd.h>

#include "kvm/internal.h"

enum { ALWAYS = 0 };

#define NAMED(request) request, #request

struct system_row {
	unsigned long request;
	const char *name;
	kvm_system_fn *fn;
	unsigned cap;
};
static const struct system_row system_rows[] = {
	{NAMED(KVM_GET_API_VERSION), kvm_get_api_version, ALWAYS},
	{NAMED(KVM_CREATE_VM), kvm_create_vm, ALWAYS},
	{NAMED(KVM_CHECK_EXTENSION), kvm_check_extension, ALWAYS},
	{NAMED(KVM_GET_VCPU_MMAP_SIZE), kvm_get_vcpu_mmap_size, ALWAYS},
	{NAMED(KVM_GET_SUPPORTED_CPUID), kvm_get_supported_cpuid, KVM_CAP_EXT_CPUID},
	{NAMED(KVM_GET_MSR_INDEX_LIST), kvm_get_msr_index_list, ALWAYS},
	{NAMED(KVM_GET_MSR_FEATURE_INDEX_LIST), kvm_get_msr_feature_index_list,
	 KVM_CAP_GET_MSR_FEATURES},
	{NAMED(KVM_GET_MSRS), kvm_get_feature_msrs, ALWAYS},
	{NAMED(KVM_X86_GET_MCE_CAP_SUPPORTED), kvm_get_mce_cap_supported, KVM_CAP_MCE},
};

struct vm_row {
	unsigned long request;
	const char *name;
	kvm_vm_fn *fn;
	unsigned cap;
};
static const struct vm_row vm_rows[] = {
	{NAMED(KVM_CHECK_EXTENSION), kvm_vm_check_extension, ALWAYS},
	{NAMED(KVM_CREATE_VCPU), kvm_vm_create_vcpu, ALWAYS},
	{NAMED(KVM_SET_USER_MEMORY_REGION), kvm_vm_set_region, ALWAYS},
	{NAMED(KVM_SET_USER_MEMORY_REGION2), kvm_vm_set_region2, KVM_CAP_USER_MEMORY2},
	{NAMED(KVM_SET_TSS_ADDR), kvm_vm_set_tss_addr, KVM_CAP_SET_TSS_ADDR},
	{NAMED(KVM_SET_IDENTITY_MAP_ADDR), kvm_vm_set_identity_map_addr,
	 KVM_CAP_SET_IDENTITY_MAP_ADDR},
	{NAMED(KVM_CREATE_IRQCHIP), kvm_vm_create_irqchip, ALWAYS},
	{NAMED(KVM_IRQ_LINE), kvm_vm_irq_line, ALWAYS},
	{NAMED(KVM_IRQ_LINE_STATUS), kvm_vm_irq_line_status, KVM_CAP_IRQ_INJECT_STATUS},
	{NAMED(KVM_SET_GSI_ROUTING), kvm_vm_set_gsi_routing, KVM_CAP_IRQ_ROUTING},
	{NAMED(KVM_IRQFD), kvm_vm_irqfd, KVM_CAP_IRQFD},
	{NAMED(KVM_IOEVENTFD), kvm_vm_ioeventfd, KVM_CAP_IOEVENTFD},
	{NAMED(KVM_SET_BOOT_CPU_ID), kvm_vm_set_boot_cpu_id, ALWAYS},
	{NAMED(KVM_GET_CLOCK), kvm_vm_get_clock, KVM_CAP_ADJUST_CLOCK},
	{NAMED(KVM_SET_CLOCK), kvm_vm_set_clock, KVM_CAP_ADJUST_CLOCK},
	{NAMED(KVM_SET_TSC_KHZ), kvm_vm_set_tsc_khz, ALWAYS},
	{NAMED(KVM_GET_TSC_KHZ), kvm_vm_get_tsc_khz, ALWAYS},
	{NAMED(KVM_ENABLE_CAP), kvm_vm_enable_cap, ALWAYS},
	{NAMED(KVM_SIGNAL_MSI), kvm_vm_signal_msi, KVM_CAP_SIGNAL_MSI},
	{NAMED(KVM_MEMORY_ENCRYPT_OP), kvm_vm_encrypt_op, ALWAYS},
	{NAMED(KVM_SET_MEMORY_ATTRIBUTES), kvm_vm_set_attributes, KVM_CAP_MEMORY_ATTRIBUTES},
	{NAMED(KVM_CREATE_GUEST_MEMFD), kvm_vm_create_memory, KVM_CAP_GUEST_MEMFD},
	{NAMED(KVM_GET_STATS_FD), kvm_vm_get_stats, KVM_CAP_BINARY_STATS_FD},
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
	unsigned cap;
};
static const struct vcpu_row vcpu_rows[] = {
	{NAMED(KVM_RUN), kvm_vcpu_run, ALWAYS},
	{NAMED(KVM_GET_MSRS), kvm_vcpu_get_msrs, ALWAYS},
	{NAMED(KVM_SET_MSRS), kvm_vcpu_set_msrs, ALWAYS},
	{NAMED(KVM_SET_CPUID2), kvm_vcpu_set_cpuid2, KVM_CAP_EXT_CPUID},
	{NAMED(KVM_TPR_ACCESS_REPORTING), kvm_vcpu_tpr_access, KVM_CAP_VAPIC},
	{NAMED(KVM_SET_VAPIC_ADDR), kvm_vcpu_set_vapic_addr, KVM_CAP_VAPIC},
	{NAMED(KVM_GET_MP_STATE), kvm_vcpu_get_mp_state, KVM_CAP_MP_STATE},
	{NAMED(KVM_SET_MP_STATE), kvm_vcpu_set_mp_state, KVM_CAP_MP_STATE},
	{NAMED(KVM_NMI), kvm_vcpu_nmi, ALWAYS},
	{NAMED(KVM_SET_SIGNAL_MASK), kvm_vcpu_set_signal_mask, ALWAYS},
	{NAMED(KVM_GET_STATS_FD), kvm_vcpu_get_stats, KVM_CAP_BINARY_STATS_FD},
	{NAMED(KVM_PRE_FAULT_MEMORY), kvm_vcpu_pre_fault, KVM_CAP_PRE_FAULT_MEMORY},
	{NAMED(KVM_X86_SETUP_MCE), kvm_vcpu_setup_mce, KVM_CAP_MCE},
	{NAMED(KVM_GET_TSC_KHZ), kvm_vcpu_get_tsc_khz, ALWAYS},
	{NAMED(KVM_SET_TSC_KHZ), kvm_vcpu_protected, ALWAYS},
	{NAMED(KVM_MEMORY_ENCRYPT_OP), kvm_vcpu_encrypt_op, ALWAYS},
	{NAMED(KVM_GET_REGS), kvm_vcpu_protected, ALWAYS},
	{NAMED(KVM_SET_REGS), kvm_vcpu_protected, ALWAYS},
	{NAMED(KVM_GET_SREGS), kvm_vcpu_protected, ALWAYS},
	{NAMED(KVM_SET_SREGS), kvm_vcpu_protected, ALWAYS},
	{NAMED(KVM_GET_SREGS2), kvm_vcpu_protected, ALWAYS},
	{NAMED(KVM_SET_SREGS2), kvm_vcpu_protected, ALWAYS},
	{NAMED(KVM_TRANSLATE), kvm_vcpu_protected, ALWAYS},
	{NAMED(KVM_GET_FPU), kvm_vcpu_protected, ALWAYS},
	{NAMED(KVM_SET_FPU), kvm_vcpu_protected, ALWAYS},
	{NAMED(KVM_GET_LAPIC), kvm_vcpu_protected, ALWAYS},
	{NAMED(KVM_SET_LAPIC), kvm_vcpu_protected, ALWAYS},
	{NAMED(KVM_SET_GUEST_DEBUG), kvm_vcpu_protected, ALWAYS},
	{NAMED(KVM_GET_DEBUGREGS), kvm_vcpu_protected, ALWAYS},
	{NAMED(KVM_SET_DEBUGREGS), kvm_vcpu_protected, ALWAYS},
	{NAMED(KVM_GET_XSAVE), kvm_vcpu_protected, ALWAYS},
	{NAMED(KVM_SET_XSAVE), kvm_vcpu_protected, ALWAYS},
	{NAMED(KVM_GET_XSAVE2), kvm_vcpu_protected, ALWAYS},
	{NAMED(KVM_GET_XCRS), kvm_vcpu_protected, ALWAYS},
	{NAMED(KVM_SET_XCRS), kvm_vcpu_protected, ALWAYS},
};

#define FIND(host, rows, request_, row)                                                            \
	do {                                                                                       \
		row = NULL;                                                                        \
		for (size_t i_ = 0; i_ < sizeof(rows) / sizeof((rows)[0]); i_++)                   \
			if ((rows)[i_].request == (request_))                                      \
				row = &(rows)[i_];                                                 \
		if (row && row->cap && kvm_cap_is_off(host, row->cap))                             \
			row = NULL;                                                                \
	} while (0)

/* What clients are known to ask for, what KVM has for TDs, and why it is not here. */
static const struct absent {
	enum kvm_kind kind;
	unsigned nr;
	const char *name, *why;
} absent[] = {
	{KVM_VM, 0x42, "KVM_GET_DIRTY_LOG", "no dirty log: a TD's private memory has none"},
	{KVM_VM, 0x44, "KVM_SET_NR_MMU_PAGES", "no shadow pages"},
	{KVM_VM, 0x67, "KVM_REGISTER_COALESCED_MMIO", "each write exits"},
	{KVM_VM, 0x68, "KVM_UNREGISTER_COALESCED_MMIO", "each write exits"},
	{KVM_VM, 0x77, "KVM_CREATE_PIT2", "for the interrupt controllers that a TD cannot have"},
	{KVM_VM, 0xc0, "KVM_CLEAR_DIRTY_LOG", "no dirty log"},
	{KVM_VM, 0xe0, "KVM_CREATE_DEVICE", "VFIO's alone on x86, and no device is assigned"},
	{KVM_VCPU, 0x86, "KVM_INTERRUPT", "the local APIC is in the kernel: KVM refuses it, too"},
	{KVM_VCPU, 0x9f, "KVM_GET_VCPU_EVENTS", "clients ask no TD for them"},
	{KVM_VCPU, 0xa0, "KVM_SET_VCPU_EVENTS", "clients ask no TD for them"},
	{KVM_VCPU, 0xad, "KVM_KVMCLOCK_CTRL", "no kvmclock: KVM refuses it without, too"},
	{KVM_VCPU, 0x91, "KVM_GET_CPUID2", "a TD's is what KVM_TDX_GET_CPUID says"},
	{KVM_VCPU, 0xb7, "KVM_SMI", "no SMM in a TD"},
	{KVM_VCPU, 0xc1, "KVM_GET_SUPPORTED_HV_CPUID", "no Hyper-V for TDs"},
	{KVM_VCPU, 0xe1, "KVM_SET_DEVICE_ATTR", "a TD's TSC offset is its own"},
	{KVM_VCPU, 0xe2, "KVM_GET_DEVICE_ATTR", "a TD's TSC offset is its own"},
	{KVM_VCPU, 0xe3, "KVM_HAS_DEVICE_ATTR", "a TD's TSC offset is its own"},
};

#define COUNT(rows) ((unsigned)(sizeof(rows) / sizeof((rows)[0])))

const char *kvm_request_name(enum kvm_kind kind, unsigned long request)
{
	(void)kind;
	for (size_t i = 0; i < COUNT(absent); i++)
		if (absent[i].nr == _IOC_NR(request))
			return absent[i].name;
	return "unknown";
}

bool kvm_request_row(unsigned i, struct kvm_request_row *row)
{
	static const char *const of[] = {"/dev/kvm", "VM", "vCPU", "guest_memfd"};

	if (i < COUNT(system_rows)) {
		*row = (struct kvm_request_row){of[KVM_SYSTEM], system_rows[i].name, true, ""};
		return true;
	}
	i -= COUNT(system_rows);
	if (i < COUNT(vm_rows)) {
		*row = (struct kvm_request_row){of[KVM_VM], vm_rows[i].name, true, ""};
		return true;
	}
	i -= COUNT(vm_rows);
	if (i < COUNT(vcpu_rows)) {
		const bool own = vcpu_rows[i].fn == kvm_vcpu_protected;

		*row = (struct kvm_request_row){of[KVM_VCPU], vcpu_rows[i].name, true,
						own ? "EINVAL: a TD's state is its own" : ""};
		return true;
	}
	i -= COUNT(vcpu_rows);
	if (i >= COUNT(absent))
		return false;
	*row = (struct kvm_request_row){of[absent[i].kind], absent[i].name, false, absent[i].why};
	return true;
}

static long missing(struct kvm_host *h, enum kvm_kind kind, unsigned long request, long answer)
{
	kvm_host_note(h, kind, request, false);
	return answer;
}

static long on_system(struct kvm_host *h, unsigned long request, unsigned long arg)
{
	const struct system_row *row;

	FIND(h, system_rows, request, row);
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
	FIND(vm->host, vm_rows, request, row);
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
	FIND(v->vm->host, vcpu_rows, request, row);
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
