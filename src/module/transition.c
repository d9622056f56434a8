/* SPDX-License-Identifier: MIT */
/* Leaving a guest: what the host is told, what becomes of the vCPU, its locks.
 *
 * ABI: TDH.VP.ENTER, output; "TD Transitions". A running guest holds the PAMT entries of its TDVPR
 * and TDR shared, nothing else; they are dropped last, after which nothing of the TD may be
 * touched. */
#include "module/transition.h"

#include "abi/eeq.h"
#include "arch/msr.h"
#include "arch/vmx.h"
#include "arch/x86.h"
#include "module/l2.h"
#include "module/vcpu.h"
#include "module/virt_msr.h"
#include "module/vmcs.h"
#include "module/xbuff.h"
#include <swtdx/structs.h>

/* Bits of an EPT violation's qualification about the linear address and NMI unblocking. */
#define EPT_VIOLATION_HIDDEN 0x1f80ull

/* The qualification of a TD exit: the VM index has bits 33:32, the resume hint bit 63. */
#define TD_EXIT_RESUME_HINT	      (1ull << 63)

#define VM_CTLS_HINT_VINTR_PENDING    (1ull << 1)
#define VM_CTLS_HINT_VINTR_IN_SERVICE (1ull << 2)
#define VM_CTLS_HINT_VNMI_PENDING     (1ull << 3)

static bool already_leaving(const struct lp *lp)
{
	return lp->fate == FATE_TD_EXIT || lp->fate == FATE_SHUTDOWN;
}

/* The general registers a host sees after an asynchronous exit: five words, then zeros. */
static void set_host_regs(struct lp *lp, uint64_t rax, uint64_t rcx, uint64_t rdx, uint64_t r8,
			  uint64_t r9)
{
	bool keep_rbp = (lp->tdcs->config_flags & TDX_CONFIG_NO_RBP_MOD) != 0;

	lp->host = (struct tdx_regs){
		.rax = rax,
		.rcx = (rcx & ~TD_EXIT_VM_MASK) | td_exit_vm(lp->vps->curr_vm),
		.rdx = rdx,
		.rsp = lp->host.rsp,
		.rbp = keep_rbp ? lp->host.rbp : 0,
		.r8 = r8,
		.r9 = r9,
	};
}

static void exit_async(struct lp *lp, uint64_t code, uint32_t reason, uint64_t qualification,
		       uint64_t ext_qualification, uint64_t gpa_, uint64_t intr_info)
{
	struct tdx_status s = tdx_error_num(code, reason);

	lp->bus_lock_preempted = false;
	lp->leaving.vcpu_state = lp->vps->state;
	lp->leaving.last_td_exit = lp->vps->last_td_exit;
	lp->leaving.dead = tdx_is(s, TDX_NON_RECOVERABLE_TD_NON_ACCESSIBLE);
	lp->leaving.trap = tdx_is_host_recoverable(s);
	if (tdx_is_fatal(s)) {
		__atomic_store_n(&lp->tdr->fatal, 1, __ATOMIC_RELAXED);
	} else if (tdx_is_non_recoverable(s)) {
		lp->leaving.vcpu_state = TDX_VCPU_DISABLED;
	} else {
		lp->leaving.vcpu_state = TDX_VCPU_READY;
		lp->leaving.last_td_exit =
			lp->leaving.trap ? LAST_EXIT_ASYNC_TRAP : LAST_EXIT_ASYNC_FAULT;
	}
	set_host_regs(lp, s.raw, qualification, ext_qualification, gpa_, intr_info);
	lp->fate = FATE_TD_EXIT;
}

void td_exit(struct lp *lp, uint64_t code, uint32_t exit_reason, uint64_t qualification,
	     uint64_t ext_qualification, uint64_t gpa_, uint64_t intr_info)
{
	if (already_leaving(lp))
		return;
	if (lp->bus_lock_preempted)
		exit_reason |= VMX_EXIT_BUS_LOCK_PREEMPTED;
	exit_async(lp, code, exit_reason, qualification, ext_qualification, gpa_, intr_info);
}

