/* SPDX-License-Identifier: MIT */
/* The monitor: TDs as KVM keeps them. VMs, vCPUs, memslots, private and shared memory, exits.
 *
 * Sits on the host library alone; processors and memory come through ports. Names, states and
 * errors are KVM's: functions return 0 or a negative errno, and the module's status that caused a
 * failure is in the VM (tdx_vm_error()). A VM whose state cannot be trusted any more is "bugged":
 * one line is logged saying why, it is dead, every later call gives -EIO, and its pages that could
 * not be reclaimed are quarantined, never reused.
 *
 * Addresses of guests are GPAs without the shared bit unless said, sizes are bytes and multiples of
 * 4096. A VM is its creator's until tdx_vm_destroy(), which frees its vCPUs too; buffers given are
 * read or written before the function returns. ABI: the TDX module's, as KVM uses it (Linux 7.3);
 * exits are those of the GHCI.
 *
 * Threads: any number may call; one thread runs one vCPU. Locks are inside.
 *
 *	tdx_vm_new(vmm, &vm);
 *	tdx_vm_init(vm, &params);
 *	tdx_vm_set_memslot(vm, 0, tdx_gpa(0), ram);
 *	tdx_vcpu_new(vm, 0, &vcpu);
 *	tdx_vcpu_init(vcpu, 0);
 *	tdx_vm_add_region(vm, &firmware, true);
 *	tdx_vm_finalize(vm);
 *	while (tdx_vcpu_run(vcpu, -1, &run) == 0 && answer(&run))
 *		;
 *	tdx_vm_destroy(vm);
 *
 * examples/monitor is such a program, whole. */
#ifndef SWTDX_VMM_H
#define SWTDX_VMM_H

#include <swtdx/host.h>
#include <swtdx/measure.h>

struct tdx_port; /* <swtdx/port.h> */

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct tdx_vmm; /* a host that runs TDs */
struct tdx_vm;
struct tdx_vcpu;

/* --- the host --- */

/* What the monitor does about a lock of the module that is taken. The default is KVM's; the others
 * were proposed for it, and can be compared (make stress). */
struct tdx_vmm_policy {
	unsigned install_again; /* SEPT.ADD, PAGE.ADD, PAGE.AUG again at once, before the fault
				   comes anew (0; the wrapper of the first proposal: 16) */
	unsigned remove_again;	/* BLOCK, TRACK, REMOVE again before vCPUs are kicked (0) */
	unsigned kicks;		/* rounds of kicking, each followed by one attempt (1) */
	unsigned reclaim_again; /* PHYMEM.PAGE.RECLAIM (0; once it was 10,000) */
	unsigned tries;		/* whatever else is tried again: so often at most (1000) */
};
#define TDX_VMM_POLICY_DEFAULT                                                                     \
	{                                                                                          \
		0, 0, 1, 0, 1000                                                                   \
	}

struct tdx_vmm_config {
	const struct tdx_port *const *cpus; /* all processors; outlive the vmm */
	unsigned ncpus;
	const struct tdx_range *memory; /* usable RAM, ascending; the vmm allocates from it */
	unsigned nranges;
	unsigned errata;		     /* TDX_HOST_PARTIAL_WRITE_MCE */
	bool dynamic_pamt;		     /* if the module can */
	const struct tdx_vmm_policy *policy; /* copied; NULL: the default */
	void (*progress)(void *arg, const char *what, uint64_t done, uint64_t all);
	void (*log)(void *arg, const char *line); /* one line, no newline */
	bool wall_clock; /* guests may pair their TSC with the time of day, CLOCK_REALTIME */
	void *arg;
};

/* Brings the module up and takes over the memory. 0 with *vmm, or a negative errno with a sentence
 * in err. */
int tdx_vmm_new(const struct tdx_vmm_config *cfg, struct tdx_vmm **vmm, char *err, size_t errlen);
/* All VMs must be gone. */
void tdx_vmm_free(struct tdx_vmm *vmm);

