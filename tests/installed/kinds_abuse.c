/* SPDX-License-Identifier: MIT */
/* A guest's address is none of the host's. With ABUSE one is given for the other, which must not
 * compile. */
#include <swtdx/host.h>

struct tdx_status give(const struct tdx_cpu *cpu, const struct tdx_td *td, tdx_gpa_t gpa,
		       tdx_hpa_t page);

struct tdx_status give(const struct tdx_cpu *cpu, const struct tdx_td *td, tdx_gpa_t gpa,
		       tdx_hpa_t page)
{
#ifdef ABUSE
	return tdh_mem_page_aug(cpu, td, page, TDX_LEVEL_4K, gpa, NULL);
#else
	return tdh_mem_page_aug(cpu, td, gpa, TDX_LEVEL_4K, page, NULL);
#endif
}
