/* SPDX-License-Identifier: MIT */
/* From a free page to a TD and back: CREATE, KEY.CONFIG, ADDCX, VPFLUSHDONE, KEY.FREEID. */
#include "module_td.h"

static void a_shared_or_unknown_hkid_is_refused(void **state)
{
	struct setup *s = *state;
	const uint64_t bad[] = {0, 31, 64, 0xffff, 0x10021, 1ull << 63 | 0x21};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		setup_expect(td_call(s, TDH_MNG_CREATE, td_new_page(), bad[i]),
			     TDX_OPERAND_INVALID | TDX_OPERAND_ID_RDX);
}

static void the_hkid_is_looked_at_before_the_page(void **state)
{
	struct setup *s = *state;

	setup_expect(td_call(s, TDH_MNG_CREATE, 0x123, 0),
		     TDX_OPERAND_INVALID | TDX_OPERAND_ID_RDX);
	setup_expect(td_call(s, TDH_MNG_CREATE, 0x123, 0x21),
		     TDX_OPERAND_INVALID | TDX_OPERAND_ID_RCX);
}

static void an_hkid_has_one_owner(void **state)
{
	struct setup *s = *state;

	td_create(s, 0x21);
	setup_expect(td_call(s, TDH_MNG_CREATE, td_new_page(), 0x21), TDX_HKID_NOT_FREE);
	setup_expect(td_call(s, TDH_MNG_CREATE, td_new_page(), SETUP_GLOBAL_HKID),
		     TDX_HKID_NOT_FREE);
}

static void a_td_needs_entropy_and_can_be_tried_again(void **state)
{
	struct setup *s = *state;
	const uint64_t page = td_new_page();

	s->m->rng_fail = 24; /* as many as it tries */
	setup_expect(td_call(s, TDH_MNG_CREATE, page, 0x21), TDX_RND_NO_ENTROPY);
	s->m->rng_fail = 20; /* four words are left */
	setup_expect(td_call(s, TDH_MNG_CREATE, page, 0x21), TDX_SUCCESS);
}

/* The module writes a page before the last things it looks at, and gives it back so. */
static void a_page_refused_for_lack_of_entropy_has_been_cleared(void **state)
{
	struct setup *s = *state;
	const uint64_t tdr = td_new_page();
	uint64_t page = 0;

	memset(machine_ptr(s->m, tdr), 0x5a, TDX_PAGE_SIZE);
	setup_expect(td_call(s, TDH_MNG_CREATE, tdr, SETUP_GLOBAL_HKID), TDX_HKID_NOT_FREE);
	assert_int_equal(*(uint64_t *)machine_ptr(s->m, tdr), 0x5a5a5a5a5a5a5a5a);
	s->m->rng_fail = 24;
	setup_expect(td_call(s, TDH_MNG_CREATE, tdr, 0x21), TDX_RND_NO_ENTROPY);
	assert_int_equal(*(uint64_t *)machine_ptr(s->m, tdr), 0);
	setup_expect(td_call(s, TDH_MNG_CREATE, tdr, 0x21), TDX_SUCCESS);
	setup_expect(td_call(s, TDH_MNG_KEY_CONFIG, tdr, 0), TDX_SUCCESS);
	for (unsigned i = 0; i < 5; i++)
		setup_expect(td_call(s, TDH_MNG_ADDCX, td_new_page(), tdr), TDX_SUCCESS);
	page = td_new_page();
	memset(machine_ptr(s->m, page), 0x5a, TDX_PAGE_SIZE);
	s->m->rng_fail = 24;
	setup_expect(td_call(s, TDH_MNG_ADDCX, page, tdr), TDX_RND_NO_ENTROPY);
	assert_int_equal(*(uint64_t *)machine_ptr(s->m, page), 0);
	setup_expect(td_call(s, TDH_MNG_ADDCX, page, tdr), TDX_SUCCESS);
}

static void two_tds_never_share_an_identity(void **state)
{
	struct setup *s = *state;
	struct test_td a = td_create(s, 0x21), b = td_create(s, 0x22);

	assert_memory_not_equal(td_tdr(&a)->td_uuid, td_tdr(&b)->td_uuid, 32);
}

