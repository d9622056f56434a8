/* SPDX-License-Identifier: MIT */
/* Tests with something before the first and after the last. cmocka prints that a group's teardown
 * fails, and counts it for nothing: the program passes. Here it counts. */
#ifndef TESTS_GROUP_H
#define TESTS_GROUP_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct {
	int (*off)(void **state);
	bool failed;
} group;

/* An assertion that does not hold leaves it in the middle. */
static inline int group_off(void **state)
{
	group.failed = true;
	if (group.off && group.off(state))
		return 1;
	group.failed = false;
	return 0;
}

static inline int group_ends(int failed)
{
	return failed + group.failed;
}

/* What main() returns; on and off as cmocka_run_group_tests() has them. */
#define RUN_GROUP(tests, on, off_)                                                                 \
	(group.off = (off_), group_ends(cmocka_run_group_tests(tests, on, group_off)))

#endif
