/* SPDX-License-Identifier: MIT */
/* Between an L2 VM and its L1 VMM; see l2.h. */
#include "module/l2.h"

#include "abi/eeq.h"
#include "arch/vmx.h"
#include "arch/x86.h"
#include "module/exits.h"
#include "module/guest_memory.h"
#include "module/inject.h"
#include "module/stepping.h"
#include "module/vmcs.h"
#include <swtdx/structs.h>

enum { ALL_ACCESS = 7 };

void l2_switch(struct lp *lp, unsigned vm)
{
	lp->vps->curr_vm = (uint16_t)vm;
	lp->vmcs = vp_vm_vmcs(lp->mod->m, lp->vps, vm);
}

/* --- translations --- */

static bool translate(const struct tx *tx, const struct td *td, uint64_t gpa_, uint64_t *pa)
{
	uint64_t entry, found;
	unsigned rwx;

	if (!td_gpa_valid(td->tdcs, gpa(gpa_), true) ||
	    guest_walk_private(tx, td->tdcs, gpa(gpa_), ALL_ACCESS, &entry, &rwx, &found) !=
		    GPA_WALK_OK ||
	    !sept_has(entry, SEPT_IS_GUEST_READABLE))
		return false;
	*pa = machine_with_hkid(tx->m, found, td->tdr->hkid);
	return true;
}

bool l2_translate_state(const struct tx *tx, const struct td *td, struct tdvps *vps, unsigned vm,
			gpa_t *failed)
{
	if (vps->l2_enter_guest_state_hpa[vm] != NO_PA)
		return true;
	*failed = gpa(vps->l2_enter_guest_state_gpa[vm]);
	/* the vCPU may have been imported with any address: not beyond the page */
	if ((failed->v & (TDX_PAGE_SIZE - 1)) > TDX_PAGE_SIZE - sizeof(struct tdx_l2_state))
		return false;
	return translate(tx, td, failed->v, &vps->l2_enter_guest_state_hpa[vm]);
}

bool l2_translate(const struct tx *tx, const struct td *td, struct tdvps *vps, unsigned vm,
		  gpa_t *failed)
{
	if (!l2_translate_state(tx, td, vps, vm, failed))
		return false;
	if (vps->l2_vapic_hpa[vm] != NO_PA)
		return true;
	*failed = gpa(vps->l2_vapic_gpa[vm]);
	if (!translate(tx, td, failed->v, &vps->l2_vapic_hpa[vm]))
		return false;
	vmcs_write(vp_vm_vmcs(tx->m, vps, vm), VMCS_VIRTUAL_APIC_ADDRESS, vps->l2_vapic_hpa[vm]);
	return true;
}

void l2_forget_translations(const struct tdcs *tdcs, struct tdvps *vps)
{
	for (unsigned vm = 0; vm <= tdcs->num_l2_vms; vm++) {
		vps->l2_enter_guest_state_hpa[vm] = NO_PA;
		vps->l2_vapic_hpa[vm] = NO_PA;
	}
}

/* --- the guest-state page --- */

static struct tdx_l2_state *state_page(const struct machine *m, const struct tdvps *vps,
				       unsigned vm)
{
	return machine_ptr(m, machine_strip(m, vps->l2_enter_guest_state_hpa[vm]));
}

void l2_read_state(const struct lp *lp, struct tdvps *vps, unsigned vm)
{
	const struct tdx_l2_state *state = state_page(lp->mod->m, vps, vm);
	struct vmcs *vmcs = vp_vm_vmcs(lp->mod->m, vps, vm);

	vps->gpr = state->gpr;
	vmcs_write(vmcs, VMCS_GUEST_RSP, vps->gpr.rsp);
	vmcs_write(vmcs, VMCS_GUEST_RFLAGS, state->rflags);
	vmcs_write(vmcs, VMCS_GUEST_RIP, state->rip);
	vmcs_write(vmcs, VMCS_GUEST_SSP, state->ssp);
	vmcs_write(vmcs, VMCS_GUEST_INTERRUPT_STATUS, state->interrupt_status);
}

