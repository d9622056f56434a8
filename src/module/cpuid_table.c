/* SPDX-License-Identifier: MIT */
/* The table of CPUID leaves: its rows, and the bits that depend on XFAM. */
#include "module/cpuid_table.h"

#include <string.h>

#define ANY CPUID_ANY_SUBLEAF

/* Keys apart from the rules: a search then reads a few cache lines. */
const struct cpuid_key cpuid_keys[CPUID_ROWS] = {
#define ROW(row, leaf, subleaf, config, ...) [row] = {leaf, subleaf},
#include "module/cpuid_table.def"
#undef ROW
};

#define NOT_CONFIGURABLE CPUID_NOT_CONFIGURABLE
#define ALL		 0xffffffff
#define R(a, b, c, d)                                                                              \
	{                                                                                          \
		.eax = a, .ebx = b, .ecx = c, .edx = d                                             \
	}
const struct cpuid_rule cpuid_rules[CPUID_ROWS] = {
#define ROW(row, leaf, subleaf, config_, ...) [row] = {.config = config_, __VA_ARGS__},
#include "module/cpuid_table.def"
#undef ROW
};

/* The indices of configurable leaves alone: a search reads one cache line. */
static const uint8_t configs[CPUID_ROWS] = {
#define ROW(row, leaf, subleaf, config, ...) [row] = config,
#include "module/cpuid_table.def"
#undef ROW
};

/* Bits that read as 0 unless every one of the XFAM bits is set. */
static const struct xfam_rule {
	struct cpuid_key key;
	uint64_t xfam;
	struct cpuid_regs bits;
} xfam_rules[] = {
	{{0x1, ANY}, 1ull << 2, R(0, 0, 0x30001000, 0)},
	{{0x7, 0}, 1ull << 2, R(0, 0x20, 0x600, 0)},
	{{0x7, 0}, 7ull << 5, R(0, 0xdc230000, 0x5842, 0x80010c)},
	{{0x7, 0}, 1ull << 8, R(0, 0x2000000, 0, 0)},
	{{0x7, 0}, 1ull << 9, R(0, 0, 0x8, 0)},
	{{0x7, 0}, 3ull << 11, R(0, 0, 0x80, 0x100000)},
	{{0x7, 0}, 1ull << 14, R(0, 0, 0, 0x20)},
	{{0x7, 0}, 1ull << 15, R(0, 0, 0, 0x80000)},
	{{0x7, 0}, 3ull << 17, R(0, 0, 0, 0x3400000)},
	{{0x7, 1}, 1ull << 2, R(0x800010, 0, 0, 0x430)},
	{{0x7, 1}, 7ull << 5, R(0x20, 0, 0, 0)},
	{{0xd, 0}, 1ull << 2, R(0x4, 0, 0, 0)},
	{{0xd, 0}, 7ull << 5, R(0xe0, 0, 0, 0)},
	{{0xd, 0}, 1ull << 9, R(0x200, 0, 0, 0)},
	{{0xd, 0}, 3ull << 17, R(0x60000, 0, 0, 0)},
	{{0xd, 1}, 1ull << 8, R(0, 0, 0x100, 0)},
	{{0xd, 1}, 3ull << 11, R(0, 0, 0x1800, 0)},
	{{0xd, 1}, 1ull << 14, R(0, 0, 0x4000, 0)},
	{{0xd, 1}, 1ull << 15, R(0, 0, 0x8000, 0)},
};

unsigned cpuid_row(uint32_t leaf, uint32_t subleaf)
{
	for (unsigned row = 0; row < CPUID_ROWS; row++)
		if (cpuid_keys[row].leaf == leaf &&
		    (cpuid_keys[row].subleaf == ANY || cpuid_keys[row].subleaf == subleaf))
			return row;
	return CPUID_NO_ROW;
}

unsigned cpuid_config_row(unsigned config)
{
	const uint8_t *found =
		config < CPUID_CONFIGS ? memchr(configs, (int)config, CPUID_ROWS) : NULL;

	return found ? (unsigned)(found - configs) : CPUID_NO_ROW;
}

void cpuid_apply_fixed(unsigned row, struct cpuid_regs *r)
{
	const struct cpuid_rule *rule = &cpuid_rules[row];

	r->eax = (r->eax & ~rule->cleared.eax) | rule->set.eax;
	r->ebx = (r->ebx & ~rule->cleared.ebx) | rule->set.ebx;
	r->ecx = (r->ecx & ~rule->cleared.ecx) | rule->set.ecx;
	r->edx = (r->edx & ~rule->cleared.edx) | rule->set.edx;
}

/* The bits of the row that this XFAM takes away. */
static struct cpuid_regs bits_without_feature(unsigned row, uint64_t xfam)
{
	struct cpuid_regs bits = {0};

	for (unsigned i = 0; i < sizeof(xfam_rules) / sizeof(xfam_rules[0]); i++) {
		const struct xfam_rule *rule = &xfam_rules[i];

		if (rule->key.leaf != cpuid_keys[row].leaf ||
		    rule->key.subleaf != cpuid_keys[row].subleaf ||
		    (xfam & rule->xfam) == rule->xfam)
			continue;
		bits.eax |= rule->bits.eax;
		bits.ebx |= rule->bits.ebx;
		bits.ecx |= rule->bits.ecx;
		bits.edx |= rule->bits.edx;
	}
	return bits;
}

void cpuid_apply_xfam(unsigned row, uint64_t xfam, struct tdcs_cpuid_value *v)
{
	const struct cpuid_regs bits = bits_without_feature(row, xfam);

	v->eax &= ~bits.eax;
	v->ebx &= ~bits.ebx;
	v->ecx &= ~bits.ecx;
	v->edx &= ~bits.edx;
}

bool cpuid_agrees_with_xfam(unsigned row, uint64_t xfam, const struct tdcs_cpuid_value *v)
{
	const struct cpuid_regs bits = bits_without_feature(row, xfam);

	return !((v->eax & bits.eax) | (v->ebx & bits.ebx) | (v->ecx & bits.ecx) |
		 (v->edx & bits.edx));
}
