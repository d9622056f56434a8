/* SPDX-License-Identifier: MIT */
/* TDH.MEM.PAGE.DEMOTE: split a 1G or 2M page of a TD into 512 of the next size, unblocking it.
 *
 * Locks: TDR shared, OP_STATE shared, tree shared, the L1 entry (host), the new table pages
 * exclusive, the PAMT entry of the page exclusive, with dynamic PAMT the new PAMT pages shared.
 * The new tables are written before the last questions: a call that fails late leaves free pages
 * written under the TD's key behind, as the real one does. */
#include "module/leaves.h"
#include "module/pamt_split.h"
#include "module/seamcall/mem.h"
#include "module/seamcall/unblock.h"

#define NO_PAGE	    (~0ull)
#define PAGE_UNUSED (1ull << 63)

/* RDX beside the TDR's address: L2 tables only for VMs that have an alias of the page. */
#define L2_SPARSE    1ull
#define TDR_RESERVED (~SEPT_HPA_MASK & ~L2_SPARSE)

struct plan {
	struct mem m;
	bool sparse;
	hpa_t pa; /* of the page being split */
	struct pamt_ref whole;
	struct pamt_pair pair;
	uint64_t offer[TD_MAX_VMS]; /* R8..R11, as reported at the end */
	struct pamt_ref table[TD_MAX_VMS];
	uint64_t *parent[TD_MAX_VMS];
};

static bool wants_l2_table(const struct plan *p, unsigned vm)
{
	return p->offer[vm] != NO_PAGE && (!p->sparse || l2_aliased(p->m.ref.value, vm));
}

static struct tdx_status take_l2_page(struct tx *tx, struct plan *p, unsigned vm)
{
	enum tdx_operand op = (enum tdx_operand)(TDX_OPERAND_ID_R8 + vm);

	if (p->offer[vm] == NO_PAGE)
		return l2_aliased(p->m.ref.value, vm)
			       ? tdx_error_op(TDX_L2_SEPT_PAGE_NOT_PROVIDED, op)
			       : tdx_success();
	if (wants_l2_table(p, vm))
		return tx_free_page(tx, hpa(p->offer[vm] & ~PAGE_UNUSED), op, TDX_LEVEL_4K,
				    &p->table[vm]);
	p->offer[vm] |= PAGE_UNUSED;
	return tdx_success();
}

static struct tdx_status decode(struct tx *tx, const struct tdh_mem_page_demote_in *in,
				struct plan *p, struct tdh_mem_page_demote_out *out)
{
	static const struct mem_reach reach = {TDX_LEVEL_2M, TDX_LEVEL_1G, LOCK_SHARED};
	const struct pamt_entry *whole;
	struct tdx_status s;

	if (in->tdr & TDR_RESERVED)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RDX);
	p->sparse = in->tdr & L2_SPARSE;
	s = mem_locate(tx, hpa(in->tdr & SEPT_HPA_MASK), in->at, &reach, &p->m, &out->shown);
	if (!tdx_is_success(s))
		return s;
	mem_forget_accepting(&p->m);
	p->pa = sept_leaf_pa(tx, &p->m.ref);
	whole = pamt_of_size(tx->mod, p->pa.v, p->m.ref.level);
	if (!whole) {
		module_fatal(tx->lp);
		return tdx_error_op(TDX_TLB_TRACKING_NOT_DONE, TDX_OPERAND_ID_RCX);
	}
	s = mem_quiet(tx, &p->m, whole, &out->shown);
	if (!tdx_is_success(s))
		return s;
	s = tx_free_page(tx, hpa(p->offer[0]), TDX_OPERAND_ID_R8, TDX_LEVEL_4K, &p->table[0]);
	for (unsigned vm = 1; vm <= p->m.td.tdcs->num_l2_vms && tdx_is_success(s); vm++)
		s = take_l2_page(tx, p, vm);
	return s;
}

/* A table whose entries map the parts of the page as `entry` maps the whole. */
static void write_parts(const struct tx *tx, const struct plan *p, hpa_t table, uint64_t entry)
{
	uint64_t size = tdx_level_size(p->m.ref.level - 1);
	uint64_t *part = machine_ptr(tx->m, table.v);

	entry = (entry & ~SEPT_HPA_MASK) | mem_private(tx, &p->m.td, p->pa);
	for (unsigned i = 0; i < 512; i++)
		part[i] = entry + i * size;
	mem_wrote(tx, &p->m.td, table);
}

