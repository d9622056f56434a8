/* SPDX-License-Identifier: MIT */
/* What is behind the descriptors, and the order of locks:
 *
 *   host.power > vm.lock (states, slots, attributes) > vcpu.lock is NOT held under it: a vCPU's own
 *   lock is taken first (its thread is in KVM_RUN for long), then vm.lock for a moment.
 *   host.table > reaper.lock; vm.irq_lock is a leaf. */
#ifndef KVM_INTERNAL_H
#define KVM_INTERNAL_H

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "kvm/abi.h"
#include "kvm/kvm.h"

enum kvm_kind { KVM_SYSTEM, KVM_VM, KVM_VCPU, KVM_MEMORY, KVM_KINDS };

enum { KVM_SLOTS = 512, KVM_BUCKETS = 64, KVM_MISSING = 64, KVM_MAX_VCPUS = 256, KVM_LEFT = 64 };

struct kvm_vm;

/* A thread that waits for a VM's descriptors to be closed, and who else may tear the VM down: the
 * one that takes it out of here. Freed by the thread. */
struct kvm_reaper {
	pthread_mutex_t lock;
	struct kvm_vm *vm; /* NULL: gone, or somebody is at it */
};

/* What a descriptor stands for. `own` is another open of the same memfd: the client's holds a lock
 * on it, so that a lock to be had means that the client has closed. */
struct kvm_object {
	struct kvm_object *next; /* in its bucket */
	uint64_t dev, ino;
	enum kvm_kind kind;
	int own;		/* -1: never known to be closed */
	_Atomic unsigned users; /* calls in progress */
};

struct kvm_system {
	struct kvm_object object;
	struct kvm_host *host;
};

/* guest_memfd */
struct kvm_memory {
	struct kvm_object object;
	struct kvm_memory *next;
	struct kvm_vm *vm;
	uint64_t size;
	uint64_t pa; /* where the machine has it; 0: its pages are not the file's */
};

struct kvm_slot {
	uint64_t gpa, size; /* 0: none */
	uint64_t user;
	uint32_t flags;
	struct kvm_memory *memory;
	uint64_t offset;
};

struct kvm_range {
	uint64_t first, end; /* page numbers */
};

struct kvm_eventfd {
	struct kvm_eventfd *next;
	int fd; /* our duplicate */
	uint64_t id;
	uint32_t gsi; /* irqfd */
	struct kvm_ioeventfd io;
};

struct kvm_routes {
	unsigned nr;
	uint16_t of_gsi[KVM_LIMIT_ROUTES]; /* index + 1 */
	struct kvm_route entry[];
};

enum kvm_stat {
	KVM_STAT_EXITS,
	KVM_STAT_IO_EXITS,
	KVM_STAT_MMIO_EXITS,
	KVM_STAT_SIGNAL_EXITS,
	KVM_STAT_HYPERCALLS,
	KVM_STAT_NMI_INJECTIONS,
	KVM_STATS
};

struct kvm_vcpu {
	struct kvm_object object;
	struct kvm_vm *vm;
	unsigned id, index;   /* the client's, and in the VM */
	pthread_mutex_t lock; /* one call at a time */
	struct kvm_run *run;  /* the mapping; KVM_RUN_PAGES */
	struct tdx_vcpu *td;  /* NULL: of an ordinary VM */
	bool initialized;
	uint32_t mp_state;
	uint64_t mcg_cap;
	struct kvm_events told; /* of KVM_SET_VCPU_EVENTS, what is only given back */
	unsigned nmis;		/* that wait for the next entry */
	bool nmi_injected, triple_fault;
	bool external; /* KVM_INTERRUPT's vector waits */
	uint8_t external_vector;
	struct kvm_cpuid_entry *cpuid; /* as the client set it */
	unsigned ncpuid;
	bool has_run;
	enum kvm_exit pending; /* its answer is awaited in the page; 0: none */
	struct tdx_run exit;
	bool masked; /* KVM_SET_SIGNAL_MASK: of these signals the others end KVM_RUN */
	uint64_t sigset;
	_Atomic bool looks; /* it is in KVM_RUN, and has to look for signals */
	uint64_t stat[KVM_STATS];
	int stats_fd; /* -1: nobody has asked */
};

