/* SPDX-License-Identifier: MIT */
/* What TDH.IMPORT.STATE.IMMUTABLE and .TD do to a TD beside writing its fields. */
#ifndef MODULE_TD_IMPORT_H
#define MODULE_TD_IMPORT_H

#include "module/td.h"

/* Before the first field. */
void td_import_begin(const struct td *td);
/* After the last: fields that must agree, and those that follow from others. */
struct tdx_status td_import_immutable_done(struct tx *tx, const struct td *td);
void td_import_mutable_done(const struct td *td);

#endif
