/* SPDX-License-Identifier: MIT */
/* TDH.VP.ENTER: run a vCPU until it has something for the host.
 *
 * Locks: TDVPR and TDR shared, kept while the guest runs; OP_STATE shared, given back before; the
 * epoch shared for a moment; the S-EPT tree shared when the zero-step defence looks. States: as the
 * leaf table says. On success the call goes on in module/vmexit.c, and its outputs are those of the
 * TD exit. A refused entry (zero-step) leaves outputs that look like one. */
#include "abi/eeq.h"
#include "abi/operand.h"
#include "arch/x86.h"
#include "module/guest_memory.h"
#include "module/inject.h"
#include "module/l2.h"
#include "module/leaves.h"
#include "arch/msr.h"
#include "module/stepping.h"
#include "module/vcpu.h"
#include "module/virt_msr.h"
#include "module/vmcs.h"
#include "module/xbuff.h"
#include <swtdx/structs.h>

struct plan {
	struct td td;
	struct vp vp;
	bool new_association;
	bool host_hint;
	gpa_t fault_gpa; /* of the fault the defence found, else of the last exit */
	enum stepping_verdict verdict;
};

static uint64_t msr(const struct tx *tx, uint32_t addr)
{
	uint64_t v = 0;

	(void)machine_rdmsr(tx->lp->hw, addr, &v);
	return v;
}

static struct tdx_status find_vcpu(struct tx *tx, uint64_t vcpu, struct plan *plan)
{
	hpa_t tdvpr = hpa(vcpu & ~(VP_ENTER_RESERVED | VP_ENTER_HOST_RECOVERABILITY_HINT |
				   VP_ENTER_RESUME_L1));
	struct tdx_status s;

	if (vcpu & VP_ENTER_RESERVED)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
	s = tx_vcpu(tx, tdvpr, TDX_OPERAND_ID_RCX, LOCK_SHARED, LOCK_SHARED, &plan->vp, &plan->td);
	if (!tdx_is_success(s))
		return s;
	plan->vp.vmcs = vp_vm_vmcs(tx->m, plan->vp.vps, plan->vp.vps->curr_vm);
	return vp_check_and_associate(tx, &plan->td, &plan->vp, false, &plan->new_association);
}

static struct tdx_status check_flags(uint64_t vcpu, struct plan *plan)
{
	plan->host_hint = (vcpu & VP_ENTER_HOST_RECOVERABILITY_HINT) != 0;
	if (plan->host_hint && plan->vp.vps->last_td_exit != LAST_EXIT_ASYNC_TRAP)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
	if (vcpu & VP_ENTER_RESUME_L1) {
		if (plan->vp.vps->curr_vm == 0)
			return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
		l2_route_to_l1(plan->vp.vps);
	}
	return tdx_success();
}

/* Time must not have been turned back, neither openly nor by an offset. */
static struct tdx_status check_time(const struct tx *tx, const struct plan *plan)
{
	if (msr(tx, MSR_TSC_ADJUST) != tx->mod->plat.tsc_adjust)
		return tdx_error_num(TDX_INCONSISTENT_MSR, MSR_TSC_ADJUST);
	if ((int64_t)(machine_rdtsc(tx->lp->hw) - plan->vp.vps->last_exit_tsc) < 0)
		return tdx_error(TDX_TSC_ROLLBACK);
	return tdx_success();
}

/* From here the vCPU counts as one whose TLB may hold translations of this epoch. */
static struct tdx_status join_epoch(struct tx *tx, struct plan *plan)
{
	struct tdcs *tdcs = plan->td.tdcs;
	struct tdx_status s = tx_lock(tx, LOCK_EPOCH, plan->td.pa.v, &tdcs->epoch_lock, LOCK_SHARED,
				      TDX_OPERAND_ID_TD_EPOCH);

	if (!tdx_is_success(s))
		return s;
	if (plan->vp.vps->vcpu_epoch != tdcs->td_epoch && !plan->new_association)
		l2_forget_translations(tdcs, plan->vp.vps);
	plan->vp.vps->vcpu_epoch = tdcs->td_epoch;
	td_join_epoch(plan->td.tdr, tx->lp, tdcs->td_epoch);
	tx_unlock(tx, &tdcs->epoch_lock);
	return s;
}

static void leave_epoch(const struct lp *lp, struct plan *plan)
{
	td_leave_epoch(plan->td.tdr, lp, plan->vp.vps->vcpu_epoch);
}

/* Has the guest to be told of the faults that were suspected? Not when it left for another reason.
 */