const struct tdx_host_info *tdx_vmm_info(const struct tdx_vmm *vmm);

struct tdx_vmm_memory {
	uint64_t free_pages, used_pages; /* 4K */
	uint64_t pamt_pages; /* with dynamic PAMT, what is lent to the module now among them */
	uint64_t quarantined_pages; /* could not be reclaimed: never used again */
	unsigned free_hkids, leaked_hkids;
	bool dynamic_pamt; /* it is */
};
void tdx_vmm_memory(struct tdx_vmm *vmm, struct tdx_vmm_memory *m);

/* The processors of the host: CPUID (eax, ebx, ecx, edx), MSRs (false: #GP), time. Any thread. */
void tdx_vmm_cpuid(struct tdx_vmm *vmm, uint32_t leaf, uint32_t subleaf, uint32_t out[4]);
bool tdx_vmm_rdmsr(struct tdx_vmm *vmm, uint32_t msr, uint64_t *value);
uint64_t tdx_vmm_tsc(struct tdx_vmm *vmm);
uint64_t tdx_vmm_tsc_hz(struct tdx_vmm *vmm);

/* How often policy had to decide, so far. */
struct tdx_vmm_contention {
	uint64_t install_busy, install_again,
		install_later; /* answers; made again; left to the fault */
	uint64_t remove_busy, remove_again, kicks;
	uint64_t reclaim_busy, reclaim_again;
};
void tdx_vmm_contention(const struct tdx_vmm *vmm, struct tdx_vmm_contention *c);

/* Host memory for the user's own buffers (images, shared memory); 4K pages, contiguous. -EINVAL:
 * no pages; -ENOMEM. */
int tdx_vmm_alloc(struct tdx_vmm *vmm, uint64_t pages, tdx_hpa_t *pa);
/* Exactly what tdx_vmm_alloc() gave: its address, all its pages. Else -EINVAL, and nothing is
 * freed. */
int tdx_vmm_dealloc(struct tdx_vmm *vmm, tdx_hpa_t pa, uint64_t pages);
/* The user's own view of memory that tdx_vmm_alloc() gave. */
void *tdx_vmm_va(struct tdx_vmm *vmm, tdx_hpa_t pa);
void tdx_vmm_write(struct tdx_vmm *vmm, tdx_hpa_t pa, const void *buf, size_t len);
void tdx_vmm_read(struct tdx_vmm *vmm, tdx_hpa_t pa, void *buf, size_t len);

/* The machine goes down: from now on a vCPU that finds virtualization off exits with
 * TDX_EXIT_INTERNAL_ERROR instead of its VM being bugged. */
void tdx_vmm_set_rebooting(struct tdx_vmm *vmm);
/* Fault injection: the nth request for host memory from now fails, once; 0: none. */
void tdx_vmm_fail_alloc(struct tdx_vmm *vmm, uint64_t nth);

/* --- VMs (KVM_CREATE_VM, KVM_TDX_*) --- */

/* The last two: of <swtdx/migrate.h>. */
enum tdx_vm_state {
	TDX_VM_UNINITIALIZED,
	TDX_VM_INITIALIZED,
	TDX_VM_RUNNABLE,
	TDX_VM_DEAD,
	TDX_VM_IMPORTING, /* it comes */
	TDX_VM_EXPORTED,  /* it stands still, or is gone */
};

