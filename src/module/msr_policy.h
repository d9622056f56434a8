/* SPDX-License-Identifier: MIT */
/* The policies of module/msr_table.h applied to a TD. */
#ifndef MODULE_MSR_POLICY_H
#define MODULE_MSR_POLICY_H

#include "module/internal.h"
#include "module/msr_table.h"

enum msr_verdict {
	MSR_VERDICT_FREE, /* the TD's accesses are not intercepted */
	MSR_VERDICT_GP,
	MSR_VERDICT_VE, /* a feature the host configured */
	MSR_VERDICT_VE_ALWAYS,
	MSR_VERDICT_EMULATE,
};

/* What becomes of an access to an MSR with this policy (enum msr_policy). */
enum msr_verdict msr_verdict(const struct module *mod, const struct tdcs *tdcs, unsigned policy);

/* Are IA32_PERFEVTSELx the guest's own: counters, and no filter on what they may count? */
bool msr_perfevtsel_free(const struct tdcs *tdcs, const struct tdcs_ext *ext);

/* The TD's MSR bitmaps, 4096 bytes: a bit for each intercepted access. Called by TDH.MNG.INIT when
 * CPUID flags, ATTRIBUTES, XFAM and the number of event filters are final. */
void msr_bitmaps_init(const struct module *mod, const struct tdcs *tdcs, const struct tdcs_ext *ext,
		      uint8_t *bitmaps);

#endif
