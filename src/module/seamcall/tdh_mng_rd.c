/* SPDX-License-Identifier: MIT */
/* TDH.MNG.RD: read a field of a TD; version 1 also gives the next field, and MD_ID_NONE asks for
 * the first. Locks: TDR shared, OP_STATE shared. */
#include "module/leaves.h"
#include "module/metadata.h"
#include "module/td.h"

static struct tdx_status decode(struct tx *tx, const struct tdh_mng_rd_in *in, struct td *td)
{
	return tx_td(tx, in->tdr, TDX_OPERAND_ID_RCX, LOCK_SHARED, LOCK_SHARED, td);
}

struct tdx_status leaf_tdh_mng_rd(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_mng_rd_in in = tdh_mng_rd_take(regs);
	struct tdh_mng_rd_out out = tdh_mng_rd_failed(regs);
	struct td td;
	struct tdx_status s = decode(tx, &in, &td);

	if (tdx_is_success(s)) {
		struct md md = md_of_td(tx, &td, NULL);

		s = md_rd(&md, in.field, &out.value, in.version ? &out.next_field : NULL);
	}
	tdh_mng_rd_give(regs, &out);
	return s;
}
