/* SPDX-License-Identifier: MIT */
/* TDH.MNG.WR: write a field of a TD; gives the value before. Locks: TDR shared, OP_STATE shared. */
#include "module/leaves.h"
#include "module/metadata.h"
#include "module/td.h"

static struct tdx_status decode(struct tx *tx, const struct tdh_mng_wr_in *in, struct td *td)
{
	return tx_td(tx, in->tdr, TDX_OPERAND_ID_RCX, LOCK_SHARED, LOCK_SHARED, td);
}

struct tdx_status leaf_tdh_mng_wr(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_mng_wr_in in = tdh_mng_wr_take(regs);
	struct tdh_mng_wr_out out = tdh_mng_wr_failed(regs);
	struct td td;
	struct tdx_status s = decode(tx, &in, &td);

	if (tdx_is_success(s)) {
		struct md md = md_of_td(tx, &td, NULL);

		s = md_wr(&md, in.field, in.value, in.mask, &out.old_value);
	}
	tdh_mng_wr_give(regs, &out);
	return s;
}
