/* SPDX-License-Identifier: MIT */
/* TDH.MEM.RANGE.BLOCK: make a page or table of the Secure EPT inaccessible to the guest.
 *
 * Locks: TDR shared, OP_STATE shared, tree exclusive, the entry (host).
 * The epoch goes into the page's PAMT entry after the entry is blocked: a vCPU that enters later
 * cannot cache the translation any more. The tree lock keeps other calls from seeing the one
 * without the other. */
#include "module/leaves.h"
#include "module/seamcall/mem.h"

static struct tdx_status decode(struct tx *tx, const struct tdh_mem_range_block_in *in,
				struct mem *m, struct tdh_mem_range_block_out *out)
{
	static const struct mem_reach reach = {TDX_LEVEL_4K, MEM_TO_ROOT, LOCK_EXCLUSIVE};
	struct tdx_status s = mem_locate(tx, in->tdr, in->at, &reach, m, &out->shown);

	if (tdx_is(s, TDX_EPT_ENTRY_STATE_INCORRECT) && sept_has(m->ref.value, SEPT_IS_BLOCKED))
		return tdx_error_op(TDX_GPA_RANGE_ALREADY_BLOCKED, TDX_OPERAND_ID_RCX);
	return s;
}

static uint64_t blocked(uint64_t entry, enum tdx_level level)
{
	if (!sept_is_leaf(entry))
		return sept_with_state(entry, TDX_SEPT_NL_BLOCKED) & ~SEPT_RWX;
	if (!sept_has(entry, SEPT_IS_PENDING))
		return sept_with_state(entry, TDX_SEPT_BLOCKED) & ~SEPT_RWX;
	/* How far the guest has accepted is forgotten: it will start again. */
	if (sept_has(entry, SEPT_IS_ACCEPTABLE) && level == TDX_LEVEL_2M)
		entry &= ~SEPT_ACCEPT_MASK;
	return sept_with_state(entry, TDX_SEPT_PENDING_BLOCKED);
}

/* Cannot fail: the tree is the caller's alone. */
static void commit(struct tx *tx, struct mem *m)
{
	const struct td *td = &m->td;
	uint64_t entry = m->ref.value;
	enum tdx_level size = sept_is_leaf(entry) ? m->ref.level : TDX_LEVEL_4K;
	struct pamt_entry *page =
		pamt_of_size(tx->mod, machine_strip(tx->m, sept_address(entry)), size);

	if (!page) {
		module_fatal(tx->lp);
		return;
	}
	tx_sept_store(tx, &m->ref, blocked(entry, m->ref.level));
	for (unsigned vm = 1; vm <= td->tdcs->num_l2_vms; vm++) {
		uint64_t *alias;

		if (!l2_aliased(entry, vm))
			continue;
		alias = l2_alias(tx, td->tdr, td->tdcs, vm, &m->ref, false);
		if (!alias)
			return;
		l2_sept_write(alias, l2_sept_blocked(*alias, sept_has(entry, SEPT_IS_BLOCKEDW)));
	}
	__atomic_store_n(&page->bepoch, __atomic_load_n(&td->tdcs->td_epoch, __ATOMIC_SEQ_CST),
			 __ATOMIC_RELAXED);
}

struct tdx_status leaf_tdh_mem_range_block(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_mem_range_block_in in = tdh_mem_range_block_take(regs);
	struct tdh_mem_range_block_out out = tdh_mem_range_block_failed(regs);
	struct mem m;
	struct tdx_status s = decode(tx, &in, &m, &out);

	if (tdx_is_success(s))
		commit(tx, &m);
	tdh_mem_range_block_give(regs, &out);
	return s;
}
