/* SPDX-License-Identifier: MIT */
/* A VM exit of a guest: what every exit needs, then the handler of its reason, then where to go.
 *
 * ABI: "Guest TD VM exits". Order, measured: the TD may be dead; the exit reason must be sane; the
 * zero-step bookkeeping; an event whose delivery was cut off goes into the next entry; interrupts
 * belong to the host; VM entry failures; the reason. Exits no TD can cause with the controls the
 * module sets end a production TD and are told to the host of a debug TD. */
#include "module/exits.h"
#include "module/inject.h"
#include "module/stepping.h"
#include "module/vmcs.h"
#include <swtdx/structs.h>

/* Bits of an exit reason that no TD's exit has. */
#define REASON_IMPOSSIBLE	  0x73ff0000u

#define SMI_QUAL_MSMI		  (1ull << 0)
#define NOTIFY_QUAL_INVALID	  (1ull << 0)
#define NOTIFY_QUAL_NMI_UNBLOCKED (1ull << 12)

/* What an exit reason leads to when no more than its number matters. */
enum simple_exit {
	EXIT_UNEXPECTED, /* no TD can cause it */
	EXIT_HANDLED,	 /* has code of its own */
	EXIT_VE,	 /* #VE, instruction needs a host */
	EXIT_VE_CONFIG,	 /* #VE, feature the host configured */
	EXIT_UD,
	EXIT_GP,
	EXIT_TO_HOST,	    /* TD exit with the qualification */
	EXIT_TO_HOST_EVENT, /* and the interruption information */
};

/* clang-format off */
static const uint8_t simple_exits[] = {
	[VMX_EXIT_EXCEPTION_OR_NMI] = EXIT_HANDLED,
	[VMX_EXIT_EXTERNAL_INTERRUPT] = EXIT_HANDLED,
	[VMX_EXIT_TRIPLE_FAULT] = EXIT_HANDLED,
	[VMX_EXIT_INIT] = EXIT_TO_HOST,
	[VMX_EXIT_OTHER_SMI] = EXIT_HANDLED,
	[VMX_EXIT_NMI_WINDOW] = EXIT_HANDLED,
	[VMX_EXIT_TASK_SWITCH] = EXIT_TO_HOST,
	[VMX_EXIT_CPUID] = EXIT_HANDLED,
	[VMX_EXIT_GETSEC] = EXIT_UD,
	[VMX_EXIT_HLT] = EXIT_VE,
	[VMX_EXIT_INVD] = EXIT_VE,
	[VMX_EXIT_RDPMC] = EXIT_HANDLED,
	[VMX_EXIT_RSM] = EXIT_UD,
	[VMX_EXIT_VMCALL] = EXIT_VE,
	[VMX_EXIT_VMCLEAR] = EXIT_UD,
	[VMX_EXIT_VMLAUNCH] = EXIT_UD,
	[VMX_EXIT_VMPTRLD] = EXIT_UD,
	[VMX_EXIT_VMPTRST] = EXIT_UD,
	[VMX_EXIT_VMREAD] = EXIT_UD,
	[VMX_EXIT_VMRESUME] = EXIT_UD,
	[VMX_EXIT_VMWRITE] = EXIT_UD,
	[VMX_EXIT_VMXOFF] = EXIT_UD,
	[VMX_EXIT_VMXON] = EXIT_UD,
	[VMX_EXIT_CR_ACCESS] = EXIT_HANDLED,
	[VMX_EXIT_IO] = EXIT_VE,
	[VMX_EXIT_RDMSR] = EXIT_HANDLED,
	[VMX_EXIT_WRMSR] = EXIT_HANDLED,
	[VMX_EXIT_MWAIT] = EXIT_UD,
	[VMX_EXIT_MONITOR] = EXIT_UD,
	[VMX_EXIT_C_STATE_SMI] = EXIT_TO_HOST_EVENT,
	[VMX_EXIT_EPT_VIOLATION] = EXIT_HANDLED,
	[VMX_EXIT_EPT_MISCONFIG] = EXIT_HANDLED,
	[VMX_EXIT_INVEPT] = EXIT_UD,
	[VMX_EXIT_INVVPID] = EXIT_UD,
	[VMX_EXIT_WBINVD] = EXIT_VE,
	[VMX_EXIT_XSETBV] = EXIT_HANDLED,
	[VMX_EXIT_APIC_WRITE] = EXIT_VE,
	[VMX_EXIT_VMFUNC] = EXIT_UD,
	[VMX_EXIT_ENCLS] = EXIT_UD,
	[VMX_EXIT_EPT_PML_FULL] = EXIT_HANDLED,
	[VMX_EXIT_PCONFIG] = EXIT_VE_CONFIG,
	[VMX_EXIT_ENCLV] = EXIT_UD,
	[VMX_EXIT_ENQCMD_PASID] = EXIT_GP,
	[VMX_EXIT_ENQCMDS_PASID] = EXIT_UD,
	[VMX_EXIT_BUS_LOCK] = EXIT_TO_HOST,
	[VMX_EXIT_NOTIFY] = EXIT_HANDLED,
	[VMX_EXIT_SEAMCALL] = EXIT_UD,
	[VMX_EXIT_TDCALL] = EXIT_HANDLED,
};
/* clang-format on */

