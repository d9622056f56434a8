/* SPDX-License-Identifier: MIT */
/* Common steps of the TDH.MEM.* leaves; see mem.h. */
#include "module/seamcall/mem.h"

struct tdx_status mem_td(struct tx *tx, hpa_t tdr, struct td *td)
{
	return tx_td(tx, tdr, TDX_OPERAND_ID_RDX, LOCK_SHARED, LOCK_SHARED, td);
}

/* As mem_entry(); every leaf on a private page goes through it. */
TX_INLINE struct tdx_status entry(struct tx *tx, gpa_level_t at, const struct mem_reach *reach,
				  struct mem *m, struct sept_shown *shown)
{
	enum tdx_level max = reach->max == MEM_TO_ROOT ? td_sept_top(m->td.tdcs) : reach->max;
	struct tdx_status s;

	if (!sept_operand_valid(at, reach->min, max))
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
	m->ref.level = (enum tdx_level)gpa_level_level(at.v);
	s = tx_sept_walk(tx, &m->td, gpa_level_gpa(at.v), TDX_OPERAND_ID_RCX, reach->tree, &m->ref);
	if (tdx_is(s, TDX_EPT_WALK_FAILED))
		sept_show(tx, &m->ref, shown);
	if (!tdx_is_success(s))
		return s;
	s = tx_sept_lock(tx, &m->ref);
	if (!tdx_is_success(s))
		sept_show(tx, &m->ref, shown);
	return s;
}

struct tdx_status mem_entry(struct tx *tx, gpa_level_t at, const struct mem_reach *reach,
			    struct mem *m, struct sept_shown *shown)
{
	return entry(tx, at, reach, m, shown);
}

struct tdx_status mem_locate(struct tx *tx, hpa_t tdr, gpa_level_t at,
			     const struct mem_reach *reach, struct mem *m, struct sept_shown *shown)
{
	struct tdx_status s = reach->tree == LOCK_SHARED
				      ? tx_td_for_page(tx, tdr, TDX_OPERAND_ID_RDX, &m->td)
				      : mem_td(tx, tdr, &m->td);

	if (!tdx_is_success(s))
		return s;
	s = entry(tx, at, reach, m, shown);
	if (!tdx_is_success(s))
		return s;
	if (!sept_allows(tx->leaf, m->ref.value))
		return mem_refuse(tx, m, TDX_EPT_ENTRY_STATE_INCORRECT, shown);
	return s;
}

struct tdx_status mem_refuse(const struct tx *tx, const struct mem *m, uint64_t code,
			     struct sept_shown *shown)
{
	sept_show(tx, &m->ref, shown);
	return tdx_error_op(code, TDX_OPERAND_ID_RCX);
}

struct tdx_status mem_quiet(const struct tx *tx, const struct mem *m, const struct pamt_entry *page,
			    struct sept_shown *shown)
{
	const struct tdcs *tdcs = m->td.tdcs;

	if (!(TDX_OP_STATES_TRACKED & TDX_OP_STATE_BIT(tdcs->op_state)) ||
	    !sept_has(m->ref.value, SEPT_NEEDS_TRACKING))
		return tdx_success();
	if (!sept_has(m->ref.value, SEPT_IS_BLOCKED))
		return mem_refuse(tx, m, TDX_GPA_RANGE_NOT_BLOCKED, shown);
	if (!td_tlb_tracked(&m->td, __atomic_load_n(&page->bepoch, __ATOMIC_RELAXED)))
		return tdx_error_op(TDX_TLB_TRACKING_NOT_DONE, TDX_OPERAND_ID_RCX);
	return tdx_success();
}

void mem_give(const struct tx *tx, struct td *td, const struct pamt_ref *page,
	      enum tdx_page_type type)
{
	pamt_set_owner(page->entry, td->pa);
	__atomic_store_n(&page->entry->type, (uint8_t)type, __ATOMIC_RELAXED);
	pamt_count_inc(tx, page);
	td_add_children(tx, td, 1ll << (9 * (unsigned)page->level));
}

uint64_t mem_free(const struct tx *tx, struct td *td, const struct pamt_ref *page)
{
	uint64_t pages = 1ull << (9 * (unsigned)page->level);

	td_add_children(tx, td, -(int64_t)pages);
	__atomic_store_n(&page->entry->type, TDX_PT_NDA, __ATOMIC_RELAXED);
	return page->pa.v | pamt_count_dec(tx, page);
}

void mem_init_table(const struct tx *tx, const struct td *td, hpa_t pa, uint64_t fill)
{
	uint64_t *entry = machine_ptr(tx->m, pa.v);

	for (unsigned i = 0; i < 512; i++)
		entry[i] = fill;
	mem_wrote(tx, td, pa);
}

struct tdx_status mem_poll(const struct tx *tx, const struct td *td, uint64_t interrupted)
{
	if (machine_irq_pending(tx->lp->hw))
		return tdx_error(interrupted);
	if (__atomic_load_n(&td->tdcs->sept_lock, __ATOMIC_RELAXED) & HP_PRIORITY)
		return tdx_error(TDX_INTERRUPTED_BUSY);
	return tdx_success();
}
