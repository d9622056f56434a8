/* SPDX-License-Identifier: MIT */
/* Control registers: MOV to CR0 and CR4, LMSW, XSETBV; and exceptions a debugger asked to see.
 *
 * Only writes to bits the module owns (the guest/host masks) exit. What the processor itself would
 * refuse is a #GP; what only TDX refuses is a #VE. Other accesses exit only when a debugger changed
 * the controls: the host is told, and a production TD dies. */
#include "arch/x86.h"
#include "module/exits.h"
#include "module/inject.h"
#include "module/vmcs.h"
#include <swtdx/structs.h>

#define CR0_HIGH    0xffffffff00000000ull
#define CR0_IGNORED (CR0_RESERVED & UINT32_MAX)

enum { CR_MOV_TO = 0, CR_LMSW = 3, REG_RSP = 4, LMSW_BITS = 0xf };

/* How a write ends. */
enum outcome {
	WRITTEN,
	REFUSED /* #GP */,
	NOT_FOR_TDS /* #VE */,
	VE_TO_HOST /* #VE, host may help */
};

bool guest_in_64bit_mode(const struct lp *lp)
{
	return vmcs_read(lp->vmcs, VMCS_GUEST_EFER) & EFER_LMA &&
	       vmcs_read(lp->vmcs, VMCS_GUEST_CS_AR) & SEG_AR_L;
}

unsigned guest_cpl(const struct lp *lp)
{
	return SEG_AR_DPL(vmcs_read(lp->vmcs, VMCS_GUEST_SS_AR));
}

static enum outcome write_cr0(struct lp *lp, uint64_t value, bool real_mode)
{
	const struct platform_info *plat = &lp->mod->plat;
	struct vmcs *vmcs = lp->vmcs;
	uint64_t must = plat->cr0_fixed0 & ~(CR0_PE | CR0_PG);

	if (~value & must || value & ~plat->cr0_fixed1)
		return REFUSED;
	if (!(value & CR0_PE) && value & CR0_PG)
		return REFUSED;
	if (vmcs_read(vmcs, VMCS_GUEST_CR4) & CR4_CET && !(value & CR0_WP))
		return REFUSED;
	if ((!(value & CR0_PE) && !real_mode) || !(value & CR0_NE) ||
	    value & (CR0_NW | CR0_CD | CR0_HIGH))
		return NOT_FOR_TDS;
	value = (value & ~CR0_IGNORED) | (vmcs_read(vmcs, VMCS_GUEST_CR0) & CR0_IGNORED);
	vmcs_write(vmcs, VMCS_GUEST_CR0, value);
	return WRITTEN;
}

static bool cr4_allowed(const struct tdcs *tdcs, uint64_t value)
{
	uint64_t xfam = tdcs->xfam, attributes = tdcs->attributes;

	if (value & CR4_PKE && !(xfam & XFAM_PK))
		return false;
	if (value & CR4_CET && (xfam & XFAM_CET) != XFAM_CET)
		return false;
	if (value & CR4_UINTR && !(xfam & XFAM_UINTR))
		return false;
	if (value & CR4_KEYLOCKER)
		return false;
	if (value & CR4_PKS && !(attributes & TDX_ATTR_PKS))
		return false;
	return !(value & CR4_LASS) || attributes & TDX_ATTR_LASS;
}

static enum outcome write_cr4(struct lp *lp, uint64_t value)
{
	const struct platform_info *plat = &lp->mod->plat;
	const struct tdcs *tdcs = lp->tdcs;
	struct vmcs *vmcs = lp->vmcs;
	uint64_t must = plat->cr4_fixed0 & ~CR4_VMXE, shadow;

	if (~value & must || value & ~plat->cr4_fixed1 || !cr4_allowed(tdcs, value))
		return REFUSED;
	if (value & CR4_CET && !(vmcs_read(vmcs, VMCS_GUEST_CR0) & CR0_WP))
		return REFUSED;
	if (lp->vps->curr_vm != 0 || !(tdcs_td_ctls(tdcs) & TDX_TD_CTLS_REDUCE_VE))
		return value & CR4_MCE ? NOT_FOR_TDS : VE_TO_HOST;
	/* the guest sees its own CR4.MCE; the real one stays set */
	shadow = vmcs_read(vmcs, VMCS_CR4_READ_SHADOW);
	if (tdcs_cpuid_flags(tdcs).no_mce && !(shadow & CR4_MCE) && value & CR4_MCE)
		return REFUSED;
	vmcs_write(vmcs, VMCS_CR4_READ_SHADOW, (shadow & ~CR4_MCE) | (value & CR4_MCE));
	return WRITTEN;
}

static void finish_write(struct lp *lp, enum outcome outcome)
{
	uint64_t qualification = lp->exit.qualification;

	switch (outcome) {
	case WRITTEN:
		break;
	case REFUSED:
		guest_inject_gp0(lp);
		break;
	case NOT_FOR_TDS:
		guest_inject_ve(lp, VMX_EXIT_CR_ACCESS, qualification, 0, 0,
				VE_UNSUPPORTED_FEATURE);
		break;
	case VE_TO_HOST:
		guest_inject_ve(lp, VMX_EXIT_CR_ACCESS, qualification, 0, 0, VE_CONFIG_PARAVIRT);
		break;
	}
}

