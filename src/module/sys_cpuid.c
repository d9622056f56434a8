/* SPDX-License-Identifier: MIT */
/* CPUID of the platform: sampled and checked by TDH.SYS.INIT row by row of the table, compared by
 * TDH.SYS.LP.INIT. Some leaves tell the module more than what TDs will see: extended state, clock,
 * performance counters, topology. Rows of one leaf are met in order of sub-leaf. */
#include "arch/cpuid.h"
#include "arch/msr.h"
#include "arch/x86.h"
#include "module/cpuid_table.h"
#include "module/sys.h"
#include "module/transition.h"

#define XCR0_KNOWN	     0x000602ffu
#define XSS_KNOWN	     0x0001fd00u
#define MIN_TSC_HZ	     0x2540cull
#define MIN_PERFMON	     5u
#define MAX_FIXED_CTRS	     7u
#define MAX_CACHE_LPIDS(eax) ((eax) >> 14 & 0xfffu)

enum level_type { LEVEL_INVALID = 0, LEVEL_SMT = 1, LEVEL_CORE = 2, LEVEL_END = 6 };

/* What rows seen earlier say, for those that follow. */
struct scan {
	struct lp *lp;
	struct platform_info *plat;
	struct cpuid_mismatch *told;
	uint32_t l3_lpids;
	bool l3_seen, core_seen, shift_seen;
	unsigned shift, prev_type;
	uint32_t perfmon_subleaves;
};

static uint64_t low(const struct cpuid_regs *r)
{
	return (uint64_t)r->ebx << 32 | r->eax;
}

static uint64_t high(const struct cpuid_regs *r)
{
	return (uint64_t)r->edx << 32 | r->ecx;
}

static bool present(const struct lp *lp, uint32_t leaf)
{
	return leaf <= machine_cpuid(lp->hw, 0, 0).eax ||
	       (leaf >= CPUID_FIRST_EXT_LEAF &&
		leaf <= machine_cpuid(lp->hw, CPUID_FIRST_EXT_LEAF, 0).eax);
}

static struct tdx_status incorrect(const struct scan *c, unsigned row, struct cpuid_regs mask,
				   struct cpuid_regs expected)
{
	*c->told = (struct cpuid_mismatch){cpuid_key_raw(row), low(&mask), high(&mask),
					   low(&expected), high(&expected)};
	return tdx_error(TDX_INCORRECT_CPUID_VALUE);
}

static struct tdx_status broken(const struct scan *c)
{
	module_fatal(c->lp);
	return tdx_error(TDX_INCORRECT_CPUID_VALUE);
}

static void features(struct scan *c, uint32_t subleaf, const struct cpuid_regs *r)
{
	struct platform_info *p = c->plat;

	switch (subleaf) {
	case 0:
		p->hle = r->ebx & CPUID_BIT(EBX, HLE);
		p->rtm = r->ebx & CPUID_BIT(EBX, RTM);
		p->waitpkg = r->ecx & CPUID_BIT(ECX, WAITPKG);
		p->la57 = r->ecx & CPUID_BIT(ECX, LA57);
		break;
	case 1:
		p->lass = r->eax & CPUID_BIT(EAX, LASS);
		p->perfmon_ext_leaf = r->eax & CPUID_BIT(EAX, PERFMON_EXT);
		p->lam = r->eax & CPUID_BIT(EAX, LAM);
		break;
	case 2:
		p->ddpd = r->edx & CPUID_BIT(EDX, DDPD);
		break;
	}
}

static struct tdx_status perfmon(struct scan *c, unsigned row, const struct cpuid_regs *r)
{
	unsigned fixed = r->edx & 0x1f;

	if ((r->eax & 0xff) < MIN_PERFMON)
		return incorrect(c, row, (struct cpuid_regs){.eax = 0xf},
				 (struct cpuid_regs){.eax = MIN_PERFMON});
	c->plat->num_fixed_ctrs = fixed;
	c->plat->fc_bitmap = ((1u << fixed) - 1) | r->ecx;
	if (c->plat->fc_bitmap >= 1u << MAX_FIXED_CTRS)
		return incorrect(c, row, (struct cpuid_regs){.ecx = ~0u, .edx = 0x1f},
				 (struct cpuid_regs){.ecx = (1u << MAX_FIXED_CTRS) - 1,
						     .edx = MAX_FIXED_CTRS});
	return tdx_success();
}

