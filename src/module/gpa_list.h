/* SPDX-License-Identifier: MIT */
/* Lists of GPAs, a page of entries, that the calls on a session's memory work on.
 *
 * The operand: format 2:0, first entry 11:3, page 51:12, last entry 63:55. An entry: level 1:0, 0;
 * pending 2; L2 aliases 9:7; type 11:10; GPA 51:12; operation 53:52; status 60:56. The list is the
 * host's and may change while it is read: an entry is read once and written once.
 * ABI: GPA_LIST_INFO, GPA list entry. */
#ifndef MODULE_GPA_LIST_H
#define MODULE_GPA_LIST_H

#include "module/mig.h"
#include "module/sept.h"

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

#define GPA_ENTRY_PENDING  (1ull << 2)
#define GPA_ENTRY_ALIASES  (7ull << 7)
#define GPA_ENTRY_RESERVED (3ull | 0xfull << 3 | 3ull << 54 | 7ull << 61)

struct gpa_list {
	uint64_t info;
	uint64_t *entry; /* NULL: no RAM */
	unsigned first, last;
	bool attributes; /* a list of L2 attributes comes with it */
};

/* Everything about RCX but whether the leaf takes lists with attributes. */
struct tdx_status gpa_list_operand(const struct tx *tx, uint64_t info, struct gpa_list *list);
/* The operand with another first entry; after the last of 512 it is 0 again. */
uint64_t gpa_list_at(uint64_t info, unsigned first);

static inline enum gpa_operation gpa_operation(uint64_t e)
{
	return (enum gpa_operation)(e >> 52 & 3);
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

/* The entry names private memory of the TD. */
bool gpa_entry_valid(const struct td *td, uint64_t e);

/* Walk to the entry of the Secure EPT and lock it: GPA_OK, GPA_WALK_FAILED or GPA_ENTRY_BUSY. */
enum gpa_status gpa_list_walk(struct tx *tx, const struct td *td, uint64_t e, struct sept_ref *ref);
/* GPA_STATE_INCORRECT unless the leaf works on entries in this state. */
enum gpa_status gpa_list_state(const struct tx *tx, const struct sept_ref *ref);

/* --- TDH.EXPORT.BLOCKW and RESTORE: the same call but for what is done to an entry --- */

typedef bool gpa_list_fn(struct tx *tx, struct td *td, struct sept_ref *ref);

/* `out`: RCX. `fn` changes the entry, locked and in a state the leaf takes, and releases it; false:
 * broken state, the processor is dead. */
struct tdx_status gpa_list_run(struct tx *tx, uint64_t info, hpa_t tdr, gpa_list_fn *fn,
			       uint64_t *out);

#endif
