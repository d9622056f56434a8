/* SPDX-License-Identifier: MIT */
/* The association of a vCPU with a logical processor.
 *
 * A vCPU's VMCS may be cached in one processor; TDH.VP.FLUSH gives it up. ASSOC_LPID holds the
 * x2APIC id of that processor, ~0 when there is none, and changes by compare and exchange: callers
 * hold the TDVPR shared only. */
#ifndef MODULE_VCPU_H
#define MODULE_VCPU_H

#include "module/td.h"

#define VCPU_NO_LP 0xffffffffu

/* Is the vCPU ready (or disabled, where a leaf allows that), and associated with this processor
 * now? `newly` (may be NULL): it was with none before. */
struct tdx_status vp_check_and_associate(struct tx *tx, const struct td *td, const struct vp *vp,
					 bool allow_disabled, bool *newly);
/* The same without asking for the state (TDH.VP.INIT on a fresh vCPU). */
struct tdx_status vp_associate(struct tx *tx, const struct td *td, const struct vp *vp,
			       bool *newly);

/* What VCPU_STATE_DETAILS is at a TD exit or when the TD reads it: does an interrupt wait that the
 * virtual APIC would deliver, is one in service, does an NMI wait. */
#define VCPU_DETAILS_INTERRUPT_PENDING	  (1ull << 0)
#define VCPU_DETAILS_INTERRUPT_IN_SERVICE (1ull << 4)
#define VCPU_DETAILS_NMI_PENDING	  (1ull << 8)
uint64_t vp_state_details(const struct machine *m, const struct tdvps *vps,
			  const struct vmcs *vmcs);

#endif
