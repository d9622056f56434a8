/* SPDX-License-Identifier: MIT */
/* The L2 VMs of a partitioned TD: into one, out of it to the L1 VMM, on again after the host.
 *
 * Each VM of a vCPU has its VMCS; general registers, extended state and MSRs are one set that goes
 * from VM to VM. What TDG.VP.ENTER gives and what an exit leaves is in the guest-state page; that
 * page and the virtual-APIC page are known by their GPAs, whose translations hold as long as a TLB
 * entry would. ABI: TDG.VP.ENTER; "TD Partitioning". */
#ifndef MODULE_L2_H
#define MODULE_L2_H

#include "module/transition.h"
#include "module/vcpu.h"
#include <swtdx/leaf.h>

static inline unsigned lp_vm(const struct lp *lp)
{
	return lp->vps->curr_vm;
}

/* The VM is the vCPU's current one from now on. */
void l2_switch(struct lp *lp, unsigned vm);

/* --- translations --- */

/* The guest-state page, and with l2_translate() the virtual-APIC page too, unless known. False:
 * nothing the VM may use is mapped at *failed. */
bool l2_translate_state(const struct tx *tx, const struct td *td, struct tdvps *vps, unsigned vm,
			gpa_t *failed);
bool l2_translate(const struct tx *tx, const struct td *td, struct tdvps *vps, unsigned vm,
		  gpa_t *failed);
/* They hold no longer: the TLBs are flushed. */
void l2_forget_translations(const struct tdcs *tdcs, struct tdvps *vps);

/* --- the guest-state page --- */
void l2_read_state(const struct lp *lp, struct tdvps *vps, unsigned vm);
void l2_write_state(const struct lp *lp, const struct tdvps *vps);

/* --- out of the VM --- */

/* To the L1 VMM, whose TDG.VP.ENTER ends with the code and the exit's reason; what led there is
 * lp->exit and, for what may have been replaced since, the VMCS. */
void l2_exit_to_l1(struct lp *lp, uint64_t code, uint64_t ext_qualification);
/* An interrupt: for the host, unless it notifies of one posted to the L1 VMM. */
void l2_interrupt(struct lp *lp);
/* The exit was handled and the VM goes on: what was cut off is delivered again. */
void l2_go_on(struct lp *lp);
/* The exit cut an event's delivery off: the next entry repeats it. False: it did not. Once. */
bool l2_redeliver(struct vmcs *vmcs);

/* --- TDH.VP.ENTER --- */

enum { L2_ROUTED_NONE = 0, L2_ROUTED_ASYNC = 1, L2_ROUTED_TDVMCALL = 2 };

/* The host wants the L1 VMM to run, and will until it does. */
void l2_route_to_l1(struct tdvps *vps);
/* The vCPU was left in an L2 VM: go on there, or, when routed, end it for the L1 VMM, which is then
 * current (vp->vmcs). `regs` are what the host returns to a TDG.VP.VMCALL. False: *fault has no
 * page, an EPT violation. */
bool l2_reenter(const struct tx *tx, const struct td *td, struct vp *vp,
		const struct tdx_regs *regs, gpa_t *fault);

/* The VMX-preemption timer of an L2 VM that has a deadline. */
void l2_set_timer(const struct lp *lp, const struct tdvps *vps, struct vmcs *vmcs, unsigned vm);

#endif
