/* SPDX-License-Identifier: MIT */
/* Writing the event of the next VM entry; see module/inject.h.
 *
 * The entry event may already be one the guest was receiving when it exited: what is injected
 * replaces it, with the processor's own rules for double and triple faults where a #PF is. */
#include "module/inject.h"

#include "arch/vmx.h"
#include "arch/x86.h"
#include "module/l2.h"
#include "module/vmcs.h"

static void inject(struct lp *lp, uint32_t info)
{
	vmcs_write(lp->vmcs, VMCS_ENTRY_INTERRUPTION_INFO, info | VMX_EVENT_VALID);
	vmcs_set_bits(lp->vmcs, VMCS_GUEST_RFLAGS, RFLAGS_RF);
	if (!lp_decided(lp))
		lp->fate = FATE_INJECTED;
}

/* An exception with an error code: real mode pushes none. */
static void inject_error(struct lp *lp, uint32_t vector, uint32_t error)
{
	bool protected = (vmcs_read(lp->vmcs, VMCS_GUEST_CR0) & CR0_PE) != 0;

	vmcs_write(lp->vmcs, VMCS_ENTRY_EXCEPTION_ERROR, error);
	inject(lp, VMX_EVENT_OF_TYPE(VMX_EVENT_EXCEPTION) | vector |
			   (protected ? VMX_EVENT_ERROR_CODE : 0));
}

void guest_inject_gp0(struct lp *lp)
{
	if (lp_vm(lp) != 0 && l2_redeliver(lp->vmcs)) { /* what was cut off comes first */
		lp->fate = FATE_INJECTED;
		return;
	}
	inject_error(lp, VECTOR_GP, 0);
}

void guest_inject_ud(struct lp *lp)
{
	inject(lp, VMX_EVENT_OF_TYPE(VMX_EVENT_EXCEPTION) | VECTOR_UD);
}

void guest_inject_nmi(struct lp *lp)
{
	vmcs_write(lp->vmcs, VMCS_ENTRY_INTERRUPTION_INFO,
		   VMX_EVENT_VALID | VMX_EVENT_OF_TYPE(VMX_EVENT_NMI) | VECTOR_NMI);
	if (!lp_decided(lp))
		lp->fate = FATE_INJECTED;
}

static void fill_ve(struct lp *lp, uint32_t exit_reason, uint64_t qualification, uint64_t gpa_,
		    uint64_t gla, enum ve_category category)
{
	const struct vmcs *vmcs = lp->vmcs;

	lp->vps->ve_info = (struct tdvps_ve_info){
		.exit_reason = exit_reason,
		.valid = VE_INFO_VALID,
		.exit_qualification = qualification,
		.gla = gla,
		.gpa = gpa_,
		.instruction_length = (uint32_t)vmcs_read(vmcs, VMCS_EXIT_INSTRUCTION_LENGTH),
		.instruction_information = (uint32_t)vmcs_read(vmcs, VMCS_EXIT_INSTRUCTION_INFO),
		.eptp_index = (uint16_t)vmcs_read(vmcs, VMCS_EPTP_INDEX),
		.ve_category = (uint8_t)category,
		.interruptibility_state = (uint32_t)vmcs_read(vmcs, VMCS_GUEST_INTERRUPTIBILITY),
	};
}

void guest_inject_ve(struct lp *lp, uint32_t exit_reason, uint64_t qualification, uint64_t gpa_,
		     uint64_t gla, enum ve_category category)
{
	if (lp->vps->ve_info.valid) {
		inject_error(lp, VECTOR_DF, 0);
		return;
	}
	fill_ve(lp, exit_reason, qualification, gpa_, gla, category);
	inject(lp, VMX_EVENT_OF_TYPE(VMX_EVENT_EXCEPTION) | VECTOR_VE);
}

void guest_inject_pf(struct lp *lp, uint64_t gla, uint32_t error)
{
	uint32_t pending = (uint32_t)vmcs_read(lp->vmcs, VMCS_ENTRY_INTERRUPTION_INFO);
	bool exception = pending & VMX_EVENT_VALID &&
			 (pending & VMX_EVENT_TYPE_MASK) == VMX_EVENT_OF_TYPE(VMX_EVENT_EXCEPTION);
	uint32_t vector = pending & VMX_EVENT_VECTOR_MASK;

	lp->vps->cr2 = gla;
	if (exception && vector == VECTOR_DF)
		td_exit(lp, TDX_NON_RECOVERABLE_VCPU, VMX_EXIT_TRIPLE_FAULT, 0, 0, 0, 0);
	else if (exception && (vector == VECTOR_PF || vector == VECTOR_VE))
		inject_error(lp, VECTOR_DF, 0);
	else
		inject_error(lp, VECTOR_PF, error);
}

bool guest_event_intercepted(const struct vmcs *vmcs)
{
	uint32_t info = (uint32_t)vmcs_read(vmcs, VMCS_ENTRY_INTERRUPTION_INFO);
	uint32_t vector = info & VMX_EVENT_VECTOR_MASK;

	if (!(info & VMX_EVENT_VALID) ||
	    (info & VMX_EVENT_TYPE_MASK) != VMX_EVENT_OF_TYPE(VMX_EVENT_EXCEPTION) || vector > 31)
		return false;
	if (!(vmcs_read(vmcs, VMCS_EXCEPTION_BITMAP) >> vector & 1))
		return false;
	if (vector != VECTOR_PF)
		return true;
	return (vmcs_read(vmcs, VMCS_EXIT_INTERRUPTION_ERROR) &
		vmcs_read(vmcs, VMCS_PAGE_FAULT_ERROR_MASK)) ==
	       vmcs_read(vmcs, VMCS_PAGE_FAULT_ERROR_MATCH);
}
