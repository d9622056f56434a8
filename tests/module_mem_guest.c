/* SPDX-License-Identifier: MIT */
/* What a guest does to its pages, and a host that is in its way. */
#include "module_mem_setup.h"

#include "abi/eeq.h"
#include "module/lockword.h"

#define GPA   0x5000ull
#define LARGE 0x400000ull

static struct setup with_guest(struct test_td *td)
{
	struct setup s = mem_setup();

	*td = td_run(&s, 0);
	memset(machine_ptr(s.m, FREE_4K(0)), 0xee, TDX_PAGE_SIZE);
	mem_must(&s, TDH_MEM_PAGE_AUG, GPA, td->tdr, FREE_4K(0));
	td_must_enter(&s, td);
	return s;
}

static bool is_zero(struct setup *s, uint64_t pa, size_t len)
{
	const uint8_t *p = machine_ptr(s->m, pa);

	for (size_t i = 0; i < len; i++)
		if (p[i])
			return false;
	return true;
}

static void accepted_page_is_zero_and_accepted_once(void **state)
{
	struct test_td td;
	struct setup s = with_guest(&td);

	td_expect_tdcall(&s, TDX_SUCCESS, TDG_MEM_PAGE_ACCEPT, GPA);
	assert_true(is_zero(&s, FREE_4K(0), TDX_PAGE_SIZE));
	*(uint8_t *)machine_ptr(s.m, FREE_4K(0)) = 7;
	td_expect_tdcall(&s, TDX_PAGE_ALREADY_ACCEPTED, TDG_MEM_PAGE_ACCEPT, GPA);
	assert_int_equal(*(uint8_t *)machine_ptr(s.m, FREE_4K(0)), 7);
	td_kick(&s, 0);
	td_expect_state(&s, &td, GPA, TDX_SEPT_MAPPED);
	setup_free(&s);
}

static void accept_of_what_is_not_there_is_shown_to_the_host(void **state)
{
	struct test_td td;
	struct setup s = with_guest(&td);
	struct tdx_eeq_entry e;

	td_expect_exit(&s, TDG_MEM_PAGE_ACCEPT, 0x40000000);
	assert_int_equal(s.regs.r8, 0x40000000);
	assert_int_equal(tdx_eeq_type(s.regs.rdx), TDX_EEQ_ACCEPT);
	e = tdx_eeq_entry(s.regs.rdx);
	assert_int_equal(e.requested_level, TDX_LEVEL_4K);
	assert_int_equal(e.level, TDX_LEVEL_1G);
	assert_int_equal(e.public_state, 0);
	setup_free(&s);
}

static void accept_of_a_blocked_page_is_shown_to_the_host(void **state)
{
	struct test_td td;
	struct setup s = with_guest(&td);

	mem_expect(&s, TDX_SUCCESS, TDH_MEM_RANGE_BLOCK, GPA, td.tdr, 0);
	td_expect_exit(&s, TDG_MEM_PAGE_ACCEPT, GPA);
	assert_int_equal(tdx_eeq_entry(s.regs.rdx).public_state, 3);
	assert_false(is_zero(&s, FREE_4K(0), TDX_PAGE_SIZE));
	setup_free(&s);
}

static void accept_asks_for_the_size_the_host_mapped(void **state)
{
	struct setup s = mem_setup();
	struct test_td td = td_run(&s, 0);

	mem_must(&s, TDH_MEM_PAGE_AUG, LARGE | TDX_LEVEL_2M, td.tdr, FREE_2M(0));
	td_must_enter(&s, &td);
	td_expect_exit(&s, TDG_MEM_PAGE_ACCEPT, LARGE); /* too small: the host may split it */
	td_must_enter(&s, &td);
	td_expect_tdcall(&s, TDX_PAGE_SIZE_MISMATCH | TDX_LEVEL_2M, TDG_MEM_PAGE_ACCEPT,
			 0 | TDX_LEVEL_2M); /* too large */
	td_expect_tdcall(&s, TDX_OPERAND_INVALID | TDX_OPERAND_ID_RCX, TDG_MEM_PAGE_ACCEPT,
			 LARGE | TDX_LEVEL_1G);
	td_expect_tdcall(&s, TDX_OPERAND_INVALID | TDX_OPERAND_ID_RCX, TDG_MEM_PAGE_ACCEPT,
			 1ull << 47); /* shared */
	setup_free(&s);
}

