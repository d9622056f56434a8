/* SPDX-License-Identifier: MIT */
/* CPUID as a new TD will see it: platform values cut by the table of leaves, by CPUID_CONFIG of
 * TD_PARAMS, and by ATTRIBUTES and XFAM. ABI: "CPUID virtualization".
 *
 * Rows are handled in table order: flags found in one leaf decide about later ones. */
#include "arch/x86.h"
#include "module/cpu_model.h"
#include "module/cpuid_flags.h"
#include "module/cpuid_table.h"
#include "arch/msr.h"
#include "module/td_init.h"

#define CPUID_8_EAX_PA	      0xffu
#define CPUID_8_EAX_LA_SHIFT  8
#define CPUID_8_EAX_GPA_SHIFT 16

#define XFAM_IN_XCR0	      0x602ffull

enum { NATIVE_CACHE_SUBLEAVES = 4 };

static const struct tdcs_cpuid_value none;

static unsigned min_unsigned(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* This leaf of CPUID_CONFIG is not acceptable. */
static struct tdx_status refuse(struct td_init *in, unsigned row)
{
	in->cpuid_leaf = cpuid_key_raw(row);
	return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_CPUID_CONFIG);
}

static uint32_t configure_reg(uint32_t native, uint32_t config, uint32_t cleared, uint32_t set,
			      uint32_t direct, uint32_t allowed)
{
	uint32_t v = (native & ~cleared) | set;

	v = (v & ~direct) | (config & direct);
	return v & (config | ~allowed);
}

/* A bit set in the configuration must be one the creator may choose; false if it is not. */
static bool configure(const struct cpuid_rule *r, const struct tdx_cpuid_values *c,
		      struct tdcs_cpuid_value *v)
{
	if ((c->eax & ~(r->direct.eax | r->allowed.eax)) ||
	    (c->ebx & ~(r->direct.ebx | r->allowed.ebx)) ||
	    (c->ecx & ~(r->direct.ecx | r->allowed.ecx)) ||
	    (c->edx & ~(r->direct.edx | r->allowed.edx)))
		return false;
	v->eax = configure_reg(v->eax, c->eax, r->cleared.eax, r->set.eax, r->direct.eax,
			       r->allowed.eax);
	v->ebx = configure_reg(v->ebx, c->ebx, r->cleared.ebx, r->set.ebx, r->direct.ebx,
			       r->allowed.ebx);
	v->ecx = configure_reg(v->ecx, c->ecx, r->cleared.ecx, r->set.ecx, r->direct.ecx,
			       r->allowed.ecx);
	v->edx = configure_reg(v->edx, c->edx, r->cleared.edx, r->set.edx, r->direct.edx,
			       r->allowed.edx);
	return true;
}

/* Family, model and stepping: native, or for a migratable TD those of an older processor. */
static struct tdx_status leaf_1(struct td_init *in, unsigned row, struct tdcs_cpuid_value *v)
{
	const uint32_t native = in->tx->mod->plat.fms;
	struct tdcs *tdcs = in->td->tdcs;

	if (v->eax == 0)
		v->eax = native;
	else if (tdcs->attributes & TDX_ATTR_MIGRATABLE) {
		if (!cpu_model_allowed(native, v->eax))
			return refuse(in, row);
	} else if (v->eax != native) {
		return refuse(in, row);
	}
	cpuid_apply_xfam(row, tdcs->xfam, v);
	tdcs->cpuid_flags.monitor_mwait = (v->ecx & CPUID_BIT(ECX, MONITOR)) != 0;
	tdcs->cpuid_flags.xtpr_update = (v->ecx & CPUID_BIT(ECX, XTPR_UPDATE)) != 0;
	return tdx_success();
}

static uint32_t reflect(uint32_t v, uint32_t bit, bool on)
{
	return on ? v | bit : v & ~bit;
}

static struct tdx_status leaf_7_0(struct td_init *in, unsigned row, struct tdcs_cpuid_value *v)
{
	struct tdcs *tdcs = in->td->tdcs;
	bool tsx;

