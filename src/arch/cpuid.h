/* SPDX-License-Identifier: MIT */
/* Features of a processor in CPUID, as arch/cpuid.def lists them. */
#ifndef ARCH_CPUID_H
#define ARCH_CPUID_H

enum cpuid_reg { CPUID_EAX, CPUID_EBX, CPUID_ECX, CPUID_EDX };

/* CPUID_ECX_PKS, ...: the number of the bit, with the register it is in. */
enum {
#define X(name_, leaf_, subleaf_, reg_, bit_) CPUID_##reg_##_##name_ = (bit_),
#include "arch/cpuid.def"
#undef X
};

/* CPUID_BIT(ECX, PKS): what a feature is in its register; in another there is no such name. */
#define CPUID_BIT(reg, feature) (1u << CPUID_##reg##_##feature)

#endif
