/* SPDX-License-Identifier: MIT */
/* Bits of control registers, flags and MSRs, and XSAVE features that more than one
 * file asks about. SDM volumes 3 and 4; XFAM as the ABI's "XFAM" has it. */
#ifndef ARCH_X86_H
#define ARCH_X86_H

#define CR0_PE		 (1ull << 0)
#define CR0_NE		 (1ull << 5)
#define CR0_NW		 (1ull << 29)
#define CR0_CD		 (1ull << 30)
#define CR0_PG		 (1ull << 31)

#define CR4_MCE		 (1ull << 6)
#define CR4_VMXE	 (1ull << 13)
#define CR4_KEYLOCKER	 (1ull << 19)
#define CR4_PKE		 (1ull << 22)
#define CR4_CET		 (1ull << 23)
#define CR4_PKS		 (1ull << 24)
#define CR4_UINTR	 (1ull << 25)
#define CR4_LASS	 (1ull << 27)

#define EFER_LME	 (1ull << 8)
#define EFER_LMA	 (1ull << 10)

#define RFLAGS_TF	 (1ull << 8)
#define PENDING_DEBUG_BS (1ull << 14)

/* Extended features: bits of XCR0 and IA32_XSS together. */
#define XFAM_X87   (1ull << 0)
#define XFAM_SSE   (1ull << 1)
#define XFAM_AVX   (1ull << 2)
#define XFAM_AVX3  (7ull << 5)
#define XFAM_PT	   (1ull << 8)
#define XFAM_PK	   (1ull << 9)
#define XFAM_CET   (3ull << 11)
#define XFAM_CET_S (1ull << 12)
#define XFAM_UINTR (1ull << 14)
#define XFAM_LBR   (1ull << 15)
#define XFAM_AMX   (3ull << 17)
/* What a TD may have, and must have. */
#define XFAM_FIXED0		      0x6dbe7ull
#define XFAM_FIXED1		      (XFAM_X87 | XFAM_SSE)

#define ARCH_CAP_TSX_CTRL	      (1ull << 7)

#define DEBUGCTL_BTF		      (1ull << 1)
#define DEBUGCTL_TR		      (1ull << 6)
#define DEBUGCTL_BTS		      (1ull << 7)
#define DEBUGCTL_UNCORE_PMI	      (1ull << 13)

#define MISC_ENABLE_FAST_STRINGS      (1ull << 0)
#define MISC_ENABLE_PERFMON_AVAILABLE (1ull << 7)
#define MISC_ENABLE_BTS_UNAVAILABLE   (1ull << 11)
#define MISC_ENABLE_PEBS_UNAVAILABLE  (1ull << 12)
#define MISC_ENABLE_EST		      (1ull << 16)
#define MISC_ENABLE_MONITOR	      (1ull << 18)
#define MISC_ENABLE_LIMIT_CPUID	      (1ull << 22)
#define MISC_ENABLE_XTPR_DISABLE      (1ull << 23)

#endif
