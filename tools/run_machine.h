/* SPDX-License-Identifier: MIT */
/* The machine and the processor that a user of swtdx run describes: CPU model, memory map, caches.
 */
#ifndef TOOLS_RUN_MACHINE_H
#define TOOLS_RUN_MACHINE_H

#include <stdbool.h>
#include <stddef.h>

#include <swtdx/vmm.h>

#include "port/model.h"

/* "sapphire-rapids|..."; and which of them: family, model and stepping, 0 past the last. */
#define RUN_CPU_MODELS                                                                             \
	"sapphire-rapids|emerald-rapids|sierra-forest|granite-rapids|granite-rapids-d|"            \
	"clearwater-forest"
uint32_t run_cpu_fms(unsigned model);

/* "BASE+SIZE,...", sizes and addresses as 0x40000000, 1G, 128M, 4K: the memory that TDX can have,
 * in ascending order. False with a sentence in err. */
bool run_memory_map(const char *text, struct machine_config *cfg, char *err, size_t len);

/* "48K/12,32K/8,2M/16,60M/15": size and ways of the first level's data and instruction cache, of
 * the second and of the third level; lines of 64 bytes. Into CPUID leaf 4 of `p`, which has it. */
bool run_caches(const char *text, struct tdx_vm_params *p, char *err, size_t len);

#endif
