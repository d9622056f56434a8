/* SPDX-License-Identifier: MIT */
/* KVM's capabilities: the number, the name, what is answered, and why. What is in no row is 0 as
 * well, and is remembered as asked for in vain. */
#include <stdio.h>

#include "abi/kvm_call.h"
#include "kvm/internal.h"

enum value {
	ALWAYS,	    /* .number */
	VCPUS,	    /* processors of the host */
	TDX_ONLY,   /* .number for a TD and for the system, 0 for an ordinary VM */
	PLAIN_ONLY, /* 0 for a TD */
	BUS_CYCLE,  /* of the VM; .number of the system */
};

struct row {
	unsigned cap;
	const char *name;
	enum value value;
	long number;
	const char *why;
};

#define ROW(cap, value, number, why)                                                               \
	{                                                                                          \
		KVM_CAP_##cap, "KVM_CAP_" #cap, value, number, why                                 \
	}

static const struct row rows[] = {
	ROW(IRQCHIP, ALWAYS, 1, "local APICs are in the kernel"),
	ROW(HLT, ALWAYS, 1, "a vCPU that halts waits in KVM_RUN"),
	ROW(MMU_SHADOW_CACHE_CONTROL, ALWAYS, 1, "KVM_SET_NR_MMU_PAGES, of no effect"),
	ROW(USER_MEMORY, ALWAYS, 1, "the client's memory behind shared pages"),
	ROW(SET_TSS_ADDR, ALWAYS, 1, "taken, and of no use to a TD"),
	ROW(VAPIC, ALWAYS, 1, "taken, and of no use to a TD"),
	ROW(EXT_CPUID, ALWAYS, 1, "KVM_SET_CPUID2"),
	ROW(NR_VCPUS, VCPUS, 0, "as many as processors"),
	ROW(NR_MEMSLOTS, ALWAYS, KVM_SLOTS, "slots"),
	ROW(MP_STATE, ALWAYS, 1, "kept, and of no effect on a TD"),
	ROW(COALESCED_MMIO, ALWAYS, 0, "each write exits"),
	ROW(SYNC_MMU, ALWAYS, 1, "what the client does to its memory is seen at once"),
	ROW(DESTROY_MEMORY_REGION_WORKS, ALWAYS, 1, "slots go"),
	ROW(USER_NMI, ALWAYS, 1, "KVM_NMI"),
	ROW(SET_GUEST_DEBUG, ALWAYS, 1,
	    "known, and refused of a TD, whose state is its own; see --gdb"),
	ROW(IRQ_ROUTING, ALWAYS, KVM_LIMIT_ROUTES, "routes"),
	ROW(IRQ_INJECT_STATUS, ALWAYS, 1, "KVM_IRQ_LINE_STATUS"),
	ROW(JOIN_MEMORY_REGIONS_WORKS, ALWAYS, 1, "slots of every size"),
	ROW(MCE, ALWAYS, KVM_LIMIT_MCE_BANKS, "banks"),
	ROW(IRQFD, ALWAYS, 1, "KVM_IRQFD"),
	ROW(SET_BOOT_CPU_ID, ALWAYS, 1, "KVM_SET_BOOT_CPU_ID"),
	ROW(IOEVENTFD, ALWAYS, 1, "KVM_IOEVENTFD"),
	ROW(SET_IDENTITY_MAP_ADDR, ALWAYS, 1, "taken, and of no use to a TD"),
	ROW(ADJUST_CLOCK, ALWAYS, KVM_CLOCK_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC,
	    "flags of KVM_GET_CLOCK"),
	ROW(INTERNAL_ERROR_DATA, ALWAYS, 1, "the status of TDH.VP.ENTER"),
	ROW(VCPU_EVENTS, ALWAYS, 1, "what a client sets, and what waits; a TD gets NMIs of it"),
	ROW(HYPERV, ALWAYS, 0, "no Hyper-V for TDs"),
	ROW(DEBUGREGS, ALWAYS, 1, "clients insist on it; a TD's are refused"),
	ROW(X86_ROBUST_SINGLESTEP, ALWAYS, 1, "clients insist on it"),
	ROW(XSAVE, ALWAYS, 1, "clients insist on it; a TD's is refused"),
	ROW(ENABLE_CAP, ALWAYS, 1, "of a vCPU: KVM_CAP_ENFORCE_PV_FEATURE_CPUID"),
	ROW(XCRS, ALWAYS, 1, "known; a TD's are refused"),
	ROW(TSC_CONTROL, ALWAYS, 1, "of a VM, before it has vCPUs"),
	ROW(GET_TSC_KHZ, ALWAYS, 1, "of the VM"),
	ROW(ONE_REG, ALWAYS, 1, "MSRs, one at a time"),
	ROW(MAX_VCPUS, VCPUS, 0, "as many as processors, which is KVM's limit for a TD"),
	ROW(TSC_DEADLINE_TIMER, ALWAYS, 1, "of the local APICs"),
	ROW(SIGNAL_MSI, ALWAYS, 1, "KVM_SIGNAL_MSI"),
	ROW(READONLY_MEM, PLAIN_ONLY, 1, "KVM has it not for TDs"),
	ROW(SYNC_REGS, ALWAYS, 0, "a TD's registers are its own"),
	ROW(KVMCLOCK_CTRL, ALWAYS, 1, "known, and refused: no guest has a kvmclock"),
	ROW(IRQFD_RESAMPLE, ALWAYS, 1,
	    "known; refused, as the I/O APIC that would resample is the client's"),
	ROW(DEVICE_CTRL, ALWAYS, 1, "KVM_CREATE_DEVICE, which knows no device"),
	ROW(ENABLE_CAP_VM, ALWAYS, 1, "KVM_ENABLE_CAP"),
	ROW(IOEVENTFD_NO_LENGTH, ALWAYS, 1, "a write of any length to an address"),
	ROW(VM_ATTRIBUTES, ALWAYS, 0, "KVM has none on x86"),
	ROW(CHECK_EXTENSION_VM, ALWAYS, 1, "capabilities of a VM"),
	ROW(X86_SMM, ALWAYS, 0, "no SMM in a TD"),
	ROW(MULTI_ADDRESS_SPACE, ALWAYS, 1, "one address space: no SMM"),
	ROW(SPLIT_IRQCHIP, ALWAYS, 1, "the I/O APIC is the client's"),
	ROW(IOEVENTFD_ANY_LENGTH, ALWAYS, 1, "a write of any length"),
	ROW(VCPU_ATTRIBUTES, ALWAYS, 1, "the offset of the TSC, which is the module's"),
	ROW(MAX_VCPU_ID, ALWAYS, KVM_LIMIT_VCPU_ID, "ids"),
	ROW(X2APIC_API, ALWAYS, 3,
	    "32-bit ids, no broadcast by 0xff; KVM's other two are of the I/O APIC"),
	ROW(IMMEDIATE_EXIT, ALWAYS, 1, "how a signal handler ends KVM_RUN"),
	ROW(GET_MSR_FEATURES, ALWAYS, 1, "MSRs that describe the processor"),
	ROW(NESTED_STATE, ALWAYS, 0, "no VMX in a TD"),
	ROW(COALESCED_PIO, ALWAYS, 0, "each write exits"),
	ROW(EXCEPTION_PAYLOAD, ALWAYS, 1, "kept; no exceptions are injected into a TD"),
	ROW(MANUAL_DIRTY_LOG_PROTECT2, ALWAYS, 0, "no dirty log of private memory"),
	ROW(HALT_POLL, ALWAYS, 1, "taken; a halted vCPU sleeps at once"),
	ROW(X86_USER_SPACE_MSR, ALWAYS, 0, "each MSR is KVM's or nobody's"),
	ROW(ENFORCE_PV_FEATURE_CPUID, ALWAYS, 1, "taken; no paravirtual features are there"),
	ROW(SET_GUEST_DEBUG2, ALWAYS, KVM_GUESTDBG_VALID,
	    "flags KVM knows; a TD's state is its own"),
	ROW(SREGS2, ALWAYS, 1, "known; a TD's are refused"),
	ROW(EXIT_HYPERCALL, ALWAYS, 1 << KVM_CALL_MAP_GPA_RANGE, "MapGPA"),
	ROW(BINARY_STATS_FD, ALWAYS, 1, "what is counted here"),
	ROW(EXIT_ON_EMULATION_FAILURE, ALWAYS, 1, "taken; nothing is emulated"),
	ROW(XSAVE2, ALWAYS, KVM_XSAVE_SIZE, "bytes; a TD's is refused"),
	ROW(SYS_ATTRIBUTES, ALWAYS, 1, "what XSAVE can have in a guest"),
	ROW(PMU_CAPABILITY, ALWAYS, 0, "no PMU"),
	ROW(VM_TSC_CONTROL, ALWAYS, 1, "KVM_SET_TSC_KHZ of a VM"),
	ROW(SYSTEM_EVENT_DATA, ALWAYS, 1, "KVM_EXIT_SYSTEM_EVENT has words"),
	ROW(X86_TRIPLE_FAULT_EVENT, ALWAYS, 1, "one that a client sets ends KVM_RUN"),
	ROW(X86_NOTIFY_VMEXIT, ALWAYS, 0, "no notify exits"),
	ROW(USER_MEMORY2, ALWAYS, 1, "slots with a guest_memfd"),
	ROW(MEMORY_FAULT_INFO, ALWAYS, 1, "KVM_EXIT_MEMORY_FAULT"),
	ROW(MEMORY_ATTRIBUTES, TDX_ONLY, (long)KVM_ATTRIBUTE_PRIVATE, "private"),
	ROW(GUEST_MEMFD, TDX_ONLY, 1, "KVM_CREATE_GUEST_MEMFD"),
	ROW(VM_TYPES, ALWAYS, 1 << KVM_VM_DEFAULT | 1 << KVM_VM_TDX,
	    "TDs, and ordinary VMs that cannot be entered"),
	ROW(PRE_FAULT_MEMORY, TDX_ONLY, 1, "ordinary VMs have no page tables here"),
	ROW(X86_APIC_BUS_CYCLES_NS, BUS_CYCLE, 1, "nanoseconds, of a VM as it set them"),
	ROW(GUEST_MEMFD_FLAGS, TDX_ONLY, KVM_GUEST_MEMFD_MMAP, "mapping is always possible here"),
};

