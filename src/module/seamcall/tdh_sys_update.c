/* SPDX-License-Identifier: MIT */
/* TDH.SYS.UPDATE: instead of being configured, take over the TDs of the module before.
 *
 * Locks: the module, exclusive. State: after LP.INIT on all processors. From version 1 on the host
 * says in R9 which features it wants to rely on. */
#include "module/handoff.h"
#include "module/leaves.h"
#include "module/profile.h"
#include "module/sys.h"
#include "module/version.h"

static struct tdx_status decode(struct tx *tx, const struct tdh_sys_update_in *in)
{
	struct tdx_status s = global_lock(tx, LOCK_EXCLUSIVE);

	if (!tdx_is_success(s))
		return s;
	if (tx->mod->sys_state != SYSINIT_DONE || tx->mod->num_init_lps < tx->mod->num_lps)
		return tdx_error(TDX_SYS_STATE_INCORRECT);
	if (!handoff_valid(tx->mod))
		return tdx_error(TDX_SYS_INVALID_HANDOFF);
	/* the version after the state: 09-leaf-version.vec */
	if (in->version > tx->leaf->max_version)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RAX);
	if (in->version && in->features & ~(MODULE_FEATURES0 & ~tx->mod->profile->features_absent))
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_R9);
	if (in->version && in->zero)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_R10);
	return s;
}

/* Cannot fail: the module is the caller's alone, and what was handed over has been checked. */
static void commit(struct module *mod, uint64_t features)
{
	handoff_take(mod);
	mod->update_compatibility = features & TDX_FEATURE_UPDATE_COMPATIBILITY;
	sys_complete_cpuid(mod);
	handoff_of(mod)->valid = false;
	handoff_of(mod)->size = 0;
	atomic_store_explicit(&mod->sys_state, SYS_READY, memory_order_release);
}

struct tdx_status leaf_tdh_sys_update(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_sys_update_in in = tdh_sys_update_take(regs);
	struct tdx_status s = decode(tx, &in);

	if (tdx_is_success(s))
		commit(tx->mod, in.version ? in.features : 0);
	return s;
}
