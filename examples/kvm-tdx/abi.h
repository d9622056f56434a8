/* SPDX-License-Identifier: MIT */
/* Of KVM's interface what is newer than many a system's headers: guest_memfd, memory attributes,
 * and TDs (Linux 6.16 and later). Linux: Documentation/virt/kvm/api.rst, x86/intel-tdx.rst. */
#ifndef KVM_TDX_ABI_H
#define KVM_TDX_ABI_H

#include <stdint.h>
#include <sys/ioctl.h>

#include <linux/kvm.h>

enum {
	VM_TYPE_TDX = 5,
	CAP_MAX_VCPU_ID = 128,
	CAP_EXIT_HYPERCALL = 201,
	CAP_VM_TYPES = 235,
	HC_MAP_GPA_RANGE = 12,
	EXIT_MEMORY_FAULT = 39,
	EXIT_TDX = 40,
	SYSTEM_EVENT_TDX_FATAL = 4,
	SLOT_GUEST_MEMFD = 1 << 2,
	MEASURE_REGION = 1 << 0,
};

#define ATTRIBUTE_PRIVATE (1ull << 3) /* of memory, and the flag of a memory fault */
#define MAP_ENCRYPTED	  (1ull << 4) /* HC_MAP_GPA_RANGE */

enum tdx_command {
	TDX_CAPABILITIES,
	TDX_INIT_VM,
	TDX_INIT_VCPU,
	TDX_INIT_MEM_REGION,
	TDX_FINALIZE_VM,
	TDX_GET_CPUID,
};

struct tdx_cmd {
	uint32_t id, flags;
	uint64_t data;	   /* an address, or a number */
	uint64_t hw_error; /* the module's status */
};

enum { CPUID_ENTRIES = 256 };

struct cpuid_list {
	uint32_t nent, padding;
	struct kvm_cpuid_entry2 entry[CPUID_ENTRIES];
};

struct tdx_capabilities {
	uint64_t attributes, xfam;
	uint64_t kernel_calls_r11, user_calls_r11, kernel_calls_r12, user_calls_r12;
	uint64_t reserved[250];
	struct cpuid_list cpuid;
};

struct tdx_init_vm {
	uint64_t attributes, xfam;
	uint64_t mrconfigid[6], mrowner[6], mrownerconfig[6];
	uint64_t reserved[12];
	struct cpuid_list cpuid;
};

struct tdx_region {
	uint64_t source, gpa, pages;
};

struct memslot {
	uint32_t slot, flags;
	uint64_t gpa, size, shared; /* where its shared pages are in this process */
	uint64_t memfd_offset;
	uint32_t memfd, pad;
	uint64_t reserved[14];
};

struct memory_attributes {
	uint64_t gpa, size, attributes, flags;
};

struct guest_memfd {
	uint64_t size, flags, reserved[6];
};

#define SET_MEMSLOT	      _IOW(KVMIO, 0x49, struct memslot)
#define SET_MEMORY_ATTRIBUTES _IOW(KVMIO, 0xd2, struct memory_attributes)
#define CREATE_GUEST_MEMFD    _IOWR(KVMIO, 0xd4, struct guest_memfd)
#ifndef KVM_MEMORY_ENCRYPT_OP
#define KVM_MEMORY_ENCRYPT_OP _IOWR(KVMIO, 0xba, unsigned long)
#endif

/* The exits that struct kvm_run may not have, at its union. */
struct exit_memory_fault {
	uint64_t flags, gpa, size;
};

struct exit_tdx {
	uint64_t flags, call, ret;
	uint64_t gpa, size; /* GetQuote */
};

/* Calls of a TD to its VMM that end at the VMM, and answers (GHCI 1.5, 2.4). */
enum { CALL_GET_QUOTE = 0x10002 };
#define CALL_OK		  0ull
#define CALL_UNSUPPORTED  0xb000000000000002ull /* KVM's: subfunction unsupported */
#define QUOTE_DONE	  0ull			/* in the buffer's header */
#define QUOTE_ERROR	  0x8000000000000000ull
#define QUOTE_UNAVAILABLE 0x8000000000000001ull
enum { QUOTE_HEADER = 24 };

#endif
