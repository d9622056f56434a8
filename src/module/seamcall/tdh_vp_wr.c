/* SPDX-License-Identifier: MIT */
/* TDH.VP.WR: write a field of a vCPU, which is associated with this processor by that. Locks: TDVPR
 * shared, TDR shared, OP_STATE shared. In: RCX TDVPR, RDX field, R8 value, R9 the bits to write.
 * Out: R8 the value before. */
#include "module/leaves.h"
#include "module/metadata_vcpu.h"

struct tdx_status leaf_tdh_vp_wr(struct tx *tx, struct tdx_regs *regs)
{
	const uint64_t value = regs->r8;
	struct tdx_status s;
	struct md md;

	regs->r8 = 0;
	s = md_take_vcpu(tx, regs->rcx, true, &md);
	if (!tdx_is_success(s))
		return s;
	return md_wr(&md, regs->rdx, value, regs->r9, &regs->r8);
}
