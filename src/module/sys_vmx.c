/* SPDX-License-Identifier: MIT */
/* VMX capabilities: can the processor run the controls the module sets and varies in a TD's VMCS?
 *
 * Per control word: `init` is what the module starts with, `variable` the bits it changes later,
 * `unknown` the bits it leaves as the processor wants them. ABI: TDH.SYS.INIT; SDM vol. 3, A.3 on.
 */
#include "arch/msr.h"
#include "arch/x86.h"
#include "module/sys.h"
#include "module/td_vmcs.h"
#include "module/transition.h"

struct ctls {
	uint64_t init, variable, unknown;
};

struct vmx_needs {
	struct ctls pinbased, procbased, procbased2, procbased3, exit, entry;
};

/* clang-format off */
static const struct vmx_needs td = {
	.pinbased   = {0x00000029, 0x00000080, 0xffffff16},
	.procbased  = {0x91220088, 0x20400c00, 0x04046173},
	.procbased2 = {0x133cb3fa, 0xcc000400, 0},
	.procbased3 = {0,          0x00000020, 0xffffffffffffff40},
	.exit       = {0x1f3c9204, 0x40000000, 0x00036dfb},
	.entry      = {0x003ee004, 0x00400200, 0xff8011fb},
};
static const struct vmx_needs l2 = {
	.pinbased   = {0x00000029, 0,          0xffffff16},
	.procbased  = {0x91220088, 0x68d99e04, 0x04046173},
	.procbased2 = {0x1338b3fa, 0xcc513e0c, 0},
	.procbased3 = {0,          0x0000002e, 0xffffffffffffff40},
	.exit       = {0x1f3c9204, 0x40000000, 0x00036dfb},
	.entry      = {0x003ee004, 0x00400200, 0xff8011fb},
};
/* clang-format on */

#define PROCBASED2_WAIT_PAUSE	 (1u << 26)
#define PROCBASED2_ENCLV_EXITING (1u << 28)
/* Varied when it is there, hence not in `variable` above; a processor with DDPD_U must have it. */
#define PROCBASED3_SPEC_CTRL (1ull << 7)

#define CR0_PE_PG	     (CR0_PE | CR0_PG)
#define GUEST_CR0_INIT	     (CR0_PE | CR0_NE)
#define GUEST_CR4_INIT	     (CR4_MCE | CR4_VMXE)

/* BASIC: I/O exits have information, the TRUE capability MSRs exist; bits 44:32 the VMCS size */
#define VMX_BASIC_REQUIRED (1ull << 54 | 1ull << 55)
/* MISC: unrestricted guest, HLT, shutdown, PT in VMX, VMWRITE to any field; 24:16 CR3 targets */
#define VMX_MISC_REQUIRED (1ull << 5 | 1ull << 6 | 1ull << 7 | 1ull << 14 | 1ull << 29)
#define EPT_VPID_REQUIRED 0x10106334041ull
enum { VMCS_SIZE = 4096, MIN_CR3_TARGETS = 4 };

static struct tdx_status wrong(uint32_t addr)
{
	return tdx_error_num(TDX_INCORRECT_MSR_VALUE, addr);
}

/* A capability MSR: bits that must be 1 in 31:0, bits that may be 1 in 63:32. */
static struct tdx_status check32(struct lp *lp, uint32_t addr, uint64_t cap, const struct ctls *c,
				 uint32_t *value)
{
	uint32_t must = (uint32_t)cap, may = (uint32_t)(cap >> 32);

	if (must & ~may) {
		module_fatal(lp);
		return wrong(addr);
	}
	if (must & ~(c->init | c->unknown) || ~may & c->init || (must | ~may) & c->variable)
		return wrong(addr);
	*value = (uint32_t)c->init | must;
	return tdx_success();
}

