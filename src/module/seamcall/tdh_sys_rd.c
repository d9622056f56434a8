/* SPDX-License-Identifier: MIT */
/* TDH.SYS.RD: read a field of the module. Locks: none. States: any, once this processor is
 * initialised. In: RDX field, MD_ID_NONE for the first. Out: RDX the next field, R8 the value. */
#include "module/leaves.h"
#include "module/metadata.h"

struct tdx_status leaf_tdh_sys_rd(struct tx *tx, struct tdx_regs *regs)
{
	const struct md md = md_of_system(tx);
	const uint64_t id = regs->rdx;

	regs->rdx = MD_ID_NONE;
	regs->r8 = 0;
	if (!tx->lp->initialized)
		return tdx_error(TDX_SYS_LP_INIT_NOT_DONE);
	return md_rd(&md, id, &regs->r8, &regs->rdx);
}
