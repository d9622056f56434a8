/* SPDX-License-Identifier: MIT */
/* TDH.SYS.INIT: look at the platform once, on any processor. Version 1 also says where a fatal
 * error of the module is to be reported.
 * Locks: the module, exclusive. State: pending; a failure leaves it so. */
#include "machine/seam.h"
#include "module/leaves.h"
#include "module/profile.h"
#include "module/sys.h"
#include "module/transition.h"
#include "module/version.h"

/* Leaves of SEAMOPS that give a module its database entry: GETREF, REPORT. */
#define SEAMOPS_SEAMDB	    (1ull << 4 | 1ull << 5)

#define ATTRIBUTES_ALLOWED  0x8000000070010001ull
#define ATTRIBUTE_LASS	    (1ull << 27)
#define CONFIG_FLAGS_KNOWN  0x1full
#define TWENTY_USEC_PER_SEC 50000

/* R8: 51:6 address or all ones for none, 55:54 interrupt, 63:56 its vector. */
#define FATAL_INFO_HPA	    0x000fffffffffffc0ull
#define FATAL_INFO_RESERVED 0x003000000000003full
enum { FATAL_INTR_NONE = 0, FATAL_INTR_FIXED = 1, FATAL_MIN_VECTOR = 16 };

static struct tdx_status fatal_info(struct tx *tx, uint64_t info)
{
	struct tdx_status bad = tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_R8);
	void *line;

	if (info & FATAL_INFO_RESERVED)
		return bad;
	if ((info & FATAL_INFO_HPA) != FATAL_INFO_HPA) {
		if (!tdx_is_success(tx_shared(tx, hpa(info & FATAL_INFO_HPA), FATAL_INFO_SIZE,
					      TDX_OPERAND_ID_R8, &line)))
			return bad;
		tx->mod->fatal_info_config_hpa = info & FATAL_INFO_HPA;
	}
	if ((info >> 54 & 3) == FATAL_INTR_FIXED && info >> 56 < FATAL_MIN_VECTOR)
		return bad;
	return tdx_success();
}

static struct tdx_status check_platform(struct lp *lp, struct cpuid_mismatch *told)
{
	struct platform_info *plat = &lp->mod->plat;
	struct tdx_status s = sys_check_features(lp, plat);

	if (tdx_is_success(s))
		s = sys_sample_cpuid(lp, plat, told);
	if (tdx_is_success(s))
		s = sys_check_vmx(lp, plat);
	if (tdx_is_success(s))
		s = sys_check_keys(lp, plat);
	if (tdx_is_success(s))
		s = sys_check_cmrs(lp);
	if (tdx_is_success(s))
		s = sys_check_smrr(lp, plat);
	return s;
}

static struct tdx_status decode(struct tx *tx, const struct tdh_sys_init_in *in,
				struct cpuid_mismatch *told)
{
	struct module *mod = tx->mod;
	struct tdx_status s;
	uint64_t canary;

	s = global_lock(tx, LOCK_EXCLUSIVE);
	if (!tdx_is_success(s))
		return s;
	if (in->zero)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
	if (mod->sys_state != SYSINIT_PENDING)
		return tdx_error(TDX_SYS_INIT_NOT_PENDING);
	s = check_platform(tx->lp, told);
	if (!tdx_is_success(s))
		return s;
	if ((tx->m->cfg.platform->seamops_capabilities & SEAMOPS_SEAMDB) != SEAMOPS_SEAMDB)
		return tdx_error(TDX_INCOMPATIBLE_SEAM_CAPABILITIES);
	if (!machine_rdrand(tx->lp->hw, &canary))
		return tdx_error(TDX_RND_NO_ENTROPY);
	mod->fatal_info_config_hpa = ~0ull;
	return in->version ? fatal_info(tx, in->fatal_info) : s;
}

/* Cannot fail: the module is the caller's alone. */
static void commit(struct module *mod)
{
	const struct machine_seam *seam = machine_seam(mod->m); /* SYS_INFO_TABLE */

	mod->attributes_fixed0 = ATTRIBUTES_ALLOWED | (mod->plat.lass ? ATTRIBUTE_LASS : 0);
	mod->attributes_fixed1 = 0;
	mod->config_flags_fixed0 = CONFIG_FLAGS_KNOWN & ~mod->profile->config_flags_absent;
	mod->config_flags_fixed1 = 0;
	mod->module_hv = seam->module_hv;
	mod->min_update_hv = seam->min_update_hv;
	mod->no_downgrade = seam->no_downgrade;
	mod->num_handoff_pages = seam->num_handoff_pages;
	mod->twenty_usec_in_tsc = mod->plat.tsc_hz / TWENTY_USEC_PER_SEC;
	mod->pkg_config_bitmap = 0;
	mod->num_init_lps = 0;
	mod->init_pkgs = 0;
	mod->td_build_count = 0;
	atomic_store_explicit(&mod->sys_state, SYSINIT_DONE, memory_order_release);
}

struct tdx_status leaf_tdh_sys_init(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_sys_init_in in = tdh_sys_init_take(regs);
	struct tdh_sys_init_out out = tdh_sys_init_failed(regs);
	struct cpuid_mismatch told = {0};
	struct tdx_status s = decode(tx, &in, &told);

	if (tdx_is_success(s))
		commit(tx->mod);
	out.cpuid_leaf = told.leaf;
	out.mask_eax_ebx = told.mask_eax_ebx;
	out.mask_ecx_edx = told.mask_ecx_edx;
	out.expected_eax_ebx = told.expected_eax_ebx;
	out.expected_ecx_edx = told.expected_ecx_edx;
	tdh_sys_init_give(regs, &out);
	return s;
}
