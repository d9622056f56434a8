/* SPDX-License-Identifier: MIT */
/* TDH.SYS.LP.INIT: this processor is like the one TDH.SYS.INIT looked at.
 * Locks: the module, shared. State: after SYS.INIT, before SYS.CONFIG; once a processor. */
#include <string.h>

#include "module/leaves.h"
#include "module/sys.h"

static struct tdx_status decode(struct tx *tx, struct cpuid_mismatch *told)
{
	struct tdx_status s = global_lock(tx, LOCK_SHARED);

	if (!tdx_is_success(s))
		return s;
	if (tx->mod->sys_state != SYSINIT_DONE)
		return tdx_error(TDX_SYS_LP_INIT_NOT_PENDING);
	if (tx->lp->initialized)
		return tdx_error(TDX_SYS_LP_INIT_DONE);
	tx->lp->last_tdvpr_pa = hpa(~0ull);
	return sys_compare_platform(tx->lp, &tx->mod->plat, told);
}

/* The line a fatal error is to be reported in, if TDH.SYS.INIT was given one, begins empty. The
 * address need not have memory behind it. */
static void clear_fatal_info(const struct tx *tx)
{
	const uint64_t pa = tx->mod->fatal_info_config_hpa, line = machine_strip(tx->m, pa);

	if (pa == ~0ull || !machine_is_ram(tx->m, line, FATAL_INFO_SIZE))
		return;
	memset(machine_ptr(tx->m, line), 0, FATAL_INFO_SIZE);
	machine_wrote(tx->lp->hw, line, machine_hkid_of(tx->m, pa));
}

/* Cannot fail: the processor is the caller's own, and what all share is counted at once. */
static void commit(struct tx *tx)
{
	clear_fatal_info(tx);
	tx->lp->lpid = tx->lp->id;
	tx->lp->initialized = true;
	atomic_fetch_or(&tx->mod->init_pkgs, 1u << tx->lp->package);
	atomic_fetch_add(&tx->mod->num_init_lps, 1);
}

struct tdx_status leaf_tdh_sys_lp_init(struct tx *tx, struct tdx_regs *regs)
{
	struct tdh_sys_lp_init_out out = tdh_sys_lp_init_failed(regs);
	struct cpuid_mismatch told = {0};
	struct tdx_status s = decode(tx, &told);

	if (tdx_is_success(s))
		commit(tx);
	out.cpuid_leaf = told.leaf;
	out.mask_eax_ebx = told.mask_eax_ebx;
	out.mask_ecx_edx = told.mask_ecx_edx;
	tdh_sys_lp_init_give(regs, &out);
	return s;
}
