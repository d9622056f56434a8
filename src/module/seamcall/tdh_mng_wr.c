/* SPDX-License-Identifier: MIT */
/* TDH.MNG.WR: write a field of a TD. Locks: TDR shared, OP_STATE shared. In: RCX TDR, RDX field, R8
 * value, R9 the bits to write. Out: R8 the value before. */
#include "module/leaves.h"
#include "module/metadata.h"

static struct tdx_status decode(struct tx *tx, uint64_t tdr, struct td *td)
{
	struct tdx_status s = tx_tdr(tx, hpa(tdr), TDX_OPERAND_ID_RCX, LOCK_SHARED, td);

	if (!tdx_is_success(s))
		return s;
	return tx_tdcs(tx, td, LOCK_SHARED);
}

struct tdx_status leaf_tdh_mng_wr(struct tx *tx, struct tdx_regs *regs)
{
	const uint64_t value = regs->r8;
	struct tdx_status s;
	struct td td;
	struct md md;

	regs->r8 = 0;
	s = decode(tx, regs->rcx, &td);
	if (!tdx_is_success(s))
		return s;
	md = md_of_td(tx, &td, NULL);
	return md_wr(&md, regs->rdx, value, regs->r9, &regs->r8);
}
