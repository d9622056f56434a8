/* SPDX-License-Identifier: MIT */
/* The vCPU that is entered on a processor: what an engine needs of the module, and no more.
 *
 * The pages named here are in the machine's memory, at fixed places for as long as the vCPU is
 * entered: from the return of MODULE_TO_GUEST until the module gives the processor to the host.
 * Nobody else writes to them meanwhile but the module, in module_vmexit() on the same thread, and
 * whoever posts an interrupt. */
#ifndef MODULE_ENTERED_H
#define MODULE_ENTERED_H

#include "module/module.h"
#include "module/td_layout.h"

struct machine_lp;

struct module_entered {
	struct machine *m;
	struct machine_lp *hw; /* the processor */
	hpa_t tdvpr_pa;	       /* which vCPU */
	unsigned hkid;	       /* the TD's */
	unsigned gpa_width;    /* 48 or 52; the shared bit is the highest */
	unsigned vm;	   /* which of the vCPU's VMs: 0, or an L2 VM; what follows is its own */
	struct tdvps *vps; /* of all VMs */
	struct vmcs *vmcs;
	uint8_t *vapic;		    /* the virtual-APIC page */
	const uint8_t *msr_bitmaps; /* see msr_intercepted() */
	/* changes when what the processor's TLB has of the VM is not to be used any more */
	uint64_t tlb_flushes;
};

static inline uint64_t entered_shared_bit(const struct module_entered *e)
{
	return 1ull << (e->gpa_width - 1);
}

/* A guest is entered on the processor; called on its thread. */
struct module_entered module_entered(const struct module *mod, unsigned lp);

#endif
