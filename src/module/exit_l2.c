/* SPDX-License-Identifier: MIT */
/* VM exits of L2 VMs: to the L1 VMM, to the host, or handled by the module as the TD's own are.
 *
 * ABI: "L2 VM exits"; order and destinations as Intel's L2 dispatcher has them. What only the L1
 * VMM can have asked for, and what the module would answer with a #VE, goes to the L1 VMM. */
#include "abi/eeq.h"
#include "arch/x86.h"
#include "module/exit_msr.h"
#include "module/exits.h"
#include "module/guest_memory.h"
#include "module/inject.h"
#include "module/l2.h"
#include "module/leaves.h"
#include "module/msr_policy.h"
#include "module/stepping.h"
#include "module/vmcs.h"
#include <swtdx/structs.h>

enum route {
	ROUTE_UNKNOWN, /* a debugger's controls, or none */
	ROUTE_L1,
	ROUTE_HOST,	  /* with the qualification */
	ROUTE_HOST_EVENT, /* and the interruption information */
	ROUTE_HANDLED,	  /* has code of its own */
};

/* clang-format off */
static const uint8_t routes[] = {
	[VMX_EXIT_EXCEPTION_OR_NMI] = ROUTE_HANDLED,
	[VMX_EXIT_EXTERNAL_INTERRUPT] = ROUTE_HANDLED,
	[VMX_EXIT_TRIPLE_FAULT] = ROUTE_L1,
	[VMX_EXIT_INIT] = ROUTE_HOST,
	[VMX_EXIT_IO_SMI] = ROUTE_HOST,
	[VMX_EXIT_OTHER_SMI] = ROUTE_HANDLED,
	[VMX_EXIT_INTERRUPT_WINDOW] = ROUTE_L1,
	[VMX_EXIT_NMI_WINDOW] = ROUTE_L1,
	[VMX_EXIT_TASK_SWITCH] = ROUTE_L1,
	[VMX_EXIT_CPUID] = ROUTE_L1,
	[VMX_EXIT_GETSEC] = ROUTE_L1,
	[VMX_EXIT_HLT] = ROUTE_L1,
	[VMX_EXIT_INVD] = ROUTE_L1,
	[VMX_EXIT_INVLPG] = ROUTE_L1,
	[VMX_EXIT_RDPMC] = ROUTE_L1,
	[VMX_EXIT_RDTSC] = ROUTE_L1,
	[VMX_EXIT_RSM] = ROUTE_L1,
	[VMX_EXIT_VMCALL] = ROUTE_L1,
	[VMX_EXIT_VMCLEAR] = ROUTE_L1,
	[VMX_EXIT_VMLAUNCH] = ROUTE_L1,
	[VMX_EXIT_VMPTRLD] = ROUTE_L1,
	[VMX_EXIT_VMPTRST] = ROUTE_L1,
	[VMX_EXIT_VMREAD] = ROUTE_L1,
	[VMX_EXIT_VMRESUME] = ROUTE_L1,
	[VMX_EXIT_VMWRITE] = ROUTE_L1,
	[VMX_EXIT_VMXOFF] = ROUTE_L1,
	[VMX_EXIT_VMXON] = ROUTE_L1,
	[VMX_EXIT_CR_ACCESS] = ROUTE_HANDLED,
	[VMX_EXIT_DR_ACCESS] = ROUTE_L1,
	[VMX_EXIT_IO] = ROUTE_L1,
	[VMX_EXIT_RDMSR] = ROUTE_HANDLED,
	[VMX_EXIT_WRMSR] = ROUTE_HANDLED,
	[VMX_EXIT_MWAIT] = ROUTE_L1,
	[VMX_EXIT_MONITOR] = ROUTE_L1,
	[VMX_EXIT_PAUSE] = ROUTE_L1,
	[VMX_EXIT_TPR_BELOW_THRESHOLD] = ROUTE_L1,
	[VMX_EXIT_VIRTUALIZED_EOI] = ROUTE_L1,
	[VMX_EXIT_GDTR_IDTR_ACCESS] = ROUTE_L1,
	[VMX_EXIT_LDTR_TR_ACCESS] = ROUTE_L1,
	[VMX_EXIT_EPT_VIOLATION] = ROUTE_HANDLED,
	[VMX_EXIT_EPT_MISCONFIG] = ROUTE_HANDLED,
	[VMX_EXIT_INVEPT] = ROUTE_L1,
	[VMX_EXIT_RDTSCP] = ROUTE_L1,
	[VMX_EXIT_PREEMPTION_TIMER] = ROUTE_L1,
	[VMX_EXIT_INVVPID] = ROUTE_L1,
	[VMX_EXIT_WBINVD] = ROUTE_L1,
	[VMX_EXIT_XSETBV] = ROUTE_L1,
	[VMX_EXIT_APIC_WRITE] = ROUTE_L1,
	[VMX_EXIT_RDRAND] = ROUTE_L1,
	[VMX_EXIT_INVPCID] = ROUTE_L1,
	[VMX_EXIT_VMFUNC] = ROUTE_L1,
	[VMX_EXIT_ENCLS] = ROUTE_L1,
	[VMX_EXIT_RDSEED] = ROUTE_L1,
	[VMX_EXIT_EPT_PML_FULL] = ROUTE_HANDLED,
	[VMX_EXIT_XSAVES] = ROUTE_L1,
	[VMX_EXIT_XRSTORS] = ROUTE_L1,
	[VMX_EXIT_PCONFIG] = ROUTE_L1,
	[VMX_EXIT_UMWAIT] = ROUTE_L1,
	[VMX_EXIT_TPAUSE] = ROUTE_L1,
	[VMX_EXIT_LOADIWK] = ROUTE_L1,
	[VMX_EXIT_ENCLV] = ROUTE_L1,
	[VMX_EXIT_SGX_CONFLICT] = ROUTE_L1,
	[VMX_EXIT_ENQCMD_PASID] = ROUTE_L1,
	[VMX_EXIT_ENQCMDS_PASID] = ROUTE_L1,
	[VMX_EXIT_BUS_LOCK] = ROUTE_HOST,
	[VMX_EXIT_NOTIFY] = ROUTE_HANDLED,
	[VMX_EXIT_SEAMCALL] = ROUTE_L1,
	[VMX_EXIT_TDCALL] = ROUTE_HANDLED,
	[VMX_EXIT_C_STATE_SMI] = ROUTE_HOST_EVENT,
};
/* clang-format on */

