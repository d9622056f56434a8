/* SPDX-License-Identifier: MIT */
/* What a monitor, a VM and a vCPU hold, and the order of their locks.
 *
 *   vm->lock (states, memslots)  >  vm->mmu_lock  >  a processor's lock  >  pages.lock
 *   vmm->tdx_lock (KeyIDs: TDH.MNG.CREATE, VPFLUSHDONE .. FREEID) is taken under vm->lock.
 *
 * A processor's lock is held around SEAMCALLs only; while a vCPU runs it is held by that vCPU's
 * thread, and whoever wants the processor sends it an interrupt first (cpus.c). Nothing that can
 * block is done under it. */
#ifndef VMM_INTERNAL_H
#define VMM_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include <swtdx/port.h>
#include <swtdx/vmm.h>

#include "vmm/pages.h"

enum { VMM_MAX_CPUS = 256 };
enum {
	VM_MAX_SLOTS = 512,
	VM_MAX_VCPUS = 576,
	VM_MAX_TDCS = 32,
	VCPU_MAX_TDCX = 16,
	VCPU_MSRS = 16,
	VM_MAX_L2 = 3
};

struct tdx_vcpu;

/* Whose turn it is on a processor, when more vCPUs want it than there are processors. The turn is
 * for fairness alone: the processor's lock says who is on it. */
struct vmm_turns {
	pthread_mutex_t lock;
	struct tdx_vcpu *_Atomic holder; /* keeps it from one entry to the next */
	struct tdx_vcpu *_Atomic first;	 /* who waits; changed under the lock */
	struct tdx_vcpu *last;
	_Atomic unsigned entries; /* so far: does the holder use it? */
	_Atomic bool over;
};

struct vmm_cpu {
	const struct tdx_port *port; /* the machine there */
	const struct tdx_cpu *cpu;   /* the module, by calls */
	unsigned index;
	pthread_mutex_t lock;
	struct vmm_turns turns;
	_Atomic unsigned waiting; /* who wants the processor; a vCPU on it lets them go first */
	_Atomic bool in_guest;	  /* its holder is a vCPU, which an interrupt brings out */
	char pad[128];		  /* no line shared with the next processor */
};

struct tdx_vmm {
	struct tdx_vmm_config cfg;
	const struct tdx_port *port[VMM_MAX_CPUS];
	struct tdx_host host;
	struct tdx_host_info info;
	struct tdx_range memory[TDX_MAX_CMRS]; /* what it has of the configuration's */
	unsigned nranges;
	struct pages pages;
	struct tdx_host_allocator mem; /* of `pages`, for the host library */
	uint64_t pamt_pages;	       /* when no TD had been */
	uint64_t pamt_bytes;
	bool dynamic_pamt;
	struct tdx_vmm_policy policy;
	struct vmm_contention { /* struct tdx_vmm_contention, counted by any thread */
		_Atomic uint64_t install_busy, install_again, install_later;
		_Atomic uint64_t remove_busy, remove_again, kicks;
		_Atomic uint64_t reclaim_busy, reclaim_again;
	} contention;
	unsigned ncpus;
	struct vmm_cpu cpu[VMM_MAX_CPUS];
	pthread_mutex_t tdx_lock;
	unsigned leaked_hkids;
	_Atomic bool rebooting; /* calls may fail because virtualization is off already */
};

struct mmu_page;
struct mirror_ops;
struct lapic;
struct timers;
struct zap;

/* Private pages one after the other in memory that wait for the KeyID to be free: because they
 * could not be removed and the module has them until then, or because they were removed at the end
 * of the VM, when the write-back of the caches that frees the KeyID spares the one of each page. */
struct waiting_run {
	uint64_t pa;
	size_t n;
	enum tdx_level level;
	bool removed;
};

struct memslot {
	uint64_t gfn, npages;	     /* npages 0: empty */
	uint8_t *private_;	     /* a byte a page: the attribute */
	_Atomic uint64_t *shared_pa; /* a word a page: the host's page, 0 none yet; NULL with: */
	_Atomic uint64_t nshared;    /* how many of them are not 0 */
	bool no_private;	     /* whatever the attribute says */
	uint64_t backing_pa;	     /* where its private pages are; 0: anywhere */
	uint64_t user_pa;	     /* where the host has the user's memory; 0: not the user's */
};

