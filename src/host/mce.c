/* SPDX-License-Identifier: MIT */
/* Whose page is this? For a machine-check handler: on a processor with the partial-write erratum
 * the host's own bug, a write to private memory, is what a later read of the TD dies of. */
#include "host/call.h"
#include "host/internal.h"

bool tdx_host_is_pamt(const struct tdx_host *host, tdx_hpa_t pa)
{
	const struct host_state *h = host_of_const(host);

	for (unsigned i = 0; i < h->npamts; i++)
		if (pa.v - h->tdmr[i].pamt.v < host_pamt_size(&h->tdmr[i]))
			return true;
	return false;
}

bool tdx_host_page_is_private(const struct tdx_host *host, const struct tdx_cpu *cpu, tdx_hpa_t pa)
{
	struct tdx_page_metadata md;

	if (tdx_is_error(tdh_phymem_page_rdmd(cpu, hpa(pa.v & ~(TDX_PAGE_SIZE - 1)), &md)))
		return false; /* no memory of a TDMR, or no module that could have it */
	switch (md.type) {
	case TDX_PT_NDA:
		return false;
	case TDX_PT_RSVD: /* PAMTs are in reserved areas, and so are holes */
		return tdx_host_is_pamt(host, pa);
	default:
		return true;
	}
}
