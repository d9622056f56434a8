/* SPDX-License-Identifier: MIT */
/* The execution controls of a VMCS: does an instruction exit? */
#ifndef ENGINE_CONTROLS_H
#define ENGINE_CONTROLS_H

#include "module/vmcs.h"
#include <swtdx/types.h>

/* An instruction with this exit reason and qualification. For MOV to CR3, `operand` is what is
 * loaded. Reasons that no control makes conditional exit always. */
bool engine_exits(const struct vmcs *vmcs, unsigned reason, uint64_t qualification,
		  uint64_t operand);
/* The values of CR3 that are loaded without an exit. How many. */
unsigned engine_cr3_targets(const struct vmcs *vmcs, uint64_t target[4]);

#endif
