/* SPDX-License-Identifier: MIT */
/* TDH.MNG.RD: read a field of a TD. Locks: TDR shared, OP_STATE shared. In: RCX TDR, RDX field.
 * Out: R8 the value; version 1: RDX the next field, and MD_ID_NONE asks for the first. */
#include "module/leaves.h"
#include "module/metadata.h"

static struct tdx_status decode(struct tx *tx, uint64_t tdr, unsigned version, struct td *td)
{
	struct tdx_status s;

	if (version > 1)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RAX);
	s = tx_tdr(tx, hpa(tdr), TDX_OPERAND_ID_RCX, LOCK_SHARED, td);
	if (!tdx_is_success(s))
		return s;
	return tx_tdcs(tx, td, LOCK_SHARED);
}

struct tdx_status leaf_tdh_mng_rd(struct tx *tx, struct tdx_regs *regs)
{
	const unsigned version = tdx_rax_version(regs->rax);
	const uint64_t id = regs->rdx;
	struct tdx_status s;
	struct td td;
	struct md md;

	if (version)
		regs->rdx = MD_ID_NONE;
	regs->r8 = 0;
	s = decode(tx, regs->rcx, version, &td);
	if (!tdx_is_success(s))
		return s;
	md = md_of_td(tx, &td, NULL);
	return md_rd(&md, id, &regs->r8, version ? &regs->rdx : NULL);
}
