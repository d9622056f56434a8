/* SPDX-License-Identifier: MIT */
/* TDH.EXPORT.RESTORE: pages that an aborted session exported are like any other again.
 * Locks: TDR, OP_STATE and the tree shared, the entries of the list one by one (host). */
#include "module/gpa_list.h"
#include "module/l2_sept.h"
#include "module/leaves.h"

/* Cannot fail, but for a broken table of an L2 VM, which ends the module: the entry is locked. */
static bool restore(struct tx *tx, struct td *td, struct sept_ref *ref)
{
	uint64_t value = ref->value;

	__atomic_fetch_sub(&td->tdcs->mig_count, 1, __ATOMIC_RELAXED);
	if (sept_has(value, SEPT_IS_PENDING)) {
		value = sept_with_state(value, TDX_SEPT_PENDING);
	} else {
		if (sept_has(value, SEPT_IS_BLOCKEDW) && !l2_block_writing(tx, td, ref, false))
			return false;
		value = sept_with_state(value | SEPT_W, TDX_SEPT_MAPPED);
	}
	tx_sept_store(tx, ref, value);
	return true;
}

struct tdx_status leaf_tdh_export_restore(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_export_restore_in in = tdh_export_restore_take(regs);
	struct tdh_export_restore_out out = tdh_export_restore_failed(regs);
	struct tdx_status s = gpa_list_run(tx, in.gpas, in.tdr, restore, &out.gpas);

	tdh_export_restore_give(regs, &out);
	return s;
}
