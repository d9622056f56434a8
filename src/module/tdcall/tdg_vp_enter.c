/* SPDX-License-Identifier: MIT */
/* TDG.VP.ENTER: run an L2 VM until it has something for the L1 VMM.
 *
 * No locks. On success the vCPU is in the VM, and the call ends when an exit leads back
 * (module/l2.h), with RIP still at the TDCALL until then. Where a page the VM needs is not there,
 * the host is told and the call repeats. */
#include "abi/operand.h"
#include "arch/vmx.h"
#include "module/l2.h"
#include "module/leaves.h"
#include "module/tdcall/vm_flags.h"
#include "module/vmcs.h"
#include <swtdx/structs.h>

/* VM_FLAGS_ENTER_FLUSH: what to forget before. */
enum flush { FLUSH_NOTHING, FLUSH_EPT, FLUSH_LINEAR, FLUSH_LINEAR_BUT_GLOBAL };

static struct tdx_status decode(const struct lp *lp, const struct tdg_vp_enter_in *in)
{
	const unsigned vm = vm_of_flags(in->vm_and_flags);

	/* RDX before RCX: 09-tdcall-operand-bits.vec */
	if (in->guest_state.v % TDX_L2_STATE_ALIGN ||
	    !td_gpa_valid(lp->tdcs, in->guest_state, true))
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RDX);
	if (!vm_flags_valid(lp, in->vm_and_flags, VM_FLAGS_ENTER_FLUSH))
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX);
	if (lp->vps->l2_vapic_gpa[vm] == NO_PA)
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_L2_VAPIC_GPA);
	if (vp_interrupt_pending(lp->mod->m, lp->vps, lp->vmcs, 0))
		return tdx_error(TDX_PENDING_INTERRUPT);
	return tdx_success();
}

/* The L1 VMM is left: it is known what waits for it there. False: the host has to do something. */
static bool leave_l1(struct tx *tx, const struct tdg_vp_enter_in *in, unsigned vm)
{
	struct lp *lp = tx->lp;
	struct tdvps *vps = lp->vps;
	const struct td td = {.tdr = lp->tdr, .tdcs = lp->tdcs};
	gpa_t failed;

	if (vps->l2_debug_ctls[vm] & TDX_L2_DEBUG_EXIT_ON_L1_TO_L2) {
		td_exit_plain(lp, TDX_TD_EXIT_BEFORE_L2_ENTRY);
		return false;
	}
	if (vps->l2_enter_guest_state_gpa[vm] != in->guest_state.v) {
		vps->l2_enter_guest_state_gpa[vm] = in->guest_state.v;
		vps->l2_enter_guest_state_hpa[vm] = NO_PA;
	}
	vp_note_interrupts(lp->mod->m, vps, lp->vmcs, 0, false);
	/* also when it fails: the host's hints come from the VMCS that is active then */
	lp->vmcs = vp_vm_vmcs(lp->mod->m, vps, vm);
	if (l2_translate(tx, &td, vps, vm, &failed))
		return true;
	td_exit(lp, TDX_SUCCESS, VMX_EXIT_EPT_VIOLATION, 0, 0, failed.v & ~(TDX_PAGE_SIZE - 1), 0);
	return false;
}

static void commit(struct lp *lp, const struct tdg_vp_enter_in *in, unsigned vm)
{
	switch ((enum flush)(in->vm_and_flags & VM_FLAGS_ENTER_FLUSH)) {
	case FLUSH_NOTHING:
		break;
	case FLUSH_EPT:
	case FLUSH_LINEAR:
	case FLUSH_LINEAR_BUT_GLOBAL:
		lp->tlb_flushes[vm]++;
		break;
	}
	l2_switch(lp, vm);
	guest_prepare_vmcs(lp);
	l2_set_timer(lp, lp->vps, lp->vmcs, vm);
	l2_read_state(lp, lp->vps, vm);
	lp->fate = FATE_SWITCHED;
}

struct tdx_status leaf_tdg_vp_enter(struct tx *tx, struct tdx_regs *regs)
{
	const struct tdg_vp_enter_in in = tdg_vp_enter_take(regs);
	const unsigned vm = vm_of_flags(in.vm_and_flags);
	struct tdx_status s = decode(tx->lp, &in);

	if (tdx_is_success(s) && leave_l1(tx, &in, vm))
		commit(tx->lp, &in, vm);
	return s;
}