struct tdx_vm {
	struct tdx_vmm *vmm;
	struct tdx_td td;
	bool hkid_assigned;
	_Atomic int state; /* enum tdx_vm_state */
	_Atomic bool bugged;
	pthread_mutex_t lock;
	/* mmu_lock. Read: installs; write: removals, attributes, slots. A vCPU that reads takes its
	 * own mutex alone, so that faults share no line; a writer takes this one and every vCPU's.
	 */
	pthread_rwlock_t mmu_rwlock;
	unsigned mmu_vcpus; /* whose mutexes the writer has */
	pthread_mutex_t error_lock;
	struct tdx_vm_error error;

	uint64_t tdcs[VM_MAX_TDCS]; /* migration streams behind the others */
	unsigned ntdcs;
	bool tdr_created;
	bool hkid_leaked; /* with every control page */
	bool gpaw52, huge_pages, irqchip, halt_waits, kvm_calls;
	_Atomic bool no_map_gpa;
	unsigned apic_bus_hz; /* 0: TDX's crystal */
	unsigned num_l2_vms;
	uint64_t attributes;
	struct memslot slot[VM_MAX_SLOTS];
	unsigned nslots;		 /* none is used from here on */
	const struct mirror_ops *mirror; /* what is behind the first: vmm/external.h */
	struct mmu_page *mirror_root, *direct_root;
	uint64_t add_source;	/* where TDH.MEM.PAGE.ADD copies from, while the TD is built */
	struct zap *zap;	/* a batch of removals; under mmu_lock for writing */
	bool ending;		/* no vCPU will run again */
	bool sealed;		/* the module removes none of its pages: it moves, or has */
	_Atomic bool exporting; /* pages are of 4K; those that were exported do not go unasked */
	_Atomic bool unwanted;	/* the exporter is to let pages go: mmu_let_go() */
	uint64_t slot_changes;	/* so far; with the slots */
	_Atomic bool importing; /* private pages come by import alone */
	struct waiting_run *waiting;
	size_t nwaiting, maxwaiting;
	struct page_cache cache;	    /* for callers that are no vCPU; under vm->lock */
	_Atomic bool wait_for_sept_zap;	    /* no vCPU may enter */
	_Atomic uint64_t shared_generation; /* shared translations taken away so far */
	_Atomic uint64_t tracks;	    /* private ones, in so many rounds */
	struct timers *timers;
	struct tdx_vcpu *vcpu[VM_MAX_VCPUS];
	_Atomic unsigned nvcpus;
};

struct tdx_vcpu {
	struct tdx_vm *vm;
	unsigned id;
	struct tdx_vp vp;
	bool created, initialized;
	uint64_t tdcx[VCPU_MAX_TDCX];
	unsigned ntdcx;
	_Atomic int cpu; /* associated with, -1 none */
	_Atomic bool in_guest, kicked;
	_Atomic uint64_t exits;
	struct lapic *lapic;
	uint64_t mmio_gpa;     /* of the last violation where there is no memory ... */
	unsigned mmio_met;     /* ... and how often it came again in a row */
	_Atomic bool pend_nmi; /* to be given at the next entry */
	bool for_l1;	       /* the next entry is the L1 VMM's, not its VM's */
	bool in_l2;	       /* it came out of an L2 VM, and is inside */
	bool owed;	       /* an exit that its user has not had */
	struct tdx_run owed_run;
	_Atomic bool unhalted;		 /* the next HLT is over at once: KVM_HC_KICK_CPU */
	const volatile uint8_t *watched; /* the user's byte that ends a run; NULL: none */
	uint64_t msr[VCPU_MSRS];	 /* by row, see msr.c */
	struct tdx_vm_cpuid *cpuid;	 /* for TDG.VP.VMCALL<CPUID> */
	unsigned ncpuid;
	uint64_t shared_generation; /* what its processor's translations are from */
	pthread_mutex_t mmu_mutex;
	struct page_cache cache;
	struct tdx_regs regs; /* to and from TDH.VP.ENTER */
	struct {
		int kind;	   /* enum tdx_exit whose answer is awaited, -1 none */
		uint64_t gpa, end; /* conversion in progress; bits with the shared bit stripped */
		uint64_t chunk;
		bool to_private;
	} pending;
	struct tdx_run *run;
	struct tdx_vcpu *next_turn; /* in a processor's queue */
	pthread_cond_t my_turn;
};

