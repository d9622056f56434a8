/* SPDX-License-Identifier: MIT */
/* The x86 engine as what runs a TD: real guest code, in the world the module makes for it. */
#ifndef CPU_TD_TD_H
#define CPU_TD_TD_H

#include "cpu/engine.h"

/* An engine that interprets x86. `log` (may be NULL) is told why a vCPU stopped: a triple fault, an
 * instruction or a mode the interpreter does not know, which looks to the module like one. */
struct engine *td_engine_new(void (*log)(void *arg, const char *line), void *arg);

/* Instructions executed so far by all vCPUs that have left the guest. */
uint64_t td_engine_instructions(struct engine *e);

#endif
