/* SPDX-License-Identifier: MIT */
/* TDG.VP.WR: write a field of the calling vCPU. Locks: none. In: RCX 0 (this vCPU), RDX field, R8
 * value, R9 the bits to write. Out: R8 the value before. */
#include "module/leaves.h"
#include "module/metadata.h"

struct tdx_status leaf_tdg_vp_wr(struct tx *tx, struct tdx_regs *regs)
{
	const struct md md = md_of_guest(tx, MD_CTX_VP);
	const uint64_t value = regs->r8;

	regs->r8 = 0;
	if (regs->rcx)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
	return md_wr(&md, regs->rdx, value, regs->r9, &regs->r8);
}
