/* SPDX-License-Identifier: MIT */
/* KVM's interface as Linux 7.3 has it on x86, as far as a TD's monitor uses it: requests,
 * structures, capabilities, exits. Data alone. Source: Documentation/virt/kvm/api.rst and
 * x86/intel-tdx.rst. */
#ifndef KVM_ABI_H
#define KVM_ABI_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>

enum {
	KVM_TYPE = 0xae,
	KVM_VERSION = 12,
	KVM_PAGE_SIZE = 4096,
	KVM_RUN_PAGES = 3, /* kvm_run, port data, the ring of coalesced writes */
	KVM_PIO_OFFSET = KVM_PAGE_SIZE,
	KVM_LIMIT_CPUID = 256,
	KVM_LIMIT_MSRS = 256,
	KVM_LIMIT_ROUTES = 4096, /* GSIs too */
	KVM_LIMIT_VCPU_ID = 4096,
	KVM_LIMIT_MCE_BANKS = 32,
	KVM_LIMIT_TSC_KHZ = 0x7fffffff,
	KVM_XSAVE_SIZE = 4096,
	KVM_GUESTDBG_VALID = 0x1f0003, /* flags of KVM_SET_GUEST_DEBUG */
};
#define KVM_LIMIT_SLOT_PAGES ((1ull << 31) - 1)
#define KVM_LIMIT_TSS_ADDR   0xffffd000ull

/* --- structures --- */

struct kvm_cpuid_entry {
	uint32_t function, index, flags;
	uint32_t eax, ebx, ecx, edx;
	uint32_t padding[3];
};
enum { KVM_CPUID_SIGNIFICANT_INDEX = 1 };

struct kvm_cpuid_old { /* KVM_SET_CPUID's */
	uint32_t function, eax, ebx, ecx, edx, padding;
};

struct kvm_cpuid_list {
	uint32_t nent, padding;
	struct kvm_cpuid_entry entries[];
};

struct kvm_msr_index_list {
	uint32_t nmsrs;
	uint32_t indices[];
};

struct kvm_msr {
	uint32_t index, reserved;
	uint64_t data;
};

struct kvm_msr_list {
	uint32_t nmsrs, pad;
	struct kvm_msr entries[];
};

struct kvm_enable_cap {
	uint32_t cap, flags;
	uint64_t args[4];
	uint8_t pad[64];
};

struct kvm_memory_region { /* KVM_SET_USER_MEMORY_REGION; the first half of: */
	uint32_t slot, flags;
	uint64_t guest_phys_addr, memory_size, userspace_addr;
};
struct kvm_memory_region2 {
	struct kvm_memory_region r;
	uint64_t guest_memfd_offset;
	uint32_t guest_memfd, pad1;
	uint64_t pad2[14];
};
enum { KVM_REGION_LOG_DIRTY = 1, KVM_REGION_READONLY = 2, KVM_REGION_GUEST_MEMFD = 4 };

struct kvm_guest_memfd {
	uint64_t size, flags, reserved[6];
};
enum { KVM_GUEST_MEMFD_MMAP = 1 };

struct kvm_attributes {
	uint64_t address, size, attributes, flags;
};
#define KVM_ATTRIBUTE_PRIVATE (1ull << 3)

struct kvm_route {
	uint32_t gsi, type, flags, pad;
	union {
		struct {
			uint32_t irqchip, pin;
		} irqchip;
		struct {
			uint32_t address_lo, address_hi, data, devid;
		} msi;
		uint32_t pad[8];
	} u;
};
enum { KVM_ROUTE_IRQCHIP = 1, KVM_ROUTE_MSI = 2 };
enum { KVM_ROUTE_VALID_DEVID = 1 }; /* of an MSI's flags: taken, and of no use on x86 */

struct kvm_routing {
	uint32_t nr, flags;
	struct kvm_route entries[];
};

struct kvm_msi {
	uint32_t address_lo, address_hi, data, flags, devid;
	uint8_t pad[12];
};

struct kvm_irq_level {
	union {
		uint32_t irq;
		int32_t status;
	};
	uint32_t level;
};

struct kvm_irqfd {
	uint32_t fd, gsi, flags, resamplefd;
	uint8_t pad[16];
};
enum { KVM_IRQFD_DEASSIGN = 1, KVM_IRQFD_RESAMPLE = 2 };