void l2_write_state(const struct lp *lp, const struct tdvps *vps)
{
	const struct machine *m = lp->mod->m;
	const unsigned vm = vps->curr_vm;
	const struct vmcs *vmcs = vp_vm_vmcs(m, vps, vm);
	const uint64_t pa = vps->l2_enter_guest_state_hpa[vm];
	struct tdx_l2_state *state = state_page(m, vps, vm);

	state->gpr = vps->gpr;
	state->gpr.rsp = vmcs_read(vmcs, VMCS_GUEST_RSP);
	state->rflags = vmcs_read(vmcs, VMCS_GUEST_RFLAGS);
	state->rip = vmcs_read(vmcs, VMCS_GUEST_RIP);
	state->ssp = vmcs_read(vmcs, VMCS_GUEST_SSP);
	state->interrupt_status = (uint16_t)vmcs_read(vmcs, VMCS_GUEST_INTERRUPT_STATUS);
	machine_wrote_guest(lp->hw, machine_strip(m, pa) & ~(TDX_PAGE_SIZE - 1),
			    machine_hkid_of(m, pa));
}

/* --- out of the VM --- */

/* What the L1 VMM finds in its registers, of fields that describe the exit. */
static void describe_exit(struct tdx_regs *gpr, const struct vmcs *vmcs)
{
	gpr->rbx = 0;
	gpr->rdx = vmcs_read(vmcs, VMCS_GUEST_LINEAR_ADDRESS);
	gpr->rsi = vmcs_read(vmcs, VMCS_GUEST_CS_SELECTOR) |
		   (vmcs_read(vmcs, VMCS_GUEST_CS_AR) & 0xffff) << 16 |
		   vmcs_read(vmcs, VMCS_GUEST_CS_LIMIT) << 32;
	gpr->rdi = vmcs_read(vmcs, VMCS_GUEST_CS_BASE);
	gpr->r9 = vmcs_read(vmcs, VMCS_EXIT_INTERRUPTION_ERROR) << 32 |
		  vmcs_read(vmcs, VMCS_EXIT_INTERRUPTION_INFO);
	gpr->r10 = vmcs_read(vmcs, VMCS_IDT_VECTORING_ERROR) << 32 |
		   vmcs_read(vmcs, VMCS_IDT_VECTORING_INFO);
	gpr->r11 = vmcs_read(vmcs, VMCS_EXIT_INSTRUCTION_LENGTH) << 32 |
		   vmcs_read(vmcs, VMCS_EXIT_INSTRUCTION_INFO);
	gpr->r12 = SEG_AR_DPL(vmcs_read(vmcs, VMCS_GUEST_SS_AR));
	gpr->r13 = gpr->r14 = gpr->r15 = 0;
}

void l2_exit_to_l1(struct lp *lp, uint64_t code, uint64_t ext_qualification)
{
	const struct vmexit *e = &lp->exit;
	struct tdvps *vps = lp->vps;
	struct vmcs *vmcs = lp->vmcs;
	struct tdx_regs *gpr = &vps->gpr;

	if (lp->fate == FATE_TD_EXIT || lp->fate == FATE_SHUTDOWN || lp->fate == FATE_SWITCHED)
		return;
	if (vps->l2_debug_ctls[lp_vm(lp)] & TDX_L2_DEBUG_EXIT_ON_L2_TO_L1) {
		exit_to_host_event(lp, TDX_TD_EXIT_ON_L2_TO_L1);
		return;
	}
	l2_write_state(lp, vps);
	describe_exit(gpr, vmcs);
	gpr->rax = tdx_error_num(code, e->reason).raw;
	gpr->rcx = e->qualification;
	gpr->r8 = vmcs_read(vmcs, VMCS_GUEST_PHYSICAL_ADDRESS);
	gpr->r9 = (gpr->r9 & ~0xffffffffull) | e->intr_info;
	gpr->r13 = ext_qualification;
	vp_note_interrupts(lp->mod->m, vps, vmcs, lp_vm(lp), false);
	l2_switch(lp, 0);
	guest_prepare_vmcs(lp);
	stepping_count(lp, 1);
	lp->fate = FATE_SWITCHED;
	guest_advance_rip(lp); /* its TDG.VP.ENTER is done */
}

