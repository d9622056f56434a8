/* SPDX-License-Identifier: MIT */
/* The Secure EPTs of L2 VMs beside the TD's own: tables, aliases, and that both change together. */
#include "module_mem_setup.h"

#define NO_PAGE	    (~0ull)
#define PAGE_UNUSED (1ull << 63)
#define GPA	    0x5000ull
#define LARGE	    0x400000ull
#define AT_2M	    (LARGE | TDX_LEVEL_2M)
#define READ_L2	    1ull /* in RDX of TDH.MEM.SEPT.RD */

enum { R = 1, W = 2, XS = 4, XU = 8, VALID = 0x8000 };

static uint64_t call_v1(struct setup *s, uint64_t leaf, uint64_t rcx, uint64_t rdx, uint64_t r8,
			uint64_t r9)
{
	s->regs = (struct tdx_regs){.rax = leaf | 1 << 16,
				    .rcx = rcx,
				    .rdx = rdx,
				    .r8 = r8,
				    .r9 = r9,
				    .r10 = NO_PAGE,
				    .r11 = NO_PAGE};
	assert_int_equal(module_seamcall(s->mod, 1, &s->regs), MODULE_TO_HOST);
	return s->regs.rax;
}

/* A TD under debug with one L2 VM whose tables stand beside the TD's, and a page at GPA. */
static struct setup with_l2(struct test_td *td)
{
	struct setup s = mem_setup();

	*td = td_build(&s, 0, TDX_ATTR_DEBUG, 1);
	for (unsigned level = 3; level > 0; level--)
		assert_int_equal(
			call_v1(&s, TDH_MEM_SEPT_ADD, level, td->tdr, NO_PAGE, td_page(td)),
			TDX_SUCCESS);
	mem_must(&s, TDH_MEM_PAGE_AUG, GPA, td->tdr, FREE_4K(0));
	mem_must(&s, TDH_MEM_PAGE_AUG, AT_2M, td->tdr, FREE_2M(0));
	mem_must(&s, TDH_MR_FINALIZE, td->tdr, 0, 0);
	td_must_enter(&s, td);
	td_expect_tdcall(&s, TDX_SUCCESS, TDG_MEM_PAGE_ACCEPT, GPA);
	td_expect_tdcall(&s, TDX_SUCCESS, TDG_MEM_PAGE_ACCEPT, AT_2M);
	return s;
}

static void expect_attr_wr(struct setup *s, uint64_t raw, uint64_t rcx, unsigned attr,
			   unsigned mask)
{
	struct vmexit e = {.reason = VMX_EXIT_TDCALL, .instr_len = 4};

	s->regs = (struct tdx_regs){.rax = TDG_MEM_PAGE_ATTR_WR,
				    .rcx = rcx,
				    .rdx = (uint64_t)attr << 16,
				    .r8 = (uint64_t)mask << 16};
	assert_int_equal(module_vmexit(s->mod, 0, &e, &s->regs), MODULE_TO_GUEST);
	setup_expect(tdx_status(s->regs.rax), raw);
}

static void expect_l2_attr(struct setup *s, struct test_td *td, uint64_t at, unsigned attr)
{
	mem_must(s, TDH_MEM_SEPT_RD, at, td->tdr | READ_L2, 0);
	assert_int_equal(s->regs.r8, (uint64_t)attr << 16);
}

static void l2_table_needs_the_l2_table_above_it(void **state)
{
	struct setup s = mem_setup();
	struct test_td td = td_build(&s, 0, 0, 1);
	uint64_t table = td_page(&td);

	assert_int_equal(call_v1(&s, TDH_MEM_SEPT_ADD, 1, td.tdr, NO_PAGE, table),
			 tdx_error_pair(TDX_L2_SEPT_WALK_FAILED, 1, TDX_LEVEL_512G).raw);
	assert_int_equal(s.regs.r9, table);
	assert_int_equal(sept_info_vm(s.regs.rdx), 1);
	assert_int_equal(sept_info_level(s.regs.rdx), TDX_LEVEL_512G);
	expect_sound(&s);
	setup_free(&s);
}

