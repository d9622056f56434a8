/* SPDX-License-Identifier: MIT */
/* TDH.PHYMEM.PAMT.ADD: give a free 2M range the pair of pages its 512 4K entries live in.
 * Locks: the range's 2M entry, exclusive; the pages' PAMT paths, shared. Dynamic PAMT only.
 *
 * The pages may lie in the very range; otherwise they must have entries of their own already. */
#include <string.h>
#include "abi/operand.h"
#include "module/leaves.h"
#include "module/page.h"

struct plan {
	struct pamt_ref range;
	hpa_t page[2];
};

static const enum tdx_operand page_op[2] = {TDX_OPERAND_ID_RDX, TDX_OPERAND_ID_R8};

static bool same_2m(hpa_t a, hpa_t b)
{
	return a.v >> 21 == b.v >> 21;
}

static struct tdx_status check_range(struct tx *tx, hpa_t range, struct pamt_ref *ref)
{
	struct tdx_status s =
		tx_pamt_walk(tx, range, TDX_OPERAND_ID_RCX, LOCK_EXCLUSIVE, TDX_LEVEL_2M, ref);

	if (!tdx_is_success(s))
		return s;
	if (ref->level != TDX_LEVEL_2M || ref->entry->type != TDX_PT_NDA)
		return tdx_error_op(TDX_HPA_RANGE_NOT_FREE, TDX_OPERAND_ID_RCX);
	return s;
}

static struct tdx_status check_page(struct tx *tx, hpa_t page, enum tdx_operand op)
{
	struct pamt_ref ref;
	struct tdx_status s = tx_pamt_walk(tx, page, op, LOCK_SHARED, TDX_LEVEL_4K, &ref);

	if (!tdx_is_success(s))
		return s;
	return ref.entry->type == TDX_PT_NDA ? s : tdx_error_op(TDX_PAGE_NOT_FREE, op);
}

static struct tdx_status decode(struct tx *tx, const struct tdh_phymem_pamt_add_in *in,
				struct plan *plan)
{
	struct module *mod = tx->mod;
	hpa_t range = hpa(in->range.v & ~(TDX_PAGE_SIZE - 1));
	struct tdx_status s;

	if (!mod->dynamic_pamt)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RAX);
	if (gpa_level_level(in->range.v) != TDX_LEVEL_2M || !gpa_level_valid(in->range.v) ||
	    range.v & mod->hkid_mask)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
	plan->page[0] = in->page0;
	plan->page[1] = in->page1;
	for (unsigned i = 0; i < 2; i++) {
		if (!tx_hpa_valid(tx, plan->page[i], TDX_PAGE_SIZE))
			return tdx_error_op(TDX_OPERAND_INVALID, page_op[i]);
		if (!pamt_1g(mod, plan->page[i].v))
			return tdx_error_op(TDX_OPERAND_ADDR_RANGE_ERROR, page_op[i]);
	}
	s = check_range(tx, range, &plan->range);
	if (!tdx_is_success(s))
		return s;
	for (unsigned i = 0; i < 2; i++) {
		if (same_2m(plan->page[i], range))
			continue;
		s = check_page(tx, plan->page[i], page_op[i]);
		if (!tdx_is_success(s))
			return s;
	}
	/* the bitmap decides between two such calls */
	if (!pamt_bitmap_set(mod, plan->page[0].v))
		return tdx_error_op(TDX_PAGE_NOT_FREE, TDX_OPERAND_ID_RDX);
	if (!pamt_bitmap_set(mod, plan->page[1].v)) {
		pamt_bitmap_clear(mod, plan->page[0].v);
		return tdx_error_op(TDX_PAGE_NOT_FREE, TDX_OPERAND_ID_R8);
	}
	return s;
}

/* Cannot fail: the range is locked and free, the pages are the caller's by their bits. */
static void commit(struct tx *tx, const struct plan *plan)
{
	for (unsigned i = 0; i < 2; i++) {
		memset(machine_ptr(tx->m, plan->page[i].v), 0, TDX_PAGE_SIZE);
		machine_wrote(tx->lp->hw, plan->page[i].v, tx->mod->hkid);
	}
	pamt_set_node(plan->range.entry, plan->page[0], plan->page[1]);
}

struct tdx_status leaf_tdh_phymem_pamt_add(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_phymem_pamt_add_in in = tdh_phymem_pamt_add_take(regs);
	struct plan plan;
	struct tdx_status s = decode(tx, &in, &plan);

	if (tdx_is_success(s))
		commit(tx, &plan);
	return s;
}