static void keys_are_configured_when_every_package_has_done_it(void **state)
{
	struct machine_config cfg;
	struct setup s;
	struct test_td td;

	(void)state;
	machine_default_config(&cfg);
	cfg.lps = 4;
	cfg.pkgs = 2;
	s = setup_load(&cfg);
	setup_ready(&s, SETUP_GLOBAL_HKID);
	td = td_create(&s, 0x21);
	setup_expect(setup_call(&s, 0, TDH_MNG_KEY_CONFIG, .rcx = td.tdr), TDX_SUCCESS);
	setup_expect(setup_call(&s, 1, TDH_MNG_KEY_CONFIG, .rcx = td.tdr), TDX_KEY_CONFIGURED);
	setup_expect(td_call(&s, TDH_MNG_ADDCX, td_new_page(), td.tdr), TDX_TD_KEYS_NOT_CONFIGURED);
	setup_expect(setup_call(&s, 2, TDH_MNG_KEY_CONFIG, .rcx = td.tdr), TDX_SUCCESS);
	setup_expect(setup_call(&s, 3, TDH_MNG_KEY_CONFIG, .rcx = td.tdr),
		     TDX_LIFECYCLE_STATE_INCORRECT);
	setup_expect(td_call(&s, TDH_MNG_ADDCX, td_new_page(), td.tdr), TDX_SUCCESS);
	setup_free(&s);
}

static void a_key_that_could_not_be_programmed_is_not_configured(void **state)
{
	struct setup *s = *state;
	struct test_td td = td_create(s, 0x21);

	s->m->pconfig_result = 5;
	setup_expect(td_call(s, TDH_MNG_KEY_CONFIG, td.tdr, 0),
		     TDX_OPERAND_BUSY | TDX_OPERAND_ID_KET);
	s->m->pconfig_result = 2;
	setup_expect(td_call(s, TDH_MNG_KEY_CONFIG, td.tdr, 0), TDX_KEY_GENERATION_FAILED);
	s->m->pconfig_result = 0;
	setup_expect(td_call(s, TDH_MNG_KEY_CONFIG, td.tdr, 0), TDX_SUCCESS);
}

static void control_pages_start_closed(void **state)
{
	struct test_td td = td_new(*state, 0x21);
	const uint8_t *msrs = td_tdcx(&td, TDCS_PAGE_MSR_BITMAPS);
	const uint64_t *root = td_tdcx(&td, TDCS_PAGE_SEPT_ROOT);

	for (unsigned i = 0; i < TDX_PAGE_SIZE; i++)
		assert_int_equal(msrs[i], 0xff);
	for (unsigned i = 0; i < 512; i++)
		assert_int_equal(root[i], 0x80e0000000000000); /* free, no #VE */
}

static void a_tdcs_takes_nine_pages_and_none_once_initialized(void **state)
{
	struct setup *s = *state;
	struct test_td td = td_new(s, 0x21), other = td_initialized(s, 0x22);

	td_add_pages(&td, 3);
	setup_expect(td_call(s, TDH_MNG_ADDCX, td_new_page(), td.tdr), TDX_TDCX_NUM_INCORRECT);
	setup_expect(td_call(s, TDH_MNG_ADDCX, td_new_page(), other.tdr),
		     TDX_OP_STATE_INCORRECT | TDX_OP_STATE_INITIALIZED);
	assert_int_equal(tdr_children(td_tdr(&td)), 9);
	assert_int_equal(tdr_children(td_tdr(&other)), 6);
}

static void a_page_is_given_once(void **state)
{
	struct setup *s = *state;
	struct test_td td = td_create(s, 0x21);
	const uint64_t page = td_new_page();

	td_config_keys(&td);
	setup_expect(td_call(s, TDH_MNG_ADDCX, page, td.tdr), TDX_SUCCESS);
	setup_expect(td_call(s, TDH_MNG_ADDCX, page, td.tdr),
		     TDX_PAGE_METADATA_INCORRECT | TDX_OPERAND_ID_RCX);
	setup_expect(td_call(s, TDH_MNG_ADDCX, td.tdr, td.tdr),
		     TDX_OPERAND_BUSY | TDX_OPERAND_ID_RCX);
	setup_expect(td_call(s, TDH_MNG_CREATE, page, 0x22),
		     TDX_PAGE_METADATA_INCORRECT | TDX_OPERAND_ID_RCX);
}

