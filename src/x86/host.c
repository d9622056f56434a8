/* SPDX-License-Identifier: MIT */
#include "x86/host.h"

#include <cpuid.h>

#define AVX	(XFAM_SSE | XFAM_AVX)
#define AVX_512 (AVX | XFAM_AVX3)

/* By leaf, as each CPUID may be an exit to whoever runs this host. */
static const struct {
	enum x86_feature feature;
	uint64_t state; /* that the host's system must have enabled */
} rows[] = {
	{X86_F_FMA, AVX},
	{X86_F_AES, AVX},
	{X86_F_PCLMULQDQ, AVX},
	{X86_F_AVX, AVX},
	{X86_F_F16C, AVX},
	{X86_F_AVX2, AVX},
	{X86_F_GFNI, AVX},
	{X86_F_VAES, AVX},
	{X86_F_VPCLMULQDQ, AVX},
	{X86_F_AVX512F, AVX_512},
	{X86_F_AVX512DQ, AVX_512},
	{X86_F_AVX512CD, AVX_512},
	{X86_F_AVX512BW, AVX_512},
	{X86_F_AVX512VL, AVX_512},
	{X86_F_AVX512_IFMA, AVX_512},
	{X86_F_AVX512_VBMI, AVX_512},
	{X86_F_AVX512_VBMI2, AVX_512},
	{X86_F_AVX512_VNNI, AVX_512},
	{X86_F_AVX512_BITALG, AVX_512},
	{X86_F_AVX512_VPOPCNTDQ, AVX_512},
	{X86_F_AVX512_FP16, AVX_512},
	{X86_F_AVX_VNNI, AVX},
	{X86_F_AVX512_BF16, AVX_512},
};

static uint64_t enabled(void)
{
	uint32_t a, b, c = 0, d, low, high;

	if (!__get_cpuid(1, &a, &b, &c, &d) || !(c >> CPUID_ECX_OSXSAVE & 1))
		return 0;
	__asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
	return (uint64_t)high << 32 | low;
}

void x86_host_vectors(uint64_t features[X86_FEATURE_WORDS])
{
	const uint64_t state = enabled();
	uint32_t r[4] = {0}, leaf = 0, subleaf = 0;
	unsigned i;

	memset(features, 0, X86_FEATURE_WORDS * sizeof(features[0]));
	for (i = 0; state && i < sizeof(rows) / sizeof(rows[0]); i++) {
		const enum x86_feature f = rows[i].feature;
		const struct cpuid_feature *p = x86_place(f);

		if (p->leaf != leaf || p->subleaf != subleaf) {
			leaf = p->leaf;
			subleaf = p->subleaf;
			memset(r, 0, sizeof(r));
			(void)__get_cpuid_count(leaf, subleaf, &r[0], &r[1], &r[2], &r[3]);
		}
		if ((r[p->reg] >> p->bit & 1) && (state & rows[i].state) == rows[i].state)
			features[f / 64] |= 1ull << f % 64;
	}
}
