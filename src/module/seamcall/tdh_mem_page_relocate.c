/* SPDX-License-Identifier: MIT */
/* TDH.MEM.PAGE.RELOCATE: move a 4K page of a TD to another physical page, unblocking it.
 *
 * Locks: TDR shared, OP_STATE shared, tree shared, the entry (host), PAMT entries of the old and
 * the new page exclusive. A pending page has no content yet and is not copied. */
#include "module/leaves.h"
#include "module/seamcall/mem.h"
#include "module/seamcall/unblock.h"

struct plan {
	struct mem m;
	struct pamt_ref from, to;
};

static struct tdx_status decode(struct tx *tx, const struct tdh_mem_page_relocate_in *in,
				struct plan *p, struct tdh_mem_page_relocate_out *out)
{
	static const struct mem_reach reach = {TDX_LEVEL_4K, TDX_LEVEL_4K, LOCK_SHARED};
	struct tdx_status s = mem_locate(tx, in->tdr, in->at, &reach, &p->m, &out->shown);
	hpa_t from;

	if (!tdx_is_success(s))
		return s;
	from = sept_leaf_pa(tx, &p->m.ref);
	/* before either page is locked: it would find itself busy. Bits no address has are not
	 * looked at yet: 18-relocate-to-itself.vec */
	if (from.v == (in->page.v & ((1ull << HPA_BITS) - 1)))
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_R8);
	s = tx_pamt_implicit(tx, from, TDX_OPERAND_ID_RCX, LOCK_EXCLUSIVE, TDX_LEVEL_4K, &p->from);
	if (!tdx_is_success(s))
		return s;
	s = mem_quiet(tx, &p->m, p->from.entry, &out->shown);
	if (!tdx_is_success(s))
		return s;
	return tx_free_page(tx, in->page, TDX_OPERAND_ID_R8, TDX_LEVEL_4K, &p->to);
}

/* Cannot fail: the entry and both pages are locked, and no TLB holds the old one. */
static void commit(struct tx *tx, struct plan *p, struct tdh_mem_page_relocate_out *out)
{
	struct td *td = &p->m.td;
	uint64_t entry = p->m.ref.value, to = mem_private(tx, td, p->to.pa);

	if (!sept_has(entry, SEPT_IS_PENDING)) {
		if (!mem_readable(tx, td, p->from.pa))
			return;
		__builtin_memcpy(machine_ptr(tx->m, p->to.pa.v), machine_ptr(tx->m, p->from.pa.v),
				 TDX_PAGE_SIZE);
		mem_wrote(tx, td, p->to.pa);
	}
	mem_give_fresh(tx, td, &p->to, TDX_PT_REG);
	for (unsigned vm = 1; vm <= td->tdcs->num_l2_vms; vm++)
		if (l2_aliased(entry, vm) && !unblock_alias(tx, td, vm, &p->m.ref, to))
			return;
	tx_sept_store(tx, &p->m.ref, unblocked((entry & ~SEPT_HPA_MASK) | to));
	out->shown.page = mem_free(tx, td, &p->from);
}

struct tdx_status leaf_tdh_mem_page_relocate(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_mem_page_relocate_in in = tdh_mem_page_relocate_take(regs);
	struct tdh_mem_page_relocate_out out = tdh_mem_page_relocate_failed(regs);
	struct plan plan;
	struct tdx_status s = decode(tx, &in, &plan, &out);

	if (tdx_is_success(s))
		commit(tx, &plan, &out);
	tdh_mem_page_relocate_give(regs, &out);
	return s;
}
