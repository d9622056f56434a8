/* SPDX-License-Identifier: MIT */
/* Events the module gives a guest at its next entry, in the VMCS entry-interruption fields.
 *
 * In a TDCALL or VM exit handler an injection is a fate (module/transition.h): the handler returns
 * and the guest's instruction is not completed. */
#ifndef MODULE_INJECT_H
#define MODULE_INJECT_H

#include "module/transition.h"

enum {
	VECTOR_NMI = 2,
	VECTOR_UD = 6,
	VECTOR_DF = 8,
	VECTOR_GP = 13,
	VECTOR_PF = 14,
	VECTOR_MC = 18,
	VECTOR_VE = 20,
};

/* Event information of VM entries and exits (SDM vol. 3, 25.8.3 and 25.9.2). */
#define EVENT_VECTOR_MASK   0xffu
#define EVENT_TYPE_MASK	    0x700u
#define EVENT_TYPE_NMI	    0x200u
#define EVENT_TYPE_HW	    0x300u
#define EVENT_ERROR_CODE    (1u << 11)
#define EVENT_NMI_UNBLOCKED (1u << 12)
#define EVENT_VALID	    (1u << 31)

#define PF_PRESENT	    (1u << 0)
#define PF_WRITE	    (1u << 1)
#define PF_USER		    (1u << 2)
#define PF_RESERVED	    (1u << 3)
#define PF_FETCH	    (1u << 4)
#define PF_SHADOW_STACK	    (1u << 6)

/* #VE with its information for TDG.VP.VEINFO.GET; #DF when the last one was not yet fetched. */
void guest_inject_ve(struct lp *lp, uint32_t exit_reason, uint64_t qualification, uint64_t gpa_,
		     uint64_t gla, enum ve_category category);
void guest_inject_gp0(struct lp *lp);
void guest_inject_ud(struct lp *lp);
/* #PF; #DF or a triple fault exit when an exception was being delivered already. */
void guest_inject_pf(struct lp *lp, uint64_t gla, uint32_t error);

void guest_inject_nmi(struct lp *lp);

/* A debugged TD: would the event about to be injected hit the exception bitmap? */
bool guest_event_intercepted(const struct lp *lp);

#endif
