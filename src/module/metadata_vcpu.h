/* SPDX-License-Identifier: MIT */
/* What TDH.VP.RD and TDH.VP.WR do before they touch a field. */
#ifndef MODULE_METADATA_VCPU_H
#define MODULE_METADATA_VCPU_H

#include "module/metadata.h"
#include "module/vcpu.h"

/* Finds and locks the vCPU and its TD, all shared, and associates it with this processor. */
static inline struct tdx_status md_take_vcpu(struct tx *tx, hpa_t tdvpr, bool write, struct md *md)
{
	struct tdx_status s;
	struct td td;
	struct vp vp;

	s = tx_vcpu(tx, tdvpr, TDX_OPERAND_ID_RCX, LOCK_SHARED, LOCK_SHARED, &vp, &td);
	if (!tdx_is_success(s))
		return s;
	s = vp_check_and_associate(tx, &td, &vp, !write, NULL);
	if (tdx_is_success(s))
		*md = md_of_td(tx, &td, &vp);
	return s;
}

#endif
