/* SPDX-License-Identifier: MIT */
/* Between host and guest: what a handler calls when the answer is not a status in RAX.
 *
 * Each of these decides where the processor goes next; the dispatcher that called the handler
 * returns that to the machine. After calling one a handler returns success, its status is unused. */
#ifndef MODULE_TRANSITION_H
#define MODULE_TRANSITION_H

#include "module/tx.h"

/* --- the entered vCPU, from inside TDCALLs and VM exits: its pages are lp->{tdr,tdcs,ext,vps,vmcs} --- */

/* Asynchronous TD exit: RAX = code | exit reason, RCX qualification, RDX extended qualification,
 * R8 GPA, R9 interruption information, the rest cleared; saves the vCPU, drops its locks. */
void td_exit(struct lp *lp, struct tdx_status rax, uint64_t qualification, uint64_t ext_qualification,
	     uint64_t gpa_, uint64_t intr_info);
/* The exit of a TDCALL that a host must resolve (ACCEPT, ATTR.WR): looks like an EPT violation with
 * write access at gpa; RIP is not advanced so that the guest repeats the call. */
void td_exit_ept_violation(struct lp *lp, gpa_t gpa_, uint64_t ext_qualification);

/* Deliver to the guest at the next entry instead of completing the call. */
void guest_inject_ve(struct lp *lp, uint32_t exit_reason, uint64_t qualification, uint64_t gpa_,
		     uint64_t gla, uint8_t category);
void guest_inject_gp0(struct lp *lp);
void guest_inject_ud(struct lp *lp);

/* The module found its own state broken or was asked the impossible: this processor is dead. */
void module_fatal(struct lp *lp);

/* Was the fate of this processor decided by one of the above during this call? */
enum lp_fate { FATE_NONE, FATE_TD_EXIT, FATE_INJECTED, FATE_ENTERED, FATE_SHUTDOWN };

#endif