void td_exit_plain(struct lp *lp, uint64_t code)
{
	if (!already_leaving(lp))
		exit_async(lp, code, 0, 0, 0, 0, 0);
}

void td_exit_cross_td(struct lp *lp, struct tdx_status why, hpa_t target_tdr)
{
	if (already_leaving(lp))
		return;
	lp->vps->gpr.rax = why.raw;
	exit_async(lp, TDX_CROSS_TD_TRAP, 0, 0, why.raw, target_tdr.v, 0);
}

void td_exit_ept_violation(struct lp *lp, gpa_t gpa_, uint32_t exit_reason, uint64_t qualification,
			   uint64_t ext_qualification)
{
	td_exit(lp, TDX_SUCCESS, exit_reason, qualification & ~EPT_VIOLATION_HIDDEN,
		ext_qualification, gpa_.v & ~(TDX_PAGE_SIZE - 1), 0);
}

void td_exit_ept_misconfig(struct lp *lp, gpa_t gpa_)
{
	td_exit(lp, TDX_SUCCESS, VMX_EXIT_EPT_MISCONFIG, 0, 0, gpa_.v & ~(TDX_PAGE_SIZE - 1), 0);
}

void td_exit_page_call(struct lp *lp, gpa_t gpa_, enum tdx_level asked, const struct sept_ref *ref,
		       enum tdx_eeq type)
{
	struct tdx_eeq_entry e = {
		.requested_level = asked,
		.level = ref->level,
		.public_state = sept_info_public_state(sept_arch_info(ref->value, ref->level, 0)),
		.leaf = sept_is_leaf(ref->value),
	};
	uint64_t qualification = EPT_VIOLATION_WRITE | (ref->value & 7) << 3;

	td_exit_ept_violation(lp, gpa_, VMX_EXIT_EPT_VIOLATION, qualification,
			      tdx_eeq_pack(type, e));
}

void td_exit_vmcall(struct lp *lp)
{
	if (already_leaving(lp))
		return;
	lp->host.rax = VMX_EXIT_TDCALL;
	lp->host.rcx = (lp->host.rcx & ~TD_EXIT_VM_MASK) | td_exit_vm(lp->vps->curr_vm);
	if (lp->bus_lock_preempted)
		lp->host.rax |= VMX_EXIT_BUS_LOCK_PREEMPTED;
	lp->bus_lock_preempted = false;
	lp->leaving.vcpu_state = TDX_VCPU_READY;
	lp->leaving.last_td_exit = LAST_EXIT_TDVMCALL;
	lp->leaving.dead = false;
	lp->leaving.trap = true;
	lp->fate = FATE_TD_EXIT;
}

void guest_repeat(struct lp *lp)
{
	if (!lp_decided(lp))
		lp->fate = FATE_REPEAT;
}

void module_fatal(struct lp *lp)
{
	if (!already_leaving(lp))
		lp->fate = FATE_SHUTDOWN;
}

/* What virtual interrupts and NMIs wait for a VM of the vCPU, as VCPU_STATE_DETAILS tells. */
static bool wants_resume_hint(const struct lp *lp, uint64_t details)
{
	uint64_t ctls = __atomic_load_n(&lp->tdcs->vm_ctls[lp_vm(lp)], __ATOMIC_RELAXED);

	return (ctls & VM_CTLS_HINT_VINTR_PENDING && details & VCPU_DETAILS_ANY_PENDING) ||
	       (ctls & VM_CTLS_HINT_VINTR_IN_SERVICE && details & VCPU_DETAILS_ANY_IN_SERVICE) ||
	       (ctls & VM_CTLS_HINT_VNMI_PENDING && details & VCPU_DETAILS_NMI_PENDING);
}

