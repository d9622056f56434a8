/* SPDX-License-Identifier: MIT */
/* Splitting large pages and merging small ones, with static and with dynamic PAMT. */
#include "module_mem_setup.h"

#include "module/lockword.h"

#define LARGE 0x400000ull
#define AT_2M (LARGE | TDX_LEVEL_2M)

enum { DYNAMIC = SETUP_GLOBAL_HKID | 1 << 16 };

static struct setup with_large_page(struct test_td *td)
{
	struct setup s = mem_setup();

	*td = td_run(&s, 0);
	mem_must(&s, TDH_MEM_PAGE_AUG, AT_2M, td->tdr, FREE_2M(0));
	return s;
}

static void demote(struct setup *s, struct test_td *td, uint64_t table)
{
	td_block_and_track(s, td, AT_2M);
	mem_must(s, TDH_MEM_PAGE_DEMOTE, AT_2M, td->tdr, table);
}

static void promote_undoes_demote(void **state)
{
	struct test_td td;
	struct setup s = with_large_page(&td);
	uint64_t before, table = td_page(&td);

	mem_must(&s, TDH_MEM_SEPT_RD, AT_2M, td.tdr, 0);
	before = s.regs.rcx;
	demote(&s, &td, table);
	expect_sound(&s);
	page_expect(&s, FREE_2M(0) + 0x7000, TDX_PT_REG, td.tdr, TDX_LEVEL_4K);
	page_expect(&s, table, TDX_PT_EPT, td.tdr, TDX_LEVEL_4K);
	td_expect_state(&s, &td, LARGE + 0x7000, TDX_SEPT_PENDING);
	td_block_and_track(&s, &td, AT_2M);
	mem_must(&s, TDH_MEM_PAGE_PROMOTE, AT_2M, td.tdr, 0);
	assert_int_equal(s.regs.rcx, table);
	expect_sound(&s);
	page_expect(&s, FREE_2M(0) + 0x7000, TDX_PT_REG, td.tdr, TDX_LEVEL_2M);
	mem_must(&s, TDH_MEM_SEPT_RD, AT_2M, td.tdr, 0);
	assert_int_equal(s.regs.rcx, before);
	setup_free(&s);
}

static void every_part_of_a_split_page_maps_its_own_memory(void **state)
{
	struct test_td td;
	struct setup s = with_large_page(&td);

	demote(&s, &td, td_page(&td));
	for (uint64_t i = 0; i < 512; i++) {
		mem_must(&s, TDH_MEM_SEPT_RD, LARGE + i * TDX_PAGE_SIZE, td.tdr, 0);
		assert_int_equal(sept_address(s.regs.rcx), FREE_2M(0) + i * TDX_PAGE_SIZE);
	}
	setup_free(&s);
}

static void promote_refuses(struct setup *s, struct test_td *td)
{
	td_block_and_track(s, td, AT_2M);
	mem_expect(s, TDX_EPT_INVALID_PROMOTE_CONDITIONS | TDX_OPERAND_ID_RCX, TDH_MEM_PAGE_PROMOTE,
		   AT_2M, td->tdr, 0);
	mem_must(s, TDH_MEM_RANGE_UNBLOCK, AT_2M, td->tdr, 0);
	expect_sound(s);
}

static void promote_refuses_a_hole_a_stranger_and_a_mixture(void **state)
{
	struct test_td td;
	struct setup s = with_large_page(&td);
	const uint64_t last = LARGE + 0x1ff000;

	demote(&s, &td, td_page(&td));
	td_block_and_track(&s, &td, last);
	promote_refuses(&s, &td); /* one entry is blocked */
	mem_must(&s, TDH_MEM_PAGE_REMOVE, last, td.tdr, 0);
	promote_refuses(&s, &td); /* one is free */
	mem_must(&s, TDH_MEM_PAGE_AUG, last, td.tdr, FREE_4K(0));
	promote_refuses(&s, &td); /* one page is elsewhere */
	td_block_and_track(&s, &td, last);
	mem_must(&s, TDH_MEM_PAGE_RELOCATE, last, td.tdr, FREE_2M(0) + 0x1ff000);
	td_must_enter(&s, &td);
	td_expect_tdcall(&s, TDX_SUCCESS, TDG_MEM_PAGE_ACCEPT, last);
	td_kick(&s, 0);
	promote_refuses(&s, &td); /* one is accepted, the others not */
	setup_free(&s);
}

