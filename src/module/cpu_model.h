/* SPDX-License-Identifier: MIT */
/* Family, model and stepping (CPUID(1).EAX) that a migratable TD may claim to run on. */
#ifndef MODULE_CPU_MODEL_H
#define MODULE_CPU_MODEL_H

#include <stdbool.h>
#include <stdint.h>

enum { CPU_MODELS = 6 };

/* Is `fms` a processor that a TD on `platform` may be configured as: known, not newer? */
bool cpu_model_allowed(uint32_t platform, uint32_t fms);

/* The ALLOWED_FMS metadata field: entry 0 is the platform itself, then the older generations,
 * zeros to the end. */
uint32_t cpu_model_entry(uint32_t platform, unsigned index);
/* How many entries are not zero. */
unsigned cpu_model_count(uint32_t platform);

/* First steppings that some features do not work on; the module leaves these alone there. */
static inline bool cpu_model_first_stepping(uint32_t fms)
{
	return fms == 0xa06d0 || fms == 0xa06e0;
}

#endif
