/* SPDX-License-Identifier: MIT */
/* Pages given to a TD and taken back, by a host that makes mistakes and one that means harm. */
#include "module_mem_setup.h"

#include "machine/splitmix.h"

#define GPA 0x5000ull

static void page_of_a_running_td_goes_only_after_block_and_track(void **state)
{
	struct setup s = mem_setup();
	struct test_td td = td_run(&s, 0);

	mem_must(&s, TDH_MEM_PAGE_AUG, GPA, td.tdr, FREE_4K(0));
	td_expect_state(&s, &td, GPA, TDX_SEPT_PENDING);
	mem_expect(&s, TDX_GPA_RANGE_NOT_BLOCKED | TDX_OPERAND_ID_RCX, TDH_MEM_PAGE_REMOVE, GPA,
		   td.tdr, 0);
	assert_int_equal(sept_address(s.regs.rcx), FREE_4K(0));
	mem_must(&s, TDH_MEM_RANGE_BLOCK, GPA, td.tdr, 0);
	mem_expect(&s, TDX_TLB_TRACKING_NOT_DONE | TDX_OPERAND_ID_RCX, TDH_MEM_PAGE_REMOVE, GPA,
		   td.tdr, 0);
	assert_int_equal(s.regs.rcx, 0);
	mem_must(&s, TDH_MEM_TRACK, td.tdr, 0, 0);
	mem_must(&s, TDH_MEM_PAGE_REMOVE, GPA, td.tdr, 0);
	assert_int_equal(s.regs.rcx, FREE_4K(0));
	td_expect_state(&s, &td, GPA, TDX_SEPT_FREE);
	expect_sound(&s);
	setup_free(&s);
}

static void removed_page_is_free_but_remembers_its_owner(void **state)
{
	struct setup s = mem_setup();
	struct test_td td = td_run(&s, 0);

	mem_must(&s, TDH_MEM_PAGE_AUG, GPA, td.tdr, FREE_4K(0));
	td_block_and_track(&s, &td, GPA);
	mem_must(&s, TDH_MEM_PAGE_REMOVE, GPA, td.tdr, 0);
	page_expect(&s, FREE_4K(0), TDX_PT_NDA, td.tdr, TDX_LEVEL_4K);
	setup_free(&s);
}

static void before_finalize_pages_go_without_block_or_track(void **state)
{
	struct setup s = mem_setup();
	struct test_td td = td_build(&s, 0, 0, 0);

	setup_expect(setup_call(&s, 0, TDH_MEM_PAGE_ADD, .rcx = GPA, .rdx = td.tdr,
				.r8 = FREE_4K(0), .r9 = SOURCE_PA),
		     TDX_SUCCESS);
	mem_must(&s, TDH_MEM_PAGE_RELOCATE, GPA, td.tdr, FREE_4K(1));
	assert_int_equal(s.regs.rcx, FREE_4K(0));
	mem_must(&s, TDH_MEM_PAGE_REMOVE, GPA, td.tdr, 0);
	assert_int_equal(s.regs.rcx, FREE_4K(1));
	expect_sound(&s);
	setup_free(&s);
}

static void page_aug_on_occupied_entry_returns_entry_state_incorrect(void **state)
{
	struct setup s = mem_setup();
	struct test_td td = td_run(&s, 0);

	mem_must(&s, TDH_MEM_PAGE_AUG, GPA, td.tdr, FREE_4K(0));
	mem_expect(&s, TDX_EPT_ENTRY_STATE_INCORRECT | TDX_OPERAND_ID_RCX, TDH_MEM_PAGE_AUG, GPA,
		   td.tdr, FREE_4K(1));
	assert_int_equal(sept_info_public_state(s.regs.rdx), 2);
	page_expect(&s, FREE_4K(1), TDX_PT_NDA, 0, TDX_LEVEL_4K);
	setup_free(&s);
}

