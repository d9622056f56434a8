/* SPDX-License-Identifier: MIT */
/* TDH.VP.RD: read a field of a vCPU, which is associated with this processor by that, even when it
 * is disabled. Locks: TDVPR shared, TDR shared, OP_STATE shared. In: RCX TDVPR, RDX field. Out: R8
 * the value; version 1: RDX the next field, and MD_ID_NONE asks for the first. */
#include "module/leaves.h"
#include "module/metadata_vcpu.h"

struct tdx_status leaf_tdh_vp_rd(struct tx *tx, struct tdx_regs *regs)
{
	const unsigned version = tdx_rax_version(regs->rax);
	const uint64_t id = regs->rdx;
	struct tdx_status s;
	struct md md;

	if (version)
		regs->rdx = MD_ID_NONE;
	regs->r8 = 0;
	if (version > 1)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RAX);
	s = md_take_vcpu(tx, regs->rcx, false, &md);
	if (!tdx_is_success(s))
		return s;
	return md_rd(&md, id, &regs->r8, version ? &regs->rdx : NULL);
}
