/* SPDX-License-Identifier: MIT */
/* EPT violations the processor turns into #VE itself, without the module. */
#ifndef ENGINE_VE_H
#define ENGINE_VE_H

#include <stdbool.h>
#include <stdint.h>

struct tdvps;
struct vmcs;

/* Fill the entered vCPU's virtualization-exception information area for a violation that its EPT
 * entry does not suppress. False: it is still in use, or the VM has none (as L2 VMs), and the
 * violation exits. SDM vol. 3, 26.5.7.2. */
bool engine_ve(struct tdvps *vps, const struct vmcs *vmcs, uint64_t qualification, uint64_t gla,
	       uint64_t gpa);

#endif
