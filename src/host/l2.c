/* SPDX-License-Identifier: MIT */
/* TDH.MEM.* of a TD with L2 VMs: whose Secure EPTs have tables and pages at the same places as the
 * TD's own. */
#include "abi/operand.h"
#include "abi/sept.h"
#include "host/call.h"

#define NO_PAGE	    (~0ull)
#define PAGE_UNUSED (1ull << 63)

/* RDX beside the TDR's address. */
#define DEMOTE_SPARSE	   1ull
#define READ_L2_ATTRIBUTES 1ull

enum {
	TREES = sizeof(((struct tdx_l2_tables *)0)->of) / sizeof(((struct tdx_l2_tables *)0)->of[0])
};

/* R8 to R11. */
static void offer(const struct tdx_cpu *cpu, const struct tdx_l2_tables *t, struct tdx_regs *r)
{
	for (unsigned i = 0; i < TREES; i++) {
		*tdx_reg(r, 8 + i) = t->of[i].there ? t->of[i].page.v : NO_PAGE;
		if (t->of[i].there)
			host_hand_over(cpu, t->of[i].page, TDX_LEVEL_4K);
	}
}

/* What has become of them: -1 is the TD's now, bit 63 was not needed, anything else waits for the
 * call to go on. All but the first are the host's. */
static void take_stock(struct tdx_regs *r, struct tdx_l2_tables *t)
{
	for (unsigned i = 0; i < TREES; i++)
		t->of[i].there = *tdx_reg(r, 8 + i) != NO_PAGE && t->of[i].there;
}

/* Tables that came out of the TD: RCX, and R9 to R11. */
static void freed(struct tdx_status s, struct tdx_regs *r, struct tdx_l2_tables *t)
{
	for (unsigned i = 0; t && i < TREES; i++) {
		const uint64_t word = i ? *tdx_reg(r, 8 + i) : r->rcx;

		t->of[i].there = tdx_is_success(s) && word != NO_PAGE;
		t->of[i].page = hpa(t->of[i].there ? word & SEPT_HPA_MASK : 0);
	}
}

/* A call that takes tables away. */
static struct tdx_status give_back(const struct tdx_cpu *cpu, enum tdx_seamcall leaf,
				   const struct tdx_td *td, gpa_t g, enum tdx_level level,
				   struct tdx_l2_tables *tables, struct tdx_mem_result *out)
{
	struct tdx_regs unseen, *r = host_mem_regs(out, &unseen);
	struct tdx_status s;

	*r = (struct tdx_regs){.rcx = host_gpa_level(g, level), .rdx = td->tdr.v};
	s = host_call(cpu, leaf, 1, r);
	freed(s, r, tables);
	host_mem_result(s, out);
	return s;
}

struct tdx_status tdh_mem_sept_add_l2(const struct tdx_cpu *cpu, const struct tdx_td *td, gpa_t g,
				      enum tdx_level level, bool may_exist,
				      struct tdx_l2_tables *tables, struct tdx_mem_result *out)
{
	struct tdx_regs unseen, *r = host_mem_regs(out, &unseen);
	struct tdx_status s;

	*r = (struct tdx_regs){.rcx = host_gpa_level(g, level),
			       .rdx = td->tdr.v | (may_exist ? SEPT_ADD_ALLOW_EXISTING : 0)};
	offer(cpu, tables, r);
	s = host_call(cpu, TDH_MEM_SEPT_ADD, 1, r);
	if (tdx_is_success(s) || tdx_is(s, TDX_INTERRUPTED_RESUMABLE))
		take_stock(r, tables);
	host_mem_result(s, out);
	return s;
}

struct tdx_status tdh_mem_sept_remove_l2(const struct tdx_cpu *cpu, const struct tdx_td *td,
					 gpa_t g, enum tdx_level level,
					 struct tdx_l2_tables *tables, struct tdx_mem_result *out)
{
	return give_back(cpu, TDH_MEM_SEPT_REMOVE, td, g, level, tables, out);
}

struct tdx_status tdh_mem_page_promote_l2(const struct tdx_cpu *cpu, const struct tdx_td *td,
					  gpa_t g, enum tdx_level level,
					  struct tdx_l2_tables *tables, struct tdx_mem_result *out)
{
	return give_back(cpu, TDH_MEM_PAGE_PROMOTE, td, g, level, tables, out);
}

struct tdx_status tdh_mem_page_demote_l2(const struct tdx_cpu *cpu, const struct tdx_td *td,
					 gpa_t g, enum tdx_level level, bool sparse,
					 struct tdx_l2_tables *tables,
					 const struct tdx_pamt_pair *pair,
					 struct tdx_mem_result *out)
{
	struct tdx_regs unseen, *r = host_mem_regs(out, &unseen);
	struct tdx_status s;

	*r = (struct tdx_regs){.rcx = host_gpa_level(g, level),
			       .rdx = td->tdr.v | (sparse ? DEMOTE_SPARSE : 0)};
	offer(cpu, tables, r);
	for (unsigned i = 0; pair && i < 2; i++) {
		host_hand_over(cpu, pair->page[i], TDX_LEVEL_4K);
		*tdx_reg(r, 12 + i) = pair->page[i].v;
	}
	s = host_call(cpu, TDH_MEM_PAGE_DEMOTE, 0, r);
	if (tdx_is_success(s)) {
		tables->of[0].there = false; /* its register is not among those that tell */
		for (unsigned i = 1; i < TREES; i++)
			if (!(*tdx_reg(r, 8 + i) & PAGE_UNUSED))
				tables->of[i].there = false;
	}
	host_mem_result(s, out);
	return s;
}

struct tdx_status tdh_mem_sept_rd_l2(const struct tdx_cpu *cpu, const struct tdx_td *td, gpa_t g,
				     enum tdx_level level, uint16_t attributes[4],
				     struct tdx_mem_result *out)
{
	struct tdx_regs unseen, *r = host_mem_regs(out, &unseen);
	struct tdx_status s;

	*r = (struct tdx_regs){.rcx = host_gpa_level(g, level),
			       .rdx = td->tdr.v | READ_L2_ATTRIBUTES};
	s = host_call(cpu, TDH_MEM_SEPT_RD, 0, r);
	for (unsigned i = 0; attributes && i < TREES; i++)
		attributes[i] = (uint16_t)(tdx_is_success(s) ? r->r8 >> 16 * i : 0);
	host_mem_entry(s, out);
	return s;
}
