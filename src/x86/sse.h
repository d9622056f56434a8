/* SPDX-License-Identifier: MIT */
/* The SSE instructions by name. Each list is expanded into helpers by the file that implements
 * them and into the decoder's table by decode_sse.c: name of the mnemonic, name of the helper. */
#ifndef X86_SSE_H
#define X86_SSE_H

#include "x86/internal.h"

/* clang-format off */
/* Integer: register with register or memory, done by the host's instruction. */
#define SSE_INT(X) \
	X(PADDB, paddb) X(PADDW, paddw) X(PADDD, paddd) X(PADDQ, paddq) X(PSUBB, psubb) \
	X(PSUBW, psubw) X(PSUBD, psubd) X(PSUBQ, psubq) X(PADDSB, paddsb) X(PADDSW, paddsw) \
	X(PADDUSB, paddusb) X(PADDUSW, paddusw) X(PSUBSB, psubsb) X(PSUBSW, psubsw) \
	X(PSUBUSB, psubusb) X(PSUBUSW, psubusw) X(PAND, pand) X(PANDN, pandn) X(POR, por) \
	X(PXOR, pxor) X(ANDPS, andps) X(ANDNPS, andnps) X(ORPS, orps) X(XORPS, xorps) \
	X(ANDPD, andpd) X(ANDNPD, andnpd) X(ORPD, orpd) X(XORPD, xorpd) X(PCMPEQB, pcmpeqb) \
	X(PCMPEQW, pcmpeqw) X(PCMPEQD, pcmpeqd) X(PCMPGTB, pcmpgtb) X(PCMPGTW, pcmpgtw) \
	X(PCMPGTD, pcmpgtd) X(PMULLW, pmullw) X(PMULHW, pmulhw) X(PMULHUW, pmulhuw) \
	X(PMULUDQ, pmuludq) X(PMADDWD, pmaddwd) X(PSADBW, psadbw) X(PAVGB, pavgb) \
	X(PAVGW, pavgw) X(PMINUB, pminub) X(PMAXUB, pmaxub) X(PMINSW, pminsw) X(PMAXSW, pmaxsw) \
	X(PUNPCKLBW, punpcklbw) X(PUNPCKLWD, punpcklwd) X(PUNPCKLDQ, punpckldq) \
	X(PUNPCKLQDQ, punpcklqdq) X(PUNPCKHBW, punpckhbw) X(PUNPCKHWD, punpckhwd) \
	X(PUNPCKHDQ, punpckhdq) X(PUNPCKHQDQ, punpckhqdq) X(UNPCKLPS, unpcklps) \
	X(UNPCKHPS, unpckhps) X(UNPCKLPD, unpcklpd) X(UNPCKHPD, unpckhpd) X(PACKSSWB, packsswb) \
	X(PACKSSDW, packssdw) X(PACKUSWB, packuswb) X(PSLLW, psllw) X(PSLLD, pslld) \
	X(PSLLQ, psllq) X(PSRLW, psrlw) X(PSRLD, psrld) X(PSRLQ, psrlq) X(PSRAW, psraw) \
	X(PSRAD, psrad) X(PSHUFB, pshufb) X(PHADDW, phaddw) X(PHADDD, phaddd) \
	X(PHADDSW, phaddsw) X(PHSUBW, phsubw) X(PHSUBD, phsubd) X(PHSUBSW, phsubsw) \
	X(PMADDUBSW, pmaddubsw) X(PMULHRSW, pmulhrsw) X(PSIGNB, psignb) X(PSIGNW, psignw) \
	X(PSIGND, psignd) X(PABSB, pabsb) X(PABSW, pabsw) X(PABSD, pabsd) X(PMULDQ, pmuldq) \
	X(PMULLD, pmulld) X(PCMPEQQ, pcmpeqq) X(PCMPGTQ, pcmpgtq) X(PACKUSDW, packusdw) \
	X(PMINSB, pminsb) X(PMINSD, pminsd) X(PMINUW, pminuw) X(PMINUD, pminud) \
	X(PMAXSB, pmaxsb) X(PMAXSD, pmaxsd) X(PMAXUW, pmaxuw) X(PMAXUD, pmaxud) \
	X(PHMINPOSUW, phminposuw) X(PMOVSXBW, pmovsxbw) X(PMOVSXBD, pmovsxbd) \
	X(PMOVSXBQ, pmovsxbq) X(PMOVSXWD, pmovsxwd) X(PMOVSXWQ, pmovsxwq) X(PMOVSXDQ, pmovsxdq) \
	X(PMOVZXBW, pmovzxbw) X(PMOVZXBD, pmovzxbd) X(PMOVZXBQ, pmovzxbq) X(PMOVZXWD, pmovzxwd) \
	X(PMOVZXWQ, pmovzxwq) X(PMOVZXDQ, pmovzxdq) X(MOVDDUP, movddup) X(MOVSHDUP, movshdup) \
	X(MOVSLDUP, movsldup)

