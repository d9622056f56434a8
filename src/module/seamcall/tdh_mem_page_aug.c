/* SPDX-License-Identifier: MIT */
/* TDH.MEM.PAGE.AUG: map a 4K or 2M page the TD has not accepted yet.
 *
 * Locks: TDR shared, OP_STATE shared, tree shared, the entry (host), the new page exclusive.
 * The page is not touched: its content is the guest's business when it accepts. */
#include "module/leaves.h"
#include "module/seamcall/mem.h"

struct plan {
	struct mem m;
	struct pamt_ref page;
};

static struct tdx_status decode(struct tx *tx, const struct tdh_mem_page_aug_in *in, struct plan *p,
				struct tdh_mem_page_aug_out *out)
{
	static const struct mem_reach reach = {TDX_LEVEL_4K, TDX_LEVEL_2M, LOCK_SHARED};
	struct tdx_status s = mem_locate(tx, in->tdr, in->at, &reach, &p->m, &out->shown);

	if (!tdx_is_success(s))
		return s;
	return tx_free_page(tx, in->page, TDX_OPERAND_ID_R8, p->m.ref.level, &p->page);
}

/* Cannot fail: the entry is locked and free, the page locked and free. */
static void commit(struct tx *tx, struct plan *p)
{
	uint64_t page = mem_private(tx, &p->m.td, p->page.pa);

	/* nothing is written until the guest accepts, but the host must have flushed by now */
	machine_handover(tx->lp->hw, p->page.pa.v, tdx_level_size(p->m.ref.level),
			 p->m.td.tdr->hkid);
	tx_sept_store(tx, &p->m.ref, sept_make_leaf(TDX_SEPT_PENDING, page, 0));
	mem_give_fresh(tx, &p->m.td, &p->page, TDX_PT_REG);
}

struct tdx_status leaf_tdh_mem_page_aug(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_mem_page_aug_in in = tdh_mem_page_aug_take(regs);
	struct tdh_mem_page_aug_out out = tdh_mem_page_aug_failed(regs);
	struct plan plan;
	struct tdx_status s = decode(tx, &in, &plan, &out);

	if (tdx_is_success(s))
		commit(tx, &plan);
	tdh_mem_page_aug_give(regs, &out);
	return s;
}
