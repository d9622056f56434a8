/* SPDX-License-Identifier: MIT */
/* The extended state of a vCPU that is not running: an XSAVES image in three pages of its TDVPS. */
#ifndef MODULE_XBUFF_H
#define MODULE_XBUFF_H

#include "machine/machine.h"
#include "module/td.h"

#define XCOMP_BV_COMPACT (1ull << 63)

enum { XSAVE_XCOMP_BV_OFFSET = 520 };

/* Which components the image has room for, as XSAVES writes it. */
static inline void xbuff_set_components(const struct machine *m, const struct tdvps *vps,
					uint64_t xfam)
{
	uint8_t *image = machine_ptr(m, machine_strip(m, vps->page_pa[TDVPS_PAGE_XBUFF]));
	const uint64_t xcomp_bv = XCOMP_BV_COMPACT | xfam;

	__builtin_memcpy(image + XSAVE_XCOMP_BV_OFFSET, &xcomp_bv, sizeof(xcomp_bv));
}

#endif
