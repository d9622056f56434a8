/* SPDX-License-Identifier: MIT */
/* The platform's MSRs: features the module needs, keys and KeyIDs, CMRs, SMRRs; and whether every
 * processor agrees on them. ABI: TDH.SYS.INIT, TDH.SYS.LP.INIT. Bits: SDM vol. 4. */
#include "arch/x86.h"
#include "arch/msr.h"
#include "module/sys.h"
#include "module/transition.h"

#define BIT(n)	     (1ull << (n))
#define BITS(hi, lo) ((~0ull >> (63 - (hi))) & (~0ull << (lo)))

/* IA32_ARCH_CAPABILITIES: what must be enumerated, and what must not */
#define ARCH_CAP_REQUIRED                                                                          \
	(BIT(0) | BIT(1) | BIT(3) | BIT(5) | BIT(6) | BIT(8) | BITS(15, 10) | BIT(21))
#define ARCH_CAP_FORBIDDEN     (BIT(2) | BIT(18))

#define PERF_CAP_REQUIRED      (BIT(12) | BIT(13)) /* freeze in SMM, full-width writes */
#define MTRRCAP_SMRR	       BIT(11)
#define MTRRCAP_SMRR2	       BIT(13)
#define MTRRCAP_SMRR_LOCK      BIT(14)
#define SMRR_MASK_LOCK	       BIT(10)
#define SMRR_MASK_VALID	       BIT(11)
#define TME_ACTIVATE_LOCK      BIT(0)
#define TME_CAP_INTEGRITY      (BIT(1) | BIT(3)) /* AES-XTS-128, -256 */
#define TME_ACTIVATE_INTEGRITY (BIT(49) | BIT(51))

static struct tdx_status wrong(uint32_t addr)
{
	return tdx_error_num(TDX_INCORRECT_MSR_VALUE, addr);
}

struct tdx_status sys_check_features(struct lp *lp, struct platform_info *plat)
{
	plat->core_capabilities = read_msr(lp, MSR_CORE_CAPABILITIES);
	plat->arch_capabilities = read_msr(lp, MSR_ARCH_CAPABILITIES);
	if (~plat->arch_capabilities & ARCH_CAP_REQUIRED ||
	    plat->arch_capabilities & ARCH_CAP_FORBIDDEN)
		return wrong(MSR_ARCH_CAPABILITIES);
	plat->xapic_disable_status = read_msr(lp, MSR_XAPIC_DISABLE_STATUS);
	if (plat->xapic_disable_status != 1)
		return wrong(MSR_XAPIC_DISABLE_STATUS);
	plat->misc_package_ctls = read_msr(lp, MSR_MISC_PACKAGE_CTLS);
	if (!(plat->misc_package_ctls & 1))
		return wrong(MSR_MISC_PACKAGE_CTLS);
	plat->perf_capabilities = read_msr(lp, MSR_PERF_CAPABILITIES);
	if (~plat->perf_capabilities & PERF_CAP_REQUIRED)
		return wrong(MSR_PERF_CAPABILITIES);
	plat->tsc_adjust = read_msr(lp, MSR_TSC_ADJUST);

	plat->misc_enable = read_msr(lp, MSR_MISC_ENABLE);
	if (plat->misc_enable & MISC_ENABLE_LIMIT_CPUID)
		return tdx_error(TDX_LIMIT_CPUID_MAXVAL_SET);
	if (!(plat->misc_enable & MISC_ENABLE_PERFMON_AVAILABLE) ||
	    plat->misc_enable & MISC_ENABLE_BTS_UNAVAILABLE)
		return wrong(MSR_MISC_ENABLE);
	return tdx_success();
}

/* The lowest set bit of a range mask is the range's size. */
static uint64_t mask_size(uint64_t mask)
{
	return mask & -mask;
}

struct tdx_status sys_check_keys(struct lp *lp, struct platform_info *plat)
{
	struct module *mod = lp->mod;
	unsigned keyid_bits;
	uint64_t seamrr_bits, last;

	plat->tme_capability = read_msr(lp, MSR_TME_CAPABILITY);
	plat->tme_activate = read_msr(lp, MSR_TME_ACTIVATE);
	if (!(plat->tme_activate & TME_ACTIVATE_LOCK))
		return wrong(MSR_TME_ACTIVATE);
	if (!(plat->tme_capability & TME_CAP_INTEGRITY))
		return wrong(MSR_TME_CAPABILITY);
	if (!(plat->tme_activate & TME_ACTIVATE_INTEGRITY))
		return wrong(MSR_TME_ACTIVATE);

	keyid_bits = (unsigned)(plat->tme_activate >> 32) & 0xf;
	mod->hkid_shift = mod->max_pa - keyid_bits;
	mod->hkid_mask = keyid_bits ? BITS(mod->max_pa - 1, mod->hkid_shift) : 0;