struct kvm_vm {
	struct kvm_object object;
	struct kvm_vm *next;
	struct kvm_host *host;
	pid_t pid;
	unsigned type;
	pthread_mutex_t lock;
	struct tdx_vm *td; /* NULL: ordinary */
	struct kvm_slot slot[KVM_SLOTS];
	struct kvm_range *private_; /* in order, apart */
	size_t nprivate;
	struct kvm_memory *memories;
	int holes; /* an inotify of theirs: somebody may have made some; -1: none */
	struct kvm_left {
		const struct kvm_memory *memory;
		uint64_t first, end; /* bytes of it that were made shared, and so left the guest */
	} left[KVM_LEFT];	     /* since holes were last looked for */
	unsigned nleft;
	_Atomic bool look_for_holes;
	uint64_t next_look_ns;
	struct kvm_vcpu *vcpu[KVM_MAX_VCPUS];
	struct tdx_vcpu *td_vcpu[KVM_MAX_VCPUS]; /* what each is of the TD */
	void *debugged;				 /* of the debugger; NULL: not */
	_Atomic bool ending;
	unsigned nvcpus;
	bool split, x2apic_format;
	unsigned reserved_pins;
	uint64_t hypercalls; /* KVM_CAP_EXIT_HYPERCALL */
	bool exception_payload, triple_fault_event;
	int stats_fd; /* -1: nobody has asked; set once */
	uint64_t apic_bus_ns;
	unsigned tsc_khz, max_vcpu_ids, boot_id;
	uint64_t clock_offset; /* ns, to CLOCK_MONOTONIC, modulo 2^64 */
	pthread_mutex_t irq_lock;
	struct kvm_routes *routes;
	struct kvm_eventfd *irqfds, *ioeventfds;
	_Atomic unsigned nioeventfds;
	int epoll, stop; /* of the thread that waits for irqfds; -1: none yet */
	pthread_t irq_thread;
	bool looker; /* there is a thread that has vCPUs look for signals */
	_Atomic bool look_ends;
	pthread_t look_thread;
	struct kvm_reaper *reaper; /* NULL: it is not torn down before the host is */
};

struct kvm_host {
	struct kvm_host_config cfg;
	struct kvm_cap_answer answer[KVM_ANSWERS];
	pthread_mutex_t power;
	struct tdx_vmm *vmm;
	struct kvm_pool *pool; /* under `power` */
	_Atomic bool ending;   /* calls come out and do not come back */
	pthread_mutex_t table; /* and vms, missing */
	pthread_cond_t unused;
	struct kvm_object *bucket[KVM_BUCKETS];
	struct kvm_vm *vms;
	struct kvm_missing {
		enum kvm_kind kind;
		unsigned long what; /* a request, or a capability */
		bool cap;
	} missing[KVM_MISSING];
	unsigned nmissing;
};

/* --- object.c --- */

/* A descriptor for it, size bytes large; calls find it from now on. */
int kvm_object_open(struct kvm_host *h, struct kvm_object *o, enum kvm_kind kind, const char *name,
		    uint64_t size, bool cloexec);
/* Until kvm_object_put(). NULL: none of ours. */
struct kvm_object *kvm_object_get(struct kvm_host *h, int fd);
void kvm_object_put(struct kvm_host *h, struct kvm_object *o);
/* No call finds it any more, none is in it. */
void kvm_object_close(struct kvm_host *h, struct kvm_object *o);
/* The client has closed all of its descriptors and mappings. */
bool kvm_object_is_closed(const struct kvm_object *o);
/* A thread with all signals blocked. 0 or a positive errno. */
int kvm_thread(pthread_t *t, void *(*fn)(void *), void *arg);

/* --- user.c: the client's memory, wherever it points. 0 or -EFAULT --- */
int kvm_from_user(void *to, uint64_t from, size_t len);
int kvm_to_user(uint64_t to, const void *from, size_t len);

