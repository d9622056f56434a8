/* SPDX-License-Identifier: MIT */
/* SSE helpers written out: shuffles, blends and others whose immediate would need 256 copies of
 * the host's instruction. */
#include "x86/sse.h"

SSE_HELPER(pshufd)
{
	const uint32_t *s = src;
	uint32_t d[4];
	unsigned i;

	for (i = 0; i < 4; i++)
		d[i] = s[imm >> (2 * i) & 3];
	memcpy(dst, d, 16);
}

static void shuffle_words(void *dst, const void *src, unsigned imm, unsigned at)
{
	uint16_t s[8], d[8];
	unsigned i;

	memcpy(s, src, 16);
	memcpy(d, src, 16);
	for (i = 0; i < 4; i++)
		d[at + i] = s[at + (imm >> (2 * i) & 3)];
	memcpy(dst, d, 16);
}

SSE_HELPER(pshuflw)
{
	shuffle_words(dst, src, imm, 0);
}

SSE_HELPER(pshufhw)
{
	shuffle_words(dst, src, imm, 4);
}

SSE_HELPER(shufps)
{
	uint32_t a[4], b[4], d[4];

	memcpy(a, dst, 16);
	memcpy(b, src, 16);
	d[0] = a[imm & 3];
	d[1] = a[imm >> 2 & 3];
	d[2] = b[imm >> 4 & 3];
	d[3] = b[imm >> 6 & 3];
	memcpy(dst, d, 16);
}

SSE_HELPER(shufpd)
{
	uint64_t a[2], b[2], d[2];

	memcpy(a, dst, 16);
	memcpy(b, src, 16);
	d[0] = a[imm & 1];
	d[1] = b[imm >> 1 & 1];
	memcpy(dst, d, 16);
}

SSE_HELPER(palignr)
{
	uint8_t both[64] = {0};

	memcpy(both, src, 16);
	memcpy(both + 16, dst, 16);
	if (imm < 32)
		memcpy(dst, both + imm, 16);
	else
		memset(dst, 0, 16);
}

static void blend(void *dst, const void *src, unsigned imm, unsigned n)
{
	const unsigned size = 16 / n;
	unsigned i;

	for (i = 0; i < n; i++)
		if (imm >> i & 1)
			memcpy((uint8_t *)dst + i * size, (const uint8_t *)src + i * size, size);
}

SSE_HELPER(blendps)
{
	blend(dst, src, imm, 4);
}

SSE_HELPER(blendpd)
{
	blend(dst, src, imm, 2);
}

SSE_HELPER(pblendw)
{
	blend(dst, src, imm, 8);
}

/* The variable blends take the top bit of every element of XMM0. */
static void blendv(struct x86_cpu *cpu, void *dst, const void *src, unsigned n)
{
	const uint8_t *mask = (const uint8_t *)&cpu->xmm[0];
	const unsigned size = 16 / n;
	unsigned i, bits = 0;

	for (i = 0; i < n; i++)
		bits |= (unsigned)(mask[i * size + size - 1] >> 7) << i;
	blend(dst, src, bits, n);
}

SSE_HELPER(blendvps)
{
	blendv(cpu, dst, src, 4);
}

SSE_HELPER(blendvpd)
{
	blendv(cpu, dst, src, 2);
}

SSE_HELPER(pblendvb)
{
	blendv(cpu, dst, src, 16);
}

/* A memory source has its only element in place 0; bits 7:6 are ignored for it (the decoder clears
 * them). */
SSE_HELPER(insertps)
{
	const uint32_t *s = src;
	uint32_t d[4];
	unsigned i;

	memcpy(d, dst, 16);
	d[imm >> 4 & 3] = s[imm >> 6 & 3];
	for (i = 0; i < 4; i++)
		if (imm >> i & 1)
			d[i] = 0;
	memcpy(dst, d, 16);
}

SSE_HELPER(pslldq)
{
	uint8_t d[32] = {0};
	const unsigned n = imm > 16 ? 16 : imm;

	memcpy(d + n, dst, 16);
	memcpy(dst, d, 16);
}

SSE_HELPER(psrldq)
{
	uint8_t d[32] = {0};
	const unsigned n = imm > 16 ? 16 : imm;

	memcpy(d, dst, 16);
	memcpy(dst, d + n, 16);
}

/* Dot products: the host's own, from a table by immediate, so that the order of the sums and the
 * choice among NaNs agree. Eight bytes an entry. */
void x86_dot(void *dst, const void *src, const void *stub);
extern const uint8_t x86_dot_ps[256 * 8], x86_dot_pd[256 * 8];

__asm__(".text\n"
	".p2align 4\n"
	".hidden x86_dot, x86_dot_ps, x86_dot_pd\n"
	".globl x86_dot, x86_dot_ps, x86_dot_pd\n"
	".type x86_dot, @function\n"
	"x86_dot:\n"
	"	movdqu (%rdi), %xmm0\n"
	"	movdqu (%rsi), %xmm1\n"
	"	call *%rdx\n"
	"	movdqu %xmm0, (%rdi)\n"
	"	ret\n"
	".size x86_dot, .-x86_dot\n"
	".macro dot_table name, op\n"
	".p2align 4\n"
	"\\name:\n"
	".set imm, 0\n"
	".rept 256\n"
	"	.byte 0x66, 0x0f, 0x3a, \\op, 0xc1, imm, 0xc3, 0x90\n"
	"	.set imm, imm + 1\n"
	".endr\n"
	".endm\n"
	"dot_table x86_dot_ps, 0x40\n"
	"dot_table x86_dot_pd, 0x41\n");

SSE_HELPER(dpps)
{
	x86_dot(dst, src, x86_dot_ps + (imm & 0xff) * 8);
}

SSE_HELPER(dppd)
{
	x86_dot(dst, src, x86_dot_pd + (imm & 0xff) * 8);
}