	plat->keyid_partitioning = read_msr(lp, MSR_MKTME_KEYID_PARTITIONING);
	last = (uint32_t)plat->keyid_partitioning + (plat->keyid_partitioning >> 32);
	if ((uint32_t)last >= MODULE_MAX_HKIDS)
		return tdx_error_num(TDX_NUM_ACTIVATED_HKIDS_NOT_SUPPORTED, MODULE_MAX_HKIDS);
	mod->private_hkid_min = (uint32_t)plat->keyid_partitioning + 1;
	mod->private_hkid_max = (uint32_t)last;

	seamrr_bits = BITS(51, 25);
	mod->seamrr_base = read_msr(lp, MSR_SEAMRR_BASE) & seamrr_bits;
	mod->seamrr_size = mask_size(read_msr(lp, MSR_SEAMRR_MASK) & seamrr_bits);
	if (!mod->seamrr_size) {
		module_fatal(lp);
		return wrong(MSR_SEAMRR_MASK);
	}
	mod->num_cached_sub_blocks = read_msr(lp, MSR_WBINVDP);
	if (read_msr(lp, MSR_WBNOINVDP) != mod->num_cached_sub_blocks)
		return wrong(MSR_WBNOINVDP);
	return tdx_success();
}

struct tdx_status sys_check_cmrs(const struct lp *lp)
{
	const struct machine_config *cfg = &lp->mod->m->cfg;
	uint64_t prev_first = 0, prev_last = 0;

	for (unsigned i = 0; i < cfg->ncmr; i++) {
		uint64_t first = cfg->cmr[i].base, last = first + cfg->cmr[i].size - 1;

		if (!cfg->cmr[i].size)
			continue;
		if (last < first || (first | last) & lp->mod->hkid_mask || last > BIT(52) ||
		    (first | cfg->cmr[i].size) & (TDX_PAGE_SIZE - 1) ||
		    (prev_last && (prev_first > first || prev_last > first)))
			return tdx_error(TDX_CMR_LIST_INVALID);
		prev_first = first;
		prev_last = last;
	}
	return tdx_success();
}

/* A mask without holes up to bit 31, and a base that is a multiple of the size. */
static bool smrr_valid(uint64_t base, uint64_t mask)
{
	uint64_t bits = mask & BITS(31, 12), whole = BITS(31, 0) & -mask_size(bits);

	return bits && bits == whole && !(base & BITS(31, 12) & ~whole);
}

struct tdx_status sys_check_smrr(struct lp *lp, struct platform_info *plat)
{
	const struct machine_config *cfg = &lp->mod->m->cfg;
	unsigned n;

	plat->mtrrcap = read_msr(lp, MSR_MTRRCAP);
	if (!(plat->mtrrcap & MTRRCAP_SMRR))
		return tdx_error(TDX_SMRR_NOT_SUPPORTED);
	if (!(plat->mtrrcap & MTRRCAP_SMRR_LOCK))
		return tdx_error(TDX_SMRR_LOCK_NOT_SUPPORTED);
	n = plat->mtrrcap & MTRRCAP_SMRR2 ? 2 : 1;
	for (unsigned i = 0; i < n; i++) {
		plat->smrr_base[i] = read_msr(lp, i ? MSR_SMRR2_BASE : MSR_SMRR_BASE);
		plat->smrr_mask[i] = read_msr(lp, i ? MSR_SMRR2_MASK : MSR_SMRR_MASK);
	}
	for (unsigned i = 0; i < n; i++)
		if (!(plat->smrr_mask[i] & SMRR_MASK_LOCK))
			return tdx_error_num(TDX_SMRR_NOT_LOCKED, i);
	for (unsigned i = 0; i < n; i++) {
		uint64_t base = plat->smrr_base[i] & BITS(31, 12);
		uint64_t size = mask_size(plat->smrr_mask[i] & BITS(31, 12));

		if (!(plat->smrr_mask[i] & SMRR_MASK_VALID))
			continue;
		if (!smrr_valid(plat->smrr_base[i], plat->smrr_mask[i]))
			return tdx_error_num(TDX_INVALID_SMRR_CONFIGURATION, i);
		for (unsigned c = 0; c < cfg->ncmr; c++)
			if (cfg->cmr[c].size && base < cfg->cmr[c].base + cfg->cmr[c].size &&
			    cfg->cmr[c].base < base + size)
				return tdx_error_bytes(TDX_SMRR_OVERLAPS_CMR, (uint8_t)i,
						       (uint8_t)c, 0, 0);
	}
	return tdx_success();
}

/* MSRs that must be the same on all processors, in the order they are looked at. */
struct same {
	uint32_t addr;
	size_t field; /* in struct platform_info */
};
#define SAME(addr, field)                                                                          \
	{                                                                                          \
		addr, offsetof(struct platform_info, field)                                        \
	}

