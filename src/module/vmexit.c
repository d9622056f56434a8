/* SPDX-License-Identifier: MIT */
/* A VM exit of a guest: what every exit needs, then the handler of its reason, then where to go.
 *
 * ABI: "Guest TD VM exits". Order, measured: the TD may be dead; the exit reason must be sane; the
 * zero-step bookkeeping; an event whose delivery was cut off goes into the next entry; interrupts
 * belong to the host; VM entry failures; the reason. L2 VMs have reasons of their own. */
#include "module/hooks.h"
#include "module/exits.h"
#include "module/inject.h"
#include "module/l2.h"
#include "module/stepping.h"
#include "module/vmcs.h"

/* Bits of an exit reason that no TD's exit has. */
#define REASON_IMPOSSIBLE 0x73ff0000u

/* The exit-information fields, as the processor fills them in. */
static void record(struct lp *lp)
{
	const struct vmexit *e = &lp->exit;
	struct vmcs *vmcs = lp->vmcs;

	vmcs_write(vmcs, VMCS_EXIT_REASON, e->reason);
	vmcs_write(vmcs, VMCS_EXIT_QUALIFICATION, e->qualification);
	vmcs_write(vmcs, VMCS_GUEST_PHYSICAL_ADDRESS, e->gpa);
	vmcs_write(vmcs, VMCS_GUEST_LINEAR_ADDRESS, e->gla);
	vmcs_write(vmcs, VMCS_EXIT_INTERRUPTION_INFO, e->intr_info);
	vmcs_write(vmcs, VMCS_EXIT_INTERRUPTION_ERROR, e->intr_error);
	vmcs_write(vmcs, VMCS_EXIT_INSTRUCTION_LENGTH, e->instr_len);
	vmcs_write(vmcs, VMCS_EXIT_INSTRUCTION_INFO, e->instr_info);
	vmcs_write(vmcs, VMCS_IDT_VECTORING_INFO, e->idt_vectoring_info);
	vmcs_write(vmcs, VMCS_IDT_VECTORING_ERROR, e->idt_vectoring_error);
	vmcs_clear_bits(vmcs, VMCS_ENTRY_INTERRUPTION_INFO, VMX_EVENT_VALID);
}

/* Delivery of an event was cut off by the exit: the next entry delivers it again. */
static void redeliver(struct lp *lp)
{
	const struct vmexit *e = &lp->exit;
	unsigned reason = exit_basic_reason(lp);

	if (reason != VMX_EXIT_TASK_SWITCH && reason != VMX_EXIT_EPT_VIOLATION &&
	    reason != VMX_EXIT_EPT_MISCONFIG) {
		if (td_debugged(lp))
			exit_to_host(lp, TDX_SUCCESS);
		else
			module_fatal(lp);
		return;
	}
	if ((e->idt_vectoring_info & VMX_EVENT_TYPE_MASK) == VMX_EVENT_OF_TYPE(VMX_EVENT_NMI))
		vmcs_clear_bits(lp->vmcs, VMCS_GUEST_INTERRUPTIBILITY, INTERRUPTIBILITY_NMI);
	vmcs_write(lp->vmcs, VMCS_ENTRY_INTERRUPTION_INFO,
		   e->idt_vectoring_info & (VMX_EVENT_VALID | VMX_EVENT_ERROR_CODE |
					    VMX_EVENT_TYPE_MASK | VMX_EVENT_VECTOR_MASK));
	if (e->idt_vectoring_info & VMX_EVENT_ERROR_CODE)
		vmcs_write(lp->vmcs, VMCS_ENTRY_EXCEPTION_ERROR, e->idt_vectoring_error);
	vmcs_write(lp->vmcs, VMCS_ENTRY_INSTRUCTION_LENGTH, e->instr_len);
}

static void entry_failed(struct lp *lp)
{
	switch (exit_basic_reason(lp)) {
	case VMX_EXIT_ENTRY_FAIL_GUEST_STATE:
		exit_unexpected(lp);
		break;
	case VMX_EXIT_ENTRY_FAIL_MACHINE_CHECK:
		exit_to_host(lp, TDX_NON_RECOVERABLE_TD_NON_ACCESSIBLE);
		break;
	default:
		module_fatal(lp);
	}
}

/* Of an exit: what does not depend on its reason alone. */
static void events(struct lp *lp)
{
	if (lp->exit.idt_vectoring_info & VMX_EVENT_VALID)
		redeliver(lp);
	if (exit_basic_reason(lp) == VMX_EXIT_EXTERNAL_INTERRUPT)
		exit_to_host_event(lp, TDX_SUCCESS);
	if (lp->exit.reason & VMX_EXIT_ENTRY_FAILURE)
		entry_failed(lp);
}

/* The same for an L2 VM, whose cut-off events are the L1 VMM's to repeat where it is told. */
static void l2_events(struct lp *lp)
{
	if (exit_basic_reason(lp) == VMX_EXIT_EXTERNAL_INTERRUPT)
		l2_interrupt(lp);
	if (!lp_decided(lp) && lp->exit.reason & VMX_EXIT_ENTRY_FAILURE)
		exit_l2_entry_failed(lp);
}