/* --- cpus.c --- */

/* A processor to make calls on; any, preferably `hint` (-1: none). Returned by vmm_put_cpu(). */
struct vmm_cpu *vmm_get_cpu(struct tdx_vmm *vmm, int hint);
/* That processor and no other: what an IPI does. */
struct vmm_cpu *vmm_get_this_cpu(struct tdx_vmm *vmm, unsigned index);
void vmm_put_cpu(struct vmm_cpu *cpu);
/* Wait for this vCPU's turn on the processor. False: kicked meanwhile, or the VM died. */
bool vmm_take_turn(struct vmm_cpu *cpu, struct tdx_vcpu *v);
/* It does not need the processor for now, or, unless `now`, only if its time is over. */
void vmm_end_turn(struct vmm_cpu *cpu, struct tdx_vcpu *v, bool now);
void vmm_turns_init(struct vmm_turns *t);
void vmm_turns_destroy(struct vmm_turns *t);
/* Every vCPU that is in the guest now leaves it before this returns. */
void vm_kick_vcpus(struct tdx_vm *vm);

/* --- mmu_lock.c --- */

/* v: the vCPU whose thread this is, NULL for any other. */
void mmu_read_lock(struct tdx_vm *vm, struct tdx_vcpu *v);
void mmu_read_unlock(struct tdx_vm *vm, struct tdx_vcpu *v);
void mmu_write_lock(struct tdx_vm *vm);
void mmu_write_unlock(struct tdx_vm *vm);
int mmu_lock_init(struct tdx_vm *vm);
void mmu_lock_destroy(struct tdx_vm *vm);

/* --- errors.c --- */

/* The VM cannot be trusted any more: dead, one line in the log. Returns -EIO. */
int vm_bug(struct tdx_vm *vm, enum tdx_seamcall leaf, struct tdx_status s,
	   const struct tdx_regs *raw, const char *where);