/* KVM_TDX_INIT_VM. */
struct tdx_vm_params {
	uint64_t attributes, xfam;
	unsigned max_vcpus;
	bool gpaw52;	 /* 52-bit GPAs (5-level), else 48 */
	bool irqchip;	 /* the monitor has the local APICs, and a halted vCPU waits inside
			    tdx_vcpu_run() for an interrupt; else HLT is the user's */
	bool halt_waits; /* with irqchip: a vCPU that halts with interrupts blocked waits inside as
			    well, as KVM's do; else that is TDX_EXIT_HLT */
	bool rbp_mod;	 /* the guest may hand its host RBP in a TDVMCALL, as firmware of 2022 does;
			    else CONFIG_FLAGS.NO_RBP_MOD, as KVM wants it */
	bool huge_pages; /* 2M private pages where the guest accepts 2M */
	/* L2 VMs of the L1 VMM in it (TD partitioning), 0 to 3. Their Secure EPTs get their tables
	 * as the L1 VMM gives them pages; what a VM does with shared memory that it was not given
	 * is told to the L1 VMM. Such a TD does not migrate. -EOPNOTSUPP: the module has none. */
	unsigned num_l2_vms;
	/* With irqchip: a vendor's calls (R10 not 0) are KVM's hypercalls, answered as KVM does;
	 * else SUBFUNC_UNSUPPORTED. */
	bool kvm_hypercalls;
	/* Of the APIC timer in its counting modes; 0: 25 MHz, TDX's crystal. */
	unsigned apic_bus_hz;
	unsigned tsc_khz; /* a multiple of 25000; 0: the host's */
	struct tdx_digest mrconfigid, mrowner, mrownerconfig;
	unsigned ncpuid;
	struct tdx_vm_cpuid {
		uint32_t leaf, subleaf;
		struct tdx_cpuid_values value;
	} cpuid[64];
};

/* What tdx_vm_error() tells of the last failure; of a VM that is bugged, of the one that bugged it.
 * leaf is meaningless when status is TDX_SUCCESS: then no call failed, and text says what did. */
struct tdx_vm_error {
	enum tdx_seamcall leaf;
	struct tdx_status status;
	bool bugged;
	char text[512];
};

int tdx_vm_new(struct tdx_vmm *vmm, struct tdx_vm **vm);
/* Adds to params what CPUID tells of so many vCPUs, in so many dies of one package, as QEMU does:
 * leaves 1, 4 and 0x1f. -EINVAL: the vCPUs do not divide into dies of a power of two each; -E2BIG:
 * no more room in params->cpuid[]. */
int tdx_vm_topology(const struct tdx_vmm *vmm, unsigned vcpus, unsigned dies,
		    struct tdx_vm_params *params);
/* KVM_TDX_CAPABILITIES: the bits a user may set, and the CPUID leaves it may configure with masks
 * of their configurable bits. *nent: room in cpuid[] in, entries out. -E2BIG: not enough room,
 * *nent says how much. */
int tdx_vm_capabilities(const struct tdx_vm *vm, uint64_t *attributes, uint64_t *xfam,
			struct tdx_vm_cpuid *cpuid, unsigned *nent);
/* KVM_TDX_INIT_VM. -EINVAL: parameters or state, -E2BIG: CPUID entries, -ENOSPC: no KeyID, -EAGAIN:
 * no entropy, -ENOMEM, -EIO. Refused by the module: -EINVAL, and tdx_vm_error() names the operand.
 * After a failure that did not bug the VM it may be tried again. */
int tdx_vm_init(struct tdx_vm *vm, const struct tdx_vm_params *params);
/* KVM_TDX_INIT_MEM_REGION: adds pages of 4096 bytes from `source` in order; what is left to do is
 * written back, on errors too. -EINVAL: state, alignment, empty, wraps, not private memory of a
 * slot; -EEXIST: there is a page; -EBUSY: a lock of the module stays taken, to be tried again;
 * -ENOMEM, -EIO. */
struct tdx_vm_region {
	tdx_gpa_t gpa;
	uint64_t pages;
	const void *source;
};
int tdx_vm_add_region(struct tdx_vm *vm, struct tdx_vm_region *region, bool measure);
/* One page; the same errors. Measured: TDH.MR.EXTEND over it after TDH.MEM.PAGE.ADD. */
int tdx_vm_add_page(struct tdx_vm *vm, tdx_gpa_t gpa_, const void *data, bool measure);
/* TDH.MR.EXTEND of 256 bytes already added; for other measuring orders. */
int tdx_vm_measure(struct tdx_vm *vm, tdx_gpa_t gpa_);
/* KVM_TDX_FINALIZE_VM. -EINVAL: state; -EBUSY; -EIO: without vCPUs, too, and the VM is bugged. */
int tdx_vm_finalize(struct tdx_vm *vm);
/* Tears the TD down in the order the hardware demands, frees everything. No other thread may be in
 * a function of the VM or its vCPUs. */
