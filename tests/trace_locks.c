/* SPDX-License-Identifier: MIT */
/* The locks each leaf takes, from executed calls, against the rows measured on the real module; and
 * what follows from them for a teardown (S0-11, S0.3). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include <swtdx/status.h>

#include "module/profile.h"
#include "trace/locktable.h"

static const struct expected {
	const char *subject, *resource, *key, *taken, *other[OTHER_NUM];
} rows[] = {
#define LOCK(s, r, k, t, x, sh, hp) {s, #r, k, t, {x, sh, hp}},
#define NO_LOCK(s)		    {s, NULL, NULL, NULL, {NULL}},
#include "lock_rows.def"
};

enum { NUM_ROWS = sizeof(rows) / sizeof(rows[0]) };

static const struct subject *find(const char *name)
{
	for (unsigned i = 0; i < num_subjects; i++)
		if (strcmp(subjects[i].name, name) == 0)
			return &subjects[i];
	fail_msg("there is no subject \"%s\"", name);
	return NULL;
}

static void table_of(const char *name, struct lock_table *t)
{
	char err[256];

	if (!locktable_make(find(name), NULL, t, err, sizeof(err)))
		fail_msg("%s", err);
	if (!tdx_is_success(t->status))
		fail_msg("%s alone: %s", name, tdx_status_format(t->status, err, sizeof(err)));
}

static unsigned compare_row(const struct lock_row *row, unsigned n, const struct expected *e)
{
	char key[64], text[96];
	unsigned bad = 0;

	bad += strcmp(lock_resource_name(row->res), e->resource) != 0;
	bad += strcmp(lock_row_key(row, key, sizeof(key)), e->key) != 0;
	bad += strcmp(lock_row_taken(row), e->taken) != 0;
	if (bad)
		print_error("%s lock %u: is %s %s %s, measured %s %s %s\n", e->subject, n,
			    lock_resource_name(row->res), key, lock_row_taken(row), e->resource,
			    e->key, e->taken);
	for (unsigned o = 0; o < OTHER_NUM; o++)
		if (strcmp(lock_row_other(row, o, text, sizeof(text)), e->other[o]) != 0) {
			print_error("%s lock %u %s %s, case %u: answers %s, measured %s\n",
				    e->subject, n, e->resource, key, o, text, e->other[o]);
			bad++;
		}
	return bad;
}

static void every_lock_of_every_leaf_is_the_measured_one(void **state)
{
	unsigned bad = 0, leaves = 0;

	for (unsigned i = 0; i < NUM_ROWS; leaves++) {
		struct lock_table t;
		unsigned n = 0;

		table_of(rows[i].subject, &t);
		for (; i + n < NUM_ROWS && strcmp(rows[i + n].subject, rows[i].subject) == 0; n++)
			if (rows[i + n].resource && n < t.nrows)
				bad += compare_row(&t.row[n], n + 1, &rows[i + n]);
		if (t.nrows != (rows[i].resource ? n : 0)) {
			print_error("%s takes %u locks, measured %u\n", rows[i].subject, t.nrows,
				    rows[i].resource ? n : 0);
			bad++;
		}
		i += n;
	}
	assert_int_equal(bad, 0);
	assert_true(leaves >= 68);
}

/* S0.3: what RECLAIM of one page takes is exclusive only on that page; the rest is shared. */
static void reclaim_excludes_nobody_but_users_of_the_same_page(void **state)
{
	static const char *const targets[] = {"page-reclaim", "page-reclaim-tdr"};

	for (unsigned i = 0; i < 2; i++) {
		struct lock_table t;

		table_of(targets[i], &t);
		for (unsigned n = 0; n < t.nrows; n++) {
			bool target = t.row[n].res == LOCK_PAMT_4K && n == 2;

			assert_int_equal(t.row[n].taken, target ? TAKEN_EXCLUSIVE : TAKEN_SHARED);
		}
	}
}

static void two_reclaims_conflict_on_the_same_page_alone(void **state)
{
	struct lock_table page, tdr;
	enum lock_resource res = LOCK_NUM_RESOURCES;

	table_of("page-reclaim", &page);
	table_of("page-reclaim-tdr", &tdr);
	assert_int_equal(locktable_conflict(&page, &page, &res), CONFLICT_SAME_PAGE);
	assert_int_equal(res, LOCK_PAMT_4K);
	/* the TDR is locked by every reclaim of the TD's pages */
	assert_int_equal(locktable_conflict(&tdr, &page, &res), CONFLICT_ALWAYS);
}

static const char *tree_of_suspect(const char *version, char *buf, size_t len)
{
	struct lock_table t;
	char err[256];

	assert_non_null(module_profile_by_name(version));
	if (!locktable_make(find("vp-enter-suspect"), module_profile_by_name(version), &t, err,
			    sizeof(err)))
		fail_msg("%s", err);
	return lock_column(&t, COLUMN_TREE, buf, len);
}

/* The lock of a suspected vCPU's entry became weaker between the two. */
static void entry_of_a_suspect_takes_the_tree_as_its_version_does(void **state)
{
	char buf[64];

	assert_string_equal(tree_of_suspect("1.5.25", buf, sizeof(buf)), "SH");
	assert_string_equal(tree_of_suspect("1.5.01", buf, sizeof(buf)), "EX");
}

/* The matrix that KVM's developers drew by hand when they looked for a retry policy. */
static void compact_matrix_is_the_one_drawn_by_hand(void **state)
{
	static const struct {
		const char *subject, *column[COLUMN_NUM];
	} matrix[] = {
		{"page-add", {"EX", "EX", "", "", "", ""}},
		{"sept-add", {"SH", "EX", "SH", "SH", "HOST,EX", ""}},
		{"page-aug-4k", {"SH", "EX", "SH", "SH", "HOST,EX", ""}},
		{"range-block-4k", {"SH", "", "SH", "EX", "HOST,EX", ""}},
		{"mem-track", {"SH", "", "SH", "", "", "EPOCH EX"}},
		{"page-remove", {"SH", "EX", "SH", "SH", "HOST,EX", ""}},
		{"page-reclaim", {"SH", "EX", "", "", "", ""}},
		{"page-reclaim-tdr", {"EX", "", "", "", "", ""}},
		{"vp-enter", {"SH", "SH", "SH", "", "", "EPOCH SH"}},
		{"tdg-accept", {"", "", "", "", "GUEST,EX", ""}},
		{"tdg-page-attr-rd", {"", "", "", "", "GUEST,EX", ""}},
		{"tdg-page-attr-wr", {"", "", "", "", "GUEST,EX", ""}},
	};

	for (size_t i = 0; i < sizeof(matrix) / sizeof(matrix[0]); i++) {
		struct lock_table t;
		char buf[128];

		table_of(matrix[i].subject, &t);
		for (unsigned c = 0; c < COLUMN_NUM; c++)
			assert_string_equal(lock_column(&t, c, buf, sizeof(buf)),
					    matrix[i].column[c]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_lock_of_every_leaf_is_the_measured_one),
		cmocka_unit_test(reclaim_excludes_nobody_but_users_of_the_same_page),
		cmocka_unit_test(entry_of_a_suspect_takes_the_tree_as_its_version_does),
		cmocka_unit_test(compact_matrix_is_the_one_drawn_by_hand),
		cmocka_unit_test(two_reclaims_conflict_on_the_same_page_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
