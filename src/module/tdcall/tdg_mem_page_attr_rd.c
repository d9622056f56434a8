/* SPDX-License-Identifier: MIT */
/* TDG.MEM.PAGE.ATTR.RD: how a page is mapped, and what the L2 VMs may do with it.
 *
 * Locks: the entry (guest), at whatever level the walk ends. An entry that is no usable page is an
 * EPT violation without details to the host. */
#include "arch/vmx.h"
#include "module/leaves.h"
#include "module/tdcall/page_attr.h"
#include "module/transition.h"

static struct tdx_status decode(struct tx *tx, gpa_t page, struct sept_ref *ref)
{
	if (!td_gpa_valid(tx->lp->tdcs, page, true))
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
	ref->level = TDX_LEVEL_4K;
	sept_walk(tx, tx->lp->tdcs, page, ref);
	return tx_sept_lock(tx, ref);
}

static bool read_aliases(const struct tx *tx, const struct sept_ref *ref, uint64_t *attributes)
{
	const struct lp *lp = tx->lp;

	*attributes = 0;
	for (unsigned vm = 1; vm <= lp->tdcs->num_l2_vms; vm++) {
		const uint64_t *alias;

		if (!l2_aliased(ref->value, vm))
			continue;
		alias = l2_alias(tx, lp->tdr, lp->tdcs, vm, ref, true);
		if (!alias)
			return false;
		*attributes =
			with_vm_attr(*attributes, vm,
				     l2_sept_attr(*alias, sept_has(ref->value, SEPT_IS_BLOCKEDW),
						  sept_has(ref->value, SEPT_IS_PENDING)));
	}
	return true;
}

struct tdx_status leaf_tdg_mem_page_attr_rd(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdg_mem_page_attr_rd_in in = tdg_mem_page_attr_rd_take(regs);
	struct tdg_mem_page_attr_rd_out out = tdg_mem_page_attr_rd_failed(regs);
	struct sept_ref ref;
	struct tdx_status s = decode(tx, in.page, &ref);

	if (tdx_is_success(s) && !sept_allows(tx->leaf, ref.value)) {
		td_exit_ept_violation(tx->lp, in.page, VMX_EXIT_EPT_VIOLATION, 0, 0);
		return s;
	}
	if (tdx_is_success(s)) {
		if (!read_aliases(tx, &ref, &out.attributes))
			return s;
		out.mapping = page_attr_mapping(&ref);
	}
	tdg_mem_page_attr_rd_give(regs, &out);
	return s;
}