/* Floating point, with MXCSR: register with register or memory. */
#define SSE_FP(X) \
	X(ADDPS, addps) X(ADDPD, addpd) X(ADDSS, addss) X(ADDSD, addsd) X(SUBPS, subps) \
	X(SUBPD, subpd) X(SUBSS, subss) X(SUBSD, subsd) X(MULPS, mulps) X(MULPD, mulpd) \
	X(MULSS, mulss) X(MULSD, mulsd) X(DIVPS, divps) X(DIVPD, divpd) X(DIVSS, divss) \
	X(DIVSD, divsd) X(MINPS, minps) X(MINPD, minpd) X(MINSS, minss) X(MINSD, minsd) \
	X(MAXPS, maxps) X(MAXPD, maxpd) X(MAXSS, maxss) X(MAXSD, maxsd) X(SQRTPS, sqrtps) \
	X(SQRTPD, sqrtpd) X(SQRTSS, sqrtss) X(SQRTSD, sqrtsd) X(RCPPS, rcpps) X(RCPSS, rcpss) \
	X(RSQRTPS, rsqrtps) X(RSQRTSS, rsqrtss) X(ADDSUBPS, addsubps) X(ADDSUBPD, addsubpd) \
	X(HADDPS, haddps) X(HADDPD, haddpd) X(HSUBPS, hsubps) X(HSUBPD, hsubpd) \
	X(CVTPS2PD, cvtps2pd) X(CVTPD2PS, cvtpd2ps) X(CVTSS2SD, cvtss2sd) X(CVTSD2SS, cvtsd2ss) \
	X(CVTDQ2PS, cvtdq2ps) X(CVTDQ2PD, cvtdq2pd) X(CVTPS2DQ, cvtps2dq) X(CVTPD2DQ, cvtpd2dq) \
	X(CVTTPS2DQ, cvttps2dq) X(CVTTPD2DQ, cvttpd2dq)

/* Floating point that sets the flags, or takes an immediate. */
#define SSE_FP_OTHER(X) \
	X(COMISS, comiss) X(COMISD, comisd) X(UCOMISS, ucomiss) X(UCOMISD, ucomisd) \
	X(CMPPS, cmpps) X(CMPPD, cmppd) X(CMPSS, cmpss) X(CMPSD, cmpsd) X(ROUNDPS, roundps) \
	X(ROUNDPD, roundpd) X(ROUNDSS, roundss) X(ROUNDSD, roundsd) X(DPPS, dpps) X(DPPD, dppd)

/* A GPR or memory integer as source. */
#define SSE_FROM_GPR(X) \
	X(PINSRB, pinsrb) X(PINSRW, pinsrw) X(PINSRD, pinsrd) X(PINSRQ, pinsrq)
#define SSE_FP_FROM_GPR(X) \
	X(CVTSI2SS, cvtsi2ss) X(CVTSI2SD, cvtsi2sd)

/* A GPR (or memory) as destination. */
#define SSE_TO_GPR(X) \
	X(PEXTRB, pextrb) X(PEXTRW, pextrw) X(PEXTRD, pextrd) X(PEXTRQ, pextrq) \
	X(EXTRACTPS, extractps) X(MOVMSKPS, movmskps) X(MOVMSKPD, movmskpd) \
	X(PMOVMSKB, pmovmskb)
#define SSE_FP_TO_GPR(X) \
	X(CVTSS2SI, cvtss2si) X(CVTSD2SI, cvtsd2si) X(CVTTSS2SI, cvttss2si) \
	X(CVTTSD2SI, cvttsd2si)