struct kvm_ioeventfd {
	uint64_t datamatch, addr;
	uint32_t len;
	int32_t fd;
	uint32_t flags;
	uint8_t pad[36];
};
enum {
	KVM_IOEVENTFD_DATAMATCH = 1,
	KVM_IOEVENTFD_PIO = 2,
	KVM_IOEVENTFD_DEASSIGN = 4,
	KVM_IOEVENTFD_CCW = 8,
};

struct kvm_clock {
	uint64_t clock;
	uint32_t flags, pad0;
	uint64_t realtime, host_tsc;
	uint32_t pad[4];
};
enum { KVM_CLOCK_STABLE = 2, KVM_CLOCK_REALTIME = 4, KVM_CLOCK_HOST_TSC = 8 };

struct kvm_tpr_access {
	uint32_t enabled, flags, reserved[8];
};

enum {
	KVM_MP_RUNNABLE = 0,
	KVM_MP_UNINITIALIZED = 1,
	KVM_MP_INIT_RECEIVED = 2,
	KVM_MP_HALTED = 3,
	KVM_MP_SIPI_RECEIVED = 4,
	KVM_MP_AP_RESET_HOLD = 9,
};

/* KVM_GET_VCPU_EVENTS. */
struct kvm_events {
	struct {
		uint8_t injected, nr, has_error_code, pending;
		uint32_t error_code;
	} exception;
	struct {
		uint8_t injected, nr, soft, shadow;
	} interrupt;
	struct {
		uint8_t injected, pending, masked, pad;
	} nmi;
	uint32_t sipi_vector, flags;
	struct {
		uint8_t smm, pending, smm_inside_nmi, latched_init;
	} smi;
	struct {
		uint8_t pending;
	} triple_fault;
	uint8_t reserved[26];
	uint8_t exception_has_payload;
	uint64_t exception_payload;
};
enum {
	KVM_EVENTS_NMI_PENDING = 1,
	KVM_EVENTS_SIPI_VECTOR = 2,
	KVM_EVENTS_SHADOW = 4,
	KVM_EVENTS_SMM = 8,
	KVM_EVENTS_PAYLOAD = 16,
	KVM_EVENTS_TRIPLE_FAULT = 32,
};

struct kvm_mce {
	uint64_t status, addr, misc, mcg_status;
	uint8_t bank, pad1[7];
	uint64_t pad2[3];
};

struct kvm_translation {
	uint64_t linear_address, physical_address;
	uint8_t valid, writeable, usermode, pad[5];
};

struct kvm_device_attr {
	uint32_t flags, group;
	uint64_t attr, addr;
};
enum { KVM_ATTR_XCOMP_GUEST_SUPP = 0 }; /* of /dev/kvm, group 0 */
enum { KVM_ATTR_TSC_OFFSET = 0 };	/* of a vCPU, group 0 */

struct kvm_device {
	uint32_t type, fd, flags;
};

struct kvm_dirty_log {
	uint32_t slot, padding;
	uint64_t bitmap;
};

struct kvm_one_reg {
	uint64_t id, addr;
};
/* Of an id: architecture, size, type and index. */
#define KVM_REG_ARCH_MASK 0xff00000000000000ull
#define KVM_REG_X86	  0x2000000000000000ull
#define KVM_REG_SIZE_MASK 0x00f0000000000000ull
#define KVM_REG_SIZE_U64  0x0030000000000000ull
#define KVM_REG_RESERVED  0x000fff0000000000ull
#define KVM_REG_TYPE(id)  ((unsigned)((id) >> 32) & 0xff)
#define KVM_REG_INDEX(id) ((uint32_t)(id))
enum { KVM_REG_TYPE_MSR = 2 };

struct kvm_signal_mask {
	uint32_t len; /* of the kernel's set of signals */
	uint8_t sigset[];
};

struct kvm_prefault {
	uint64_t gpa, size, flags, padding[5];
};

/* --- the file behind KVM_GET_STATS_FD: header, id, descriptors, data --- */

enum { KVM_STATS_NAME_SIZE = 48 };

struct kvm_stats_header {
	uint32_t flags, name_size, num_desc, id_offset, desc_offset, data_offset;
};
struct kvm_stats_desc {
	uint32_t flags; /* type, unit, base */
	int16_t exponent;
	uint16_t size;	 /* in words of 64 bits */
	uint32_t offset; /* in the data, in bytes */
	uint32_t bucket_size;
	char name[KVM_STATS_NAME_SIZE];
};

/* --- KVM_MEMORY_ENCRYPT_OP --- */

