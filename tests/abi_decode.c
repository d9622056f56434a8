/* SPDX-License-Identifier: MIT */
/* Statuses, operands and output registers in words: nothing is left without, and known cases read
 * as they should. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <swtdx/decode.h>

static void every_code_has_a_meaning_and_something_to_do(void **state)
{
	for (size_t i = 0; tdx_status_at(i); i++) {
		struct tdx_explanation e;

		tdx_explain(tdx_error(tdx_status_at(i)->code), NULL, &e);
		assert_ptr_equal(e.info, tdx_status_at(i));
		assert_int_not_equal(e.action, TDX_DO_UNKNOWN);
		assert_true(strlen(e.meaning) > 10);
		assert_int_not_equal(e.meaning[strlen(e.meaning) - 1], '.');
		assert_false(e.flags_differ);
	}
}

static void no_two_codes_are_explained_alike(void **state)
{
	for (size_t i = 0; tdx_status_at(i); i++) {
		struct tdx_explanation a, b;

		tdx_explain(tdx_error(tdx_status_at(i)->code), NULL, &a);
		for (size_t k = 0; k < i; k++) {
			tdx_explain(tdx_error(tdx_status_at(k)->code), NULL, &b);
			assert_string_not_equal(a.meaning, b.meaning);
		}
	}
}

static void codes_without_bit_63_never_ask_to_fix_the_call(void **state)
{
	for (size_t i = 0; tdx_status_at(i); i++) {
		struct tdx_status s = tdx_error(tdx_status_at(i)->code);
		struct tdx_explanation e;

		tdx_explain(s, NULL, &e);
		if (!tdx_is_error(s))
			assert_true(e.action == TDX_DO_NOTHING || e.action == TDX_DO_GIVE_UP);
		if (tdx_is_fatal(s))
			assert_int_equal(e.action, TDX_DO_GIVE_UP);
	}
}

static void every_operand_id_is_a_register_or_has_a_meaning(void **state)
{
	enum tdx_operand op;

	for (size_t i = 0; tdx_operand_at(i, &op); i++)
		assert_true(op < 16 || tdx_operand_meaning(op));
	assert_null(tdx_operand_meaning(TDX_OPERAND_ID_RCX));
}

static void what_a_leaf_takes_is_in_a_register_it_reads(void **state)
{
	for (unsigned n = 0; n < TDX_SEAMCALL_LEAVES; n++)
		for (unsigned reg = 0; tdx_seamcall_leaf(n) && reg < 16; reg++)
			if (tdx_leaf_operand(tdx_seamcall_leaf(n), reg))
				assert_true(tdx_leaf_inputs(tdx_seamcall_leaf(n), 1) &
					    TDX_REG_BIT(reg));
	for (unsigned n = 0; n < TDX_TDCALL_LEAVES; n++)
		for (unsigned reg = 0; tdx_tdcall_leaf(n) && reg < 16; reg++)
			if (tdx_leaf_operand(tdx_tdcall_leaf(n), reg))
				assert_true(tdx_leaf_inputs(tdx_tdcall_leaf(n), 1) &
					    TDX_REG_BIT(reg));
}

static void leaves_and_codes_agree_on_who_returns_what(void **state)
{
	unsigned pairs = 0;

	for (size_t i = 0; tdx_status_at(i); i++) {
		const struct tdx_leaf_info *leaf;

		for (size_t k = 0; (leaf = tdx_leaf_returning(tdx_status_at(i)->code, k)); k++) {
			const struct tdx_status_info *code;
			bool back = false;

			for (size_t j = 0; (code = tdx_code_of_leaf(leaf, j)); j++)
				back |= code == tdx_status_at(i);
			assert_true(back);
			pairs++;
		}
	}
	assert_true(pairs > 700);
}

static bool returns(const struct tdx_leaf_info *leaf, uint64_t code)
{
	const struct tdx_status_info *c;

	for (size_t i = 0; (c = tdx_code_of_leaf(leaf, i)); i++)
		if (c->code == code)
			return true;
	return false;
}

static void known_pairs_of_leaf_and_status_are_there(void **state)
{
	assert_true(
		returns(tdx_seamcall_leaf(TDH_PHYMEM_PAGE_RECLAIM), TDX_TD_ASSOCIATED_PAGES_EXIST));
	assert_true(returns(tdx_seamcall_leaf(TDH_MEM_TRACK), TDX_PREVIOUS_TLB_EPOCH_BUSY));
	assert_true(returns(tdx_tdcall_leaf(TDG_MEM_PAGE_ACCEPT), TDX_PAGE_ALREADY_ACCEPTED));
	assert_false(returns(tdx_seamcall_leaf(TDH_MEM_PAGE_AUG), TDX_PAGE_ALREADY_ACCEPTED));
	assert_null(tdx_code_of_leaf(NULL, 0));
}

static void a_changed_flag_is_told(void **state)
{
	struct tdx_explanation e;

	tdx_explain(tdx_error(0x4000000200000000ull), NULL, &e);
	assert_true(e.flags_differ);
	assert_string_equal(e.name, "TDX_NON_RECOVERABLE_TD");
}

static void what_is_no_code_is_said_to_be_unknown(void **state)
{
	struct tdx_explanation e;

	tdx_explain(tdx_error(0xc000ee0000000000ull), NULL, &e);
	assert_null(e.info);
	assert_int_equal(e.action, TDX_DO_UNKNOWN);
	tdx_explain(tdx_error(TDX_SEAMCALL_GP), NULL, &e);
	assert_int_equal(e.action, TDX_DO_FIX_FIRMWARE);
	tdx_explain(tdx_error(~0ull), NULL, &e);
	assert_string_equal(e.name, "UNINITIALIZE_ERROR");
}

static void hints_depend_on_leaf_and_details(void **state)
{
	struct tdx_explanation e;

	tdx_explain(tdx_error(TDX_INCORRECT_CPUID_VALUE), tdx_seamcall_leaf(TDH_SYS_INIT), &e);
	assert_non_null(strstr(e.hint, "BIOS"));
	tdx_explain(tdx_error(TDX_INCORRECT_CPUID_VALUE), NULL, &e);
	assert_null(e.hint);
	tdx_explain(tdx_error_op(TDX_OPERAND_BUSY, TDX_OPERAND_ID_SEPT_TREE),
		    tdx_seamcall_leaf(TDH_VP_ENTER), &e);
	assert_non_null(strstr(e.hint, "zero-step"));
	tdx_explain(tdx_error_op(TDX_OPERAND_BUSY, TDX_OPERAND_ID_SEPT_TREE), NULL, &e);
	assert_null(strstr(e.hint, "zero-step"));
	tdx_explain(tdx_error(TDX_OPERAND_INVALID), tdx_tdcall_leaf(TDG_VP_INFO), &e);
	assert_non_null(strstr(e.hint, "RAX"));
	/* A guest leaf with the number of a host leaf that has a hint. */
	tdx_explain(tdx_error(TDX_EPT_WALK_FAILED), tdx_tdcall_leaf(TDG_MEM_PAGE_ACCEPT), &e);
	assert_null(e.hint);
}

