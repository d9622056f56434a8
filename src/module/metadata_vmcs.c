/* SPDX-License-Identifier: MIT */
/* Writes to the TD VMCS that need more than a mask. The host of a production TD may give posted
 * interrupts, the notify window, bus-lock exits and the shared EPT; a debugger nearly all. */
#include "arch/msr.h"
#include "arch/x86.h"
#include "module/metadata.h"
#include "module/sept.h"
#include "module/virt_msr.h"
#include "module/vmcs.h"

#include <swtdx/structs.h>

#define CR3_RESERVED	      (1ull << 63 | 0x1ffull << 52)
#define CR3_LAM		      (3ull << 61)
#define PROCBASED2_ENABLE_PML (1ull << 17)
#define POSTED_VECTOR_NONE    0xffff
#define POSTED_VECTOR_MAX     0xff

static struct tdx_status not_valid(void)
{
	return tdx_error(TDX_METADATA_FIELD_VALUE_NOT_VALID);
}

bool md_cr3_valid(const struct md *md, uint64_t cr3)
{
	const struct module *mod = md->tx->mod;

	if (cr3 & (CR3_RESERVED & ~CR3_LAM))
		return false;
	if (mod->plat.lam)
		cr3 &= ~CR3_LAM;
	return td_gpa_valid(md->td.tdcs, gpa(cr3), true);
}

/* Enabling uncore PMIs stays the host's choice. */
bool md_debugctl_merge(const struct md *md, uint64_t *value)
{
	uint64_t host = 0;

	if ((*value & (DEBUGCTL_BTS | DEBUGCTL_TR)) == DEBUGCTL_TR &&
	    !(md->td.tdcs->attributes & TDX_ATTR_DEBUG))
		return false;
	if (!machine_rdmsr(md->tx->lp->hw, MSR_DEBUGCTL, &host))
		host = 0;
	*value = (*value & ~DEBUGCTL_UNCORE_PMI) | (host & DEBUGCTL_UNCORE_PMI);
	return true;
}

bool md_cr_merge(uint64_t old, uint64_t *value, uint64_t guest_host_mask, uint64_t read_shadow)
{
	if ((*value ^ read_shadow) & guest_host_mask)
		return false;
	*value = (old & guest_host_mask) | (*value & ~guest_host_mask);
	return true;
}

static struct tdx_status cr0(struct vmcs *vmcs, uint64_t *value)
{
	if (!md_cr_merge(vmcs_read(vmcs, VMCS_GUEST_CR0), value,
			 vmcs_read(vmcs, VMCS_CR0_GUEST_HOST_MASK),
			 vmcs_read(vmcs, VMCS_CR0_READ_SHADOW)))
		return not_valid();
	vmcs_write(vmcs, VMCS_GUEST_EFER, efer_with_cr0(vmcs_read(vmcs, VMCS_GUEST_EFER), *value));
	return tdx_success();
}

/* CR4.MCE is 1 whatever the guest sees; what it sees is kept even when the rest is refused. */
static struct tdx_status cr4(struct vmcs *vmcs, uint64_t *value)
{
	const uint64_t mask = vmcs_read(vmcs, VMCS_CR4_GUEST_HOST_MASK) & ~CR4_MCE;
	uint64_t shadow = vmcs_read(vmcs, VMCS_CR4_READ_SHADOW);

	shadow = (shadow & ~CR4_MCE) | (*value & CR4_MCE);
	vmcs_write(vmcs, VMCS_CR4_READ_SHADOW, shadow);
	*value |= CR4_MCE;
	return md_cr_merge(vmcs_read(vmcs, VMCS_GUEST_CR4), value, mask, shadow) ? tdx_success()
										 : not_valid();
}

static struct tdx_status pinbased(const struct md *md, const struct vmcs *vmcs, uint64_t value)
{
	if (value & PINBASED_POSTED_INTERRUPTS) {
		if (vmcs_read(vmcs, VMCS_POSTED_INTERRUPT_VECTOR) == POSTED_VECTOR_NONE)
			return tdx_error_num(TDX_TD_VMCS_FIELD_NOT_INITIALIZED,
					     VMCS_POSTED_INTERRUPT_VECTOR);
		if (vmcs_read(vmcs, VMCS_POSTED_INTERRUPT_DESCRIPTOR) == ~0ull)
			return tdx_error_num(TDX_TD_VMCS_FIELD_NOT_INITIALIZED,
					     VMCS_POSTED_INTERRUPT_DESCRIPTOR);
	}
	md->vp.vps->shadow_pinbased[0] = (uint32_t)value;
	return tdx_success();
}

/* Allowed-0 and allowed-1 settings of a controls MSR, for the bits being written. */
static bool controls_allowed(uint64_t msr, uint64_t mask, uint64_t value)
{
	return !(mask & ((~value & (uint32_t)msr) | (value & ~(msr >> 32))) & 0xffffffff);
}

static struct tdx_status procbased2(const struct md *md, const struct vmcs *vmcs, uint64_t mask,
				    uint64_t value)
{
	if (!controls_allowed(md->tx->mod->plat.procbased2, mask, value))
		return not_valid();
	if (value & PROCBASED2_ENABLE_PML && (!(md->td.tdcs->attributes & TDX_ATTR_DEBUG) ||
					      vmcs_read(vmcs, VMCS_PML_ADDRESS) >> 63))
		return not_valid();
	return tdx_success();
}

struct tdx_status md_vmcs_check(const struct md *md, struct vmcs *vmcs, uint32_t encoding,
				uint64_t mask, uint64_t *value)
{
	struct tdvps *vps = md->vp.vps;

	switch (encoding) {
	case VMCS_GUEST_CR0:
		return cr0(vmcs, value);
	case VMCS_GUEST_CR4:
		return cr4(vmcs, value);
	case VMCS_GUEST_CR3:
		return md_cr3_valid(md, *value) ? tdx_success() : not_valid();
	case VMCS_GUEST_EFER:
		*value = efer_with_cr0(*value, vmcs_read(vmcs, VMCS_GUEST_CR0));
		break;
	case VMCS_GUEST_DEBUGCTL:
		return md_debugctl_merge(md, value) ? tdx_success() : not_valid();
	case VMCS_PINBASED_CTLS:
		return pinbased(md, vmcs, *value);
	case VMCS_POSTED_INTERRUPT_DESCRIPTOR:
		vps->shadow_pid_hpa[0] = *value;
		break;
	case VMCS_POSTED_INTERRUPT_VECTOR:
		if (*value > POSTED_VECTOR_MAX)
			return not_valid();
		vps->shadow_posted_int_vector[0] = (uint16_t)*value;
		break;
	case VMCS_PROCBASED_CTLS2:
		return procbased2(md, vmcs, mask, *value);
	case VMCS_SHARED_EPT_POINTER:
		vps->shadow_shared_eptp[0] = *value;
		break;
	default: /* any value will do */
		break;
	}
	return tdx_success();
}
