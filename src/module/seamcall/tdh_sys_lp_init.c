/* SPDX-License-Identifier: MIT */
/* TDH.SYS.LP.INIT: this processor is like the one TDH.SYS.INIT looked at.
 * Locks: the module, shared. State: after SYS.INIT, before SYS.CONFIG; once a processor. */
#include "module/leaves.h"
#include "module/sys.h"

static struct tdx_status decode(struct tx *tx, struct tdx_regs *regs)
{
	struct tdx_status s = global_lock(tx, LOCK_SHARED);

	if (!tdx_is_success(s))
		return s;
	if (tx->mod->sys_state != SYSINIT_DONE)
		return tdx_error(TDX_SYS_LP_INIT_NOT_PENDING);
	if (tx->lp->initialized)
		return tdx_error(TDX_SYS_LP_INIT_DONE);
	tx->lp->last_tdvpr_pa = hpa(~0ull);
	return sys_compare_platform(tx->lp, &tx->mod->plat, regs);
}

struct tdx_status leaf_tdh_sys_lp_init(struct tx *tx, struct tdx_regs *regs)
{
	struct tdx_status s;

	regs->rcx = regs->rdx = regs->r8 = 0;
	s = decode(tx, regs);
	if (tdx_is_success(s)) {
		tx->lp->lpid = tx->lp->id;
		tx->lp->initialized = true;
		atomic_fetch_or(&tx->mod->init_pkgs, 1u << tx->lp->package);
		atomic_fetch_add(&tx->mod->num_init_lps, 1);
	}
	return s;
}
