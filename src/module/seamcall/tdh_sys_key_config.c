/* SPDX-License-Identifier: MIT */
/* TDH.SYS.KEY.CONFIG: the module's own key, once on each package; the last one makes it ready.
 * Locks: the module, exclusive. State: after SYS.CONFIG. */
#include "module/leaves.h"
#include "module/sys.h"

struct tdx_status leaf_tdh_sys_key_config(struct tx *tx, struct tdx_regs *regs)
{
	struct module *mod = tx->mod;
	uint32_t package = 1u << tx->lp->package;
	struct tdx_status s = global_lock(tx, LOCK_EXCLUSIVE);

	if (!tdx_is_success(s))
		return s;
	if (mod->sys_state != SYSCONFIG_DONE)
		return tdx_error(TDX_SYS_KEY_CONFIG_NOT_PENDING);
	if (mod->pkg_config_bitmap & package)
		return tdx_error(TDX_KEY_CONFIGURED);
	s = key_program(tx->lp, mod->hkid);
	if (!tdx_is_success(s))
		return s;
	/* from here on nothing can fail: the package has the key */
	mod->pkg_config_bitmap |= package;
	if ((unsigned)__builtin_popcount(mod->pkg_config_bitmap) == mod->num_pkgs)
		atomic_store_explicit(&mod->sys_state, SYS_READY, memory_order_release);
	return s;
}