static void page_list_says_which_pages_were_taken(void **state)
{
	struct setup s = mem_setup();
	struct test_td td = td_build(&s, 0, 0, 1);
	uint64_t l1 = td_page(&td), l2 = td_page(&td);

	/* The TD's table is there already: only with leave may it be offered again. */
	assert_int_equal(call_v1(&s, TDH_MEM_SEPT_ADD, 3, td.tdr, l1, l2),
			 TDX_EPT_ENTRY_STATE_INCORRECT | TDX_OPERAND_ID_RCX);
	assert_int_equal(call_v1(&s, TDH_MEM_SEPT_ADD, 3, td.tdr | 1, l1, l2), TDX_SUCCESS);
	assert_int_equal(s.regs.r8, l1 | PAGE_UNUSED);
	assert_int_equal(s.regs.r9, NO_PAGE);
	assert_int_equal(call_v1(&s, TDH_MEM_SEPT_ADD, 3, td.tdr, NO_PAGE, l1),
			 tdx_error_pair(TDX_L2_SEPT_ENTRY_NOT_FREE, 1, TDX_LEVEL_512G).raw);
	page_expect(&s, l1, TDX_PT_NDA, 0, TDX_LEVEL_4K);
	page_expect(&s, l2, TDX_PT_EPT, td.tdr, TDX_LEVEL_4K);
	expect_sound(&s);
	setup_free(&s);
}

static void attributes_make_and_unmake_an_alias(void **state)
{
	struct test_td td;
	struct setup s = with_l2(&td);

	expect_attr_wr(&s, TDX_SUCCESS, GPA, VALID | R | XU, R | W | XS | XU);
	assert_int_equal(s.regs.rdx, (uint64_t)(VALID | R | XU) << 16);
	td_expect_tdcall(&s, TDX_SUCCESS, TDG_MEM_PAGE_ATTR_RD, GPA);
	assert_int_equal(s.regs.rdx, (uint64_t)(VALID | R | XU) << 16);
	/* Bits outside the mask stay. */
	expect_attr_wr(&s, TDX_SUCCESS, GPA, VALID | W | XS, W | XS);
	td_expect_tdcall(&s, TDX_SUCCESS, TDG_MEM_PAGE_ATTR_RD, GPA);
	assert_int_equal(s.regs.rdx, (uint64_t)(VALID | R | W | XS | XU) << 16);
	expect_attr_wr(&s, TDX_SUCCESS, GPA, VALID, 0xff);
	assert_int_equal(s.regs.rdx, (uint64_t)VALID << 16);
	td_expect_tdcall(&s, TDX_SUCCESS, TDG_MEM_PAGE_ATTR_RD, GPA);
	assert_int_equal(s.regs.rdx, 0);
	setup_free(&s);
}

static void write_without_read_is_refused_and_the_present_attributes_told(void **state)
{
	struct test_td td;
	struct setup s = with_l2(&td);

	expect_attr_wr(&s, TDX_PAGE_ATTR_INVALID, GPA, VALID | W, 0xff);
	assert_int_equal(s.regs.rdx, 0);
	expect_attr_wr(&s, TDX_SUCCESS, GPA, VALID | R, 0xff);
	expect_attr_wr(&s, TDX_PAGE_ATTR_INVALID, GPA, VALID | W, R | W);
	assert_int_equal(s.regs.rdx, (uint64_t)(VALID | R) << 16);
	setup_free(&s);
}

static void block_and_unblock_keep_the_l2_attributes(void **state)
{
	struct test_td td;
	struct setup s = with_l2(&td);
	unsigned attr = VALID | R | W | XU;

	expect_attr_wr(&s, TDX_SUCCESS, GPA, attr, 0xff);
	td_kick(&s, 0);
	expect_l2_attr(&s, &td, GPA, attr);
	td_block_and_track(&s, &td, GPA);
	expect_sound(&s);
	expect_l2_attr(&s, &td, GPA, attr);
	mem_must(&s, TDH_MEM_RANGE_UNBLOCK, GPA, td.tdr, 0);
	expect_l2_attr(&s, &td, GPA, attr);
	td_must_enter(&s, &td);
	td_expect_tdcall(&s, TDX_SUCCESS, TDG_MEM_PAGE_ATTR_RD, GPA);
	assert_int_equal(s.regs.rdx, (uint64_t)attr << 16);
	setup_free(&s);
}

