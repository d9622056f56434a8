/* SPDX-License-Identifier: MIT */
/* TDH.MEM.RD and TDH.MEM.WR: eight bytes of the private memory of a TD under debug.
 *
 * Locks: TDR shared, OP_STATE shared, tree shared, the entry (host). */
#include <swtdx/structs.h>

#include "module/leaves.h"
#include "module/seamcall/mem.h"

static struct tdx_status decode(struct tx *tx, hpa_t tdr, gpa_t at, struct mem *m,
				struct sept_shown *shown)
{
	struct tdx_status s = mem_td(tx, tdr, &m->td);

	if (!tdx_is_success(s))
		return s;
	/* the TD is refused before the address is looked at: Intel's tdh_mem_rd_wr.c */
	if (!(m->td.tdcs->attributes & TDX_ATTR_DEBUG))
		return tdx_error(TDX_TD_NON_DEBUG);
	if (at.v % sizeof(uint64_t))
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
	s = tx_lock(tx, LOCK_SEPT_TREE, m->td.pa.v, &m->td.tdcs->sept_lock, LOCK_SHARED,
		    TDX_OPERAND_ID_SEPT_TREE);
	if (!tdx_is_success(s))
		return s;
	s = sept_walk_to_leaf(tx, m->td.tdcs, at, TDX_OPERAND_ID_RCX, &m->ref);
	if (tdx_is(s, TDX_EPT_WALK_FAILED))
		return mem_refuse(tx, m, TDX_EPT_ENTRY_NOT_PRESENT, shown);
	if (!tdx_is_success(s))
		return s;
	s = tx_sept_lock(tx, &m->ref);
	if (!tdx_is_success(s))
		sept_show(tx, &m->ref, shown);
	else if (!sept_allows(tx->leaf, m->ref.value))
		return mem_refuse(tx, m, TDX_EPT_ENTRY_STATE_INCORRECT, shown);
	return s;
}

/* NULL when the machine check of reading it has ended the call. */
static uint64_t *data(const struct tx *tx, const struct mem *m)
{
	hpa_t pa = sept_leaf_pa(tx, &m->ref);

	return mem_readable(tx, &m->td, pa) ? machine_ptr(tx->m, pa.v) : NULL;
}

struct tdx_status leaf_tdh_mem_rd(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_mem_rd_in in = tdh_mem_rd_take(regs);
	struct tdh_mem_rd_out out = tdh_mem_rd_failed(regs);
	struct mem m;
	struct tdx_status s = decode(tx, in.tdr, in.at, &m, &out.shown);
	const uint64_t *word = tdx_is_success(s) ? data(tx, &m) : NULL;

	if (word)
		out.data = __atomic_load_n(word, __ATOMIC_RELAXED);
	tdh_mem_rd_give(regs, &out);
	return s;
}

struct tdx_status leaf_tdh_mem_wr(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_mem_wr_in in = tdh_mem_wr_take(regs);
	struct tdh_mem_wr_out out = tdh_mem_wr_failed(regs);
	struct mem m;
	struct tdx_status s = decode(tx, in.tdr, in.at, &m, &out.shown);
	uint64_t *word = tdx_is_success(s) ? data(tx, &m) : NULL;

	/* Cannot fail: the entry is locked, and its page can be read. */
	if (word) {
		out.data = __atomic_load_n(word, __ATOMIC_RELAXED);
		__atomic_store_n(word, in.data, __ATOMIC_RELAXED);
		machine_wrote_guest(tx->lp->hw, sept_leaf_pa(tx, &m.ref).v, m.td.tdr->hkid);
	}
	tdh_mem_wr_give(regs, &out);
	return s;
}
