/* SPDX-License-Identifier: MIT */
/* What the guest's CPUID says of the processor, and what follows from it.
 *
 * A row of X86_FEATURES is one bit of CPUID; enum x86_feature names them X86_F_..., X86_F_ALWAYS
 * and X86_F_NEVER stand for what has no bit. The tables of features.c say which instructions and
 * which bits of CR4 need which feature: without it an instruction is undefined, or what its
 * encoding meant before, and the bit is reserved. Nothing else asks about CPUID. */
#ifndef X86_FEATURES_H
#define X86_FEATURES_H

#include "x86/internal.h"

enum cpuid_reg { CPUID_EAX, CPUID_EBX, CPUID_ECX, CPUID_EDX };

/* name, leaf, sub-leaf, register, bit, and whether the engine executes (or leaves with) all of it:
 * what it does not is absent where the embedder does not give a CPUID. */
/* clang-format off */
#define X86_FEATURES(X) \
	X(FPU, 1, 0, EDX, 0, true) X(DE, 1, 0, EDX, 2, true) X(PSE, 1, 0, EDX, 3, true) \
	X(TSC, 1, 0, EDX, 4, true) X(MSR, 1, 0, EDX, 5, true) X(PAE, 1, 0, EDX, 6, true) \
	X(MCE, 1, 0, EDX, 7, true) X(CX8, 1, 0, EDX, 8, true) X(SEP, 1, 0, EDX, 11, true) \
	X(PGE, 1, 0, EDX, 13, true) X(CMOV, 1, 0, EDX, 15, true) X(CLFSH, 1, 0, EDX, 19, true) \
	X(MMX, 1, 0, EDX, 23, true) X(FXSR, 1, 0, EDX, 24, true) X(SSE, 1, 0, EDX, 25, true) \
	X(SSE2, 1, 0, EDX, 26, true) \
	X(SSE3, 1, 0, ECX, 0, true) X(PCLMULQDQ, 1, 0, ECX, 1, true) \
	X(MONITOR, 1, 0, ECX, 3, true) X(VMX, 1, 0, ECX, 5, true) X(SMX, 1, 0, ECX, 6, true) \
	X(SSSE3, 1, 0, ECX, 9, true) X(FMA, 1, 0, ECX, 12, false) X(CX16, 1, 0, ECX, 13, true) \
	X(PCID, 1, 0, ECX, 17, true) X(SSE4_1, 1, 0, ECX, 19, true) \
	X(SSE4_2, 1, 0, ECX, 20, true) X(MOVBE, 1, 0, ECX, 22, true) \
	X(POPCNT, 1, 0, ECX, 23, true) X(AES, 1, 0, ECX, 25, true) X(XSAVE, 1, 0, ECX, 26, true) \
	X(AVX, 1, 0, ECX, 28, false) X(F16C, 1, 0, ECX, 29, false) \
	X(RDRAND, 1, 0, ECX, 30, true) \
	X(FSGSBASE, 7, 0, EBX, 0, true) X(SGX, 7, 0, EBX, 2, false) X(BMI1, 7, 0, EBX, 3, true) \
	X(AVX2, 7, 0, EBX, 5, false) X(SMEP, 7, 0, EBX, 7, true) X(BMI2, 7, 0, EBX, 8, true) \
	X(INVPCID, 7, 0, EBX, 10, true) X(RTM, 7, 0, EBX, 11, true) \
	X(AVX512F, 7, 0, EBX, 16, false) X(RDSEED, 7, 0, EBX, 18, true) \
	X(ADX, 7, 0, EBX, 19, true) X(SMAP, 7, 0, EBX, 20, true) \
	X(CLFLUSHOPT, 7, 0, EBX, 23, true) X(CLWB, 7, 0, EBX, 24, true) \
	X(SHA, 7, 0, EBX, 29, true) \
	X(UMIP, 7, 0, ECX, 2, true) X(PKU, 7, 0, ECX, 3, false) X(WAITPKG, 7, 0, ECX, 5, true) \
	X(CET_SS, 7, 0, ECX, 7, false) X(GFNI, 7, 0, ECX, 8, true) X(VAES, 7, 0, ECX, 9, false) \
	X(VPCLMULQDQ, 7, 0, ECX, 10, false) X(LA57, 7, 0, ECX, 16, true) \
	X(RDPID, 7, 0, ECX, 22, true) X(KL, 7, 0, ECX, 23, false) \
	X(CLDEMOTE, 7, 0, ECX, 25, true) X(MOVDIRI, 7, 0, ECX, 27, true) \
	X(MOVDIR64B, 7, 0, ECX, 28, true) X(ENQCMD, 7, 0, ECX, 29, false) \
	X(PKS, 7, 0, ECX, 31, false) \
	X(UINTR, 7, 0, EDX, 5, false) X(SERIALIZE, 7, 0, EDX, 14, true) \
	X(TSXLDTRK, 7, 0, EDX, 16, true) X(PCONFIG, 7, 0, EDX, 18, true) \
	X(CET_IBT, 7, 0, EDX, 20, false) X(AMX_TILE, 7, 0, EDX, 24, false) \
	X(AVX_VNNI, 7, 1, EAX, 4, false) X(LASS, 7, 1, EAX, 6, false) \
	X(HRESET, 7, 1, EAX, 22, false) \
	X(XSAVEOPT, 0xd, 1, EAX, 0, true) X(XSAVEC, 0xd, 1, EAX, 1, true) \
	X(XSAVES, 0xd, 1, EAX, 3, true) X(PTWRITE, 0x14, 0, EBX, 4, true) \
	X(LAHF, 0x80000001, 0, ECX, 0, true) X(LZCNT, 0x80000001, 0, ECX, 5, true) \
	X(RDTSCP, 0x80000001, 0, EDX, 27, true) X(LM, 0x80000001, 0, EDX, 29, true)
/* clang-format on */

enum x86_feature {
	X86_F_ALWAYS,
#define NAMED(name, leaf, subleaf, reg, bit, executed) X86_F_##name,
	X86_FEATURES(NAMED)
#undef NAMED
		X86_F_NEVER,
};
static_assert(X86_F_NEVER <= 64 * X86_FEATURE_WORDS, "a bit each");

static inline bool x86_has(const struct x86_cpu *cpu, enum x86_feature f)
{
	return cpu->features[f / 64] >> f % 64 & 1;
}

/* As if the guest's CPUID had all that is executed. */
void x86_features_all(struct x86_cpu *cpu);
/* Bits of CR4 that the guest may set. */
uint64_t x86_cr4_allowed(const struct x86_cpu *cpu);

#endif
