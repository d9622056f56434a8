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
		.vendor_id = 0x8086,
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

struct tdx_status leaf_tdh_sys_info(struct tx *tx, struct tdx_regs *regs)
{
	const struct machine_config *cfg = &tx->m->cfg;
	uint64_t info_size = regs->rdx, cmr_entries = regs->r9;
	struct tdx_cmr_info cmr[TDX_MAX_CMRS] = {{0, 0}};
	struct tdx_sysinfo info;
	void *info_ptr, *cmr_ptr;
	struct tdx_status s;

	regs->rdx = 0;
	regs->r9 = 0;
	if (!tx->lp->initialized)
		return tdx_error(TDX_SYS_LP_INIT_NOT_DONE);
	s = tx_shared(tx, hpa(regs->rcx), sizeof(info), TDX_OPERAND_ID_RCX, &info_ptr);
	if (!tdx_is_success(s))
		return s;
	if (info_size < sizeof(info))
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RDX);
	if (info_ptr)
		memset(info_ptr, 0, sizeof(info));
	s = tx_shared(tx, hpa(regs->r8), sizeof(cmr), TDX_OPERAND_ID_R8, &cmr_ptr);
	if (!tdx_is_success(s))
		return s;
	if (cmr_entries < TDX_MAX_CMRS)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_R9);

	describe(tx->mod, &info);
	for (unsigned i = 0; i < cfg->ncmr; i++)
		cmr[i] = (struct tdx_cmr_info){cfg->cmr[i].base, cfg->cmr[i].size};
	if (info_ptr)
		memcpy(info_ptr, &info, sizeof(info));
	if (cmr_ptr)
		memcpy(cmr_ptr, cmr, sizeof(cmr));
	regs->rdx = sizeof(info);
	regs->r9 = TDX_MAX_CMRS;
	return tdx_success();
}
