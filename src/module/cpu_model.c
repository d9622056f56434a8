/* SPDX-License-Identifier: MIT */
/* The processor generations TDX runs on, newest first, each with its last stepping. */
#include "module/cpu_model.h"

#define STEPPING 0xfu

static const uint32_t models[CPU_MODELS] = {
	0xd06d1, /* Clearwater Forest */
	0xa06e1, /* Granite Rapids D */
	0xa06d1, /* Granite Rapids SP */
	0xa06f3, /* Sierra Forest */
	0xc06f2, /* Emerald Rapids */
	0x806f8, /* Sapphire Rapids */
};

static bool same_model(uint32_t a, uint32_t b)
{
	return ((a ^ b) & ~STEPPING) == 0;
}

/* On a processor not listed nothing older is allowed. */
static unsigned first_allowed(uint32_t platform)
{
	unsigned i = 0;

	while (i < CPU_MODELS && !same_model(models[i], platform))
		i++;
	return i;
}

bool cpu_model_allowed(uint32_t platform, uint32_t fms)
{
	if (same_model(platform, fms) && (fms & STEPPING) > (platform & STEPPING))
		return false;
	for (unsigned i = first_allowed(platform); i < CPU_MODELS; i++)
		if (same_model(fms, models[i]))
			return (fms & STEPPING) <= (models[i] & STEPPING);
	return false;
}

uint32_t cpu_model_entry(uint32_t platform, unsigned index)
{
	const unsigned i = first_allowed(platform) + index;

	if (index == 0)
		return platform;
	return i < CPU_MODELS ? models[i] : 0;
}

unsigned cpu_model_count(uint32_t platform)
{
	return CPU_MODELS - first_allowed(platform);
}
