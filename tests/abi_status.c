/* SPDX-License-Identifier: MIT */
/* Completion status codes: every one named once, and questions that tell them apart. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <swtdx/status.h>

#define RECOVERABILITY 0xf000000000000000ull

static size_t nr_codes(void)
{
	size_t n = 0;

	while (tdx_status_at(n))
		n++;
	return n;
}

static void all_182_codes_are_listed_in_order_and_distinct(void **state)
{
	assert_int_equal(nr_codes(), 182);
	for (size_t i = 1; tdx_status_at(i); i++)
		assert_true(tdx_status_at(i - 1)->code < tdx_status_at(i)->code);
}

static void no_two_codes_share_a_name_or_a_class_and_number(void **state)
{
	for (size_t i = 0; tdx_status_at(i); i++) {
		const struct tdx_status_info *a = tdx_status_at(i);

		for (size_t k = i + 1; tdx_status_at(k); k++) {
			const struct tdx_status_info *b = tdx_status_at(k);

			assert_string_not_equal(a->name, b->name);
			assert_true(((a->code ^ b->code) & ~RECOVERABILITY) != 0);
		}
	}
}

static void every_code_has_empty_details_and_a_class_in_words(void **state)
{
	for (size_t i = 0; tdx_status_at(i); i++) {
		struct tdx_status s = tdx_error(tdx_status_at(i)->code);

		assert_int_equal(tdx_details(s), 0);
		assert_non_null(tdx_class_name(tdx_class(s)));
	}
}

static void every_code_is_found_again_by_value_and_by_name(void **state)
{
	for (size_t i = 0; tdx_status_at(i); i++) {
		const struct tdx_status_info *info = tdx_status_at(i);

		assert_ptr_equal(tdx_status_info(tdx_error(info->code)), info);
		assert_ptr_equal(tdx_status_info(tdx_error_num(info->code, 0xdeadbeef)), info);
		assert_ptr_equal(tdx_status_by_name(info->name), info);
	}
	assert_ptr_equal(tdx_status_by_name("OPERAND_BUSY"),
			 tdx_status_by_name("TDX_OPERAND_BUSY"));
	assert_null(tdx_status_by_name("TDX_OPERAND_BUS"));
	assert_null(tdx_status_by_name("OPERAND_BUSYX"));
	assert_null(tdx_status_by_name(""));
}

static void a_code_with_other_recoverability_bits_keeps_its_name(void **state)
{
	/* Linux knows TDX_NON_RECOVERABLE_TD without the fatal bit; an import ORs the bit in. */
	struct tdx_status linux_value = tdx_error(0x4000000200000000ull);

	assert_string_equal(tdx_status_name(linux_value), "TDX_NON_RECOVERABLE_TD");
	assert_true(tdx_status_info(linux_value)->code != tdx_code(linux_value));
	assert_false(tdx_is(linux_value, TDX_NON_RECOVERABLE_TD));
}

static void a_code_with_reserved_bits_or_of_no_class_is_unknown(void **state)
{
	assert_null(tdx_status_info(tdx_error(TDX_OPERAND_BUSY | 1ull << 48)));
	assert_null(tdx_status_info(tdx_error(0xc000ee0000000000ull)));
	assert_null(tdx_status_info(tdx_error(0x8000000000000000ull)));
	assert_string_equal(tdx_status_name(tdx_error(0xc000ee0000000000ull)),
			    "TDX_STATUS_UNKNOWN");
	assert_null(tdx_status_info(tdx_error(~0ull)));
	assert_string_equal(tdx_status_name(tdx_error(~0ull)), "UNINITIALIZE_ERROR");
}

static void S1_07_no_code_of_the_module_is_a_software_error(void **state)
{
	for (size_t i = 0; tdx_status_at(i); i++) {
		assert_false(tdx_is_sw_error(tdx_error(tdx_status_at(i)->code)));
		assert_false(tdx_is_sw_error(tdx_error_num(tdx_status_at(i)->code, 0xffffffff)));
	}
}

