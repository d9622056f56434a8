/* SPDX-License-Identifier: MIT */
/* TDH.EXPORT.UNBLOCKW: let the guest write a page that was blocked; one that has been exported is
 * dirty then and must be exported again.
 * Locks: TDR, OP_STATE and the tree shared, the entry (host). Of an entry that it could not lock
 * the leaf tells nothing. */
#include "module/l2_sept.h"
#include "module/leaves.h"
#include "module/seamcall/mem.h"

static enum tdx_sept_state unblocked(uint64_t entry)
{
	const bool exported = sept_has(entry, SEPT_IS_EXPORTED);

	if (sept_has(entry, SEPT_IS_PENDING))
		return exported ? TDX_SEPT_PENDING_EXPORTED_DIRTY : TDX_SEPT_PENDING;
	return exported ? TDX_SEPT_EXPORTED_DIRTY : TDX_SEPT_MAPPED;
}

/* Cannot fail: the entry is locked, and with it its aliases. */
static void commit(struct tx *tx, struct mem *m)
{
	const uint64_t old = m->ref.value;
	uint64_t value = sept_with_state(old, unblocked(old));

	if (!sept_has(old, SEPT_IS_PENDING)) {
		if (!l2_block_writing(tx, &m->td, &m->ref, false))
			return;
		value |= SEPT_W;
	}
	tx_sept_store(tx, &m->ref, value);
	if (sept_has(old, SEPT_IS_EXPORTED) && !sept_has(old, SEPT_IS_DIRTY))
		__atomic_fetch_add(&m->td.tdcs->dirty_count, 1, __ATOMIC_RELAXED);
}

struct tdx_status leaf_tdh_export_unblockw(struct tx *tx, struct tdx_regs *regs)
{
	static const struct mem_reach reach = {TDX_LEVEL_4K, TDX_LEVEL_4K, LOCK_SHARED};
	const struct tdh_export_unblockw_in in = tdh_export_unblockw_take(regs);
	struct tdh_export_unblockw_out out = tdh_export_unblockw_failed(regs);
	struct mem m;
	struct tdx_status s = mem_locate(tx, in.tdr, in.at, &reach, &m, &out.shown);

	if (tdx_is_success(s))
		commit(tx, &m);
	else if (tdx_is_busy(s))
		out.shown = (struct sept_shown){{0}, 0};
	tdh_export_unblockw_give(regs, &out);
	return s;
}
