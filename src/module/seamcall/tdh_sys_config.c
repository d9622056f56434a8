/* SPDX-License-Identifier: MIT */
/* TDH.SYS.CONFIG: which memory TDs may use, the module's KeyID, static or dynamic PAMT.
 * Locks: the module, exclusive. State: after LP.INIT on all processors.
 *
 * A failure in a TDMR leaves the KeyID reserved, as the real module does. */
#include <string.h>
#include "abi/operand.h"
#include "module/kot.h"
#include "module/leaves.h"
#include "module/sys.h"
#include "module/tdmr.h"

enum { LIST_ALIGN = 512, MAX_DYNAMIC_PAMT_HKID_SHIFT = 48 };

static struct tdx_status decode(struct tx *tx, const struct tdh_sys_config_in *in)
{
	struct module *mod = tx->mod;
	unsigned hkid_ = (unsigned)(in->options & SYS_CONFIG_HKID_MASK);
	struct tdx_status s = global_lock(tx, LOCK_EXCLUSIVE);
	void *list;

	if (!tdx_is_success(s))
		return s;
	if (mod->sys_state != SYSINIT_DONE || mod->num_init_lps < mod->num_lps)
		return tdx_error(TDX_SYS_CONFIG_NOT_PENDING);
	s = tx_shared(tx, in->tdmrs, LIST_ALIGN, TDX_OPERAND_ID_RCX, &list);
	if (!tdx_is_success(s))
		return s;
	if (in->num_tdmrs < 1 || in->num_tdmrs > TDX_MAX_TDMRS)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RDX);
	if (in->options & SYS_CONFIG_RESERVED || !hkid_is_private(mod, hkid_))
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_R8);
	return s;
}

/* The host may change memory meanwhile: each word is read once. */
static struct tdx_status read_tdmrs(struct tx *tx, const struct tdh_sys_config_in *in)
{
	struct tdx_tdmr_info info[TDX_MAX_TDMRS];
	uint64_t list[TDX_MAX_TDMRS];
	struct tdx_status s = tx_shared_read(tx, in->tdmrs, LIST_ALIGN, TDX_OPERAND_ID_RCX, list,
					     in->num_tdmrs * sizeof(list[0]));

	for (unsigned i = 0; tdx_is_success(s) && i < in->num_tdmrs; i++) {
		s = tx_shared_read(tx, hpa(list[i]), LIST_ALIGN, TDX_OPERAND_ID_RCX, &info[i],
				   sizeof(info[i]));
		if (tdx_is_success(s))
			s = tdmr_check(tx->mod, info, i);
		if (tdx_is_success(s))
			tdmr_set(&tx->mod->tdmr[i], &info[i]);
	}
	return s;
}

struct tdx_status leaf_tdh_sys_config(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_sys_config_in in = tdh_sys_config_take(regs);
	struct module *mod = tx->mod;
	struct tdx_status s = decode(tx, &in);

	if (!tdx_is_success(s))
		return s;
	/* What is written from here on stays when a TDMR is refused; the next attempt begins with
	 * it. */
	mod->hkid = (uint16_t)(in.options & SYS_CONFIG_HKID_MASK);
	/* 01-config-failed-hkid-stays-reserved.vec */
	mod->kot[mod->hkid].state = TDX_KOT_RESERVED;
	mod->dynamic_pamt = in.options & SYS_CONFIG_DYNAMIC_PAMT;
	if (mod->dynamic_pamt && mod->hkid_shift > MAX_DYNAMIC_PAMT_HKID_SHIFT)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_R8);
	s = read_tdmrs(tx, &in);
	if (!tdx_is_success(s))
		return s;
	/* from here on nothing can fail: the module is the caller's alone */
	mod->num_tdmrs = (uint32_t)in.num_tdmrs;
	sys_complete_cpuid(mod);
	mod->pkg_config_bitmap = 0;
	atomic_store_explicit(&mod->sys_state, SYSCONFIG_DONE, memory_order_release);
	return s;
}