static void S1_07_the_three_software_errors_are(void **state)
{
	static const struct {
		uint64_t raw;
		const char *name;
	} sw[] = {
		{TDX_SEAMCALL_VMFAILINVALID, "TDX_SEAMCALL_VMFAILINVALID"},
		{TDX_SEAMCALL_GP, "TDX_SEAMCALL_GP"},
		{TDX_SEAMCALL_UD, "TDX_SEAMCALL_UD"},
	};

	for (size_t i = 0; i < 3; i++) {
		struct tdx_status s = tdx_error(sw[i].raw);

		assert_true(tdx_is_sw_error(s));
		assert_true(tdx_is_error(s));
		assert_false(tdx_is_busy(s));
		assert_string_equal(tdx_status_name(s), sw[i].name);
	}
}

static void S1_07_every_bit_of_the_mask_is_needed(void **state)
{
	for (unsigned bit = 0; bit < 64; bit++)
		if (TDX_SW_ERROR_MASK >> bit & 1)
			assert_false(tdx_is_sw_error(tdx_error(TDX_SEAMCALL_GP & ~(1ull << bit))));
}

static void S2_06_busy_is_recognised_with_every_operand(void **state)
{
	enum tdx_operand op;

	for (size_t i = 0; tdx_operand_at(i, &op); i++) {
		struct tdx_status s = tdx_error_op(TDX_OPERAND_BUSY, op);

		assert_true(tdx_is_busy(s));
		assert_int_equal(tdx_operand(s), op);
	}
	assert_true(tdx_is_busy(tdx_error_num(TDX_OPERAND_BUSY, 0xffffffff)));
}

static void S2_06_nothing_else_of_the_busy_class_counts_as_busy(void **state)
{
	for (size_t i = 0; tdx_status_at(i); i++) {
		uint64_t code = tdx_status_at(i)->code;

		assert_int_equal(tdx_is_busy(tdx_error(code)), code == TDX_OPERAND_BUSY);
	}
	assert_false(tdx_is_busy(tdx_error_op(TDX_PREVIOUS_TLB_EPOCH_BUSY, TDX_OPERAND_ID_RCX)));
	assert_false(tdx_is_busy(tdx_error(TDX_OPERAND_BUSY_HOST_PRIORITY)));
}

static void codes_without_bit_63_are_neither_errors_nor_success(void **state)
{
	assert_false(tdx_is_error(tdx_error(TDX_PAGE_ALREADY_ACCEPTED)));
	assert_false(tdx_is_success(tdx_error(TDX_PAGE_ALREADY_ACCEPTED)));
	assert_false(tdx_is_error(tdx_error(TDX_NON_RECOVERABLE_TD)));
	assert_true(tdx_is_fatal(tdx_error(TDX_NON_RECOVERABLE_TD)));
	assert_true(tdx_is_non_recoverable(tdx_error(TDX_NON_RECOVERABLE_VCPU)));
	assert_false(tdx_is_fatal(tdx_error(TDX_NON_RECOVERABLE_VCPU)));
	assert_true(tdx_is_host_recoverable(tdx_error(TDX_HOST_PRIORITY_BUSY_TIMEOUT)));
}

static void success_may_carry_an_exit_reason(void **state)
{
	assert_true(tdx_is_success(tdx_error_num(TDX_SUCCESS, 48)));
	assert_false(tdx_is_success(tdx_error(TDX_OPERAND_BUSY)));
}

static void all_52_operand_ids_are_named_in_order(void **state)
{
	enum tdx_operand op, previous = TDX_OPERAND_ID_RAX;
	size_t n = 0;

	for (; tdx_operand_at(n, &op); n++) {
		assert_true(n == 0 || op > previous);
		assert_non_null(tdx_operand_name(op));
		previous = op;
	}
	assert_int_equal(n, 52);
	assert_null(tdx_operand_name((enum tdx_operand)4));
	assert_null(tdx_operand_name((enum tdx_operand)0x100));
}

static void register_operands_are_x86_encodings(void **state)
{
	struct tdx_regs r = {.rcx = 1, .rdx = 2, .rbx = 3, .rbp = 5, .rsi = 6, .rdi = 7, .r8 = 8};

	for (unsigned i = 1; i <= 8; i++)
		if (i != 4)
			assert_int_equal(*tdx_reg(&r, i), i);
	assert_int_equal(TDX_OPERAND_ID_RBP, 5);
	assert_int_equal(TDX_OPERAND_ID_R8, 8);
}