bool kvm_cap_row(unsigned i, struct kvm_cap_row *row)
{
	static const char *const text[] = {[ALWAYS] = "%ld",
					   [VCPUS] = "--cpus",
					   [TDX_ONLY] = "%ld, 0 of ordinary VMs",
					   [PLAIN_ONLY] = "%ld, 0 of TDs",
					   [BUS_CYCLE] = "%ld, or the VM's"};

	if (i >= sizeof(rows) / sizeof(rows[0]))
		return false;
	*row = (struct kvm_cap_row){rows[i].cap, rows[i].name, rows[i].why, ""};
	snprintf(row->answer, sizeof(row->answer), text[rows[i].value], rows[i].number);
	return true;
}

static long value_of(const struct kvm_host *h, const struct kvm_vm *vm, const struct row *r)
{
	switch (r->value) {
	case ALWAYS:
		return r->number;
	case VCPUS:
		return (long)h->cfg.vcpus;
	case TDX_ONLY:
		return !vm || vm->type == KVM_VM_TDX ? r->number : 0;
	case PLAIN_ONLY:
		return !vm || vm->type != KVM_VM_TDX ? r->number : 0;
	case BUS_CYCLE:
		return vm ? (long)vm->apic_bus_ns : r->number;
	}
	return 0;
}

