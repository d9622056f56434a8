/* SPDX-License-Identifier: MIT */
/* Which exit reason leads where.
 *
 * ABI: "Guest TD VM exits". Exits no TD can cause with the controls the module sets end a
 * production TD and are told to the host of a debug TD. */
#include "module/exits.h"
#include "module/inject.h"
#include "module/vmcs.h"

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

static void rdpmc(struct lp *lp)
{
	if (!(lp->tdcs->attributes & TDX_ATTR_PERFMON))
		guest_inject_gp0(lp);
	else if (td_debugged(lp))
		exit_to_host(lp, TDX_SUCCESS);
	else
		module_fatal(lp);
}

static void notified(struct lp *lp)
{
	if (lp->exit.qualification & NOTIFY_QUAL_NMI_UNBLOCKED)
		vmcs_set_bits(lp->vmcs, VMCS_GUEST_INTERRUPTIBILITY, INTERRUPTIBILITY_NMI);
	exit_to_host(lp, lp->exit.qualification & NOTIFY_QUAL_INVALID ? TDX_NON_RECOVERABLE_TD
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

	switch (exit_basic_reason(lp)) {
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
		exit_to_host(lp, TDX_NON_RECOVERABLE_VCPU);
		break;
	case VMX_EXIT_OTHER_SMI:
		exit_to_host_event(lp, lp->exit.qualification & SMI_QUAL_MSMI
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
		if (td_debugged(lp))
			exit_to_host(lp, TDX_SUCCESS);
		else
			module_fatal(lp);
		break;
	}
}

void exit_by_reason(struct tx *tx)
{
	struct lp *lp = tx->lp;
	unsigned reason = exit_basic_reason(lp);
	enum simple_exit action =
		reason < sizeof(simple_exits) ? simple_exits[reason] : EXIT_UNEXPECTED;

	switch (action) {
	case EXIT_HANDLED:
		handled(tx);
		break;
	case EXIT_UNEXPECTED:
		exit_unexpected(lp);
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
		exit_to_host(lp, TDX_SUCCESS);
		break;
	case EXIT_TO_HOST_EVENT:
		exit_to_host_event(lp, TDX_SUCCESS);
		break;
	}
}
