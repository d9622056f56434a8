/* SPDX-License-Identifier: MIT */
/* Instructions of processors that a TD does not run on, and of features that are off.
 *
 * An instruction the engine merely lacks stops the vCPU, so that nobody takes #UD for the
 * processor's answer. Here are those for which #UD, or nothing, is the answer. */
#include "x86/decode.h"
#include "x86/system.h"

#define CR4_KL	  (1u << 19)
#define CR4_PKE	  (1u << 22)
#define CR4_CET	  (1u << 23)
#define CR4_UINTR (1u << 25)

static bool gated(struct x86_tr *tr, x86_fn *fn, uint64_t bit)
{
	x86_tr_unknown(tr, fn)->imm = bit;
	return true;
}

bool x86_tr_absent(struct x86_tr *tr)
{
	switch (tr->in.encoding) {
	case ZYDIS_INSTRUCTION_ENCODING_3DNOW:
	case ZYDIS_INSTRUCTION_ENCODING_XOP:
		x86_tr_end(tr, x86_ud);
		return true;
	case ZYDIS_INSTRUCTION_ENCODING_VEX:
	case ZYDIS_INSTRUCTION_ENCODING_EVEX:
	case ZYDIS_INSTRUCTION_ENCODING_MVEX:
		return gated(tr, x86_gated_xcr0, X86_XCR0_AVX);
	default:
		break;
	}
	switch (tr->in.meta.isa_set) {
	case ZYDIS_ISA_SET_AMD:
	case ZYDIS_ISA_SET_AMD3DNOW:
	case ZYDIS_ISA_SET_AMD_INVLPGB:
	case ZYDIS_ISA_SET_CLZERO:
	case ZYDIS_ISA_SET_MCOMMIT:
	case ZYDIS_ISA_SET_MONITORX:
	case ZYDIS_ISA_SET_PADLOCK_ACE:
	case ZYDIS_ISA_SET_PADLOCK_PHE:
	case ZYDIS_ISA_SET_PADLOCK_PMM:
	case ZYDIS_ISA_SET_PADLOCK_RNG:
	case ZYDIS_ISA_SET_RDPRU:
	case ZYDIS_ISA_SET_SNP:
	case ZYDIS_ISA_SET_SSE4A:
	case ZYDIS_ISA_SET_SVM:
	case ZYDIS_ISA_SET_TDX: /* outside SEAM; TDCALL and SEAMCALL are decoded before */
		x86_tr_end(tr, x86_ud);
		return true;
	case ZYDIS_ISA_SET_MPX: /* NOPs on a processor without it */
		x86_tr_op(tr, x86_nop);
		return true;
	case ZYDIS_ISA_SET_CET:
		return gated(tr, x86_gated_cr4, CR4_CET);
	case ZYDIS_ISA_SET_KEYLOCKER:
	case ZYDIS_ISA_SET_KEYLOCKER_WIDE:
		return gated(tr, x86_gated_cr4, CR4_KL);
	case ZYDIS_ISA_SET_PKU:
		return gated(tr, x86_gated_cr4, CR4_PKE);
	case ZYDIS_ISA_SET_UINTR:
		return gated(tr, x86_gated_cr4, CR4_UINTR);
	default:
		return false;
	}
}
