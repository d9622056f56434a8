/* SPDX-License-Identifier: MIT */
/* A VMCS: one page, every field the encodings of abi/vmcs.h name in a slot of its own.
 *
 * The page is the second one of a TDVPS. Its arrangement is the processor's secret on hardware and
 * ours here; all access goes through the functions below, as VMREAD and VMWRITE. Slots are grouped
 * by (width, type), so an encoding known at compile time becomes one load or store. Owned by
 * whoever holds the TDVPR. */
#ifndef MODULE_VMCS_H
#define MODULE_VMCS_H

#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include "arch/vmcs.h"

enum { VMCS_SLOTS = 320 };

struct vmcs {
	uint32_t revision, abort_indicator;
	uint64_t slot[VMCS_SLOTS];
	uint64_t reserved[511 - VMCS_SLOTS];
};
static_assert(sizeof(struct vmcs) == 4096, "a VMCS is one page");

/* First slot of a group of encodings and how many it has; index: width << 2 | type. In the header
 * so that the slot of an encoding known at compile time is known too. */
struct vmcs_group {
	uint16_t first, count;
};

static const struct vmcs_group vmcs_groups[16] = {
	[VMCS_WIDTH_16 << 2 | VMCS_TYPE_CONTROL] = {0, 16},
	[VMCS_WIDTH_16 << 2 | VMCS_TYPE_GUEST] = {16, 16},
	[VMCS_WIDTH_16 << 2 | VMCS_TYPE_HOST] = {32, 16},
	[VMCS_WIDTH_64 << 2 | VMCS_TYPE_CONTROL] = {48, 64},
	[VMCS_WIDTH_64 << 2 | VMCS_TYPE_READ_ONLY] = {112, 8},
	[VMCS_WIDTH_64 << 2 | VMCS_TYPE_GUEST] = {120, 32},
	[VMCS_WIDTH_64 << 2 | VMCS_TYPE_HOST] = {152, 16},
	[VMCS_WIDTH_32 << 2 | VMCS_TYPE_CONTROL] = {168, 32},
	[VMCS_WIDTH_32 << 2 | VMCS_TYPE_READ_ONLY] = {200, 8},
	[VMCS_WIDTH_32 << 2 | VMCS_TYPE_GUEST] = {208, 32},
	[VMCS_WIDTH_32 << 2 | VMCS_TYPE_HOST] = {240, 8},
	[VMCS_WIDTH_NATURAL << 2 | VMCS_TYPE_CONTROL] = {248, 16},
	[VMCS_WIDTH_NATURAL << 2 | VMCS_TYPE_READ_ONLY] = {264, 8},
	[VMCS_WIDTH_NATURAL << 2 | VMCS_TYPE_GUEST] = {272, 32},
	[VMCS_WIDTH_NATURAL << 2 | VMCS_TYPE_HOST] = {304, 16},
};

static inline unsigned vmcs_group_of(uint32_t encoding)
{
	return (encoding >> 13 & 3) << 2 | (encoding >> 10 & 3);
}

/* Does a VMCS have room for this encoding (bit 0, access to the upper half, is allowed only for
 * 64-bit fields)? VMREAD and VMWRITE of others fail. */
static inline bool vmcs_has(uint32_t encoding)
{
	return !(encoding & ~0x6fffu) &&
	       (encoding >> 1 & 0x1ff) < vmcs_groups[vmcs_group_of(encoding)].count &&
	       (!(encoding & 1) || (encoding >> 13 & 3) == VMCS_WIDTH_64);
}

/* The bits a field of this width keeps. */
static inline uint64_t vmcs_width_mask(uint32_t encoding)
{
	switch ((enum vmcs_width)(encoding >> 13 & 3)) {
	case VMCS_WIDTH_16:
		return 0xffff;
	case VMCS_WIDTH_32:
		return 0xffffffff;
	case VMCS_WIDTH_64:
	case VMCS_WIDTH_NATURAL:
		break;
	}
	return ~0ull;
}

/* The encoding must be one vmcs_has(). */
static inline unsigned vmcs_slot(uint32_t encoding)
{
	return vmcs_groups[vmcs_group_of(encoding)].first + (encoding >> 1 & 0x1ff);
}

static inline uint64_t vmcs_read(const struct vmcs *vmcs, uint32_t encoding)
{
	uint64_t v = vmcs->slot[vmcs_slot(encoding)];

	return encoding & 1 ? v >> 32 : v;
}

static inline void vmcs_write(struct vmcs *vmcs, uint32_t encoding, uint64_t value)
{
	uint64_t *slot = &vmcs->slot[vmcs_slot(encoding)];

	if (encoding & 1)
		*slot = (*slot & 0xffffffff) | value << 32;
	else
		*slot = value & vmcs_width_mask(encoding);
}

static inline void vmcs_set_bits(struct vmcs *vmcs, uint32_t encoding, uint64_t bits)
{
	vmcs_write(vmcs, encoding, vmcs_read(vmcs, encoding) | bits);
}

static inline void vmcs_clear_bits(struct vmcs *vmcs, uint32_t encoding, uint64_t bits)
{
	vmcs_write(vmcs, encoding, vmcs_read(vmcs, encoding) & ~bits);
}

#endif
