/* SPDX-License-Identifier: MIT */
/* The SHA extensions (SDM vol. 2): steps of SHA-1 and SHA-256 (FIPS 180-4) on vectors whose words
 * are counted from the top. */
#include "x86/sse.h"

static uint32_t rol(uint32_t v, unsigned n)
{
	return v << n | v >> (32 - n);
}

static uint32_t ror(uint32_t v, unsigned n)
{
	return v >> n | v << (32 - n);
}

SSE_HELPER(sha1nexte)
{
	uint32_t d[4], s[4];

	memcpy(d, dst, 16);
	memcpy(s, src, 16);
	s[3] += rol(d[3], 30);
	memcpy(dst, s, 16);
}

SSE_HELPER(sha1msg1)
{
	uint32_t d[4], s[4];

	memcpy(d, dst, 16);
	memcpy(s, src, 16);
	d[3] ^= d[1];
	d[2] ^= d[0];
	d[1] ^= s[3];
	d[0] ^= s[2];
	memcpy(dst, d, 16);
}

SSE_HELPER(sha1msg2)
{
	uint32_t d[4], s[4];

	memcpy(d, dst, 16);
	memcpy(s, src, 16);
	d[3] = rol(d[3] ^ s[2], 1);
	d[2] = rol(d[2] ^ s[1], 1);
	d[1] = rol(d[1] ^ s[0], 1);
	d[0] = rol(d[0] ^ d[3], 1);
	memcpy(dst, d, 16);
}

SSE_HELPER(sha1rnds4)
{
	static const uint32_t constants[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
	uint32_t v[4], w[4], e = 0;
	unsigned i;

	memcpy(v, dst, 16);
	memcpy(w, src, 16);
	for (i = 0; i < 4; i++) {
		const uint32_t a = v[3], b = v[2], c = v[1], d = v[0];
		uint32_t f;

		switch (imm & 3) {
		case 0:
			f = (b & c) ^ (~b & d);
			break;
		case 2:
			f = (b & c) ^ (b & d) ^ (c & d);
			break;
		default:
			f = b ^ c ^ d;
			break;
		}
		v[3] = f + rol(a, 5) + w[3 - i] + e + constants[imm & 3];
		v[2] = a;
		v[1] = rol(b, 30);
		v[0] = c;
		e = d;
	}
	memcpy(dst, v, 16);
}

static uint32_t sigma0(uint32_t v)
{
	return ror(v, 7) ^ ror(v, 18) ^ v >> 3;
}

static uint32_t sigma1(uint32_t v)
{
	return ror(v, 17) ^ ror(v, 19) ^ v >> 10;
}

SSE_HELPER(sha256msg1)
{
	uint32_t d[4], s[4];

	memcpy(d, dst, 16);
	memcpy(s, src, 16);
	d[0] += sigma0(d[1]);
	d[1] += sigma0(d[2]);
	d[2] += sigma0(d[3]);
	d[3] += sigma0(s[0]);
	memcpy(dst, d, 16);
}

SSE_HELPER(sha256msg2)
{
	uint32_t d[4], s[4];

	memcpy(d, dst, 16);
	memcpy(s, src, 16);
	d[0] += sigma1(s[2]);
	d[1] += sigma1(s[3]);
	d[2] += sigma1(d[0]);
	d[3] += sigma1(d[1]);
	memcpy(dst, d, 16);
}

/* Two rounds; the message words with their constants are in the low half of XMM0. dst holds
 * C D G H, src A B E F, from the top. */
SSE_HELPER(sha256rnds2)
{
	uint32_t cdgh[4], abef[4], wk[2], a, b, c, d, e, f, g, h;
	unsigned i;

	memcpy(cdgh, dst, 16);
	memcpy(abef, src, 16);
	memcpy(wk, &cpu->xmm[0], 8);
	a = abef[3];
	b = abef[2];
	e = abef[1];
	f = abef[0];
	c = cdgh[3];
	d = cdgh[2];
	g = cdgh[1];
	h = cdgh[0];
	for (i = 0; i < 2; i++) {
		const uint32_t t1 =
			h + ((e & f) ^ (~e & g)) + (ror(e, 6) ^ ror(e, 11) ^ ror(e, 25)) + wk[i];
		const uint32_t t2 =
			((a & b) ^ (a & c) ^ (b & c)) + (ror(a, 2) ^ ror(a, 13) ^ ror(a, 22));

		h = g;
		g = f;
		f = e;
		e = d + t1;
		d = c;
		c = b;
		b = a;
		a = t1 + t2;
	}
	abef[3] = a;
	abef[2] = b;
	abef[1] = e;
	abef[0] = f;
	memcpy(dst, abef, 16);
}
