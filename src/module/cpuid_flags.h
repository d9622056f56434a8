/* SPDX-License-Identifier: MIT */
/* The virtual CPUID facts a guest can change after TDH.MNG.INIT.
 *
 * A TD that asked for fewer #VEs (TD_CTLS.REDUCE_VE) keeps of some features only those it says it
 * handles itself (FEATURE_PARAVIRT_CTLS). Written by one TD's vCPUs without a lock, as by the real
 * module: a guest that races with itself gets one of the two outcomes. */
#ifndef MODULE_CPUID_FLAGS_H
#define MODULE_CPUID_FLAGS_H

#include "arch/cpuid.h"
#include "module/td_layout.h"

#define PARAVIRT_CORE_CAPABILITIES (1ull << 0)
#define PARAVIRT_DCA		   (1ull << 1)
#define PARAVIRT_EST		   (1ull << 2)
#define PARAVIRT_MCA		   (1ull << 3)
#define PARAVIRT_MTRR		   (1ull << 4)
#define PARAVIRT_PCONFIG	   (1ull << 5)
#define PARAVIRT_RDT_A		   (1ull << 6)
#define PARAVIRT_RDT_M		   (1ull << 7)
#define PARAVIRT_ACPI		   (1ull << 8)
#define PARAVIRT_TM2		   (1ull << 9)
#define PARAVIRT_TME		   (1ull << 10)
#define PARAVIRT_TSC_DEADLINE	   (1ull << 11)

/* Derive these flags from CPUID_VALUES, TD_CTLS and FEATURE_PARAVIRT_CTLS. */
void td_update_cpuid_flags(struct tdcs *tdcs, const struct tdcs_ext *ext);

/* Address widths a TD may be given: of its physical addresses at least, of its guest-physical ones.
 */
enum { MIN_VIRTUAL_MAXPA = 45, NARROW_GPA = 48, WIDE_GPA = 52 };

#endif