static bool debugged(const struct lp *lp)
{
	return (lp->tdcs->attributes & TDX_ATTR_DEBUG) != 0;
}

static unsigned basic_reason(const struct lp *lp)
{
	return lp->exit.reason & VMX_EXIT_BASIC_MASK;
}

static void to_host(struct lp *lp, uint64_t code)
{
	td_exit(lp, code, lp->exit.reason, lp->exit.qualification, 0, 0, 0);
}

static void to_host_event(struct lp *lp, uint64_t code)
{
	td_exit(lp, code, lp->exit.reason, lp->exit.qualification, 0, 0, lp->exit.intr_info);
}

static void unexpected(struct lp *lp)
{
	to_host(lp, debugged(lp) ? TDX_SUCCESS : TDX_NON_RECOVERABLE_TD);
}

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
	vmcs_clear_bits(vmcs, VMCS_ENTRY_INTERRUPTION_INFO, EVENT_VALID);
}

/* Delivery of an event was cut off by the exit: the next entry delivers it again. */
static void redeliver(struct lp *lp)
{
	const struct vmexit *e = &lp->exit;
	unsigned reason = basic_reason(lp);

	if (reason != VMX_EXIT_TASK_SWITCH && reason != VMX_EXIT_EPT_VIOLATION &&
	    reason != VMX_EXIT_EPT_MISCONFIG) {
		if (debugged(lp))
			to_host(lp, TDX_SUCCESS);
		else
			module_fatal(lp);
		return;
	}
	if ((e->idt_vectoring_info & EVENT_TYPE_MASK) == EVENT_TYPE_NMI)
		vmcs_clear_bits(lp->vmcs, VMCS_GUEST_INTERRUPTIBILITY, INTERRUPTIBILITY_NMI);
	vmcs_write(lp->vmcs, VMCS_ENTRY_INTERRUPTION_INFO,
		   e->idt_vectoring_info &
			   (EVENT_VALID | EVENT_ERROR_CODE | EVENT_TYPE_MASK | EVENT_VECTOR_MASK));
	if (e->idt_vectoring_info & EVENT_ERROR_CODE)
		vmcs_write(lp->vmcs, VMCS_ENTRY_EXCEPTION_ERROR, e->idt_vectoring_error);
	vmcs_write(lp->vmcs, VMCS_ENTRY_INSTRUCTION_LENGTH, e->instr_len);
}

static void entry_failed(struct lp *lp)
{
	switch (basic_reason(lp)) {
	case VMX_EXIT_ENTRY_FAIL_GUEST_STATE:
		unexpected(lp);
		break;
	case VMX_EXIT_ENTRY_FAIL_MACHINE_CHECK:
		to_host(lp, TDX_NON_RECOVERABLE_TD_NON_ACCESSIBLE);
		break;
	default:
		module_fatal(lp);
	}
}

