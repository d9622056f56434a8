/* SPDX-License-Identifier: MIT */
/* Facts of the processor that more than one file asks about: bits of control registers, flags, MSRs
 * and page tables, access rights, vectors. SDM volumes 1, 3 and 4; XFAM as the ABI's "XFAM" has it.
 * The bits can be used in assembler too. Numbers of MSRs are in arch/msr.h, of VM exits in
 * arch/vmx.h. */
#ifndef ARCH_X86_H
#define ARCH_X86_H

#ifdef __ASSEMBLER__
#define X86_BIT(n)	(1 << (n))
#define X86_FIELD(v, n) ((v) << (n))
#else
#include <stdbool.h>
#include <stdint.h>

#define X86_BIT(n)	(1ull << (n))
#define X86_FIELD(v, n) ((v##ull) << (n))
#endif

#define CR0_PE X86_BIT(0)
#define CR0_MP X86_BIT(1)
#define CR0_EM X86_BIT(2)
#define CR0_TS X86_BIT(3)
#define CR0_ET X86_BIT(4)
#define CR0_NE X86_BIT(5)
#define CR0_WP X86_BIT(16)
#define CR0_AM X86_BIT(18)
#define CR0_NW X86_BIT(29)
#define CR0_CD X86_BIT(30)
#define CR0_PG X86_BIT(31)

/* Neither defined nor writable. */
#define CR0_RESERVED                                                                               \
	(X86_FIELD(0x3ff, 6) | X86_BIT(17) | X86_FIELD(0x3ff, 19) | X86_FIELD(0xffffffff, 32))
#define CR0_LMSW       (CR0_MP | CR0_EM | CR0_TS) /* what LMSW writes; PE it can only set */

#define CR3_PCID       X86_FIELD(0xfff, 0)

#define CR4_VME	       X86_BIT(0)
#define CR4_PVI	       X86_BIT(1)
#define CR4_TSD	       X86_BIT(2)
#define CR4_DE	       X86_BIT(3)
#define CR4_PSE	       X86_BIT(4)
#define CR4_PAE	       X86_BIT(5)
#define CR4_MCE	       X86_BIT(6)
#define CR4_PGE	       X86_BIT(7)
#define CR4_PCE	       X86_BIT(8)
#define CR4_OSFXSR     X86_BIT(9)
#define CR4_OSXMMEXCPT X86_BIT(10)
#define CR4_UMIP       X86_BIT(11)
#define CR4_LA57       X86_BIT(12)
#define CR4_VMXE       X86_BIT(13)
#define CR4_SMXE       X86_BIT(14)
#define CR4_FSGSBASE   X86_BIT(16)
#define CR4_PCIDE      X86_BIT(17)
#define CR4_OSXSAVE    X86_BIT(18)
#define CR4_KEYLOCKER  X86_BIT(19)
#define CR4_SMEP       X86_BIT(20)
#define CR4_SMAP       X86_BIT(21)
#define CR4_PKE	       X86_BIT(22)
#define CR4_CET	       X86_BIT(23)
#define CR4_PKS	       X86_BIT(24)
#define CR4_UINTR      X86_BIT(25)
#define CR4_LASS       X86_BIT(27)

#define EFER_SCE       X86_BIT(0)
#define EFER_LME       X86_BIT(8)
#define EFER_LMA       X86_BIT(10)
#define EFER_NXE       X86_BIT(11)
#define EFER_DEFINED   (EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE)

#define RFLAGS_CF      X86_BIT(0)
#define RFLAGS_FIXED   X86_BIT(1) /* always one */
#define RFLAGS_PF      X86_BIT(2)
#define RFLAGS_AF      X86_BIT(4)
#define RFLAGS_ZF      X86_BIT(6)
#define RFLAGS_SF      X86_BIT(7)
#define RFLAGS_TF      X86_BIT(8)
#define RFLAGS_IF      X86_BIT(9)
#define RFLAGS_DF      X86_BIT(10)
#define RFLAGS_OF      X86_BIT(11)
#define RFLAGS_IOPL    X86_FIELD(3, 12)
#define RFLAGS_NT      X86_BIT(14)
#define RFLAGS_RF      X86_BIT(16)
#define RFLAGS_VM      X86_BIT(17)
#define RFLAGS_AC      X86_BIT(18)
#define RFLAGS_ID      X86_BIT(21)