/* With an immediate, written out in C. */
#define SSE_IMM(X) \
	X(PSHUFD, pshufd) X(PSHUFLW, pshuflw) X(PSHUFHW, pshufhw) X(SHUFPS, shufps) \
	X(SHUFPD, shufpd) X(PALIGNR, palignr) X(BLENDPS, blendps) X(BLENDPD, blendpd) \
	X(PBLENDW, pblendw) X(MPSADBW, mpsadbw) X(INSERTPS, insertps) X(PCLMULQDQ, pclmulqdq) \
	X(PSLLDQ, pslldq) X(PSRLDQ, psrldq) X(AESKEYGENASSIST, aeskeygenassist) \
	X(SHA1RNDS4, sha1rnds4) X(GF2P8AFFINEQB, gf2p8affineqb) \
	X(GF2P8AFFINEINVQB, gf2p8affineinvqb)

/* The rest of register-with-register-or-memory. */
#define SSE_OTHER(X) \
	X(PTEST, ptest) X(BLENDVPS, blendvps) X(BLENDVPD, blendvpd) X(PBLENDVB, pblendvb) \
	X(AESENC, aesenc) X(AESENCLAST, aesenclast) X(AESDEC, aesdec) X(AESDECLAST, aesdeclast) \
	X(AESIMC, aesimc) X(SHA1NEXTE, sha1nexte) X(SHA1MSG1, sha1msg1) X(SHA1MSG2, sha1msg2) \
	X(SHA256RNDS2, sha256rnds2) X(SHA256MSG1, sha256msg1) X(SHA256MSG2, sha256msg2) \
	X(PCMPESTRI, pcmpestri) X(PCMPESTRM, pcmpestrm) X(PCMPISTRI, pcmpistri) \
	X(PCMPISTRM, pcmpistrm) X(GF2P8MULB, gf2p8mulb)

/* clang-format on */

#define SSE_DECLARE(mnemonic, name) x86_helper x86_##name;
SSE_INT(SSE_DECLARE)
SSE_FP(SSE_DECLARE)
SSE_FP_OTHER(SSE_DECLARE)
SSE_FROM_GPR(SSE_DECLARE)
SSE_FP_FROM_GPR(SSE_DECLARE)
SSE_TO_GPR(SSE_DECLARE)
SSE_FP_TO_GPR(SSE_DECLARE)
SSE_IMM(SSE_DECLARE)
SSE_OTHER(SSE_DECLARE)

#define SSE_HELPER(name)                                                                           \
	void x86_##name(struct x86_cpu *cpu, void *dst, const void *src, unsigned imm)

/* One vector, as the host's instructions want it. */
typedef long long v128 __attribute__((vector_size(16), may_alias));

/* Handlers (sse.c): source register, memory of 2 to 16 bytes; second row with MXCSR. */
extern x86_fn *const x86_sse_bin[2][5];
OP(x86_sse_bin_m16u);
OP(x86_sse_shift_imm);
/* GPR source: d xmm; register, memory of 1, 2, 4, 8. imm8 in disp or s. */
extern x86_fn *const x86_sse_from_gpr[2][5];
/* GPR destination of 4 or 8 bytes; source register, memory of 4, 8. */
extern x86_fn *const x86_sse_to_gpr[2][3];
OP(x86_sse_to_mem);
OP(x86_sse_unavailable);
/* Call the helper under the guest's MXCSR; does not return from #XM. */
void x86_sse_run_fp(struct x86_cpu *cpu, const struct x86_op *op, void *dst, const void *src,
		    unsigned imm);
/* Has the instruction a result too small to be normal? */
bool x86_sse_tiny(x86_helper *helper, const void *result);

/* sse_move.c */
OP(x86_sse_ld16a);
OP(x86_sse_ld16u);
OP(x86_sse_ld8); /* upper half cleared */
OP(x86_sse_ld4);
OP(x86_sse_ldlo); /* upper half kept */
OP(x86_sse_ldhi);
OP(x86_sse_st16a);
OP(x86_sse_st16u);
OP(x86_sse_st8);
OP(x86_sse_sthi);
OP(x86_sse_st4);
OP(x86_sse_mov);   /* register to register, all of it */
OP(x86_sse_movq);  /* low half, upper cleared */
OP(x86_sse_movsd); /* low half, upper kept */
OP(x86_sse_movss);
OP(x86_sse_movhlps);
OP(x86_sse_movlhps);
OP(x86_sse_from_r);
OP(x86_sse_to_r);
OP(x86_sse_maskmov);
OP(x86_ldmxcsr);
OP(x86_stmxcsr);

/* xsave.c: imm selects, see there. */
OP(x86_fxsave);
OP(x86_fxrstor);
OP(x86_xsave);
OP(x86_xrstor);

#endif
