/* SPDX-License-Identifier: MIT */
/* MRTD while a TD is built: SHA-384, its state kept in the TDCS between calls.
 *
 * ABI: "TD measurement". PAGE.ADD feeds a 128-byte block of its name and the page's GPA; MR.EXTEND
 * such a block and the 256 bytes of the chunk. Callers hold OP_STATE exclusive. */
#ifndef MODULE_MEASUREMENT_H
#define MODULE_MEASUREMENT_H

#include "module/td_layout.h"

enum { MRTD_CHUNK = 256 };

void tdcs_mrtd_init(struct tdcs *tdcs);
void tdcs_mrtd_page_add(struct tdcs *tdcs, gpa_t page);
void tdcs_mrtd_extend(struct tdcs *tdcs, gpa_t chunk, const void *data);
/* Writes tdcs->mrtd; the build is over. */
void tdcs_mrtd_finalize(struct tdcs *tdcs);

#endif
