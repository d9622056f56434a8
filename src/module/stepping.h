/* SPDX-License-Identifier: MIT */
/* The defences against a host that makes a vCPU go step by step.
 *
 * Zero-stepping: a vCPU that keeps faulting on private pages without executing an instruction is
 * not entered again until the faults can no longer happen. ABI: TDH.VP.ENTER, "EPF"; measured: six
 * faults are let pass, from the seventh on the faulting GPAs are listed in the TDVPS, and an entry
 * is refused while one of them would fault again. Any progress of RIP empties the list.
 *
 * Single-stepping: an event for the host that ends a run of no more than one instruction does not
 * go there. The guest is resumed to execute a random number of instructions (1 to 32) under the
 * monitor trap flag, with interrupts masked and NMIs and INITs remembered; then, or at an exit of
 * another kind, they are sent to the processor again. */
#ifndef MODULE_STEPPING_H
#define MODULE_STEPPING_H

#include "module/sept.h"

enum { STEPPING_EPF_THRESHOLD = 6 };

enum stepping_exit {
	STEPPING_GO_ON,	     /* handle the exit */
	STEPPING_RESUME,     /* it stays between the guest and the module */
	STEPPING_NO_APIC,    /* nothing could be sent again: the TD must end */
	STEPPING_NO_ENTROPY, /* fatal for the module */
};

/* At a VM exit: what the guest executed since the TD was entered, and what follows from it. */
enum stepping_exit stepping_exit(struct lp *lp);
/* The module has emulated an instruction of the guest (or more than one would notice). */
void stepping_count(const struct lp *lp, unsigned instructions);
/* A private EPT violation is about to be told to the host. */
void stepping_fault(struct lp *lp, gpa_t gpa_);

enum stepping_verdict {
	STEPPING_ENTER,
	STEPPING_NOTIFY,    /* enter, the guest wanted to be told */
	STEPPING_REFUSE,    /* gpa_ would fault again */
	STEPPING_TREE_BUSY, /* the S-EPT tree could not be locked (shared; kept else) */
};

/* At TDH.VP.ENTER. */
enum stepping_verdict stepping_entry(struct tx *tx, const struct td *td, struct vp *vp,
				     gpa_t *gpa_);
/* It is going to enter: from here the guest's instructions count. */
void stepping_start(struct lp *lp);

#endif