void tdx_vm_destroy(struct tdx_vm *vm);
enum tdx_vm_state tdx_vm_state(const struct tdx_vm *vm);
void tdx_vm_error(const struct tdx_vm *vm, struct tdx_vm_error *e);
struct tdx_td tdx_vm_td(const struct tdx_vm *vm);
tdx_gpa_t tdx_vm_shared_bit(const struct tdx_vm *vm);
/* MRTD as the module has it: of all that has been measured once the VM is finalized. -EINVAL: not
 * yet; -EBUSY: to be asked again; -EIO. */
int tdx_vm_mrtd(struct tdx_vm *vm, struct tdx_digest *mrtd);

/* --- memory --- */

/* KVM_SET_USER_MEMORY_REGION2: guest memory [gpa, gpa+size), no shared bit; size 0 deletes. Private
 * pages come on demand, shared ones are the vmm's and zero at first. -EINVAL, -EEXIST; -EAGAIN: the
 * TD is being exported, and the other side has pages of the slot, which it is to drop: to be asked
 * again, soon. */
int tdx_vm_set_memslot(struct tdx_vm *vm, unsigned slot, tdx_gpa_t gpa_, uint64_t size);
/* The same with the user's own memory [user, user + size) behind the shared pages, page-aligned; it
 * must stay where it is while the slot is there. All of the slot is shared at first. private_:
 * it can have private pages; else the guest's access to one is TDX_EXIT_MEMORY_FAULT whatever the
 * attribute says. -ENOMEM: the port has no more of it; -EOPNOTSUPP: it has none. */
int tdx_vm_set_user_memslot(struct tdx_vm *vm, unsigned slot, tdx_gpa_t gpa_, uint64_t size,
			    void *user, bool private_);
/* The private pages of a slot come out of the user's own host memory [pa, pa + size), which
 * tdx_vmm_alloc() gave, in order (guest_memfd); before there are any. It is the user's again when
 * the VM is destroyed. -EINVAL: no such slot, or not whole pages. */
int tdx_vm_back_memslot(struct tdx_vm *vm, unsigned slot, tdx_hpa_t pa);
/* Private pages of the range go, and come back on demand, as after a hole was made in a
 * guest_memfd: the guest has not accepted those. -EINVAL, -EIO; -EAGAIN as above. */
int tdx_vm_zap_private(struct tdx_vm *vm, tdx_gpa_t gpa_, uint64_t size);
/* KVM_SET_MEMORY_ATTRIBUTES. What is left behind is zapped. -EINVAL: no slot everywhere;
 * -EAGAIN as above; -EIO. */
int tdx_vm_set_private(struct tdx_vm *vm, tdx_gpa_t gpa_, uint64_t size, bool private_);
/* Shared memory as the host sees it. -EFAULT where nothing shared is. */
int tdx_vm_read_shared(struct tdx_vm *vm, tdx_gpa_t gpa_, void *buf, size_t len);
int tdx_vm_write_shared(struct tdx_vm *vm, tdx_gpa_t gpa_, const void *buf, size_t len);

/* Make one private 2M page of 512 accepted contiguous 4K pages around gpa_, or the reverse.
 * -EINVAL: they are not such, and stay as they were. */
int tdx_vm_promote(struct tdx_vm *vm, tdx_gpa_t gpa_);
int tdx_vm_demote(struct tdx_vm *vm, tdx_gpa_t gpa_);
/* kvm_zap_gfn_range(): shared mappings of the range go and come back on demand. It cannot reach
 * private ones. Memory types, device assignment and MMIO generations end here. */
