/* SPDX-License-Identifier: MIT */
/* Handlers of VM exits, one for each group of exit reasons; called by module/vmexit.c.
 *
 * Each sees the exit in lp->exit and the guest's registers in lp->vps->gpr. Returning without a
 * decision means that the instruction was emulated: RIP goes past it. */
#ifndef MODULE_EXITS_H
#define MODULE_EXITS_H

#include "arch/vmx.h"
#include "module/transition.h"
#include <swtdx/structs.h>

/* By the basic exit reason, to one of the others. */
void exit_by_reason(struct tx *tx);
void exit_tdcall(struct tx *tx);
void exit_cpuid(struct lp *lp);
void exit_rdmsr(struct lp *lp);
void exit_wrmsr(struct lp *lp);
void exit_cr_access(struct lp *lp);
/* What came of it in an L2 VM. */
enum l2_cr {
	L2_CR_WRITTEN,
	L2_CR_REFUSED, /* #GP */
	L2_CR_FOR_L1,
};
enum l2_cr exit_l2_cr_access(struct lp *lp);
/* The same of an L2 VM. */
void exit_l2_by_reason(struct tx *tx);
void exit_l2_entry_failed(struct lp *lp);
/* Does the address set bits that the TD's virtual MAXPA says are reserved? The shared bit never is.
 */
bool gpa_beyond_virtual_width(const struct lp *lp, uint64_t gpa_);
void exit_xsetbv(struct lp *lp);
void exit_ept_violation(struct tx *tx);
void exit_ept_misconfig(struct lp *lp);
void exit_exception_or_nmi(struct lp *lp);

static inline unsigned exit_basic_reason(const struct lp *lp)
{
	return lp->exit.reason & VMX_EXIT_BASIC_MASK;
}

/* The exit goes to the host as it is, without or with its interruption information. */
static inline void exit_to_host(struct lp *lp, uint64_t code)
{
	td_exit(lp, code, lp->exit.reason, lp->exit.qualification, 0, 0, 0);
}

static inline void exit_to_host_event(struct lp *lp, uint64_t code)
{
	td_exit(lp, code, lp->exit.reason, lp->exit.qualification, 0, 0, lp->exit.intr_info);
}

static inline bool td_debugged(const struct lp *lp)
{
	return (lp->tdcs->attributes & TDX_ATTR_DEBUG) != 0;
}

/* An exit the controls of a TD rule out: a debugger changed them, or the TD dies. */
static inline void exit_unexpected(struct lp *lp)
{
	exit_to_host(lp, td_debugged(lp) ? TDX_SUCCESS : TDX_NON_RECOVERABLE_TD);
}

/* The guest executes in 64-bit mode. */
bool guest_in_64bit_mode(const struct lp *lp);
/* Its current privilege level, 0 to 3. */
unsigned guest_cpl(const struct lp *lp);

#endif
