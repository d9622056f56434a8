/* SPDX-License-Identifier: MIT */
/* The x86 engine: a vCPU runs real guest code, in the world the module makes for it.
 *
 * Private memory is found through the Secure EPT, shared memory through the host's tables; TDCALLs,
 * #VE and VM exits are as a processor has them. Several vCPUs run as threads, in x86 memory order.
 *
 *	tdx_model_set_real_time(model);
 *	tdx_model_set_engine(model, tdx_x86_engine_new(NULL, NULL)); */
#ifndef SWTDX_X86_H
#define SWTDX_X86_H

#include <swtdx/structs.h>
#include <swtdx/types.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

struct tdx_engine;

/* How code is executed. The guest cannot tell, but by the time it takes. */
enum tdx_x86_execution {
	TDX_X86_EXECUTE_DEFAULT,   /* translate; interpret in builds that check every pointer */
	TDX_X86_EXECUTE_TRANSLATE, /* what is executed often becomes the host's code */
	TDX_X86_EXECUTE_INTERPRET,
	/* To test the translator: now and then a block is executed by both, and TDs go on from what
	 * was interpreted. For TDs of one vCPU. */
	TDX_X86_EXECUTE_CHECK,
};

/* For tdx_model_set_engine(), which takes it over; executes as TDX_X86_EXECUTE_DEFAULT has it.
 * `log` (may be NULL; any thread) is told why a vCPU stopped: a triple fault, or an instruction or
 * mode the processor does not know, which looks to the module like one. NULL: out of memory. */
struct tdx_engine *tdx_x86_engine_new(void (*log)(void *arg, const char *line), void *arg);

/* Before a vCPU is made. The translator takes twice 256 MiB of address space, one half of it
 * executable, and makes no system call later. 0; -EPERM or -ENOMEM where that cannot be had: all is
 * interpreted. */
int tdx_x86_engine_execute(struct tdx_engine *engine, enum tdx_x86_execution how);

/* Which state beyond x87 and SSE a TD may have, as XFAM has it: protection keys; of AVX and AVX-512
 * what this host's processor executes, if the process may make memory executable. A TD that has
 * another stops at its first such instruction. */
uint64_t tdx_x86_engine_xfam(const struct tdx_engine *engine);
/* Bits of a leaf of CPUID (a sub-leaf that it has not: 0): instructions for programs that are
 * executed, of which a TD's creator may give it those that the module leaves to him. */
void tdx_x86_engine_cpuid(const struct tdx_engine *engine, uint32_t leaf, uint32_t subleaf,
			  struct tdx_cpuid_values *bits);

/* Of TDX_X86_EXECUTE_CHECK, afterwards: executions that differed, of how many, and the first in
 * words (NULL: not wanted; owned by the engine). */
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