/* The entry counts chunks where nobody but the module looks. */
static unsigned accept_progress(struct setup *s, struct test_td *td)
{
	const uint64_t *root = machine_ptr(s->m, td->next - 2 * TDX_PAGE_SIZE); /* 2M entries */

	return (unsigned)((root[LARGE >> 21] & SEPT_ACCEPT_MASK) >> SEPT_ACCEPT_SHIFT);
}

static void interrupted_accept_goes_on_where_it_stopped(void **state)
{
	struct setup s = mem_setup();
	struct test_td td = td_run(&s, 0);
	struct tdx_regs regs;

	mem_must(&s, TDH_MEM_PAGE_AUG, LARGE | TDX_LEVEL_2M, td.tdr, FREE_2M(0));
	memset(machine_ptr(s.m, FREE_2M(0)), 0xee, TDX_SIZE_2M);
	td_must_enter(&s, &td);
	atomic_store(&s.m->lp[0].irq_countdown, 99);
	assert_int_equal(td_tdcall(&s, 0, TDG_MEM_PAGE_ACCEPT, LARGE | TDX_LEVEL_2M, &regs),
			 MODULE_TO_GUEST);
	assert_int_equal(regs.rax, TDG_MEM_PAGE_ACCEPT); /* not answered: the guest repeats it */
	assert_int_equal(accept_progress(&s, &td), 100);
	assert_true(is_zero(&s, FREE_2M(0), 100 * TDX_PAGE_SIZE));
	assert_false(is_zero(&s, FREE_2M(0) + 100 * TDX_PAGE_SIZE, TDX_PAGE_SIZE));
	/* What the guest wrote there meanwhile must survive: those chunks are done. */
	*(uint8_t *)machine_ptr(s.m, FREE_2M(0)) = 1;
	atomic_store(&s.m->lp[0].irq_countdown, -1);
	td_expect_tdcall(&s, TDX_SUCCESS, TDG_MEM_PAGE_ACCEPT, LARGE | TDX_LEVEL_2M);
	assert_int_equal(*(uint8_t *)machine_ptr(s.m, FREE_2M(0)), 1);
	assert_true(is_zero(&s, FREE_2M(0) + TDX_PAGE_SIZE, TDX_SIZE_2M - TDX_PAGE_SIZE));
	td_kick(&s, 0);
	mem_must(&s, TDH_MEM_SEPT_RD, LARGE | TDX_LEVEL_2M, td.tdr, 0);
	assert_int_equal(sept_address(s.regs.rcx), FREE_2M(0));
	setup_free(&s);
}

