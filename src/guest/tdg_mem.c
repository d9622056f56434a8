/* SPDX-License-Identifier: MIT */
/* TDG.MEM.PAGE.*: private pages of the calling TD. */
#include "guest/call.h"

#define ATTR_PENDING (1ull << 62)
#define ATTR_GPA     0x000ffffffffff000ull

struct tdx_status tdg_mem_page_accept(const struct tdg_port *vcpu, gpa_t page, enum tdx_level level)
{
	struct tdx_regs r = {.rcx = page.v | (unsigned)level};

	return guest_call(vcpu, TDG_MEM_PAGE_ACCEPT, 0, &r);
}

static void attributes(struct tdg_page_attr *out, const struct tdx_regs *r)
{
	if (out)
		*out = (struct tdg_page_attr){
			.page = gpa(r->rcx & ATTR_GPA),
			.level = (enum tdx_level)(r->rcx & 7),
			.pending = (r->rcx & ATTR_PENDING) != 0,
			.attributes = r->rdx,
			.raw = *r,
		};
}

struct tdx_status tdg_mem_page_attr_rd(const struct tdg_port *vcpu, gpa_t page,
				       struct tdg_page_attr *out)
{
	struct tdx_regs r = {.rcx = page.v};
	struct tdx_status s = guest_call(vcpu, TDG_MEM_PAGE_ATTR_RD, 0, &r);

	attributes(out, &r);
	return s;
}

struct tdx_status tdg_mem_page_attr_wr(const struct tdg_port *vcpu, gpa_t page,
				       enum tdx_level level, uint64_t attr, uint64_t flags,
				       struct tdg_page_attr *out)
{
	struct tdx_regs r = {.rcx = page.v | (unsigned)level, .rdx = attr, .r8 = flags};
	struct tdx_status s = guest_call(vcpu, TDG_MEM_PAGE_ATTR_WR, 0, &r);

	attributes(out, &r);
	return s;
}
