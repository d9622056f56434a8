/* SPDX-License-Identifier: MIT */
/* TDH.SYS.RDALL: read all fields of the module into a page of the host. Locks: none. States: any,
 * once this processor is initialised. In: RDX the page, R8 the first field wanted, MD_ID_NONE for
 * all. Out: R8 the first field that did not fit. */
#include "module/leaves.h"
#include "module/metadata.h"
#include "module/page.h"

struct tdx_status leaf_tdh_sys_rdall(struct tx *tx, struct tdx_regs *regs)
{
	const struct md md = md_of_system(tx);
	const uint64_t id = regs->r8, pa = regs->rdx;
	uint64_t nowhere[TDX_PAGE_SIZE / sizeof(uint64_t)];
	void *page;
	struct tdx_status s;

	regs->r8 = MD_ID_NONE;
	if (!tx->lp->initialized)
		return tdx_error(TDX_SYS_LP_INIT_NOT_DONE);
	s = tx_shared(tx, hpa(pa), TDX_PAGE_SIZE, TDX_OPERAND_ID_RDX, &page);
	if (!tdx_is_success(s))
		return s;
	if (page)
		machine_wrote(tx->lp->hw, machine_strip(tx->m, pa), machine_hkid_of(tx->m, pa));
	return md_rdall(&md, id, page ? page : nowhere, &regs->r8);
}