int tdx_vm_zap_shared(struct tdx_vm *vm, tdx_gpa_t gpa_, uint64_t size);
/* Posted interrupts are the only ones a TD gets: without them it is dead. -EIO. */
int tdx_vm_inhibit_apicv(struct tdx_vm *vm);

/* Slots for `memory` bytes of RAM and the firmware below 4 GiB, a TD HOB, and all sections of the
 * image added and measured in this order. *hob: where the HOB is (the vCPUs' initial RCX), 0 if the
 * image has none. progress may be NULL. */
int tdx_vm_load_tdvf(struct tdx_vm *vm, const void *image, size_t len, const struct tdx_tdvf *tdvf,
		     enum tdx_tdvf_order order, uint64_t memory, tdx_gpa_t *hob,
		     void (*progress)(void *arg, const char *what, uint64_t done, uint64_t all),
		     void *arg);

/* Is MapGPA offered? True at first; else the guest's is refused as unknown (SUBFUNC_UNSUPPORTED),
 * as by a KVM whose user does not want to hear of it. */
void tdx_vm_offer_map_gpa(struct tdx_vm *vm, bool offered);

/* --- vCPUs (KVM_CREATE_VCPU, KVM_TDX_INIT_VCPU, KVM_RUN) --- */

/* Between tdx_vm_init() and tdx_vm_finalize(), else -EIO. -EEXIST: the id is taken; -ENOMEM. */
int tdx_vcpu_new(struct tdx_vm *vm, unsigned id, struct tdx_vcpu **vcpu);
/* Its id is its x2APIC id too. -EINVAL: state, or done before; -ENOMEM; -EIO. */
int tdx_vcpu_init(struct tdx_vcpu *vcpu, uint64_t initial_rcx);
/* KVM_TDX_GET_CPUID: the leaves as the TD will see them. *nent as for tdx_vm_capabilities(). Only
 * before the VM is finalized (-EINVAL). */
int tdx_vcpu_get_cpuid(struct tdx_vcpu *vcpu, struct tdx_vm_cpuid *cpuid, unsigned *nent);

enum tdx_exit {
	TDX_EXIT_INTR,	       /* interrupted, run again */
	TDX_EXIT_IO,	       /* io: answer data of a read, run again */
	TDX_EXIT_MMIO,	       /* mmio: likewise */
	TDX_EXIT_HLT,	       /* nothing to do until an event */
	TDX_EXIT_MAP_GPA,      /* a chunk of a conversion the user may refuse (ret) */
	TDX_EXIT_GET_QUOTE,    /* tdvmcall */
	TDX_EXIT_TDVMCALL,     /* another one that is the user's: set ret, r11.. */
	TDX_EXIT_HYPERCALL,    /* one of KVM's that is the user's: hypercall */
	TDX_EXIT_SYSTEM_EVENT, /* the guest reports a fatal error: data */
	TDX_EXIT_MEMORY_FAULT, /* access of a kind the attributes do not say; memory_fault */
	TDX_EXIT_DEBUG,	       /* debug TDs: an exception or a step the user asked to see; debug */
	TDX_EXIT_SHUTDOWN,     /* triple fault */
	TDX_EXIT_FAIL_ENTRY,
	TDX_EXIT_INTERNAL_ERROR, /* status says why; the VM or vCPU is dead */
};