static void page_aug_below_a_large_page_fails_at_the_large_entry(void **state)
{
	struct setup s = mem_setup();
	struct test_td td = td_run(&s, 0);

	mem_must(&s, TDH_MEM_PAGE_AUG, 0x400000 | TDX_LEVEL_2M, td.tdr, FREE_2M(0));
	mem_expect(&s, TDX_EPT_WALK_FAILED | TDX_OPERAND_ID_RCX, TDH_MEM_PAGE_AUG, 0x401000, td.tdr,
		   FREE_4K(0));
	assert_int_equal(sept_address(s.regs.rcx), FREE_2M(0));
	assert_int_equal(sept_info_level(s.regs.rdx), TDX_LEVEL_2M);
	setup_free(&s);
}

static void one_page_cannot_be_in_two_places(void **state)
{
	struct setup s = mem_setup();
	struct test_td a = td_run(&s, 0), b = td_run(&s, 1);

	mem_must(&s, TDH_MEM_PAGE_AUG, GPA, a.tdr, FREE_4K(0));
	mem_expect(&s, TDX_PAGE_METADATA_INCORRECT | TDX_OPERAND_ID_R8, TDH_MEM_PAGE_AUG,
		   GPA + 0x1000, a.tdr, FREE_4K(0));
	mem_expect(&s, TDX_PAGE_METADATA_INCORRECT | TDX_OPERAND_ID_R8, TDH_MEM_PAGE_AUG, GPA,
		   b.tdr, FREE_4K(0));
	mem_expect(&s, TDX_PAGE_METADATA_INCORRECT | TDX_OPERAND_ID_R8, TDH_MEM_SEPT_ADD,
		   0x200000 | TDX_LEVEL_2M, b.tdr, FREE_4K(0));
	page_expect(&s, FREE_4K(0), TDX_PT_REG, a.tdr, TDX_LEVEL_4K);
	setup_free(&s);
}

static void a_large_page_with_one_small_page_in_use_is_refused(void **state)
{
	struct setup s = mem_setup();
	struct test_td td = td_run(&s, 0);

	mem_must(&s, TDH_MEM_PAGE_AUG, GPA, td.tdr, FREE_2M(0) + 0x1ff000);
	mem_expect(&s, TDX_PAGE_METADATA_INCORRECT | TDX_OPERAND_ID_R8, TDH_MEM_PAGE_AUG,
		   0x400000 | TDX_LEVEL_2M, td.tdr, FREE_2M(0));
	mem_must(&s, TDH_MEM_PAGE_AUG, 0x400000 | TDX_LEVEL_2M, td.tdr, FREE_2M(1));
	mem_expect(&s, TDX_PAGE_METADATA_INCORRECT | TDX_OPERAND_ID_R8, TDH_MEM_PAGE_AUG,
		   GPA + 0x1000, td.tdr, FREE_2M(1) + 0x3000);
	expect_sound(&s);
	setup_free(&s);
}

static void control_pages_of_a_td_are_never_memory_of_a_td(void **state)
{
	struct setup s = mem_setup();
	struct test_td td = td_run(&s, 0), other = td_run(&s, 1);

	for (uint64_t pa = td.tdr; pa < td.next; pa += TDX_PAGE_SIZE) {
		uint64_t raw = mem_status(&s, 0, TDH_MEM_PAGE_AUG, GPA, other.tdr, pa);

		assert_true(raw == (TDX_PAGE_METADATA_INCORRECT | TDX_OPERAND_ID_R8));
	}
	/* Its own TDR is locked by the call itself. */
	mem_expect(&s, TDX_OPERAND_BUSY | TDX_OPERAND_ID_R8, TDH_MEM_PAGE_AUG, GPA, td.tdr, td.tdr);
	td_expect_state(&s, &other, GPA, TDX_SEPT_FREE);
	setup_free(&s);
}

