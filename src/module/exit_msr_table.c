/* SPDX-License-Identifier: MIT */
/* What a guest gets for an intercepted access to an MSR that nothing emulates. */
#include "module/exit_msr.h"
#include "module/msr_policy.h"
#include "module/msr_table.h"

enum msr_result msr_by_table(const struct lp *lp, uint32_t msr, bool write)
{
	const struct msr_range *range = msr_find(msr);
	unsigned policy = !range ? MSR_REDUCIBLE : write ? range->write : range->read;

	switch (msr_verdict(lp->mod, lp->tdcs, policy)) {
	case MSR_VERDICT_FREE:
		return MSR_RESULT_IMPOSSIBLE;
	case MSR_VERDICT_GP:
		return MSR_RESULT_GP;
	case MSR_VERDICT_VE:
		return MSR_RESULT_VE_CONFIG;
	case MSR_VERDICT_VE_ALWAYS:
		return MSR_RESULT_VE_PARAVIRT;
	case MSR_VERDICT_EMULATE: /* only the other direction is */
		break;
	}
	return td_reduces_ve(lp) ? MSR_RESULT_GP : MSR_RESULT_VE_CONFIG;
}
