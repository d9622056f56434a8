/* SPDX-License-Identifier: MIT */
/* TDH.MEM.TRACK: start a new TLB epoch of the TD.
 *
 * Locks: TDR shared, OP_STATE shared, EPOCH exclusive.
 * There are counts of running vCPUs for two epochs only: the current one and the one before, which
 * must have run empty before its count can serve the next. */
#include "module/leaves.h"
#include "module/td.h"

static struct tdx_status decode(struct tx *tx, const struct tdh_mem_track_in *in, struct td *td)
{
	struct tdx_status s = tx_td(tx, in->tdr, TDX_OPERAND_ID_RCX, LOCK_SHARED, LOCK_SHARED, td);
	uint64_t epoch;

	if (!tdx_is_success(s))
		return s;
	s = tx_lock(tx, LOCK_EPOCH, td->pa.v, &td->tdcs->epoch_lock, LOCK_EXCLUSIVE,
		    TDX_OPERAND_ID_TD_EPOCH);
	if (!tdx_is_success(s))
		return s;
	epoch = __atomic_load_n(&td->tdcs->td_epoch, __ATOMIC_RELAXED);
	if (tdr_running(td->tdr, epoch - 1))
		return tdx_error(TDX_PREVIOUS_TLB_EPOCH_BUSY);
	return s;
}

struct tdx_status leaf_tdh_mem_track(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_mem_track_in in = tdh_mem_track_take(regs);
	struct td td;
	struct tdx_status s = decode(tx, &in, &td);

	if (tdx_is_success(s)) /* the epoch is the caller's alone: nothing can fail */
		__atomic_store_n(&td.tdcs->td_epoch, td.tdcs->td_epoch + 1, __ATOMIC_SEQ_CST);
	return s;
}
