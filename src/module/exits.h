/* SPDX-License-Identifier: MIT */
/* Handlers of VM exits, one for each group of exit reasons; called by module/vmexit.c.
 *
 * Each sees the exit in lp->exit and the guest's registers in lp->vps->gpr. Returning without a
 * decision means that the instruction was emulated: RIP goes past it. */
#ifndef MODULE_EXITS_H
#define MODULE_EXITS_H

#include "module/transition.h"

void exit_tdcall(struct tx *tx);
void exit_cpuid(struct lp *lp);
void exit_rdmsr(struct lp *lp);
void exit_wrmsr(struct lp *lp);
void exit_cr_access(struct lp *lp);
void exit_xsetbv(struct lp *lp);
void exit_ept_violation(struct tx *tx);
void exit_ept_misconfig(struct lp *lp);
void exit_exception_or_nmi(struct lp *lp);

/* The guest executes in 64-bit mode. */
bool guest_in_64bit_mode(const struct lp *lp);
/* Its current privilege level, 0 to 3. */
unsigned guest_cpl(const struct lp *lp);

#endif
