/* SPDX-License-Identifier: MIT */
/* TDH.MR.EXTEND: measure 256 bytes of a page added to a TD.
 *
 * Locks: TDR exclusive. */
#include "module/leaves.h"
#include "module/measurement.h"
#include "module/seamcall/mem.h"

static struct tdx_status decode(struct tx *tx, const struct mem_in *in, struct tdx_regs *regs,
				struct mem *m)
{
	struct tdx_status s = tx_tdr(tx, hpa(in->rdx), TDX_OPERAND_ID_RDX, LOCK_EXCLUSIVE, &m->td);

	if (!tdx_is_success(s))
		return s;
	s = tx_tdcs(tx, &m->td, LOCK_NONE);
	if (!tdx_is_success(s))
		return s;
	if (in->rcx % MRTD_CHUNK)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
	s = sept_walk_to_leaf(tx, m->td.tdcs, gpa(in->rcx), TDX_OPERAND_ID_RCX, &m->ref);
	if (tdx_is(s, TDX_EPT_WALK_FAILED))
		return mem_refuse(tx, m, TDX_EPT_ENTRY_NOT_PRESENT, regs);
	if (tdx_is_success(s) && !sept_allows(tx->leaf, m->ref.value))
		return tdx_error(TDX_EPT_ENTRY_NOT_PRESENT);
	return s;
}

struct tdx_status leaf_tdh_mr_extend(struct tx *tx, struct tdx_regs *regs)
{
	struct mem_in in = mem_take(regs);
	struct mem m;
	struct tdx_status s = decode(tx, &in, regs, &m);

	if (tdx_is_success(s)) {
		hpa_t chunk = sept_leaf_pa(tx, &m.ref);

		if (mem_readable(tx, &m.td, chunk))
			tdcs_mrtd_extend(m.td.tdcs, m.ref.gpa, machine_ptr(tx->m, chunk.v));
	}
	return s;
}
