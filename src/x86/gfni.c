/* SPDX-License-Identifier: MIT */
/* GFNI: bytes as elements of GF(2^8) and as vectors of bits (SDM vol. 2, GF2P8*). Constant time:
 * these are used on secrets. */
#include "x86/sse.h"

#define POLYNOMIAL 0x11bu /* x^8 + x^4 + x^3 + x + 1 */

static uint8_t multiply(uint8_t a, uint8_t b)
{
	unsigned product = 0, i;

	for (i = 0; i < 8; i++)
		product ^= (unsigned)a << i & -(b >> i & 1u);
	for (i = 14; i >= 8; i--)
		product ^= POLYNOMIAL << (i - 8) & -(product >> i & 1u);
	return (uint8_t)product;
}

/* The 254th power; 0 has 0. */
static uint8_t inverse(uint8_t a)
{
	uint8_t square = a, power = 1;
	unsigned i;

	for (i = 1; i < 8; i++) {
		square = multiply(square, square);
		power = multiply(power, square);
	}
	return power;
}

/* Row i of the matrix is its byte 7 - i. */
static uint8_t affine(uint64_t matrix, uint8_t x, unsigned constant)
{
	unsigned result = 0, i;

	for (i = 0; i < 8; i++) {
		const unsigned row = (unsigned)(matrix >> 8 * (7 - i)) & x;

		result |= (unsigned)__builtin_parity(row) << i;
	}
	return (uint8_t)(result ^ constant);
}

SSE_HELPER(gf2p8mulb)
{
	const uint8_t *s = src;
	uint8_t *d = dst;
	unsigned i;

	for (i = 0; i < 16; i++)
		d[i] = multiply(d[i], s[i]);
}

static void affine_all(uint8_t *d, const uint64_t *matrix, unsigned constant, bool inverted)
{
	const uint64_t m[2] = {matrix[0], matrix[1]};
	unsigned i;

	for (i = 0; i < 16; i++)
		d[i] = affine(m[i / 8], inverted ? inverse(d[i]) : d[i], constant);
}

SSE_HELPER(gf2p8affineqb)
{
	affine_all(dst, src, imm, false);
}

SSE_HELPER(gf2p8affineinvqb)
{
	affine_all(dst, src, imm, true);
}
