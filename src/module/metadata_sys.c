/* SPDX-License-Identifier: MIT */
/* Values of the module-wide metadata fields. They are set by TDH.SYS.INIT and SYS.CONFIG and
 * constant afterwards, so nothing is locked here. */
#include "arch/x86.h"
#include "module/cpu_model.h"
#include "module/cpuid_table.h"
#include "module/handoff.h"
#include "module/metadata.h"
#include "module/page.h"
#include "module/profile.h"
#include "module/version.h"

enum {
	CMR_ENTRIES = 32,
	FIRST_HKID_BIT_OF_DYNAMIC_PAMT = 48,
	MIN_VIRT_MAXPA = 45,
	MAX_MIGS = 512,
	IMMUTABLE_STATE_PAGES = 4,
	TD_STATE_PAGES = 2,
	VP_STATE_PAGES = 9,
	GUEST_L2_GPA_ATTR_MASK = 0x807f,
	ALLOWED_VM_CTLS = 1,
	ALLOWED_L2_CTLS = 3,
	ALLOWED_L2_DEBUG_CTLS = 7,
};

#define ARCH_CAPABILITIES_MASK (1ull << 4 | 1ull << 19 | 1ull << 20 | 1ull << 24)
#define SERVTD_ATTR_FIXED0     0x7ff00000001ull

/* The native value of a configurable leaf as TD_PARAMS may set it: EAX and EBX or ECX and EDX. */
static uint64_t cpuid_config_value(const struct module *mod, unsigned config, unsigned element)
{
	const struct cpuid_rule *rule;
	const struct cpuid_regs *native;
	unsigned row;

	if (config >= CPUID_CONFIGS)
		return 0;
	row = cpuid_config_row(config);
	rule = &cpuid_rules[row];
	native = &mod->plat.cpuid[row];
	if (element == 0)
		return (uint64_t)(rule->direct.ebx | (rule->allowed.ebx & native->ebx)) << 32 |
		       (rule->direct.eax | (rule->allowed.eax & native->eax));
	return (uint64_t)(rule->direct.edx | (rule->allowed.edx & native->edx)) << 32 |
	       (rule->direct.ecx | (rule->allowed.ecx & native->ecx));
}

/* Measured: of a CPUID_CONFIG_VALUES field without a leaf only the first element is written. */
unsigned md_sys_elements(const struct md_field *f, uint64_t id)
{
	if (f == &md_sys.row[MD_SYS_CPUID_CONFIG_VALUES] && md_index(f, id) / 2 >= CPUID_CONFIGS)
		return 1;
	return md_elements(f);
}

