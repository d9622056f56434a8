/* SPDX-License-Identifier: MIT */
/* TDH.PHYMEM.PAGE.RDMD: what the PAMT says of a page.
 * Locks: the page's PAMT path, shared. With dynamic PAMT a level may be asked for. */
#include "module/leaves.h"
#include "module/page.h"

#define RDMD_LEVEL    0x7ull
#define RDMD_HPA      0x000ffffffffff000ull
#define RDMD_NON_LEAF (1ull << 63)

static struct tdx_status decode(struct tx *tx, uint64_t page, struct pamt_ref *ref)
{
	struct tdx_status invalid = tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
	enum tdx_level level = (enum tdx_level)(page & RDMD_LEVEL);
	hpa_t pa = hpa(page & RDMD_HPA);

	if (page & ~(RDMD_LEVEL | RDMD_HPA))
		return invalid;
	if (level > (tx->mod->dynamic_pamt ? TDX_LEVEL_1G : TDX_LEVEL_4K))
		return invalid;
	if (!tx_hpa_valid(tx, pa, tdx_level_size(level)))
		return invalid;
	return tx_pamt_walk(tx, pa, TDX_OPERAND_ID_RCX, LOCK_SHARED, level, ref);
}

static void describe(const struct tx *tx, uint64_t page, const struct pamt_ref *ref,
		     struct tdh_phymem_page_rdmd_out *out)
{
	enum tdx_page_type type = tdx_page_type(ref->entry->type);

	if (tx->mod->dynamic_pamt && type == TDX_PT_NDA && (page & RDMD_LEVEL) == TDX_LEVEL_4K &&
	    pamt_bitmap_get(tx->mod, ref->pa.v)) {
		/* not in use for a TD, but the PAMT itself lives in it */
		out->type = TDX_PT_PAMT;
		out->size = TDX_LEVEL_4K;
		return;
	}
	out->type = ref->entry->type & 0xf;
	out->size = ref->level;
	if (type == TDX_PT_PAMT) {
		out->type |= RDMD_NON_LEAF;
		out->pamt_page0 = pamt_node_page0(ref->entry).v;
		out->pamt_page1 = pamt_node_page1(ref->entry).v;
	} else {
		out->owner = pamt_owner(ref->entry).v;
	}
	if (type == TDX_PT_REG || type == TDX_PT_EPT) /* what RANGE.BLOCK left there */
		out->bepoch = __atomic_load_n(&ref->entry->bepoch, __ATOMIC_RELAXED);
}

struct tdx_status leaf_tdh_phymem_page_rdmd(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_phymem_page_rdmd_in in = tdh_phymem_page_rdmd_take(regs);
	struct tdh_phymem_page_rdmd_out out = tdh_phymem_page_rdmd_failed(regs);
	struct pamt_ref ref;
	struct tdx_status s = decode(tx, in.page, &ref);

	if (tdx_is_success(s))
		describe(tx, in.page, &ref, &out);
	tdh_phymem_page_rdmd_give(regs, &out);
	return s;
}
