/* SPDX-License-Identifier: MIT */
/* The VMCS of an L2 VM as the L1 VMM and a debugger see and write it.
 *
 * The L1 VMM's control-register masks and shadows, PAUSE-loop intervals and APIC page are kept
 * beside the VMCS, which holds them combined with the module's own or in native units. What moves
 * to another platform is what the L1 VMM has written: there it is combined, and counted, anew. */
#include "arch/x86.h"
#include "module/metadata.h"
#include "module/tsc.h"
#include "module/virt_msr.h"
#include "module/vmcs.h"
#include <swtdx/structs.h>

#define EPTP_SUPERVISOR_SHADOW_STACK (1ull << 7)
static struct tdx_status not_valid(void)
{
	return tdx_error(TDX_METADATA_FIELD_VALUE_NOT_VALID);
}

uint64_t md_l2_vmcs_seen(const struct md *md, unsigned vm, uint32_t encoding, uint64_t value)
{
	const struct tdvps *vps = md->vp.vps;
	const bool l1 = md->by == MD_BY_GUEST || md_migrates(md);

	switch (encoding) {
	case VMCS_CR0_GUEST_HOST_MASK:
		return l1 ? vps->shadow_cr0_guest_host_mask[vm] : value;
	case VMCS_CR0_READ_SHADOW:
		return l1 ? vps->shadow_cr0_read_shadow[vm] : value;
	case VMCS_CR4_GUEST_HOST_MASK:
		return l1 ? vps->shadow_cr4_guest_host_mask[vm] : value;
	case VMCS_CR4_READ_SHADOW:
		return l1 ? vps->shadow_cr4_read_shadow[vm] : value;
	case VMCS_GUEST_CR0:
		return l1 ? (value & ~vps->base_l2_cr0_guest_host_mask) |
				       (vps->base_l2_cr0_read_shadow &
					vps->base_l2_cr0_guest_host_mask)
			  : value;
	case VMCS_GUEST_CR4:
		return l1 ? (value & ~vps->base_l2_cr4_guest_host_mask) |
				       (vps->base_l2_cr4_read_shadow &
					vps->base_l2_cr4_guest_host_mask)
			  : value;
	case VMCS_PLE_GAP:
		return l1 ? vps->shadow_ple_gap[vm] : value;
	case VMCS_PLE_WINDOW:
		return l1 ? vps->shadow_ple_window[vm] : value;
	case VMCS_SHARED_EPT_POINTER:
		return vps->shadow_shared_eptp[vm];
	case VMCS_VIRTUAL_APIC_ADDRESS:
		return vps->l2_vapic_gpa[vm];
	default:
		return value;
	}
}

/* A bit owned by the L1 VMM shows its shadow, else one owned by the module shows the module's. */
static void combine(struct vmcs *vmcs, uint32_t mask_encoding, uint32_t shadow_encoding,
		    uint64_t base_mask, uint64_t base_shadow, uint64_t l1_mask, uint64_t l1_shadow)
{
	vmcs_write(vmcs, mask_encoding, base_mask | l1_mask);
	vmcs_write(vmcs, shadow_encoding,
		   (base_mask & ~l1_mask & base_shadow) | (l1_mask & l1_shadow));
}

static void combine_cr0(const struct tdvps *vps, unsigned vm, struct vmcs *vmcs)
{
	combine(vmcs, VMCS_CR0_GUEST_HOST_MASK, VMCS_CR0_READ_SHADOW,
		vps->base_l2_cr0_guest_host_mask, vps->base_l2_cr0_read_shadow,
		vps->shadow_cr0_guest_host_mask[vm], vps->shadow_cr0_read_shadow[vm]);
}

static void combine_cr4(const struct tdvps *vps, unsigned vm, struct vmcs *vmcs)
{
	combine(vmcs, VMCS_CR4_GUEST_HOST_MASK, VMCS_CR4_READ_SHADOW,
		vps->base_l2_cr4_guest_host_mask, vps->base_l2_cr4_read_shadow,
		vps->shadow_cr4_guest_host_mask[vm], vps->shadow_cr4_read_shadow[vm]);
}

/* A debugger is bound by the processor, the L1 VMM by what the TD was told the processor is. */
static bool controls_allowed(const struct md *md, uint64_t native, uint64_t virtual_, uint64_t mask,
			     uint64_t value)
{
	const uint64_t msr = md->by == MD_BY_DEBUGGER ? native : virtual_;

	return !(mask & ((~value & (uint32_t)msr) | (value & ~(msr >> 32))) & 0xffffffff);
}

