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

/* --- its VMs: 0 is the L1 VMM (a TD without L2 VMs has no other) --- */

struct vmcs *vp_vm_vmcs(const struct machine *m, const struct tdvps *vps, unsigned vm);
/* The virtual-APIC page; of an L2 VM as far as its address is translated, else NULL. */
uint8_t *vp_vapic(const struct machine *m, const struct tdvps *vps, unsigned vm);
enum { VAPIC_PPR = 0xa0, VAPIC_IRR = 0x200 };
/* What the processor made of the VM's virtual interrupts while it ran it: GUEST_INTERRUPT_STATUS,
 * and the priority in its virtual-APIC page. */
struct vp_virtual_apic {
	uint16_t status;
	uint8_t priority;
};
struct vp_virtual_apic vp_virtual_apic(const struct machine *m, const struct tdvps *vps,
				       const struct vmcs *vmcs, unsigned vm);
void vp_set_virtual_apic(const struct machine *m, const struct tdvps *vps, struct vmcs *vmcs,
			 unsigned vm, struct vp_virtual_apic v);
/* Does an interrupt wait that the virtual APIC would deliver? */
bool vp_interrupt_pending(const struct machine *m, const struct tdvps *vps, const struct vmcs *vmcs,
			  unsigned vm);

/* VCPU_STATE_DETAILS of the VM as it is now: does an interrupt wait, is one in service (a bit each
 * a VM); with `nmi`, does an NMI wait, which only the L1 VMM can have. */
#define VCPU_DETAILS_INTERRUPT_PENDING(vm)    (1ull << (vm))
#define VCPU_DETAILS_INTERRUPT_IN_SERVICE(vm) (1ull << (4 + (vm)))
#define VCPU_DETAILS_ANY_PENDING	      0xfull
#define VCPU_DETAILS_ANY_IN_SERVICE	      0xf0ull
#define VCPU_DETAILS_NMI_PENDING	      (1ull << 8)
void vp_note_interrupts(const struct machine *m, struct tdvps *vps, const struct vmcs *vmcs,
			unsigned vm, bool nmi);

/* The registers the guest let its host change in TDG.VP.VMCALL. */
void vp_return_from_vmcall(const struct machine *m, struct tdvps *vps, const struct tdx_regs *regs);

#endif
