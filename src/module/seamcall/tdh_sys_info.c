/* SPDX-License-Identifier: MIT */
/* TDH.SYS.INFO: what the module and the platform can do, in two buffers of the host.
 * Locks: none. States: any before shutdown, the processor initialised. */
#include <string.h>
#include <swtdx/structs.h>
#include "arch/x86.h"
#include "module/cpuid_table.h"
#include "module/leaves.h"
#include "module/page.h"
#include "module/version.h"

static void describe(const struct module *mod, struct tdx_sysinfo *info)
{
	*info = (struct tdx_sysinfo){
		.vendor_id = MODULE_VENDOR_ID,
		.build_date = MODULE_BUILD_DATE,
		.build_num = MODULE_BUILD_NUM,
		.minor_version = MODULE_MINOR_VERSION,
		.major_version = MODULE_MAJOR_VERSION,
		.sys_rd = 1,
		.max_tdmrs = MODULE_MAX_TDMRS,
		.max_reserved_per_tdmr = MODULE_MAX_RESERVED,
		.pamt_entry_size = sizeof(struct pamt_entry),
		.tdcs_base_size = TDCS_MIN_PAGES * TDX_PAGE_SIZE,
		.tdvps_base_size = TDVPS_MIN_PAGES * TDX_PAGE_SIZE,
		.attributes_fixed0 = mod->attributes_fixed0,
		.attributes_fixed1 = mod->attributes_fixed1,
		.xfam_fixed0 = XFAM_FIXED0 & (mod->plat.xcr0_mask | mod->plat.xss_mask),
		.xfam_fixed1 = XFAM_FIXED1,
		.num_cpuid_config = CPUID_CONFIGS,
	};
	for (unsigned row = 0; row < CPUID_ROWS; row++) {
		const struct cpuid_rule *rule = &cpuid_rules[row];
		const struct cpuid_regs *direct = &rule->direct, *allowed = &rule->allowed;
		const struct cpuid_regs *native = &mod->plat.cpuid[row];

		if (rule->config == CPUID_NOT_CONFIGURABLE)
			continue;
		info->cpuid_config[rule->config] = (struct tdx_cpuid_config){
			.leaf = cpuid_keys[row].leaf,
			.subleaf = cpuid_keys[row].subleaf,
			.eax = direct->eax | (allowed->eax & native->eax),
			.ebx = direct->ebx | (allowed->ebx & native->ebx),
			.ecx = direct->ecx | (allowed->ecx & native->ecx),
			.edx = direct->edx | (allowed->edx & native->edx),
		};
	}
}

/* Where to write, NULL where there is no memory; the first buffer is cleared before the second is
 * looked at. */
struct plan {
	void *info, *cmrs;
};

static struct tdx_status decode(struct tx *tx, const struct tdh_sys_info_in *in, struct plan *p)
{
	struct tdx_status s;

	if (!tx->lp->initialized)
		return tdx_error(TDX_SYS_LP_INIT_NOT_DONE);
	s = tx_shared(tx, in->info, sizeof(struct tdx_sysinfo), TDX_OPERAND_ID_RCX, &p->info);
	if (!tdx_is_success(s))
		return s;
	if (in->info_size < sizeof(struct tdx_sysinfo))
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RDX);
	if (p->info)
		memset(p->info, 0, sizeof(struct tdx_sysinfo));
	s = tx_shared(tx, in->cmrs, TDX_MAX_CMRS * sizeof(struct tdx_cmr_info), TDX_OPERAND_ID_R8,
		      &p->cmrs);
	if (!tdx_is_success(s))
		return s;
	if (in->cmr_entries < TDX_MAX_CMRS)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_R9);
	return s;
}

/* Cannot fail: it writes to memory of the host, which answers for it. */
static void commit(const struct tx *tx, const struct plan *p, struct tdh_sys_info_out *out)
{
	const struct machine_config *cfg = &tx->m->cfg;
	struct tdx_cmr_info cmr[TDX_MAX_CMRS] = {{0, 0}};
	struct tdx_sysinfo info;

	describe(tx->mod, &info);
	for (unsigned i = 0; i < cfg->ncmr; i++)
		cmr[i] = (struct tdx_cmr_info){cfg->cmr[i].base, cfg->cmr[i].size};
	if (p->info)
		memcpy(p->info, &info, sizeof(info));
	if (p->cmrs)
		memcpy(p->cmrs, cmr, sizeof(cmr));
	out->info_size = sizeof(info);
	out->cmr_entries = TDX_MAX_CMRS;
}

struct tdx_status leaf_tdh_sys_info(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_sys_info_in in = tdh_sys_info_take(regs);
	struct tdh_sys_info_out out = tdh_sys_info_failed(regs);
	struct plan plan;
	struct tdx_status s = decode(tx, &in, &plan);

	if (tdx_is_success(s))
		commit(tx, &plan, &out);
	tdh_sys_info_give(regs, &out);
	return s;
}
