/* SPDX-License-Identifier: MIT */
/* TDH.PHYMEM.PAGE.RECLAIM: take a page back from a TD being torn down; the TDR last.
 * Locks: the page's PAMT path, exclusive; its TDR's entry, shared. TD: TEARDOWN.
 *
 * Type, owner and size are told even when the TD is not to be torn down. */
#include "module/leaves.h"
#include "module/page.h"
#include "module/td.h"

struct plan {
	struct pamt_ref page;
	struct td td;
};

static struct tdx_status decode(struct tx *tx, hpa_t pa, struct plan *p,
				struct tdh_phymem_page_reclaim_out *out)
{
	struct pamt_ref *ref = &p->page;
	struct td *td = &p->td;
	enum tdx_page_type type;
	struct tdx_status s;

	if (!tx_hpa_valid(tx, pa, TDX_PAGE_SIZE))
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
	s = tx_pamt_walk(tx, pa, TDX_OPERAND_ID_RCX, LOCK_EXCLUSIVE, TDX_LEVEL_4K, ref);
	if (!tdx_is_success(s))
		return s;
	type = tdx_page_type(ref->entry->type);
	if (type == TDX_PT_NDA || type == TDX_PT_RSVD)
		return tdx_error_op(TDX_PAGE_METADATA_INCORRECT, TDX_OPERAND_ID_RCX);
	/* told from here on, also by a call that fails: 06-teardown-full.vec */
	out->type = (uint64_t)type;
	out->owner = pamt_owner(ref->entry).v;
	out->size = ref->level;
	if (!tx_hpa_valid(tx, pa, tdx_level_size(ref->level)))
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
	if (type == TDX_PT_TDR)
		td->tdr = machine_ptr(tx->m, pa.v);
	else
		s = tx_tdr_implicit(tx, pamt_owner(ref->entry), LOCK_SHARED, td);
	if (!tdx_is_success(s))
		return s;
	if (td->tdr->lifecycle_state != TDX_LIFECYCLE_TEARDOWN)
		return tdx_error(TDX_LIFECYCLE_STATE_INCORRECT);
	if (type == TDX_PT_TDR && tdr_children(td->tdr))
		return tdx_error(TDX_TD_ASSOCIATED_PAGES_EXIST);
	return s;
}

/* Cannot fail: the page is locked, and nothing of the TD is in use any more. */
static void commit(struct tx *tx, struct plan *p, struct tdh_phymem_page_reclaim_out *out)
{
	if (out->type != TDX_PT_TDR) {
		td_add_children(tx, &p->td,
				-(int64_t)(tdx_level_size(p->page.level) / TDX_PAGE_SIZE));
		machine_wrote(tx->lp->hw, p->td.pa.v, tx->mod->hkid);
	}
	/* Here and not after the call: the next owner may enter a vCPU of this page at once. */
	if (out->type == TDX_PT_TDVPR && tx->mod->vcpu_gone)
		tx->mod->vcpu_gone(tx->mod->vcpu_gone_arg, p->page.pa);
	__atomic_store_n(&p->page.entry->type, TDX_PT_NDA, __ATOMIC_RELAXED);
	out->pamt_hint = pamt_count_dec(tx, &p->page);
}

struct tdx_status leaf_tdh_phymem_page_reclaim(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_phymem_page_reclaim_in in = tdh_phymem_page_reclaim_take(regs);
	struct tdh_phymem_page_reclaim_out out = tdh_phymem_page_reclaim_failed(regs);
	struct plan plan;
	struct tdx_status s = decode(tx, in.page, &plan, &out);

	if (tdx_is_success(s))
		commit(tx, &plan, &out);
	tdh_phymem_page_reclaim_give(regs, &out);
	return s;
}