/* What comes before the reason is looked at. */
static void prologue(struct lp *lp)
{
	struct tdvps *vps = lp->vps;
	uint32_t reason = lp->exit.reason;

	record(lp);
	vps->last_exit_tsc = machine_rdtsc(lp->hw);
	vps->nmi_unblocking_due_to_iret = 0;
	if (!(reason & VMX_EXIT_ENTRY_FAILURE))
		vps->vm_launched[0] = 1;
	if (__atomic_load_n(&lp->tdr->fatal, __ATOMIC_RELAXED)) {
		to_host_event(lp, TDX_NON_RECOVERABLE_TD_NON_ACCESSIBLE);
		return;
	}
	if (reason & VMX_EXIT_BUS_LOCK_PREEMPTED)
		lp->bus_lock_preempted = true;
	if (reason & REASON_IMPOSSIBLE && !debugged(lp)) {
		module_fatal(lp);
		return;
	}
	stepping_exit(lp);
	if (lp->exit.idt_vectoring_info & EVENT_VALID)
		redeliver(lp);
	if (basic_reason(lp) == VMX_EXIT_EXTERNAL_INTERRUPT)
		to_host_event(lp, TDX_SUCCESS);
	if (reason & VMX_EXIT_ENTRY_FAILURE)
		entry_failed(lp);
}

static void rdpmc(struct lp *lp)
{
	if (!(lp->tdcs->attributes & TDX_ATTR_PERFMON))
		guest_inject_gp0(lp);
	else if (debugged(lp))
		to_host(lp, TDX_SUCCESS);
	else
		module_fatal(lp);
}

static void notified(struct lp *lp)
{
	if (lp->exit.qualification & NOTIFY_QUAL_NMI_UNBLOCKED)
		vmcs_set_bits(lp->vmcs, VMCS_GUEST_INTERRUPTIBILITY, INTERRUPTIBILITY_NMI);
	to_host(lp, lp->exit.qualification & NOTIFY_QUAL_INVALID ? TDX_NON_RECOVERABLE_TD
								 : TDX_SUCCESS);
}

/* The guest can take the NMI its host asked for; a #VE not yet fetched comes first. */
static void nmi_window(struct lp *lp)
{
	if (lp->vps->pend_nmi && lp->vps->ve_info.valid == 0) {
		guest_inject_nmi(lp);
		lp->vps->pend_nmi = 0;
	}
	vmcs_clear_bits(lp->vmcs, VMCS_PROCBASED_CTLS, PROCBASED_NMI_WINDOW);
}

static void handled(struct tx *tx)
{
	struct lp *lp = tx->lp;

	switch (basic_reason(lp)) {
	case VMX_EXIT_TDCALL:
		exit_tdcall(tx);
		break;
	case VMX_EXIT_CPUID:
		exit_cpuid(lp);
		break;
	case VMX_EXIT_RDMSR:
		exit_rdmsr(lp);
		break;
	case VMX_EXIT_WRMSR:
		exit_wrmsr(lp);
		break;
	case VMX_EXIT_EPT_VIOLATION:
		exit_ept_violation(tx);
		break;
	case VMX_EXIT_EPT_MISCONFIG:
		exit_ept_misconfig(lp);
		break;
	case VMX_EXIT_CR_ACCESS:
		exit_cr_access(lp);
		break;
	case VMX_EXIT_XSETBV:
		exit_xsetbv(lp);
		break;
	case VMX_EXIT_EXCEPTION_OR_NMI:
		exit_exception_or_nmi(lp);
		break;
	case VMX_EXIT_TRIPLE_FAULT:
		to_host(lp, TDX_NON_RECOVERABLE_VCPU);
		break;
	case VMX_EXIT_OTHER_SMI:
		to_host_event(lp, lp->exit.qualification & SMI_QUAL_MSMI
					  ? TDX_NON_RECOVERABLE_TD_NON_ACCESSIBLE
					  : TDX_SUCCESS);
		break;
	case VMX_EXIT_NMI_WINDOW:
		nmi_window(lp);
		break;
	case VMX_EXIT_NOTIFY:
		notified(lp);
		break;
	case VMX_EXIT_RDPMC:
		rdpmc(lp);
		break;
	case VMX_EXIT_EPT_PML_FULL:
		if (debugged(lp))
			to_host(lp, TDX_SUCCESS);
		else
			module_fatal(lp);
		break;
	}
}

