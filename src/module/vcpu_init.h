/* SPDX-License-Identifier: MIT */
/* The state a vCPU starts with, but for what TDH.VP.INIT or an import give it. */
#ifndef MODULE_VCPU_INIT_H
#define MODULE_VCPU_INIT_H

#include "module/td.h"

/* MSRs, controls and VMCSes, in TDVPS pages that are zero; the vCPU is then associated with this
 * processor, but not ready. The TDVPR is held exclusive. */
void vcpu_init(struct tx *tx, const struct td *td, struct vp *vp);

#endif