static void interrupted_demote_gives_its_operands_back_and_changes_nothing(void **state)
{
	struct test_td td;
	struct setup s = with_large_page(&td);
	uint64_t table = td_page(&td);

	td_block_and_track(&s, &td, AT_2M);
	atomic_store(&s.m->lp[1].irq, true);
	mem_expect(&s, TDX_INTERRUPTED_RESTARTABLE, TDH_MEM_PAGE_DEMOTE, AT_2M, td.tdr, table);
	assert_int_equal(s.regs.rcx, AT_2M);
	assert_int_equal(s.regs.rdx, td.tdr);
	td_expect_state(&s, &td, AT_2M, TDX_SEPT_PENDING_BLOCKED);
	page_expect(&s, table, TDX_PT_NDA, 0, TDX_LEVEL_4K);
	/* An interrupt the host has masked does not stop it. */
	s.m->lp[1].rflags_if = false;
	mem_must(&s, TDH_MEM_PAGE_DEMOTE, AT_2M, td.tdr, table);
	setup_free(&s);
}

static void promote_needs_the_tree_for_itself(void **state)
{
	struct test_td td;
	struct setup s = with_large_page(&td);
	struct lock_key tree = {.key = td.tdr};

	demote(&s, &td, td_page(&td));
	td_block_and_track(&s, &td, AT_2M);
	assert_true(module_lock_hold(s.mod, LOCK_SEPT_TREE, &tree, HOLD_SHARED));
	mem_expect(&s, TDX_OPERAND_BUSY | TDX_OPERAND_ID_SEPT_TREE, TDH_MEM_PAGE_PROMOTE, AT_2M,
		   td.tdr, 0);
	module_lock_release(s.mod, LOCK_SEPT_TREE, &tree, HOLD_SHARED);
	mem_must(&s, TDH_MEM_PAGE_PROMOTE, AT_2M, td.tdr, 0);
	setup_free(&s);
}

static void an_empty_table_is_no_large_page(void **state)
{
	struct setup s = mem_setup();
	struct test_td td = td_build(&s, 0, 0, 0);
	const uint64_t at = TDX_SIZE_1G | TDX_LEVEL_1G;

	mem_must(&s, TDH_MEM_SEPT_ADD, at, td.tdr, td_page(&td));
	mem_expect(&s, TDX_EPT_INVALID_PROMOTE_CONDITIONS | TDX_OPERAND_ID_RCX,
		   TDH_MEM_PAGE_PROMOTE, at, td.tdr, 0);
	setup_free(&s);
}

/* --- dynamic PAMT --- */

#define PAIR(n) (SETUP_TDMR0 + 0x10000000ull + (uint64_t)(n)*TDX_PAGE_SIZE)

static struct setup with_dynamic_pamt(struct test_td *td)
{
	struct setup s = setup_load(NULL);

	setup_ready(&s, DYNAMIC);
	setup_expect(setup_call(&s, 0, TDH_PHYMEM_PAMT_ADD, .rcx = SETUP_TDMR1 | 1, .rdx = PAIR(0),
				.r8 = PAIR(1)),
		     TDX_SUCCESS);
	*td = td_run(&s, 0);
	mem_must(&s, TDH_MEM_PAGE_AUG, AT_2M, td->tdr, FREE_2M(0));
	td_block_and_track(&s, td, AT_2M);
	return s;
}

static uint64_t demote_with(struct setup *s, struct test_td *td, uint64_t table, uint64_t p0,
			    uint64_t p1)
{
	return setup_call(s, 0, TDH_MEM_PAGE_DEMOTE, .rcx = AT_2M, .rdx = td->tdr, .r8 = table,
			  .r12 = p0, .r13 = p1)
		.raw;
}

static void refused_pair_leaves_no_mark(void **state)
{
	struct test_td td;
	struct setup s = with_dynamic_pamt(&td);
	uint64_t table = td_page(&td);

	assert_int_equal(demote_with(&s, &td, table, PAIR(2), PAIR(2)),
			 TDX_PAGE_NOT_FREE | TDX_OPERAND_ID_R13);
	assert_int_equal(demote_with(&s, &td, table, PAIR(2), PAIR(0)),
			 TDX_PAGE_NOT_FREE | TDX_OPERAND_ID_R13);
	assert_int_equal(demote_with(&s, &td, table, td.tdr, PAIR(2)),
			 TDX_PAGE_NOT_FREE | TDX_OPERAND_ID_R12);
	assert_int_equal(demote_with(&s, &td, table, PAIR(2) + 8, PAIR(3)),
			 TDX_OPERAND_INVALID | TDX_OPERAND_ID_R12);
	assert_int_equal(demote_with(&s, &td, table, PAIR(2), SETUP_LIST),
			 TDX_OPERAND_ADDR_RANGE_ERROR | TDX_OPERAND_ID_R13);
	assert_int_equal(demote_with(&s, &td, table, PAIR(2), PAIR(3)), TDX_SUCCESS);
	setup_free(&s);
}