static void by_reason(struct tx *tx)
{
	struct lp *lp = tx->lp;
	unsigned reason = basic_reason(lp);
	enum simple_exit action =
		reason < sizeof(simple_exits) ? simple_exits[reason] : EXIT_UNEXPECTED;

	switch (action) {
	case EXIT_HANDLED:
		handled(tx);
		break;
	case EXIT_UNEXPECTED:
		unexpected(lp);
		break;
	case EXIT_VE:
		guest_inject_ve(lp, lp->exit.reason, lp->exit.qualification, 0, 0,
				VE_NON_CONFIG_PARAVIRT);
		break;
	case EXIT_VE_CONFIG:
		guest_inject_ve(lp, lp->exit.reason, lp->exit.qualification, 0, 0,
				VE_CONFIG_PARAVIRT);
		break;
	case EXIT_UD:
		guest_inject_ud(lp);
		break;
	case EXIT_GP:
		guest_inject_gp0(lp);
		break;
	case EXIT_TO_HOST:
		to_host(lp, TDX_SUCCESS);
		break;
	case EXIT_TO_HOST_EVENT:
		to_host_event(lp, TDX_SUCCESS);
		break;
	}
}

/* The exit did not go to the host: complete the instruction, and look for what does go there. */
static void epilogue(struct lp *lp)
{
	struct vmcs *vmcs = lp->vmcs;

	if (lp->fate == FATE_NONE) {
		if (lp->vps->pend_nmi && lp->vps->ve_info.valid == 0)
			vmcs_set_bits(vmcs, VMCS_PROCBASED_CTLS, PROCBASED_NMI_WINDOW);
		guest_advance_rip(lp);
	} else if (lp->fate == FATE_REPEAT) {
		guest_clear_blocking(lp);
	}
	if (lp->bus_lock_preempted)
		td_exit(lp, TDX_SUCCESS, VMX_EXIT_BUS_LOCK, 0, 0, 0, 0);
	if (debugged(lp) && guest_event_intercepted(lp))
		td_exit(lp, TDX_SUCCESS, VMX_EXIT_EXCEPTION_OR_NMI, 0, 0, 0,
			vmcs_read(vmcs, VMCS_ENTRY_INTERRUPTION_INFO));
}

enum module_next module_vmexit(struct module *mod, unsigned lp_id, const struct vmexit *exit,
			       struct tdx_regs *guest)
{
	struct lp *lp = &mod->lp[lp_id];
	struct tx tx;

	if (lp->dead || !lp->in_guest)
		return MODULE_SHUTDOWN;
	lp->exit = *exit;
	lp->vps->gpr = *guest;
	lp->fate = FATE_NONE;
	prologue(lp);
	if (!lp_decided(lp)) {
		tx_begin(&tx, lp, NULL, true);
		by_reason(&tx);
		tx_end(&tx);
		epilogue(lp);
	}
	if (lp->fate == FATE_TD_EXIT)
		guest_leave(lp);
	switch (lp->fate) {
	case FATE_TD_EXIT:
		atomic_store_explicit(&lp->busy, false, memory_order_relaxed);
		return MODULE_TO_HOST;
	case FATE_SHUTDOWN:
		lp->dead = true;
		return MODULE_SHUTDOWN;
	case FATE_NONE:
	case FATE_INJECTED:
	case FATE_REPEAT:
	case FATE_ENTERED:
		break;
	}
	*guest = lp->vps->gpr;
	return MODULE_TO_GUEST;
}