static void removed_page_leaves_no_alias(void **state)
{
	struct test_td td;
	struct setup s = with_l2(&td);

	expect_attr_wr(&s, TDX_SUCCESS, GPA, VALID | R, 0xff);
	td_kick(&s, 0);
	td_block_and_track(&s, &td, GPA);
	mem_must(&s, TDH_MEM_PAGE_REMOVE, GPA, td.tdr, 0);
	expect_sound(&s);
	mem_must(&s, TDH_MEM_PAGE_AUG, GPA, td.tdr, FREE_4K(1));
	expect_l2_attr(&s, &td, GPA, 0);
	/* The table goes with the L2 table beside it. */
	td_block_and_track(&s, &td, GPA);
	mem_must(&s, TDH_MEM_PAGE_REMOVE, GPA, td.tdr, 0);
	td_block_and_track(&s, &td, TDX_LEVEL_2M);
	assert_int_equal(call_v1(&s, TDH_MEM_SEPT_REMOVE, TDX_LEVEL_2M, td.tdr, 0, 0), TDX_SUCCESS);
	assert_int_equal(s.regs.r9, td.next - TDX_PAGE_SIZE);
	assert_int_equal(s.regs.r10, NO_PAGE);
	expect_sound(&s);
	setup_free(&s);
}

static void split_page_keeps_its_aliases_and_merges_back(void **state)
{
	struct test_td td;
	struct setup s = with_l2(&td);
	unsigned attr = VALID | R | XS;
	uint64_t l1 = td_page(&td), l2 = td_page(&td);

	expect_attr_wr(&s, TDX_SUCCESS, AT_2M, attr, 0xff);
	td_kick(&s, 0);
	td_block_and_track(&s, &td, AT_2M);
	s.regs = (struct tdx_regs){
		.rax = TDH_MEM_PAGE_DEMOTE, .rcx = AT_2M, .rdx = td.tdr, .r8 = l1, .r9 = NO_PAGE};
	module_seamcall(s.mod, 1, &s.regs);
	setup_expect(tdx_status(s.regs.rax), TDX_L2_SEPT_PAGE_NOT_PROVIDED | TDX_OPERAND_ID_R9);
	s.regs = (struct tdx_regs){
		.rax = TDH_MEM_PAGE_DEMOTE, .rcx = AT_2M, .rdx = td.tdr, .r8 = l1, .r9 = l2};
	module_seamcall(s.mod, 1, &s.regs);
	setup_expect(tdx_status(s.regs.rax), TDX_SUCCESS);
	expect_sound(&s);
	for (unsigned i = 0; i < 512; i += 127)
		expect_l2_attr(&s, &td, LARGE + i * TDX_PAGE_SIZE, attr);
	td_block_and_track(&s, &td, AT_2M);
	assert_int_equal(call_v1(&s, TDH_MEM_PAGE_PROMOTE, AT_2M, td.tdr, 0, 0), TDX_SUCCESS);
	assert_int_equal(s.regs.rcx, l1);
	assert_int_equal(s.regs.r9, l2);
	expect_l2_attr(&s, &td, AT_2M, attr);
	expect_sound(&s);
	setup_free(&s);
}

static void parts_that_differ_for_an_l2_vm_do_not_merge(void **state)
{
	struct test_td td;
	struct setup s = with_l2(&td);
	uint64_t l1 = td_page(&td), l2 = td_page(&td);

	td_kick(&s, 0);
	td_block_and_track(&s, &td, AT_2M);
	s.regs = (struct tdx_regs){
		.rax = TDH_MEM_PAGE_DEMOTE, .rcx = AT_2M, .rdx = td.tdr, .r8 = l1, .r9 = l2};
	module_seamcall(s.mod, 1, &s.regs);
	setup_expect(tdx_status(s.regs.rax), TDX_SUCCESS);
	td_must_enter(&s, &td);
	expect_attr_wr(&s, TDX_SUCCESS, LARGE + 0x9000, VALID | R, 0xff);
	td_kick(&s, 0);
	td_block_and_track(&s, &td, AT_2M);
	assert_int_equal(call_v1(&s, TDH_MEM_PAGE_PROMOTE, AT_2M, td.tdr, 0, 0),
			 TDX_EPT_INVALID_PROMOTE_CONDITIONS | TDX_OPERAND_ID_RCX);
	setup_free(&s);
}

