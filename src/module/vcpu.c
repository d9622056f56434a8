/* SPDX-License-Identifier: MIT */
/* Associating a vCPU with the processor that wants to use it; see vcpu.h. */
#include "module/vcpu.h"

#include <string.h>
#include "module/vmcs.h"

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

enum { VAPIC_PPR = 0xa0, FIRST_SERVICEABLE_VECTOR = 31, PRIORITY_CLASS = 0xf0 };

uint64_t vp_state_details(const struct machine *m, const struct tdvps *vps, const struct vmcs *vmcs)
{
	const uint8_t *vapic = machine_ptr(m, machine_strip(m, vps->page_pa[TDVPS_PAGE_VAPIC]));
	const uint64_t status = vmcs_read(vmcs, VMCS_GUEST_INTERRUPT_STATUS);
	const unsigned requested = status & 0xff, in_service = status >> 8 & 0xff;
	uint64_t details = vps->vcpu_state_details &
			   ~(VCPU_DETAILS_INTERRUPT_PENDING | VCPU_DETAILS_INTERRUPT_IN_SERVICE |
			     VCPU_DETAILS_NMI_PENDING);

	if ((requested & PRIORITY_CLASS) > (vapic[VAPIC_PPR] & PRIORITY_CLASS))
		details |= VCPU_DETAILS_INTERRUPT_PENDING;
	if (in_service >= FIRST_SERVICEABLE_VECTOR)
		details |= VCPU_DETAILS_INTERRUPT_IN_SERVICE;
	if (vps->pend_nmi)
		details |= VCPU_DETAILS_NMI_PENDING;
	return details;
}