static struct tdx_status write_l2_table(struct tx *tx, struct plan *p, unsigned vm,
					struct sept_shown *shown)
{
	const struct td *td = &p->m.td;
	struct sept_ref ref = {.level = p->m.ref.level};
	struct tdx_status s = mem_poll(tx, td, TDX_INTERRUPTED_RESTARTABLE);
	uint64_t entry = p->m.ref.value, alias;

	if (!tdx_is_success(s))
		return s;
	if (!l2_sept_walk(tx, td->tdr, td->tdcs, vm, p->m.ref.gpa, false, &ref)) {
		l2_sept_show(tx, td->tdcs, vm, &ref, shown);
		return tdx_error_pair(TDX_L2_SEPT_WALK_FAILED, (uint16_t)vm, (uint16_t)ref.level);
	}
	p->parent[vm] = ref.entry;
	if (!l2_aliased(entry, vm)) {
		mem_init_table(tx, td, p->table[vm].pa, L2_SEPT_FREE_ENTRY);
		return s;
	}
	alias = ref.value;
	if (sept_has(entry, SEPT_IS_BLOCKED) && !sept_has(entry, SEPT_IS_PENDING))
		alias = l2_sept_unblocked(alias);
	write_parts(tx, p, p->table[vm].pa, alias);
	return s;
}

static struct tdx_status prepare(struct tx *tx, struct plan *p, struct sept_shown *shown)
{
	uint64_t part = unblocked(p->m.ref.value) & ~(SEPT_LOCK | SEPT_HOST_PRIORITY);
	struct tdx_status s = tdx_success();

	/* written before the last questions are asked: 05-accept-2m.vec, 10-lock-page-promote.vec
	 */
	write_parts(tx, p, p->table[0].pa, part);
	for (unsigned vm = 1; vm <= p->m.td.tdcs->num_l2_vms && tdx_is_success(s); vm++)
		if (wants_l2_table(p, vm))
			s = write_l2_table(tx, p, vm, shown);
	if (!tdx_is_success(s))
		return s;
	s = mem_poll(tx, &p->m.td, TDX_INTERRUPTED_RESTARTABLE);
	if (!tdx_is_success(s))
		return s;
	s = tx_pamt_implicit(tx, p->pa, TDX_OPERAND_ID_RCX, LOCK_EXCLUSIVE, p->m.ref.level,
			     &p->whole);
	if (tdx_is_success(s) && pamt_uses_pair(tx, p->m.ref.level))
		s = tx_pamt_take_pair(tx, &p->pair, TDX_OPERAND_ID_R12);
	return s;
}

/* Cannot fail: entry, tables and the page's PAMT path are locked, and the tables written. */
static void commit(struct tx *tx, struct plan *p)
{
	struct td *td = &p->m.td;
	uint64_t entry = sept_make_table(mem_private(tx, td, p->table[0].pa));

	pamt_split(tx, &p->whole, &p->pair);
	mem_give(tx, td, &p->table[0], TDX_PT_EPT);
	for (unsigned vm = 1; vm < TD_MAX_VMS; vm++) {
		if (!p->parent[vm])
			continue;
		l2_sept_write(p->parent[vm], l2_sept_table(mem_private(tx, td, p->table[vm].pa)));
		entry |= l2_alias_bit(vm);
		mem_give(tx, td, &p->table[vm], TDX_PT_EPT);
	}
	tx_sept_store(tx, &p->m.ref, entry);
}

struct tdx_status leaf_tdh_mem_page_demote(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_mem_page_demote_in in = tdh_mem_page_demote_take(regs);
	struct tdh_mem_page_demote_out out = tdh_mem_page_demote_failed(regs);
	struct plan plan = {
		.offer = {in.table, in.l2_table1, in.l2_table2, in.l2_table3},
		.pair = {{in.pamt_page0, in.pamt_page1}},
	};
	struct tdx_status s = decode(tx, &in, &plan, &out);

	if (tdx_is_success(s))
		s = prepare(tx, &plan, &out.shown);
	if (tdx_is_success(s)) {
		commit(tx, &plan);
		out.l2_table1 = plan.offer[1];
		out.l2_table2 = plan.offer[2];
		out.l2_table3 = plan.offer[3];
	} else if (mem_interrupted(s)) {
		out.shown = mem_operands(in.at, in.tdr);
	}
	tdh_mem_page_demote_give(regs, &out);
	return s;
}