static const struct same features[] = {
	SAME(MSR_CORE_CAPABILITIES, core_capabilities),
	SAME(MSR_ARCH_CAPABILITIES, arch_capabilities),
	SAME(MSR_MISC_PACKAGE_CTLS, misc_package_ctls),
	SAME(MSR_XAPIC_DISABLE_STATUS, xapic_disable_status),
};
static const struct same smrr[] = {
	SAME(MSR_MTRRCAP, mtrrcap),
	SAME(MSR_SMRR_BASE, smrr_base[0]),
	SAME(MSR_SMRR_MASK, smrr_mask[0]),
};
static const struct same smrr2[] = {
	SAME(MSR_SMRR2_BASE, smrr_base[1]),
	SAME(MSR_SMRR2_MASK, smrr_mask[1]),
};
static const struct same vmx_and_keys[] = {
	SAME(MSR_VMX_BASIC, vmx_basic),
	SAME(MSR_VMX_TRUE_PINBASED_CTLS, pinbased),
	SAME(MSR_VMX_TRUE_PROCBASED_CTLS, procbased),
	SAME(MSR_VMX_PROCBASED_CTLS2, procbased2),
	SAME(MSR_VMX_PROCBASED_CTLS3, procbased3),
	SAME(MSR_VMX_TRUE_EXIT_CTLS, exit_ctls),
	SAME(MSR_VMX_TRUE_ENTRY_CTLS, entry_ctls),
	SAME(MSR_VMX_MISC, vmx_misc),
	SAME(MSR_VMX_EPT_VPID_CAP, ept_vpid_cap),
	SAME(MSR_VMX_CR0_FIXED0, cr0_fixed0),
	SAME(MSR_VMX_CR0_FIXED1, cr0_fixed1),
	SAME(MSR_VMX_CR4_FIXED0, cr4_fixed0),
	SAME(MSR_VMX_CR4_FIXED1, cr4_fixed1),
	SAME(MSR_PERF_CAPABILITIES, perf_capabilities),
	SAME(MSR_TME_CAPABILITY, tme_capability),
	SAME(MSR_TME_ACTIVATE, tme_activate),
	SAME(MSR_MKTME_KEYID_PARTITIONING, keyid_partitioning),
};

static struct tdx_status inconsistent(uint32_t addr)
{
	return tdx_error_num(TDX_INCONSISTENT_MSR, addr);
}

static struct tdx_status compare(const struct lp *lp, const struct platform_info *plat,
				 const struct same *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (read_msr(lp, list[i].addr) !=
		    *(const uint64_t *)((const char *)plat + list[i].field))
			return inconsistent(list[i].addr);
	return tdx_success();
}
#define COMPARE(lp, plat, list) compare(lp, plat, list, sizeof(list) / sizeof((list)[0]))

struct tdx_status sys_compare_platform(struct lp *lp, const struct platform_info *plat,
				       struct cpuid_mismatch *told)
{
	struct tdx_status s = COMPARE(lp, plat, features);

	if (!tdx_is_success(s))
		return s;
	s = sys_compare_cpuid(lp, plat, told);
	if (!tdx_is_success(s))
		return s;
	if (read_msr(lp, MSR_TSC_ADJUST) != plat->tsc_adjust)
		return inconsistent(MSR_TSC_ADJUST);
	s = COMPARE(lp, plat, smrr);
	if (tdx_is_success(s) && plat->mtrrcap & MTRRCAP_SMRR2)
		s = COMPARE(lp, plat, smrr2);
	if (!tdx_is_success(s))
		return s;
	s = COMPARE(lp, plat, vmx_and_keys);
	if (!tdx_is_success(s))
		return s;
	if (read_msr(lp, MSR_WBINVDP) != lp->mod->num_cached_sub_blocks)
		return inconsistent(MSR_WBINVDP);
	if (read_msr(lp, MSR_WBNOINVDP) != lp->mod->num_cached_sub_blocks)
		return inconsistent(MSR_WBNOINVDP);
	return tdx_success();
}

struct tdx_status key_program(struct lp *lp, unsigned hkid_)
{
	enum { PCONFIG_OK = 0, PCONFIG_ENTROPY = 2, PCONFIG_BUSY = 5 };

	switch (machine_pconfig(lp->hw, hkid_)) {
	case PCONFIG_OK:
		return tdx_success();
	case PCONFIG_BUSY:
		return tdx_error_op(TDX_OPERAND_BUSY, TDX_OPERAND_ID_KET);
	case PCONFIG_ENTROPY:
		return tdx_error(TDX_KEY_GENERATION_FAILED);
	default:
		module_fatal(lp);
		return tdx_error(TDX_KEY_GENERATION_FAILED);
	}
}
