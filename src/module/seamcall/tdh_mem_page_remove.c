/* SPDX-License-Identifier: MIT */
/* TDH.MEM.PAGE.REMOVE: take a page of any size from a TD.
 *
 * Locks: TDR shared, OP_STATE shared, tree shared, the entry (host), the page's PAMT entry
 * exclusive. While a vCPU may run the page must have been blocked and tracked; before
 * TDH.MR.FINALIZE not. */
#include "module/leaves.h"
#include "module/seamcall/mem.h"

/* States in which a bundle may bring an older version of the page. */
#define IMPORTING                                                                                  \
	(TDX_OP_STATE_BIT(TDX_OP_STATE_MEMORY_IMPORT) |                                            \
	 TDX_OP_STATE_BIT(TDX_OP_STATE_STATE_IMPORT) |                                             \
	 TDX_OP_STATE_BIT(TDX_OP_STATE_POST_IMPORT) | TDX_OP_STATE_BIT(TDX_OP_STATE_LIVE_IMPORT))

struct plan {
	struct mem m;
	struct pamt_ref page;
};

static struct tdx_status decode(struct tx *tx, const struct tdh_mem_page_remove_in *in,
				struct plan *p, struct tdh_mem_page_remove_out *out)
{
	static const struct mem_reach reach = {TDX_LEVEL_4K, TDX_LEVEL_1G, LOCK_SHARED};
	struct tdx_status s = mem_locate(tx, in->tdr, in->at, &reach, &p->m, &out->shown);

	if (!tdx_is_success(s))
		return s;
	mem_forget_accepting(&p->m);
	s = tx_pamt_implicit(tx, sept_leaf_pa(tx, &p->m.ref), TDX_OPERAND_ID_RCX, LOCK_EXCLUSIVE,
			     p->m.ref.level, &p->page);
	if (!tdx_is_success(s))
		return s;
	return mem_quiet(tx, &p->m, p->page.entry, &out->shown);
}

/* Cannot fail: the entry and its page are locked, and no TLB holds it. */
static void commit(struct tx *tx, struct plan *p, struct tdh_mem_page_remove_out *out)
{
	struct td *td = &p->m.td;

	for (unsigned vm = 1; vm <= td->tdcs->num_l2_vms; vm++) {
		uint64_t *alias;

		if (!l2_aliased(p->m.ref.value, vm))
			continue;
		alias = l2_alias(tx, td->tdr, td->tdcs, vm, &p->m.ref, false);
		if (!alias)
			return;
		l2_sept_write(alias, L2_SEPT_FREE_ENTRY);
	}
	tx_sept_store(tx, &p->m.ref,
		      IMPORTING & TDX_OP_STATE_BIT(td->tdcs->op_state)
			      ? sept_removed(td->tdcs->mig_epoch)
			      : SEPT_FREE_ENTRY);
	out->shown.page = mem_free(tx, td, &p->page);
}

struct tdx_status leaf_tdh_mem_page_remove(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_mem_page_remove_in in = tdh_mem_page_remove_take(regs);
	struct tdh_mem_page_remove_out out = tdh_mem_page_remove_failed(regs);
	struct plan plan;
	struct tdx_status s = decode(tx, &in, &plan, &out);

	if (tdx_is_success(s))
		commit(tx, &plan, &out);
	tdh_mem_page_remove_give(regs, &out);
	return s;
}
