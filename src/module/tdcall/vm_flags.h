/* SPDX-License-Identifier: MIT */
/* RCX of the TDCALLs on an L2 VM: the VM in 53:52, what the call does in the low bits. */
#ifndef MODULE_TDCALL_VM_FLAGS_H
#define MODULE_TDCALL_VM_FLAGS_H

#include "module/internal.h"

#define VM_FLAGS_VM_SHIFT     52
#define VM_FLAGS_VM	      (3ull << VM_FLAGS_VM_SHIFT)
#define VM_FLAGS_ENTER_FLUSH  3ull
#define VM_FLAGS_INVVPID_LIST 1ull

static inline unsigned vm_of_flags(uint64_t rcx)
{
	return (unsigned)((rcx & VM_FLAGS_VM) >> VM_FLAGS_VM_SHIFT);
}

/* An L2 VM the TD has, and none but these flags. */
static inline bool vm_flags_valid(const struct lp *lp, uint64_t rcx, uint64_t flags)
{
	const unsigned vm = vm_of_flags(rcx);

	return vm != 0 && vm <= lp->tdcs->num_l2_vms && !(rcx & ~(VM_FLAGS_VM | flags));
}

#endif