static void a_td_with_a_vcpu_on_a_processor_is_not_blocked(void **state)
{
	struct setup *s = *state;
	struct test_td td = td_initialized(s, 0x21);
	const uint64_t tdvpr = vp_new(&td, 5);

	setup_expect(vp_init(&td, tdvpr, 0), TDX_SUCCESS);
	setup_expect(td_call(s, TDH_MNG_VPFLUSHDONE, td.tdr, 0), TDX_FLUSHVP_NOT_DONE);
	setup_expect(td_call(s, TDH_VP_FLUSH, tdvpr, 0), TDX_SUCCESS);
	setup_expect(td_call(s, TDH_MNG_VPFLUSHDONE, td.tdr, 0), TDX_SUCCESS);
	setup_expect(td_call(s, TDH_MNG_VPFLUSHDONE, td.tdr, 0), TDX_LIFECYCLE_STATE_INCORRECT);
	setup_expect(td_call(s, TDH_VP_FLUSH, tdvpr, 0), TDX_TD_KEYS_NOT_CONFIGURED);
}

static void an_hkid_is_free_again_after_caches_were_written_back(void **state)
{
	struct setup *s = *state;
	struct test_td td = td_new(s, 0x21);

	setup_expect(td_call(s, TDH_MNG_KEY_FREEID, td.tdr, 0), TDX_LIFECYCLE_STATE_INCORRECT);
	setup_expect(td_call(s, TDH_MNG_VPFLUSHDONE, td.tdr, 0), TDX_SUCCESS);
	setup_expect(td_call(s, TDH_MNG_KEY_FREEID, td.tdr, 0), TDX_WBCACHE_NOT_COMPLETE);
	setup_expect(td_call(s, TDH_MNG_CREATE, td_new_page(), 0x21), TDX_HKID_NOT_FREE);
	setup_expect(td_call(s, TDH_PHYMEM_CACHE_WB, 0, 0), TDX_SUCCESS);
	setup_expect(td_call(s, TDH_MNG_KEY_FREEID, td.tdr, 0), TDX_SUCCESS);
	setup_expect(td_call(s, TDH_MNG_KEY_FREEID, td.tdr, 0), TDX_LIFECYCLE_STATE_INCORRECT);
	setup_expect(td_call(s, TDH_MNG_CREATE, td_new_page(), 0x21), TDX_SUCCESS);
}

static void blocking_an_unfinished_td_ends_its_build(void **state)
{
	struct setup *s = *state;
	struct test_td td = td_initialized(s, 0x21);

	assert_int_equal(s->mod->td_build_count, 1);
	setup_expect(td_call(s, TDH_MNG_VPFLUSHDONE, td.tdr, 0), TDX_SUCCESS);
	assert_int_equal(s->mod->td_build_count, 0);
}

static void reclaimid_succeeds_whatever_it_is_given(void **state)
{
	setup_expect(td_call(*state, TDH_MNG_KEY_RECLAIMID, 0x123, 0), TDX_SUCCESS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TD_TEST(a_shared_or_unknown_hkid_is_refused),
		TD_TEST(the_hkid_is_looked_at_before_the_page),
		TD_TEST(an_hkid_has_one_owner),
		TD_TEST(a_td_needs_entropy_and_can_be_tried_again),
		TD_TEST(a_page_refused_for_lack_of_entropy_has_been_cleared),
		TD_TEST(two_tds_never_share_an_identity),
		cmocka_unit_test(keys_are_configured_when_every_package_has_done_it),
		TD_TEST(a_key_that_could_not_be_programmed_is_not_configured),
		TD_TEST(control_pages_start_closed),
		TD_TEST(a_tdcs_takes_nine_pages_and_none_once_initialized),
		TD_TEST(a_page_is_given_once),
		TD_TEST(a_td_with_a_vcpu_on_a_processor_is_not_blocked),
		TD_TEST(an_hkid_is_free_again_after_caches_were_written_back),
		TD_TEST(blocking_an_unfinished_td_ends_its_build),
		TD_TEST(reclaimid_succeeds_whatever_it_is_given),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
