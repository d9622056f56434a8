/* SPDX-License-Identifier: MIT */
/* TDG.VM.RD: read a field of the calling TD. Locks: none. In: RCX 0 (this TD), RDX field. Out: R8
 * the value; version 1: RDX the next field, and MD_ID_NONE asks for the first. */
#include "module/leaves.h"
#include "module/metadata.h"

struct tdx_status leaf_tdg_vm_rd(struct tx *tx, struct tdx_regs *regs)
{
	const struct md md = md_of_guest(tx, MD_CTX_TD);
	const unsigned version = tdx_rax_version(regs->rax);
	const uint64_t id = regs->rdx;

	if (version)
		regs->rdx = MD_ID_NONE;
	regs->r8 = 0;
	if (version > 1)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RAX);
	if (regs->rcx)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
	return md_rd(&md, id, &regs->r8, version ? &regs->rdx : NULL);
}