enum kvm_tdx_id {
	KVM_TDX_CAPABILITIES,
	KVM_TDX_INIT_VM,
	KVM_TDX_INIT_VCPU,
	KVM_TDX_INIT_MEM_REGION,
	KVM_TDX_FINALIZE_VM,
	KVM_TDX_GET_CPUID,
};

struct kvm_tdx_cmd {
	uint32_t id, flags;
	uint64_t data, hw_error;
};
enum { KVM_TDX_MEASURE = 1 };

struct kvm_tdx_capabilities {
	uint64_t supported_attrs, supported_xfam;
	uint64_t kernel_r11, user_r11, kernel_r12, user_r12; /* of GetTdVmCallInfo leaf 1 */
	uint64_t reserved[250];
	struct kvm_cpuid_list cpuid;
};
#define KVM_TDX_SETUP_EVENT_NOTIFY (1ull << 1)

struct kvm_tdx_init_vm {
	uint64_t attributes, xfam;
	uint64_t mrconfigid[6], mrowner[6], mrownerconfig[6];
	uint64_t reserved[12];
	struct kvm_cpuid_list cpuid;
};

struct kvm_tdx_region {
	uint64_t source_addr, gpa, nr_pages;
};

/* --- the page that a vCPU and its user share --- */

enum kvm_exit {
	KVM_EXIT_IO = 2,
	KVM_EXIT_HYPERCALL = 3,
	KVM_EXIT_MMIO = 6,
	KVM_EXIT_SHUTDOWN = 8,
	KVM_EXIT_FAIL_ENTRY = 9,
	KVM_EXIT_INTR = 10,
	KVM_EXIT_INTERNAL_ERROR = 17,
	KVM_EXIT_SYSTEM_EVENT = 24,
	KVM_EXIT_MEMORY_FAULT = 39,
	KVM_EXIT_TDX = 40,
};
enum { KVM_IO_IN, KVM_IO_OUT };
enum { KVM_INTERNAL_UNEXPECTED_EXIT = 4 };
enum { KVM_EVENT_TDX_FATAL = 7 };
enum { KVM_HYPERCALL_LONG = 1 }; /* of the exit's flags; its numbers: abi/kvm_call.h */
#define KVM_FAULT_PRIVATE (1ull << 3)

struct kvm_run {
	uint8_t request_interrupt_window;
	uint8_t immediate_exit;
	uint8_t padding1[6];
	uint32_t exit_reason;
	uint8_t ready_for_interrupt_injection, if_flag;
	uint16_t flags;
	uint64_t cr8, apic_base;
	union {
		struct {
			uint64_t hardware_reason;
			uint32_t cpu;
		} fail_entry;
		struct {
			uint8_t direction, size;
			uint16_t port;
			uint32_t count;
			uint64_t data_offset;
		} io;
		struct {
			uint64_t phys_addr;
			uint8_t data[8];
			uint32_t len;
			uint8_t is_write;
		} mmio;
		struct {
			uint64_t nr, args[6], ret, flags;
		} hypercall;
		struct {
			uint32_t suberror, ndata;
			uint64_t data[16];
		} internal;
		struct {
			uint32_t type, ndata;
			uint64_t data[16];
		} system_event;
		struct {
			uint64_t flags, gpa, size;
		} memory_fault;
		struct {
			uint64_t flags, nr;
			union {
				uint64_t ret; /* of each of them */
				struct {
					uint64_t ret, gpa, size;
				} get_quote;
				struct {
					uint64_t ret, leaf, r11, r12, r13, r14;
				} get_tdvmcall_info;
				struct {
					uint64_t ret, vector;
				} setup_event_notify;
			};
		} tdx;
		uint8_t padding[256];
	};
	uint64_t valid_regs, dirty_regs;
	uint8_t sync_regs[2048];
};