/* --- host.c --- */
int kvm_host_power(struct kvm_host *h, struct tdx_vmm **vmm);
/* What of XFAM a TD may have; after kvm_host_power(). */
uint64_t kvm_host_xfam(const struct kvm_host *h);
void kvm_host_log(struct kvm_host *h, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void kvm_host_note(struct kvm_host *h, enum kvm_kind kind, unsigned long what, bool cap);

/* --- caps.c --- */
long kvm_cap_value(struct kvm_host *h, const struct kvm_vm *vm, unsigned cap);
/* Answered 0 although the table has it. */
bool kvm_cap_is_off(const struct kvm_host *h, unsigned cap);

/* --- requests.c --- */
const char *kvm_request_name(enum kvm_kind kind, unsigned long request);

/* --- one function a request: the value, or a negative errno --- */

typedef long kvm_system_fn(struct kvm_host *h, unsigned long arg);
kvm_system_fn kvm_get_api_version, kvm_create_vm, kvm_check_extension, kvm_get_vcpu_mmap_size,
	kvm_get_supported_cpuid, kvm_get_msr_index_list, kvm_get_msr_feature_index_list,
	kvm_get_mce_cap_supported, kvm_get_feature_msrs, kvm_get_device_attr, kvm_has_device_attr;

typedef long kvm_vm_fn(struct kvm_vm *vm, unsigned long arg);
kvm_vm_fn kvm_vm_check_extension, kvm_vm_create_vcpu, kvm_vm_set_region, kvm_vm_set_region2,
	kvm_vm_set_tss_addr, kvm_vm_set_identity_map_addr, kvm_vm_create_irqchip, kvm_vm_irq_line,
	kvm_vm_irq_line_status, kvm_vm_set_gsi_routing, kvm_vm_irqfd, kvm_vm_ioeventfd,
	kvm_vm_set_boot_cpu_id, kvm_vm_get_clock, kvm_vm_set_clock, kvm_vm_set_tsc_khz,
	kvm_vm_get_tsc_khz, kvm_vm_enable_cap, kvm_vm_signal_msi, kvm_vm_encrypt_op,
	kvm_vm_set_attributes, kvm_vm_create_memory, kvm_vm_get_stats, kvm_vm_set_nr_mmu_pages,
	kvm_vm_get_dirty_log;

typedef long kvm_vcpu_fn(struct kvm_vcpu *v, unsigned long arg);
kvm_vcpu_fn kvm_vcpu_run, kvm_vcpu_get_msrs, kvm_vcpu_set_msrs, kvm_vcpu_set_cpuid2,
	kvm_vcpu_tpr_access, kvm_vcpu_set_vapic_addr, kvm_vcpu_get_mp_state, kvm_vcpu_set_mp_state,
	kvm_vcpu_nmi, kvm_vcpu_setup_mce, kvm_vcpu_get_tsc_khz, kvm_vcpu_encrypt_op,
	kvm_vcpu_set_signal_mask, kvm_vcpu_get_stats, kvm_vcpu_pre_fault, kvm_vcpu_get_events,
	kvm_vcpu_set_events, kvm_vcpu_interrupt, kvm_vcpu_set_mce, kvm_vcpu_translate,
	kvm_vcpu_enable_cap, kvm_vcpu_has_attr, kvm_vcpu_get_attr, kvm_vcpu_set_attr,
	kvm_vcpu_get_one_reg, kvm_vcpu_set_one_reg, kvm_vcpu_get_reg_list, kvm_vcpu_set_cpuid,
	kvm_vcpu_get_cpuid2;

/* --- pool.c: the machine's memory for guest_memfds --- */

struct kvm_pool;

/* Has the machine a place for so many bytes, and is it what this file has? 0: none, it is not. */
uint64_t kvm_pool_map(struct kvm_host *h, int fd, uint64_t size);
void kvm_pool_unmap(struct kvm_host *h, uint64_t pa, uint64_t size);
/* All of it goes back; no VM is there any more. */
void kvm_pool_end(struct kvm_host *h);

/* --- parts of a VM --- */

/* Holes that the client has made in guest_memfds since this was last asked are taken from the
 * guest. */
void kvm_memory_holes(struct kvm_vm *vm);

/* VMs that the client has closed are gone, but for those that something else keeps. */
void kvm_vms_settle(struct kvm_host *h);
bool kvm_vm_take(struct kvm_vm *vm); /* true once: for whoever is to free it */
void kvm_vm_free(struct kvm_vm *vm); /* calls that are in it are waited for */
void kvm_vcpu_free(struct kvm_vcpu *v);
/* Under vm.lock, once the TD is initialised: the slots and attributes that are there already. */
int kvm_memory_begin(struct kvm_vm *vm);
/* clean: the module has given all of its pages back. */
void kvm_memory_end(struct kvm_vm *vm, bool clean);
/* Is there a slot at this address? */
bool kvm_memory_has_slot(struct kvm_vm *vm, uint64_t gpa);
/* Is every page of it private by attribute, in a slot with a guest_memfd? */
bool kvm_memory_is_private(struct kvm_vm *vm, uint64_t gpa);
int kvm_irq_set(struct kvm_vm *vm, uint32_t gsi, bool level);
int kvm_irq_msi(struct kvm_vm *vm, uint32_t lo, uint32_t hi, uint32_t data);
void kvm_irq_end(struct kvm_vm *vm);
/* What waits for the vCPU's entry is given to it. False: it is a triple fault. */
bool kvm_events_enter(struct kvm_vcpu *v);
/* Is a signal pending that is to end KVM_RUN? The vCPU's thread. */
bool kvm_signal_waits(const struct kvm_vcpu *v);
void kvm_signal_end(struct kvm_vm *vm);
/* Into the files that the client reads, if it has one; a vCPU's and its VM's. */
void kvm_stats_show(struct kvm_vcpu *v);
void kvm_stats_show_vm(struct kvm_vm *vm);
/* A write that somebody waits for on an eventfd is done with it: true. */
bool kvm_ioeventfd_write(struct kvm_vm *vm, bool pio, uint64_t addr, unsigned len, uint64_t data);

static inline bool kvm_vm_is_dead(const struct kvm_vm *vm)
{
	return vm->td && tdx_vm_state(vm->td) == TDX_VM_DEAD;
}

#endif
