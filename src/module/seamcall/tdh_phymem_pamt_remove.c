/* SPDX-License-Identifier: MIT */
/* TDH.PHYMEM.PAMT.REMOVE: take back the pair of PAMT pages of a 2M range none of whose pages is in
 * use. Locks: the range's 2M entry, exclusive. Dynamic PAMT only. */
#include "abi/operand.h"
#include "module/leaves.h"
#include "module/page.h"

/* Of the first word of an entry. */
#define TYPE_MASK (0x1full << 16)
#define LOCKED	  (0xffffull & ~(uint64_t)HP_PRIORITY)

enum { ENTRIES_PER_PAGE = TDX_PAGE_SIZE / sizeof(struct pamt_entry) };

/* Free, and nobody on the way out of it: a call that frees a page it got from the S-EPT has only
 * that page's lock, still counts it in the node and writes the lock once more. */
static bool unused(const struct pamt_entry *e)
{
	uint64_t w = __atomic_load_n((const uint64_t *)e, __ATOMIC_ACQUIRE);

	return !(w & (TYPE_MASK | LOCKED));
}

static bool all_free(const struct tx *tx, hpa_t page)
{
	const struct pamt_entry *e = machine_ptr(tx->m, page.v);

	for (unsigned i = 0; i < ENTRIES_PER_PAGE; i++)
		if (!unused(&e[i]))
			return false;
	return true;
}

static struct tdx_status decode(struct tx *tx, gpa_level_t at, struct pamt_ref *ref, hpa_t page[2])
{
	hpa_t range = hpa(at.v & ~(TDX_PAGE_SIZE - 1));
	struct tdx_status s;

	if (!tx->mod->dynamic_pamt)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RAX);
	if (gpa_level_level(at.v) != TDX_LEVEL_2M || !gpa_level_valid(at.v) ||
	    range.v & tx->mod->hkid_mask)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
	s = tx_pamt_walk(tx, range, TDX_OPERAND_ID_RCX, LOCK_EXCLUSIVE, TDX_LEVEL_2M, ref);
	if (!tdx_is_success(s))
		return s;
	if (ref->level != TDX_LEVEL_2M || ref->entry->type != TDX_PT_PAMT)
		return tdx_error_op(TDX_NO_PAMT_PAGE_PAIR, TDX_OPERAND_ID_RCX);
	page[0] = pamt_node_page0(ref->entry);
	page[1] = pamt_node_page1(ref->entry);
	for (unsigned i = 0; i < 2; i++)
		if (!all_free(tx, page[i]))
			return tdx_error_num(TDX_PAMT_PAGE_NOT_EMPTY, i);
	return s;
}

struct tdx_status leaf_tdh_phymem_pamt_remove(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_phymem_pamt_remove_in in = tdh_phymem_pamt_remove_take(regs);
	struct tdh_phymem_pamt_remove_out out = tdh_phymem_pamt_remove_failed(regs);
	struct pamt_ref ref;
	hpa_t page[2];
	struct tdx_status s = decode(tx, in.range, &ref, page);

	if (!tdx_is_success(s))
		return s;
	/* from here on nothing can fail: the range is locked, and its entries are all free */
	for (unsigned i = 0; i < 2; i++)
		pamt_bitmap_clear(tx->mod, page[i].v);
	__atomic_store_n(&ref.entry->type, TDX_PT_NDA, __ATOMIC_RELAXED);
	out.pamt_page0 = page[0].v;
	out.pamt_page1 = page[1].v;
	tdh_phymem_pamt_remove_give(regs, &out);
	return s;
}
