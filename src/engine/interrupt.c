/* SPDX-License-Identifier: MIT */
/* The exit of a guest that an event for the host causes; see interrupt.h. */
#include "engine/interrupt.h"

#include "arch/vmx.h"
#include "arch/x86.h"
#include "machine/machine.h"
#include "module/module.h"

bool engine_host_interrupt(struct machine_lp *hw, struct vmexit *x)
{
	const struct machine *m = hw->m;

	/* Before the controller is asked: what comes after that raises it again. */
	atomic_store(&hw->irq, false);
	hw->irq_held |= hw->intr_masked;
	if (hw->intr_masked && !m->acknowledge)
		return false;
	*x = (struct vmexit){.reason = VMX_EXIT_EXTERNAL_INTERRUPT};
	x->intr_info = m->acknowledge ? m->acknowledge(m->acknowledge_arg, hw)
				      : /* without a controller: a notification, with no work */
			       VMX_EVENT(VMX_EVENT_EXTERNAL, VECTOR_HOST_NOTIFICATION);
	if (VMX_EVENT_TYPE(x->intr_info) != VMX_EVENT_EXTERNAL)
		x->reason = VMX_EXIT_EXCEPTION_OR_NMI;
	return (x->intr_info & VMX_EVENT_VALID) != 0;
}