static bool notifies(const struct plan *plan)
{
	return plan->verdict == STEPPING_NOTIFY &&
	       (vmcs_read(plan->vp.vmcs, VMCS_EXIT_REASON) & VMX_EXIT_BASIC_MASK) ==
		       VMX_EXIT_EPT_VIOLATION &&
	       !td_gpa_is_shared(plan->td.tdcs, plan->fault_gpa);
}

/* The vCPU goes on in an L2 VM or, where that has an exit to tell, in its L1 VMM. */
static void go_on_in_l2(struct tx *tx, const struct tdx_regs *regs, struct plan *plan)
{
	if (notifies(plan)) /* the L1 VMM is told in the guest's place */
		l2_route_to_l1(plan->vp.vps);
	plan->verdict = plan->verdict == STEPPING_NOTIFY ? STEPPING_ENTER : plan->verdict;
	if (!l2_reenter(tx, &plan->td, &plan->vp, regs, &plan->fault_gpa))
		plan->verdict = STEPPING_REFUSE;
}

static struct tdx_status decode(struct tx *tx, const struct tdh_vp_enter_in *in,
				const struct tdx_regs *regs, struct plan *plan)
{
	uint64_t misc_enable = msr(tx, MSR_MISC_ENABLE);
	struct tdx_status s;

	/* of the processor first, of the vCPU after that: Intel's tdh_vp_enter.c */
	if (misc_enable & MISC_ENABLE_LIMIT_CPUID)
		return tdx_error(TDX_LIMIT_CPUID_MAXVAL_SET);
	s = find_vcpu(tx, in->vcpu, plan);
	if (!tdx_is_success(s))
		return s;
	s = check_flags(in->vcpu, plan);
	if (!tdx_is_success(s))
		return s;
	s = check_time(tx, plan);
	if (!tdx_is_success(s))
		return s;
	if (tdcs_cpuid_flags(plan->td.tdcs).monitor_mwait && !(misc_enable & MISC_ENABLE_MONITOR))
		return tdx_error_num(TDX_INCORRECT_MSR_VALUE, MSR_MISC_ENABLE);
	s = join_epoch(tx, plan);
	if (!tdx_is_success(s))
		return s;
	plan->fault_gpa = gpa(vmcs_read(plan->vp.vmcs, VMCS_GUEST_PHYSICAL_ADDRESS));
	plan->verdict = stepping_entry(tx, &plan->td, &plan->vp, &plan->fault_gpa);
	if (plan->verdict == STEPPING_TREE_BUSY) {
		leave_epoch(tx->lp, plan);
		return tdx_error_op(TDX_OPERAND_BUSY, TDX_OPERAND_ID_SEPT_TREE);
	}
	if (plan->vp.vps->curr_vm != 0)
		go_on_in_l2(tx, regs, plan);
	return s;
}

/* The entry that was not made looks to the host like one that ended in the same fault again. */
static void refuse(struct lp *lp, const struct tdx_regs *regs, struct plan *plan)
{
	bool keep_rbp = (plan->td.tdcs->config_flags & TDX_CONFIG_NO_RBP_MOD) != 0;

	leave_epoch(lp, plan);
	plan->vp.vps->last_td_exit = LAST_EXIT_ASYNC_FAULT;
	lp->host = (struct tdx_regs){
		.rax = VMX_EXIT_EPT_VIOLATION,
		.rcx = EPT_VIOLATION_WRITE | td_exit_vm(plan->vp.vps->curr_vm),
		.rsp = regs->rsp,
		.rbp = keep_rbp ? regs->rbp : 0,
		.r8 = plan->fault_gpa.v & ~(TDX_PAGE_SIZE - 1),
	};
	lp->fate = FATE_TD_EXIT;
}

/* Nothing of the last exit is in the way of delivering a #VE now. */
static bool ve_deliverable(const struct vp *vp)
{
	const struct vmcs *vmcs = vp->vmcs;

	return !(vmcs_read(vmcs, VMCS_GUEST_INTERRUPTIBILITY) & INTERRUPTIBILITY_NMI) &&
	       !(vmcs_read(vmcs, VMCS_EXIT_QUALIFICATION) & VMX_EVENT_NMI_UNBLOCKED) &&
	       !(vmcs_read(vmcs, VMCS_IDT_VECTORING_INFO) & VMX_EVENT_VALID) &&
	       vp->vps->ve_info.valid == 0;
}

static void notify_guest(struct lp *lp, const struct plan *plan)
{
	const struct vmcs *vmcs = plan->vp.vmcs;
	uint32_t reason = (uint32_t)vmcs_read(vmcs, VMCS_EXIT_REASON);

	if (!ve_deliverable(&plan->vp))
		return;
	guest_inject_ve(lp, reason, vmcs_read(vmcs, VMCS_EXIT_QUALIFICATION), plan->fault_gpa.v, 0,
			VE_ARCH);
}