	cpuid_apply_xfam(row, tdcs->xfam, v);
	tsx = v->ebx & CPUID_BIT(EBX, HLE);
	if (tsx != ((v->ebx & CPUID_BIT(EBX, RTM)) != 0))
		return refuse(in, row);
	if (tsx && !(in->tx->mod->plat.arch_capabilities & ARCH_CAP_TSX_CTRL))
		return tdx_error_num(TDX_INCORRECT_MSR_VALUE, MSR_ARCH_CAPABILITIES);
	v->ecx = reflect(v->ecx, CPUID_BIT(ECX, PKS), tdcs->attributes & TDX_ATTR_PKS);
	v->ecx &= ~CPUID_BIT(ECX, KL);
	tdcs->cpuid_flags.tsx = tsx;
	tdcs->cpuid_flags.waitpkg = (v->ecx & CPUID_BIT(ECX, WAITPKG)) != 0;
	tdcs->cpuid_flags.la57 = (v->ecx & CPUID_BIT(ECX, LA57)) != 0;
	return tdx_success();
}

static struct tdx_status leaf_7(struct td_init *in, unsigned row, struct tdcs_cpuid_value *v)
{
	struct tdcs *tdcs = in->td->tdcs;

	switch (cpuid_keys[row].subleaf) {
	case 0:
		return leaf_7_0(in, row, v);
	case 1:
		cpuid_apply_xfam(row, tdcs->xfam, v);
		tdcs->cpuid_flags.perfmon_ext_leaf = (v->eax & CPUID_BIT(EAX, PERFMON_EXT)) != 0;
		v->eax = reflect(v->eax, CPUID_BIT(EAX, LASS), tdcs->attributes & TDX_ATTR_LASS);
		break;
	case 2:
		tdcs->cpuid_flags.ddpd = (v->edx & CPUID_BIT(EDX, DDPD)) != 0;
		break;
	}
	return tdx_success();
}

/* The size of an XSAVE area depends on what XCR0 enables: ask with what the TD may enable. */
uint32_t td_xsave_area_size(struct machine_lp *hw, uint64_t xfam)
{
	const uint64_t host_xcr0 = hw->xcr0;
	uint32_t size;

	hw->xcr0 = xfam & XFAM_IN_XCR0;
	size = machine_cpuid(hw, 0xd, 0).ebx;
	hw->xcr0 = host_xcr0;
	return size;
}

static void leaf_d(struct td_init *in, unsigned row, struct tdcs_cpuid_value *v)
{
	struct tdcs *tdcs = in->td->tdcs;
	const uint32_t subleaf = cpuid_keys[row].subleaf;

	switch (subleaf) {
	case 0:
		cpuid_apply_xfam(row, tdcs->xfam, v);
		v->ecx = td_xsave_area_size(in->tx->lp->hw, tdcs->xfam);
		break;
	case 1:
		cpuid_apply_xfam(row, tdcs->xfam, v);
		if (!(in->tx->mod->plat.xfd_mask & tdcs->xfam))
			v->eax &= ~CPUID_BIT(EAX, XFD);
		tdcs->cpuid_flags.xfd = (v->eax & CPUID_BIT(EAX, XFD)) != 0;
		break;
	default:
		if (!(tdcs->xfam >> subleaf & 1))
			*v = none;
	}
}

/* Counters: bitmap of valid sub-leaves in sub-leaf 0, which comes first. */
static void leaf_23(struct td_init *in, unsigned row, struct tdcs_cpuid_value *v)
{
	struct tdcs *tdcs = in->td->tdcs;
	const uint32_t subleaf = cpuid_keys[row].subleaf;

	if (!(tdcs->attributes & TDX_ATTR_PERFMON) || !tdcs->cpuid_flags.perfmon_ext_leaf)
		*v = none;
	else if (subleaf == 0)
		tdcs->perfmon_ext_subleaves_bitmap = v->eax;
	else if (!(tdcs->perfmon_ext_subleaves_bitmap >> subleaf & 1))
		*v = none;
}