/* The same for a reason that is no call's status. */
int vm_kill(struct tdx_vm *vm, const char *why);
/* Remember a status that is the user's problem, return err. */
int vm_fail(struct tdx_vm *vm, enum tdx_seamcall leaf, struct tdx_status s, int err);
/* What ended a vCPU, when no call failed; the VM is not dead for it. */
void vm_say(struct tdx_vm *vm, const char *why);
void vmm_log(struct tdx_vmm *vmm, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* --- reclaim.c --- */

/* TDH.PHYMEM.PAGE.RECLAIM, again while it is busy as policy has it. The processor is held. */
struct tdx_status vmm_reclaim(struct tdx_vmm *vmm, const struct vmm_cpu *c, uint64_t pa,
			      struct tdx_page_metadata *md);
/* The same for a control page, clear it, free it; quarantined when that fails. */
int vm_reclaim_page(struct tdx_vm *vm, uint64_t pa);
/* The same for private pages that wait; the KeyID must be free, or leaked. */
void vm_free_waiting(struct tdx_vm *vm);
void vm_let_wait(struct tdx_vm *vm, uint64_t pa, enum tdx_level level, bool removed);
/* Flush vCPUs, give the KeyID back. 0, or -EIO: KeyID and pages are leaked. */
int vm_release_hkid(struct tdx_vm *vm);
/* What a call needs a removed private page to go through: write-back, clear. */
int vm_clean_private_page(struct tdx_vm *vm, struct vmm_cpu *cpu, uint64_t pa,
			  enum tdx_level level);

static inline void vmm_count(_Atomic uint64_t *n)
{
	atomic_fetch_add_explicit(n, 1, memory_order_relaxed);
}

/* --- pamt.c --- */

/* The module is about to get the 4K page at pa, or it is the host's again. 0, -ENOMEM, -EBUSY,
 * -EIO. Without dynamic PAMT nothing. The processor is held. */
int vm_pamt_get_dynamic(struct tdx_vm *vm, struct vmm_cpu *c, uint64_t pa);
void vm_pamt_put_dynamic(struct tdx_vm *vm, struct vmm_cpu *c, uint64_t pa);
/* Both nothing without dynamic PAMT: asked here, for every page. */
static inline int vm_pamt_get(struct tdx_vm *vm, struct vmm_cpu *c, uint64_t pa)
{
	return vm->vmm->dynamic_pamt ? vm_pamt_get_dynamic(vm, c, pa) : 0;
}

static inline void vm_pamt_put(struct tdx_vm *vm, struct vmm_cpu *c, uint64_t pa)
{
	if (vm->vmm->dynamic_pamt)
		vm_pamt_put_dynamic(vm, c, pa);
}

/* --- build.c --- */
void vm_end_build(struct tdx_vm *vm);

/* --- flush.c --- */

/* Off the processor it is associated with. 0; -EIO: it still is, and the VM is dead. */
int vcpu_flush(struct tdx_vcpu *vcpu);

/* --- vm.c --- */

/* A page of the TD's control structures, or of a migration stream: kept in vm->tdcs. 0 or a
 * negative errno. */
unsigned vm_tdcs_pages(const struct tdx_vm *vm); /* without streams */
int vm_add_control_page(struct tdx_vm *vm, enum tdx_seamcall leaf);

/* --- vcpu.c --- */

/* A vCPU that will be imported, with its pages and no state. Under vm->lock. */
int vcpu_new_import(struct tdx_vm *vm, unsigned id, struct tdx_vcpu **vcpu);
/* Its state is there, and it is associated with this processor: what the host adds to it. */
int vcpu_imported(struct tdx_vcpu *v, struct vmm_cpu *c);
/* One that its user does not run, inside an L2 VM, comes out to its L1 VMM. -EBUSY: its user has to
 * have an exit first. */
int vcpu_leave_vm(struct tdx_vcpu *vcpu);
void vcpu_free(struct tdx_vcpu *vcpu);

/* --- exits.c --- */

/* What to do after TDH.VP.ENTER: 1 enter again, 0 the user's turn (run is filled), negative errno.
 */
int vcpu_handle_exit(struct tdx_vcpu *vcpu, struct tdx_status s, struct tdx_run *run);
/* Complete what the user was asked for before entering again; same values. */
int vcpu_complete(struct tdx_vcpu *vcpu, struct tdx_run *run);

/* The guest's TDVMCALL is done: R10 and R11. Returns 1. */
static inline int vcpu_answer(struct tdx_vcpu *vcpu, uint64_t status, uint64_t r11)
{
	vcpu->regs = (struct tdx_regs){.r10 = status, .r11 = r11};
	return 1;
}

/* --- msr.c --- */

void vcpu_reset_msrs(struct tdx_vcpu *vcpu);

/* RDMSR and WRMSR by TDVMCALL; returns what to do next, as vcpu_handle_exit(). */
int vcpu_msr(struct tdx_vcpu *vcpu, bool write, uint32_t msr, uint64_t value);

/* --- memslot.c --- */
struct memslot *vm_slot_of(struct tdx_vm *vm, uint64_t gfn);
void vm_free_slots(struct tdx_vm *vm);
/* Into the memory the host has at a GPA without the shared bit, be the guest's private or not.
 * -EFAULT: it has none there; -ENOMEM. */
int vm_write_host_side(struct tdx_vm *vm, uint64_t gpa_, const void *buf, size_t len);
/* The host page behind a shared page, made (zero) if there is none; 0: no memory. */
uint64_t vm_shared_page(struct tdx_vm *vm, struct memslot *s, uint64_t gfn);

static inline enum tdx_vm_state vm_state(const struct tdx_vm *vm)
{
	return (enum tdx_vm_state)atomic_load(&((struct tdx_vm *)(uintptr_t)vm)->state);
}

/* Is the vCPU's thread to come out of tdx_vcpu_run()? */
static inline bool vcpu_wanted(const struct tdx_vcpu *v)
{
	return atomic_load(&v->kicked) || (v->watched && *v->watched);
}

static inline bool vm_is_dead(const struct tdx_vm *vm)
{
	return atomic_load(&vm->bugged) || atomic_load(&vm->state) == TDX_VM_DEAD;
}

static inline uint64_t vm_shared_mask(const struct tdx_vm *vm)
{
	return 1ull << (vm->gpaw52 ? 51 : 47);
}

#endif
