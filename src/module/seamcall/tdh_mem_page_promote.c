/* SPDX-License-Identifier: MIT */
/* TDH.MEM.PAGE.PROMOTE: merge 512 pages of a TD, contiguous and alike, into one of the next size.
 *
 * Locks: TDR shared, OP_STATE shared, tree exclusive, the L1 entry (host), the PAMT entry of each
 * table that goes exclusive, then that of the merged range exclusive.
 * Scans whole tables, so it asks for interrupts before each and before it commits. RCX is the freed
 * table; version 1 has the L2 tables in R9..R11; with dynamic PAMT R12 and R13 are the pair of PAMT
 * pages a merged 2M range does not need any more. */
#include "module/leaves.h"
#include "module/pamt_split.h"
#include "module/seamcall/mem.h"

/* What the hardware or another processor may set in one entry and not in its neighbour. */
#define INCIDENTAL (SEPT_A | SEPT_D | SEPT_HOST_PRIORITY)

struct table {
	struct pamt_ref page; /* entry NULL: no such table */
	uint64_t *parent;     /* of an L2 table */
};

struct plan {
	struct mem m;
	struct table table[TD_MAX_VMS];
	struct pamt_ref merged;
};

static uint64_t entry_of(const struct tx *tx, const struct table *t, unsigned i)
{
	const uint64_t *entry = machine_ptr(tx->m, t->page.pa.v);

	return __atomic_load_n(&entry[i], __ATOMIC_RELAXED) & ~tx->mod->hkid_mask;
}

/* Aligned for the merged size, all MAPPED or all PENDING, one after the other. */
static bool mergeable(const struct tx *tx, const struct table *t, enum tdx_level part)
{
	uint64_t first = 0, size = tdx_level_size(part);

	for (unsigned i = 0; i < 512; i++) {
		uint64_t e = entry_of(tx, t, i);

		if (part == TDX_LEVEL_2M && sept_has(e, SEPT_IS_ACCEPTABLE))
			e &= ~SEPT_ACCEPT_MASK;
		if (i == 0) {
			uint64_t pa = sept_address(e) & ~(size - 1);

			if (pa & (512 * size - 1) || !sept_has(e, SEPT_IS_PLAIN_LEAF))
				return false;
			first = e;
		} else if ((e ^ (first + i * size)) & ~INCIDENTAL) {
			return false;
		}
	}
	return true;
}

/* All free, or leaves with the same permissions. Addresses follow from the L1 table's. */
static bool l2_mergeable(const struct tx *tx, const struct table *t, enum tdx_level part)
{
	uint64_t first = entry_of(tx, t, 0);
	uint64_t pa = sept_address(first) & ~(tdx_level_size(part) - 1);

	if (!l2_sept_is_free(first) &&
	    (pa & (512 * tdx_level_size(part) - 1) || !sept_is_leaf(first)))
		return false;
	for (unsigned i = 1; i < 512; i++)
		if ((entry_of(tx, t, i) ^ first) & ~(INCIDENTAL | SEPT_HPA_MASK))
			return false;
	return true;
}

static struct tdx_status lock_table(struct tx *tx, uint64_t parent, struct table *t)
{
	return tx_pamt_implicit(tx, hpa(machine_strip(tx->m, sept_address(parent))),
				TDX_OPERAND_ID_RCX, LOCK_EXCLUSIVE, TDX_LEVEL_4K, &t->page);
}

static struct tdx_status decode_l2(struct tx *tx, struct plan *p, unsigned vm,
				   struct tdh_mem_page_promote_out *out)
{
	const struct td *td = &p->m.td;
	struct table *t = &p->table[vm];
	struct tdx_status s = mem_poll(tx, td, TDX_INTERRUPTED_RESTARTABLE);