static void block_twice_is_told_and_is_no_error(void **state)
{
	struct setup s = mem_setup();
	struct test_td td = td_run(&s, 0);

	mem_must(&s, TDH_MEM_PAGE_AUG, GPA, td.tdr, FREE_4K(0));
	mem_must(&s, TDH_MEM_RANGE_BLOCK, GPA, td.tdr, 0);
	mem_expect(&s, TDX_GPA_RANGE_ALREADY_BLOCKED | TDX_OPERAND_ID_RCX, TDH_MEM_RANGE_BLOCK, GPA,
		   td.tdr, 0);
	assert_false(tdx_is_error(tdx_status(s.regs.rax)));
	assert_int_equal(sept_info_public_state(s.regs.rdx), 3);
	setup_free(&s);
}

static void unblock_waits_for_tracking_and_restores_the_entry(void **state)
{
	struct setup s = mem_setup();
	struct test_td td = td_run(&s, 0);
	uint64_t before;

	for (unsigned level = 0; level < 2; level++) {
		uint64_t at = level ? 0 | TDX_LEVEL_2M : GPA;

		if (level == 0)
			mem_must(&s, TDH_MEM_PAGE_AUG, GPA, td.tdr, FREE_4K(0));
		mem_must(&s, TDH_MEM_SEPT_RD, at, td.tdr, 0);
		before = s.regs.rcx;
		mem_must(&s, TDH_MEM_RANGE_BLOCK, at, td.tdr, 0);
		mem_expect(&s, TDX_TLB_TRACKING_NOT_DONE | TDX_OPERAND_ID_RCX,
			   TDH_MEM_RANGE_UNBLOCK, at, td.tdr, 0);
		mem_must(&s, TDH_MEM_TRACK, td.tdr, 0, 0);
		mem_must(&s, TDH_MEM_RANGE_UNBLOCK, at, td.tdr, 0);
		mem_must(&s, TDH_MEM_SEPT_RD, at, td.tdr, 0);
		assert_int_equal(s.regs.rcx, before);
	}
	setup_free(&s);
}

static void table_with_a_page_in_it_stays(void **state)
{
	struct setup s = mem_setup();
	struct test_td td = td_run(&s, 0);
	const uint64_t at = 0x200000 | TDX_LEVEL_2M;
	uint64_t table = td_page(&td);

	mem_must(&s, TDH_MEM_SEPT_ADD, at, td.tdr, table);
	mem_must(&s, TDH_MEM_PAGE_AUG, 0x3ff000, td.tdr, FREE_4K(0));
	td_block_and_track(&s, &td, at);
	mem_expect(&s, TDX_EPT_PAGE_NOT_FREE | TDX_OPERAND_ID_RCX, TDH_MEM_SEPT_REMOVE, at, td.tdr,
		   0);
	mem_must(&s, TDH_MEM_RANGE_UNBLOCK, at, td.tdr, 0);
	td_block_and_track(&s, &td, 0x3ff000);
	mem_must(&s, TDH_MEM_PAGE_REMOVE, 0x3ff000, td.tdr, 0);
	td_block_and_track(&s, &td, at);
	mem_must(&s, TDH_MEM_SEPT_REMOVE, at, td.tdr, 0);
	assert_int_equal(s.regs.rcx, table);
	expect_sound(&s);
	setup_free(&s);
}

static void relocate_moves_what_the_guest_wrote(void **state)
{
	struct setup s = mem_setup();
	struct test_td td = td_run(&s, 0);

	mem_must(&s, TDH_MEM_PAGE_AUG, GPA, td.tdr, FREE_4K(0));
	td_must_enter(&s, &td);
	td_expect_tdcall(&s, TDX_SUCCESS, TDG_MEM_PAGE_ACCEPT, GPA);
	td_kick(&s, 0);
	memset(machine_ptr(s.m, FREE_4K(0)), 0xa5, TDX_PAGE_SIZE);
	td_block_and_track(&s, &td, GPA);
	mem_expect(&s, TDX_OPERAND_INVALID | TDX_OPERAND_ID_R8, TDH_MEM_PAGE_RELOCATE, GPA, td.tdr,
		   FREE_4K(0));
	mem_must(&s, TDH_MEM_PAGE_RELOCATE, GPA, td.tdr, FREE_4K(1));
	assert_memory_equal(machine_ptr(s.m, FREE_4K(1)), machine_ptr(s.m, FREE_4K(0)),
			    TDX_PAGE_SIZE);
	td_expect_state(&s, &td, GPA, TDX_SEPT_MAPPED);
	page_expect(&s, FREE_4K(0), TDX_PT_NDA, td.tdr, TDX_LEVEL_4K);
	expect_sound(&s);
	setup_free(&s);
}

