/* SPDX-License-Identifier: MIT */
/* TDG.SYS.RDALL: read all fields of the module that TDs may see into a page of the TD. Locks: none.
 * In: RDX a private page, R8 the first field wanted, MD_ID_NONE for all. Out: R8 the first field
 * that did not fit. */
#include "module/guest_memory.h"
#include "module/leaves.h"
#include "module/metadata.h"

struct tdx_status leaf_tdg_sys_rdall(struct tx *tx, struct tdx_regs *regs)
{
	const struct md md = md_of_system(tx);
	const uint64_t id = regs->r8;
	struct tdx_status s;
	void *page;

	regs->r8 = MD_ID_NONE;
	if (regs->rdx % TDX_PAGE_SIZE)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RDX);
	page = guest_memory(tx, gpa(regs->rdx), true, GPA_PRIVATE, TDX_OPERAND_ID_RDX, &s);
	if (!page)
		return s;
	return md_rdall(&md, id, page, &regs->r8);
}