#define RESET_RIP      0xfffffff0u
#define PAT_RESET      0x0007040600070406ull

/* Debug registers. */
#define DR6_BREAKS 0xfu /* which of the four matched */
#define DR6_BS	   (1u << 14)
#define DR6_RESET  0xffff0ff0ull
#define DR7_RESET  0x400ull
#define DR7_GD	   (1u << 13)
/* IA32_APIC_BASE */
#define APIC_BASE_X2APIC      X86_BIT(10)
#define APIC_BASE_ENABLE      X86_BIT(11)

#define PENDING_DEBUG_ENABLED X86_BIT(12) /* a breakpoint that DR7 enables */
#define PENDING_DEBUG_BS      X86_BIT(14)
#define PENDING_DEBUG_RTM     X86_BIT(16)

/* Access rights of a segment as the VMCS holds them: type 3:0, S 4, DPL 6:5, P 7, L 13, D/B 14,
 * G 15. */
#define SEG_AR_S	(1u << 4)
#define SEG_AR_DPL(ar)	(((unsigned)(ar) >> 5) & 3u)
#define SEG_AR_P	(1u << 7)
#define SEG_AR_L	(1u << 13)
#define SEG_AR_DB	(1u << 14)
#define SEG_AR_G	(1u << 15)
#define SEG_AR_UNUSABLE (1u << 16)
/* Present, 4 KiB granular, accessed; the first two 32-bit. */
#define SEG_AR_DATA	0xc093u
#define SEG_AR_CODE32	0xc09bu
#define SEG_AR_CODE64	0xa09bu
#define SEG_AR_LDT	0x82u
#define SEG_AR_TSS_BUSY 0x8bu

/* Entries of page tables. */
#define PTE_P	    X86_BIT(0)
#define PTE_W	    X86_BIT(1)
#define PTE_U	    X86_BIT(2)
#define PTE_A	    X86_BIT(5)
#define PTE_D	    X86_BIT(6)
#define PTE_PS	    X86_BIT(7) /* a leaf, above the last level */
#define PTE_G	    X86_BIT(8)
#define PTE_NX	    X86_BIT(63)
#define PTE_KEY_AT  59 /* protection key, 4 bits */
#define PTE_ADDRESS 0x000ffffffffff000ull

/* Error code of a page fault. */
#define PF_PRESENT	(1u << 0)
#define PF_WRITE	(1u << 1)
#define PF_USER		(1u << 2)
#define PF_RESERVED	(1u << 3)
#define PF_FETCH	(1u << 4)
#define PF_PK		(1u << 5) /* a protection key forbids it */
#define PF_SHADOW_STACK (1u << 6)

/* Extended features: bits of XCR0 and IA32_XSS together. */
#define XFAM_X87    X86_BIT(0)
#define XFAM_SSE    X86_BIT(1)
#define XFAM_AVX    X86_BIT(2)
#define XFAM_AVX3   X86_FIELD(7, 5)
#define XFAM_K	    X86_BIT(5) /* its three: opmasks, upper halves of ZMM0 to 15, ZMM16 to 31 */
#define XFAM_ZMM_HI X86_BIT(6)
#define XFAM_ZMM16  X86_BIT(7)
#define XFAM_PT	    X86_BIT(8)
#define XFAM_PK	    X86_BIT(9)
#define XFAM_CET    X86_FIELD(3, 11)
#define XFAM_CET_S  X86_BIT(12)
#define XFAM_UINTR  X86_BIT(14)
#define XFAM_LBR    X86_BIT(15)
#define XFAM_AMX    X86_FIELD(3, 17)
/* What a TD may have, and must have. */
#define XFAM_FIXED0 0x6dbe7ull
#define XFAM_FIXED1 (XFAM_X87 | XFAM_SSE)

