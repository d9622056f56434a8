/* SPDX-License-Identifier: MIT */
/* TDH.EXPORT.BLOCKW: block pages of a running TD for writing, so that they can be exported.
 * Locks: TDR, OP_STATE and the tree shared, the entries of the list one by one (host). */
#include "module/gpa_list.h"
#include "module/l2_sept.h"
#include "module/leaves.h"

static enum tdx_sept_state blocked(enum tdx_sept_state state)
{
	switch ((int)state) {
	case TDX_SEPT_MAPPED:
		return TDX_SEPT_BLOCKEDW;
	case TDX_SEPT_EXPORTED_DIRTY:
		return TDX_SEPT_EXPORTED_DIRTY_BLOCKEDW;
	case TDX_SEPT_PENDING:
		return TDX_SEPT_PENDING_BLOCKEDW;
	default: /* PENDING_EXPORTED_DIRTY: the leaf takes no others */
		return TDX_SEPT_PENDING_EXPORTED_DIRTY_BLOCKEDW;
	}
}

/* Cannot fail, but for a broken table of an L2 VM, which ends the module: the entry is locked. A
 * vCPU may still write until it is tracked; what it wrote by then is exported. */
static bool block(struct tx *tx, struct td *td, struct sept_ref *ref)
{
	const uint64_t value =
		sept_with_state(ref->value & ~SEPT_W, blocked(sept_state(ref->value)));

	if (sept_has(ref->value, SEPT_IS_GUEST_READABLE) && !l2_block_writing(tx, td, ref, true))
		return false;
	__atomic_store_n(&td->tdcs->bw_epoch,
			 __atomic_load_n(&td->tdcs->td_epoch, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
	tx_sept_store(tx, ref, value);
	return true;
}

struct tdx_status leaf_tdh_export_blockw(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_export_blockw_in in = tdh_export_blockw_take(regs);
	struct tdh_export_blockw_out out = tdh_export_blockw_failed(regs);
	struct tdx_status s = gpa_list_run(tx, in.gpas, in.tdr, block, &out.gpas);

	tdh_export_blockw_give(regs, &out);
	return s;
}
