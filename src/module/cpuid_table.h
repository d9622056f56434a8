/* SPDX-License-Identifier: MIT */
/* How each CPUID leaf is checked on the platform and virtualised for a TD, bit by bit.
 *
 * One row a leaf and sub-leaf. The row number indexes plat.cpuid[], tdcs.cpuid_values[],
 * tdcs.cpuid_valid[] and tdvps.cpuid_control[]. Constant tables. */
#ifndef MODULE_CPUID_TABLE_H
#define MODULE_CPUID_TABLE_H

#include "machine/machine.h"
#include "module/td_layout.h"

enum {
	CPUID_ROWS = 79,
	CPUID_CONFIGS = 28,
	CPUID_NOT_CONFIGURABLE = 0xff,
	CPUID_NO_ROW = 0xff,
	CPUID_MIN_LAST_BASE_LEAF = 0x1f, /* what a platform must have */
	CPUID_LAST_BASE_LEAF = 0x23,	 /* what TDs are shown */
	CPUID_TOPOLOGY_LEVELS = 6,	 /* sub-leaves of leaf 0x1f */
};
static_assert((int)CPUID_ROWS <= (int)TD_MAX_CPUID, "room for every row in the TDCS");

#define CPUID_ANY_SUBLEAF    0xffffffffu
#define CPUID_FIRST_EXT_LEAF 0x80000000u
#define CPUID_LAST_EXT_LEAF  0x80000008u
#define CPUID_RESERVED_FIRST 0x40000000u
#define CPUID_RESERVED_LAST  0x4fffffffu

/* Leaves without a row that read as zero: bit n is leaf n, bit 52 + n is leaf 0x80000000 + n. */
#define CPUID_FIXED0_BITMAP   0x0380000508cfd308ull
#define CPUID_FIXED0_EXT_BASE 52
/* All bits with a meaning: base leaves, what is between them and the extended ones, those. */
#define CPUID_FIXED0_LEAVES 0x1fffffffffffffffull

struct cpuid_rule {
	struct cpuid_regs checked;  /* bits the platform must have ... */
	struct cpuid_regs expected; /* ... with this value */
	struct cpuid_regs same;	    /* bits that must agree on all processors */
	struct cpuid_regs cleared;  /* virtualised as 0 or computed when asked */
	struct cpuid_regs set;	    /* virtualised as 1 */
	struct cpuid_regs direct;   /* as TD_PARAMS says */
	struct cpuid_regs allowed;  /* native when TD_PARAMS allows it, else 0 */
	uint8_t config;		    /* index among the configurable leaves */
};

struct cpuid_key {
	uint32_t leaf, subleaf;
};

extern const struct cpuid_key cpuid_keys[CPUID_ROWS];
extern const struct cpuid_rule cpuid_rules[CPUID_ROWS];

/* The row of a leaf and sub-leaf, or CPUID_NO_ROW. */
unsigned cpuid_row(uint32_t leaf, uint32_t subleaf);

/* The row of a configurable leaf. */
unsigned cpuid_config_row(unsigned config);

/* Leaf and sub-leaf in one word, as statuses and metadata show them. */
static inline uint64_t cpuid_key_raw(unsigned row)
{
	return (uint64_t)cpuid_keys[row].subleaf << 32 | cpuid_keys[row].leaf;
}

/* Force the bits that no TD sees natively; applied to the platform's values by TDH.SYS.CONFIG. */
void cpuid_apply_fixed(unsigned row, struct cpuid_regs *r);

/* Clear the bits whose extended feature is not in XFAM. */
void cpuid_apply_xfam(unsigned row, uint64_t xfam, struct tdcs_cpuid_value *v);
/* Does the value have none of those bits set? */
bool cpuid_agrees_with_xfam(unsigned row, uint64_t xfam, const struct tdcs_cpuid_value *v);

/* Is this leaf, having no row, a leaf of zeros? */
static inline bool cpuid_fixed0(uint64_t bitmap, uint32_t leaf)
{
	if (leaf <= CPUID_LAST_BASE_LEAF)
		return bitmap >> leaf & 1;
	if (leaf >= CPUID_FIRST_EXT_LEAF && leaf <= CPUID_LAST_EXT_LEAF)
		return bitmap >> (leaf - CPUID_FIRST_EXT_LEAF + CPUID_FIXED0_EXT_BASE) & 1;
	return false;
}

#endif
