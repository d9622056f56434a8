/* SPDX-License-Identifier: MIT */
/* The table of vmm/busy.h. */
#include "vmm/busy.h"

#include <sched.h>
#include <time.h>

enum { YIELDS = 64 };

/* A call without a row is BUSY_ERROR: it is made under locks of the monitor that keep everybody
 * else away, or on a page nobody else knows. */
static const uint8_t when_busy[TDX_SEAMCALL_LEAVES] = {
	/* The zero-step defence takes the tree, TRACK the epoch; either is soon over. */
	[TDH_VP_ENTER] = BUSY_ENTER,

	/* Installs run beside each other and beside guests that accept. */
	[TDH_MEM_SEPT_ADD] = BUSY_LATER,
	[TDH_MEM_PAGE_ADD] = BUSY_LATER,
	[TDH_MEM_PAGE_AUG] = BUSY_LATER,

	/* Removals hold mmu_lock for writing, so only vCPUs can be in the way. */
	[TDH_MEM_RANGE_BLOCK] = BUSY_NO_VCPUS,
	[TDH_MEM_RANGE_UNBLOCK] = BUSY_NO_VCPUS,
	[TDH_MEM_TRACK] = BUSY_NO_VCPUS,
	[TDH_MEM_PAGE_REMOVE] = BUSY_NO_VCPUS,
	[TDH_MEM_PAGE_PROMOTE] = BUSY_NO_VCPUS,
	[TDH_MEM_PAGE_DEMOTE] = BUSY_NO_VCPUS,

	/* A build's calls take the TDR exclusive, and a user may be reading the TD meanwhile. */
	[TDH_MR_EXTEND] = BUSY_TELL_USER,
	[TDH_MR_FINALIZE] = BUSY_TELL_USER,
	[TDH_MNG_RD] = BUSY_TELL_USER,

	/* A page of the range is looked at, or written back, beside it. */
	[TDH_PHYMEM_PAMT_ADD] = BUSY_AGAIN,
	[TDH_PHYMEM_PAMT_REMOVE] = BUSY_AGAIN,

	/* Of a migration: guests accept, and fault, beside it. */
	[TDH_EXPORT_UNBLOCKW] = BUSY_LATER,
	[TDH_SERVTD_BIND] = BUSY_TELL_USER,
	[TDH_MIG_STREAM_CREATE] = BUSY_AGAIN,
	[TDH_EXPORT_STATE_IMMUTABLE] = BUSY_AGAIN,
	[TDH_EXPORT_STATE_TD] = BUSY_AGAIN,
	[TDH_EXPORT_STATE_VP] = BUSY_AGAIN,
	[TDH_EXPORT_BLOCKW] = BUSY_AGAIN,
	[TDH_EXPORT_MEM] = BUSY_AGAIN,
	[TDH_EXPORT_RESTORE] = BUSY_AGAIN,
	[TDH_EXPORT_PAUSE] = BUSY_AGAIN,
	[TDH_EXPORT_TRACK] = BUSY_AGAIN,
	[TDH_EXPORT_ABORT] = BUSY_AGAIN,
	[TDH_IMPORT_STATE_IMMUTABLE] = BUSY_AGAIN,
	[TDH_IMPORT_STATE_TD] = BUSY_AGAIN,
	[TDH_IMPORT_STATE_VP] = BUSY_AGAIN,
	[TDH_IMPORT_MEM] = BUSY_AGAIN,
	[TDH_IMPORT_TRACK] = BUSY_AGAIN,
	[TDH_IMPORT_COMMIT] = BUSY_AGAIN,
	[TDH_IMPORT_END] = BUSY_AGAIN,
	[TDH_IMPORT_ABORT] = BUSY_AGAIN,

	/* A debugger looks while everything goes on. */
	[TDH_VP_RD] = BUSY_AGAIN,
	[TDH_VP_WR] = BUSY_AGAIN,
	[TDH_MEM_RD] = BUSY_AGAIN,
	[TDH_MEM_WR] = BUSY_AGAIN,
};

enum busy vm_busy(enum tdx_seamcall leaf, struct tdx_status s)
{
	enum busy b;

	if (__builtin_expect(tdx_is_success(s), 1))
		return BUSY_NOT;
	/* PROMOTE and DEMOTE make way for a VP.ENTER that met their lock; they start anew. */
	if (!tdx_is_busy(s) && !tdx_is(s, TDX_HOST_PRIORITY_BUSY_TIMEOUT) &&
	    !tdx_is(s, TDX_INTERRUPTED_BUSY))
		return BUSY_NOT;
	b = (enum busy)when_busy[leaf];
	return b == BUSY_NOT ? BUSY_ERROR : b;
}

bool vmm_try_again(const struct tdx_vmm *vmm, unsigned *tries)
{
	/* The holder may be a thread that waits for a CPU: yielding alone is over too soon. */
	static const struct timespec nap = {0, 50000};

	if (++*tries >= vmm->policy.tries)
		return false;
	if (*tries < YIELDS)
		sched_yield();
	else
		nanosleep(&nap, NULL);
	return true;
}

bool vm_try_again(const struct tdx_vm *vm, unsigned *tries)
{
	return !vm_is_dead(vm) && vmm_try_again(vm->vmm, tries);
}
