/* SPDX-License-Identifier: MIT */
/* The MMX instructions by name, expanded into helpers by mmx.c and into the decoder's table by
 * decode_mmx.c. */
#ifndef X86_MMX_H
#define X86_MMX_H

#include "x86/internal.h"

/* clang-format off */
/* One instruction of the host on two MMX registers. */
#define MMX_BIN(X) \
	X(PACKSSDW, packssdw) X(PACKSSWB, packsswb) X(PACKUSWB, packuswb) X(PADDB, paddb) \
	X(PADDW, paddw) X(PADDD, paddd) X(PADDQ, paddq) X(PADDSB, paddsb) X(PADDSW, paddsw) \
	X(PADDUSB, paddusb) X(PADDUSW, paddusw) X(PAND, pand) X(PANDN, pandn) X(POR, por) \
	X(PXOR, pxor) X(PAVGB, pavgb) X(PAVGW, pavgw) X(PCMPEQB, pcmpeqb) X(PCMPEQW, pcmpeqw) \
	X(PCMPEQD, pcmpeqd) X(PCMPGTB, pcmpgtb) X(PCMPGTW, pcmpgtw) X(PCMPGTD, pcmpgtd) \
	X(PMADDWD, pmaddwd) X(PMAXSW, pmaxsw) X(PMAXUB, pmaxub) X(PMINSW, pminsw) \
	X(PMINUB, pminub) X(PMULHUW, pmulhuw) X(PMULHW, pmulhw) X(PMULLW, pmullw) \
	X(PMULUDQ, pmuludq) X(PSADBW, psadbw) X(PSLLW, psllw) X(PSLLD, pslld) X(PSLLQ, psllq) \
	X(PSRAW, psraw) X(PSRAD, psrad) X(PSRLW, psrlw) X(PSRLD, psrld) X(PSRLQ, psrlq) \
	X(PSUBB, psubb) X(PSUBW, psubw) X(PSUBD, psubd) X(PSUBQ, psubq) X(PSUBSB, psubsb) \
	X(PSUBSW, psubsw) X(PSUBUSB, psubusb) X(PSUBUSW, psubusw) X(PUNPCKHBW, punpckhbw) \
	X(PUNPCKHWD, punpckhwd) X(PUNPCKHDQ, punpckhdq) X(PUNPCKLBW, punpcklbw) \
	X(PUNPCKLWD, punpcklwd) X(PUNPCKLDQ, punpckldq) X(PABSB, pabsb) X(PABSW, pabsw) \
	X(PABSD, pabsd) X(PHADDW, phaddw) X(PHADDD, phaddd) X(PHADDSW, phaddsw) \
	X(PHSUBW, phsubw) X(PHSUBD, phsubd) X(PHSUBSW, phsubsw) X(PMADDUBSW, pmaddubsw) \
	X(PMULHRSW, pmulhrsw) X(PSHUFB, pshufb) X(PSIGNB, psignb) X(PSIGNW, psignw) \
	X(PSIGND, psignd)

/* With an immediate. */
#define MMX_IMM(X) X(PSHUFW, pshufw) X(PALIGNR, palignr) X(PINSRW, pinsrw)

/* With an SSE register: by the helper of the SSE instruction that converts as many. */
#define MMX_TO_XMM(X) X(CVTPI2PS, cvtdq2ps) X(CVTPI2PD, cvtdq2pd)
#define MMX_FROM_XMM(X) \
	X(CVTPS2PI, cvtps2dq) X(CVTTPS2PI, cvttps2dq) X(CVTPD2PI, cvtpd2dq) X(CVTTPD2PI, cvttpd2dq)
/* clang-format on */

#define MMX_DECLARE(mnemonic, name) x86_helper x86_mmx_##name;
MMX_BIN(MMX_DECLARE)
MMX_IMM(MMX_DECLARE)

/* d: MMX register; source s: MMX register or GPR, or memory of 2, 4, 8 bytes; the immediate is in
 * disp, or in s beside memory. */
OP(x86_mmx_r);
OP(x86_mmx_gpr);
extern x86_fn *const x86_mmx_m[3];
OP(x86_mmx_shift_imm);

/* Moves: imm bytes. */
OP(x86_mmx_from_gpr);
OP(x86_mmx_to_gpr);
OP(x86_mmx_ld);
OP(x86_mmx_st);
OP(x86_mmx_mov);
OP(x86_mmx_maskmov);
OP(x86_mmx_extract); /* PEXTRW: the word's number in disp */
OP(x86_mmx_movmsk);
OP(x86_mmx_to_xmm); /* MOVQ2DQ */
OP(x86_mmx_from_xmm);

/* Conversions: s register, or memory of 8 or 16 bytes. */
OP(x86_mmx_cvt_to_xmm);
OP(x86_mmx_cvt_from_xmm);

OP(x86_mmx_unavailable);

#endif