static void assert_details(uint64_t raw, const struct tdx_leaf_info *leaf, const char *expected)
{
	char buf[TDX_DECODE_TEXT_MAX];

	assert_string_equal(tdx_details_text(tdx_error(raw), leaf, buf, sizeof(buf)), expected);
}

static void details_are_put_in_words(void **state)
{
	const struct tdx_leaf_info *reclaim = tdx_seamcall_leaf(TDH_PHYMEM_PAGE_RECLAIM);

	assert_details(TDX_PAGE_METADATA_INCORRECT | 1, reclaim, "operand RCX (page)");
	assert_details(TDX_PAGE_METADATA_INCORRECT | 1, NULL, "operand RCX");
	assert_details(TDX_OPERAND_INVALID | 69, NULL,
		       "operand CPUID_CONFIG (a CPUID value in TD_PARAMS)");
	assert_details(TDX_OPERAND_BUSY | 250, NULL, "operand 0xfa");
	assert_details(TDX_INCORRECT_MSR_VALUE | 0x122, NULL, "MSR 0x122 (IA32_TSX_CTRL)");
	assert_details(TDX_INCORRECT_MSR_VALUE | 0x7777, NULL, "MSR 0x7777");
	assert_details(TDX_OP_STATE_INCORRECT | 2, NULL, "TD state RUNNABLE");
	assert_details(TDX_VCPU_STATE_INCORRECT | 4, NULL, "vCPU state ACTIVE");
	assert_details(TDX_PAMT_OVERLAP | 0x10200, NULL, "bytes 0 2 1");
	assert_details(TDX_L2_SEPT_WALK_FAILED | 0x20001, NULL, "VM 2, level 2M");
	assert_details(TDX_NON_RECOVERABLE_TD | 2, NULL, "exit 2 (TRIPLE_FAULT)");
	assert_details(48, tdx_seamcall_leaf(TDH_VP_ENTER), "exit 48 (EPT_VIOLATION)");
	assert_details(0, tdx_seamcall_leaf(TDH_VP_ENTER), "exit 0 (EXCEPTION_OR_NMI)");
	assert_details(TDX_SUCCESS, NULL, "");
	assert_details(TDX_VCPU_ASSOCIATED, NULL, "");
}