static void only_a_td_under_debug_is_read(void **state)
{
	struct setup s = mem_setup();
	struct test_td closed = td_run(&s, 0), open = td_build(&s, 1, TDX_ATTR_DEBUG, 0);

	mem_expect(&s, TDX_TD_NON_DEBUG, TDH_MEM_RD, GPA, closed.tdr, 0);
	mem_expect(&s, TDX_TD_NON_DEBUG, TDH_MEM_WR, GPA, closed.tdr, 1);
	setup_expect(setup_call(&s, 0, TDH_MEM_PAGE_ADD, .rcx = GPA, .rdx = open.tdr,
				.r8 = FREE_4K(0), .r9 = SOURCE_PA),
		     TDX_SUCCESS);
	mem_must(&s, TDH_MEM_WR, GPA + 8, open.tdr, 0x1122334455667788);
	assert_int_equal(s.regs.r8, 0);
	mem_must(&s, TDH_MEM_RD, GPA + 8, open.tdr, 0);
	assert_int_equal(s.regs.r8, 0x1122334455667788);
	mem_expect(&s, TDX_OPERAND_INVALID | TDX_OPERAND_ID_RCX, TDH_MEM_RD, GPA + 4, open.tdr, 0);
	mem_expect(&s, TDX_EPT_ENTRY_NOT_PRESENT | TDX_OPERAND_ID_RCX, TDH_MEM_RD, GPA + 0x1000,
		   open.tdr, 0);
	setup_free(&s);
}

static void page_add_copies_and_only_before_finalize(void **state)
{
	struct setup s = mem_setup();
	struct test_td td = td_build(&s, 0, 0, 0);

	memset(machine_ptr(s.m, SOURCE_PA), 0x3c, TDX_PAGE_SIZE);
	setup_expect(setup_call(&s, 0, TDH_MEM_PAGE_ADD, .rcx = GPA, .rdx = td.tdr,
				.r8 = FREE_4K(0), .r9 = SOURCE_PA),
		     TDX_SUCCESS);
	assert_memory_equal(machine_ptr(s.m, FREE_4K(0)), machine_ptr(s.m, SOURCE_PA),
			    TDX_PAGE_SIZE);
	setup_expect(setup_call(&s, 0, TDH_MEM_PAGE_ADD, .rcx = GPA + 0x1000, .rdx = td.tdr,
				.r8 = FREE_4K(1), .r9 = machine_with_hkid(s.m, SOURCE_PA, td.hkid)),
		     TDX_OPERAND_INVALID | TDX_OPERAND_ID_R9);
	mem_must(&s, TDH_MR_FINALIZE, td.tdr, 0, 0);
	setup_expect(setup_call(&s, 0, TDH_MEM_PAGE_ADD, .rcx = GPA + 0x1000, .rdx = td.tdr,
				.r8 = FREE_4K(1), .r9 = SOURCE_PA),
		     TDX_OP_STATE_INCORRECT | TDX_OP_STATE_RUNNABLE);
	setup_free(&s);
}

/* A host that writes a private page has spoilt it; whoever reads it under the TD's key gets a
 * machine check, which in the module is the end of that processor. */