/* The XSAVE area: legacy region of 512 bytes, header of 64, whose XCOMP_BV says "compacted". */
#define XSAVE_LEGACY_SIZE  512u
#define XSAVE_HEADER_SIZE  64u
#define XCOMP_BV_COMPACTED X86_BIT(63)

/* x87 control word after FNINIT, after power-on; MXCSR after reset. */
#define FCW_BITS		      0x1f7fu /* what a program can set */
#define FCW_RESERVED		      0x40u   /* reads as one */
#define FCW_INIT		      0x37fu
#define FCW_POWER_ON		      0x40u
#define MXCSR_RESET		      0x1f80u

#define ARCH_CAP_SSB_NO		      X86_BIT(4)
#define ARCH_CAP_TSX_CTRL	      X86_BIT(7)
#define ARCH_CAP_RRSBA		      X86_BIT(19)
#define ARCH_CAP_BHI_NO		      X86_BIT(20)
#define ARCH_CAP_XAPIC_DISABLE	      X86_BIT(21)
#define ARCH_CAP_PBRSB_NO	      X86_BIT(24)

#define DEBUGCTL_BTF		      X86_BIT(1)
#define DEBUGCTL_TR		      X86_BIT(6)
#define DEBUGCTL_BTS		      X86_BIT(7)
#define DEBUGCTL_UNCORE_PMI	      X86_BIT(13)
#define DEBUGCTL_FREEZE_IN_SMM	      X86_BIT(14)
#define DEBUGCTL_RTM		      X86_BIT(15)

#define MISC_ENABLE_FAST_STRINGS      X86_BIT(0)
#define MISC_ENABLE_PERFMON_AVAILABLE X86_BIT(7)
#define MISC_ENABLE_BTS_UNAVAILABLE   X86_BIT(11)
#define MISC_ENABLE_PEBS_UNAVAILABLE  X86_BIT(12)
#define MISC_ENABLE_EST		      X86_BIT(16)
#define MISC_ENABLE_MONITOR	      X86_BIT(18)
#define MISC_ENABLE_LIMIT_CPUID	      X86_BIT(22)
#define MISC_ENABLE_XTPR_DISABLE      X86_BIT(23)

/* A message-signalled interrupt's address and data: to whom, what. SDM volume 3, 11.11. */
#define MSI_ADDRESS	0xfee00000u
#define MSI_DEST_SHIFT	12
#define MSI_LOGICAL	X86_BIT(2)
#define MSI_REDIRECTION X86_BIT(3)
#define MSI_MODE_SHIFT	8 /* the delivery modes of the ICR */
#define MSI_ASSERT	X86_BIT(14)
#define MSI_LEVEL	X86_BIT(15)

#ifndef __ASSEMBLER__
/* Vectors of exceptions, and the first that the system may use. */
enum x86_vector {
	VECTOR_DE = 0,
	VECTOR_DB = 1,
	VECTOR_NMI = 2,
	VECTOR_BP = 3,
	VECTOR_OF = 4,
	VECTOR_BR = 5,
	VECTOR_UD = 6,
	VECTOR_NM = 7,
	VECTOR_DF = 8,
	VECTOR_TS = 10,
	VECTOR_NP = 11,
	VECTOR_SS = 12,
	VECTOR_GP = 13,
	VECTOR_PF = 14,
	VECTOR_MF = 16,
	VECTOR_AC = 17,
	VECTOR_MC = 18,
	VECTOR_XM = 19,
	VECTOR_VE = 20,
	VECTOR_CP = 21,
	VECTORS_OF_EXCEPTIONS = 32,
	/* A host's choice: what Linux takes for posted interrupts, and all that interrupts a
	 * guest for its host here. */
	VECTOR_HOST_NOTIFICATION = 0xf2, /* of a posted interrupt */
	VECTOR_HOST_KICK = 0xfd,	 /* a processor is wanted, that is all */
};

/* "#PF", "NMI"; NULL: a vector without a name. */
const char *x86_vector_name(unsigned vector);

/* Eight memory types, none of them reserved. */
bool x86_pat_valid(uint64_t pat);
#endif

#endif
