/* SPDX-License-Identifier: MIT */
/* TDH.MEM.RANGE.UNBLOCK: take the block off again.
 *
 * Locks: TDR shared, OP_STATE shared, tree exclusive, the entry (host).
 * While a vCPU may run the range must have been tracked: a TLB may hold what the block revoked. */
#include "module/leaves.h"
#include "module/seamcall/mem.h"
#include "module/seamcall/unblock.h"

static struct tdx_status decode(struct tx *tx, const struct tdh_mem_range_unblock_in *in,
				struct mem *m, struct tdh_mem_range_unblock_out *out)
{
	static const struct mem_reach reach = {TDX_LEVEL_4K, MEM_TO_ROOT, LOCK_EXCLUSIVE};
	struct tdx_status s = mem_locate(tx, in->tdr, in->at, &reach, m, &out->shown);
	struct pamt_entry *page;

	if (!tdx_is_success(s))
		return s;
	page = pamt_of_size(tx->mod, machine_strip(tx->m, sept_address(m->ref.value)),
			    sept_is_leaf(m->ref.value) ? m->ref.level : TDX_LEVEL_4K);
	if (!page) {
		module_fatal(tx->lp);
		return tdx_error_op(TDX_TLB_TRACKING_NOT_DONE, TDX_OPERAND_ID_RCX);
	}
	return mem_quiet(tx, m, page, &out->shown);
}

/* Cannot fail: the tree is the caller's alone, and no TLB holds what was blocked. */
static void commit(struct tx *tx, struct mem *m)
{
	if (!sept_has(m->ref.value, SEPT_IS_PENDING))
		for (unsigned vm = 1; vm <= m->td.tdcs->num_l2_vms; vm++)
			if (l2_aliased(m->ref.value, vm) &&
			    !unblock_alias(tx, &m->td, vm, &m->ref, 0))
				return;
	tx_sept_store(tx, &m->ref, unblocked(m->ref.value));
}

struct tdx_status leaf_tdh_mem_range_unblock(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_mem_range_unblock_in in = tdh_mem_range_unblock_take(regs);
	struct tdh_mem_range_unblock_out out = tdh_mem_range_unblock_failed(regs);
	struct mem m;
	struct tdx_status s = decode(tx, &in, &m, &out);

	if (tdx_is_success(s))
		commit(tx, &m);
	tdh_mem_range_unblock_give(regs, &out);
	return s;
}