static void lmsw(struct lp *lp)
{
	uint64_t cr0 = vmcs_read(lp->vmcs, VMCS_GUEST_CR0), source = lp->exit.qualification >> 16;

	if (cr0 & CR0_PE)
		vmcs_write(lp->vmcs, VMCS_GUEST_CR0, (source & CR0_LMSW) | (cr0 & ~CR0_LMSW));
	else
		module_fatal(lp);
}

/* Of MOV to a control register. */
static uint64_t moved(const struct lp *lp)
{
	unsigned reg = CR_QUAL_REG(lp->exit.qualification);

	return reg == REG_RSP ? vmcs_read(lp->vmcs, VMCS_GUEST_RSP) : *tdx_reg(&lp->vps->gpr, reg);
}

void exit_cr_access(struct lp *lp)
{
	uint64_t qualification = lp->exit.qualification;
	unsigned type = CR_QUAL_TYPE(qualification), number = CR_QUAL_NUMBER(qualification);
	uint64_t value = moved(lp);

	if (type == CR_MOV_TO && number == 0)
		finish_write(lp, write_cr0(lp, value, false));
	else if (type == CR_MOV_TO && number == 4)
		finish_write(lp, write_cr4(lp, value));
	else if (type == CR_LMSW)
		lmsw(lp);
	else
		exit_unexpected(lp);
}

/* Does a write change a bit that the L1 VMM kept for itself? */
static bool changes(uint64_t value, uint64_t mask, uint64_t shadow)
{
	return (value & mask) != (shadow & mask);
}

static enum l2_cr l2_lmsw(struct lp *lp)
{
	const struct tdvps *vps = lp->vps;
	const uint64_t cr0 = vmcs_read(lp->vmcs, VMCS_GUEST_CR0);
	uint64_t value = lp->exit.qualification >> 16 & LMSW_BITS;

	if (changes(value, vps->shadow_cr0_guest_host_mask[vps->curr_vm] & LMSW_BITS,
		    vps->shadow_cr0_read_shadow[vps->curr_vm]))
		return L2_CR_FOR_L1;
	value |= cr0 & CR0_PE; /* which it cannot clear */
	vmcs_write(lp->vmcs, VMCS_GUEST_CR0, value | (cr0 & ~(uint64_t)LMSW_BITS));
	return L2_CR_WRITTEN;
}

static enum l2_cr l2_outcome(enum outcome o)
{
	switch (o) {
	case WRITTEN:
		return L2_CR_WRITTEN;
	case REFUSED:
		return L2_CR_REFUSED;
	case NOT_FOR_TDS:
	case VE_TO_HOST:
		break;
	}
	return L2_CR_FOR_L1;
}

enum l2_cr exit_l2_cr_access(struct lp *lp)
{
	const struct tdvps *vps = lp->vps;
	const unsigned vm = vps->curr_vm;
	const uint64_t qualification = lp->exit.qualification;
	const unsigned type = CR_QUAL_TYPE(qualification), number = CR_QUAL_NUMBER(qualification);

	if (type == CR_LMSW)
		return l2_lmsw(lp);
	if (type == CR_MOV_TO && number == 0 &&
	    !changes(moved(lp), vps->shadow_cr0_guest_host_mask[vm],
		     vps->shadow_cr0_read_shadow[vm]))
		return l2_outcome(write_cr0(lp, moved(lp), true));
	if (type == CR_MOV_TO && number == 4 &&
	    !changes(moved(lp), vps->shadow_cr4_guest_host_mask[vm],
		     vps->shadow_cr4_read_shadow[vm]))
		return l2_outcome(write_cr4(lp, moved(lp)));
	return L2_CR_FOR_L1;
}

static bool all_or_none(uint64_t value, uint64_t set)
{
	return (value & set) == 0 || (value & set) == set;
}

/* May the guest put this into XCR0? (SDM vol. 1, 13.3) */
static bool xcr0_valid(const struct lp *lp, uint64_t value)
{
	if (value & ~(lp->mod->plat.xcr0_mask & lp->tdcs->xfam) || !(value & XFAM_X87))
		return false;
	if (value & XFAM_AVX && !(value & XFAM_SSE))
		return false;
	if (value & XFAM_AVX3 && !(value & XFAM_AVX))
		return false;
	return all_or_none(value, XFAM_AVX3) && all_or_none(value, XFAM_AMX);
}

void exit_xsetbv(struct lp *lp)
{
	const struct tdx_regs *regs = &lp->vps->gpr;
	uint64_t value = regs->rdx << 32 | (uint32_t)regs->rax;

	if ((uint32_t)regs->rcx != 0 || !xcr0_valid(lp, value))
		guest_inject_gp0(lp);
	else
		lp->vps->xcr0 = value;
}

void exit_exception_or_nmi(struct lp *lp)
{
	uint32_t info = lp->exit.intr_info;
	uint64_t code = TDX_SUCCESS;

	if ((info & VMX_EVENT_TYPE_MASK) != VMX_EVENT_OF_TYPE(VMX_EVENT_NMI)) {
		if ((info & VMX_EVENT_VECTOR_MASK) == VECTOR_MC) {
			code = TDX_NON_RECOVERABLE_TD_NON_ACCESSIBLE;
		} else if (!td_debugged(lp)) {
			module_fatal(lp);
			return;
		}
	}
	exit_to_host_event(lp, code);
}
