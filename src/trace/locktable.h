/* SPDX-License-Identifier: MIT */
/* Which locks a call takes, in order and mode, and what it answers when somebody else has one:
 * found by running it with a listener, and again with each lock held. */
#ifndef TRACE_LOCKTABLE_H
#define TRACE_LOCKTABLE_H

#include <swtdx/status.h>

#include "trace/subject.h"

enum { LOCKTABLE_MAX_ROWS = 24 };

enum lock_taken { TAKEN_SHARED, TAKEN_EXCLUSIVE, TAKEN_PROMOTED, TAKEN_MUTEX };

/* A column of the table: how somebody else has the lock. */
enum lock_held_by_other { OTHER_EXCLUSIVE, OTHER_SHARED, OTHER_PRIORITY, OTHER_NUM };

struct lock_row {
	enum lock_resource res;
	struct lock_key key;
	enum lock_taken taken;
	bool guest;
	struct {
		bool applies; /* this kind of lock can be held so */
		struct tdx_status status;
	} other[OTHER_NUM];
};

struct lock_table {
	const struct subject *subject;
	struct tdx_status status; /* of the call alone; 0 also when it entered or left a guest */
	unsigned nrows;
	struct lock_row row[LOCKTABLE_MAX_ROWS];
};

/* With the locks of a module version, NULL for the default. False: err says what went wrong. */
bool locktable_make(const struct subject *s, const struct module_profile *profile,
		    struct lock_table *t, char *err, size_t errlen);

/* "PAMT_4K", "0x100000000 (TDR)", "shared then promote-to-exclusive", as in the ABI's lock tables.
 */
const char *lock_row_key(const struct lock_row *row, char *buf, size_t len);
const char *lock_row_taken(const struct lock_row *row);
/* "ok", "-" or "TDX_OPERAND_BUSY|RCX". */
const char *lock_row_other(const struct lock_row *row, enum lock_held_by_other o, char *buf,
			   size_t len);

/* A column of the compact matrix: how the call takes the lock of that kind, "" when it does not.
 * The page is any but the TDR's; `other` names what has no column. */
enum lock_column {
	COLUMN_TDR,
	COLUMN_PAGE,
	COLUMN_TD,
	COLUMN_TREE,
	COLUMN_ENTRY,
	COLUMN_OTHER,
	COLUMN_NUM
};
const char *lock_column_name(enum lock_column c);
const char *lock_column(const struct lock_table *t, enum lock_column c, char *buf, size_t len);

/* Would the two calls, at one time, meet a busy lock? */
enum lock_conflict {
	CONFLICT_NONE,
	CONFLICT_SAME_PAGE, /* only on the same page or Secure-EPT entry */
	CONFLICT_ALWAYS,    /* within one TD, or everywhere */
};
enum lock_conflict locktable_conflict(const struct lock_table *a, const struct lock_table *b,
				      enum lock_resource *res);

#endif
