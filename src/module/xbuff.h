/* SPDX-License-Identifier: MIT */
/* The extended state of a vCPU that is not running: an XSAVES image in three pages of its TDVPS. */
#ifndef MODULE_XBUFF_H
#define MODULE_XBUFF_H

#include "machine/machine.h"
#include "module/td_layout.h"

#define XCOMP_BV_COMPACT (1ull << 63)

#define XSTATE_BV_SSE	 (1ull << 1)

enum { XSAVE_XSTATE_BV_OFFSET = 512, XSAVE_XCOMP_BV_OFFSET = 520 };

struct xsave_header {
	uint64_t xstate_bv, xcomp_bv, zero[6];
};

static inline struct xsave_header *xbuff_header(const struct machine *m, const struct tdvps *vps)
{
	uint8_t *image = machine_ptr(m, machine_strip(m, vps->page_pa[TDVPS_PAGE_XBUFF]));

	return (struct xsave_header *)(image + XSAVE_XSTATE_BV_OFFSET);
}

/* Which components the image has room for, as XSAVES writes it. */
static inline void xbuff_set_components(const struct machine *m, const struct tdvps *vps,
					uint64_t xfam)
{
	xbuff_header(m, vps)->xcomp_bv = XCOMP_BV_COMPACT | xfam;
}

/* Would XRSTORS of a TD with this XFAM take the image? (SDM vol. 1, 13.12) */
static inline bool xbuff_loadable(const struct machine *m, const struct tdvps *vps, uint64_t xfam)
{
	const struct xsave_header *h = xbuff_header(m, vps);

	return h->xcomp_bv & XCOMP_BV_COMPACT && !(h->xcomp_bv & ~(XCOMP_BV_COMPACT | xfam)) &&
	       !(h->xstate_bv & ~h->xcomp_bv) &&
	       !(h->zero[0] | h->zero[1] | h->zero[2] | h->zero[3] | h->zero[4] | h->zero[5]);
}

#endif
