/* SPDX-License-Identifier: MIT */
/* TDH.MEM.SEPT.ADD: give a page for a table of the TD's Secure EPT; version 1 also for the tables
 * of its L2 VMs at the same place.
 *
 * Locks: TDR shared, OP_STATE shared, tree shared, the L1 entry (host), each new page exclusive.
 * Version 1 returns the page list in R8..R11: -1 for a page now in use, bit 63 for one not needed.
 * It may be interrupted between pages; the list then says where to go on. */
#include "module/leaves.h"
#include "module/seamcall/mem.h"

#define NO_PAGE	    (~0ull)
#define PAGE_UNUSED (1ull << 63)

/* RDX beside the TDR's address. */
#define TDR_RESERVED (~SEPT_HPA_MASK & ~SEPT_ADD_ALLOW_EXISTING)

/* The page offered for one VM's table; index 0 is the TD's own tree. */
struct offer {
	uint64_t pa;  /* NO_PAGE: none */
	uint64_t out; /* as reported; one without PAGE_UNUSED is taken by commit */
	struct pamt_ref page;
	uint64_t *parent; /* of an L2 table */
};

static inline struct offer offered(uint64_t word)
{
	uint64_t pa = word == NO_PAGE ? NO_PAGE : word & ~PAGE_UNUSED;

	return (struct offer){.pa = pa, .out = pa};
}

struct plan {
	struct mem m;
	struct offer offer[TD_MAX_VMS];
	bool allow_existing;
};

static struct tdx_status decode_l1(struct tx *tx, struct plan *p, unsigned version,
				   struct sept_shown *shown)
{
	struct offer *o = &p->offer[0];
	bool mapped = sept_is_state(p->m.ref.value, TDX_SEPT_NL_MAPPED);

	if (o->pa == NO_PAGE) {
		if (version == 0)
			return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_R8);
		if (!mapped)
			return mem_refuse(tx, &p->m, TDX_EPT_ENTRY_STATE_INCORRECT, shown);
		return tdx_success();
	}
	if (!mapped)
		return tx_free_page(tx, hpa(o->pa), TDX_OPERAND_ID_R8, TDX_LEVEL_4K, &o->page);
	if (!p->allow_existing)
		return mem_refuse(tx, &p->m, TDX_EPT_ENTRY_STATE_INCORRECT, shown);
	o->out |= PAGE_UNUSED;
	return tdx_success();
}

static struct tdx_status decode_l2(struct tx *tx, struct plan *p, unsigned vm,
				   struct sept_shown *shown)
{
	enum tdx_operand op = (enum tdx_operand)(TDX_OPERAND_ID_R8 + vm);
	const struct td *td = &p->m.td;
	struct sept_ref ref = {.level = p->m.ref.level};
	struct offer *o = &p->offer[vm];

	if (o->pa == NO_PAGE)
		return tdx_success();
	if (vm > td->tdcs->num_l2_vms)
		return tdx_error_op(TDX_OPERAND_INVALID, op);
	if (!l2_sept_walk(tx, td->tdr, td->tdcs, vm, p->m.ref.gpa, false, &ref)) {
		l2_sept_show(tx, td->tdcs, vm, &ref, shown);
		return tdx_error_pair(TDX_L2_SEPT_WALK_FAILED, (uint16_t)vm, (uint16_t)ref.level);
	}
	o->parent = ref.entry;
	if (l2_sept_is_free(ref.value))
		return tx_free_page(tx, hpa(o->pa), op, TDX_LEVEL_4K, &o->page);
	if (!p->allow_existing) {
		l2_sept_show(tx, td->tdcs, vm, &ref, shown);
		return tdx_error_pair(TDX_L2_SEPT_ENTRY_NOT_FREE, (uint16_t)vm,
				      (uint16_t)ref.level);
	}
	o->out |= PAGE_UNUSED;
	return tdx_success();
}

static struct tdx_status decode(struct tx *tx, const struct tdh_mem_sept_add_in *in, struct plan *p,
				struct sept_shown *shown)
{
	static const struct mem_reach reach = {TDX_LEVEL_2M, MEM_TO_ROOT, LOCK_SHARED};
	struct tdx_status s;

	if (in->tdr & TDR_RESERVED)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RDX);
	p->allow_existing = in->tdr & SEPT_ADD_ALLOW_EXISTING;
	s = mem_locate(tx, hpa(in->tdr & SEPT_HPA_MASK), in->at, &reach, &p->m, shown);
	if (!tdx_is_success(s))
		return s;
	s = decode_l1(tx, p, in->version, shown);
	for (unsigned vm = 1; vm < TD_MAX_VMS && in->version > 0 && tdx_is_success(s); vm++)
		s = decode_l2(tx, p, vm, shown);
	return s;
}

static bool take(const struct tx *tx, struct plan *p, struct offer *o, uint64_t fill)
{
	if (o->out & PAGE_UNUSED)
		return false;
	mem_init_table(tx, &p->m.td, hpa(o->pa), fill);
	mem_give_fresh(tx, &p->m.td, &o->page, TDX_PT_EPT);
	o->out = NO_PAGE;
	return true;
}

/* Cannot fail: the entry is locked, the pages are. Interrupted only after a page was taken, so that
 * the call makes progress. */
static struct tdx_status commit(struct tx *tx, struct plan *p, unsigned version)
{
	uint64_t entry = p->m.ref.value;
	struct tdx_status s = tdx_success();
	bool progress = take(tx, p, &p->offer[0], SEPT_FREE_ENTRY);

	if (progress)
		entry = sept_make_table(mem_private(tx, &p->m.td, hpa(p->offer[0].pa)));
	for (unsigned vm = 1; vm < TD_MAX_VMS && version > 0; vm++) {
		struct offer *o = &p->offer[vm];

		if (o->out & PAGE_UNUSED)
			continue;
		if (progress)
			s = mem_poll(tx, &p->m.td, TDX_INTERRUPTED_RESUMABLE);
		if (!tdx_is_success(s))
			break;
		progress = take(tx, p, o, L2_SEPT_FREE_ENTRY);
		entry |= l2_alias_bit(vm);
		l2_sept_write(o->parent, l2_sept_table(mem_private(tx, &p->m.td, hpa(o->pa))));
	}
	tx_sept_store(tx, &p->m.ref, entry);
	return s;
}

struct tdx_status leaf_tdh_mem_sept_add(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_mem_sept_add_in in = tdh_mem_sept_add_take(regs);
	struct tdh_mem_sept_add_out out = tdh_mem_sept_add_failed(regs);
	struct plan plan = {
		.offer = {offered(in.table), offered(in.l2_table1), offered(in.l2_table2),
			  offered(in.l2_table3)},
	};
	struct tdx_status s = decode(tx, &in, &plan, &out.shown);

	if (tdx_is_success(s)) {
		s = commit(tx, &plan, in.version);
		if (mem_interrupted(s))
			out.shown = mem_operands(in.at, in.tdr);
	}
	out.table = plan.offer[0].out;
	out.l2_table1 = plan.offer[1].out;
	out.l2_table2 = plan.offer[2].out;
	out.l2_table3 = plan.offer[3].out;
	tdh_mem_sept_add_give(regs, &out);
	return s;
}