/* The call that holds the most locks: tables for three L2 VMs, and a pair. */
static void demote_takes_a_table_for_each_l2_vm_and_a_pair(void **state)
{
	struct setup s = setup_load(NULL);
	struct test_td td;
	struct tdx_status status;

	setup_ready(&s, DYNAMIC);
	setup_expect(setup_call(&s, 0, TDH_PHYMEM_PAMT_ADD, .rcx = SETUP_TDMR1 | 1, .rdx = PAIR(0),
				.r8 = PAIR(1)),
		     TDX_SUCCESS);
	td = td_build(&s, 0, 0, 3);
	for (unsigned level = 3; level > 1; level--)
		setup_expect(setup_call(&s, 1, TDH_MEM_SEPT_ADD | 1 << 16, .rcx = level,
					.rdx = td.tdr, .r8 = ~0ull, .r9 = td_page(&td),
					.r10 = td_page(&td), .r11 = td_page(&td)),
			     TDX_SUCCESS);
	mem_must(&s, TDH_MR_FINALIZE, td.tdr, 0, 0);
	mem_must(&s, TDH_MEM_PAGE_AUG, AT_2M, td.tdr, FREE_2M(0));
	td_block_and_track(&s, &td, AT_2M);
	status = setup_call(&s, 1, TDH_MEM_PAGE_DEMOTE, .rcx = AT_2M, .rdx = td.tdr,
			    .r8 = td_page(&td), .r9 = td_page(&td), .r10 = td_page(&td),
			    .r11 = td_page(&td), .r12 = PAIR(2), .r13 = PAIR(3));
	setup_expect(status, TDX_SUCCESS);
	expect_sound(&s);
	setup_free(&s);
}

static void promote_returns_the_pair_and_the_pair_is_free_again(void **state)
{
	struct test_td td;
	struct setup s = with_dynamic_pamt(&td);
	uint64_t table = td_page(&td);

	assert_int_equal(demote_with(&s, &td, table, PAIR(2), PAIR(3)), TDX_SUCCESS);
	for (unsigned i = 0; i < 512; i += 73)
		page_expect(&s, FREE_2M(0) + i * TDX_PAGE_SIZE, TDX_PT_REG, td.tdr, TDX_LEVEL_4K);
	td_block_and_track(&s, &td, AT_2M);
	mem_must(&s, TDH_MEM_PAGE_PROMOTE, AT_2M, td.tdr, 0);
	assert_int_equal(s.regs.rcx, table);
	assert_int_equal(s.regs.r12, PAIR(2));
	assert_int_equal(s.regs.r13, PAIR(3));
	setup_expect(setup_call(&s, 0, TDH_PHYMEM_PAMT_ADD, .rcx = FREE_2M(1) | 1, .rdx = PAIR(3),
				.r8 = PAIR(2)),
		     TDX_SUCCESS);
	setup_free(&s);
}

static void the_last_page_of_a_pair_comes_with_a_hint(void **state)
{
	struct test_td td;
	struct setup s = with_dynamic_pamt(&td);

	assert_int_equal(demote_with(&s, &td, td_page(&td), PAIR(2), PAIR(3)), TDX_SUCCESS);
	for (uint64_t i = 0; i < 512; i++)
		mem_must(&s, TDH_MEM_RANGE_BLOCK, LARGE + i * TDX_PAGE_SIZE, td.tdr, 0);
	mem_must(&s, TDH_MEM_TRACK, td.tdr, 0, 0);
	for (uint64_t i = 0; i < 512; i++) {
		uint64_t pa = FREE_2M(0) + i * TDX_PAGE_SIZE;

		mem_must(&s, TDH_MEM_PAGE_REMOVE, LARGE + i * TDX_PAGE_SIZE, td.tdr, 0);
		assert_int_equal(s.regs.rcx, i == 511 ? pa | PAMT_REMOVAL_HINT : pa);
	}
	setup_expect(setup_call(&s, 0, TDH_PHYMEM_PAMT_REMOVE, .rcx = FREE_2M(0) | 1), TDX_SUCCESS);
	assert_int_equal(s.regs.rdx, PAIR(2));
	assert_int_equal(s.regs.r8, PAIR(3));
	setup_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(promote_undoes_demote),
		cmocka_unit_test(every_part_of_a_split_page_maps_its_own_memory),
		cmocka_unit_test(promote_refuses_a_hole_a_stranger_and_a_mixture),
		cmocka_unit_test(interrupted_demote_gives_its_operands_back_and_changes_nothing),
		cmocka_unit_test(promote_needs_the_tree_for_itself),
		cmocka_unit_test(an_empty_table_is_no_large_page),
		cmocka_unit_test(refused_pair_leaves_no_mark),
		cmocka_unit_test(demote_takes_a_table_for_each_l2_vm_and_a_pair),
		cmocka_unit_test(promote_returns_the_pair_and_the_pair_is_free_again),
		cmocka_unit_test(the_last_page_of_a_pair_comes_with_a_hint),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