static void to_l1(struct lp *lp)
{
	l2_exit_to_l1(lp, TDX_SUCCESS, 0);
}

void exit_l2_entry_failed(struct lp *lp)
{
	switch (exit_basic_reason(lp)) {
	case VMX_EXIT_ENTRY_FAIL_GUEST_STATE: /* the L1 VMM's doing */
		to_l1(lp);
		break;
	case VMX_EXIT_ENTRY_FAIL_MACHINE_CHECK:
		exit_to_host(lp, TDX_NON_RECOVERABLE_TD_NON_ACCESSIBLE);
		break;
	default:
		module_fatal(lp);
	}
}

static void exception_or_nmi(struct lp *lp)
{
	const uint32_t info = lp->exit.intr_info;

	if ((info & VMX_EVENT_TYPE_MASK) == VMX_EVENT_OF_TYPE(VMX_EVENT_NMI))
		exit_to_host_event(lp, TDX_SUCCESS);
	else if ((info & VMX_EVENT_VECTOR_MASK) == VECTOR_MC)
		exit_to_host_event(lp, TDX_NON_RECOVERABLE_TD_NON_ACCESSIBLE);
	else
		to_l1(lp);
}

/* IRET unblocked NMIs and then the exit came: they are blocked again when the VM goes on. */
static void note_nmi_unblocked(struct lp *lp, uint64_t bit)
{
	if (lp->exit.qualification & bit && !(lp->exit.idt_vectoring_info & VMX_EVENT_VALID))
		lp->vps->nmi_unblocking_due_to_iret = 1;
}

static void notified(struct lp *lp)
{
	if (lp->exit.qualification & NOTIFY_QUAL_INVALID) {
		exit_to_host(lp, TDX_NON_RECOVERABLE_TD);
		return;
	}
	note_nmi_unblocked(lp, NOTIFY_QUAL_NMI_UNBLOCKED);
	exit_to_host(lp, TDX_SUCCESS);
}

/* Was it the VM that may not, and not the TD? */
static bool l1_may(uint64_t qualification, uint64_t l1_entry)
{
	if (qualification & (EPT_VIOLATION_READ | EPT_VIOLATION_FETCH))
		return sept_has(l1_entry, SEPT_IS_GUEST_READABLE);
	return sept_has(l1_entry, SEPT_IS_GUEST_READABLE | SEPT_IS_GUEST_WRITABLE);
}

static void ept_violation(struct tx *tx)
{
	struct lp *lp = tx->lp;
	const struct vmexit *e = &lp->exit;
	const gpa_t page = gpa(e->gpa);
	struct sept_ref ref = {.level = TDX_LEVEL_4K};

	if (e->qualification & EPT_VIOLATION_GLA_VALID && gpa_beyond_virtual_width(lp, e->gpa)) {
		to_l1(lp);
		return;
	}
	if (!td_gpa_is_shared(lp->tdcs, page)) {
		sept_walk(tx, lp->tdcs, page, &ref);
		if (l1_may(e->qualification, ref.value)) {
			to_l1(lp);
			return;
		}
		if (sept_has(ref.value, SEPT_IS_PENDING | SEPT_IS_ACCEPTABLE)) {
			l2_exit_to_l1(lp, TDX_SUCCESS, TDX_EEQ_PENDING_EPT_VIOLATION);
			return;
		}
		stepping_fault(lp, page);
	}
	note_nmi_unblocked(lp, EPT_VIOLATION_NMI_UNBLOCKED);
	td_exit_ept_violation(lp, page, e->reason, e->qualification, 0);
}