static struct tdx_status extended_state(struct scan *c, uint32_t subleaf,
					const struct cpuid_regs *r)
{
	struct platform_info *p = c->plat;

	if (subleaf == 0) {
		p->xcr0_mask = r->eax & XCR0_KNOWN;
	} else if (subleaf == 1) {
		p->xfd = r->eax & CPUID_BIT(EAX, XFD);
		p->xss_mask = r->ecx & XSS_KNOWN;
	} else if (subleaf < TD_XBUFF_OFFSETS) {
		p->xsave_comp[subleaf].size = r->eax;
		p->xsave_comp[subleaf].align = r->ecx >> 1 & 1;
		if (p->xfd && r->ecx >> 2 & 1)
			p->xfd_mask |= 1u << subleaf;
		/* a supervisor component enabled in XCR0, or the reverse */
		if ((r->ecx & 1 ? p->xcr0_mask : p->xss_mask) >> subleaf & 1)
			return broken(c);
	}
	return tdx_success();
}

static struct tdx_status tsc(struct scan *c, const struct cpuid_regs *r)
{
	if (!r->ebx)
		return tdx_error_num(TDX_CPUID_LEAF_NOT_SUPPORTED, 0x15);
	c->plat->crystal_hz = r->ecx;
	c->plat->tsc_hz = r->eax ? (uint64_t)r->ecx * r->ebx / r->eax : 0;
	return c->plat->tsc_hz < MIN_TSC_HZ ? broken(c) : tdx_success();
}

/* The last level has been seen: the package is what lies above it, and the module relies on a
 * write-back reaching exactly one package, so the L3 must span it. */
static struct tdx_status topology_end(struct scan *c)
{
	struct platform_info *p = c->plat;

	if (!c->shift_seen || !c->l3_seen || c->shift - p->core_id_shift >= 32)
		return broken(c);
	p->pkg_id_shift = c->shift;
	p->core_id_mask = (uint32_t)((1ull << (c->shift - p->core_id_shift)) - 1);
	if (c->l3_lpids >> ((c->shift - 1) & 31) != 1)
		return tdx_error(TDX_INVALID_WBINVD_SCOPE);
	return tdx_success();
}

static struct tdx_status topology(struct scan *c, uint32_t subleaf, const struct cpuid_regs *r)
{
	unsigned type = r->ecx >> 8 & 0xff;
	struct tdx_status s = tdx_success();

	if ((r->ecx & 0xff) != subleaf)
		return tdx_error(TDX_CPUID_LEAF_1F_FORMAT_UNRECOGNIZED);
	if (type != LEVEL_INVALID) {
		if (type <= c->prev_type || type >= LEVEL_END)
			return tdx_error(TDX_CPUID_LEAF_1F_FORMAT_UNRECOGNIZED);
		c->shift = r->eax & 0x1f;
		c->shift_seen = true;
		if (type == LEVEL_SMT)
			c->plat->core_id_shift = c->shift;
		else if (type == LEVEL_CORE)
			c->core_seen = true;
	} else {
		if (subleaf == 0 || !c->core_seen)
			return tdx_error_num(TDX_CPUID_LEAF_NOT_SUPPORTED, TDX_OPERAND_ID_RAX);
		if (c->prev_type != LEVEL_INVALID)
			s = topology_end(c);
	}
	c->prev_type = type;
	return s;
}

static struct tdx_status perfmon_ext(struct scan *c, unsigned row, uint32_t subleaf,
				     struct cpuid_regs *r)
{
	if (!c->plat->perfmon_ext_leaf) {
		*r = (struct cpuid_regs){0, 0, 0, 0};
	} else if (subleaf == 0) {
		c->perfmon_subleaves = r->eax;
	} else if (!(c->perfmon_subleaves >> (subleaf & 31) & 1) && (low(r) || high(r))) {
		return incorrect(c, row, (struct cpuid_regs){~0u, ~0u, ~0u, ~0u},
				 (struct cpuid_regs){0, 0, 0, 0});
	}
	return tdx_success();
}

static struct tdx_status address_sizes(struct scan *c, unsigned row, const struct cpuid_regs *r)
{
	unsigned la = c->plat->la57 ? 57 : 48;

	c->lp->mod->max_pa = r->eax & 0xff;
	if (c->lp->mod->max_pa > 52)
		return broken(c);
	if ((r->eax >> 8 & 0xff) != la)
		return incorrect(c, row, (struct cpuid_regs){.eax = 0xff00},
				 (struct cpuid_regs){.eax = la << 8});
	return tdx_success();
}

/* What the module itself wants to know from the leaf. */
static struct tdx_status learn(struct scan *c, unsigned row, struct cpuid_regs *r)
{
	uint32_t subleaf = cpuid_keys[row].subleaf;

