/* SPDX-License-Identifier: MIT */
/* RDMSR and WRMSR of a guest that were intercepted: how the parts of their emulation answer.
 *
 * ABI: "MSR Virtualization". The guest's value of an emulated MSR is in the TDVPS or the VMCS; the
 * processor's own is never read for it. An access the bitmaps let through cannot get here. */
#ifndef MODULE_EXIT_MSR_H
#define MODULE_EXIT_MSR_H

#include "module/internal.h"
#include <swtdx/structs.h>

/* What a guest gets for an access that exited. */
enum msr_result {
	MSR_DONE,
	MSR_RESULT_GP,
	MSR_RESULT_VE_CONFIG,
	MSR_RESULT_VE_PARAVIRT,
	MSR_RESULT_VE_UNSUPPORTED,
	MSR_RESULT_IMPOSSIBLE, /* the access is not intercepted: the module's state is broken */
};

static inline bool td_reduces_ve(const struct lp *lp)
{
	return (lp->tdcs->td_ctls & TDX_TD_CTLS_REDUCE_VE) != 0;
}

static inline bool td_has_perfmon(const struct lp *lp)
{
	return (lp->tdcs->attributes & TDX_ATTR_PERFMON) != 0;
}

/* Emulated for a TD that asked for fewer #VEs. */
static inline enum msr_result msr_if_reduced(const struct lp *lp)
{
	return td_reduces_ve(lp) ? MSR_DONE : MSR_RESULT_VE_CONFIG;
}

/* By the table of policies alone. */
enum msr_result msr_by_table(const struct lp *lp, uint32_t msr, bool write);

/* The instruction, for an MSR within the bitmaps, with the guest's registers. */
enum msr_result emulate_rdmsr(struct lp *lp, uint32_t msr);
enum msr_result emulate_wrmsr(struct lp *lp, uint32_t msr);

/* MSRs within the bitmaps. */
enum msr_result guest_read_msr(const struct lp *lp, uint32_t msr, uint64_t *value);
enum msr_result guest_write_msr(struct lp *lp, uint32_t msr, uint64_t value);

/* Event selectors of a TD with an event filter. */
enum msr_result guest_read_perfevtsel(const struct lp *lp, unsigned index, uint64_t *value);
enum msr_result guest_write_perfevtsel(struct lp *lp, unsigned index, uint64_t value);

#endif
