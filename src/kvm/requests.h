/* SPDX-License-Identifier: MIT */
/* A request that is answered, as the table of them has it (requests.c). */
#ifndef KVM_REQUESTS_H
#define KVM_REQUESTS_H

#include "kvm/internal.h"

struct kvm_request {
	enum kvm_kind kind;
	unsigned long request;
	const char *name;
	union {
		kvm_system_fn *system;
		kvm_vm_fn *vm;
		kvm_vcpu_fn *vcpu;
	} fn;		/* NULL: `answer` */
	const char *by; /* the function's name */
	unsigned cap;	/* without it the request is not there; 0: always */
	int answer, reads;
	const char *why, *as;
};

/* NULL: not there. */
const struct kvm_request *kvm_request_find(const struct kvm_host *h, enum kvm_kind kind,
					   unsigned long request);

#endif
