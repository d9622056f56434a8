/* SPDX-License-Identifier: MIT */
/* Lists of GPAs, a page of entries, that the calls on a session's memory work on.
 *
 * The operand: format 2:0, first entry 11:3, page 51:12, last entry 63:55. An entry is that of
 * abi/migration.h. The list is the host's and may change while it is read: an entry is read once
 * and written once.
 * ABI: GPA_LIST_INFO, GPA list entry. */
#ifndef MODULE_GPA_LIST_H
#define MODULE_GPA_LIST_H

#include "module/mig.h"
#include "module/sept.h"

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
