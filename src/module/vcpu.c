/* SPDX-License-Identifier: MIT */
/* Associating a vCPU with the processor that wants to use it; see vcpu.h. */
#include "module/vcpu.h"

#include <string.h>
#include "abi/operand.h"
#include "module/vmcs.h"
#include "module/xbuff.h"

struct tdx_status vp_associate(struct tx *tx, const struct td *td, const struct vp *vp, bool *newly)
{
	struct tdvps *vps = vp->vps;
	uint32_t before = VCPU_NO_LP;

	if (newly)
		*newly = false;
	if (!__atomic_compare_exchange_n(&vps->assoc_lpid, &before, tx->lp->lpid, false,
					 __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
		if (before != tx->lp->lpid)
			return tdx_error(TDX_VCPU_ASSOCIATED);
		return tdx_success();
	}
	/* the host state in its VMCSs is that of another processor */
	memset(vps->lp_dependent_updated, 0, sizeof(vps->lp_dependent_updated));
	__atomic_fetch_add(&td->tdcs->num_assoc_vcpus, 1, __ATOMIC_RELAXED);
	if (newly)
		*newly = true;
	return tdx_success();
}

struct tdx_status vp_check_and_associate(struct tx *tx, const struct td *td, const struct vp *vp,
					 bool allow_disabled, bool *newly)
{
	uint8_t state = __atomic_load_n(&vp->vps->state, __ATOMIC_ACQUIRE);

	/* a state changing now means that another processor has the vCPU: association fails */
	if (state != TDX_VCPU_READY && !(state == TDX_VCPU_DISABLED && allow_disabled))
		return tdx_error_num(TDX_VCPU_STATE_INCORRECT, state);
	return vp_associate(tx, td, vp, newly);
}

struct vmcs *vp_vm_vmcs(const struct machine *m, const struct tdvps *vps, unsigned vm)
{
	const unsigned page =
		vm ? TDVPS_PAGE_L2 + TDVPS_PAGES_PER_L2_VM * (vm - 1) : TDVPS_PAGE_VMCS;

	return machine_ptr(m, machine_strip(m, vps->page_pa[page]));
}

uint8_t *vp_vapic(const struct machine *m, const struct tdvps *vps, unsigned vm)
{
	const uint64_t pa = vm ? vps->l2_vapic_hpa[vm] : vps->page_pa[TDVPS_PAGE_VAPIC];

	/* an L2 VM's may have been imported with any bits */
	return pa == NO_PA ? NULL : machine_ptr(m, machine_strip(m, pa) & ~(TDX_PAGE_SIZE - 1));
}

enum { FIRST_SERVICEABLE_VECTOR = 31, PRIORITY_CLASS = 0xf0 };

bool vp_interrupt_pending(const struct machine *m, const struct tdvps *vps, const struct vmcs *vmcs,
			  unsigned vm)
{
	const uint8_t *vapic = vp_vapic(m, vps, vm);
	const uint64_t requested = vmcs_read(vmcs, VMCS_GUEST_INTERRUPT_STATUS) & PRIORITY_CLASS;

	return vapic && requested > (vapic[VAPIC_PPR] & PRIORITY_CLASS);
}

struct vp_virtual_apic vp_virtual_apic(const struct machine *m, const struct tdvps *vps,
				       const struct vmcs *vmcs, unsigned vm)
{
	const uint8_t *vapic = vp_vapic(m, vps, vm);

	return (struct vp_virtual_apic){
		.status = (uint16_t)vmcs_read(vmcs, VMCS_GUEST_INTERRUPT_STATUS),
		.priority = vapic ? vapic[VAPIC_PPR] : 0,
	};
}

void vp_set_virtual_apic(const struct machine *m, const struct tdvps *vps, struct vmcs *vmcs,
			 unsigned vm, struct vp_virtual_apic v)
{
	uint8_t *vapic = vp_vapic(m, vps, vm);

	vmcs_write(vmcs, VMCS_GUEST_INTERRUPT_STATUS, v.status);
	if (vapic)
		vapic[VAPIC_PPR] = v.priority;
}

static uint64_t with(uint64_t details, uint64_t bit, bool on)
{
	return on ? details | bit : details & ~bit;
}

void vp_note_interrupts(const struct machine *m, struct tdvps *vps, const struct vmcs *vmcs,
			unsigned vm, bool nmi)
{
	const uint64_t in_service = vmcs_read(vmcs, VMCS_GUEST_INTERRUPT_STATUS) >> 8 & 0xff;
	uint64_t details = vps->vcpu_state_details;

	details = with(details, VCPU_DETAILS_INTERRUPT_PENDING(vm),
		       vp_interrupt_pending(m, vps, vmcs, vm));
	details = with(details, VCPU_DETAILS_INTERRUPT_IN_SERVICE(vm),
		       in_service >= FIRST_SERVICEABLE_VECTOR);
	if (vm == 0 && nmi)
		details = with(details, VCPU_DETAILS_NMI_PENDING, vps->pend_nmi);
	vps->vcpu_state_details = details;
}

void vp_return_from_vmcall(const struct machine *m, struct tdvps *vps, const struct tdx_regs *regs)
{
	uint64_t mask = vps->gpr.rcx;
	const uint64_t *from = &regs->rax;

	for (unsigned i = 2; i < 16; i++)
		if (mask >> i & 1)
			*tdx_reg(&vps->gpr, i) = from[i];
	vps->gpr.rax = TDX_SUCCESS;
	if (mask & VMCALL_XMM_MASK)
		xbuff_header(m, vps)->xstate_bv |= XSTATE_BV_SSE;
}