bool l2_redeliver(struct vmcs *vmcs)
{
	const uint64_t info = vmcs_read(vmcs, VMCS_IDT_VECTORING_INFO);

	if (!(info & VMX_EVENT_VALID))
		return false;
	vmcs_write(vmcs, VMCS_ENTRY_INTERRUPTION_INFO,
		   info & (VMX_EVENT_VALID | VMX_EVENT_ERROR_CODE | VMX_EVENT_TYPE_MASK |
			   VMX_EVENT_VECTOR_MASK));
	if (info & VMX_EVENT_ERROR_CODE)
		vmcs_write(vmcs, VMCS_ENTRY_EXCEPTION_ERROR,
			   vmcs_read(vmcs, VMCS_IDT_VECTORING_ERROR));
	vmcs_write(vmcs, VMCS_ENTRY_INSTRUCTION_LENGTH,
		   vmcs_read(vmcs, VMCS_EXIT_INSTRUCTION_LENGTH));
	vmcs_clear_bits(vmcs, VMCS_IDT_VECTORING_INFO, VMX_EVENT_VALID);
	return true;
}

/* The event about to be delivered is one the L1 VMM wants to see: an exit in its place. */
static void event_to_exit(struct vmcs *vmcs)
{
	vmcs_write(vmcs, VMCS_EXIT_INTERRUPTION_INFO,
		   vmcs_read(vmcs, VMCS_ENTRY_INTERRUPTION_INFO));
	vmcs_write(vmcs, VMCS_EXIT_INTERRUPTION_ERROR, vmcs_read(vmcs, VMCS_ENTRY_EXCEPTION_ERROR));
	vmcs_clear_bits(vmcs, VMCS_ENTRY_INTERRUPTION_INFO, VMX_EVENT_VALID);
	vmcs_write(vmcs, VMCS_EXIT_REASON, VMX_EXIT_EXCEPTION_OR_NMI);
	vmcs_write(vmcs, VMCS_EXIT_QUALIFICATION, 0);
}

void l2_go_on(struct lp *lp)
{
	(void)l2_redeliver(lp->vmcs);
	if (guest_event_intercepted(lp->vmcs)) {
		/* told with the reason of the exit that was handled: Intel's L2 dispatcher */
		event_to_exit(lp->vmcs);
		l2_exit_to_l1(lp, TDX_SUCCESS, 0);
		return;
	}
	if (lp->vps->nmi_unblocking_due_to_iret)
		vmcs_set_bits(lp->vmcs, VMCS_GUEST_INTERRUPTIBILITY, INTERRUPTIBILITY_NMI);
	l2_set_timer(lp, lp->vps, lp->vmcs, lp_vm(lp));
}

void l2_set_timer(const struct lp *lp, const struct tdvps *vps, struct vmcs *vmcs, unsigned vm)
{
	const unsigned rate = (unsigned)lp->mod->plat.vmx_misc & VMX_MISC_TIMER_RATE;
	int64_t left;

	if (vps->tsc_deadline[vm] == ~0ull) {
		vmcs_clear_bits(vmcs, VMCS_PINBASED_CTLS, PINBASED_PREEMPTION_TIMER);
		return;
	}
	left = (int64_t)(vps->shadow_tsc_deadline[vm] - machine_rdtsc(lp->hw));
	left = left < 0 ? 0 : left >> rate;
	vmcs_write(vmcs, VMCS_PREEMPTION_TIMER, (uint64_t)(left > UINT32_MAX ? UINT32_MAX : left));
	vmcs_set_bits(vmcs, VMCS_PINBASED_CTLS, PINBASED_PREEMPTION_TIMER);
}

/* --- interrupts posted to the L1 VMM --- */

enum {
	PID_WORDS = 8, /* of 32 requests; then the bit of an outstanding notification */
	PID_SIZE = 64,
	VAPIC_WORD = 0x10,
	VAPIC_WORDS = VAPIC_WORD / 4,
	LOWEST_POSTED = 31,
};

/* What the descriptor asks for goes into the virtual APIC; the highest vector of it. */
static unsigned take_posted(uint32_t *pid, uint32_t *virr)
{
	unsigned highest = 0;

	__atomic_and_fetch(&pid[PID_WORDS], ~1u, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < PID_WORDS; i++) {
		const uint32_t posted = __atomic_exchange_n(&pid[i], 0, __ATOMIC_SEQ_CST);

		virr[i * VAPIC_WORDS] |= posted;
		if (posted)
			highest = i * 32 + 31 - (unsigned)__builtin_clz(posted);
	}
	return highest < LOWEST_POSTED ? 0 : highest;
}

