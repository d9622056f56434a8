/* SPDX-License-Identifier: MIT */
/* The table of requests: what answers each, without which capability it is not there
 * (KVM_CAP_IRQCHIP is no such one), and which function of Linux 7.3 it answers as. One row a
 * request; those that KVM refuses for a TD whatever is asked need no function.
 *
 * The KVM that is meant is built without SMM, Xen and Hyper-V. */
#include "kvm/requests.h"

enum { ALWAYS = 0 };

/* Requests whose argument nobody here looks into: direction, number, size. */
#define R_(dir, nr, size) _IOC(dir, KVM_TYPE, nr, size)
#define RD		  _IOC_READ
#define WR		  _IOC_WRITE

/* Registers and what belongs to them. */
#define KVM_GET_REGS	     R_(RD, 0x81, 144)
#define KVM_SET_REGS	     R_(WR, 0x82, 144)
#define KVM_GET_SREGS	     R_(RD, 0x83, 312)
#define KVM_SET_SREGS	     R_(WR, 0x84, 312)
#define KVM_GET_FPU	     R_(RD, 0x8c, 416)
#define KVM_SET_FPU	     R_(WR, 0x8d, 416)
#define KVM_GET_LAPIC	     R_(RD, 0x8e, 1024)
#define KVM_SET_LAPIC	     R_(WR, 0x8f, 1024)
#define KVM_SET_GUEST_DEBUG  R_(WR, 0x9b, 72)
#define KVM_GET_DEBUGREGS    R_(RD, 0xa1, 128)
#define KVM_SET_DEBUGREGS    R_(WR, 0xa2, 128)
#define KVM_GET_XSAVE	     R_(RD, 0xa4, 4096)
#define KVM_SET_XSAVE	     R_(WR, 0xa5, 4096)
#define KVM_GET_XCRS	     R_(RD, 0xa6, 392)
#define KVM_SET_XCRS	     R_(WR, 0xa7, 392)
#define KVM_GET_NESTED_STATE R_(RD | WR, 0xbe, 128)
#define KVM_SET_NESTED_STATE R_(WR, 0xbf, 128)
#define KVM_GET_SREGS2	     R_(RD, 0xcc, 320)
#define KVM_SET_SREGS2	     R_(WR, 0xcd, 320)
#define KVM_GET_XSAVE2	     R_(RD, 0xcf, 4096)
/* Chips in the kernel, and what other kinds of VMs have. */
#define KVM_GET_IRQCHIP			R_(RD | WR, 0x62, 520)
#define KVM_SET_IRQCHIP			R_(RD, 0x63, 520)
#define KVM_CREATE_PIT			KVM_IO(0x64)
#define KVM_GET_PIT			R_(RD | WR, 0x65, 72)
#define KVM_SET_PIT			R_(RD, 0x66, 72)
#define KVM_REINJECT_CONTROL		KVM_IO(0x71)
#define KVM_CREATE_PIT2			R_(WR, 0x77, 64)
#define KVM_GET_PIT2			R_(RD, 0x9f, 112)
#define KVM_SET_PIT2			R_(WR, 0xa0, 112)
#define KVM_MEMORY_ENCRYPT_REG_REGION	R_(RD, 0xbb, 16)
#define KVM_MEMORY_ENCRYPT_UNREG_REGION R_(RD, 0xbc, 16)
#define KVM_RESET_DIRTY_RINGS		KVM_IO(0xc7)

/* Each makes a row: NAME the request's, as in .name = "KVM_RUN". */
#define ON_SYSTEM(request_, fn_, cap_, linux_)                                                     \
	{                                                                                          \
		.kind = KVM_SYSTEM, .request = request_, .name = #request_, .fn.system = fn_,      \
		.by = #fn_, .cap = cap_, .as = linux_                                              \
	}
#define ON_VM(request_, fn_, cap_, linux_)                                                         \
	{                                                                                          \
		.kind = KVM_VM, .request = request_, .name = #request_, .fn.vm = fn_, .by = #fn_,  \
		.cap = cap_, .as = linux_                                                          \
	}
#define ON_VCPU(request_, fn_, cap_, linux_)                                                       \
	{                                                                                          \
		.kind = KVM_VCPU, .request = request_, .name = #request_, .fn.vcpu = fn_,          \
		.by = #fn_, .cap = cap_, .as = linux_                                              \
	}
