/* SPDX-License-Identifier: MIT */
/* What a guest may do with each MSR: the facts of the ABI's "MSR Virtualization" table, 1.5.25.
 *
 * A policy answers two questions: is the access intercepted (the TD's MSR bitmaps), and what does
 * the module do with an access that was. MSRs not listed behave as MSR_REDUCIBLE. */
#ifndef MODULE_MSR_TABLE_H
#define MODULE_MSR_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "arch/msr.h"

#define MSR_BITMAP_BYTES (MSR_BITMAP_MSRS / 8)

static inline bool msr_in_bitmaps(uint32_t msr)
{
	return msr < MSR_BITMAP_MSRS || msr - MSR_BITMAP_HIGH < MSR_BITMAP_MSRS;
}

enum msr_policy {
	MSR_FREE,      /* never intercepted */
	MSR_VE,	       /* #VE always */
	MSR_GP,	       /* #GP(0) always */
	MSR_REDUCIBLE, /* #VE, or #GP(0) once the TD has asked for fewer #VEs (TD_CTLS.REDUCE_VE) */
	MSR_SPECIAL,   /* emulated: code of its own */
	/* #VE when the TD's virtual CPUID has the feature, else #GP(0) */
	MSR_VE_ACPI,
	MSR_VE_CORE_CAPABILITIES,
	MSR_VE_DCA,
	MSR_VE_EST,
	MSR_VE_MCA,
	MSR_VE_MTRR,
	MSR_VE_PCONFIG,
	MSR_VE_RDT_A,
	MSR_VE_RDT_M,
	MSR_VE_TM2,
	MSR_VE_TME,
	MSR_VE_TSC_DEADLINE,
	/* not intercepted when the TD has the feature, else #GP(0) */
	MSR_FREE_CET,
	MSR_FREE_LBR,
	MSR_FREE_PERFMON,
	MSR_FREE_PERF_METRICS,
	MSR_FREE_PKS,
	MSR_FREE_PT,
	MSR_FREE_TSX,
	MSR_FREE_ULI,
	MSR_FREE_WAITPKG,
	MSR_FREE_XFD,
};

struct msr_range {
	uint32_t first, last;
	uint8_t read, write; /* enum msr_policy */
};

/* In order of address. */
extern const struct msr_range msr_ranges[];
extern const unsigned msr_num_ranges;

/* The range an MSR is in, NULL when the table has none. */
const struct msr_range *msr_find(uint32_t msr);

/* Does a TD with these bitmaps exit? MSRs outside them always do. */
bool msr_intercepted(const uint8_t *bitmaps, uint32_t msr, bool write);

#endif