static void assert_outputs(uint64_t raw, const struct tdx_leaf_info *leaf, struct tdx_regs r,
			   const char *expected)
{
	char buf[TDX_DECODE_TEXT_MAX];

	assert_string_equal(tdx_outputs_text(tdx_error(raw), leaf, &r, 0xffff, buf, sizeof(buf)),
			    expected);
}

static void output_registers_are_put_in_words(void **state)
{
	assert_outputs(TDX_EPT_ENTRY_STATE_INCORRECT | 1, tdx_seamcall_leaf(TDH_MEM_PAGE_AUG),
		       (struct tdx_regs){.rcx = 0x80000001040004f7ull, .rdx = 0x400},
		       "entry MAPPED 4K 0x104000000 RWXU");
	assert_outputs(0, tdx_seamcall_leaf(TDH_PHYMEM_PAGE_RDMD),
		       (struct tdx_regs){.rcx = 5, .rdx = 0x100000000ull},
		       "page is TDCX, 4K, of the TD with TDR 0x100000000");
	assert_outputs(TDX_OPERAND_INVALID | 69, tdx_seamcall_leaf(TDH_MNG_INIT),
		       (struct tdx_regs){.rcx = 0xffffffff00000001ull}, "CPUID leaf 0x1");
	assert_outputs(TDX_OPERAND_INVALID | 69, tdx_seamcall_leaf(TDH_MNG_INIT),
		       (struct tdx_regs){.rcx = 0x0000000100000007ull},
		       "CPUID leaf 0x7, sub-leaf 0x1");
	assert_outputs(TDX_METADATA_FIELD_ID_INCORRECT, tdx_seamcall_leaf(TDH_SYS_RD),
		       (struct tdx_regs){.rdx = 0x9100000100000008ull}, "field SYS.MAX_TDMRS");
	assert_outputs(48, tdx_seamcall_leaf(TDH_VP_ENTER),
		       (struct tdx_regs){.rcx = 2, .r8 = 0x400000},
		       "write; entry --- at GPA 0x400000");
	assert_outputs(TDX_OPERAND_BUSY, NULL, (struct tdx_regs){.rcx = 5}, "");
}

static void actions_have_distinct_names(void **state)
{
	for (unsigned i = 0; i <= TDX_DO_CHANGE_MODULE; i++)
		for (unsigned k = 0; k < i; k++)
			assert_string_not_equal(tdx_action_name(i), tdx_action_name(k));
	assert_string_equal(tdx_action_name(99), "unknown");
}

static const char *entry_hint(uint64_t status, unsigned leaf, uint64_t rcx, uint64_t rdx)
{
	const struct tdx_regs r = {.rcx = rcx, .rdx = rdx};

	return tdx_entry_hint(tdx_status(status), tdx_seamcall_leaf(leaf), &r,
			      TDX_REG_BIT(1) | TDX_REG_BIT(2));
}

