/* SPDX-License-Identifier: MIT */
/* What a TDREPORT says of a TD, and the marks of the simulated platform on it.
 *
 * ABI: TDG.MR.REPORT, "TDREPORT". */
#ifndef MODULE_REPORT_H
#define MODULE_REPORT_H

#include "module/td.h"
#include <swtdx/structs.h>

/* Parts of the TDINFO that a hash may leave out. */
enum td_info_part {
	TD_INFO_ATTRIBUTES = 1u << 0,
	TD_INFO_XFAM = 1u << 1,
	TD_INFO_MRTD = 1u << 2,
	TD_INFO_MRCONFIGID = 1u << 3,
	TD_INFO_MROWNER = 1u << 4,
	TD_INFO_MROWNERCONFIG = 1u << 5,
	TD_INFO_RTMR0 = 1u << 6, /* and the others after it */
	TD_INFO_SERVTD_HASH = 1u << 10,
};

/* Fills info with what the TD is now, the parts to be ignored zero, and hash with its SHA-384. That
 * of the whole is remembered in the TDCS until an RTMR changes; `computed` (may be NULL) says that
 * it had to be computed. Takes the RTMR lock shared: BUSY|RTMR. */
struct tdx_status td_info_read(struct tx *tx, hpa_t tdr_pa, struct tdcs *tdcs, unsigned ignore,
			       struct tdx_td_info *info, uint8_t hash[TDX_SHA384_SIZE],
			       bool *computed);

/* SERVTD_HASH: over who is bound to the TD; zero when nobody is. */
void servtd_hash_compute(struct tdcs *tdcs);

/* Completes a report whose td_info is filled in: platform, module, MAC. */
void report_sign(const struct machine *m, struct tdx_report *report, const uint8_t *reportdata,
		 const uint8_t hash[TDX_SHA384_SIZE], bool bound);

/* TDX_SUCCESS, TDX_INVALID_CPUSVN or TDX_INVALID_REPORTMACSTRUCT. */
struct tdx_status report_verify(const struct machine *m, const struct tdx_report_mac *mac);

#endif
