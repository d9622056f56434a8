/* SPDX-License-Identifier: MIT */
/* TDH.SYS.RDALL: read all fields of the module into a page of the host. Locks: none. States: any,
 * once this processor is initialised. In: RDX the page, R8 the first field wanted, MD_ID_NONE for
 * all. Out: R8 the first field that did not fit. */
#include "module/leaves.h"
#include "module/metadata.h"
#include "module/page.h"

static struct tdx_status read_all(struct tx *tx, const struct tdh_sys_rdall_in *in,
				  struct tdh_sys_rdall_out *out)
{
	const struct md md = md_of_system(tx);
	uint64_t nowhere[TDX_PAGE_SIZE / sizeof(uint64_t)];
	struct tdx_status s;
	void *page;

	if (!tx->lp->initialized)
		return tdx_error(TDX_SYS_LP_INIT_NOT_DONE);
	s = tx_shared(tx, in->buffer, TDX_PAGE_SIZE, TDX_OPERAND_ID_RDX, &page);
	if (!tdx_is_success(s))
		return s;
	if (page)
		machine_wrote(tx->lp->hw, machine_strip(tx->m, in->buffer.v),
			      machine_hkid_of(tx->m, in->buffer.v));
	return md_dump(&md, in->field, page ? page : nowhere, &out->next_field);
}

struct tdx_status leaf_tdh_sys_rdall(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_sys_rdall_in in = tdh_sys_rdall_take(regs);
	struct tdh_sys_rdall_out out = tdh_sys_rdall_failed(regs);
	struct tdx_status s = read_all(tx, &in, &out);

	tdh_sys_rdall_give(regs, &out);
	return s;
}
