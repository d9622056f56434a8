/* SPDX-License-Identifier: MIT */
/* TDH.SYS.SHUTDOWN: no more calls; the state is ready for the next module to take over.
 * Locks: the module, exclusive. No other processor may be in the module or in a guest. */
#include "abi/operand.h"
#include "module/handoff.h"
#include "module/leaves.h"
#include "module/sys.h"

static bool others_busy(const struct tx *tx)
{
	for (unsigned i = 0; i < tx->mod->num_lps; i++)
		if (i != tx->lp->id && atomic_load(&tx->mod->lp[i].busy))
			return true;
	return false;
}

/* Does anything wait that only this version can go on with: half-built measurements, half-written
 * bundles? */
static struct tdx_status sensitive(const struct module *mod)
{
	enum { TD_BUILD = 0, MIGRATION = 1 };

	if (mod->td_build_count)
		return tdx_error_pair(TDX_UPDATE_COMPATIBILITY_SENSITIVE, mod->td_build_count,
				      TD_BUILD);
	if (mod->mig_interrupted_count)
		return tdx_error_pair(TDX_UPDATE_COMPATIBILITY_SENSITIVE,
				      mod->mig_interrupted_count, MIGRATION);
	return tdx_success();
}

struct tdx_status leaf_tdh_sys_shutdown(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_sys_shutdown_in in = tdh_sys_shutdown_take(regs);
	struct module *mod = tx->mod;
	unsigned hv = in.options & SYS_SHUTDOWN_HANDOFF_MASK;
	struct tdx_status s;

	/* before the lock: Intel's tdh_sys_shutdown.c */
	if (hv < mod->min_update_hv || hv > mod->module_hv ||
	    (mod->no_downgrade && hv != mod->module_hv) ||
	    in.options & ~(SYS_SHUTDOWN_HANDOFF_MASK | SYS_SHUTDOWN_AVOID_COMPAT_SENSITIVE))
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
	s = global_lock(tx, LOCK_EXCLUSIVE);
	if (!tdx_is_success(s))
		return s;
	/* Closed first, so that a processor entering from here on is refused. */
	atomic_store(&mod->sys_state, SYS_SHUTDOWN);
	if (others_busy(tx)) {
		atomic_store(&mod->sys_state, SYS_READY);
		return tdx_error(TDX_SYS_BUSY);
	}
	if (in.options & SYS_SHUTDOWN_AVOID_COMPAT_SENSITIVE) {
		s = sensitive(mod);
		if (!tdx_is_success(s)) {
			atomic_store(&mod->sys_state, SYS_READY);
			return s;
		}
	}
	/* from here on nothing can fail: no other processor is inside, and none comes in */
	handoff_write(mod, (uint16_t)hv);
	return tdx_success();
}
