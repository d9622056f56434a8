/* SPDX-License-Identifier: MIT */
/* KVM's hypercalls from a TD: TDG.VP.VMCALL with R10 not 0. */
#ifndef VMM_HYPERCALL_H
#define VMM_HYPERCALL_H

#include "vmm/internal.h"

/* What to do next, as vcpu_handle_exit(). */
int vcpu_hypercall(struct tdx_vcpu *v, struct tdx_run *run);
/* The user has had its say. */
int vcpu_hypercall_done(struct tdx_vcpu *v, const struct tdx_run *run);

#endif