	if (!tdx_is_success(s))
		return s;
	t->parent = l2_alias(tx, td->tdr, td->tdcs, vm, &p->m.ref, false);
	if (t->parent && (sept_is_leaf(*t->parent) || l2_sept_is_free(*t->parent)))
		module_fatal(tx->lp);
	if (lp_decided(tx->lp))
		return tdx_error_op(TDX_EPT_INVALID_PROMOTE_CONDITIONS, TDX_OPERAND_ID_RCX);
	s = lock_table(tx, *t->parent, t);
	if (tdx_is_success(s) && !l2_mergeable(tx, t, p->m.ref.level - 1))
		return mem_refuse(tx, &p->m, TDX_EPT_INVALID_PROMOTE_CONDITIONS, &out->shown);
	return s;
}

static struct tdx_status decode(struct tx *tx, const struct tdh_mem_page_promote_in *in,
				struct plan *p, struct tdh_mem_page_promote_out *out)
{
	static const struct mem_reach reach = {TDX_LEVEL_2M, TDX_LEVEL_1G, LOCK_EXCLUSIVE};
	struct tdx_status s = mem_locate(tx, in->tdr, in->at, &reach, &p->m, &out->shown);
	enum tdx_level size = p->m.ref.level;

	if (!tdx_is_success(s))
		return s;
	s = lock_table(tx, p->m.ref.value, &p->table[0]);
	if (!tdx_is_success(s))
		return s;
	s = mem_quiet(tx, &p->m, p->table[0].page.entry, &out->shown);
	if (!tdx_is_success(s))
		return s;
	if (!mergeable(tx, &p->table[0], size - 1))
		return mem_refuse(tx, &p->m, TDX_EPT_INVALID_PROMOTE_CONDITIONS, &out->shown);
	for (unsigned vm = 1; vm <= p->m.td.tdcs->num_l2_vms && tdx_is_success(s); vm++)
		if (l2_aliased(p->m.ref.value, vm))
			s = decode_l2(tx, p, vm, out);
	if (!tdx_is_success(s))
		return s;
	s = mem_poll(tx, &p->m.td, TDX_INTERRUPTED_RESTARTABLE);
	if (!tdx_is_success(s))
		return s;
	return tx_pamt_implicit(
		tx, hpa(sept_address(entry_of(tx, &p->table[0], 0)) & ~(tdx_level_size(size) - 1)),
		TDX_OPERAND_ID_RCX, LOCK_EXCLUSIVE, size, &p->merged);
}

/* Cannot fail: all entries of the merged range are the caller's, and no vCPU has a translation. */
static void commit(struct tx *tx, struct plan *p, struct tdh_mem_page_promote_out *out)
{
	const uint64_t *table = machine_ptr(tx->m, p->table[0].page.pa.v);
	uint64_t *l2_freed[TD_MAX_VMS] = {NULL, &out->l2_table1, &out->l2_table2, &out->l2_table3};
	struct pamt_pair pair;

	pamt_merge(tx, &p->merged, &pair);
	for (unsigned vm = 1; vm < TD_MAX_VMS; vm++) {
		struct table *t = &p->table[vm];

		if (!t->page.entry)
			continue;
		l2_sept_write(t->parent, *(uint64_t *)machine_ptr(tx->m, t->page.pa.v));
		*l2_freed[vm] = mem_free(tx, &p->m.td, &t->page);
	}
	tx_sept_store(tx, &p->m.ref, table[0]);
	out->shown.page = mem_free(tx, &p->m.td, &p->table[0].page);
	if (pamt_uses_pair(tx, p->m.ref.level)) {
		out->pamt_page0 = pair.page[0].v;
		out->pamt_page1 = pair.page[1].v;
	}
}

struct tdx_status leaf_tdh_mem_page_promote(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_mem_page_promote_in in = tdh_mem_page_promote_take(regs);
	struct tdh_mem_page_promote_out out = tdh_mem_page_promote_failed(regs);
	struct plan plan = {0};
	struct tdx_status s = decode(tx, &in, &plan, &out);

	if (tdx_is_success(s))
		commit(tx, &plan, &out);
	else if (mem_interrupted(s))
		out.shown = mem_operands(in.at, in.tdr.v);
	tdh_mem_page_promote_give(regs, &out);
	return s;
}
