/* SPDX-License-Identifier: MIT */
/* TDH.MEM.SEPT.REMOVE: take an empty table out of the Secure EPT, and the L2 tables beside it.
 *
 * Locks: TDR shared, OP_STATE shared, tree exclusive, the L1 entry (host), the PAMT entry of each
 * table exclusive. Version 1 returns the L2 tables' pages in R9..R11, -1 where there was none. */
#include "module/leaves.h"
#include "module/seamcall/mem.h"

struct plan {
	struct mem m;
	struct pamt_ref table[TD_MAX_VMS]; /* entry NULL: no such table */
	uint64_t *alias[TD_MAX_VMS];
};

static bool is_empty(const struct tx *tx, const struct pamt_ref *table)
{
	const uint64_t *entry = machine_ptr(tx->m, table->pa.v);

	for (unsigned i = 0; i < 512; i++)
		if (!sept_is_state(__atomic_load_n(&entry[i], __ATOMIC_RELAXED), TDX_SEPT_FREE))
			return false;
	return true;
}

static struct tdx_status lock_table(struct tx *tx, uint64_t parent, struct pamt_ref *table)
{
	return tx_pamt_implicit(tx, hpa(machine_strip(tx->m, sept_address(parent))),
				TDX_OPERAND_ID_RCX, LOCK_EXCLUSIVE, TDX_LEVEL_4K, table);
}

static struct tdx_status decode_l2(struct tx *tx, struct plan *p)
{
	const struct td *td = &p->m.td;
	struct tdx_status s = tdx_success();

	for (unsigned vm = 1; vm <= td->tdcs->num_l2_vms && tdx_is_success(s); vm++) {
		if (!l2_aliased(p->m.ref.value, vm))
			continue;
		p->alias[vm] = l2_alias(tx, td->tdr, td->tdcs, vm, &p->m.ref, false);
		if (p->alias[vm] && l2_sept_is_free(*p->alias[vm]))
			module_fatal(tx->lp);
		if (lp_decided(tx->lp))
			return tdx_error_op(TDX_EPT_PAGE_NOT_FREE, TDX_OPERAND_ID_RCX);
		s = lock_table(tx, *p->alias[vm], &p->table[vm]);
	}
	return s;
}

static struct tdx_status decode(struct tx *tx, const struct tdh_mem_sept_remove_in *in,
				struct plan *p, struct tdh_mem_sept_remove_out *out)
{
	static const struct mem_reach reach = {TDX_LEVEL_2M, MEM_TO_ROOT, LOCK_EXCLUSIVE};
	struct tdx_status s = mem_locate(tx, in->tdr, in->at, &reach, &p->m, &out->shown);

	if (!tdx_is_success(s))
		return s;
	s = lock_table(tx, p->m.ref.value, &p->table[0]);
	if (!tdx_is_success(s))
		return s;
	s = mem_quiet(tx, &p->m, p->table[0].entry, &out->shown);
	if (!tdx_is_success(s))
		return s;
	if (!is_empty(tx, &p->table[0]))
		return mem_refuse(tx, &p->m, TDX_EPT_PAGE_NOT_FREE, &out->shown);
	return decode_l2(tx, p);
}

/* Cannot fail: the tree is the caller's alone, and so are the tables, which are empty. */
static void commit(struct tx *tx, struct plan *p, struct tdh_mem_sept_remove_out *out)
{
	uint64_t *freed[TD_MAX_VMS] = {&out->shown.page, &out->l2_table1, &out->l2_table2,
				       &out->l2_table3};

	for (unsigned vm = TD_MAX_VMS; --vm > 0;) {
		if (!p->table[vm].entry)
			continue;
		l2_sept_write(p->alias[vm], L2_SEPT_FREE_ENTRY);
		*freed[vm] = mem_free(tx, &p->m.td, &p->table[vm]);
	}
	tx_sept_store(tx, &p->m.ref, SEPT_FREE_ENTRY);
	*freed[0] = mem_free(tx, &p->m.td, &p->table[0]);
}

struct tdx_status leaf_tdh_mem_sept_remove(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_mem_sept_remove_in in = tdh_mem_sept_remove_take(regs);
	struct tdh_mem_sept_remove_out out = tdh_mem_sept_remove_failed(regs);
	struct plan plan = {0};
	struct tdx_status s = decode(tx, &in, &plan, &out);

	if (tdx_is_success(s))
		commit(tx, &plan, &out);
	tdh_mem_sept_remove_give(regs, &out);
	return s;
}
