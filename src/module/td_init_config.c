/* SPDX-License-Identifier: MIT */
/* TD_PARAMS but for CPUID: checks in the module's order, into the TDCS. ABI: TDH.MNG.INIT. */
#include <string.h>

#include "arch/x86.h"
#include "arch/msr.h"
#include "module/sept.h"
#include "module/td_init.h"

#define EPTP_MT		 7ull
#define EPTP_RESERVED	 (~0x3full)
#define VPID_CAP_PML5	 (1ull << 7)

#define TSC_FREQ_MIN	 4
#define TSC_FREQ_MAX	 400
#define TSC_SHIFT	 48 /* fixed point of the multiplier */

#define MSR_CONFIG_KNOWN 1u

enum {
	XSAVE_LEGACY_AND_HEADER = 576,
	XFAM_FIRST_EXTENDED = 2,
	XFAM_LAST = 18,
};

static bool all_zero(const uint8_t *p, size_t n)
{
	while (n && !*p) {
		p++;
		n--;
	}
	return n == 0;
}

static bool none_or_all(uint64_t value, uint64_t bits)
{
	return (value & bits) == 0 || (value & bits) == bits;
}

bool td_attributes_valid(const struct module *mod, uint64_t attributes)
{
	if ((attributes & ~mod->attributes_fixed0) ||
	    (attributes & mod->attributes_fixed1) != mod->attributes_fixed1)
		return false;
	/* neither a debugger's view nor counters of this machine can move to another one */
	if ((attributes & TDX_ATTR_MIGRATABLE) &&
	    (attributes & (TDX_ATTR_DEBUG | TDX_ATTR_PERFMON)))
		return false;
	return !((attributes & TDX_ATTR_PERFMON) && (attributes & TDX_ATTR_ICSSD));
}

bool td_xfam_valid(const struct module *mod, uint64_t xfam)
{
	const uint64_t native = (uint64_t)mod->plat.xcr0_mask | mod->plat.xss_mask;

	if (xfam & ~(XFAM_FIXED0 & native))
		return false;
	if ((xfam & XFAM_FIXED1) != XFAM_FIXED1)
		return false;
	if ((xfam & XFAM_AVX3) && !(xfam & XFAM_AVX))
		return false;
	return none_or_all(xfam, XFAM_AVX3) && none_or_all(xfam, XFAM_CET) &&
	       none_or_all(xfam, XFAM_AMX);
}

bool td_config_flags_valid(const struct module *mod, uint64_t flags)
{
	if ((flags & ~mod->config_flags_fixed0) ||
	    (flags & mod->config_flags_fixed1) != mod->config_flags_fixed1)
		return false;
	return !((flags & TDX_CONFIG_MAXGPA_VIRT) && (flags & TDX_CONFIG_MAXPA_VIRT));
}

void td_place_xstate(const struct platform_info *plat, struct tdcs *tdcs)
{
	uint32_t offset = XSAVE_LEGACY_AND_HEADER;

	for (unsigned i = XFAM_FIRST_EXTENDED; i <= XFAM_LAST; i++) {
		if (!(tdcs->xfam >> i & 1))
			continue;
		if (plat->xsave_comp[i].align)
			offset = (offset + 63) & ~63u;
		tdcs->xbuff_offsets[i] = offset;
		offset += plat->xsave_comp[i].size;
	}
	tdcs->xbuff_size = offset;
}

bool td_eptp_valid(const struct module *mod, uint64_t eptp, bool wide_gpa)
{
	const uint64_t walk = eptp & (7ull << TDX_EPTP_WALK_SHIFT);

	if ((eptp & EPTP_MT) != TDX_EPTP_MT_WB || (eptp & EPTP_RESERVED))
		return false;
	if (walk == TDX_EPTP_WALK_5)
		return mod->plat.ept_vpid_cap & VPID_CAP_PML5;
	/* a shared bit at 51 is out of reach of four levels */
	return walk == TDX_EPTP_WALK_4 && !wide_gpa;
}

void td_tsc_params(uint64_t now, uint64_t native_hz, uint16_t frequency, uint64_t *multiplier,
		   uint64_t *offset)
{
	td_tsc_params_at(now, native_hz, frequency, 0, multiplier, offset);
}

void td_tsc_params_at(uint64_t now, uint64_t native_hz, uint16_t frequency, uint64_t virtual_tsc,
		      uint64_t *multiplier, uint64_t *offset)
{
	const unsigned __int128 hz = (uint64_t)frequency * TDX_TSC_FREQUENCY_HZ;

	*multiplier = (uint64_t)((hz << TSC_SHIFT) / native_hz);
	*offset = virtual_tsc - (uint64_t)((unsigned __int128)now * *multiplier >> TSC_SHIFT);
}

