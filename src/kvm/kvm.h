/* SPDX-License-Identifier: MIT */
/* KVM's file descriptors and ioctls over the monitor (vmm/), for clients in the same process.
 *
 * A descriptor is a memfd: mmap(), dup(), close(), fork() and descriptor passing are the kernel's,
 * and what is behind it lives until the last of its duplicates and mappings is gone, as KVM's do.
 * kvm_ioctl() answers as Linux 7.3 does: the same values, the same negative errno, in the same
 * order of checks. What is not there is answered as KVM answers a request it does not know, and is
 * remembered. Any thread may call; several VMs may be in one process. A VM is the process's that
 * made it: after fork() the child gets -EIO.
 *
 * Threads made here block all signals. */
#ifndef KVM_KVM_H
#define KVM_KVM_H

#include <swtdx/vmm.h>

struct kvm_host;

enum { KVM_ANSWERS = 64 };
struct kvm_cap_answer {
	unsigned cap;
	long value;
};

/* Somebody who looks into TDs. A TD is built with ATTRIBUTES.DEBUG then, whatever its client says,
 * and its reports say so. vCPUs by number, in the order in which they were created. */
struct kvm_debugger {
	/* A TD is complete; what the others get, until its end(). NULL: it is left alone. */
	void *(*begin)(void *arg, struct tdx_vm *vm, struct tdx_vcpu *const *vcpu, unsigned n);
	/* The vCPU's thread is about to enter the guest. False: it is held, and asks again, while
	 * its client does not want the thread back. Waits a moment at most. */
	bool (*may_run)(void *td, unsigned vcpu);
	/* It left the guest by TDX_EXIT_DEBUG. */
	void (*stopped)(void *td, unsigned vcpu, const struct tdx_run *run);
	/* It is the client's again. */
	void (*left)(void *td, unsigned vcpu);
	/* No vCPU runs any more, and all are about to be gone. */
	void (*end)(void *td);
	void *arg;
};

struct kvm_host_config {
	/* Called once, when the first VM, or what depends on the processor, is asked for: the
	 * monitor, which stays the caller's. 0 or a negative errno. */
	int (*power_on)(void *arg, struct tdx_vmm **vmm);
	/* One line, no newline: what a client cannot see in an errno. Any thread. */
	void (*log)(void *arg, const char *line);
	void *arg;
	unsigned vcpus; /* of a VM at most; so many processors there are */
	uint64_t xfam;	/* what the engine executes of every TD's state, and of more: */
	/* After power_on(): what of AVX and AVX-512 (XFAM), and which bits of a leaf of CPUID for
	 * programs' instructions. NULL: nothing. Any thread. */
	uint64_t (*vectors)(void *arg);
	void (*instructions)(void *arg, uint32_t leaf, uint32_t index,
			     struct tdx_cpuid_values *bits);
	/* In place of what the table of capabilities says, as another KVM would. What is answered 0
	 * is not there: neither are the requests that belong to it. Copied. */
	const struct kvm_cap_answer *answers;
	unsigned nanswers;		     /* KVM_ANSWERS at most; the rest does not count */
	const struct kvm_debugger *debugger; /* NULL: none; outlives the host */
};

/* NULL: no memory. */
struct kvm_host *kvm_host_new(const struct kvm_host_config *cfg);
/* All that is left of it is torn down. No thread may be in it, and no client use a descriptor. */
void kvm_host_free(struct kvm_host *h);

/* The client's process ends, with threads still in KVM_RUN: they come out and never come back to
 * the client, and all VMs are torn down. False: some call would not end; then nothing is. */
bool kvm_host_end(struct kvm_host *h);

/* open("/dev/kvm"): a descriptor or a negative errno. flags: O_CLOEXEC counts. */
int kvm_open(struct kvm_host *h, int flags);
/* *ours false: the descriptor is none of these, and nothing was done. */
long kvm_ioctl(struct kvm_host *h, int fd, unsigned long request, unsigned long arg, bool *ours);

/* fallocate(), of a guest_memfd as KVM has it; what a hole takes is gone from the guest when this
 * returns. *ours as above. */
long kvm_fallocate(struct kvm_host *h, int fd, int mode, int64_t offset, int64_t len, bool *ours);

/* VMs that are there; those without descriptors are torn down soon after the last is closed. */
unsigned kvm_host_vms(struct kvm_host *h);

/* The i-th thing a client has asked for that is not there, "" after the last. */
void kvm_host_missing(struct kvm_host *h, unsigned i, char *text, size_t len);

/* The table of capabilities, for documents: its i-th row; false after the last. */
struct kvm_cap_row {
	unsigned number;
	const char *name, *why;
	char answer[32];
};
bool kvm_cap_row(unsigned i, struct kvm_cap_row *row);

/* The table of requests, likewise. Not answered: as KVM answers what it does not know. */
struct kvm_request_row {
	const char *of, *name;
	bool answered;
	const char *by, *as; /* the function here; those of Linux it answers as */
	const char *why;     /* or what the answer is, where it is the same for all */
};
bool kvm_request_row(unsigned i, struct kvm_request_row *row);

#endif