/* The same answer to all; READS: the argument is read before. */
#define REFUSED(kind_, request_, answer_, reads_, why_, linux_)                                    \
	{                                                                                          \
		.kind = kind_, .request = request_, .name = #request_, .answer = -answer_,         \
		.reads = reads_, .why = #answer_ ": " why_, .as = linux_                           \
	}

/* READS32: of a request whose number has no size, eight words. */
enum { NO_READ, READS = -1, READS32 = 32 };

static const struct kvm_request rows[] = {
	ON_SYSTEM(KVM_GET_API_VERSION, kvm_get_api_version, ALWAYS, "kvm_dev_ioctl"),
	ON_SYSTEM(KVM_CREATE_VM, kvm_create_vm, ALWAYS, "kvm_dev_ioctl_create_vm"),
	ON_SYSTEM(KVM_CHECK_EXTENSION, kvm_check_extension, ALWAYS, "kvm_vm_ioctl_check_extension"),
	ON_SYSTEM(KVM_GET_VCPU_MMAP_SIZE, kvm_get_vcpu_mmap_size, ALWAYS, "kvm_dev_ioctl"),
	ON_SYSTEM(KVM_GET_SUPPORTED_CPUID, kvm_get_supported_cpuid, KVM_CAP_EXT_CPUID,
		  "kvm_dev_ioctl_get_cpuid"),
	ON_SYSTEM(KVM_GET_MSR_INDEX_LIST, kvm_get_msr_index_list, ALWAYS, "kvm_get_msr_index_list"),
	ON_SYSTEM(KVM_GET_MSR_FEATURE_INDEX_LIST, kvm_get_msr_feature_index_list,
		  KVM_CAP_GET_MSR_FEATURES, "kvm_get_feature_msr_index_list"),
	ON_SYSTEM(KVM_GET_MSRS, kvm_get_feature_msrs, ALWAYS, "kvm_get_feature_msrs"),
	ON_SYSTEM(KVM_X86_GET_MCE_CAP_SUPPORTED, kvm_get_mce_cap_supported, KVM_CAP_MCE,
		  "kvm_arch_dev_ioctl"),
	ON_SYSTEM(KVM_GET_DEVICE_ATTR, kvm_get_device_attr, KVM_CAP_SYS_ATTRIBUTES,
		  "kvm_x86_dev_get_attr"),
	ON_SYSTEM(KVM_HAS_DEVICE_ATTR, kvm_has_device_attr, KVM_CAP_SYS_ATTRIBUTES,
		  "kvm_x86_dev_has_attr"),
	ON_VM(KVM_CHECK_EXTENSION, kvm_vm_check_extension, ALWAYS, "kvm_vm_ioctl_check_extension"),
	ON_VM(KVM_CREATE_VCPU, kvm_vm_create_vcpu, ALWAYS,
	      "kvm_vm_ioctl_create_vcpu, tdx_vcpu_create"),
	ON_VM(KVM_SET_USER_MEMORY_REGION, kvm_vm_set_region, ALWAYS, "kvm_set_memory_region"),
	ON_VM(KVM_SET_USER_MEMORY_REGION2, kvm_vm_set_region2, KVM_CAP_USER_MEMORY2,
	      "kvm_set_memory_region"),
	ON_VM(KVM_SET_TSS_ADDR, kvm_vm_set_tss_addr, KVM_CAP_SET_TSS_ADDR,
	      "kvm_vm_ioctl_set_tss_addr"),
	ON_VM(KVM_SET_IDENTITY_MAP_ADDR, kvm_vm_set_identity_map_addr,
	      KVM_CAP_SET_IDENTITY_MAP_ADDR, "kvm_arch_vm_ioctl"),
	ON_VM(KVM_SET_NR_MMU_PAGES, kvm_vm_set_nr_mmu_pages, KVM_CAP_MMU_SHADOW_CACHE_CONTROL,
	      "kvm_vm_ioctl_set_nr_mmu_pages"),
	ON_VM(KVM_GET_DIRTY_LOG, kvm_vm_get_dirty_log, ALWAYS, "kvm_get_dirty_log_protect"),
	ON_VM(KVM_CREATE_IRQCHIP, kvm_vm_create_irqchip, ALWAYS, "kvm_arch_vm_ioctl"),
	ON_VM(KVM_IRQ_LINE, kvm_vm_irq_line, ALWAYS, "kvm_vm_ioctl_irq_line"),
	ON_VM(KVM_IRQ_LINE_STATUS, kvm_vm_irq_line_status, KVM_CAP_IRQ_INJECT_STATUS,
	      "kvm_vm_ioctl_irq_line"),
	ON_VM(KVM_SET_GSI_ROUTING, kvm_vm_set_gsi_routing, KVM_CAP_IRQ_ROUTING,
	      "kvm_set_irq_routing"),
	ON_VM(KVM_IRQFD, kvm_vm_irqfd, KVM_CAP_IRQFD, "kvm_irqfd"),
	ON_VM(KVM_IOEVENTFD, kvm_vm_ioeventfd, KVM_CAP_IOEVENTFD, "kvm_ioeventfd"),
	ON_VM(KVM_SET_BOOT_CPU_ID, kvm_vm_set_boot_cpu_id, KVM_CAP_SET_BOOT_CPU_ID,
	      "kvm_arch_vm_ioctl"),
	ON_VM(KVM_GET_CLOCK, kvm_vm_get_clock, KVM_CAP_ADJUST_CLOCK, "kvm_vm_ioctl_get_clock"),
	ON_VM(KVM_SET_CLOCK, kvm_vm_set_clock, KVM_CAP_ADJUST_CLOCK, "kvm_vm_ioctl_set_clock"),
	ON_VM(KVM_SET_TSC_KHZ, kvm_vm_set_tsc_khz, ALWAYS, "kvm_arch_vm_ioctl"),
	ON_VM(KVM_GET_TSC_KHZ, kvm_vm_get_tsc_khz, ALWAYS, "kvm_arch_vm_ioctl"),
	ON_VM(KVM_ENABLE_CAP, kvm_vm_enable_cap, ALWAYS, "kvm_vm_ioctl_enable_cap"),
	ON_VM(KVM_SIGNAL_MSI, kvm_vm_signal_msi, KVM_CAP_SIGNAL_MSI, "kvm_send_userspace_msi"),
	ON_VM(KVM_MEMORY_ENCRYPT_OP, kvm_vm_encrypt_op, ALWAYS, "tdx_vm_ioctl"),
	ON_VM(KVM_SET_MEMORY_ATTRIBUTES, kvm_vm_set_attributes, KVM_CAP_MEMORY_ATTRIBUTES,
	      "kvm_vm_ioctl_set_mem_attributes"),
	ON_VM(KVM_CREATE_GUEST_MEMFD, kvm_vm_create_memory, KVM_CAP_GUEST_MEMFD, "kvm_gmem_create"),
	ON_VM(KVM_GET_STATS_FD, kvm_vm_get_stats, KVM_CAP_BINARY_STATS_FD,
	      "kvm_vm_ioctl_get_stats_fd"),
	REFUSED(KVM_VM, KVM_CREATE_PIT, ENOENT, NO_READ, "no interrupt controller is in the kernel",
		"kvm_arch_vm_ioctl"),
	REFUSED(KVM_VM, KVM_CREATE_PIT2, ENOENT, READS, "no interrupt controller is in the kernel",
		"kvm_arch_vm_ioctl"),
	REFUSED(KVM_VM, KVM_GET_PIT, ENXIO, READS, "a split irqchip has no timer",
		"kvm_arch_vm_ioctl"),
	REFUSED(KVM_VM, KVM_SET_PIT, ENXIO, READS, "a split irqchip has no timer",
		"kvm_arch_vm_ioctl"),
	REFUSED(KVM_VM, KVM_GET_PIT2, ENXIO, NO_READ, "a split irqchip has no timer",
		"kvm_arch_vm_ioctl"),
	REFUSED(KVM_VM, KVM_SET_PIT2, ENXIO, READS, "a split irqchip has no timer",
		"kvm_arch_vm_ioctl"),
	REFUSED(KVM_VM, KVM_REINJECT_CONTROL, ENXIO, READS32, "a split irqchip has no timer",
		"kvm_arch_vm_ioctl"),
	REFUSED(KVM_VM, KVM_GET_IRQCHIP, ENXIO, READS, "the I/O APIC is the client's",
		"kvm_arch_vm_ioctl"),
	REFUSED(KVM_VM, KVM_SET_IRQCHIP, ENXIO, READS, "the I/O APIC is the client's",
		"kvm_arch_vm_ioctl"),
	REFUSED(KVM_VM, KVM_MEMORY_ENCRYPT_REG_REGION, ENOTTY, READS, "SEV's", "kvm_arch_vm_ioctl"),
	REFUSED(KVM_VM, KVM_MEMORY_ENCRYPT_UNREG_REGION, ENOTTY, READS, "SEV's",
		"kvm_arch_vm_ioctl"),
	REFUSED(KVM_VM, KVM_RESET_DIRTY_RINGS, EINVAL, NO_READ, "no dirty ring",
		"kvm_vm_ioctl_reset_dirty_pages"),
	REFUSED(KVM_VM, KVM_CREATE_DEVICE, ENODEV, READS,
		"the one device on x86 is VFIO's, and nothing is assigned",
		"kvm_ioctl_create_device"),
	ON_VCPU(KVM_RUN, kvm_vcpu_run, ALWAYS, "kvm_arch_vcpu_ioctl_run"),
	ON_VCPU(KVM_MEMORY_ENCRYPT_OP, kvm_vcpu_encrypt_op, ALWAYS,
		"tdx_vcpu_unlocked_ioctl, tdx_vcpu_ioctl"),
	ON_VCPU(KVM_GET_MSRS, kvm_vcpu_get_msrs, ALWAYS, "tdx_get_msr"),
	ON_VCPU(KVM_SET_MSRS, kvm_vcpu_set_msrs, ALWAYS, "tdx_set_msr"),
	ON_VCPU(KVM_GET_ONE_REG, kvm_vcpu_get_one_reg, KVM_CAP_ONE_REG, "kvm_get_set_one_reg"),
	ON_VCPU(KVM_SET_ONE_REG, kvm_vcpu_set_one_reg, KVM_CAP_ONE_REG, "kvm_get_set_one_reg"),
	ON_VCPU(KVM_GET_REG_LIST, kvm_vcpu_get_reg_list, KVM_CAP_ONE_REG, "kvm_get_reg_list"),
	ON_VCPU(KVM_SET_CPUID, kvm_vcpu_set_cpuid, ALWAYS, "kvm_vcpu_ioctl_set_cpuid"),
	ON_VCPU(KVM_SET_CPUID2, kvm_vcpu_set_cpuid2, KVM_CAP_EXT_CPUID,
		"kvm_vcpu_ioctl_set_cpuid2"),
	ON_VCPU(KVM_GET_CPUID2, kvm_vcpu_get_cpuid2, KVM_CAP_EXT_CPUID,
		"kvm_vcpu_ioctl_get_cpuid2"),
	ON_VCPU(KVM_TPR_ACCESS_REPORTING, kvm_vcpu_tpr_access, KVM_CAP_VAPIC,
		"vcpu_ioctl_tpr_access_reporting"),
	ON_VCPU(KVM_SET_VAPIC_ADDR, kvm_vcpu_set_vapic_addr, KVM_CAP_VAPIC,
		"kvm_lapic_set_vapic_addr"),
	ON_VCPU(KVM_GET_MP_STATE, kvm_vcpu_get_mp_state, KVM_CAP_MP_STATE,
		"kvm_arch_vcpu_ioctl_get_mpstate"),
	ON_VCPU(KVM_SET_MP_STATE, kvm_vcpu_set_mp_state, KVM_CAP_MP_STATE,
		"kvm_arch_vcpu_ioctl_set_mpstate"),
	ON_VCPU(KVM_GET_VCPU_EVENTS, kvm_vcpu_get_events, KVM_CAP_VCPU_EVENTS,
		"kvm_vcpu_ioctl_x86_get_vcpu_events"),
	ON_VCPU(KVM_SET_VCPU_EVENTS, kvm_vcpu_set_events, KVM_CAP_VCPU_EVENTS,
		"kvm_vcpu_ioctl_x86_set_vcpu_events"),
	ON_VCPU(KVM_NMI, kvm_vcpu_nmi, ALWAYS, "kvm_inject_nmi, tdx_inject_nmi"),
	ON_VCPU(KVM_INTERRUPT, kvm_vcpu_interrupt, ALWAYS, "kvm_vcpu_ioctl_interrupt"),
	ON_VCPU(KVM_SET_SIGNAL_MASK, kvm_vcpu_set_signal_mask, ALWAYS,
		"kvm_vcpu_ioctl_set_sigmask"),
	ON_VCPU(KVM_GET_STATS_FD, kvm_vcpu_get_stats, KVM_CAP_BINARY_STATS_FD,
		"kvm_vcpu_ioctl_get_stats_fd"),
	ON_VCPU(KVM_PRE_FAULT_MEMORY, kvm_vcpu_pre_fault, KVM_CAP_PRE_FAULT_MEMORY,
		"kvm_vcpu_pre_fault_memory"),
	ON_VCPU(KVM_X86_SETUP_MCE, kvm_vcpu_setup_mce, KVM_CAP_MCE, "kvm_vcpu_ioctl_x86_setup_mce"),
	ON_VCPU(KVM_X86_SET_MCE, kvm_vcpu_set_mce, KVM_CAP_MCE, "kvm_vcpu_ioctl_x86_set_mce"),
	ON_VCPU(KVM_GET_TSC_KHZ, kvm_vcpu_get_tsc_khz, ALWAYS, "kvm_arch_vcpu_ioctl"),
	ON_VCPU(KVM_TRANSLATE, kvm_vcpu_translate, ALWAYS, "kvm_arch_vcpu_ioctl_translate"),
	ON_VCPU(KVM_ENABLE_CAP, kvm_vcpu_enable_cap, ALWAYS, "kvm_vcpu_ioctl_enable_cap"),
	ON_VCPU(KVM_HAS_DEVICE_ATTR, kvm_vcpu_has_attr, KVM_CAP_VCPU_ATTRIBUTES,
		"kvm_arch_tsc_has_attr"),
	ON_VCPU(KVM_GET_DEVICE_ATTR, kvm_vcpu_get_attr, KVM_CAP_VCPU_ATTRIBUTES,
		"kvm_arch_tsc_get_attr"),
	ON_VCPU(KVM_SET_DEVICE_ATTR, kvm_vcpu_set_attr, KVM_CAP_VCPU_ATTRIBUTES,
		"kvm_arch_tsc_set_attr"),
	REFUSED(KVM_VCPU, KVM_GET_REGS, EINVAL, NO_READ, "a TD's state is its own",
		"kvm_arch_vcpu_ioctl_get_regs"),
	REFUSED(KVM_VCPU, KVM_SET_REGS, EINVAL, READS, "a TD's state is its own",
		"kvm_arch_vcpu_ioctl_set_regs"),
	REFUSED(KVM_VCPU, KVM_GET_SREGS, EINVAL, NO_READ, "a TD's state is its own",
		"kvm_arch_vcpu_ioctl_get_sregs"),
	REFUSED(KVM_VCPU, KVM_SET_SREGS, EINVAL, READS, "a TD's state is its own",
		"kvm_arch_vcpu_ioctl_set_sregs"),
	REFUSED(KVM_VCPU, KVM_GET_SREGS2, EINVAL, NO_READ, "a TD's state is its own",
		"kvm_arch_vcpu_ioctl"),
	REFUSED(KVM_VCPU, KVM_SET_SREGS2, EINVAL, NO_READ, "a TD's state is its own",
		"kvm_arch_vcpu_ioctl"),
	REFUSED(KVM_VCPU, KVM_GET_FPU, EINVAL, NO_READ, "a TD's state is its own",
		"kvm_arch_vcpu_ioctl_get_fpu"),
	REFUSED(KVM_VCPU, KVM_SET_FPU, EINVAL, READS, "a TD's state is its own",
		"kvm_arch_vcpu_ioctl_set_fpu"),
	REFUSED(KVM_VCPU, KVM_GET_LAPIC, EINVAL, NO_READ, "a TD's state is its own",
		"kvm_vcpu_ioctl_get_lapic"),
	REFUSED(KVM_VCPU, KVM_SET_LAPIC, EINVAL, READS, "a TD's state is its own",
		"kvm_vcpu_ioctl_set_lapic"),
	REFUSED(KVM_VCPU, KVM_SET_GUEST_DEBUG, EINVAL, READS, "a TD's state is its own",
		"kvm_arch_vcpu_ioctl_set_guest_debug"),
	REFUSED(KVM_VCPU, KVM_GET_DEBUGREGS, EINVAL, NO_READ, "a TD's state is its own",
		"kvm_vcpu_ioctl_x86_get_debugregs"),
	REFUSED(KVM_VCPU, KVM_SET_DEBUGREGS, EINVAL, READS, "a TD's state is its own",
		"kvm_vcpu_ioctl_x86_set_debugregs"),
	REFUSED(KVM_VCPU, KVM_GET_XSAVE, EINVAL, NO_READ, "a TD's state is its own",
		"kvm_vcpu_ioctl_x86_get_xsave2"),
	REFUSED(KVM_VCPU, KVM_SET_XSAVE, EINVAL, READS, "a TD's state is its own",
		"kvm_vcpu_ioctl_x86_set_xsave"),
	REFUSED(KVM_VCPU, KVM_GET_XSAVE2, EINVAL, NO_READ, "a TD's state is its own",
		"kvm_vcpu_ioctl_x86_get_xsave2"),
	REFUSED(KVM_VCPU, KVM_GET_XCRS, EINVAL, NO_READ, "a TD's state is its own",
		"kvm_vcpu_ioctl_x86_get_xcrs"),
	REFUSED(KVM_VCPU, KVM_SET_XCRS, EINVAL, READS, "a TD's state is its own",
		"kvm_vcpu_ioctl_x86_set_xcrs"),
	REFUSED(KVM_VCPU, KVM_SET_TSC_KHZ, EINVAL, NO_READ, "a TD's TSC is its own",
		"kvm_arch_vcpu_ioctl"),
	REFUSED(KVM_VCPU, KVM_GET_NESTED_STATE, EINVAL, NO_READ, "no VMX in a TD, nor in this KVM",
		"kvm_arch_vcpu_ioctl"),
	REFUSED(KVM_VCPU, KVM_SET_NESTED_STATE, EINVAL, NO_READ, "no VMX in a TD, nor in this KVM",
		"kvm_arch_vcpu_ioctl"),
	REFUSED(KVM_VCPU, KVM_KVMCLOCK_CTRL, EINVAL, NO_READ, "no guest has a kvmclock",
		"kvm_set_guest_paused"),
	REFUSED(KVM_VCPU, KVM_SMI, ENOTTY, NO_READ, "no SMM in a TD", "kvm_inject_smi"),
};