	switch (cpuid_keys[row].leaf) {
	case 0x1:
		c->plat->fms = machine_fms(c->lp->mod->m);
		r->eax = c->plat->fms;
		break;
	case 0x4:
		if (subleaf == 3) {
			c->l3_lpids = MAX_CACHE_LPIDS(r->eax);
			c->l3_seen = true;
		}
		break;
	case 0x7:
		features(c, subleaf, r);
		break;
	case 0xa:
		return perfmon(c, row, r);
	case 0xd:
		return extended_state(c, subleaf, r);
	case 0x15:
		return tsc(c, r);
	case 0x1a:
		c->plat->native_model_info = r->eax;
		break;
	case 0x1c:
		if (!(r->eax & 0xff))
			return broken(c);
		c->plat->max_lbr_depth = 8 * (32 - (unsigned)__builtin_clz(r->eax & 0xff));
		break;
	case 0x1f:
		return topology(c, subleaf, r);
	case 0x23:
		return perfmon_ext(c, row, subleaf, r);
	case 0x80000008:
		return address_sizes(c, row, r);
	}
	return tdx_success();
}

static bool as_expected(const struct cpuid_regs *r, const struct cpuid_rule *rule)
{
	return (low(r) & low(&rule->checked)) == low(&rule->expected) &&
	       (high(r) & high(&rule->checked)) == high(&rule->expected);
}

struct tdx_status sys_sample_cpuid(struct lp *lp, struct platform_info *plat,
				   struct cpuid_mismatch *told)
{
	struct scan c = {.lp = lp, .plat = plat, .told = told};
	uint32_t last_ext;

	plat->xfd_mask = 0;
	plat->core_id_shift = 0;
	if (machine_cpuid(lp->hw, 0, 0).eax < CPUID_MIN_LAST_BASE_LEAF)
		return tdx_error_num(TDX_CPUID_LEAF_NOT_SUPPORTED, CPUID_MIN_LAST_BASE_LEAF);
	plat->cpuid_last_base = CPUID_LAST_BASE_LEAF;
	last_ext = machine_cpuid(lp->hw, CPUID_FIRST_EXT_LEAF, 0).eax;
	if (last_ext < CPUID_LAST_EXT_LEAF)
		return tdx_error_num(TDX_CPUID_LEAF_NOT_SUPPORTED, CPUID_LAST_EXT_LEAF);
	plat->cpuid_last_ext = last_ext;

	for (unsigned row = 0; row < CPUID_ROWS; row++) {
		const struct cpuid_key *k = &cpuid_keys[row];
		struct cpuid_regs r = {0, 0, 0, 0};
		struct tdx_status s;

		if (present(lp, k->leaf))
			r = machine_cpuid(lp->hw, k->leaf, k->subleaf);
		if (!as_expected(&r, &cpuid_rules[row]))
			return incorrect(&c, row, cpuid_rules[row].checked,
					 cpuid_rules[row].expected);
		s = learn(&c, row, &r);
		if (!tdx_is_success(s))
			return s;
		plat->cpuid[row] = r;
	}
	return tdx_success();
}

struct tdx_status sys_compare_cpuid(struct lp *lp, const struct platform_info *plat,
				    struct cpuid_mismatch *told)
{
	if (read_msr(lp, MSR_MISC_ENABLE) & MISC_ENABLE_LIMIT_CPUID)
		return tdx_error(TDX_LIMIT_CPUID_MAXVAL_SET);
	for (unsigned row = 0; row < CPUID_ROWS; row++) {
		const struct cpuid_key *k = &cpuid_keys[row];
		const struct cpuid_regs *same = &cpuid_rules[row].same, *then = &plat->cpuid[row];
		struct cpuid_regs r;

		if (!present(lp, k->leaf))
			continue;
		r = machine_cpuid(lp->hw, k->leaf, k->subleaf);
		if ((low(&r) ^ low(then)) & low(same) || (high(&r) ^ high(then)) & high(same)) {
			told->leaf = cpuid_key_raw(row);
			told->mask_eax_ebx = low(same);
			told->mask_ecx_edx = high(same);
			return tdx_error(TDX_INCONSISTENT_CPUID_FIELD);
		}
		if (k->leaf == 0x1f && k->subleaf == 0) {
			unsigned package = r.edx >> (plat->pkg_id_shift & 31);

			if (package >= MACHINE_MAX_PKGS)
				return tdx_error_num(TDX_INVALID_PKG_ID, package);
			lp->package = package;
		}
	}
	return tdx_success();
}

void sys_complete_cpuid(struct module *mod)
{
	for (unsigned row = 0; row < CPUID_ROWS; row++)
		cpuid_apply_fixed(row, &mod->plat.cpuid[row]);
}
