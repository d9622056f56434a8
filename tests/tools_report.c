/* SPDX-License-Identifier: MIT */
/* What is told of a kernel's coherency faults, and how much of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "tools/host_report.h"

/* What a function says on standard error: its lines. */
static unsigned lines_of(void (*say)(struct host_names *n), struct host_names *n, char *text,
			 size_t len)
{
	FILE *to = tmpfile();
	const int before = dup(STDERR_FILENO);
	unsigned lines = 0;
	size_t got;

	assert_non_null(to);
	fflush(stderr);
	assert_true(dup2(fileno(to), STDERR_FILENO) >= 0);
	say(n);
	fflush(stderr);
	assert_true(dup2(before, STDERR_FILENO) >= 0);
	close(before);
	rewind(to);
	while (fgets(text, (int)len, to))
		lines += strncmp(text, "host: ", 6) == 0;
	got = strlen(text);
	fclose(to);
	assert_true(got > 0);
	return lines;
}

static void one_page_again_and_again(struct host_names *n)
{
	const struct board_report r = {.what = "a page was used",
				       .duty = "a write-back",
				       .page = 0x200000,
				       .dirtied_by = "a leaf",
				       .during = "the host"};

	for (unsigned i = 0; i < 100000; i++)
		host_report(n, &r);
}

static void faults_without_end_are_not_told_without_end(void **state)
{
	static struct host_names n;
	char last[400];

	(void)state;
	assert_int_equal(host_names_start(&n, NULL), 0);
	assert_int_equal(lines_of(one_page_again_and_again, &n, last, sizeof(last)), 1001);
	assert_string_equal(last, "host: more coherency faults than 1000 are counted, not told\n");
	host_names_end(&n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(faults_without_end_are_not_told_without_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
