/* SPDX-License-Identifier: MIT */
/* TDG.SERVTD.WR: a service TD writes a field of the TD it is bound to.
 *
 * Locks, the guest's way: the target's TDR, OP_STATE and bindings shared, the caller's RTMRs
 * shared. State of the target: as the leaf table says. */
#include "module/leaves.h"
#include "module/servtd.h"

struct tdx_status leaf_tdg_servtd_wr(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdg_servtd_wr_in in = tdg_servtd_wr_take(regs);
	struct tdg_servtd_wr_out out = tdg_servtd_wr_failed(regs);
	uint64_t uuid[4] = {in.uuid0, in.uuid1, in.uuid2, in.uuid3};
	struct md md;
	struct tdx_status s = servtd_reach(tx, in.handle, uuid, &md);

	if (tdx_is_success(s))
		s = md_wr(&md, in.field, in.value, in.mask, &out.old_value);
	out.uuid0 = uuid[0];
	out.uuid1 = uuid[1];
	out.uuid2 = uuid[2];
	out.uuid3 = uuid[3];
	tdg_servtd_wr_give(regs, &out); /* before a cross-TD trap too */
	return s;
}
