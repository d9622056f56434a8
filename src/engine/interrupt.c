/* SPDX-License-Identifier: MIT */
/* The exit of a guest that an event for the host causes; see interrupt.h. */
#include "engine/interrupt.h"

#include "arch/vmx.h"
#include "arch/x86.h"
#include "arch/vmcs.h"
#include "machine/machine.h"
#include "module/entered.h"
#include "module/module.h"

bool engine_host_interrupt(struct machine_lp *hw, struct vmexit *x)
{
	const struct machine *m = hw->m;
	uint8_t vector;

	/* Before the controller is asked: what comes after that raises it again. */
	atomic_store(&hw->irq, false);
	hw->irq_held |= hw->intr_masked;
	if (hw->intr_masked && !m->acknowledge)
		return false;
	vector = hw->sent_back ? hw->sent_back : VECTOR_HOST_KICK;
	hw->sent_back = 0;
	*x = (struct vmexit){.reason = VMX_EXIT_EXTERNAL_INTERRUPT};
	x->intr_info = m->acknowledge ? m->acknowledge(m->acknowledge_arg, hw)
				      : /* without a controller: no work comes with it */
			       VMX_EVENT(VMX_EVENT_EXTERNAL, vector);
	if (VMX_EVENT_TYPE(x->intr_info) != VMX_EVENT_EXTERNAL)
		x->reason = VMX_EXIT_EXCEPTION_OR_NMI;
	return (x->intr_info & VMX_EVENT_VALID) != 0;
}

/* Of a posted-interrupt descriptor: the word with the outstanding-notification bit. */
enum { PI_CONTROL = 4, PI_SIZE = 64 };
#define PI_ON 1ull

bool engine_posted_to_l1(const struct module_entered *in, struct vmexit *x)
{
	const struct tdvps *vps = in->vps;
	const uint64_t pa = machine_strip(in->m, vps->shadow_pid_hpa[0]);
	const uint64_t *pi;

	if (!(vps->shadow_pinbased[0] & PINBASED_POSTED_INTERRUPTS) ||
	    !machine_is_ram(in->m, pa, PI_SIZE))
		return false;
	pi = machine_ptr(in->m, pa);
	if (!(__atomic_load_n(&pi[PI_CONTROL], __ATOMIC_ACQUIRE) & PI_ON))
		return false;
	*x = (struct vmexit){
		.reason = VMX_EXIT_EXTERNAL_INTERRUPT,
		.intr_info = VMX_EVENT(VMX_EVENT_EXTERNAL, vps->shadow_posted_int_vector[0]),
	};
	return true;
}