static void save_vcpu(struct lp *lp)
{
	struct tdvps *vps = lp->vps;

	xbuff_set_components(lp->mod->m, vps, lp->tdcs->xfam);
	vp_note_interrupts(lp->mod->m, vps, lp->vmcs, lp_vm(lp), true);
	lp->host.rcx &= ~TD_EXIT_RESUME_HINT;
	if (wants_resume_hint(lp, vps->vcpu_state_details))
		lp->host.rcx |= TD_EXIT_RESUME_HINT;
	if (lp->leaving.trap)
		guest_advance_rip(lp);
	else if (lp_vm(lp) != 0) /* while the translation of its address still holds */
		l2_write_state(lp, vps);
	vps->last_td_exit = lp->leaving.last_td_exit;
	__atomic_store_n(&vps->state, lp->leaving.vcpu_state, __ATOMIC_RELEASE);
	/* from here on a tracking host need not wait for this processor's TLB */
	td_leave_epoch(lp->tdr, lp, vps->vcpu_epoch);
}

void guest_leave(struct lp *lp)
{
	struct tx tx;

	if (!lp->leaving.dead)
		save_vcpu(lp);
	tx_begin(&tx, lp, NULL, false);
	for (unsigned i = 0; i < lp->nguest_locks; i++)
		tx.held[tx.nheld++] = lp->guest_locks[i];
	lp->nguest_locks = 0;
	tx_end(&tx);
	lp->in_guest = false;
}

static void clear_blocking(struct vmcs *vmcs)
{
	vmcs_clear_bits(vmcs, VMCS_GUEST_INTERRUPTIBILITY,
			INTERRUPTIBILITY_STI | INTERRUPTIBILITY_MOV_SS);
}

void guest_clear_blocking(struct lp *lp)
{
	clear_blocking(lp->vmcs);
}

void vmcs_pend_single_step(struct vmcs *vmcs)
{
	if (vmcs_read(vmcs, VMCS_GUEST_RFLAGS) & RFLAGS_TF &&
	    !(vmcs_read(vmcs, VMCS_GUEST_DEBUGCTL) & DEBUGCTL_BTF))
		vmcs_set_bits(vmcs, VMCS_GUEST_PENDING_DEBUG_EXCEPTIONS, PENDING_DEBUG_BS);
	else
		vmcs_clear_bits(vmcs, VMCS_GUEST_PENDING_DEBUG_EXCEPTIONS, PENDING_DEBUG_BS);
}

bool vmcs_advance_rip(struct vmcs *vmcs)
{
	const uint64_t length = vmcs_read(vmcs, VMCS_EXIT_INSTRUCTION_LENGTH);

	if (length == 0)
		return false;
	vmcs_write(vmcs, VMCS_GUEST_RIP, vmcs_read(vmcs, VMCS_GUEST_RIP) + length);
	clear_blocking(vmcs);
	vmcs_pend_single_step(vmcs);
	return true;
}

void guest_advance_rip(struct lp *lp)
{
	if (!vmcs_advance_rip(lp->vmcs))
		lp->fate = FATE_SHUTDOWN;
}

#define PERF_GLOBAL_FIXED0  (1ull << 32)
#define PERF_GLOBAL_FIXED12 (3ull << 33)

void guest_prepare_vmcs(const struct lp *lp)
{
	const struct tdcs *tdcs = lp->tdcs;
	struct tdvps *vps = lp->vps;
	uint64_t global_ctrl = 0;

	/* its host state is that of this processor and this module from now on */
	vps->lp_dependent_updated[vps->curr_vm] = 1;
	vps->module_dependent_updated[vps->curr_vm] = 1;
	/* fixed counter 0 is the module's own; 1 and 2 go on for a host that uses them */
	(void)machine_rdmsr(lp->hw, MSR_PERF_GLOBAL_CTRL, &global_ctrl);
	if (!(tdcs->attributes & TDX_ATTR_PERFMON))
		vmcs_write(lp->vmcs, VMCS_GUEST_PERF_GLOBAL_CTRL,
			   (global_ctrl & PERF_GLOBAL_FIXED12) | PERF_GLOBAL_FIXED0);
	if (lp->mod->plat.ddpd && !tdcs->cpuid_flags.ddpd)
		vmcs_write(lp->vmcs, VMCS_SPEC_CTRL_SHADOW, vps->msr.spec_ctrl & ~SPEC_CTRL_DDPD_U);
}