/* Where the bytes become zero at once, the guest and the host still see an entry that counts. */
static void accept_of_a_large_page_may_clear_it_at_once(void **state)
{
	struct setup s = mem_setup();
	struct test_td td = td_run(&s, 0);
	struct tdx_regs regs;

	s.m->cfg.lazy_zero = true;
	mem_must(&s, TDH_MEM_PAGE_AUG, LARGE | TDX_LEVEL_2M, td.tdr, FREE_2M(0));
	memset(machine_ptr(s.m, FREE_2M(0)), 0xee, TDX_SIZE_2M);
	memset(machine_ptr(s.m, FREE_2M(1)), 0xee, TDX_PAGE_SIZE);
	td_must_enter(&s, &td);
	atomic_store(&s.m->lp[0].irq_countdown, 99);
	td_tdcall(&s, 0, TDG_MEM_PAGE_ACCEPT, LARGE | TDX_LEVEL_2M, &regs);
	assert_int_equal(accept_progress(&s, &td), 100);
	assert_true(is_zero(&s, FREE_2M(0), TDX_SIZE_2M));
	assert_false(is_zero(&s, FREE_2M(1), TDX_PAGE_SIZE));
	/* Who writes behind the module's back meanwhile is not seen by the guest. */
	memset(machine_ptr(s.m, FREE_2M(0) + 100 * TDX_PAGE_SIZE), 0xee, TDX_PAGE_SIZE);
	*(uint8_t *)machine_ptr(s.m, FREE_2M(0)) = 1;
	atomic_store(&s.m->lp[0].irq_countdown, -1);
	td_expect_tdcall(&s, TDX_SUCCESS, TDG_MEM_PAGE_ACCEPT, LARGE | TDX_LEVEL_2M);
	assert_int_equal(*(uint8_t *)machine_ptr(s.m, FREE_2M(0)), 1);
	assert_true(is_zero(&s, FREE_2M(0) + TDX_PAGE_SIZE, TDX_SIZE_2M - TDX_PAGE_SIZE));
	td_kick(&s, 0);
	setup_free(&s);
}

static void block_makes_a_half_accepted_page_start_again(void **state)
{
	struct setup s = mem_setup();
	struct test_td td = td_run(&s, 0);
	struct tdx_regs regs;

	mem_must(&s, TDH_MEM_PAGE_AUG, LARGE | TDX_LEVEL_2M, td.tdr, FREE_2M(0));
	td_must_enter(&s, &td);
	atomic_store(&s.m->lp[0].irq_countdown, 9);
	td_tdcall(&s, 0, TDG_MEM_PAGE_ACCEPT, LARGE | TDX_LEVEL_2M, &regs);
	assert_int_equal(accept_progress(&s, &td), 10);
	atomic_store(&s.m->lp[0].irq_countdown, -1);
	td_kick(&s, 0);
	td_block_and_track(&s, &td, LARGE | TDX_LEVEL_2M);
	mem_must(&s, TDH_MEM_RANGE_UNBLOCK, LARGE | TDX_LEVEL_2M, td.tdr, 0);
	assert_int_equal(accept_progress(&s, &td), 0);
	setup_free(&s);
}

static void guest_waits_behind_a_host_that_was_refused(void **state)
{
	struct test_td td;
	struct setup s = with_guest(&td);
	struct lock_key entry = {.key = td.tdr, .gpa = GPA, .level = TDX_LEVEL_4K};

	assert_true(module_lock_hold(s.mod, LOCK_SEPT_ENTRY, &entry, HOLD_EXCLUSIVE));
	td_expect_tdcall(&s, TDX_OPERAND_BUSY | TDX_OPERAND_ID_RCX, TDG_MEM_PAGE_ACCEPT, GPA);
	mem_expect(&s, TDX_OPERAND_BUSY | TDX_OPERAND_ID_RCX, TDH_MEM_SEPT_RD, GPA, td.tdr, 0);
	module_lock_release(s.mod, LOCK_SEPT_ENTRY, &entry, HOLD_EXCLUSIVE);
	td_expect_tdcall(&s, TDX_OPERAND_BUSY | TDX_OPERAND_ID_RCX, TDG_MEM_PAGE_ACCEPT, GPA);
	mem_must(&s, TDH_MEM_SEPT_RD, GPA, td.tdr, 0);
	td_expect_tdcall(&s, TDX_SUCCESS, TDG_MEM_PAGE_ACCEPT, GPA);
	setup_free(&s);
}