static void msr_access(struct lp *lp, bool write)
{
	const struct tdvps *vps = lp->vps;
	const unsigned page = TDVPS_PAGE_L2 + TDVPS_PAGES_PER_L2_VM * (lp_vm(lp) - 1) + 2;
	const void *shadow = machine_ptr(lp->mod->m, machine_strip(lp->mod->m, vps->page_pa[page]));
	const uint32_t msr = (uint32_t)vps->gpr.rcx;
	enum msr_result r = MSR_RESULT_VE_PARAVIRT;

	if (msr_in_bitmaps(msr) && !msr_intercepted(shadow, msr, write))
		r = write ? emulate_wrmsr(lp, msr) : emulate_rdmsr(lp, msr);
	switch (r) {
	case MSR_DONE:
		break;
	case MSR_RESULT_GP:
		guest_inject_gp0(lp);
		break;
	case MSR_RESULT_IMPOSSIBLE:
		module_fatal(lp);
		break;
	case MSR_RESULT_VE_CONFIG:
	case MSR_RESULT_VE_PARAVIRT:
	case MSR_RESULT_VE_UNSUPPORTED:
		to_l1(lp);
		break;
	}
}

static void cr_access(struct lp *lp)
{
	switch (exit_l2_cr_access(lp)) {
	case L2_CR_WRITTEN:
		break;
	case L2_CR_REFUSED:
		guest_inject_gp0(lp);
		break;
	case L2_CR_FOR_L1:
		to_l1(lp);
		break;
	}
}

/* The L1 VMM may let a VM speak with the host. */
static void tdcall(struct tx *tx)
{
	const struct tdvps *vps = tx->lp->vps;

	if (vps->l2_ctls[lp_vm(tx->lp)] & TDX_L2_CTLS_ENABLE_TDVMCALL &&
	    tdx_rax_leaf(vps->gpr.rax) == TDG_VP_VMCALL)
		exit_tdcall(tx);
	else
		to_l1(tx->lp);
}

static void handled(struct tx *tx)
{
	struct lp *lp = tx->lp;

	switch (exit_basic_reason(lp)) {
	case VMX_EXIT_EXCEPTION_OR_NMI:
		exception_or_nmi(lp);
		break;
	case VMX_EXIT_EXTERNAL_INTERRUPT: /* it was for the L1 VMM, which cannot take it yet */
		lp->fate = FATE_RESUMED;
		break;
	case VMX_EXIT_OTHER_SMI:
		exit_to_host_event(lp, lp->exit.qualification & SMI_QUAL_MSMI
					       ? TDX_NON_RECOVERABLE_TD_NON_ACCESSIBLE
					       : TDX_SUCCESS);
		break;
	case VMX_EXIT_CR_ACCESS:
		cr_access(lp);
		break;
	case VMX_EXIT_RDMSR:
		msr_access(lp, false);
		break;
	case VMX_EXIT_WRMSR:
		msr_access(lp, true);
		break;
	case VMX_EXIT_EPT_VIOLATION:
		ept_violation(tx);
		break;
	case VMX_EXIT_EPT_MISCONFIG:
		exit_ept_misconfig(lp);
		break;
	case VMX_EXIT_EPT_PML_FULL:
		if (td_debugged(lp))
			exit_to_host(lp, TDX_SUCCESS);
		else
			module_fatal(lp);
		break;
	case VMX_EXIT_NOTIFY:
		notified(lp);
		break;
	case VMX_EXIT_TDCALL:
		tdcall(tx);
		break;
	}
}

void exit_l2_by_reason(struct tx *tx)
{
	struct lp *lp = tx->lp;
	const unsigned reason = exit_basic_reason(lp);

	switch (reason < sizeof(routes) ? (enum route)routes[reason] : ROUTE_UNKNOWN) {
	case ROUTE_UNKNOWN:
		exit_unexpected(lp);
		break;
	case ROUTE_L1:
		to_l1(lp);
		break;
	case ROUTE_HOST:
		exit_to_host(lp, TDX_SUCCESS);
		break;
	case ROUTE_HOST_EVENT:
		exit_to_host_event(lp, TDX_SUCCESS);
		break;
	case ROUTE_HANDLED:
		handled(tx);
		break;
	}
}