/* What clients are known to ask for, what KVM has, and why it is not here. */
static const struct absent {
	enum kvm_kind kind;
	unsigned nr;
	const char *name, *why;
} absent[] = {
	{KVM_SYSTEM, 0x09, "KVM_GET_EMULATED_CPUID", "no instruction is emulated for a TD"},
	{KVM_VM, 0x67, "KVM_REGISTER_COALESCED_MMIO", "each write exits"},
	{KVM_VM, 0x68, "KVM_UNREGISTER_COALESCED_MMIO", "each write exits"},
	{KVM_VM, 0x7a, "KVM_XEN_HVM_CONFIG", "a KVM without Xen"},
	{KVM_VM, 0xb2, "KVM_SET_PMU_EVENT_FILTER", "a TD's PMU is the module's"},
	{KVM_VM, 0xbd, "KVM_HYPERV_EVENTFD", "a KVM without Hyper-V"},
	{KVM_VM, 0xc0, "KVM_CLEAR_DIRTY_LOG", "the log is read whole"},
	{KVM_VM, 0xc6, "KVM_X86_SET_MSR_FILTER", "each MSR is KVM's or nobody's"},
	{KVM_VCPU, 0xc1, "KVM_GET_SUPPORTED_HV_CPUID", "a KVM without Hyper-V"},
};

