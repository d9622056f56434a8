/* SPDX-License-Identifier: MIT */
/* TDH.MEM.PAGE.ADD: copy a page into a TD being built and measure its address.
 *
 * Locks: TDR exclusive, which keeps everything else about the TD still; the new page exclusive.
 * The source may be any memory under a shared KeyID; its PAMT is not asked. */
#include <errno.h>

#include "module/leaves.h"
#include "module/measurement.h"
#include "module/seamcall/mem.h"

struct plan {
	struct mem m;
	struct pamt_ref page;
	hpa_t source; /* with its KeyID */
};

static struct tdx_status decode(struct tx *tx, const struct tdh_mem_page_add_in *in, struct plan *p,
				struct tdh_mem_page_add_out *out)
{
	struct tdx_status s =
		tx_td(tx, in->tdr, TDX_OPERAND_ID_RDX, LOCK_EXCLUSIVE, LOCK_NONE, &p->m.td);
	gpa_t page = gpa_level_gpa(in->at.v);
	void *unused;

	if (!tdx_is_success(s))
		return s;
	if (!sept_operand_valid(in->at, TDX_LEVEL_4K, TDX_LEVEL_4K) ||
	    !td_gpa_valid(p->m.td.tdcs, page, true))
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
	p->m.ref.level = TDX_LEVEL_4K;
	if (!sept_walk(tx, p->m.td.tdcs, page, &p->m.ref))
		return mem_refuse(tx, &p->m, TDX_EPT_WALK_FAILED, &out->shown);
	if (!sept_allows(tx->leaf, p->m.ref.value))
		return mem_refuse(tx, &p->m, TDX_EPT_ENTRY_STATE_INCORRECT, &out->shown);
	/* the source when the entry has been found free, the new page last: 04-page-add.vec */
	s = tx_shared(tx, in->source, TDX_PAGE_SIZE, TDX_OPERAND_ID_R9, &unused);
	if (!tdx_is_success(s))
		return s;
	p->source = in->source;
	return tx_free_page(tx, in->page, TDX_OPERAND_ID_R8, TDX_LEVEL_4K, &p->page);
}

/* Cannot fail: the TD is still, the entry free, the page the caller's. What the host did to the
 * source page or to the entry ends the module, not the call. */
static void commit(struct tx *tx, struct plan *p)
{
	void *target = machine_ptr(tx->m, p->page.pa.v);
	uint64_t page = mem_private(tx, &p->m.td, p->page.pa);

	/* nobody can have it: the TDR is held exclusive */
	if (__atomic_load_n(p->m.ref.entry, __ATOMIC_RELAXED) & SEPT_LOCK) {
		module_fatal(tx->lp);
		return;
	}
	switch (machine_read(tx->lp->hw, p->source.v, target, TDX_PAGE_SIZE)) {
	case 0:
		break;
	case -EFAULT:
		__builtin_memset(target, 0xff, TDX_PAGE_SIZE); /* as an empty bus reads */
		break;
	default:
		module_fatal(tx->lp); /* poison */
		return;
	}
	mem_wrote(tx, &p->m.td, p->page.pa);
	__atomic_store_n(p->m.ref.entry, sept_make_leaf(TDX_SEPT_MAPPED, page, SEPT_RWX),
			 __ATOMIC_RELEASE);
	tdcs_mrtd_page_add(p->m.td.tdcs, p->m.ref.gpa);
	mem_give_fresh(tx, &p->m.td, &p->page, TDX_PT_REG);
}

struct tdx_status leaf_tdh_mem_page_add(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_mem_page_add_in in = tdh_mem_page_add_take(regs);
	struct tdh_mem_page_add_out out = tdh_mem_page_add_failed(regs);
	struct plan plan;
	struct tdx_status s = decode(tx, &in, &plan, &out);

	if (tdx_is_success(s))
		commit(tx, &plan);
	tdh_mem_page_add_give(regs, &out);
	return s;
}
