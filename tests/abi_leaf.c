/* SPDX-License-Identifier: MIT */
/* The leaf tables: consistent with themselves and with what the ABI says of a few known leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <swtdx/leaf.h>

typedef const struct tdx_leaf_info *(*lookup)(unsigned);

static void check_rows(lookup find, unsigned limit, const char *prefix)
{
	for (unsigned i = 0; i < limit; i++) {
		const struct tdx_leaf_info *leaf = find(i);

		if (!leaf)
			continue;
		assert_int_equal(leaf->number, i);
		assert_memory_equal(leaf->name, prefix, 4);
		assert_ptr_equal(tdx_leaf_by_name(leaf->name), leaf);
		assert_false((leaf->in | leaf->out | leaf->in_v1 | leaf->out_v1) &
			     (TDX_REG_BIT(0) | TDX_REG_BIT(4)));
		assert_false(leaf->op_states >> TDX_OP_STATES);
		if (!leaf->max_version)
			assert_false(leaf->in_v1 | leaf->out_v1);
		if (leaf->flags & TDX_LEAF_NOT_IMPLEMENTED)
			assert_false(leaf->in | leaf->out | leaf->op_states | leaf->sept_states);
	}
}

static void every_row_stands_at_its_number_and_is_found_by_name(void **state)
{
	check_rows(tdx_seamcall_leaf, TDX_SEAMCALL_LEAVES, "TDH.");
	check_rows(tdx_tdcall_leaf, TDX_TDCALL_LEAVES, "TDG.");
}

static unsigned count(lookup find, unsigned limit, unsigned flags)
{
	unsigned n = 0;

	for (unsigned i = 0; i < limit; i++)
		if (find(i) && (find(i)->flags & flags) == flags)
			n++;
	return n;
}

static void the_tables_have_as_many_leaves_as_the_module(void **state)
{
	/* 70 that 1.5.25 answers, and the numbers that it refuses: of no module, and of later ones.
	 */
	assert_int_equal(count(tdx_seamcall_leaf, TDX_SEAMCALL_LEAVES, 0), 70 + 15);
	assert_int_equal(count(tdx_seamcall_leaf, TDX_SEAMCALL_LEAVES, TDX_LEAF_NOT_IMPLEMENTED),
			 15);
	assert_int_equal(count(tdx_tdcall_leaf, TDX_TDCALL_LEAVES, 0), 22);
	assert_int_equal(count(tdx_tdcall_leaf, TDX_TDCALL_LEAVES, TDX_LEAF_NOT_IMPLEMENTED), 1);
}

static void leaves_of_later_modules_have_names(void **state)
{
	static const struct {
		unsigned number;
		const char *name;
	} later[] = {{60, "TDH.EXT.INIT"},	   {61, "TDH.EXT.MEM.ADD"},
		     {69, "TDH.SYS.DISABLE"},	   {128, "TDH.IOMMU.SETUP"},
		     {129, "TDH.IOMMU.CLEAR"},	   {130, "TDH.SPDM.CREATE"},
		     {131, "TDH.SPDM.DELETE"},	   {142, "TDH.SPDM.CONNECT"},
		     {143, "TDH.SPDM.DISCONNECT"}, {144, "TDH.SPDM.MNG"}};

	for (unsigned i = 0; i < sizeof(later) / sizeof(later[0]); i++) {
		const struct tdx_leaf_info *leaf = tdx_seamcall_leaf(later[i].number);

		assert_non_null(leaf);
		assert_string_equal(leaf->name, later[i].name);
		assert_true(leaf->flags & TDX_LEAF_NOT_IMPLEMENTED);
	}
	assert_string_equal(tdx_tdcall_leaf(30)->name, "TDG.MEM.PAGE.RELEASE");
}

static void nine_leaves_run_before_the_module_is_ready(void **state)
{
	assert_int_equal(count(tdx_seamcall_leaf, TDX_SEAMCALL_LEAVES, TDX_LEAF_BEFORE_READY), 9);
	assert_int_equal(count(tdx_seamcall_leaf, TDX_SEAMCALL_LEAVES, TDX_LEAF_AFTER_SHUTDOWN), 1);
	assert_true(tdx_seamcall_leaf(TDH_SYS_LP_SHUTDOWN)->flags & TDX_LEAF_AFTER_SHUTDOWN);
}

static void eight_seamcalls_have_a_second_version(void **state)
{
	static const unsigned expected[] = {
		TDH_MEM_SEPT_ADD, TDH_MNG_RD,	       TDH_VP_INIT,  TDH_MEM_PAGE_PROMOTE,
		TDH_VP_RD,	  TDH_MEM_SEPT_REMOVE, TDH_SYS_INIT, TDH_SYS_UPDATE,
	};
	unsigned n = 0;

	for (unsigned i = 0; i < TDX_SEAMCALL_LEAVES; i++)
		if (tdx_seamcall_leaf(i))
			n += tdx_seamcall_leaf(i)->max_version;
	assert_int_equal(n, 8);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(tdx_seamcall_leaf(expected[i])->max_version, 1);
}

static void leaves_that_look_at_an_entry_belong_to_a_td_state(void **state)
{
	for (unsigned i = 0; i < TDX_SEAMCALL_LEAVES; i++)
		if (tdx_seamcall_leaf(i) && tdx_seamcall_leaf(i)->sept_states)
			assert_true(tdx_seamcall_leaf(i)->op_states);
}

