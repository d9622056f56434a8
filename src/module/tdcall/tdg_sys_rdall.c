/* SPDX-License-Identifier: MIT */
/* TDG.SYS.RDALL: read all fields of the module that TDs may see into a page of the TD. Locks: none.
 * In: RDX a private page, R8 the first field wanted, MD_ID_NONE for all. Out: R8 the first field
 * that did not fit. */
#include "module/guest_memory.h"
#include "module/leaves.h"
#include "module/metadata.h"

static struct tdx_status read_all(struct tx *tx, const struct tdg_sys_rdall_in *in,
				  struct tdg_sys_rdall_out *out)
{
	const struct md md = md_of_system(tx);
	struct tdx_status s;
	void *page;

	if (in->buffer.v % TDX_PAGE_SIZE)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RDX);
	page = guest_memory(tx, in->buffer, true, TDX_OPERAND_ID_RDX, &s);
	return page ? md_dump(&md, in->field, page, &out->next_field) : s;
}

/* R8 is given even when the page is not there: the guest that repeats the call asks for all. */
struct tdx_status leaf_tdg_sys_rdall(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdg_sys_rdall_in in = tdg_sys_rdall_take(regs);
	struct tdg_sys_rdall_out out = tdg_sys_rdall_failed(regs);
	struct tdx_status s = read_all(tx, &in, &out);

	tdg_sys_rdall_give(regs, &out);
	return s;
}