/* Can what is requested of the L1 VMM be delivered to it? */
static bool post(const struct lp *lp)
{
	const struct machine *m = lp->mod->m;
	const uint64_t pa = machine_strip(m, lp->vps->shadow_pid_hpa[0]);
	struct vmcs *l1 = vp_vm_vmcs(m, lp->vps, 0);
	uint64_t status = vmcs_read(l1, VMCS_GUEST_INTERRUPT_STATUS);
	unsigned vector = 0;

	if (machine_is_ram(m, pa, PID_SIZE))
		vector = take_posted(machine_ptr(m, pa),
				     (uint32_t *)(void *)(vp_vapic(m, lp->vps, 0) + VAPIC_IRR));
	machine_eoi(lp->hw);
	if (vector > (status & 0xff)) {
		status = (status & ~0xffull) | vector;
		vmcs_write(l1, VMCS_GUEST_INTERRUPT_STATUS, status);
	}
	return vp_interrupt_pending(m, lp->vps, l1, 0);
}

void l2_interrupt(struct lp *lp)
{
	const struct tdvps *vps = lp->vps;

	if (!(vps->shadow_pinbased[0] & PINBASED_POSTED_INTERRUPTS) ||
	    (lp->exit.intr_info & VMX_EVENT_VECTOR_MASK) != vps->shadow_posted_int_vector[0])
		exit_to_host_event(lp, TDX_SUCCESS);
	else if (post(lp))
		l2_exit_to_l1(lp, TDX_L2_EXIT_PENDING_INTERRUPT, 0);
}

/* --- TDH.VP.ENTER --- */

void l2_route_to_l1(struct tdvps *vps)
{
	if (vps->l2_exit_host_routing == L2_ROUTED_NONE)
		vps->l2_exit_host_routing = vps->last_td_exit == LAST_EXIT_TDVMCALL
						    ? L2_ROUTED_TDVMCALL
						    : L2_ROUTED_ASYNC;
}

/* Its TDG.VP.ENTER ends with the exit that led to the host. */
static void end_for_l1(const struct tx *tx, struct vp *vp, gpa_t fault)
{
	struct tdvps *vps = vp->vps;
	const struct vmcs *vmcs = vp->vmcs;
	const uint64_t code = vps->l2_exit_host_routing == L2_ROUTED_TDVMCALL
				      ? TDX_L2_EXIT_HOST_ROUTED_TDVMCALL
				      : TDX_L2_EXIT_HOST_ROUTED_ASYNC;

	describe_exit(&vps->gpr, vmcs);
	vps->gpr.rax = tdx_error_num(code, (uint32_t)vmcs_read(vmcs, VMCS_EXIT_REASON)).raw;
	vps->gpr.rcx = vmcs_read(vmcs, VMCS_EXIT_QUALIFICATION);
	vps->gpr.r8 = fault.v;
	vps->l2_exit_host_routing = L2_ROUTED_NONE;
	vps->curr_vm = 0;
	vp->vmcs = vp_vm_vmcs(tx->m, vps, 0);
	if (!vmcs_advance_rip(vp->vmcs))
		module_fatal(tx->lp);
}

bool l2_reenter(const struct tx *tx, const struct td *td, struct vp *vp,
		const struct tdx_regs *regs, gpa_t *fault)
{
	struct tdvps *vps = vp->vps;

	if (vps->l2_exit_host_routing == L2_ROUTED_NONE)
		(void)l2_redeliver(vp->vmcs);
	if (guest_event_intercepted(vp->vmcs)) {
		event_to_exit(vp->vmcs);
		l2_route_to_l1(vps);
	}
	if (vps->l2_exit_host_routing == L2_ROUTED_NONE)
		return l2_translate(tx, td, vps, vps->curr_vm, fault);
	/* to the L1 VMM it is as if the call had ended in the VM, and then an event had come */
	if (vps->last_td_exit == LAST_EXIT_TDVMCALL) {
		vp_return_from_vmcall(tx->m, vps, regs);
		vps->last_td_exit = LAST_EXIT_ASYNC_FAULT;
	}
	if (vps->l2_exit_host_routing == L2_ROUTED_TDVMCALL) {
		if (!l2_translate_state(tx, td, vps, vps->curr_vm, fault))
			return false;
		l2_write_state(tx->lp, vps);
	}
	end_for_l1(tx, vp, *fault);
	return true;
}