static struct tdx_status ple(const struct md *md, uint32_t *shadow, uint64_t *value)
{
	if (md->by != MD_BY_GUEST && !md_migrates(md))
		return tdx_success();
	*shadow = (uint32_t)*value;
	if (!tsc_to_native(*value, md->td.tdcs->tsc_multiplier, 0, value) || *value >> 32)
		return not_valid();
	return tdx_success();
}

static struct tdx_status cr0(const struct tdvps *vps, struct vmcs *vmcs, uint64_t *value)
{
	if (!md_cr_merge(vmcs_read(vmcs, VMCS_GUEST_CR0), value, vps->base_l2_cr0_guest_host_mask,
			 vps->base_l2_cr0_read_shadow))
		return not_valid();
	vmcs_write(vmcs, VMCS_GUEST_EFER, efer_with_cr0(vmcs_read(vmcs, VMCS_GUEST_EFER), *value));
	return tdx_success();
}

static struct tdx_status controls(const struct md *md, uint32_t encoding, uint64_t mask,
				  uint64_t value)
{
	const struct platform_info *plat = &md->tx->mod->plat;
	const struct tdcs_virt_msrs *virt = &md->td.tdcs->virt_msrs;
	bool ok;

	if (encoding == VMCS_PROCBASED_CTLS)
		ok = controls_allowed(md, plat->procbased, virt->vmx_true_procbased_ctls, mask,
				      value);
	else if (encoding == VMCS_PROCBASED_CTLS2)
		ok = controls_allowed(md, plat->procbased2, virt->vmx_procbased_ctls2, mask, value);
	else
		ok = !(value & mask &
		       ~(md->by == MD_BY_DEBUGGER ? plat->procbased3 : virt->vmx_procbased_ctls3));
	return ok ? tdx_success() : not_valid();
}

struct tdx_status md_l2_vmcs_check(const struct md *md, unsigned vm, struct vmcs *vmcs,
				   uint32_t encoding, uint64_t mask, uint64_t *value, bool *done)
{
	struct tdvps *vps = md->vp.vps;

	switch (encoding) {
	case VMCS_CR0_GUEST_HOST_MASK:
		vps->shadow_cr0_guest_host_mask[vm] = *value;
		combine_cr0(vps, vm, vmcs);
		*done = true;
		break;
	case VMCS_CR0_READ_SHADOW:
		vps->shadow_cr0_read_shadow[vm] = *value;
		combine_cr0(vps, vm, vmcs);
		*done = true;
		break;
	case VMCS_CR4_GUEST_HOST_MASK:
		vps->shadow_cr4_guest_host_mask[vm] = *value;
		combine_cr4(vps, vm, vmcs);
		*done = true;
		break;
	case VMCS_CR4_READ_SHADOW:
		vps->shadow_cr4_read_shadow[vm] = *value;
		combine_cr4(vps, vm, vmcs);
		*done = true;
		break;
	case VMCS_EPT_POINTER:
		if (*value & EPTP_SUPERVISOR_SHADOW_STACK && !(md->td.tdcs->xfam & XFAM_CET_S))
			return not_valid();
		break;
	case VMCS_GUEST_CR0:
		return cr0(vps, vmcs, value);
	case VMCS_GUEST_CR3:
		return md_cr3_valid(md, *value) ? tdx_success() : not_valid();
	case VMCS_GUEST_CR4:
		return md_cr_merge(vmcs_read(vmcs, VMCS_GUEST_CR4), value,
				   vps->base_l2_cr4_guest_host_mask, vps->base_l2_cr4_read_shadow)
			       ? tdx_success()
			       : not_valid();
	case VMCS_GUEST_EFER:
		*value = efer_with_cr0(*value, vmcs_read(vmcs, VMCS_GUEST_CR0));
		break;
	case VMCS_GUEST_DEBUGCTL:
		return md_debugctl_merge(md, value) ? tdx_success() : not_valid();
	case VMCS_PLE_GAP:
		return ple(md, &vps->shadow_ple_gap[vm], value);
	case VMCS_PLE_WINDOW:
		return ple(md, &vps->shadow_ple_window[vm], value);
	case VMCS_PROCBASED_CTLS:
	case VMCS_PROCBASED_CTLS2:
	case VMCS_PROCBASED_CTLS3:
		return controls(md, encoding, mask, *value);
	case VMCS_SHARED_EPT_POINTER:
		vps->shadow_shared_eptp[vm] = *value;
		*done = !(vps->l2_ctls[vm] & TDX_L2_CTLS_ENABLE_SHARED_EPTP);
		break;
	case VMCS_VIRTUAL_APIC_ADDRESS:
		vps->l2_vapic_gpa[vm] = *value;
		vps->l2_vapic_hpa[vm] = ~0ull;
		*done = true;
		break;
	default: /* any value will do */
		break;
	}
	return tdx_success();
}
