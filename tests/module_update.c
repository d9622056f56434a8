/* SPDX-License-Identifier: MIT */
/* A new module takes over from the one before: TDs go on as if nothing had happened, and what must
 * not be taken over is refused. */
#include "module/invariants.h"
#include "module_setup.h"

#define TD	 SETUP_TDMR1
#define V1(leaf) ((leaf) | 1u << 16)

/* Shut down and loaded anew; the machine, its memory and the pages of TDs stay. */
static void replace(struct setup *s)
{
	setup_expect(setup_call(s, 0, TDH_SYS_SHUTDOWN, .rcx = 1), TDX_SUCCESS);
	module_unload(s->mod);
	s->mod = module_load(s->m);
	assert_non_null(s->mod);
	setup_init(s);
}

static void sound(struct setup *s)
{
	char why[256];

	if (!module_check_invariants(s->mod, why, sizeof(why)))
		fail_msg("%s", why);
}

static enum module_next enter(struct setup *s, uint64_t tdvpr)
{
	s->regs = (struct tdx_regs){.rax = TDH_VP_ENTER, .rcx = tdvpr};
	return module_seamcall(s->mod, 0, &s->regs);
}

static void interrupt(struct setup *s)
{
	const struct vmexit x = {.reason = 1, .intr_info = 0x80000020};

	s->m->lp[0].retired = 1000;
	assert_int_equal(module_vmexit(s->mod, 0, &x, module_guest_regs(s->mod, 0)),
			 MODULE_TO_HOST);
	setup_expect(tdx_status(module_host_regs(s->mod, 0)->rax), TDX_SUCCESS | 1);
}

static void updated_module_runs_and_tears_down_the_tds_it_found(void **state)
{
	struct setup s = setup_load(NULL);

	setup_ready(&s, SETUP_GLOBAL_HKID);
	setup_td(&s, TD, 33);
	assert_int_equal(enter(&s, TD + SETUP_TDVPR), MODULE_TO_GUEST);
	interrupt(&s);
	replace(&s);
	setup_expect(setup_call(&s, 0, TDH_VP_FLUSH, .rcx = TD + SETUP_TDVPR), TDX_SYS_NOT_READY);
	setup_expect(setup_call(&s, 1, TDH_SYS_UPDATE), TDX_SUCCESS);
	sound(&s);
	assert_int_equal(enter(&s, TD + SETUP_TDVPR), MODULE_TO_GUEST);
	interrupt(&s);
	setup_expect(setup_call(&s, 0, TDH_MNG_CREATE, .rcx = TD + 0x100000, .rdx = 33),
		     TDX_HKID_NOT_FREE);
	setup_td(&s, TD + 0x100000, 34);
	sound(&s);
	setup_free_hkid(&s, TD);
	setup_expect(setup_call(&s, 0, TDH_PHYMEM_PAGE_RECLAIM, .rcx = TD + SETUP_PAGE),
		     TDX_SUCCESS);
	sound(&s);
	setup_free(&s);
}

static void interrupted_write_back_is_resumed_by_the_next_module(void **state)
{
	struct setup s = setup_load(NULL);

	setup_ready(&s, SETUP_GLOBAL_HKID);
	setup_td(&s, TD, 33);
	setup_expect(setup_call(&s, 0, TDH_VP_FLUSH, .rcx = TD + SETUP_TDVPR), TDX_SUCCESS);
	setup_expect(setup_call(&s, 0, TDH_MNG_VPFLUSHDONE, .rcx = TD), TDX_SUCCESS);
	s.m->lp[0].irq_countdown = 1;
	setup_expect(setup_call(&s, 0, TDH_PHYMEM_CACHE_WB), TDX_INTERRUPTED_RESUMABLE);
	s.m->lp[0].irq_countdown = -1;
	replace(&s);
	setup_expect(setup_call(&s, 0, TDH_SYS_UPDATE), TDX_SUCCESS);
	setup_expect(setup_call(&s, 0, TDH_MNG_KEY_FREEID, .rcx = TD), TDX_WBCACHE_NOT_COMPLETE);
	setup_expect(setup_call(&s, 0, TDH_PHYMEM_CACHE_WB, .rcx = 1), TDX_SUCCESS);
	setup_expect(setup_call(&s, 0, TDH_MNG_KEY_FREEID, .rcx = TD), TDX_SUCCESS);
	setup_free(&s);
}

static void handoff_data_is_there_once_and_can_be_read(void **state)
{
	const uint64_t valid = 0x8900000000000004, hv = 0x8900000100000005;
	struct setup s = setup_load(NULL);

	setup_ready(&s, SETUP_GLOBAL_HKID);
	replace(&s);
	setup_expect(setup_call(&s, 0, TDH_SYS_RD, .rdx = valid), TDX_SUCCESS);
	assert_int_equal(s.regs.r8, 1);
	setup_expect(setup_call(&s, 0, TDH_SYS_RD, .rdx = hv), TDX_SUCCESS);
	assert_int_equal(s.regs.r8, 1);
	setup_expect(setup_call(&s, 0, TDH_SYS_UPDATE), TDX_SUCCESS);
	setup_expect(setup_call(&s, 0, TDH_SYS_RD, .rdx = valid), TDX_SUCCESS);
	assert_int_equal(s.regs.r8, 0);
	setup_expect(setup_call(&s, 0, TDH_SYS_UPDATE), TDX_SYS_STATE_INCORRECT);
	setup_free(&s);
}

static void features_asked_for_must_be_there(void **state)
{
	struct setup s = setup_load(NULL);

	setup_ready(&s, SETUP_GLOBAL_HKID);
	replace(&s);
	setup_expect(setup_call(&s, 0, V1(TDH_SYS_UPDATE), .r9 = 1ull << 63),
		     TDX_OPERAND_INVALID | TDX_OPERAND_ID_R9);
	setup_expect(setup_call(&s, 0, V1(TDH_SYS_UPDATE), .r10 = 1),
		     TDX_OPERAND_INVALID | TDX_OPERAND_ID_R10);
	setup_expect(setup_call(&s, 0, V1(TDH_SYS_UPDATE), .r9 = 1ull << 47), TDX_SUCCESS);
	setup_free(&s);
}

static void a_refused_shutdown_hands_nothing_over(void **state)
{
	struct setup s = setup_load(NULL);

	setup_ready(&s, SETUP_GLOBAL_HKID);
	setup_td(&s, TD, 33);
	assert_int_equal(enter(&s, TD + SETUP_TDVPR), MODULE_TO_GUEST);
	s.regs = (struct tdx_regs){.rax = TDH_SYS_SHUTDOWN, .rcx = 1};
	assert_int_equal(module_seamcall(s.mod, 1, &s.regs), MODULE_TO_HOST);
	setup_expect(tdx_status(s.regs.rax), TDX_SYS_BUSY);
	module_unload(s.mod);
	s.mod = module_load(s.m);
	setup_init(&s);
	setup_expect(setup_call(&s, 0, TDH_SYS_UPDATE), TDX_SYS_INVALID_HANDOFF);
	setup_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(updated_module_runs_and_tears_down_the_tds_it_found),
		cmocka_unit_test(interrupted_write_back_is_resumed_by_the_next_module),
		cmocka_unit_test(handoff_data_is_there_once_and_can_be_read),
		cmocka_unit_test(features_asked_for_must_be_there),
		cmocka_unit_test(a_refused_shutdown_hands_nothing_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
