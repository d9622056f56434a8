/* SPDX-License-Identifier: MIT */
/* Instructions that the guest's CPUID has and the engine has not.
 *
 * They stop the vCPU, so that nobody takes #UD for the processor's answer: but only once the bit of
 * CR4 or XCR0 is set without which they are undefined all the same. */
#include "x86/decode.h"
#include "x86/system.h"

#define XCR0_AMX (3u << 17)

void x86_tr_lacking(struct x86_tr *tr)
{
	static const struct {
		ZydisISASet set;
		x86_fn *fn;
		uint64_t bits;
	} conditions[] = {
		{ZYDIS_ISA_SET_AMX_BF16, x86_gated_xcr0, XCR0_AMX},
		{ZYDIS_ISA_SET_AMX_INT8, x86_gated_xcr0, XCR0_AMX},
		{ZYDIS_ISA_SET_AMX_TILE, x86_gated_xcr0, XCR0_AMX},
		{ZYDIS_ISA_SET_CET, x86_gated_cr4, CR4_CET},
		{ZYDIS_ISA_SET_KEYLOCKER, x86_gated_cr4, CR4_KEYLOCKER},
		{ZYDIS_ISA_SET_KEYLOCKER_WIDE, x86_gated_cr4, CR4_KEYLOCKER},
		{ZYDIS_ISA_SET_UINTR, x86_gated_cr4, CR4_UINTR},
	};
	unsigned i;

	for (i = 0; i < sizeof(conditions) / sizeof(conditions[0]); i++) {
		if (conditions[i].set == tr->in.meta.isa_set) {
			x86_tr_unknown(tr, conditions[i].fn)->imm = conditions[i].bits;
			return;
		}
	}
	if (tr->in.encoding == ZYDIS_INSTRUCTION_ENCODING_LEGACY)
		x86_tr_unknown(tr, x86_unknown);
	else
		x86_tr_unknown(tr, x86_gated_xcr0)->imm = XFAM_AVX;
}
