/* SPDX-License-Identifier: MIT */
/* PERFMON event filters given to TDH.MNG.INIT: only these events may be counted.
 *
 * R8: number in 11:0, address of a 4K-aligned list in 51:12. An entry: event select in 7:0, unit
 * mask in 39:32, mask of the unit mask in 63:48, all ones; strictly ascending. */
#include "module/page.h"
#include "module/td_init.h"

#define INFO_COUNT	 0xfffull
#define INFO_RESERVED	 (0xfffull << 52)
#define FILTER_NEGATIVE	 (1ull << 31)
#define FILTER_RESERVED	 (0x7fffffull << 8)
#define FILTER_UMASK_LOW (0xffull << 32) /* the wider unit masks are not supported */
#define FILTER_UMASK	 (0xffffull << 32)
#define FILTER_MASK	 (0xffffull << 48)

static bool filter_valid(uint64_t filter)
{
	return !(filter &
		 (FILTER_RESERVED | FILTER_NEGATIVE | (FILTER_UMASK & ~FILTER_UMASK_LOW))) &&
	       (filter & FILTER_MASK) == FILTER_MASK;
}

struct tdx_status td_init_event_filters(struct td_init *in, uint64_t info)
{
	struct tdcs_ext *ext = in->td->ext;
	const unsigned n = (unsigned)(info & INFO_COUNT);
	const uint64_t *list;
	void *ptr;

	if ((info & INFO_RESERVED) || n == 0 || n > TD_MAX_EVENT_FILTERS ||
	    !tdx_is_success(tx_shared(in->tx, hpa(info & ~INFO_COUNT), TDX_PAGE_SIZE,
				      TDX_OPERAND_ID_R8, &ptr)))
		return tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_R8);
	ext->event_filters_num = (uint16_t)n;
	list = ptr;
	for (unsigned i = 0; i < n; i++) {
		const uint64_t filter = list ? __atomic_load_n(&list[i], __ATOMIC_RELAXED) : ~0ull;

		if (!filter_valid(filter))
			return tdx_error_num(TDX_EVENT_FILTER_INVALID, i);
		ext->event_filters[i] = (uint16_t)((filter & 0xff) | (filter >> 32 & 0xff) << 8);
		if (i != 0 && ext->event_filters[i - 1] >= ext->event_filters[i])
			return tdx_error_num(TDX_EVENT_FILTER_ORDER_INVALID, i);
	}
	return tdx_success();
}
