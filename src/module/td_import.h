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

/* Can what the imported IA32_VMX_* MSRs tell an L1 be kept here? Else the first that cannot. */
struct tdx_status td_import_check_vmx_msrs(const struct module *mod, struct tdcs *tdcs);
/* Is this IA32_ARCH_CAPABILITIES one that a TD could have on this platform? */
bool td_import_arch_capabilities_possible(const struct module *mod, const struct tdcs *tdcs,
					  uint64_t value);

#endif