uint64_t md_sys_value(const struct md *md, const struct md_field *f, uint64_t id)
{
	const struct module *mod = md->tx->mod;
	const struct machine_config *cfg = &mod->m->cfg;
	const unsigned n = md_index(f, id) / md_elements(f);
	const unsigned element = md_index(f, id) % md_elements(f);

	switch ((enum md_sys_field)(f - md_sys.row)) {
	case MD_SYS_NUM_PKGS:
		return mod->num_pkgs;
	case MD_SYS_PKG_FMS:
		return n < mod->num_pkgs ? mod->plat.fms : 0;
	case MD_SYS_VENDOR_ID:
		return MODULE_VENDOR_ID;
	case MD_SYS_BUILD_DATE:
		return MODULE_BUILD_DATE;
	case MD_SYS_BUILD_NUM:
		return MODULE_BUILD_NUM;
	case MD_SYS_MINOR_VERSION:
		return MODULE_MINOR_VERSION;
	case MD_SYS_MAJOR_VERSION:
		return MODULE_MAJOR_VERSION;
	case MD_SYS_UPDATE_VERSION:
		return mod->profile->update_version;
	case MD_SYS_INTERNAL_VERSION:
		return MODULE_INTERNAL_VERSION;
	case MD_SYS_MODULE_HV:
		return mod->module_hv;
	case MD_SYS_MIN_UPDATE_HV:
		return mod->min_update_hv;
	case MD_SYS_NO_DOWNGRADE:
		return mod->no_downgrade;
	case MD_SYS_NUM_HANDOFF_PAGES:
		return mod->num_handoff_pages;
	case MD_SYS_HANDOFF_DATA_VALID:
		return handoff_of(mod)->valid;
	case MD_SYS_HANDOFF_DATA_HV:
		return handoff_of(mod)->hv;
	case MD_SYS_HANDOFF_DATA_SIZE:
		return handoff_of(mod)->size;
	case MD_SYS_SYS_ATTRIBUTES:
		return 0;
	case MD_SYS_NUM_TDX_FEATURES:
		return 1;
	case MD_SYS_TDX_FEATURES0:
		return MODULE_FEATURES0 & ~mod->profile->features_absent;
	case MD_SYS_NUM_CMRS:
		return CMR_ENTRIES;
	case MD_SYS_CMR_BASE:
		return n < cfg->ncmr ? cfg->cmr[n].base : 0;
	case MD_SYS_CMR_SIZE:
		return n < cfg->ncmr ? cfg->cmr[n].size : 0;
	case MD_SYS_MAX_TDMRS:
		return MODULE_MAX_TDMRS;
	case MD_SYS_MAX_RESERVED_PER_TDMR:
		return MODULE_MAX_RESERVED;
	case MD_SYS_PAMT_4K_ENTRY_SIZE:
	case MD_SYS_PAMT_2M_ENTRY_SIZE:
	case MD_SYS_PAMT_1G_ENTRY_SIZE:
		return sizeof(struct pamt_entry);
	case MD_SYS_PAMT_PAGE_BITMAP_ENTRY_BITS:
		return 1;
	case MD_SYS_MIN_DYNAMIC_PAMT_NUM_HKID_BITS:
		return mod->max_pa > FIRST_HKID_BIT_OF_DYNAMIC_PAMT
			       ? mod->max_pa - FIRST_HKID_BIT_OF_DYNAMIC_PAMT
			       : 0;
	case MD_SYS_TDR_BASE_SIZE:
		return TDX_PAGE_SIZE;
	case MD_SYS_TDCS_BASE_SIZE:
		return TDCS_MIN_PAGES * TDX_PAGE_SIZE;
	case MD_SYS_TDCS_SIZE_PER_L2_VM:
		return TDCS_PAGES_PER_L2_VM * TDX_PAGE_SIZE;
	case MD_SYS_TDVPS_BASE_SIZE:
		return TDVPS_MIN_PAGES * TDX_PAGE_SIZE;
	case MD_SYS_TDVPS_SIZE_PER_L2_VM:
		return TDVPS_PAGES_PER_L2_VM * TDX_PAGE_SIZE;
	case MD_SYS_ATTRIBUTES_FIXED0:
		return mod->attributes_fixed0;
	case MD_SYS_ATTRIBUTES_FIXED1:
		return mod->attributes_fixed1;
	case MD_SYS_XFAM_FIXED0:
		return XFAM_FIXED0 & (mod->plat.xcr0_mask | mod->plat.xss_mask);
	case MD_SYS_XFAM_FIXED1:
		return XFAM_FIXED1;
	case MD_SYS_NUM_CPUID_CONFIG:
		return CPUID_CONFIGS;
	case MD_SYS_CONFIG_FLAGS_FIXED0:
		return mod->config_flags_fixed0;
	case MD_SYS_CONFIG_FLAGS_FIXED1:
		return mod->config_flags_fixed1;
	case MD_SYS_MAX_VCPUS_PER_TD:
		return TD_MAX_VCPUS;
	case MD_SYS_MIN_VIRT_MAXPA:
		return MIN_VIRT_MAXPA;
	case MD_SYS_MAX_EVENT_FILTERS:
		return TD_MAX_EVENT_FILTERS;
	case MD_SYS_CPUID_CONFIG_LEAVES:
		return n < CPUID_CONFIGS ? cpuid_key_raw(cpuid_config_row(n)) : ~0ull;
	case MD_SYS_CPUID_CONFIG_VALUES:
		return cpuid_config_value(mod, n, element);
	case MD_SYS_IA32_ARCH_CAPABILITIES_CONFIG_MASK:
		return ARCH_CAPABILITIES_MASK;
	case MD_SYS_NUM_ALLOWED_FMS:
		return cpu_model_count(mod->plat.fms);
	case MD_SYS_NUM_DISALLOWED_FMS:
	case MD_SYS_DISALLOWED_FMS:
		return 0;
	case MD_SYS_ALLOWED_FMS:
		return cpu_model_entry(mod->plat.fms, n);
	case MD_SYS_MIG_ATTRIBUTES:
	case MD_SYS_MIN_EXPORT_VERSION:
	case MD_SYS_MAX_EXPORT_VERSION:
	case MD_SYS_MIN_IMPORT_VERSION:
	case MD_SYS_MAX_IMPORT_VERSION:
		return 0;
	case MD_SYS_MAX_MIGS:
		return MAX_MIGS;
	case MD_SYS_NUM_IMMUTABLE_STATE_PAGES:
		return IMMUTABLE_STATE_PAGES;
	case MD_SYS_NUM_TD_STATE_PAGES:
		return TD_STATE_PAGES;
	case MD_SYS_NUM_VP_STATE_PAGES:
		return VP_STATE_PAGES;
	case MD_SYS_MAX_SERV_TDS:
		return TD_MAX_SERVTDS;
	case MD_SYS_SERVTD_ATTR_FIXED0:
		return SERVTD_ATTR_FIXED0;
	case MD_SYS_SERVTD_ATTR_FIXED1:
		return 0;
	case MD_SYS_GUEST_L2_GPA_ATTR_MASK:
		return GUEST_L2_GPA_ATTR_MASK;
	case MD_SYS_VM_CTLS_FIXED0:
		return ALLOWED_VM_CTLS;
	case MD_SYS_VCPU_L2_CTLS_FIXED0:
		return ALLOWED_L2_CTLS;
	case MD_SYS_VCPU_L2_DEBUG_CTLS_FIXED0:
		return ALLOWED_L2_DEBUG_CTLS;
	case MD_SYS_VM_CTLS_FIXED1:
	case MD_SYS_VCPU_L2_CTLS_FIXED1:
	case MD_SYS_VCPU_L2_DEBUG_CTLS_FIXED1:
	case MD_SYS_FIELDS:
		return 0;
	}
	return 0;
}