/* What the user is told, and answers, by exit. */
struct tdx_run_io {
	uint16_t port;
	uint8_t size;
	bool write;
	uint32_t data;
};
struct tdx_run_mmio {
	tdx_gpa_t gpa;
	uint8_t size;
	bool write;
	uint64_t data;
};
struct tdx_run_hlt {
	bool irq_blocked;
};
struct tdx_run_map_gpa {
	tdx_gpa_t gpa; /* a chunk */
	uint64_t size;
	bool private_;
	bool first;	/* it begins a call; others of the same call follow without one */
	uint64_t whole; /* bytes from gpa to the end of the call */
	bool done;	/* the user has converted it, or does not want to */
	int ret;	/* 0, -EAGAIN, -EINVAL */
	/* A host need not do what it is asked for, nor say what it did. They come as an honest one
	 * sets them. */
	uint64_t convert; /* bytes of the chunk, whole pages; fewer: the answer is "retry" */
	bool stop;	  /* it is "retry" whatever is left */
	bool claim;	  /* then with R11 = .r11, whatever was converted */
	uint64_t r11;
};
struct tdx_run_get_quote {
	tdx_gpa_t gpa;
	uint64_t size;
	uint64_t ret;
};
struct tdx_run_tdvmcall {
	uint64_t leaf;
	uint64_t ret;
	uint64_t in[4];	 /* R12..R15 */
	uint64_t out[4]; /* R11..R14 */
};
/* KVM_HC_MAP_GPA_RANGE (12), while MapGPA is offered: GPA, pages, attributes (bit 4: private).
 * Unless the user says that it is done it is converted when the vCPU runs again. */
struct tdx_run_hypercall {
	uint64_t nr;
	uint64_t arg[3];
	bool done;
	uint64_t ret; /* R10: 0, or an error, negative */
};
struct tdx_run_memory_fault {
	tdx_gpa_t gpa;
	uint64_t size;
	bool private_;
};
struct tdx_run_debug {
	bool step; /* of the monitor trap flag; else an exception */
	uint8_t vector;
	uint64_t qualification;
};
struct tdx_run_system_event {
	uint64_t data[16];
};

struct tdx_run {
	enum tdx_exit exit;
	struct tdx_status status; /* of TDH.VP.ENTER */
	union {
		struct tdx_run_io io;
		struct tdx_run_mmio mmio;
		struct tdx_run_hlt hlt;
		struct tdx_run_map_gpa map_gpa;
		struct tdx_run_get_quote get_quote;
		struct tdx_run_tdvmcall tdvmcall;
		struct tdx_run_hypercall hypercall;
		struct tdx_run_memory_fault memory_fault;
		struct tdx_run_debug debug;
		struct tdx_run_system_event system_event;
	};
};

/* Run on a processor (-1: any free one) until something is the user's to handle. 0, or -EIO when
 * the VM is dead, -EINVAL when it cannot run yet. */
int tdx_vcpu_run(struct tdx_vcpu *vcpu, int cpu, struct tdx_run *run);
/* Make tdx_vcpu_run() of another thread return TDX_EXIT_INTR soon. */
void tdx_vcpu_kick(struct tdx_vcpu *vcpu);
/* KVM_SIGNAL_MSI: a message-signalled interrupt, as a device or an I/O APIC sends it. How many
 * vCPUs took it; -EINVAL: the VM is not running, or was made without irqchip, or it is no MSI's
 * address. A TD's level-triggered interrupts are never ended: its host does not see the EOI. */
int tdx_vm_msi(struct tdx_vm *vm, uint64_t address, uint32_t data);
/* The same to 32-bit ids: bits 31:8 of the destination are bits 63:40 of the address, and 0xff
 * alone is an id (KVM_CAP_X2APIC_API). */
int tdx_vm_msi_ext(struct tdx_vm *vm, uint64_t address, uint32_t data);

/* While *byte is not 0 tdx_vcpu_run() ends soon, with TDX_EXIT_INTR, as after a kick: in the guest,
 * while the vCPU halts, and before it is entered. A signal handler of the thread that runs the vCPU
 * may set it (kvm_run.immediate_exit). Before the vCPU first runs. -ENOMEM; -EOPNOTSUPP. */
int tdx_vcpu_watch(struct tdx_vcpu *vcpu, const volatile uint8_t *byte);
/* KVM_PRE_FAULT_MEMORY, one page: mapped as if the guest had touched it, private or shared as the
 * attribute says; the guest still has to accept a private one. Not while the vCPU runs.
 * -EOPNOTSUPP: not runnable yet; -EINVAL: the shared bit is set; -ENOENT: no slot; -EFAULT:
 * private, and the slot can have no such pages; -ENOMEM; -EIO. */
