/* SPDX-License-Identifier: MIT */
/* Writes to IA32_MISC_ENABLE; see virt_msr.h. */
#include "module/virt_msr.h"

enum misc_enable_write misc_enable_write(const struct tdcs *tdcs, struct tdvps *vps, uint64_t value)
{
	const uint64_t kept = MISC_ENABLE_PERFMON_AVAILABLE | MISC_ENABLE_BTS_UNAVAILABLE |
			      MISC_ENABLE_PEBS_UNAVAILABLE;
	const uint64_t old = vps->msr.misc_enable;

	if (value & MISC_ENABLE_MUST_BE_0)
		return MISC_ENABLE_GP;
	if (value & MISC_ENABLE_EST && !tdcs_cpuid_flags(tdcs).est)
		return MISC_ENABLE_GP;
	if ((value ^ old) & MISC_ENABLE_MONITOR)
		return MISC_ENABLE_VE;
	if (value & MISC_ENABLE_LIMIT_CPUID)
		return MISC_ENABLE_VE;
	if (value & MISC_ENABLE_XTPR_DISABLE && !tdcs_cpuid_flags(tdcs).xtpr_update)
		return MISC_ENABLE_GP;
	vps->msr.misc_enable = (value & ~kept) | (old & kept);
	return MISC_ENABLE_OK;
}
