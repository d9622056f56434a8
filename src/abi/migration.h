/* SPDX-License-Identifier: MIT */
/* What a migration session's calls pass through memory: what a bundle says of itself (MBMD), lists
 * of GPAs and lists of pages.
 *
 * A list is a page of words. Of a GPA list entry: level 1:0, 0; pending 2; L2 aliases 9:7; type
 * 11:10; GPA 51:12; operation 53:52; status 60:56. Of a page list: an address and the bits below.
 * ABI: module 1.5.25, "TD Migration". */
#ifndef ABI_MIGRATION_H
#define ABI_MIGRATION_H

#include <swtdx/types.h>

enum { MIG_PAGE_WORDS = 512, MIG_LIST_ENTRIES = 512, MIG_MACS_IN_PAGE = 256, MIG_MAC_SIZE = 16 };

/* --- bundles --- */

enum mbmd_type {
	MBMD_IMMUTABLE = 0,
	MBMD_TD = 1,
	MBMD_VP = 2,
	MBMD_MEM = 16,
	MBMD_EPOCH_TOKEN = 32,
	MBMD_ABORT_TOKEN = 33,
};

/* What a bundle says of itself; `specific` is by type. All but stream, iv_counter and mac is
 * authenticated. */
struct mbmd {
	uint16_t size, version, stream;
	uint8_t type, reserved;
	uint32_t counter, epoch;
	uint64_t iv_counter;
	uint64_t specific;
	uint8_t mac[MIG_MAC_SIZE];
};
_Static_assert(sizeof(struct mbmd) == 48, "MBMD");
enum { MBMD_AAD_SIZE = 32, MBMD_ALIGN = 128 };

/* Of the immutable state's `specific`. */
#define MBMD_IMM_STREAMS(s)   ((uint16_t)(s))
#define MBMD_IMM_SYS_PAGES(s) ((uint8_t)((s) >> 32))
#define MBMD_IMM_RESERVED     0xffffff00ffff0000ull

/* The epoch of a token that ends the in-order phase, and of all that comes after it. */
#define MIG_EPOCH_OUT_OF_ORDER 0xffffffffu
#define MIG_EPOCH_LAST	       0xfffffffeu

/* Bits of an entry of a page list. */
#define MIG_PAGE_REMOVED (1ull << 61)
#define MIG_PAGE_INVALID (1ull << 63)

/* --- entries of a GPA list --- */

enum gpa_operation { GPA_NOP = 0, GPA_MIGRATE = 1, GPA_CANCEL = 2, GPA_REMIGRATE = 3 };

enum gpa_status {
	GPA_OK = 0,
	GPA_SKIPPED = 1,
	GPA_WALK_FAILED = 2,
	GPA_ENTRY_BUSY = 3,
	GPA_STATE_INCORRECT = 4,
	GPA_TRACKING_NOT_DONE = 5,
	GPA_OP_STATE_INCORRECT = 6,
	GPA_MIGRATED_IN_EPOCH = 7,
	GPA_NO_BUFFER = 8,
	GPA_NO_NEW_PAGE = 9,
	GPA_WRONG_MAC = 10,
	GPA_OVER_REMOVED = 11,
	GPA_PAGE_BUSY = 12,
	GPA_L2_WALK_FAILED = 13,
	GPA_ATTRIBUTES_INVALID = 14,
	GPA_INVALID = 15,
	GPA_BUFFER_INVALID = 16,
};

#define GPA_ENTRY_ALIASES_SHIFT 7 /* of L2 VM 1 */
#define GPA_ENTRY_PENDING	(1ull << 2)
#define GPA_ENTRY_ALIASES	(7ull << GPA_ENTRY_ALIASES_SHIFT)
#define GPA_ENTRY_RESERVED	(3ull | 0xfull << 3 | 3ull << 54 | 7ull << 61)
#define GPA_ENTRY_ADDRESS	0x000ffffffffff000ull

static inline enum gpa_operation gpa_operation(uint64_t e)
{
	return (enum gpa_operation)(e >> 52 & 3);
}

static inline enum gpa_status gpa_status_of(uint64_t e)
{
	return (enum gpa_status)(e >> 56 & 0x1f);
}

static inline uint64_t gpa_with_operation(uint64_t e, enum gpa_operation op)
{
	return (e & ~(3ull << 52)) | (uint64_t)op << 52;
}

static inline uint64_t gpa_with_status(uint64_t e, enum gpa_status status)
{
	return (e & ~(0x1full << 56)) | (uint64_t)status << 56;
}

/* One that was not done. */
static inline uint64_t gpa_refused(uint64_t e, enum gpa_status status)
{
	return gpa_with_status(gpa_with_operation(e, GPA_NOP), status);
}

static inline uint64_t gpa_entry_alias(unsigned vm)
{
	return 1ull << (6 + vm);
}

static inline bool gpa_entry_well_formed(uint64_t e)
{
	return !(e & GPA_ENTRY_RESERVED);
}

#endif