static_assert(sizeof(struct kvm_cpuid_entry) == 40, "uapi");
static_assert(sizeof(struct kvm_memory_region2) == 160, "uapi");
static_assert(sizeof(struct kvm_guest_memfd) == 64, "uapi");
static_assert(sizeof(struct kvm_attributes) == 32, "uapi");
static_assert(sizeof(struct kvm_route) == 48, "uapi");
static_assert(sizeof(struct kvm_msi) == 32, "uapi");
static_assert(sizeof(struct kvm_irqfd) == 32, "uapi");
static_assert(sizeof(struct kvm_ioeventfd) == 64, "uapi");
static_assert(sizeof(struct kvm_enable_cap) == 104, "uapi");
static_assert(sizeof(struct kvm_clock) == 48, "uapi");
static_assert(sizeof(struct kvm_tdx_cmd) == 24, "uapi");
static_assert(sizeof(struct kvm_tdx_capabilities) == 2056, "uapi");
static_assert(sizeof(struct kvm_tdx_init_vm) == 264, "uapi");
static_assert(sizeof(struct kvm_prefault) == 64, "uapi");
static_assert(sizeof(struct kvm_stats_desc) == 64, "uapi");
static_assert(sizeof(struct kvm_events) == 64, "uapi");
static_assert(sizeof(struct kvm_mce) == 64, "uapi");
static_assert(sizeof(struct kvm_translation) == 24, "uapi");
static_assert(sizeof(struct kvm_device_attr) == 24, "uapi");
static_assert(sizeof(struct kvm_run) == 2352, "uapi");
static_assert(offsetof(struct kvm_run, exit_reason) == 8, "uapi");
static_assert(offsetof(struct kvm_run, io) == 32, "uapi");
static_assert(offsetof(struct kvm_run, valid_regs) == 288, "uapi");

/* --- VM types, capabilities --- */

enum { KVM_VM_DEFAULT = 0, KVM_VM_TDX = 5 };

/* Name and number of each capability that a row of the table (caps.c) or code speaks of. */
enum kvm_cap {
	KVM_CAP_IRQCHIP = 0,
	KVM_CAP_HLT = 1,
	KVM_CAP_MMU_SHADOW_CACHE_CONTROL = 2,
	KVM_CAP_USER_MEMORY = 3,
	KVM_CAP_SET_TSS_ADDR = 4,
	KVM_CAP_VAPIC = 6,
	KVM_CAP_EXT_CPUID = 7,
	KVM_CAP_NR_VCPUS = 9,
	KVM_CAP_NR_MEMSLOTS = 10,
	KVM_CAP_MP_STATE = 14,
	KVM_CAP_COALESCED_MMIO = 15,
	KVM_CAP_SYNC_MMU = 16,
	KVM_CAP_DESTROY_MEMORY_REGION_WORKS = 21,
	KVM_CAP_USER_NMI = 22,
	KVM_CAP_SET_GUEST_DEBUG = 23,
	KVM_CAP_IRQ_ROUTING = 25,
	KVM_CAP_IRQ_INJECT_STATUS = 26,
	KVM_CAP_JOIN_MEMORY_REGIONS_WORKS = 30,
	KVM_CAP_MCE = 31,
	KVM_CAP_IRQFD = 32,
	KVM_CAP_SET_BOOT_CPU_ID = 34,
	KVM_CAP_IOEVENTFD = 36,
	KVM_CAP_SET_IDENTITY_MAP_ADDR = 37,
	KVM_CAP_ADJUST_CLOCK = 39,
	KVM_CAP_INTERNAL_ERROR_DATA = 40,
	KVM_CAP_VCPU_EVENTS = 41,
	KVM_CAP_HYPERV = 44,
	KVM_CAP_DEBUGREGS = 50,
	KVM_CAP_X86_ROBUST_SINGLESTEP = 51,
	KVM_CAP_ENABLE_CAP = 54,
	KVM_CAP_XSAVE = 55,
	KVM_CAP_XCRS = 56,
	KVM_CAP_TSC_CONTROL = 60,
	KVM_CAP_GET_TSC_KHZ = 61,
	KVM_CAP_MAX_VCPUS = 66,
	KVM_CAP_ONE_REG = 70,
	KVM_CAP_TSC_DEADLINE_TIMER = 72,
	KVM_CAP_SYNC_REGS = 74,
	KVM_CAP_KVMCLOCK_CTRL = 76,
	KVM_CAP_SIGNAL_MSI = 77,
	KVM_CAP_READONLY_MEM = 81,
	KVM_CAP_IRQFD_RESAMPLE = 82,
	KVM_CAP_DEVICE_CTRL = 89,
	KVM_CAP_ENABLE_CAP_VM = 98,
	KVM_CAP_IOEVENTFD_NO_LENGTH = 100,
	KVM_CAP_VM_ATTRIBUTES = 101,
	KVM_CAP_CHECK_EXTENSION_VM = 105,
	KVM_CAP_X86_SMM = 117,
	KVM_CAP_MULTI_ADDRESS_SPACE = 118,
	KVM_CAP_SPLIT_IRQCHIP = 121,
	KVM_CAP_IOEVENTFD_ANY_LENGTH = 122,
	KVM_CAP_VCPU_ATTRIBUTES = 127,
	KVM_CAP_MAX_VCPU_ID = 128,
	KVM_CAP_X2APIC_API = 129,
	KVM_CAP_IMMEDIATE_EXIT = 136,
	KVM_CAP_GET_MSR_FEATURES = 153,
	KVM_CAP_NESTED_STATE = 157,
	KVM_CAP_COALESCED_PIO = 162,
	KVM_CAP_EXCEPTION_PAYLOAD = 164,
	KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 = 168,
	KVM_CAP_HALT_POLL = 182,
	KVM_CAP_X86_USER_SPACE_MSR = 188,
	KVM_CAP_ENFORCE_PV_FEATURE_CPUID = 190,
	KVM_CAP_SET_GUEST_DEBUG2 = 195,
	KVM_CAP_SREGS2 = 200,
	KVM_CAP_EXIT_HYPERCALL = 201,
	KVM_CAP_BINARY_STATS_FD = 203,
	KVM_CAP_EXIT_ON_EMULATION_FAILURE = 204,
	KVM_CAP_XSAVE2 = 208,
	KVM_CAP_SYS_ATTRIBUTES = 209,
	KVM_CAP_PMU_CAPABILITY = 212,
	KVM_CAP_VM_TSC_CONTROL = 214,
	KVM_CAP_SYSTEM_EVENT_DATA = 215,
	KVM_CAP_X86_TRIPLE_FAULT_EVENT = 218,
	KVM_CAP_X86_NOTIFY_VMEXIT = 219,
	KVM_CAP_USER_MEMORY2 = 231,
	KVM_CAP_MEMORY_FAULT_INFO = 232,
	KVM_CAP_MEMORY_ATTRIBUTES = 233,
	KVM_CAP_GUEST_MEMFD = 234,
	KVM_CAP_VM_TYPES = 235,
	KVM_CAP_PRE_FAULT_MEMORY = 236,
	KVM_CAP_X86_APIC_BUS_CYCLES_NS = 237,
	KVM_CAP_GUEST_MEMFD_FLAGS = 244,
};

