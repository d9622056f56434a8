/* SPDX-License-Identifier: MIT */
/* Events the module gives a guest at its next entry, in the VMCS entry-interruption fields.
 *
 * In a TDCALL or VM exit handler an injection is a fate (module/transition.h): the handler returns
 * and the guest's instruction is not completed. */
#ifndef MODULE_INJECT_H
#define MODULE_INJECT_H

#include "arch/vmx.h"
#include "arch/x86.h"
#include "module/transition.h"

/* #VE with its information for TDG.VP.VEINFO.GET; #DF when the last one was not yet fetched. */
void guest_inject_ve(struct lp *lp, uint32_t exit_reason, uint64_t qualification, uint64_t gpa_,
		     uint64_t gla, enum ve_category category);
void guest_inject_gp0(struct lp *lp);
void guest_inject_ud(struct lp *lp);
/* #PF; #DF or a triple fault exit when an exception was being delivered already. */
void guest_inject_pf(struct lp *lp, uint64_t gla, uint32_t error);

void guest_inject_nmi(struct lp *lp);

/* Would the exception about to be injected hit the exception bitmap, a debugger's or the L1 VMM's?
 */
bool guest_event_intercepted(const struct vmcs *vmcs);

#endif
