/* SPDX-License-Identifier: MIT */
/* Underflow that the guest has unmasked: a tiny result raises it also where it is exact, which the
 * host, computing with underflow masked, does not report. */
#include "x86/sse.h"

static const struct {
	x86_helper *helper;
	uint8_t size, count; /* of the results */
} rows[] = {
	{x86_addps, 4, 4},    {x86_addpd, 8, 2},    {x86_addss, 4, 1},	  {x86_addsd, 8, 1},
	{x86_subps, 4, 4},    {x86_subpd, 8, 2},    {x86_subss, 4, 1},	  {x86_subsd, 8, 1},
	{x86_mulps, 4, 4},    {x86_mulpd, 8, 2},    {x86_mulss, 4, 1},	  {x86_mulsd, 8, 1},
	{x86_divps, 4, 4},    {x86_divpd, 8, 2},    {x86_divss, 4, 1},	  {x86_divsd, 8, 1},
	{x86_addsubps, 4, 4}, {x86_addsubpd, 8, 2}, {x86_cvtpd2ps, 4, 2}, {x86_cvtsd2ss, 4, 1},
	{x86_haddps, 4, 4},   {x86_haddpd, 8, 2},   {x86_hsubps, 4, 4},	  {x86_hsubpd, 8, 2},
};

static bool denormal(const uint8_t *p, unsigned size)
{
	uint64_t v = 0;

	memcpy(&v, p, size);
	if (size == 4)
		return (v & 0x7f800000) == 0 && (v & 0x7fffff);
	return (v & 0x7ff0000000000000) == 0 && (v & 0xfffffffffffff);
}

bool x86_sse_tiny(x86_helper *helper, const void *result)
{
	unsigned i, k;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].helper != helper)
			continue;
		for (k = 0; k < rows[i].count; k++)
			if (denormal((const uint8_t *)result + k * rows[i].size, rows[i].size))
				return true;
	}
	return false;
}
