/* SPDX-License-Identifier: MIT */
/* TDMRs: ranges of memory the host gives, each with three PAMT areas and holes.
 * ABI: TDH.SYS.CONFIG, TDH.SYS.TDMR.INIT. */
#ifndef MODULE_TDMR_H
#define MODULE_TDMR_H

#include <swtdx/structs.h>
#include "module/page.h"

/* Is info[n], after info[0..n-1] have passed, acceptable? Details are the ABI's: index of the TDMR,
 * then by status the area, page size or other TDMR. */
struct tdx_status tdmr_check(const struct module *mod, const struct tdx_tdmr_info *info,
			     unsigned n);

/* Make it a TDMR with nothing initialised. */
void tdmr_set(struct tdmr *t, const struct tdx_tdmr_info *info);

/* Initialise the PAMT entries of the next piece; returns the bytes of the TDMR it covers. */
uint64_t tdmr_init_pamt(const struct tx *tx, struct tdmr *t);

#endif
