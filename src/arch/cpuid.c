/* SPDX-License-Identifier: MIT */
/* See arch/cpuid.h. */
#include "arch/cpuid.h"

#include <stddef.h>

const struct cpuid_feature cpuid_features[CPUID_FEATURES] = {
#define X(name_, leaf_, subleaf_, reg_, bit_) {#name_, leaf_, subleaf_, CPUID_##reg_, bit_},
#include "arch/cpuid.def"
#undef X
};

const struct cpuid_feature *cpuid_feature_at(uint32_t leaf, uint32_t subleaf, enum cpuid_reg reg,
					     unsigned bit)
{
	for (const struct cpuid_feature *f = cpuid_features; f < cpuid_features + CPUID_FEATURES;
	     f++)
		if (f->leaf == leaf && f->subleaf == subleaf && f->reg == reg && f->bit == bit)
			return f;
	return NULL;
}
