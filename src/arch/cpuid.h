/* SPDX-License-Identifier: MIT */
/* Features of a processor in CPUID, as arch/cpuid.def lists them. */
#ifndef ARCH_CPUID_H
#define ARCH_CPUID_H

#include <stdint.h>

enum cpuid_reg { CPUID_EAX, CPUID_EBX, CPUID_ECX, CPUID_EDX };

/* CPUID_ECX_PKS, ...: the number of the bit, with the register it is in. */
enum {
#define X(name_, leaf_, subleaf_, reg_, bit_) CPUID_##reg_##_##name_ = (bit_),
#include "arch/cpuid.def"
#undef X
};

enum {
	CPUID_FEATURES = 0
#define X(...) +1
#include "arch/cpuid.def"
#undef X
};

/* The rows, in their order. */
struct cpuid_feature {
	const char *name;
	uint32_t leaf, subleaf;
	uint8_t reg, bit; /* enum cpuid_reg */
};
extern const struct cpuid_feature cpuid_features[CPUID_FEATURES];

/* NULL: no row is that bit. */
const struct cpuid_feature *cpuid_feature_at(uint32_t leaf, uint32_t subleaf, enum cpuid_reg reg,
					     unsigned bit);

/* CPUID_BIT(ECX, PKS): what a feature is in its register; in another there is no such name. */
#define CPUID_BIT(reg, feature) (1u << CPUID_##reg##_##feature)

#endif