static void numbers_without_a_leaf_have_no_row(void **state)
{
	assert_null(tdx_seamcall_leaf(46));
	assert_null(tdx_seamcall_leaf(127));
	assert_null(tdx_seamcall_leaf(145));
	assert_null(tdx_seamcall_leaf(~0u));
	assert_null(tdx_tdcall_leaf(13));
	assert_null(tdx_tdcall_leaf(32));
}

static void names_are_understood_in_every_spelling(void **state)
{
	const struct tdx_leaf_info *aug = tdx_seamcall_leaf(TDH_MEM_PAGE_AUG);

	assert_ptr_equal(tdx_leaf_by_name("TDH.MEM.PAGE.AUG"), aug);
	assert_ptr_equal(tdx_leaf_by_name("tdh_mem_page_aug"), aug);
	assert_ptr_equal(tdx_leaf_by_name("TDH_MEM_PAGE_AUG"), aug);
	assert_ptr_equal(tdx_leaf_by_name("MEM.PAGE.AUG"), aug);
	assert_ptr_equal(tdx_leaf_by_name("VP.ENTER"), tdx_seamcall_leaf(TDH_VP_ENTER));
	assert_ptr_equal(tdx_leaf_by_name("TDG.VP.ENTER"), tdx_tdcall_leaf(TDG_VP_ENTER));
	assert_null(tdx_leaf_by_name("TDH.MEM.PAGE.AU"));
	assert_null(tdx_leaf_by_name("TDH.MEM.PAGE.AUGX"));
	assert_null(tdx_leaf_by_name(""));
}

static void page_aug_reads_and_writes_what_the_abi_says(void **state)
{
	const struct tdx_leaf_info *aug = tdx_seamcall_leaf(TDH_MEM_PAGE_AUG);

	assert_int_equal(aug->in, TDX_REG_BIT(1) | TDX_REG_BIT(2) | TDX_REG_BIT(8));
	assert_int_equal(aug->out, TDX_REG_BIT(1) | TDX_REG_BIT(2));
	assert_int_equal(aug->sept_states,
			 TDX_SEPT_STATE_BIT(TDX_SEPT_FREE) | TDX_SEPT_STATE_BIT(TDX_SEPT_REMOVED));
	assert_true(aug->op_states & TDX_OP_STATE_BIT(TDX_OP_STATE_INITIALIZED));
	assert_false(aug->op_states & TDX_OP_STATE_BIT(TDX_OP_STATE_UNINITIALIZED));
}

static void a_second_version_adds_registers(void **state)
{
	const struct tdx_leaf_info *init = tdx_seamcall_leaf(TDH_VP_INIT);

	assert_int_equal(tdx_leaf_inputs(init, 1) & ~tdx_leaf_inputs(init, 0), TDX_REG_BIT(8));
}

static void rax_is_taken_apart_and_put_together(void **state)
{
	uint64_t rax = tdx_rax(TDH_VP_INIT, 1);

	assert_int_equal(rax, 0x10016);
	assert_int_equal(tdx_rax_leaf(rax), TDH_VP_INIT);
	assert_int_equal(tdx_rax_version(rax), 1);
	assert_int_equal(tdx_rax_reserved(rax), 0);
	assert_true(tdx_rax_reserved(SEAMLDR_INFO) != 0);
	assert_true(tdx_rax_reserved(1ull << 24) != 0);
}

static void sets_of_td_states_agree_with_the_abi(void **state)
{
	assert_int_equal(TDX_OP_STATES_TRACKED, 1 << 2 | 1 << 3 | 1 << 9);
	assert_int_equal(TDX_OP_STATES_INITIALIZED, 0x7fe);
	assert_int_equal(TDX_OP_STATES_FINALIZED, 0x3fc);
}

static void unknown_states_and_types_have_a_name_too(void **state)
{
	assert_string_equal(tdx_op_state_name(TDX_OP_STATE_RUNNABLE), "RUNNABLE");
	assert_string_equal(tdx_op_state_name(12), "UNKNOWN");
	assert_string_equal(tdx_vcpu_state_name(1), "UNKNOWN");
	assert_string_equal(tdx_page_type_name(TDX_PT_TDCX), "TDCX");
	assert_string_equal(tdx_page_type_name(TDX_PT_UNKNOWN), "UNKNOWN");
	assert_int_equal(tdx_page_type(2), TDX_PT_UNKNOWN);
	assert_int_equal(tdx_page_type(0x100000000ull), TDX_PT_UNKNOWN);
	assert_int_equal(tdx_page_type(8), TDX_PT_EPT);
	assert_string_equal(tdx_level_name(TDX_LEVEL_2M), "2M");
	assert_string_equal(tdx_level_name(5), "UNKNOWN");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_row_stands_at_its_number_and_is_found_by_name),
		cmocka_unit_test(leaves_of_later_modules_have_names),
		cmocka_unit_test(the_tables_have_as_many_leaves_as_the_module),
		cmocka_unit_test(nine_leaves_run_before_the_module_is_ready),
		cmocka_unit_test(eight_seamcalls_have_a_second_version),
		cmocka_unit_test(leaves_that_look_at_an_entry_belong_to_a_td_state),
		cmocka_unit_test(numbers_without_a_leaf_have_no_row),
		cmocka_unit_test(names_are_understood_in_every_spelling),
		cmocka_unit_test(page_aug_reads_and_writes_what_the_abi_says),
		cmocka_unit_test(a_second_version_adds_registers),
		cmocka_unit_test(rax_is_taken_apart_and_put_together),
		cmocka_unit_test(sets_of_td_states_agree_with_the_abi),
		cmocka_unit_test(unknown_states_and_types_have_a_name_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
