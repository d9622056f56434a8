/* SPDX-License-Identifier: MIT */
/* Between host and guest: what a handler calls when the answer is not a status in RAX.
 *
 * Each of these decides the fate of the processor and returns; the handler then returns too, any
 * status, at once. The dispatcher releases the call's locks and carries the decision out. The first
 * decision of a call stands: later ones are ignored, as the real functions do not return. */
#ifndef MODULE_TRANSITION_H
#define MODULE_TRANSITION_H

#include "abi/eeq.h"
#include "arch/vmx.h"
#include "module/sept.h"

/* What TDG.VP.VEINFO.GET version 1 tells about the origin of a #VE. */
enum ve_category {
	VE_ARCH = 0x00,
	VE_PENDING = 0x01,
	VE_RESERVED_GPA_BITS = 0x02,
	VE_CONFIG_PARAVIRT = 0x10,
	VE_NON_CONFIG_PARAVIRT = 0x11,
	VE_UNSUPPORTED_FEATURE = 0x80,
};

/* In the qualification of a TD exit: the VM it came from. */
#define TD_EXIT_VM_SHIFT 32
#define TD_EXIT_VM_MASK	 (3ull << TD_EXIT_VM_SHIFT)
static inline uint64_t td_exit_vm(unsigned vm)
{
	return (uint64_t)vm << TD_EXIT_VM_SHIFT;
}

static inline bool lp_decided(const struct lp *lp)
{
	return lp->fate != FATE_NONE;
}

/* --- the entered vCPU, from TDCALLs and VM exits: its pages are lp->{tdr,tdcs,ext,vps,vmcs} --- */

/* Asynchronous TD exit: RAX = code | exit reason, RCX qualification, RDX extended qualification,
 * R8 GPA, R9 interruption information, the rest cleared. The class bits of the code say what
 * becomes of the vCPU (non-recoverable) and the TD (fatal). */
void td_exit(struct lp *lp, uint64_t code, uint32_t exit_reason, uint64_t qualification,
	     uint64_t ext_qualification, uint64_t gpa_, uint64_t intr_info);
/* The same without an exit reason to report (a preempted bus lock stays unreported too). */
void td_exit_plain(struct lp *lp, uint64_t code);
/* A service TD's call failed for what it found of another TD: the host is told why, and of whom.
 * The guest goes on with the same status after its TDCALL. */
void td_exit_cross_td(struct lp *lp, struct tdx_status why, hpa_t target_tdr);
/* An EPT violation or misconfiguration the host must resolve; page offset and the qualification
 * bits about the linear address are hidden. */
void td_exit_ept_violation(struct lp *lp, gpa_t gpa_, uint32_t exit_reason, uint64_t qualification,
			   uint64_t ext_qualification);
void td_exit_ept_misconfig(struct lp *lp, gpa_t gpa_);
/* The exit of TDG.MEM.PAGE.ACCEPT and ATTR.WR: a write that violated the entry in ref, told with
 * the level asked for and the entry's level and state. The guest repeats the call later. */
void td_exit_page_call(struct lp *lp, gpa_t gpa_, enum tdx_level asked, const struct sept_ref *ref,
		       enum tdx_eeq type);
/* TDG.VP.VMCALL: registers are in lp->host already, RIP goes past the TDCALL. */
void td_exit_vmcall(struct lp *lp);

/* The guest is to execute the interrupted TDCALL again: no register changes, RIP stays. */
void guest_repeat(struct lp *lp);

/* --- the module --- */

/* The module found its own state broken or was asked the impossible: this processor is dead. */
void module_fatal(struct lp *lp);

/* --- carrying it out, for the dispatchers --- */

/* After a TD exit: saves what the exit reports, gives the vCPU and its locks up. */
void guest_leave(struct lp *lp);
/* The guest's instruction is completed. */
void guest_advance_rip(struct lp *lp);
/* The same where a VMCS says what the instruction was. False: it has no length, and so cannot have
 * caused an exit. */
bool vmcs_advance_rip(struct vmcs *vmcs);
/* A guest that single-steps itself has a #DB coming behind this instruction, another has none. */
void vmcs_pend_single_step(struct vmcs *vmcs);
/* What depends on the processor, in the VMCS about to be entered. */
void guest_prepare_vmcs(const struct lp *lp);
/* It is not, but interrupts may be taken before it is tried again. */
void guest_clear_blocking(struct lp *lp);

#endif
