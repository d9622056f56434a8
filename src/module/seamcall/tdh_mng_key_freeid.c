/* SPDX-License-Identifier: MIT */
/* TDH.MNG.KEY.FREEID: every package has written its caches back, the KeyID is free for another TD;
 * of this one only pages to reclaim are left.
 *
 * Locks: TDR exclusive, KOT exclusive. State: blocked. */
#include "module/kot.h"
#include "module/leaves.h"
#include "module/td.h"

static struct tdx_status decode(struct tx *tx, const struct tdh_mng_key_freeid_in *in,
				struct td *td)
{
	struct tdx_status s = tx_tdr(tx, in->tdr, TDX_OPERAND_ID_RCX, LOCK_EXCLUSIVE, td);

	if (!tdx_is_success(s))
		return s;
	if (td->tdr->lifecycle_state != TDX_LIFECYCLE_BLOCKED)
		return tdx_error(TDX_LIFECYCLE_STATE_INCORRECT);
	s = kot_lock(tx, LOCK_EXCLUSIVE);
	if (!tdx_is_success(s))
		return s;
	if (!kot_written_back(tx->mod, td->tdr->hkid))
		return tdx_error(TDX_WBCACHE_NOT_COMPLETE);
	return tdx_success();
}

struct tdx_status leaf_tdh_mng_key_freeid(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_mng_key_freeid_in in = tdh_mng_key_freeid_take(regs);
	struct td td;
	struct tdx_status s = decode(tx, &in, &td);

	/* from here on nothing can fail: the TD and the table of KeyIDs are the caller's alone */
	if (tdx_is_success(s)) {
		kot_free(tx->mod, td.tdr->hkid);
		td.tdr->lifecycle_state = TDX_LIFECYCLE_TEARDOWN;
	}
	return s;
}
