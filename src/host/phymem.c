/* SPDX-License-Identifier: MIT */
/* TDH.PHYMEM.*: pages on their way back to the host. */
#include "host/call.h"
#include "host/internal.h"

static void metadata(const struct tdx_regs *r, struct tdx_page_metadata *out)
{
	if (out)
		*out = (struct tdx_page_metadata){
			.type = tdx_page_type(r->rcx),
			.owner = hpa(r->rdx),
			.size = (enum tdx_level)(r->r8 & 7),
			.bepoch = r->r9,
			.raw = *r,
		};
}

struct tdx_status tdh_phymem_page_rdmd(const struct tdx_cpu *cpu, hpa_t page,
				       struct tdx_page_metadata *out)
{
	struct tdx_regs r;
	struct tdx_status s = host_call3(cpu, TDH_PHYMEM_PAGE_RDMD, page.v, 0, 0, &r);

	metadata(&r, out);
	return s;
}

struct tdx_status tdh_phymem_page_reclaim(const struct tdx_cpu *cpu, hpa_t page,
					  struct tdx_page_metadata *out)
{
	struct tdx_regs r;
	struct tdx_status s = host_call3(cpu, TDH_PHYMEM_PAGE_RECLAIM, page.v, 0, 0, &r);

	metadata(&r, out);
	return s;
}

struct tdx_status tdh_phymem_cache_wb(const struct tdx_cpu *cpu, bool resume)
{
	struct tdx_regs r = {.rcx = resume};

	return host_call(cpu, TDH_PHYMEM_CACHE_WB, 0, &r);
}

/* The KeyID sits right above the bits of the physical address. */
static struct tdx_status wbinvd(const struct tdx_host *host, const struct tdx_cpu *cpu, hpa_t page,
				hkid_t k)
{
	uint64_t rcx = page.v | (uint64_t)k.v << host_of_const(host)->keyid_shift;
	struct tdx_regs r;

	return host_call3(cpu, TDH_PHYMEM_PAGE_WBINVD, rcx, 0, 0, &r);
}

struct tdx_status tdh_phymem_page_wbinvd_hkid(const struct tdx_host *host,
					      const struct tdx_cpu *cpu, hpa_t page, hkid_t k)
{
	return wbinvd(host, cpu, page, k);
}

struct tdx_status host_wbinvd_global(const struct tdx_host *host, const struct tdx_cpu *cpu,
				     hpa_t page)
{
	return wbinvd(host, cpu, page, host_of_const(host)->global_hkid);
}

struct tdx_status tdh_phymem_page_wbinvd_tdr(const struct tdx_host *host, const struct tdx_cpu *cpu,
					     const struct tdx_td *td)
{
	return host_wbinvd_global(host, cpu, td->tdr);
}

void tdx_host_reset_pages(const struct tdx_host *host, const struct tdx_cpu *cpu, hpa_t pa,
			  uint64_t size)
{
	const struct tdx_port *port = host_port(cpu);

	if (!(host_of_const(host)->flags & TDX_HOST_PARTIAL_WRITE_MCE))
		return;
	port->ops->direct_clear(port, pa, (size_t)size);
	/* Direct stores are write-combining: a later load must not meet the old, poisoned lines. */
	port->ops->barrier(port);
}
