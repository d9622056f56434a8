/* SPDX-License-Identifier: MIT */
/* TDH.MR.EXTEND: measure 256 bytes of a page added to a TD.
 *
 * Locks: TDR exclusive. */
#include "module/leaves.h"
#include "module/measurement.h"
#include "module/seamcall/mem.h"

static struct tdx_status decode(struct tx *tx, const struct tdh_mr_extend_in *in, struct mem *m,
				struct tdh_mr_extend_out *out)
{
	struct tdx_status s =
		tx_td(tx, in->tdr, TDX_OPERAND_ID_RDX, LOCK_EXCLUSIVE, LOCK_NONE, &m->td);

	if (!tdx_is_success(s))
		return s;
	/* alignment only now, when the TD has been found: Intel's tdh_mr_extend.c */
	if (in->chunk.v % MRTD_CHUNK)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
	s = sept_walk_to_leaf(tx, m->td.tdcs, in->chunk, TDX_OPERAND_ID_RCX, &m->ref);
	if (tdx_is(s, TDX_EPT_WALK_FAILED))
		return mem_refuse(tx, m, TDX_EPT_ENTRY_NOT_PRESENT, &out->shown);
	/* a page that is not mapped is told like one that is not there, without the operand:
	 * Intel's tdh_mr_extend.c */
	if (tdx_is_success(s) && !sept_allows(tx->leaf, m->ref.value))
		return tdx_error(TDX_EPT_ENTRY_NOT_PRESENT);
	return s;
}

/* Hosts mostly give neighbouring pages one after the other: the page that is added next comes into
 * the cache while this one is hashed. */
static void expect_next_page(const struct tx *tx, hpa_t chunk)
{
	const uint8_t *next = machine_ptr(tx->m, chunk.v + TDX_PAGE_SIZE);

	for (unsigned line = 0; line < MRTD_CHUNK; line += 64)
		__builtin_prefetch(next + line, 1);
}

struct tdx_status leaf_tdh_mr_extend(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_mr_extend_in in = tdh_mr_extend_take(regs);
	struct tdh_mr_extend_out out = tdh_mr_extend_failed(regs);
	struct mem m;
	struct tdx_status s = decode(tx, &in, &m, &out);

	/* Cannot fail: the TD is the caller's alone. Memory that cannot be read is a machine check.
	 */
	if (tdx_is_success(s)) {
		hpa_t chunk = sept_leaf_pa(tx, &m.ref);

		if (mem_readable(tx, &m.td, chunk)) {
			tdcs_mrtd_extend(m.td.tdcs, m.ref.gpa, machine_ptr(tx->m, chunk.v));
			expect_next_page(tx, chunk);
		}
	}
	tdh_mr_extend_give(regs, &out);
	return s;
}
