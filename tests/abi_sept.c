/* SPDX-License-Identifier: MIT */
/* Secure-EPT entries: states go into bits and come back, and the view a host gets hides the rest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "abi/sept.h"

#define KEYIDS	0x000fc00000000000ull
#define ADDRESS (0x0000000104000000ull | 0x21ull << 46)

static void every_state_survives_the_way_into_bits_and_back(void **state)
{
	for (unsigned i = 0; i < TDX_SEPT_STATES; i++) {
		const struct sept_state_info *info = &sept_states[i];

		assert_int_equal(info->bits, sept_encoding_bits(info->encoding));
		assert_int_equal(sept_encoding(info->bits), info->encoding);
		assert_int_equal(info->bits & ~SEPT_STATE_MASK, 0);
		assert_int_equal(sept_state(info->bits), (int)i);
		assert_int_equal(sept_state(info->bits | ~SEPT_STATE_MASK), (int)i);
		assert_int_equal(sept_bit_by_encoding[info->encoding], 1 << i);
		assert_int_equal(sept_state_by_public(info->public_state), (int)i);
	}
}

static void encodings_of_no_state_are_unknown_and_allowed_nowhere(void **state)
{
	unsigned known = 0;

	for (unsigned e = 0; e < 128; e++) {
		uint64_t entry = sept_encoding_bits(e);

		assert_int_equal(sept_encoding(entry), e);
		if (sept_state(entry) != TDX_SEPT_UNKNOWN) {
			known++;
			continue;
		}
		assert_false(sept_has(entry, 0));
		assert_false(sept_allows(tdx_seamcall_leaf(TDH_MEM_SEPT_RD), entry));
	}
	assert_int_equal(known, TDX_SEPT_STATES);
}

static void a_leaf_state_has_the_leaf_bit_and_no_other_state_does(void **state)
{
	for (unsigned i = 0; i < TDX_SEPT_STATES; i++)
		assert_int_equal(sept_is_leaf(sept_states[i].bits),
				 (sept_states[i].properties & SEPT_IS_LEAF) != 0);
}

static void pending_differs_from_mapped_in_one_bit(void **state)
{
	assert_int_equal(sept_states[TDX_SEPT_MAPPED].bits | SEPT_TDP,
			 sept_states[TDX_SEPT_PENDING].bits);
	assert_int_equal(sept_states[TDX_SEPT_EXPORTED_DIRTY].bits | SEPT_TDP,
			 sept_states[TDX_SEPT_PENDING_EXPORTED_DIRTY].bits);
}

static void the_pending_bit_is_the_property(void **state)
{
	for (unsigned i = 0; i < TDX_SEPT_STATES; i++)
		assert_int_equal((sept_states[i].bits & SEPT_TDP) != 0,
				 (sept_states[i].properties & SEPT_IS_PENDING) != 0);
}

static void the_guest_can_accept_what_the_leaf_table_says(void **state)
{
	const struct tdx_leaf_info *accept = tdx_tdcall_leaf(TDG_MEM_PAGE_ACCEPT);

	for (unsigned i = 0; i < TDX_SEPT_STATES; i++)
		assert_int_equal(sept_allows(accept, sept_states[i].bits),
				 sept_has(sept_states[i].bits, SEPT_IS_ACCEPTABLE));
}

static void a_free_entry_reads_as_suppressed_ve_alone(void **state)
{
	assert_true(sept_is_state(SEPT_FREE_ENTRY, TDX_SEPT_FREE));
	assert_int_equal(sept_arch_entry(SEPT_FREE_ENTRY | SEPT_LOCK | SEPT_HOST_PRIORITY, KEYIDS),
			 1ull << 63);
	assert_int_equal(sept_arch_info(SEPT_FREE_ENTRY, TDX_LEVEL_2M, 0), 0x001);
}

static void the_view_of_a_page_is_what_the_module_returns(void **state)
{
	uint64_t e = sept_make_leaf(TDX_SEPT_MAPPED, ADDRESS, SEPT_RWX);
	uint64_t p = sept_make_leaf(TDX_SEPT_PENDING, ADDRESS, 0);

	assert_int_equal(sept_arch_entry(e | SEPT_LOCK | SEPT_HOST_PRIORITY | SEPT_A, KEYIDS),
			 0x80000001040004f7ull);
	assert_int_equal(sept_arch_info(e, TDX_LEVEL_2M, 0), 0x401);
	assert_int_equal(sept_arch_entry(p, KEYIDS), 0x80000001040000f0ull);
	assert_int_equal(sept_arch_info(p, TDX_LEVEL_4K, 0), 0x200);
}

static void the_view_of_a_table_has_no_address(void **state)
{
	uint64_t e = sept_make_table(ADDRESS);

	assert_int_equal(sept_arch_entry(e, KEYIDS), 0x407);
	assert_int_equal(sept_arch_info(e, TDX_LEVEL_2M, 0), 0x8401);
	assert_int_equal(sept_address(e), ADDRESS);
}

static void a_change_of_state_keeps_address_permissions_and_locks(void **state)
{
	uint64_t e = sept_make_leaf(TDX_SEPT_MAPPED, ADDRESS, SEPT_RWX) | SEPT_LOCK;

	for (unsigned i = 0; i < TDX_SEPT_STATES; i++) {
		uint64_t changed = sept_with_state(e, (enum tdx_sept_state)i);

		assert_int_equal(sept_state(changed), (int)i);
		assert_int_equal(sept_address(changed), ADDRESS);
		assert_int_equal(changed & SEPT_RWX, SEPT_RWX);
		assert_true(changed & SEPT_LOCK);
		assert_true(changed & SEPT_SUPPRESS_VE);
		assert_int_equal(changed & SEPT_MT_MASK, changed & SEPT_PS ? SEPT_MT_WB : 0);
	}
	assert_int_equal(sept_with_state(sept_with_state(e, TDX_SEPT_BLOCKED), TDX_SEPT_MAPPED), e);
}

static void text_names_state_level_address_and_rights(void **state)
{
	char buf[64];

	assert_string_equal(sept_arch_format(0x80000001040004f7ull, 0x401, buf, sizeof(buf)),
			    "MAPPED 2M 0x104000000 RWXU");
	assert_string_equal(sept_arch_format(1ull << 63, 3, buf, sizeof(buf)), "FREE 512G");
	assert_string_equal(sept_arch_format(0x407, 0x8401, buf, sizeof(buf)), "NL_MAPPED 2M RWXU");
	assert_string_equal(sept_public_name(196), "L2_NL_MAPPED");
	assert_string_equal(sept_public_name(250), "UNKNOWN");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_state_survives_the_way_into_bits_and_back),
		cmocka_unit_test(encodings_of_no_state_are_unknown_and_allowed_nowhere),
		cmocka_unit_test(a_leaf_state_has_the_leaf_bit_and_no_other_state_does),
		cmocka_unit_test(pending_differs_from_mapped_in_one_bit),
		cmocka_unit_test(the_pending_bit_is_the_property),
		cmocka_unit_test(the_guest_can_accept_what_the_leaf_table_says),
		cmocka_unit_test(a_free_entry_reads_as_suppressed_ve_alone),
		cmocka_unit_test(the_view_of_a_page_is_what_the_module_returns),
		cmocka_unit_test(the_view_of_a_table_has_no_address),
		cmocka_unit_test(a_change_of_state_keeps_address_permissions_and_locks),
		cmocka_unit_test(text_names_state_level_address_and_rights),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
