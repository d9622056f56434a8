/* SPDX-License-Identifier: MIT */
/* The P-SEAMLDR: SEAMCALLs with bit 63 of RAX. It knows the machine, not the module: whoever calls
 * puts the module that an image names into the SEAM range.
 *
 * ABI: SEAM Loader (SEAMLDR) Interface Specification; order of checks as Intel's published source
 * has it. All its state is in the SEAM range, see machine/seam.h. */
#ifndef SEAMLDR_SEAMLDR_H
#define SEAMLDR_SEAMLDR_H

#include "machine/seam.h"

/* The module of this profile ("": the default) takes the place of the one there is; handoff: with
 * what that has left. No processor is in the module. False: there is no such profile. */
struct seamldr_module {
	bool (*replace)(void *arg, const char *profile, bool handoff);
	void *arg;
};

/* The BIOS has loaded the P-SEAMLDR, and by it the module that a machine starts with. */
void seamldr_power_on(struct machine *m);
/* RAX is TDX_SEAMCALL_VMFAILINVALID where the instruction sets CF: there is no P-SEAMLDR, or
 * another processor is in it. Processor's thread, which is not in the module. */
void seamldr_seamcall(struct machine_lp *lp, struct tdx_regs *regs,
		      const struct seamldr_module *module);

#endif
