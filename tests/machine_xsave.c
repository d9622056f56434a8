/* SPDX-License-Identifier: MIT */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "machine/machine.h"

static int start(void **state)
{
	struct machine_config cfg;
	char err[128];

	machine_default_config(&cfg);
	*state = machine_new(&cfg, err, sizeof(err));
	return *state ? 0 : -1;
}

static int end(void **state)
{
	machine_free(*state);
	return 0;
}

static void sizes_follow_xcr0(void **state)
{
	struct machine *m = *state;
	struct machine_lp *lp = &m->lp[0];

	assert_int_equal(machine_cpuid(lp, 0xd, 0).ebx, 0x2b00);
	assert_int_equal(machine_xsave_size(lp, 1, false), 576);
	assert_int_equal(machine_xsave_size(lp, 1, true), 576);
	assert_int_equal(machine_xsave_size(lp, 7, false), 576 + 256);
	assert_int_equal(machine_xsave_size(lp, 0xe7, false), 0xa80);
	assert_int_equal(machine_xsave_size(lp, 0xe7, true), 0x980); /* no holes */
	/* the maximum never changes */
	assert_int_equal(machine_cpuid(lp, 0xd, 0).ecx, 0x2b00);
}

static void supervisor_components_count_in_the_compacted_image_only(void **state)
{
	struct machine *m = *state;
	struct machine_lp *lp = &m->lp[0];

	assert_int_equal(machine_xsave_size(lp, 3, false), 576);
	assert_int_equal(machine_xsave_size(lp, 3 | 3 << 11, true), 576 + 0x10 + 0x18);
}

static void all_of_xcr0_computed_is_what_the_platform_says(void **state)
{
	struct machine *m = *state;

	assert_int_equal(machine_xsave_size(&m->lp[0], m->lp[0].xcr0, false), 0x2b00);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(sizes_follow_xcr0, start, end),
		cmocka_unit_test_setup_teardown(
			supervisor_components_count_in_the_compacted_image_only, start, end),
		cmocka_unit_test_setup_teardown(all_of_xcr0_computed_is_what_the_platform_says,
						start, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
