/* SPDX-License-Identifier: MIT */
/* TDH.SYS.TDMR.INIT: initialise the next piece of a TDMR's PAMT; a 1G block becomes usable when all
 * of it is. One call takes a bounded time, the host repeats it until RDX reaches the end.
 * Locks: the TDMR. */
#include "module/leaves.h"
#include "module/tdmr.h"

static struct tdx_status decode(struct tx *tx, hpa_t base, struct tdmr **tdmr)
{
	struct tdx_status invalid = tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX), s;
	struct tdmr *t;

	if (!tx_hpa_valid(tx, base, TDX_SIZE_1G))
		return invalid;
	t = pamt_tdmr(tx->mod, base.v);
	if (!t || t->base != base.v)
		return invalid;
	s = tx_lock(tx, LOCK_TDMR, (uint64_t)(t - tx->mod->tdmr), &t->lock, LOCK_EXCLUSIVE,
		    TDX_OPERAND_ID_RCX);
	if (!tdx_is_success(s))
		return s;
	if (t->last_initialized >= t->base + t->size)
		return tdx_error(TDX_TDMR_ALREADY_INITIALIZED);
	*tdmr = t;
	return s;
}

struct tdx_status leaf_tdh_sys_tdmr_init(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_sys_tdmr_init_in in = tdh_sys_tdmr_init_take(regs);
	struct tdh_sys_tdmr_init_out out = tdh_sys_tdmr_init_failed(regs);
	struct tdmr *t;
	struct tdx_status s = decode(tx, in.tdmr, &t);

	if (tdx_is_success(s)) { /* the TDMR is the caller's alone: nothing can fail */
		uint64_t next = t->last_initialized + tdmr_init_pamt(tx, t);

		/* Others find pages by this without taking the lock: the entries must be there
		 * first. */
		__atomic_store_n(&t->last_initialized, next, __ATOMIC_RELEASE);
		out.next = next & ~(TDX_SIZE_1G - 1);
	}
	tdh_sys_tdmr_init_give(regs, &out);
	return s;
}
