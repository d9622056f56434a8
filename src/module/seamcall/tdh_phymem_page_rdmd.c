/* SPDX-License-Identifier: MIT */
/* TDH.PHYMEM.PAGE.RDMD: what the PAMT says of a page.
 * Locks: the page's PAMT path, shared. With dynamic PAMT a level may be asked for. */
#include "module/leaves.h"
#include "module/page.h"

#define RDMD_LEVEL    0x7ull
#define RDMD_HPA      0x000ffffffffff000ull
#define RDMD_NON_LEAF (1ull << 63)

static struct tdx_status decode(struct tx *tx, uint64_t rcx, struct pamt_ref *ref)
{
	struct tdx_status invalid = tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
	enum tdx_level level = (enum tdx_level)(rcx & RDMD_LEVEL);
	hpa_t pa = hpa(rcx & RDMD_HPA);

	if (rcx & ~(RDMD_LEVEL | RDMD_HPA))
		return invalid;
	if (level > (tx->mod->dynamic_pamt ? TDX_LEVEL_1G : TDX_LEVEL_4K))
		return invalid;
	if (!tx_hpa_valid(tx, pa, tdx_level_size(level)))
		return invalid;
	return tx_pamt_walk(tx, pa, TDX_OPERAND_ID_RCX, LOCK_SHARED, level, ref);
}

struct tdx_status leaf_tdh_phymem_page_rdmd(struct tx *tx, struct tdx_regs *regs)
{
	uint64_t rcx = regs->rcx;
	enum tdx_page_type type;
	struct tdx_status s;
	struct pamt_ref ref;

	regs->rcx = regs->rdx = regs->r8 = regs->r9 = regs->r10 = regs->r11 = 0;
	s = decode(tx, rcx, &ref);
	if (!tdx_is_success(s))
		return s;
	type = tdx_page_type(ref.entry->type);
	if (tx->mod->dynamic_pamt && type == TDX_PT_NDA && (rcx & RDMD_LEVEL) == TDX_LEVEL_4K &&
	    pamt_bitmap_get(tx->mod, ref.pa.v)) {
		/* not in use for a TD, but the PAMT itself lives in it */
		regs->rcx = TDX_PT_PAMT;
		regs->r8 = TDX_LEVEL_4K;
		return s;
	}
	regs->rcx = ref.entry->type & 0xf;
	regs->r8 = ref.level;
	if (type == TDX_PT_PAMT) {
		regs->rcx |= RDMD_NON_LEAF;
		regs->r10 = pamt_node_page0(ref.entry).v;
		regs->r11 = pamt_node_page1(ref.entry).v;
	} else {
		regs->rdx = pamt_owner(ref.entry).v;
	}
	if (type == TDX_PT_REG || type == TDX_PT_EPT)
		regs->r9 = __atomic_load_n(&ref.entry->bepoch, __ATOMIC_RELAXED); /* RANGE.BLOCK */
	return s;
}