bool td_tsc_frequency_valid(uint64_t frequency)
{
	return frequency >= TSC_FREQ_MIN && frequency <= TSC_FREQ_MAX;
}

static struct tdx_status config_features(struct td_init *in)
{
	const struct module *mod = in->tx->mod;
	const struct tdx_td_params *p = &in->params;
	struct tdcs *tdcs = in->td->tdcs;

	if (!td_attributes_valid(mod, p->attributes))
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_ATTRIBUTES);
	tdcs->attributes = p->attributes;
	tdcs->td_ctls &= ~TDX_TD_CTLS_PENDING_VE_DISABLE;
	if (p->attributes & TDX_ATTR_SEPT_VE_DISABLE)
		tdcs->td_ctls |= TDX_TD_CTLS_PENDING_VE_DISABLE;
	if (!td_xfam_valid(mod, p->xfam))
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_XFAM);
	tdcs->xfam = p->xfam;
	td_place_xstate(&mod->plat, tdcs);
	return tdx_success();
}

static struct tdx_status config_numbers(struct td_init *in)
{
	const struct tdx_td_params *p = &in->params;
	struct tdcs *tdcs = in->td->tdcs;

	if (p->max_vcpus == 0 || p->max_vcpus > TD_MAX_VCPUS)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_MAX_VCPUS);
	tdcs->max_vcpus = p->max_vcpus;
	if (p->num_l2_vms >= TD_MAX_VMS)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_NUM_L2_VMS);
	if (in->td->tdr->num_tdcx < TDCS_MIN_PAGES + (unsigned)p->num_l2_vms * TDCS_PAGES_PER_L2_VM)
		return tdx_error(TDX_TDCS_NOT_ALLOCATED);
	tdcs->num_l2_vms = p->num_l2_vms;
	if (!all_zero(p->zero0, sizeof(p->zero0)))
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RDX);
	return tdx_success();
}

static struct tdx_status config_memory(struct td_init *in)
{
	const struct module *mod = in->tx->mod;
	const struct tdx_td_params *p = &in->params;
	struct tdcs *tdcs = in->td->tdcs;
	const bool wide_gpa = p->config_flags & TDX_CONFIG_GPAW;

	if (!td_config_flags_valid(mod, p->config_flags))
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_EXEC_CONTROLS);
	if (!td_eptp_valid(mod, p->eptp_controls, wide_gpa))
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_EPTP_CONTROLS);
	tdcs->eptp = p->eptp_controls | in->td->tdr->tdcx_pa[TDCS_PAGE_SEPT_ROOT];
	tdcs->config_flags = p->config_flags;
	tdcs->gpaw = wide_gpa;
	return tdx_success();
}

static struct tdx_status config_tsc(struct td_init *in)
{
	const struct module *mod = in->tx->mod;
	struct machine_lp *hw = in->tx->lp->hw;
	const uint16_t frequency = in->params.tsc_frequency;
	struct tdcs *tdcs = in->td->tdcs;
	uint64_t adjust = 0;

	if (!td_tsc_frequency_valid(frequency))
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_TSC_FREQUENCY);
	tdcs->tsc_frequency = frequency;
	/* the TSC read below is that of all processors only while no host moved this one's */
	machine_rdmsr(hw, MSR_TSC_ADJUST, &adjust);
	if (adjust != mod->plat.tsc_adjust)
		return tdx_error_num(TDX_INCONSISTENT_MSR, MSR_TSC_ADJUST);
	td_tsc_params(machine_rdtsc(hw), mod->plat.tsc_hz, frequency, &tdcs->tsc_multiplier,
		      &tdcs->tsc_offset);
	return tdx_success();
}

static struct tdx_status config_rest(struct td_init *in)
{
	const struct tdx_td_params *p = &in->params;
	struct tdcs *tdcs = in->td->tdcs;

	if (!all_zero(p->zero1, sizeof(p->zero1)))
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RDX);
	memcpy(tdcs->mrconfigid, p->mrconfigid.b, sizeof(tdcs->mrconfigid));
	memcpy(tdcs->mrowner, p->mrowner.b, sizeof(tdcs->mrowner));
	memcpy(tdcs->mrownerconfig, p->mrownerconfig.b, sizeof(tdcs->mrownerconfig));
	if ((p->msr_config_ctls & ~MSR_CONFIG_KNOWN) || !all_zero(p->zero2, sizeof(p->zero2)))
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RDX);
	return tdx_success();
}

struct tdx_status td_init_config(struct td_init *in)
{
	static struct tdx_status (*const steps[])(struct td_init *) = {
		config_features, config_numbers, config_memory, config_tsc, config_rest,
	};
	struct tdx_status s = tdx_success();

	for (unsigned i = 0; i < sizeof(steps) / sizeof(steps[0]) && tdx_is_success(s); i++)
		s = steps[i](in);
	return s;
}