/* Address widths: native, or smaller ones that TD_PARAMS chose or GPAW implies. */
static struct tdx_status leaf_80000008(struct td_init *in, struct tdcs_cpuid_value *v)
{
	const unsigned native = in->tx->mod->max_pa;
	struct tdcs *tdcs = in->td->tdcs;
	const unsigned widest_gpa = tdcs->gpaw ? WIDE_GPA : NARROW_GPA;
	unsigned pa = v->eax & CPUID_8_EAX_PA, guest_pa = 0;

	if (tdcs->config_flags & TDX_CONFIG_MAXGPA_VIRT) {
		pa = native;
		guest_pa = min_unsigned(native, widest_gpa);
	} else if (!(tdcs->config_flags & TDX_CONFIG_MAXPA_VIRT)) {
		pa = native;
	} else if (pa == 0) {
		pa = min_unsigned(native, widest_gpa);
	} else if (pa > widest_gpa || pa > native || pa < MIN_VIRTUAL_MAXPA) {
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_CPUID_CONFIG);
	}
	tdcs->virt_maxpa = (uint8_t)(guest_pa ? guest_pa : pa);
	v->eax = (v->eax & 0xff000000u) | guest_pa << CPUID_8_EAX_GPA_SHIFT |
		 (tdcs->cpuid_flags.la57 ? 57u : 48u) << CPUID_8_EAX_LA_SHIFT | pa;
	return tdx_success();
}

static struct tdx_status virtualise(struct td_init *in, unsigned row, struct tdcs_cpuid_value *v)
{
	const struct cpuid_key *key = &cpuid_keys[row];
	struct tdcs *tdcs = in->td->tdcs;
	bool shown = true;

	switch (key->leaf) {
	case 0x1:
		return leaf_1(in, row, v);
	case 0x5:
		shown = tdcs->cpuid_flags.monitor_mwait;
		break;
	case 0x7:
		return leaf_7(in, row, v);
	case 0xa:
		shown = tdcs->attributes & TDX_ATTR_PERFMON;
		break;
	case 0xd:
		leaf_d(in, row, v);
		break;
	case 0x14:
		shown = tdcs->xfam & XFAM_PT;
		break;
	case 0x15: /* crystal of 25 MHz, ratio n/1 */
		v->ebx = tdcs->tsc_frequency;
		break;
	case 0x19:
		shown = false;
		break;
	case 0x1a: /* the native model means nothing where a migratable TD may go */
		shown = !(tdcs->attributes & TDX_ATTR_MIGRATABLE);
		break;
	case 0x1c:
		shown = tdcs->xfam & XFAM_LBR;
		break;
	case 0x1d:
		shown = (tdcs->xfam & XFAM_AMX) == XFAM_AMX;
		break;
	case 0x23:
		leaf_23(in, row, v);
		break;
	case 0x80000008:
		return leaf_80000008(in, v);
	}
	if (!shown)
		*v = none;
	return tdx_success();
}

struct tdx_status td_init_cpuid(struct td_init *in)
{
	const struct module *mod = in->tx->mod;
	struct tdcs *tdcs = in->td->tdcs;
	struct tdcs_ext *ext = in->td->ext;

	ext->cpuid_fixed0_bitmap = CPUID_FIXED0_BITMAP;
	for (unsigned row = 0; row < CPUID_ROWS; row++) {
		const struct cpuid_rule *rule = &cpuid_rules[row];
		const struct cpuid_regs *native = &mod->plat.cpuid[row];
		struct tdcs_cpuid_value v = {native->eax, native->ebx, native->ecx, native->edx};
		struct tdx_status s;

		if (cpuid_keys[row].leaf == 4 && cpuid_keys[row].subleaf < NATIVE_CACHE_SUBLEAVES)
			ext->cpuid4_native_values[cpuid_keys[row].subleaf] = v;
		if (rule->config != CPUID_NOT_CONFIGURABLE &&
		    !configure(rule, &in->params.cpuid[rule->config], &v))
			return refuse(in, row);
		s = virtualise(in, row, &v);
		if (!tdx_is_success(s))
			return s;
		tdcs->cpuid_values[row] = v;
		tdcs->cpuid_valid[row] = 1;
	}
	td_update_cpuid_flags(tdcs, ext);
	return tdx_success();
}