#define COUNT(rows_) ((unsigned)(sizeof(rows_) / sizeof((rows_)[0])))

const struct kvm_request *kvm_request_find(const struct kvm_host *h, enum kvm_kind kind,
					   unsigned long request)
{
	for (unsigned i = 0; i < COUNT(rows); i++)
		if (rows[i].kind == kind && rows[i].request == request)
			return rows[i].cap && kvm_cap_is_off(h, rows[i].cap) ? NULL : &rows[i];
	return NULL;
}

/* By number alone: a client may have the structure of another kernel. */
const char *kvm_request_name(enum kvm_kind kind, unsigned long request)
{
	for (unsigned i = 0; i < COUNT(absent); i++)
		if (absent[i].nr == _IOC_NR(request))
			return absent[i].name;
	for (unsigned i = 0; i < COUNT(rows); i++)
		if (rows[i].kind == kind && _IOC_NR(rows[i].request) == _IOC_NR(request))
			return rows[i].name;
	return "unknown";
}

static const char *or_none(const char *text)
{
	return text ? text : "";
}

bool kvm_request_row(unsigned i, struct kvm_request_row *row)
{
	static const char *const of[] = {"/dev/kvm", "VM", "vCPU", "guest_memfd"};

	if (i < COUNT(rows)) {
		const struct kvm_request *r = &rows[i];

		*row = (struct kvm_request_row){.of = of[r->kind],
						.name = r->name,
						.answered = true,
						.by = or_none(r->by),
						.as = r->as,
						.why = or_none(r->why)};
		return true;
	}
	i -= COUNT(rows);
	if (i >= COUNT(absent))
		return false;
	*row = (struct kvm_request_row){.of = of[absent[i].kind],
					.name = absent[i].name,
					.by = "",
					.as = "",
					.why = absent[i].why};
	return true;
}