int tdx_vcpu_prefault(struct tdx_vcpu *vcpu, tdx_gpa_t gpa_);
/* Rounds so far in which translations of private memory were taken from all vCPUs
 * (TDH.MEM.TRACK and a kick); any thread. */
uint64_t tdx_vm_tracks(const struct tdx_vm *vm);

/* TD exits so far; any thread. */
uint64_t tdx_vcpu_exits(const struct tdx_vcpu *vcpu);
/* What TDG.VP.VMCALL<CPUID> answers from now on, for leaves that are not there all zero. Copied;
 * sub-leaf ~0: whatever the guest asks. -ENOMEM. */
int tdx_vcpu_set_cpuid(struct tdx_vcpu *vcpu, const struct tdx_vm_cpuid *cpuid, unsigned n);
/* The MSRs that TDG.VP.VMCALL<RDMSR, WRMSR> reach, for the user, who may write what the guest may
 * not. False: no such MSR, or not this value. Not while the vCPU runs. */
bool tdx_vcpu_rdmsr(struct tdx_vcpu *vcpu, uint32_t msr, uint64_t *value);
bool tdx_vcpu_wrmsr(struct tdx_vcpu *vcpu, uint32_t msr, uint64_t value);
/* What the module adds to the host's TSC, scaled, for this TD; 0 without irqchip. */
uint64_t tdx_vcpu_tsc_offset(const struct tdx_vcpu *vcpu);

/* An NMI; two before the vCPU takes one are one. Any thread. */
void tdx_vcpu_nmi(struct tdx_vcpu *vcpu);

/* A debugger's eyes and hands: TDH.VP.RD/WR and TDH.MEM.RD/WR (8-byte aligned, private) as the
 * module answers them, which is a refusal unless the TD was built with ATTRIBUTES.DEBUG. Tried
 * again while busy, but not for ever. No vCPU may be freed meanwhile; one in the guest is
 * interrupted for it. */
struct tdx_status tdx_vcpu_read_field(struct tdx_vcpu *vcpu, uint64_t field, uint64_t *value);
struct tdx_status tdx_vcpu_write_field(struct tdx_vcpu *vcpu, uint64_t field, uint64_t value,
				       uint64_t mask);
struct tdx_status tdx_vm_read_private(struct tdx_vm *vm, tdx_gpa_t gpa_, uint64_t *value);
struct tdx_status tdx_vm_write_private(struct tdx_vm *vm, tdx_gpa_t gpa_, uint64_t value);

struct tdx_vp tdx_vcpu_vp(const struct tdx_vcpu *vcpu);
unsigned tdx_vcpu_id(const struct tdx_vcpu *vcpu);

/* --- quotes (TDX_EXIT_GET_QUOTE) --- */

struct tdx_quote_service; /* <swtdx/attest.h> */

/* A request a host has taken from a guest's buffer and not answered yet. */
struct tdx_quote_job {
	tdx_gpa_t buffer;
	uint64_t size;
	struct tdx_report report;
};

/* At the exit: copies the request out of the guest's buffer, marks the buffer as in flight and says
 * so to the guest (run->get_quote.ret). 0: the job is to be given an answer some time. Else the
 * request is over, the guest knows, and the errno says why: -EFAULT the buffer is not shared
 * memory, -EINVAL no request in it. */
int tdx_vm_quote_take(struct tdx_vm *vm, struct tdx_run *run, struct tdx_quote_job *job);
/* Later, on any thread: a quote by this test service (NULL: there is none) goes into the buffer,
 * its status last. 0; -EBADMSG the TDREPORT does not verify; -ENODEV no service; -ENOSPC the buffer
 * is too small: the guest's status says that it failed; -EFAULT the guest has unshared it
 * meanwhile. */
int tdx_vm_quote_give(struct tdx_vm *vm, const struct tdx_quote_job *job,
		      const struct tdx_quote_service *service);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
