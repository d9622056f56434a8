/* SPDX-License-Identifier: MIT */
/* TDH.MEM.SEPT.RD: show an entry of the Secure EPT.
 *
 * Locks: TDR shared, OP_STATE shared, tree shared, the entry (host): a mere read can make a guest's
 * TDCALL on the page fail. RDX bit 0 asks for the L2 attributes of the page as well, in R8, which
 * only a TD under debug gives. */
#include <swtdx/structs.h>

#include "module/leaves.h"
#include "module/seamcall/mem.h"

/* RDX beside the TDR's address. */
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

static struct tdx_status decode(struct tx *tx, const struct tdh_mem_sept_rd_in *in, struct mem *m,
				struct tdh_mem_sept_rd_out *out)
{
	static const struct mem_reach reach = {TDX_LEVEL_4K, MEM_TO_ROOT, LOCK_SHARED};
	struct tdx_status s = mem_td(tx, hpa(in->tdr & ~READ_L2_ATTRIBUTES), &m->td);

	if (!tdx_is_success(s))
		return s;
	if ((in->tdr & READ_L2_ATTRIBUTES) && !(m->td.tdcs->attributes & TDX_ATTR_DEBUG))
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RDX);
	return mem_entry(tx, in->at, &reach, m, &out->shown);
}

struct tdx_status leaf_tdh_mem_sept_rd(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_mem_sept_rd_in in = tdh_mem_sept_rd_take(regs);
	struct tdh_mem_sept_rd_out out = tdh_mem_sept_rd_failed(regs);
	struct mem m;
	struct tdx_status s = decode(tx, &in, &m, &out);

	if (tdx_is_success(s) &&
	    (!(in.tdr & READ_L2_ATTRIBUTES) || read_l2_attributes(tx, &m, &out.l2_attributes)))
		sept_show(tx, &m.ref, &out.shown);
	tdh_mem_sept_rd_give(regs, &out);
	return s;
}