static void details_are_packed_where_the_abi_has_them(void **state)
{
	struct tdx_status bytes = tdx_error_bytes(TDX_PAMT_OVERLAP, 1, 2, 3, 4);
	struct tdx_status pair = tdx_error_pair(TDX_L2_SEPT_WALK_FAILED, 2, 1);

	assert_int_equal(tdx_details(bytes), 0x04030201);
	assert_int_equal(tdx_details(pair), 0x00020001);
	assert_true(tdx_is(bytes, TDX_PAMT_OVERLAP));
	assert_int_equal(tdx_error_num(TDX_OPERAND_BUSY | 0x1234, 1).raw, TDX_OPERAND_BUSY | 1);
}

static void assert_text(uint64_t raw, const char *expected)
{
	char buf[TDX_STATUS_FORMAT_MAX];

	assert_string_equal(tdx_status_format(tdx_error(raw), buf, sizeof(buf)), expected);
}

static void text_shows_details_as_what_they_are(void **state)
{
	assert_text(0, "TDX_SUCCESS");
	assert_text(0x8000020000000092ull, "TDX_OPERAND_BUSY|SEPT_TREE");
	assert_text(TDX_OPERAND_INVALID, "TDX_OPERAND_INVALID|RAX");
	assert_text(TDX_PAGE_ALREADY_ACCEPTED, "TDX_PAGE_ALREADY_ACCEPTED");
	assert_text(TDX_OPERAND_INVALID | 200, "TDX_OPERAND_INVALID|0xc8");
	assert_text(TDX_INCONSISTENT_MSR | 0x3b, "TDX_INCONSISTENT_MSR|0x3b");
	assert_text(TDX_SEAMCALL_UD, "TDX_SEAMCALL_UD");
	assert_text(0xc000ee0000000001ull, "TDX_STATUS_UNKNOWN(0xc000ee0000000001)");
}

static void text_is_cut_to_the_buffer_and_terminated(void **state)
{
	char buf[12];

	memset(buf, 'x', sizeof(buf));
	tdx_status_format(tdx_error(TDX_OPERAND_BUSY), buf, 8);
	assert_string_equal(buf, "TDX_OPE");
	assert_int_equal(buf[8], 'x');
	memset(buf, 'x', sizeof(buf));
	tdx_status_format(tdx_error(TDX_OPERAND_BUSY), buf, 0);
	assert_int_equal(buf[0], 'x');
}

static void the_longest_text_fits_the_promised_room(void **state)
{
	char buf[2 * TDX_STATUS_FORMAT_MAX];

	for (size_t i = 0; tdx_status_at(i); i++) {
		tdx_status_format(tdx_error_num(tdx_status_at(i)->code, 0xffffffff), buf,
				  sizeof(buf));
		assert_true(strlen(buf) < TDX_STATUS_FORMAT_MAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_182_codes_are_listed_in_order_and_distinct),
		cmocka_unit_test(no_two_codes_share_a_name_or_a_class_and_number),
		cmocka_unit_test(every_code_has_empty_details_and_a_class_in_words),
		cmocka_unit_test(every_code_is_found_again_by_value_and_by_name),
		cmocka_unit_test(a_code_with_other_recoverability_bits_keeps_its_name),
		cmocka_unit_test(a_code_with_reserved_bits_or_of_no_class_is_unknown),
		cmocka_unit_test(S1_07_no_code_of_the_module_is_a_software_error),
		cmocka_unit_test(S1_07_the_three_software_errors_are),
		cmocka_unit_test(S1_07_every_bit_of_the_mask_is_needed),
		cmocka_unit_test(S2_06_busy_is_recognised_with_every_operand),
		cmocka_unit_test(S2_06_nothing_else_of_the_busy_class_counts_as_busy),
		cmocka_unit_test(codes_without_bit_63_are_neither_errors_nor_success),
		cmocka_unit_test(success_may_carry_an_exit_reason),
		cmocka_unit_test(all_52_operand_ids_are_named_in_order),
		cmocka_unit_test(register_operands_are_x86_encodings),
		cmocka_unit_test(details_are_packed_where_the_abi_has_them),
		cmocka_unit_test(text_shows_details_as_what_they_are),
		cmocka_unit_test(text_is_cut_to_the_buffer_and_terminated),
		cmocka_unit_test(the_longest_text_fits_the_promised_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