/* --- requests: KVM's names, numbers, and what the argument is --- */

#define KVM_IO(nr)		       _IO(KVM_TYPE, nr)
#define KVM_IOR(nr, type)	       _IOR(KVM_TYPE, nr, type)
#define KVM_IOW(nr, type)	       _IOW(KVM_TYPE, nr, type)
#define KVM_IOWR(nr, type)	       _IOWR(KVM_TYPE, nr, type)

#define KVM_GET_API_VERSION	       KVM_IO(0x00)
#define KVM_CREATE_VM		       KVM_IO(0x01)
#define KVM_GET_MSR_INDEX_LIST	       KVM_IOWR(0x02, struct kvm_msr_index_list)
#define KVM_CHECK_EXTENSION	       KVM_IO(0x03)
#define KVM_GET_VCPU_MMAP_SIZE	       KVM_IO(0x04)
#define KVM_GET_SUPPORTED_CPUID	       KVM_IOWR(0x05, struct kvm_cpuid_list)
#define KVM_GET_MSR_FEATURE_INDEX_LIST KVM_IOWR(0x0a, struct kvm_msr_index_list)
#define KVM_CREATE_VCPU		       KVM_IO(0x41)
#define KVM_SET_USER_MEMORY_REGION     KVM_IOW(0x46, struct kvm_memory_region)
#define KVM_SET_TSS_ADDR	       KVM_IO(0x47)
#define KVM_SET_IDENTITY_MAP_ADDR      KVM_IOW(0x48, uint64_t)
#define KVM_SET_USER_MEMORY_REGION2    KVM_IOW(0x49, struct kvm_memory_region2)
#define KVM_CREATE_IRQCHIP	       KVM_IO(0x60)
#define KVM_IRQ_LINE		       KVM_IOW(0x61, struct kvm_irq_level)
#define KVM_IRQ_LINE_STATUS	       KVM_IOWR(0x67, struct kvm_irq_level)
#define KVM_SET_GSI_ROUTING	       KVM_IOW(0x6a, struct kvm_routing)
#define KVM_IRQFD		       KVM_IOW(0x76, struct kvm_irqfd)
#define KVM_SET_BOOT_CPU_ID	       KVM_IO(0x78)
#define KVM_IOEVENTFD		       KVM_IOW(0x79, struct kvm_ioeventfd)
#define KVM_SET_CLOCK		       KVM_IOW(0x7b, struct kvm_clock)
#define KVM_GET_CLOCK		       KVM_IOR(0x7c, struct kvm_clock)
#define KVM_RUN			       KVM_IO(0x80)
#define KVM_GET_MSRS		       KVM_IOWR(0x88, struct kvm_msr_list)
#define KVM_SET_MSRS		       KVM_IOW(0x89, struct kvm_msr_list)
#define KVM_SET_CPUID2		       KVM_IOW(0x90, struct kvm_cpuid_list)
#define KVM_TPR_ACCESS_REPORTING       KVM_IOWR(0x92, struct kvm_tpr_access)
#define KVM_SET_VAPIC_ADDR	       KVM_IOW(0x93, uint64_t)
#define KVM_GET_MP_STATE	       KVM_IOR(0x98, uint32_t)
#define KVM_SET_MP_STATE	       KVM_IOW(0x99, uint32_t)
#define KVM_NMI			       KVM_IO(0x9a)
#define KVM_X86_SETUP_MCE	       KVM_IOW(0x9c, uint64_t)
#define KVM_X86_GET_MCE_CAP_SUPPORTED  KVM_IOR(0x9d, uint64_t)
#define KVM_SET_TSC_KHZ		       KVM_IO(0xa2)
#define KVM_GET_TSC_KHZ		       KVM_IO(0xa3)
#define KVM_ENABLE_CAP		       KVM_IOW(0xa3, struct kvm_enable_cap)
#define KVM_SIGNAL_MSI		       KVM_IOW(0xa5, struct kvm_msi)
#define KVM_MEMORY_ENCRYPT_OP	       KVM_IOWR(0xba, unsigned long)
#define KVM_SET_MEMORY_ATTRIBUTES      KVM_IOW(0xd2, struct kvm_attributes)
#define KVM_CREATE_GUEST_MEMFD	       KVM_IOWR(0xd4, struct kvm_guest_memfd)
#define KVM_SET_SIGNAL_MASK	       KVM_IOW(0x8b, struct kvm_signal_mask)
#define KVM_GET_STATS_FD	       KVM_IO(0xce)
#define KVM_GET_EMULATED_CPUID	       KVM_IOWR(0x09, struct kvm_cpuid_list)
#define KVM_GET_DIRTY_LOG	       KVM_IOW(0x42, struct kvm_dirty_log)
#define KVM_SET_NR_MMU_PAGES	       KVM_IO(0x44)
#define KVM_TRANSLATE		       KVM_IOWR(0x85, struct kvm_translation)
#define KVM_INTERRUPT		       KVM_IOW(0x86, uint32_t)
#define KVM_SET_CPUID		       KVM_IOW(0x8a, struct kvm_cpuid_list)
#define KVM_GET_CPUID2		       KVM_IOWR(0x91, struct kvm_cpuid_list)
#define KVM_X86_SET_MCE		       KVM_IOW(0x9e, struct kvm_mce)
#define KVM_GET_VCPU_EVENTS	       KVM_IOR(0x9f, struct kvm_events)
#define KVM_SET_VCPU_EVENTS	       KVM_IOW(0xa0, struct kvm_events)
#define KVM_GET_ONE_REG		       KVM_IOW(0xab, struct kvm_one_reg)
#define KVM_SET_ONE_REG		       KVM_IOW(0xac, struct kvm_one_reg)
#define KVM_KVMCLOCK_CTRL	       KVM_IO(0xad)
#define KVM_GET_REG_LIST	       KVM_IOWR(0xb0, uint64_t)
#define KVM_SMI			       KVM_IO(0xb7)
#define KVM_CREATE_DEVICE	       KVM_IOWR(0xe0, struct kvm_device)
#define KVM_SET_DEVICE_ATTR	       KVM_IOW(0xe1, struct kvm_device_attr)
#define KVM_GET_DEVICE_ATTR	       KVM_IOW(0xe2, struct kvm_device_attr)
#define KVM_HAS_DEVICE_ATTR	       KVM_IOW(0xe3, struct kvm_device_attr)
#define KVM_PRE_FAULT_MEMORY	       KVM_IOWR(0xd5, struct kvm_prefault)

#endif
