/* SPDX-License-Identifier: MIT */
/* TDG.VP.RD: read a field of the calling vCPU. Locks: none. In: RCX 0 (this vCPU), RDX field,
 * MD_ID_NONE for the first. Out: RDX the next field, R8 the value. */
#include "module/leaves.h"
#include "module/metadata.h"

struct tdx_status leaf_tdg_vp_rd(struct tx *tx, struct tdx_regs *regs)
{
	const struct md md = md_of_guest(tx, MD_CTX_VP);
	const uint64_t id = regs->rdx;

	regs->rdx = MD_ID_NONE;
	regs->r8 = 0;
	if (regs->rcx)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
	return md_rd(&md, id, &regs->r8, &regs->rdx);
}
