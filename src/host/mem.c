/* SPDX-License-Identifier: MIT */
/* TDH.MEM.*, TDH.MR.EXTEND and TDH.EXPORT.UNBLOCKW: private memory and its page tables. */
#include "abi/sept.h"
#include "host/call.h"

/* RCX and RDX as the extended error of a memory leaf. */
void host_mem_result(struct tdx_status s, struct tdx_mem_result *out)
{
	if (!out)
		return;
	if (tdx_is_success(s)) {
		out->entry = 0;
		out->state = TDX_SEPT_UNKNOWN;
		out->level = TDX_LEVEL_4K;
		out->page = hpa(out->raw.rcx & SEPT_HPA_MASK);
		return;
	}
	out->page = hpa(0);
	out->entry = out->raw.rcx;
	out->level = (enum tdx_level)(out->raw.rdx & 7);
	out->state = sept_state_by_public((unsigned)(out->raw.rdx >> 8) & 0xff);
}

void host_mem_entry(struct tdx_status s, struct tdx_mem_result *out)
{
	host_mem_result(s, out);
	if (out && tdx_is_success(s)) {
		out->entry = out->raw.rcx;
		out->level = (enum tdx_level)(out->raw.rdx & 7);
		out->state = sept_state_by_public((unsigned)(out->raw.rdx >> 8) & 0xff);
	}
}

static struct tdx_status on_gpa(const struct tdx_cpu *cpu, unsigned leaf, const struct tdx_td *td,
				gpa_t g, enum tdx_level level, hpa_t page,
				struct tdx_mem_result *out)
{
	struct tdx_regs unseen;
	struct tdx_status s = host_call3(cpu, leaf, host_gpa_level(g, level), td->tdr.v, page.v,
					 host_mem_regs(out, &unseen));

	host_mem_result(s, out);
	return s;
}

struct tdx_status tdh_mem_sept_add(const struct tdx_cpu *cpu, const struct tdx_td *td, gpa_t g,
				   enum tdx_level level, hpa_t page, struct tdx_mem_result *out)
{
	host_hand_over(cpu, page, TDX_LEVEL_4K);
	return on_gpa(cpu, TDH_MEM_SEPT_ADD, td, g, level, page, out);
}

struct tdx_status tdh_mem_page_aug(const struct tdx_cpu *cpu, const struct tdx_td *td, gpa_t g,
				   enum tdx_level level, hpa_t page, struct tdx_mem_result *out)
{
	host_hand_over(cpu, page, level);
	return on_gpa(cpu, TDH_MEM_PAGE_AUG, td, g, level, page, out);
}

struct tdx_status tdh_mem_page_relocate(const struct tdx_cpu *cpu, const struct tdx_td *td, gpa_t g,
					hpa_t page, struct tdx_mem_result *out)
{
	host_hand_over(cpu, page, TDX_LEVEL_4K);
	return on_gpa(cpu, TDH_MEM_PAGE_RELOCATE, td, g, TDX_LEVEL_4K, page, out);
}

struct tdx_status tdh_mem_page_demote(const struct tdx_cpu *cpu, const struct tdx_td *td, gpa_t g,
				      enum tdx_level level, hpa_t sept_page,
				      const struct tdx_pamt_pair *pair, struct tdx_mem_result *out)
{
	struct tdx_regs unseen, *r = host_mem_regs(out, &unseen);
	struct tdx_status s;

	host_hand_over(cpu, sept_page, TDX_LEVEL_4K);
	*r = (struct tdx_regs){
		.rcx = host_gpa_level(g, level), .rdx = td->tdr.v, .r8 = sept_page.v};
	for (unsigned i = 0; pair && i < 2; i++) {
		host_hand_over(cpu, pair->page[i], TDX_LEVEL_4K);
		*tdx_reg(r, 12 + i) = pair->page[i].v;
	}
	s = host_call(cpu, TDH_MEM_PAGE_DEMOTE, 0, r);
	host_mem_result(s, out);
	return s;
}

struct tdx_status tdh_mem_page_add(const struct tdx_cpu *cpu, const struct tdx_td *td, gpa_t g,
				   hpa_t page, hpa_t source, struct tdx_mem_result *out)
{
	struct tdx_regs unseen, *r = host_mem_regs(out, &unseen);
	struct tdx_status s;

	*r = (struct tdx_regs){.rcx = g.v, .rdx = td->tdr.v, .r8 = page.v, .r9 = source.v};
	host_hand_over(cpu, page, TDX_LEVEL_4K);
	s = host_call(cpu, TDH_MEM_PAGE_ADD, 0, r);
	host_mem_result(s, out);
	return s;
}

/* The leaves that take nothing but a GPA and a level. */
#define ON_GPA(name, LEAF)                                                                         \
	struct tdx_status name(const struct tdx_cpu *cpu, const struct tdx_td *td, gpa_t g,        \
			       enum tdx_level level, struct tdx_mem_result *out)                   \
	{                                                                                          \
		return on_gpa(cpu, LEAF, td, g, level, hpa(0), out);                               \
	}

ON_GPA(tdh_mem_sept_remove, TDH_MEM_SEPT_REMOVE)
ON_GPA(tdh_mem_page_remove, TDH_MEM_PAGE_REMOVE)
ON_GPA(tdh_mem_page_promote, TDH_MEM_PAGE_PROMOTE)
ON_GPA(tdh_mem_range_block, TDH_MEM_RANGE_BLOCK)
ON_GPA(tdh_mem_range_unblock, TDH_MEM_RANGE_UNBLOCK)
ON_GPA(tdh_export_unblockw, TDH_EXPORT_UNBLOCKW)

struct tdx_status tdh_mem_sept_rd(const struct tdx_cpu *cpu, const struct tdx_td *td, gpa_t g,
				  enum tdx_level level, struct tdx_mem_result *out)
{
	struct tdx_status s = on_gpa(cpu, TDH_MEM_SEPT_RD, td, g, level, hpa(0), out);

	host_mem_entry(s, out);
	return s;
}

struct tdx_status tdh_mr_extend(const struct tdx_cpu *cpu, const struct tdx_td *td, gpa_t g,
				struct tdx_mem_result *out)
{
	return on_gpa(cpu, TDH_MR_EXTEND, td, g, TDX_LEVEL_4K, hpa(0), out);
}

struct tdx_status tdh_mem_rd(const struct tdx_cpu *cpu, const struct tdx_td *td, gpa_t g,
			     uint64_t *value, struct tdx_mem_result *out)
{
	struct tdx_regs unseen, *r = host_mem_regs(out, &unseen);
	struct tdx_status s = host_call3(cpu, TDH_MEM_RD, g.v, td->tdr.v, 0, r);

	if (value)
		*value = tdx_is_success(s) ? r->r8 : 0;
	host_mem_result(s, out);
	return s;
}

struct tdx_status tdh_mem_wr(const struct tdx_cpu *cpu, const struct tdx_td *td, gpa_t g,
			     uint64_t value, uint64_t *old, struct tdx_mem_result *out)
{
	struct tdx_regs unseen, *r = host_mem_regs(out, &unseen);
	struct tdx_status s = host_call3(cpu, TDH_MEM_WR, g.v, td->tdr.v, value, r);

	if (old)
		*old = tdx_is_success(s) ? r->r8 : 0;
	host_mem_result(s, out);
	return s;
}