static void attributes_tell_the_mapping_and_whether_it_waits(void **state)
{
	struct test_td td;
	struct setup s = with_guest(&td);

	td_expect_tdcall(&s, TDX_SUCCESS, TDG_MEM_PAGE_ATTR_RD, GPA + 0x123);
	assert_int_equal(s.regs.rcx, GPA | 1ull << 62);
	td_expect_tdcall(&s, TDX_SUCCESS, TDG_MEM_PAGE_ACCEPT, GPA);
	td_expect_tdcall(&s, TDX_SUCCESS, TDG_MEM_PAGE_ATTR_RD, GPA);
	assert_int_equal(s.regs.rcx, GPA);
	assert_int_equal(s.regs.rdx, 0);
	td_expect_exit(&s, TDG_MEM_PAGE_ATTR_RD, GPA + 0x1000);
	assert_int_equal(s.regs.rcx, 0);
	assert_int_equal(s.regs.rdx, 0);
	setup_free(&s);
}

static void attributes_of_vms_that_do_not_exist_are_refused(void **state)
{
	struct test_td td;
	struct setup s = with_guest(&td);
	struct vmexit call = {.reason = VMX_EXIT_TDCALL, .instr_len = 4};

	td_expect_tdcall(&s, TDX_SUCCESS, TDG_MEM_PAGE_ATTR_WR, GPA);
	for (unsigned bit = 0; bit < 64; bit++) {
		s.regs = (struct tdx_regs){
			.rax = TDG_MEM_PAGE_ATTR_WR, .rcx = GPA, .rdx = 1ull << bit};
		assert_int_equal(module_vmexit(s.mod, 0, &call, &s.regs), MODULE_TO_GUEST);
		setup_expect(tdx_status(s.regs.rax), TDX_OPERAND_INVALID | TDX_OPERAND_ID_RDX);
		s.regs = (struct tdx_regs){
			.rax = TDG_MEM_PAGE_ATTR_WR, .rcx = GPA, .r8 = 1ull << bit};
		assert_int_equal(module_vmexit(s.mod, 0, &call, &s.regs), MODULE_TO_GUEST);
		setup_expect(tdx_status(s.regs.rax), TDX_OPERAND_INVALID | TDX_OPERAND_ID_R8);
	}
	setup_free(&s);
}

static void track_waits_for_a_vcpu_of_the_epoch_before(void **state)
{
	struct test_td td;
	struct setup s = with_guest(&td);

	mem_must(&s, TDH_MEM_RANGE_BLOCK, GPA, td.tdr, 0);
	mem_must(&s, TDH_MEM_TRACK, td.tdr, 0, 0);
	mem_expect(&s, TDX_PREVIOUS_TLB_EPOCH_BUSY, TDH_MEM_TRACK, td.tdr, 0, 0);
	/* It is still inside with what it may have cached. */
	mem_expect(&s, TDX_TLB_TRACKING_NOT_DONE | TDX_OPERAND_ID_RCX, TDH_MEM_PAGE_REMOVE, GPA,
		   td.tdr, 0);
	td_kick(&s, 0);
	mem_must(&s, TDH_MEM_PAGE_REMOVE, GPA, td.tdr, 0);
	setup_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepted_page_is_zero_and_accepted_once),
		cmocka_unit_test(accept_of_what_is_not_there_is_shown_to_the_host),
		cmocka_unit_test(accept_of_a_blocked_page_is_shown_to_the_host),
		cmocka_unit_test(accept_asks_for_the_size_the_host_mapped),
		cmocka_unit_test(interrupted_accept_goes_on_where_it_stopped),
		cmocka_unit_test(accept_of_a_large_page_may_clear_it_at_once),
		cmocka_unit_test(block_makes_a_half_accepted_page_start_again),
		cmocka_unit_test(guest_waits_behind_a_host_that_was_refused),
		cmocka_unit_test(attributes_tell_the_mapping_and_whether_it_waits),
		cmocka_unit_test(attributes_of_vms_that_do_not_exist_are_refused),
		cmocka_unit_test(track_waits_for_a_vcpu_of_the_epoch_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
