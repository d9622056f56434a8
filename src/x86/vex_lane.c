/* SPDX-License-Identifier: MIT */
/* What a host with AVX2 may lack: AES, PCLMULQDQ and GFNI on more than one lane, VNNI. They work on
 * lanes of 128 bits, one after the other. */
#include "x86/vex.h"

static int32_t saturate(int64_t v)
{
	return v > INT32_MAX ? INT32_MAX : v < INT32_MIN ? INT32_MIN : (int32_t)v;
}

/* VPDPBUSD: bytes, unsigned by signed, four to a sum; VPDPWSSD: words, two to a sum. */
static void dot_bytes(uint8_t *d, const uint8_t *a, const uint8_t *b, bool saturates)
{
	unsigned i, k;

	for (i = 0; i < 16; i += 4) {
		int32_t sum;
		int64_t v;

		memcpy(&sum, d + i, 4);
		v = sum;
		for (k = i; k < i + 4; k++)
			v += (int32_t)a[k] * (int8_t)b[k];
		sum = saturates ? saturate(v) : (int32_t)(uint32_t)v;
		memcpy(d + i, &sum, 4);
	}
}

static void dot_words(uint8_t *d, const uint8_t *a, const uint8_t *b, bool saturates)
{
	unsigned i;

	for (i = 0; i < 16; i += 4) {
		int16_t x[2], y[2];
		int32_t sum;
		int64_t v;

		memcpy(&sum, d + i, 4);
		memcpy(x, a + i, 4);
		memcpy(y, b + i, 4);
		v = (int64_t)sum + (int32_t)x[0] * y[0] + (int64_t)x[1] * y[1];
		sum = saturates ? saturate(v) : (int32_t)(uint32_t)v;
		memcpy(d + i, &sum, 4);
	}
}

#define LANE(name)                                                                                 \
	static void name(struct x86_cpu *cpu, uint8_t *d, const uint8_t *a, const uint8_t *b,      \
			 unsigned imm)

LANE(vpdpbusd)
{
	(void)cpu;
	(void)imm;
	dot_bytes(d, a, b, false);
}

LANE(vpdpbusds)
{
	(void)cpu;
	(void)imm;
	dot_bytes(d, a, b, true);
}

LANE(vpdpwssd)
{
	(void)cpu;
	(void)imm;
	dot_words(d, a, b, false);
}

LANE(vpdpwssds)
{
	(void)cpu;
	(void)imm;
	dot_words(d, a, b, true);
}

/* By the helper of the instruction of two operands, whose first is its destination. */
#define LIKE(name)                                                                                 \
	LANE(v##name)                                                                              \
	{                                                                                          \
		v128 x, y;                                                                         \
		memcpy(&x, a, sizeof(x));                                                          \
		memcpy(&y, b, sizeof(y));                                                          \
		x86_##name(cpu, &x, &y, imm);                                                      \
		memcpy(d, &x, sizeof(x));                                                          \
	}
#define LIKE_ALL(X)                                                                                \
	X(AESENC, aesenc)                                                                          \
	X(AESENCLAST, aesenclast)                                                                  \
	X(AESDEC, aesdec)                                                                          \
	X(AESDECLAST, aesdeclast)                                                                  \
	X(AESIMC, aesimc)                                                                          \
	X(AESKEYGENASSIST, aeskeygenassist)                                                        \
	X(PCLMULQDQ, pclmulqdq)                                                                    \
	X(GF2P8MULB, gf2p8mulb)                                                                    \
	X(GF2P8AFFINEQB, gf2p8affineqb)                                                            \
	X(GF2P8AFFINEINVQB, gf2p8affineinvqb)
#define DEFINE_LIKE(mnemonic, name) LIKE(name)
LIKE_ALL(DEFINE_LIKE)

vex_lane_fn *vex_lane(ZydisMnemonic m)
{
	switch (m) {
#define CASE(mnemonic, name)                                                                       \
	case ZYDIS_MNEMONIC_V##mnemonic:                                                           \
		return v##name;
		LIKE_ALL(CASE)
		CASE(PDPBUSD, pdpbusd)
		CASE(PDPBUSDS, pdpbusds)
		CASE(PDPWSSD, pdpwssd)
		CASE(PDPWSSDS, pdpwssds)
	default:
		return NULL;
	}
}
