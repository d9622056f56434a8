/* SPDX-License-Identifier: MIT */
/* What the monitor does when the module is busy: a lock of it was taken, by a guest, by another
 * call, by an epoch that is not over. One table says it for every call; nobody else decides.
 *
 * Busy is judged by class of status, not by operand: the same call may meet a taken entry, tree,
 * TDR or epoch, and what helps is the same. */
#ifndef VMM_BUSY_H
#define VMM_BUSY_H

#include "vmm/internal.h"

enum busy {
	BUSY_NOT = 0,	/* the status is another one */
	BUSY_ERROR,	/* who could have the lock is not there: an error like any other */
	BUSY_TELL_USER, /* -EBUSY, nothing has changed: the user's to ask again */
	BUSY_LATER,	/* MMU_RETRY: the fault comes again, or whoever mapped does */
	BUSY_NO_VCPUS,	/* vCPUs are kicked out and kept out; the next attempt must succeed */
	BUSY_AGAIN,	/* the same call, with a breath in between: vm_again() */
	BUSY_ENTER,	/* the vCPU enters again, with interrupts in between */
};

/* What a status of this call means. */
enum busy vm_busy(enum tdx_seamcall leaf, struct tdx_status s);

/* Let others run, and say whether it is worth another try. Who holds a lock lets go soon, so the
 * bound is a safeguard; a dead VM waits for nothing. */
bool vm_try_again(const struct tdx_vm *vm, unsigned *tries);
/* The same for what must be done for a dead VM too. */
bool vmm_try_again(const struct tdx_vmm *vmm, unsigned *tries);

/* After a call whose row says BUSY_AGAIN: is it to be made once more? */
static inline bool vm_again(const struct tdx_vm *vm, enum tdx_seamcall leaf, struct tdx_status s,
			    unsigned *tries)
{
	return vm_busy(leaf, s) == BUSY_AGAIN && vm_try_again(vm, tries);
}

#endif
