/* SPDX-License-Identifier: MIT */
/* SSE helpers which are one instruction of the host: integer vectors, floating point, and moves
 * between vectors and integers. The host is expected to have SSE4.2 (x86-64-v2). */
#include "x86/flags.h"
#include "x86/sse.h"

#define VECTOR(mnemonic, name)                                                                     \
	SSE_HELPER(name)                                                                           \
	{                                                                                          \
		v128 d = *(v128 *)dst;                                                             \
		__asm__ volatile(#name " %1, %0" : "+x"(d) : "x"(*(const v128 *)src));             \
		*(v128 *)dst = d;                                                                  \
	}
SSE_INT(VECTOR)
SSE_FP(VECTOR)

#define COMPARE(name)                                                                              \
	SSE_HELPER(name)                                                                           \
	{                                                                                          \
		uint16_t f;                                                                        \
		__asm__ volatile(#name " %2, %1" SAVE_ALL                                          \
				 : "=&a"(f)                                                        \
				 : "x"(*(const v128 *)dst), "x"(*(const v128 *)src)                \
				 : "cc");                                                          \
		cpu->fl = f;                                                                       \
	}
COMPARE(comiss)
COMPARE(comisd)
COMPARE(ucomiss)
COMPARE(ucomisd)
COMPARE(ptest)

#define WITH_IMM(name, k)                                                                          \
	case k:                                                                                    \
		__asm__ volatile(#name " $" #k ", %1, %0" : "+x"(d) : "x"(s));                     \
		break;
#define WITH_IMM8(name)                                                                            \
	WITH_IMM(name, 0)                                                                          \
	WITH_IMM(name, 1)                                                                          \
	WITH_IMM(name, 2)                                                                          \
	WITH_IMM(name, 3) WITH_IMM(name, 4) WITH_IMM(name, 5) WITH_IMM(name, 6) WITH_IMM(name, 7)
#define BY_IMM(name, mask, cases)                                                                  \
	SSE_HELPER(name)                                                                           \
	{                                                                                          \
		v128 d = *(v128 *)dst, s = *(const v128 *)src;                                     \
		switch (imm & mask) {                                                              \
			cases                                                                      \
		}                                                                                  \
		*(v128 *)dst = d;                                                                  \
	}
BY_IMM(cmpps, 7, WITH_IMM8(cmpps))
BY_IMM(cmppd, 7, WITH_IMM8(cmppd))
BY_IMM(cmpss, 7, WITH_IMM8(cmpss))
BY_IMM(cmpsd, 7, WITH_IMM8(cmpsd))

#define WITH_IMM16(name)                                                                           \
	WITH_IMM8(name)                                                                            \
	WITH_IMM(name, 8)                                                                          \
	WITH_IMM(name, 9)                                                                          \
	WITH_IMM(name, 10)                                                                         \
	WITH_IMM(name, 11)                                                                         \
	WITH_IMM(name, 12) WITH_IMM(name, 13) WITH_IMM(name, 14) WITH_IMM(name, 15)
BY_IMM(roundps, 15, WITH_IMM16(roundps))
BY_IMM(roundpd, 15, WITH_IMM16(roundpd))
BY_IMM(roundss, 15, WITH_IMM16(roundss))
BY_IMM(roundsd, 15, WITH_IMM16(roundsd))

BY_IMM(mpsadbw, 7, WITH_IMM8(mpsadbw))

/* imm bit 8: the integer has 64 bits. */
#define FROM_INTEGER(name)                                                                         \
	SSE_HELPER(name)                                                                           \
	{                                                                                          \
		v128 d = *(v128 *)dst;                                                             \
		const uint64_t v = *(const uint64_t *)src;                                         \
		if (imm & 0x100)                                                                   \
			__asm__ volatile(#name "q %1, %0" : "+x"(d) : "r"(v));                     \
		else                                                                               \
			__asm__ volatile(#name "l %1, %0" : "+x"(d) : "r"((uint32_t)v));           \
		*(v128 *)dst = d;                                                                  \
	}
FROM_INTEGER(cvtsi2ss)
FROM_INTEGER(cvtsi2sd)

#define TO_INTEGER(name)                                                                           \
	SSE_HELPER(name)                                                                           \
	{                                                                                          \
		uint64_t v;                                                                        \
		uint32_t low;                                                                      \
		if (imm & 0x100) {                                                                 \
			__asm__ volatile(#name " %1, %0" : "=r"(v) : "x"(*(const v128 *)src));     \
		} else {                                                                           \
			__asm__ volatile(#name " %1, %0" : "=r"(low) : "x"(*(const v128 *)src));   \
			v = low;                                                                   \
		}                                                                                  \
		*(uint64_t *)dst = v;                                                              \
	}
TO_INTEGER(cvtss2si)
TO_INTEGER(cvtsd2si)
TO_INTEGER(cvttss2si)
TO_INTEGER(cvttsd2si)

#define MASK(name)                                                                                 \
	SSE_HELPER(name)                                                                           \
	{                                                                                          \
		uint32_t v;                                                                        \
		__asm__(#name " %1, %0" : "=r"(v) : "x"(*(const v128 *)src));                      \
		*(uint64_t *)dst = v;                                                              \
	}
MASK(movmskps)
MASK(movmskpd)
MASK(pmovmskb)

#define INSERT(name, T, n)                                                                         \
	SSE_HELPER(name)                                                                           \
	{                                                                                          \
		memcpy((uint8_t *)dst + (imm & (n - 1)) * sizeof(T), src, sizeof(T));              \
	}
INSERT(pinsrb, uint8_t, 16)
INSERT(pinsrw, uint16_t, 8)
INSERT(pinsrd, uint32_t, 4)
INSERT(pinsrq, uint64_t, 2)

#define EXTRACT(name, T, n)                                                                        \
	SSE_HELPER(name)                                                                           \
	{                                                                                          \
		*(uint64_t *)dst = 0;                                                              \
		memcpy(dst, (const uint8_t *)src + (imm & (n - 1)) * sizeof(T), sizeof(T));        \
	}
EXTRACT(pextrb, uint8_t, 16)
EXTRACT(pextrw, uint16_t, 8)
EXTRACT(pextrd, uint32_t, 4)
EXTRACT(pextrq, uint64_t, 2)
EXTRACT(extractps, uint32_t, 4)
