/* SPDX-License-Identifier: MIT */
/* TDG.MEM.PAGE.ACCEPT: the guest takes a page the host mapped; it is zero from then on.
 *
 * Locks: the entry (guest). No tree lock: TLB tracking keeps tables alive while a guest is inside.
 * A 2M page is cleared in 512 steps; an interrupt ends the call between two of them, the entry
 * remembers how far it came, and the guest, which repeats the call, goes on from there. Whatever is
 * not acceptable is shown to the host as an EPT violation; what is mapped already, to the guest. */
#include "abi/operand.h"
#include "abi/eeq.h"
#include "module/l2_sept.h"
#include "module/leaves.h"
#include "module/transition.h"

enum { CHUNKS = 512 };

enum verdict { ACCEPTABLE, ANSWERED, VIOLATION };

/* ANSWERED: status is the guest's answer. */
static enum verdict judge(struct tx *tx, bool reached, struct sept_ref *ref,
			  struct tdx_status *status)
{
	if (!reached) {
		if (!sept_has(ref->value, SEPT_IS_GUEST_READABLE))
			return VIOLATION;
		*status = tdx_error_num(TDX_PAGE_ALREADY_ACCEPTED, ref->level);
		return ANSWERED;
	}
	*status = tx_sept_lock(tx, ref);
	if (!tdx_is_success(*status))
		return ANSWERED;
	if (!sept_is_leaf(ref->value) && !sept_is_state(ref->value, TDX_SEPT_FREE)) {
		*status = tdx_error_num(TDX_PAGE_SIZE_MISMATCH, ref->level);
		return ANSWERED;
	}
	if (sept_has(ref->value, SEPT_IS_GUEST_READABLE)) {
		*status = tdx_error_num(TDX_PAGE_ALREADY_ACCEPTED, ref->level);
		return ANSWERED;
	}
	return sept_allows(tx->leaf, ref->value) ? ACCEPTABLE : VIOLATION;
}

static void clear(const struct tx *tx, uint64_t pa, bool is_zero)
{
	if (!is_zero)
		__builtin_memset(machine_ptr(tx->m, pa), 0, TDX_PAGE_SIZE);
	machine_wrote_guest(tx->lp->hw, pa, tx->lp->tdr->hkid);
}

/* The entry after as many chunks as the next interrupt allows; done: it was the last. All bytes may
 * become zero with the first chunk, as nobody may look at the page before the last. */
static uint64_t clear_chunks(const struct tx *tx, uint64_t page, uint64_t entry, bool *done)
{
	unsigned chunk = (unsigned)((entry & SEPT_ACCEPT_MASK) >> SEPT_ACCEPT_SHIFT);
	const bool is_zero = chunk == 0 && machine_zero_lazily(tx->m, page);

	do {
		clear(tx, page + chunk * TDX_PAGE_SIZE, is_zero);
		chunk++;
	} while (chunk < CHUNKS && !machine_irq_pending_guest(tx->lp->hw));
	*done = chunk == CHUNKS;
	return (entry & ~SEPT_ACCEPT_MASK) | (uint64_t)(chunk % CHUNKS) << SEPT_ACCEPT_SHIFT;
}

static uint64_t accepted(uint64_t entry)
{
	return sept_with_state(entry | SEPT_RWX, sept_is_state(entry, TDX_SEPT_PENDING)
							 ? TDX_SEPT_MAPPED
							 : TDX_SEPT_EXPORTED_DIRTY);
}

/* Cannot fail: the entry is locked and pending. It may not get to the end before an interrupt. */
static void commit(struct tx *tx, const struct sept_ref *ref)
{
	const struct lp *lp = tx->lp;
	uint64_t entry = ref->value;
	uint64_t page =
		machine_strip(tx->m, sept_address(entry)) & ~(tdx_level_size(ref->level) - 1);
	bool done = true;

	if (!machine_is_ram(tx->m, page, tdx_level_size(ref->level))) {
		module_fatal(tx->lp);
		return;
	}
	if (ref->level == TDX_LEVEL_4K)
		clear(tx, page, false);
	else
		entry = clear_chunks(tx, page, entry, &done);
	if (!done) {
		tx_sept_store(tx, ref, entry);
		guest_repeat(tx->lp);
		return;
	}
	for (unsigned vm = 1; vm <= lp->tdcs->num_l2_vms; vm++) {
		uint64_t *alias;

		if (!l2_aliased(entry, vm))
			continue;
		alias = l2_alias(tx, lp->tdr, lp->tdcs, vm, ref, false);
		if (!alias)
			return;
		l2_sept_write(alias, l2_sept_unblocked(*alias));
	}
	tx_sept_store(tx, ref, accepted(entry));
}

struct tdx_status leaf_tdg_mem_page_accept(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdg_mem_page_accept_in in = tdg_mem_page_accept_take(regs);
	const struct tdcs *tdcs = tx->lp->tdcs;
	enum tdx_level level = (enum tdx_level)gpa_level_level(in.at.v);
	gpa_t page = gpa_level_gpa(in.at.v);
	struct sept_ref ref = {.level = level};
	struct tdx_status s = tdx_success();

	if (!sept_operand_valid(in.at, TDX_LEVEL_4K, TDX_LEVEL_2M) ||
	    !td_gpa_valid(tdcs, page, true))
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
	switch (judge(tx, sept_walk(tx, tdcs, page, &ref), &ref, &s)) {
	case ACCEPTABLE:
		commit(tx, &ref);
		break;
	case VIOLATION:
		td_exit_page_call(tx->lp, page, level, &ref, TDX_EEQ_ACCEPT);
		break;
	case ANSWERED:
		break;
	}
	return s;
}