/* --- what the invariant check sees of it --- */

static uint64_t *table_4k(struct setup *s, struct test_td *td, bool l2)
{
	const struct tdr *tdr = machine_ptr(s->m, td->tdr);
	const struct tdcs *tdcs =
		machine_ptr(s->m, machine_strip(s->m, tdr->tdcx_pa[TDCS_PAGE_MAIN]));
	uint64_t root = l2 ? tdr->tdcx_pa[TDCS_PAGE_L2_SEPT_ROOT] : tdcs->eptp;

	for (unsigned level = 0; level < 3; level++)
		root = *(uint64_t *)machine_ptr(s->m, machine_strip(s->m, sept_address(root)));
	return machine_ptr(s->m, machine_strip(s->m, sept_address(root)));
}

#define L2_PAGE(s, td, l2) (table_4k(s, td, l2)[GPA / TDX_PAGE_SIZE])

static void alias_forgotten(struct setup *s, struct test_td *td)
{
	L2_PAGE(s, td, true) = L2_PAGE(s, td, true) & ~0xfffull ? table_4k(s, td, true)[0] : 0;
}

static void alias_of_another_page(struct setup *s, struct test_td *td)
{
	L2_PAGE(s, td, true) += TDX_PAGE_SIZE;
}

static void alias_under_another_key(struct setup *s, struct test_td *td)
{
	L2_PAGE(s, td, true) ^= 1ull << 46;
}

static void alias_of_a_blocked_page(struct setup *s, struct test_td *td)
{
	L2_PAGE(s, td, false) = sept_with_state(L2_PAGE(s, td, false), TDX_SEPT_BLOCKED);
}

static void alias_that_is_a_table(struct setup *s, struct test_td *td)
{
	L2_PAGE(s, td, true) &= ~SEPT_PS;
}

static void a_broken_tree_of_an_l2_vm_is_found_and_named(void **state)
{
	static const struct {
		void (*sabotage)(struct setup *s, struct test_td *td);
		const char *says;
	} cases[] = {
		{alias_forgotten, "its own"},
		{alias_of_another_page, "L2 S-EPT 1"},
		{alias_under_another_key, "another KeyID"},
		{alias_of_a_blocked_page, "is blocked"},
		{alias_that_is_a_table, "maps"},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct test_td td;
		struct setup s = with_l2(&td);
		char why[256] = "";

		expect_attr_wr(&s, TDX_SUCCESS, GPA, VALID | R | W, VALID | R | W);
		if (!module_check_invariants(s.mod, why, sizeof(why)))
			fail_msg("%s", why);
		cases[i].sabotage(&s, &td);
		assert_false(module_check_invariants(s.mod, why, sizeof(why)));
		if (!strstr(why, cases[i].says))
			fail_msg("expected \"%s\": %s", cases[i].says, why);
		setup_free(&s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_broken_tree_of_an_l2_vm_is_found_and_named),
		cmocka_unit_test(l2_table_needs_the_l2_table_above_it),
		cmocka_unit_test(page_list_says_which_pages_were_taken),
		cmocka_unit_test(attributes_make_and_unmake_an_alias),
		cmocka_unit_test(write_without_read_is_refused_and_the_present_attributes_told),
		cmocka_unit_test(block_and_unblock_keep_the_l2_attributes),
		cmocka_unit_test(removed_page_leaves_no_alias),
		cmocka_unit_test(split_page_keeps_its_aliases_and_merges_back),
		cmocka_unit_test(parts_that_differ_for_an_l2_vm_do_not_merge),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