static struct tdx_status check_ctls(struct lp *lp, const struct platform_info *plat,
				    const struct vmx_needs *need, struct vmx_ctls *out)
{
	struct ctls p2 = need->procbased2;
	struct tdx_status s;

	s = check32(lp, MSR_VMX_TRUE_PINBASED_CTLS, plat->pinbased, &need->pinbased,
		    &out->pinbased);
	if (!tdx_is_success(s))
		return s;
	s = check32(lp, MSR_VMX_TRUE_PROCBASED_CTLS, plat->procbased, &need->procbased,
		    &out->procbased);
	if (!tdx_is_success(s))
		return s;
	p2.init &= ~(uint64_t)PROCBASED2_WAIT_PAUSE;
	if (plat->waitpkg)
		p2.init |= PROCBASED2_WAIT_PAUSE;
	if (!(plat->procbased2 >> 32 & PROCBASED2_ENCLV_EXITING))
		p2.init &= ~(uint64_t)PROCBASED2_ENCLV_EXITING;
	s = check32(lp, MSR_VMX_PROCBASED_CTLS2, plat->procbased2, &p2, &out->procbased2);
	if (!tdx_is_success(s))
		return s;
	if (plat->ddpd && !(plat->procbased3 & PROCBASED3_SPEC_CTRL))
		return wrong(MSR_VMX_PROCBASED_CTLS3);
	if (~plat->procbased3 & (need->procbased3.init | need->procbased3.variable))
		return wrong(MSR_VMX_PROCBASED_CTLS3);
	out->procbased3 = need->procbased3.init;
	s = check32(lp, MSR_VMX_TRUE_EXIT_CTLS, plat->exit_ctls, &need->exit, &out->exit_ctls);
	if (!tdx_is_success(s))
		return s;
	return check32(lp, MSR_VMX_TRUE_ENTRY_CTLS, plat->entry_ctls, &need->entry,
		       &out->entry_ctls);
}

static void sample(const struct lp *lp, struct platform_info *plat)
{
	plat->vmx_basic = read_msr(lp, MSR_VMX_BASIC);
	plat->pinbased = read_msr(lp, MSR_VMX_TRUE_PINBASED_CTLS);
	plat->procbased = read_msr(lp, MSR_VMX_TRUE_PROCBASED_CTLS);
	plat->procbased2 = read_msr(lp, MSR_VMX_PROCBASED_CTLS2);
	plat->procbased3 = read_msr(lp, MSR_VMX_PROCBASED_CTLS3);
	plat->exit_ctls = read_msr(lp, MSR_VMX_TRUE_EXIT_CTLS);
	plat->entry_ctls = read_msr(lp, MSR_VMX_TRUE_ENTRY_CTLS);
	plat->vmx_misc = read_msr(lp, MSR_VMX_MISC);
	plat->ept_vpid_cap = read_msr(lp, MSR_VMX_EPT_VPID_CAP);
	plat->cr0_fixed0 = read_msr(lp, MSR_VMX_CR0_FIXED0);
	plat->cr0_fixed1 = read_msr(lp, MSR_VMX_CR0_FIXED1);
	plat->cr4_fixed0 = read_msr(lp, MSR_VMX_CR4_FIXED0);
	plat->cr4_fixed1 = read_msr(lp, MSR_VMX_CR4_FIXED1);
}

struct tdx_status sys_check_vmx(struct lp *lp, struct platform_info *plat)
{
	uint64_t cr0_must;
	struct tdx_status s;

	sample(lp, plat);
	if ((plat->vmx_basic >> 32 & 0x1fff) > VMCS_SIZE || ~plat->vmx_basic & VMX_BASIC_REQUIRED)
		return wrong(MSR_VMX_BASIC);
	s = check_ctls(lp, plat, &td, &plat->td_vmcs);
	if (!tdx_is_success(s))
		return s;
	if (~plat->vmx_misc & VMX_MISC_REQUIRED || (plat->vmx_misc >> 16 & 0x1ff) < MIN_CR3_TARGETS)
		return wrong(MSR_VMX_MISC);
	if (~plat->ept_vpid_cap & EPT_VPID_REQUIRED)
		return wrong(MSR_VMX_EPT_VPID_CAP);
	cr0_must = plat->cr0_fixed0 & ~CR0_PE_PG;
	if (cr0_must & ~GUEST_CR0_INIT)
		return wrong(MSR_VMX_CR0_FIXED0);
	if (~plat->cr0_fixed1 & GUEST_CR0_INIT)
		return wrong(MSR_VMX_CR0_FIXED1);
	if (plat->cr4_fixed0 & ~GUEST_CR4_INIT)
		return wrong(MSR_VMX_CR4_FIXED0);
	if (~plat->cr4_fixed1 & GUEST_CR4_INIT)
		return wrong(MSR_VMX_CR4_FIXED1);

	s = check_ctls(lp, plat, &l2, &plat->l2_vmcs);
	if (!tdx_is_success(s))
		return s;
	if (cr0_must & ~plat->cr0_fixed1) {
		module_fatal(lp);
		return wrong(MSR_VMX_CR0_FIXED0);
	}
	if ((cr0_must | ~plat->cr0_fixed1) & L2_CR0_VARIABLE)
		return wrong(MSR_VMX_CR0_FIXED0);
	return tdx_success();
}