static const struct kvm_cap_answer *answer_of(const struct kvm_host *h, unsigned cap)
{
	for (unsigned i = 0; i < h->cfg.nanswers; i++)
		if (h->answer[i].cap == cap)
			return &h->answer[i];
	return NULL;
}

bool kvm_cap_is_off(const struct kvm_host *h, unsigned cap)
{
	const struct kvm_cap_answer *a = answer_of(h, cap);

	return a && !a->value;
}

long kvm_cap_value(struct kvm_host *h, const struct kvm_vm *vm, unsigned cap)
{
	const struct kvm_cap_answer *a = answer_of(h, cap);

	if (a)
		return a->value;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].cap == cap)
			return value_of(h, vm, &rows[i]);
	return 0;
}

static long check(struct kvm_host *h, const struct kvm_vm *vm, unsigned long cap)
{
	long value = cap <= UINT32_MAX ? kvm_cap_value(h, vm, (unsigned)cap) : 0;

	if (!value)
		kvm_host_note(h, vm ? KVM_VM : KVM_SYSTEM, cap, true);
	return value;
}

long kvm_check_extension(struct kvm_host *h, unsigned long cap)
{
	return check(h, NULL, cap);
}

long kvm_vm_check_extension(struct kvm_vm *vm, unsigned long cap)
{
	return check(vm->host, vm, cap);
}
