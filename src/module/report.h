/* SPDX-License-Identifier: MIT */
/* What a TDREPORT says of a TD, and the marks of the simulated platform on it.
 *
 * ABI: TDG.MR.REPORT, "TDREPORT". */
#ifndef MODULE_REPORT_H
#define MODULE_REPORT_H

#include "module/tx.h"
#include <swtdx/structs.h>

/* Fills info with what the TD is now and hash with its SHA-384, which the TDCS remembers until an
 * RTMR changes; `computed` (may be NULL) says that it had to be computed. Takes the RTMR lock
 * shared: BUSY|RTMR. */
struct tdx_status td_info_read(struct tx *tx, hpa_t tdr_pa, struct tdcs *tdcs,
			       struct tdx_td_info *info, uint8_t hash[TDX_SHA384_SIZE],
			       bool *computed);

/* Completes a report whose td_info is filled in: platform, module, MAC. */
void report_sign(const struct machine *m, struct tdx_report *report, const uint8_t *reportdata,
		 const uint8_t hash[TDX_SHA384_SIZE], bool bound);

/* TDX_SUCCESS, TDX_INVALID_CPUSVN or TDX_INVALID_REPORTMACSTRUCT. */
struct tdx_status report_verify(const struct machine *m, const struct tdx_report_mac *mac);

#endif
