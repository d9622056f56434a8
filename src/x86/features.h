/* SPDX-License-Identifier: MIT */
/* What the guest's CPUID says of the processor, and what follows from it.
 *
 * A row of arch/cpuid.def is one bit of CPUID; enum x86_feature names them X86_F_..., X86_F_ALWAYS
 * and X86_F_NEVER stand for what has no bit. The tables of features.c say which instructions and
 * which bits of CR4 need which feature: without it an instruction is undefined, or what its
 * encoding meant before, and the bit is reserved. Nothing else asks about CPUID. */
#ifndef X86_FEATURES_H
#define X86_FEATURES_H

#include "arch/cpuid.h"
#include "x86/internal.h"

enum x86_feature {
	X86_F_ALWAYS,
#define X(name_, ...) X86_F_##name_,
#include "arch/cpuid.def"
#undef X
	X86_F_NEVER,
};
static_assert(X86_F_NEVER <= 64 * X86_FEATURE_WORDS, "a bit each");

static inline bool x86_has(const struct x86_cpu *cpu, enum x86_feature f)
{
	return cpu->features[f / 64] >> f % 64 & 1;
}

static_assert(X86_F_NEVER == CPUID_FEATURES + 1, "a feature each");

/* Where CPUID has one that is neither of the two without a bit. */
static inline const struct cpuid_feature *x86_place(enum x86_feature f)
{
	return &cpuid_features[f - 1];
}

/* As if the guest's CPUID had all that is executed. */
void x86_features_all(struct x86_cpu *cpu);
/* Bits of CR4 that the guest may set. */
uint64_t x86_cr4_allowed(const struct x86_cpu *cpu);

#endif