static void state_level_and_leaf_of_an_entry_choose_the_hint(void **state)
{
	const uint64_t not_tracked = TDX_TLB_TRACKING_NOT_DONE | 1,
		       wrong_state = TDX_EPT_ENTRY_STATE_INCORRECT | 1,
		       walk = TDX_EPT_WALK_FAILED | 1;
	const uint64_t entry = 0x80000001040004f7ull, mapped = 4 << 8, blocked = 1 << 8;

	assert_non_null(strstr(entry_hint(not_tracked, TDH_MEM_PAGE_DEMOTE, entry, mapped | 1),
			       "is not blocked"));
	assert_non_null(strstr(entry_hint(not_tracked, TDH_MEM_PAGE_DEMOTE, entry, blocked | 1),
			       "TDH.MEM.TRACK after the block"));
	assert_string_not_equal(entry_hint(wrong_state, TDH_MEM_PAGE_AUG, entry, mapped),
				entry_hint(wrong_state, TDH_MEM_SEPT_ADD, entry, mapped | 1));
	/* At 4K there is no larger page to demote. */
	assert_non_null(strstr(entry_hint(walk, TDH_MEM_PAGE_AUG, entry, mapped | 1), "demote"));
	assert_null(entry_hint(walk, TDH_MEM_PAGE_AUG, entry, mapped));
	/* No entry, no registers, a leaf without entries. */
	assert_null(entry_hint(not_tracked, TDH_MEM_PAGE_DEMOTE, 0, 0));
	assert_null(entry_hint(TDX_OPERAND_BUSY | 1, TDH_MEM_PAGE_DEMOTE, entry, mapped));
	assert_null(entry_hint(wrong_state, TDH_MNG_INIT, entry, mapped));
	assert_null(entry_hint(wrong_state, TDH_MEM_PAGE_AUG, entry, 200 << 8));
	assert_null(tdx_entry_hint(tdx_status(not_tracked), tdx_seamcall_leaf(TDH_MEM_PAGE_DEMOTE),
				   &(struct tdx_regs){.rdx = mapped}, TDX_REG_BIT(2)));
}

static void the_loaders_statuses_are_its_own(void **state)
{
	struct tdx_explanation e;

	tdx_explain_seamldr(tdx_status(0x8000000000000003ull), &e);
	assert_string_equal(e.name, "SEAMLDR_EBADCALL");
	assert_int_equal(e.action, TDX_DO_KICK);
	tdx_explain_seamldr(tdx_status(0x8000000000020001ull), &e);
	assert_int_equal(e.action, TDX_DO_CHANGE_MODULE);
	tdx_explain_seamldr(tdx_status(0x8000000000099999ull), &e);
	assert_int_equal(e.action, TDX_DO_UNKNOWN);
	assert_true(e.name && e.meaning);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code_has_a_meaning_and_something_to_do),
		cmocka_unit_test(no_two_codes_are_explained_alike),
		cmocka_unit_test(codes_without_bit_63_never_ask_to_fix_the_call),
		cmocka_unit_test(every_operand_id_is_a_register_or_has_a_meaning),
		cmocka_unit_test(what_a_leaf_takes_is_in_a_register_it_reads),
		cmocka_unit_test(leaves_and_codes_agree_on_who_returns_what),
		cmocka_unit_test(known_pairs_of_leaf_and_status_are_there),
		cmocka_unit_test(a_changed_flag_is_told),
		cmocka_unit_test(what_is_no_code_is_said_to_be_unknown),
		cmocka_unit_test(hints_depend_on_leaf_and_details),
		cmocka_unit_test(details_are_put_in_words),
		cmocka_unit_test(output_registers_are_put_in_words),
		cmocka_unit_test(actions_have_distinct_names),
		cmocka_unit_test(state_level_and_leaf_of_an_entry_choose_the_hint),
		cmocka_unit_test(the_loaders_statuses_are_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
