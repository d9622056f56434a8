/* SPDX-License-Identifier: MIT */
/* The x86 engine: a vCPU runs real guest code, in the world the module makes for it.
 *
 * It interprets: private memory through the Secure EPT, shared memory through the host's tables,
 * TDCALLs, #VE and VM exits as a processor would. Several vCPUs run as threads, in x86 memory
 *order.
 *
 *	tdx_model_set_real_time(model);
 *	tdx_model_set_engine(model, tdx_x86_engine_new(NULL, NULL)); */
#ifndef SWTDX_X86_H
#define SWTDX_X86_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct tdx_engine;

/* For tdx_model_set_engine(), which takes it over. `log` (may be NULL; any thread) is told why a
 * vCPU stopped: a triple fault, or an instruction or mode the interpreter does not know, which
 * looks to the module like one. NULL: out of memory. */
struct tdx_engine *tdx_x86_engine_new(void (*log)(void *arg, const char *line), void *arg);

/* Code that was executed `after` times (0: a good number) becomes the host's. Before a vCPU is
 * made; takes 256 MiB of address space, of which one mapping is executable, and makes no system
 * call later. 0; -EPERM or -ENOMEM where that cannot be had: all is interpreted. */
int tdx_x86_engine_translate(struct tdx_engine *engine, unsigned after);

/* The same to test it: now and then a block is executed by both, and TDs go on from what was
 * interpreted. For TDs of one vCPU. Afterwards: executions that differed, of how many, and the
 * first in words (NULL: not wanted; owned by the engine). */
int tdx_x86_engine_check(struct tdx_engine *engine, unsigned after);
uint64_t tdx_x86_engine_differences(const struct tdx_engine *engine, uint64_t *compared,
				    const char **first);

/* Instructions executed so far by all vCPUs; any thread, also while they run. */
uint64_t tdx_x86_engine_instructions(const struct tdx_engine *engine);

/* How often a vCPU's thread has slept, for 50 us or more, in a tight loop of PAUSEs; any thread. */
uint64_t tdx_x86_engine_naps(const struct tdx_engine *engine);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
