/* SPDX-License-Identifier: MIT */
/* IA32_PERFEVTSELx of a TD with an event filter: an event that is not allowed is kept for the guest
 * to read back, and does not count. */
#include "module/exit_msr.h"

#define PERFEVTSEL_ENABLE    (1ull << 22)
#define PERFEVTSEL_RESERVED  0xffffffff00000000ull
#define PERFEVTSEL_FORBIDDEN (1ull << 63) /* in the TDVPS only: does not count */

static bool event_allowed(const struct tdcs_ext *ext, uint16_t event)
{
	unsigned low = 0, high = ext->event_filters_num;

	while (low < high) {
		unsigned mid = (low + high) / 2;

		if (ext->event_filters[mid] == event)
			return true;
		if (ext->event_filters[mid] < event)
			low = mid + 1;
		else
			high = mid;
	}
	return false;
}

static enum msr_result check(const struct lp *lp)
{
	if (!td_has_perfmon(lp))
		return MSR_RESULT_GP;
	return lp->ext->event_filters_num ? MSR_DONE : MSR_RESULT_IMPOSSIBLE;
}

enum msr_result guest_write_perfevtsel(struct lp *lp, unsigned index, uint64_t value)
{
	enum msr_result r = check(lp);
	bool reserved = (value & PERFEVTSEL_RESERVED) != 0;

	if (r != MSR_DONE)
		return r;
	if (value & PERFEVTSEL_ENABLE && !event_allowed(lp->ext, (uint16_t)value)) {
		value |= PERFEVTSEL_FORBIDDEN;
		__atomic_fetch_add(&lp->ext->filtered_events_count[lp->vps->curr_vm], 1,
				   __ATOMIC_RELAXED);
	}
	if (reserved)
		return MSR_RESULT_GP;
	lp->vps->msr.perfevtsel[index] = value;
	return r;
}

enum msr_result guest_read_perfevtsel(const struct lp *lp, unsigned index, uint64_t *value)
{
	*value = lp->vps->msr.perfevtsel[index] & ~PERFEVTSEL_FORBIDDEN;
	return check(lp);
}