/* Not when the exit stays hidden from host and guest, or has no way to either. */
static bool may_go_on(struct lp *lp)
{
	switch (stepping_exit(lp)) {
	case STEPPING_GO_ON:
		return true;
	case STEPPING_RESUME:
		lp->fate = FATE_RESUMED;
		break;
	case STEPPING_NO_APIC:
		exit_to_host_event(lp, TDX_NON_RECOVERABLE_TD_WRONG_APIC_MODE);
		break;
	case STEPPING_NO_ENTROPY:
		module_fatal(lp);
		break;
	}
	return false;
}

/* What comes before the reason is looked at. */
static void prologue(struct lp *lp)
{
	struct tdvps *vps = lp->vps;
	const unsigned vm = lp_vm(lp);
	uint32_t reason = lp->exit.reason;

	record(lp);
	vps->last_exit_tsc = machine_rdtsc(lp->hw);
	vps->nmi_unblocking_due_to_iret = 0;
	if (!(reason & VMX_EXIT_ENTRY_FAILURE))
		vps->vm_launched[vm] = 1;
	if (__atomic_load_n(&lp->tdr->fatal, __ATOMIC_RELAXED)) {
		exit_to_host_event(lp, TDX_NON_RECOVERABLE_TD_NON_ACCESSIBLE);
		return;
	}
	if (reason & VMX_EXIT_BUS_LOCK_PREEMPTED)
		lp->bus_lock_preempted = true;
	if (reason & REASON_IMPOSSIBLE && !td_debugged(lp)) {
		module_fatal(lp);
		return;
	}
	if (vm != 0 && vps->l2_debug_ctls[vm] & TDX_L2_DEBUG_EXIT_ON_L2_EXIT) {
		exit_to_host_event(lp, TDX_TD_EXIT_ON_L2_VM_EXIT);
		return;
	}
	if (!may_go_on(lp))
		return;
	if (vm == 0)
		events(lp);
	else
		l2_events(lp);
}

/* The exit did not go to the host: complete the instruction, and look for what does go there. */
static void epilogue(struct lp *lp)
{
	struct vmcs *vmcs = lp->vmcs;

	if (lp->fate == FATE_SWITCHED)
		return;
	if (lp->fate == FATE_NONE) {
		if (lp_vm(lp) == 0 && lp->vps->pend_nmi && lp->vps->ve_info.valid == 0)
			vmcs_set_bits(vmcs, VMCS_PROCBASED_CTLS, PROCBASED_NMI_WINDOW);
		stepping_count(lp, 1);
		guest_advance_rip(lp);
	} else if (lp->fate == FATE_REPEAT) {
		guest_clear_blocking(lp);
		stepping_count(lp, 2);
	}
	if (lp->bus_lock_preempted)
		td_exit(lp, TDX_SUCCESS, VMX_EXIT_BUS_LOCK, 0, 0, 0, 0);
	if (lp_vm(lp) == 0 && td_debugged(lp) && guest_event_intercepted(vmcs))
		td_exit(lp, TDX_SUCCESS, VMX_EXIT_EXCEPTION_OR_NMI, 0, 0, 0,
			vmcs_read(vmcs, VMCS_ENTRY_INTERRUPTION_INFO));
}

/* The VM that exited runs on. */
static bool stays(const struct lp *lp)
{
	switch (lp->fate) {
	case FATE_NONE:
	case FATE_INJECTED:
	case FATE_REPEAT:
	case FATE_RESUMED:
		return true;
	case FATE_TD_EXIT:
	case FATE_SHUTDOWN:
	case FATE_SWITCHED:
	case FATE_ENTERED:
		break;
	}
	return false;
}

static enum module_next handle(struct lp *lp, const struct vmexit *exit, struct tdx_regs *guest)
{
	struct tx tx;

	lp->exit = *exit;
	lp->vps->gpr = *guest;
	lp->fate = FATE_NONE;
	prologue(lp);
	if (!lp_decided(lp)) {
		tx_begin(&tx, lp, NULL, true);
		if (lp_vm(lp) == 0)
			exit_by_reason(&tx);
		else
			exit_l2_by_reason(&tx);
		tx_end(&tx);
		epilogue(lp);
	}
	if (lp_vm(lp) != 0 && stays(lp))
		l2_go_on(lp);
	if (lp->fate == FATE_TD_EXIT)
		guest_leave(lp);
	switch (lp->fate) {
	case FATE_TD_EXIT:
		atomic_store_explicit(&lp->busy, false, memory_order_release);
		return MODULE_TO_HOST;
	case FATE_SHUTDOWN:
		lp->dead = true;
		return MODULE_SHUTDOWN;
	case FATE_NONE:
	case FATE_INJECTED:
	case FATE_REPEAT:
	case FATE_RESUMED:
	case FATE_SWITCHED:
	case FATE_ENTERED:
		break;
	}
	*guest = lp->vps->gpr;
	return MODULE_TO_GUEST;
}

enum module_next module_vmexit(struct module *mod, unsigned lp_id, const struct vmexit *exit,
			       struct tdx_regs *guest)
{
	const struct module_hooks *h = mod->hooks;
	struct lp *lp = &mod->lp[lp_id];
	enum module_next next;

	if (lp->dead || !lp->in_guest)
		return MODULE_SHUTDOWN;
	if (__builtin_expect(h && h->exit, 0))
		h->exit(mod->hooks_arg, lp, exit, guest);
	next = handle(lp, exit, guest);
	lp->hw->call = next == MODULE_TO_HOST ? MACHINE_CALL_HOST : MACHINE_CALL_GUEST;
	if (__builtin_expect(h && h->resume, 0))
		h->resume(mod->hooks_arg, lp, next);
	return next;
}
