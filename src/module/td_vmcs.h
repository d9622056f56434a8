/* SPDX-License-Identifier: MIT */
/* The VMCS a vCPU starts with. */
#ifndef MODULE_TD_VMCS_H
#define MODULE_TD_VMCS_H

#include "module/td.h"

/* Write the VMCS of the vCPU's L1 (vm 0) or of an L2 VM, and the copies the TDVPS keeps of what the
 * host may change. The VMCS page is zero. */
void td_vmcs_init(const struct tx *tx, const struct td *td, struct vp *vp, unsigned vm);

/* Bits of CR0 an L1 may let its L2 VMs have as they like. */
#define L2_CR0_VARIABLE 0x8005001full

/* Bits of CR4 a TD may give its L2 VMs to write. */
uint64_t td_l2_cr4_writable(const struct module *mod, const struct tdcs *tdcs);

#endif
