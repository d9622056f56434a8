/* SPDX-License-Identifier: MIT */
/* The table of CPUID leaves is consistent in itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "module/cpu_model.h"
#include "module/cpuid_table.h"

static void every_row_is_found_by_its_own_key(void **state)
{
	(void)state;
	for (unsigned row = 0; row < CPUID_ROWS; row++)
		assert_int_equal(cpuid_row(cpuid_keys[row].leaf, cpuid_keys[row].subleaf), row);
}

static void leaves_without_a_row_are_not_found(void **state)
{
	(void)state;
	assert_int_equal(cpuid_row(0x7, 3), CPUID_NO_ROW);
	assert_int_equal(cpuid_row(0x24, 0), CPUID_NO_ROW);
	assert_int_equal(cpuid_row(0x80000003, 0), CPUID_NO_ROW);
	assert_int_not_equal(cpuid_row(0x1, 77), CPUID_NO_ROW);
}

static void each_configurable_index_belongs_to_one_row(void **state)
{
	unsigned configurable = 0;

	(void)state;
	for (unsigned row = 0; row < CPUID_ROWS; row++)
		configurable += cpuid_rules[row].config != CPUID_NOT_CONFIGURABLE;
	assert_int_equal(configurable, CPUID_CONFIGS);
	for (unsigned c = 0; c < CPUID_CONFIGS; c++)
		assert_int_not_equal(cpuid_config_row(c), CPUID_NO_ROW);
}

static void assert_disjoint(const struct cpuid_regs *a, const struct cpuid_regs *b)
{
	assert_int_equal(
		(a->eax & b->eax) | (a->ebx & b->ebx) | (a->ecx & b->ecx) | (a->edx & b->edx), 0);
}

static void a_bit_is_virtualised_in_one_way_only(void **state)
{
	(void)state;
	for (unsigned row = 0; row < CPUID_ROWS; row++) {
		const struct cpuid_rule *r = &cpuid_rules[row];

		assert_disjoint(&r->cleared, &r->set);
		assert_disjoint(&r->cleared, &r->direct);
		assert_disjoint(&r->cleared, &r->allowed);
		assert_disjoint(&r->set, &r->direct);
		assert_disjoint(&r->set, &r->allowed);
		assert_disjoint(&r->direct, &r->allowed);
	}
}

static void expected_values_lie_within_the_checked_bits(void **state)
{
	(void)state;
	for (unsigned row = 0; row < CPUID_ROWS; row++) {
		const struct cpuid_rule *r = &cpuid_rules[row];

		assert_int_equal(r->expected.eax & ~r->checked.eax, 0);
		assert_int_equal(r->expected.ebx & ~r->checked.ebx, 0);
		assert_int_equal(r->expected.ecx & ~r->checked.ecx, 0);
		assert_int_equal(r->expected.edx & ~r->checked.edx, 0);
	}
}

static void a_feature_needs_all_its_xfam_bits(void **state)
{
	struct tdcs_cpuid_value v = {.ebx = 0xdc230000};
	const unsigned row = cpuid_row(0x7, 0);

	(void)state;
	assert_true(cpuid_agrees_with_xfam(row, 0xe7, &v));
	assert_false(cpuid_agrees_with_xfam(row, 0xa7, &v));
	cpuid_apply_xfam(row, 0xe7, &v);
	assert_int_equal(v.ebx, 0xdc230000);
	cpuid_apply_xfam(row, 0xa7, &v);
	assert_int_equal(v.ebx, 0);
}

static void a_td_may_claim_an_older_processor_but_no_newer_one(void **state)
{
	(void)state;
	assert_true(cpu_model_allowed(0xc06f2, 0x806f8));
	assert_true(cpu_model_allowed(0xc06f2, 0xc06f1));
	assert_false(cpu_model_allowed(0xc06f1, 0xc06f2));
	assert_false(cpu_model_allowed(0x806f8, 0xc06f2));
	assert_false(cpu_model_allowed(0xc06f2, 0x806f9));
	assert_false(cpu_model_allowed(0x806f8, 0x306f0));
	assert_int_equal(cpu_model_count(0x806f8), 1);
	assert_int_equal(cpu_model_entry(0xc06f2, 1), 0x806f8);
	assert_int_equal(cpu_model_entry(0xc06f2, 2), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_is_found_by_its_own_key),
		cmocka_unit_test(leaves_without_a_row_are_not_found),
		cmocka_unit_test(each_configurable_index_belongs_to_one_row),
		cmocka_unit_test(a_bit_is_virtualised_in_one_way_only),
		cmocka_unit_test(expected_values_lie_within_the_checked_bits),
		cmocka_unit_test(a_feature_needs_all_its_xfam_bits),
		cmocka_unit_test(a_td_may_claim_an_older_processor_but_no_newer_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
