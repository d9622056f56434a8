/* SPDX-License-Identifier: MIT */
/* PCMPxSTRx (SDM vol. 2, "Imm8 Control Byte Operation for PCMPESTRI ..."). */
#include "x86/flags.h"
#include "x86/sse.h"

struct strings {
	int32_t a[16],
		b[16];	 /* first operand: the set, ranges or needle; second: what is searched */
	unsigned n;	 /* elements of a vector */
	unsigned la, lb; /* how many of each are valid */
};

static int32_t element(const void *v, unsigned i, unsigned imm)
{
	switch (imm & 3) {
	case 0:
		return ((const uint8_t *)v)[i];
	case 1:
		return ((const uint16_t *)v)[i];
	case 2:
		return ((const int8_t *)v)[i];
	default:
		return ((const int16_t *)v)[i];
	}
}

static unsigned implicit_length(const int32_t *v, unsigned n)
{
	unsigned i;

	for (i = 0; i < n && v[i]; i++)
		;
	return i;
}

static unsigned explicit_length(uint64_t reg, unsigned n, bool wide)
{
	const int64_t v = wide ? (int64_t)reg : (int32_t)reg;
	const uint64_t len = v < 0 ? -(uint64_t)v : (uint64_t)v;

	return len > n ? n : (unsigned)len;
}

/* The aggregation of comparisons, IntRes1. */
static unsigned aggregate(const struct strings *s, unsigned imm)
{
	unsigned res = 0, i, j;

	for (j = 0; j < s->n; j++) {
		bool hit = false;

		switch (imm >> 2 & 3) {
		case 0: /* equal any */
			for (i = 0; i < s->la && j < s->lb; i++)
				hit = hit || s->a[i] == s->b[j];
			break;
		case 1: /* ranges */
			for (i = 0; i + 1 < s->la && j < s->lb; i += 2)
				hit = hit || (s->a[i] <= s->b[j] && s->b[j] <= s->a[i + 1]);
			break;
		case 2: /* equal each: two ends are equal, one is not */
			if (j < s->la && j < s->lb)
				hit = s->a[j] == s->b[j];
			else
				hit = j >= s->la && j >= s->lb;
			break;
		default: /* equal ordered: the needle starts here */
			hit = true;
			for (i = 0; i < s->la && j + i < s->n; i++)
				if (j + i >= s->lb || s->a[i] != s->b[j + i])
					hit = false;
			break;
		}
		res |= (unsigned)hit << j;
	}
	return res;
}

/* Compare, set the flags, give IntRes2. */
static unsigned compare(struct x86_cpu *cpu, const void *dst, const void *src, unsigned imm,
			bool explicit)
{
	const unsigned all = imm & 1 ? 0xff : 0xffff;
	struct strings s = {.n = imm & 1 ? 8 : 16};
	unsigned i, res;

	for (i = 0; i < s.n; i++) {
		s.a[i] = element(dst, i, imm);
		s.b[i] = element(src, i, imm);
	}
	if (explicit) {
		const bool wide = imm & 0x100;

		s.la = explicit_length(cpu->regs.rax, s.n, wide);
		s.lb = explicit_length(cpu->regs.rdx, s.n, wide);
	} else {
		s.la = implicit_length(s.a, s.n);
		s.lb = implicit_length(s.b, s.n);
	}
	res = aggregate(&s, imm);
	if ((imm >> 4 & 3) == 1)
		res ^= all;
	if ((imm >> 4 & 3) == 3)
		res ^= (1u << s.lb) - 1;
	res &= all;
	cpu->fl = (uint16_t)(FL_FIXED | (res ? FL_CF : 0) | (s.lb < s.n ? FL_ZF : 0) |
			     (s.la < s.n ? FL_SF : 0) | (res & 1 ? FL_OF : 0));
	return res;
}

static void index_of(struct x86_cpu *cpu, unsigned res, unsigned imm)
{
	const unsigned n = imm & 1 ? 8 : 16;

	if (!res)
		cpu->regs.rcx = n;
	else if (imm & 0x40)
		cpu->regs.rcx = 31u - (unsigned)__builtin_clz(res);
	else
		cpu->regs.rcx = (unsigned)__builtin_ctz(res);
}

static void mask_of(struct x86_cpu *cpu, unsigned res, unsigned imm)
{
	const unsigned n = imm & 1 ? 8 : 16, size = 16 / n;
	uint8_t *x = (uint8_t *)&cpu->xmm[0];
	unsigned i;

	memset(x, 0, 16);
	if (!(imm & 0x40)) {
		memcpy(x, &res, 2);
		return;
	}
	for (i = 0; i < n; i++)
		if (res >> i & 1)
			memset(x + i * size, 0xff, size);
}

SSE_HELPER(pcmpestri)
{
	index_of(cpu, compare(cpu, dst, src, imm, true), imm);
}

SSE_HELPER(pcmpistri)
{
	index_of(cpu, compare(cpu, dst, src, imm, false), imm);
}

SSE_HELPER(pcmpestrm)
{
	mask_of(cpu, compare(cpu, dst, src, imm, true), imm);
}

SSE_HELPER(pcmpistrm)
{
	mask_of(cpu, compare(cpu, dst, src, imm, false), imm);
}
