/* SPDX-License-Identifier: MIT */
/* A VMCS page keeps every field apart from every other and cuts values to the field's width. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "module/vmcs.h"

static void every_field_has_a_slot_of_its_own(void **state)
{
	static struct vmcs vmcs;
	unsigned fields = 0;

	(void)state;
	for (uint32_t e = 0; e < 0x7000; e += 2) {
		if (!vmcs_has(e))
			continue;
		assert_true(vmcs_slot(e) < VMCS_SLOTS);
		vmcs_write(&vmcs, e, e + 1);
		fields++;
	}
	for (uint32_t e = 0; e < 0x7000; e += 2)
		if (vmcs_has(e))
			assert_int_equal(vmcs_read(&vmcs, e), e + 1);
	assert_true(fields > 250);
}

static void a_field_keeps_only_the_bits_of_its_width(void **state)
{
	static struct vmcs vmcs;

	(void)state;
	vmcs_write(&vmcs, VMCS_VPID, ~0ull);
	vmcs_write(&vmcs, VMCS_PINBASED_CTLS, ~0ull);
	vmcs_write(&vmcs, VMCS_TSC_OFFSET, ~0ull);
	vmcs_write(&vmcs, VMCS_GUEST_RIP, ~0ull);
	assert_int_equal(vmcs_read(&vmcs, VMCS_VPID), 0xffff);
	assert_int_equal(vmcs_read(&vmcs, VMCS_PINBASED_CTLS), 0xffffffff);
	assert_int_equal(vmcs_read(&vmcs, VMCS_TSC_OFFSET), ~0ull);
	assert_int_equal(vmcs_read(&vmcs, VMCS_GUEST_RIP), ~0ull);
}

static void high_access_reaches_the_upper_half_of_64_bit_fields_only(void **state)
{
	static struct vmcs vmcs;

	(void)state;
	assert_true(vmcs_has(VMCS_TSC_OFFSET | 1));
	assert_false(vmcs_has(VMCS_GUEST_RIP | 1));
	assert_false(vmcs_has(VMCS_EXIT_CTLS | 1));
	vmcs_write(&vmcs, VMCS_TSC_OFFSET, 0x1111111122222222);
	vmcs_write(&vmcs, VMCS_TSC_OFFSET | 1, 0x33333333);
	assert_int_equal(vmcs_read(&vmcs, VMCS_TSC_OFFSET), 0x3333333322222222);
	assert_int_equal(vmcs_read(&vmcs, VMCS_TSC_OFFSET | 1), 0x33333333);
}

static void encodings_outside_the_vmcs_are_refused(void **state)
{
	(void)state;
	assert_false(vmcs_has(0x0400)); /* no 16-bit read-only data */
	assert_false(vmcs_has(0x1000));
	assert_false(vmcs_has(0x80000000u | VMCS_VPID));
	assert_false(vmcs_has(0x21fe));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_field_has_a_slot_of_its_own),
		cmocka_unit_test(a_field_keeps_only_the_bits_of_its_width),
		cmocka_unit_test(high_access_reaches_the_upper_half_of_64_bit_fields_only),
		cmocka_unit_test(encodings_outside_the_vmcs_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
