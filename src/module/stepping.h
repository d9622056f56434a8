/* SPDX-License-Identifier: MIT */
/* The defence against zero-stepping: a vCPU that keeps faulting on private pages without executing
 * an instruction is not entered again until the faults can no longer happen.
 *
 * ABI: TDH.VP.ENTER, "EPF"; measured: six faults are let pass, from the seventh on the faulting
 * GPAs are listed in the TDVPS, and an entry is refused while one of them would fault again. Any
 * progress of RIP empties the list. Single-stepping by interrupts is not defended against: that
 * needs the monitor trap flag. */
#ifndef MODULE_STEPPING_H
#define MODULE_STEPPING_H

#include "module/sept.h"

enum { STEPPING_EPF_THRESHOLD = 6 };

/* At a VM exit: has RIP moved since the TD was entered? */
void stepping_exit(struct lp *lp);
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

#endif