static void memory_the_host_wrote_is_never_measured_moved_or_read(void **state)
{
	static const unsigned leaf[] = {TDH_MR_EXTEND, TDH_MEM_RD, TDH_MEM_WR,
					TDH_MEM_PAGE_RELOCATE};

	for (unsigned i = 0; i < sizeof(leaf) / sizeof(leaf[0]); i++) {
		struct setup s = mem_setup();
		struct test_td td = td_build(&s, 0, TDX_ATTR_DEBUG, 0);

		setup_expect(setup_call(&s, 0, TDH_MEM_PAGE_ADD, .rcx = GPA, .rdx = td.tdr,
					.r8 = FREE_4K(0), .r9 = SOURCE_PA),
			     TDX_SUCCESS);
		assert_int_equal(machine_write(&s.m->lp[1], FREE_4K(0), "evil", 4), 0);
		s.regs = (struct tdx_regs){
			.rax = leaf[i], .rcx = GPA, .rdx = td.tdr, .r8 = FREE_4K(1)};
		assert_int_equal(module_seamcall(s.mod, 1, &s.regs), MODULE_SHUTDOWN);
		assert_int_equal(module_seamcall(s.mod, 1, &s.regs), MODULE_SHUTDOWN);
		setup_free(&s);
	}
}

/* Without integrity such a write goes through; the module must survive what it then finds. */
static void tables_the_host_filled_with_nonsense_do_not_crash(void **state)
{
	static const unsigned leaf[] = {
		TDH_MEM_PAGE_AUG,      TDH_MEM_PAGE_REMOVE,  TDH_MEM_RANGE_BLOCK,
		TDH_MEM_RANGE_UNBLOCK, TDH_MEM_SEPT_RD,	     TDH_MEM_SEPT_ADD,
		TDH_MEM_SEPT_REMOVE,   TDH_MEM_PAGE_PROMOTE, TDH_MEM_PAGE_DEMOTE,
		TDH_MEM_PAGE_RELOCATE, TDH_MEM_RD,	     TDH_EXPORT_UNBLOCKW};
	struct machine_config cfg;
	uint64_t seed = 1;

	machine_default_config(&cfg);
	cfg.integrity = false;
	for (unsigned i = 0; i < 96; i++) {
		struct setup s = setup_load(&cfg);
		uint64_t *table, level = i / 12 % 4, td_rdx;
		struct test_td td;

		setup_ready(&s, SETUP_GLOBAL_HKID);
		td = td_build(&s, 0, TDX_ATTR_DEBUG, 0);
		table = machine_ptr(s.m, td.next - (1 + i % 3) * TDX_PAGE_SIZE);
		for (unsigned k = 0; k < 512; k++) {
			const uint64_t noise = splitmix_next(&seed);

			/* Mostly entries that look like some state, somewhere in memory or far out.
			 */
			table[k] = (noise & (SEPT_HPA_MASK | SEPT_RWX)) |
				   sept_states[noise >> 60].bits;
		}
		td_rdx = td.tdr;
		s.regs = (struct tdx_regs){
			.rax = leaf[i % 12], .rcx = level, .rdx = td_rdx, .r8 = FREE_4K(i)};
		module_seamcall(s.mod, 1, &s.regs);
		setup_free(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(page_of_a_running_td_goes_only_after_block_and_track),
		cmocka_unit_test(removed_page_is_free_but_remembers_its_owner),
		cmocka_unit_test(before_finalize_pages_go_without_block_or_track),
		cmocka_unit_test(page_aug_on_occupied_entry_returns_entry_state_incorrect),
		cmocka_unit_test(page_aug_below_a_large_page_fails_at_the_large_entry),
		cmocka_unit_test(one_page_cannot_be_in_two_places),
		cmocka_unit_test(a_large_page_with_one_small_page_in_use_is_refused),
		cmocka_unit_test(control_pages_of_a_td_are_never_memory_of_a_td),
		cmocka_unit_test(block_twice_is_told_and_is_no_error),
		cmocka_unit_test(unblock_waits_for_tracking_and_restores_the_entry),
		cmocka_unit_test(table_with_a_page_in_it_stays),
		cmocka_unit_test(relocate_moves_what_the_guest_wrote),
		cmocka_unit_test(only_a_td_under_debug_is_read),
		cmocka_unit_test(page_add_copies_and_only_before_finalize),
		cmocka_unit_test(memory_the_host_wrote_is_never_measured_moved_or_read),
		cmocka_unit_test(tables_the_host_filled_with_nonsense_do_not_crash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
