/* SPDX-License-Identifier: MIT */
/* TDH.MEM.SEPT.RD: show an entry of the Secure EPT.
 *
 * Locks: TDR shared, OP_STATE shared, tree shared, the entry (host): a mere read can make a guest's
 * TDCALL on the page fail. RDX bit 0 asks for the L2 attributes of the page as well, in R8, which
 * only a TD under debug gives. */
#include <swtdx/structs.h>

#include "module/leaves.h"
#include "module/seamcall/mem.h"

#define READ_L2_ATTRIBUTES 1ull

static bool read_l2_attributes(const struct tx *tx, const struct mem *m, uint64_t *attributes)
{
	const struct td *td = &m->td;
	uint64_t e = m->ref.value;

	*attributes = 0;
	for (unsigned vm = 1; vm <= td->tdcs->num_l2_vms; vm++) {
		const uint64_t *alias;

		if (sept_is_state(e, TDX_SEPT_FREE) || !l2_aliased(e, vm))
			continue;
		alias = l2_alias(tx, td->tdr, td->tdcs, vm, &m->ref, false);
		if (!alias)
			return false;
		*attributes |= (uint64_t)l2_sept_attr(*alias, sept_has(e, SEPT_IS_BLOCKEDW),
						      sept_has(e, SEPT_IS_PENDING))
			       << (16 * vm);
	}
	return true;
}

struct tdx_status leaf_tdh_mem_sept_rd(struct tx *tx, struct tdx_regs *regs)
{
	static const struct mem_reach reach = {TDX_LEVEL_4K, MEM_TO_ROOT, LOCK_SHARED};
	struct mem_in in = mem_take(regs);
	bool l2 = in.rdx & READ_L2_ATTRIBUTES;
	struct mem m;
	struct tdx_status s = mem_td(tx, hpa(in.rdx & ~READ_L2_ATTRIBUTES), &m.td);

	if (!tdx_is_success(s))
		return s;
	if (l2 && !(m.td.tdcs->attributes & TDX_ATTR_DEBUG))
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RDX);
	s = mem_entry(tx, in.rcx, &reach, &m, regs);
	if (!tdx_is_success(s))
		return s;
	if (!l2 || read_l2_attributes(tx, &m, &regs->r8))
		sept_error_regs(tx, &m.ref, regs);
	return s;
}