static void return_to_guest(const struct machine *m, struct plan *plan, const struct tdx_regs *regs)
{
	struct tdvps *vps = plan->vp.vps;

	if (vps->last_td_exit == LAST_EXIT_TDVMCALL) {
		vp_return_from_vmcall(m, vps, regs);
	} else if (vps->last_td_exit == LAST_EXIT_ASYNC_TRAP) {
		vps->gpr.rax &= ~TDX_STATUS_HOST_RECOVERABLE;
		if (plan->host_hint)
			vps->gpr.rax |= TDX_STATUS_HOST_RECOVERABLE;
	}
}

static void set_vmcs(const struct tx *tx, const struct plan *plan)
{
	const unsigned vm = plan->vp.vps->curr_vm;
	struct vmcs *vmcs = plan->vp.vmcs;

	if (vm == 0 && plan->vp.vps->pend_nmi && plan->vp.vps->ve_info.valid == 0)
		vmcs_set_bits(vmcs, VMCS_PROCBASED_CTLS, PROCBASED_NMI_WINDOW);
	if (vm != 0 && plan->vp.vps->nmi_unblocking_due_to_iret)
		vmcs_set_bits(vmcs, VMCS_GUEST_INTERRUPTIBILITY, INTERRUPTIBILITY_NMI);
	vmcs_write(vmcs, VMCS_GUEST_DEBUGCTL,
		   (vmcs_read(vmcs, VMCS_GUEST_DEBUGCTL) & ~DEBUGCTL_UNCORE_PMI) |
			   (msr(tx, MSR_DEBUGCTL) & DEBUGCTL_UNCORE_PMI));
	if (vm != 0)
		l2_set_timer(tx->lp, plan->vp.vps, vmcs, vm);
	guest_prepare_vmcs(tx->lp);
}

/* The page locks go over to the running guest; see guest_leave(). */
static void keep_page_locks(struct tx *tx)
{
	struct lp *lp = tx->lp;
	unsigned rest = 0;

	lp->nguest_locks = 0;
	for (unsigned i = 0; i < tx->nheld; i++) {
		const struct tx_held *held = &tx->held[i];

		if (held->res == LOCK_PAMT_1G || held->res == LOCK_PAMT_2M ||
		    held->res == LOCK_PAMT_4K)
			lp->guest_locks[lp->nguest_locks++] = *held;
		else
			tx->held[rest++] = *held;
	}
	tx->nheld = rest;
}

/* Cannot fail: what goes wrong from here on is a TD exit. The registers are the host's, of which a
 * guest that comes back from TDG.VP.VMCALL takes those it asked for. */
static void commit(struct tx *tx, const struct tdx_regs *regs, struct plan *plan)
{
	struct lp *lp = tx->lp;

	lp->tdr_pa = plan->td.pa;
	lp->tdvpr_pa = lp->last_tdvpr_pa = plan->vp.pa;
	lp->tdr = plan->td.tdr;
	lp->tdcs = plan->td.tdcs;
	lp->ext = plan->td.ext;
	lp->vps = plan->vp.vps;
	lp->vmcs = plan->vp.vmcs;
	lp->host = *regs;
	if (notifies(plan))
		notify_guest(lp, plan);
	return_to_guest(tx->m, plan, regs);
	set_vmcs(tx, plan);
	if (!xbuff_loadable(tx->m, lp->vps, lp->tdcs->xfam)) {
		td_exit(lp, TDX_NON_RECOVERABLE_TD_NON_ACCESSIBLE, VMX_EXIT_ENTRY_FAIL_GUEST_STATE,
			0, TDX_EEQ_XSTATE_LOAD_FAILURE, 0, 0);
		return;
	}
	keep_page_locks(tx);
	stepping_start(lp);
	__atomic_store_n(&lp->vps->state, TDX_VCPU_ACTIVE, __ATOMIC_RELEASE);
	lp->in_guest = true;
	lp->fate = FATE_ENTERED;
}

struct tdx_status leaf_tdh_vp_enter(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdh_vp_enter_in in = tdh_vp_enter_take(regs);
	struct plan plan = {0};
	struct tdx_status s = decode(tx, &in, regs, &plan);

	if (!tdx_is_success(s))
		return s;
	if (tx->lp->fate == FATE_SHUTDOWN)
		return s;
	if (plan.verdict == STEPPING_REFUSE)
		refuse(tx->lp, regs, &plan);
	else
		commit(tx, regs, &plan);
	return s;
}
