/* SPDX-License-Identifier: MIT */
/* TDH.PHYMEM.CACHE.WB: write back the package's caches for KeyIDs no vCPU uses any more.
 *
 * The cycle goes block by block and stops for interrupts; where it stopped is remembered for the
 * package. Only KeyIDs that were flushed of vCPUs at the start of the cycle count as done.
 * Locks: the package's entry of the write-back table; the KOT, shared. */
#include "abi/operand.h"
#include "module/kot.h"
#include "module/leaves.h"

/* Remember the KeyIDs this cycle is for. */
static struct tdx_status start(struct module *mod, struct wbt_entry *wbt)
{
	bool any = false;

	wbt->intr_point = 0;
	for (unsigned i = mod->private_hkid_min; i <= mod->private_hkid_max; i++)
		any |= kot_state(mod, i) == TDX_KOT_FLUSHED;
	if (!any)
		return tdx_error(TDX_NO_HKID_READY_TO_WBCACHE);
	for (unsigned i = mod->private_hkid_min; i <= mod->private_hkid_max; i++)
		wbt->hkid_flushed[i] = kot_state(mod, i) == TDX_KOT_FLUSHED;
	return tdx_success();
}

static struct tdx_status decode(struct tx *tx, uint64_t command, struct wbt_entry *wbt)
{
	struct tdx_status s;

	/* the command before any lock: Intel's tdh_phymem_cache_wb.c */
	if (command > CACHE_WB_RESUME)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
	s = tx_lock(tx, LOCK_WBT, tx->lp->package, &wbt->lock, LOCK_EXCLUSIVE,
		    TDX_OPERAND_ID_WBCACHE);
	if (!tdx_is_success(s))
		return s;
	s = kot_lock(tx, LOCK_SHARED);
	if (!tdx_is_success(s))
		return s;
	if (command == CACHE_WB_START)
		return start(tx->mod, wbt);
	return wbt->intr_point ? s : tdx_error(TDX_WBCACHE_RESUME_ERROR);
}

struct tdx_status leaf_tdh_phymem_cache_wb(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_phymem_cache_wb_in in = tdh_phymem_cache_wb_take(regs);
	struct module *mod = tx->mod;
	struct wbt_entry *wbt = &mod->wbt[tx->lp->package];
	struct tdx_status s = decode(tx, in.command, wbt);
	uint64_t block;

	if (!tdx_is_success(s))
		return s;
	/* from here on nothing can fail, only stop for an interrupt */
	block = wbt->intr_point;
	for (;;) {
		machine_wb_block(tx->lp->hw, (unsigned)block);
		if (++block >= mod->num_cached_sub_blocks)
			break;
		if (machine_irq_pending(tx->lp->hw)) {
			wbt->intr_point = block;
			return tdx_error(TDX_INTERRUPTED_RESUMABLE);
		}
	}
	wbt->intr_point = 0;
	for (unsigned i = mod->private_hkid_min; i <= mod->private_hkid_max; i++)
		if (wbt->hkid_flushed[i])
			__atomic_fetch_and(&mod->kot[i].wbinvd_bitmap, ~(1u << tx->lp->package),
					   __ATOMIC_RELAXED);
	return s;
}
