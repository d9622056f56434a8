/* SPDX-License-Identifier: MIT */
/* Words with fields in them: GPA and level, exit qualifications; names of TDVMCALLs and TD bits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <swtdx/structs.h>

#include "abi/ghci.h"
#include "abi/operand.h"
#include "abi/eeq.h"
#include "arch/vmx.h"

static void gpa_and_level_share_a_word(void **state)
{
	uint64_t word = gpa_level_pack(gpa(0x400000), TDX_LEVEL_2M);

	assert_int_equal(word, 0x400001);
	assert_int_equal(gpa_level_gpa(word).v, 0x400000);
	assert_int_equal(gpa_level_level(word), TDX_LEVEL_2M);
	assert_true(gpa_level_valid(word));
}

static void a_word_with_a_stray_bit_is_refused(void **state)
{
	for (unsigned bit = 0; bit < 64; bit++)
		if (GPA_LEVEL_RESERVED >> bit & 1)
			assert_false(gpa_level_valid(1ull << bit));
	assert_false(gpa_level_valid(5));
	assert_false(gpa_level_valid(0x401001)); /* not a multiple of 2M */
	assert_true(gpa_level_valid(0));
}

static void exits_have_names(void **state)
{
	assert_int_equal(VMX_EXIT_TDCALL, 77);
	assert_string_equal(vmx_exit_name(48), "EPT_VIOLATION");
	assert_string_equal(vmx_exit_name(38), "UNKNOWN");
	assert_string_equal(vmx_exit_name(78), "UNKNOWN");
	assert_string_equal(tdx_eeq_name(TDX_EEQ_ACCEPT), "ACCEPT");
	assert_string_equal(tdx_eeq_name(15), "UNKNOWN");
}

static void an_accept_exit_tells_what_stopped_it(void **state)
{
	struct tdx_eeq_entry e = {.requested_level = 1, .level = 2, .public_state = 132, .vm = 3};
	uint64_t eeq = tdx_eeq_pack(TDX_EEQ_ACCEPT, e);
	struct tdx_eeq_entry back = tdx_eeq_entry(eeq);
	char buf[64];

	assert_int_equal(tdx_eeq_type(eeq), TDX_EEQ_ACCEPT);
	assert_int_equal(back.requested_level, 1);
	assert_int_equal(back.level, 2);
	assert_int_equal(back.public_state, 132);
	assert_int_equal(back.vm, 3);
	assert_false(back.leaf);
	assert_string_equal(tdx_eeq_format(eeq, buf, sizeof(buf)),
			    "ACCEPT of 2M met NL_MAPPED at 1G of VM 3");
}

static void qualifications_are_put_in_words(void **state)
{
	char buf[64];

	assert_string_equal(vmx_qualification_format(VMX_EXIT_EPT_VIOLATION, 0x2, buf, sizeof(buf)),
			    "write; entry ---");
	assert_string_equal(vmx_qualification_format(VMX_EXIT_EPT_VIOLATION, 0x9, buf, sizeof(buf)),
			    "read; entry R--");
	assert_string_equal(vmx_qualification_format(VMX_EXIT_IO, 0x3f80008, buf, sizeof(buf)),
			    "port 0x3f8 in 1");
	assert_string_equal(vmx_qualification_format(VMX_EXIT_HLT, 7, buf, sizeof(buf)), "");
}

static void tdvmcall_leaves_and_status_have_names(void **state)
{
	assert_string_equal(tdvmcall_name(0x10001), "MapGPA");
	assert_string_equal(tdvmcall_name(12), "Instruction.HLT");
	assert_null(tdvmcall_name(13));
	assert_null(tdvmcall_name(0x10000000cull));
	assert_string_equal(tdvmcall_status_name(1), "RETRY");
	assert_null(tdvmcall_status_name(2));
}

static void td_bits_have_names(void **state)
{
	assert_string_equal(tdx_attribute_name(28), "SEPT_VE_DISABLE");
	assert_string_equal(tdx_attribute_name(63), "PERFMON");
	assert_null(tdx_attribute_name(1));
	assert_null(tdx_attribute_name(64));
	assert_string_equal(tdx_config_flag_name(2), "NO_RBP_MOD");
	assert_string_equal(tdx_td_ctls_name(3), "REDUCE_VE");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gpa_and_level_share_a_word),
		cmocka_unit_test(a_word_with_a_stray_bit_is_refused),
		cmocka_unit_test(exits_have_names),
		cmocka_unit_test(an_accept_exit_tells_what_stopped_it),
		cmocka_unit_test(qualifications_are_put_in_words),
		cmocka_unit_test(tdvmcall_leaves_and_status_have_names),
		cmocka_unit_test(td_bits_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
