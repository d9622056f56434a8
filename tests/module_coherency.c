/* SPDX-License-Identifier: MIT */
/* A host that builds and tears down a TD on a watched machine: with all its cache duties done
 * nothing is reported; with one forgotten, that one is, with the page and the calls on both sides.
 * Covers S0-18 to S0-23. */
#include <errno.h>
#include "machine/coherency.h"
#include "module_setup.h"

#define TD SETUP_TDMR1
enum { HKID = 33, PAGES = 0x17, GUEST_PAGE = 0x16 };

enum duty { FLUSH_BEFORE, WRITE_BACK_AFTER, CLEAR_AFTER, FENCE_AFTER, NONE_FORGOTTEN };

static struct setup watched(void)
{
	struct machine_config cfg;
	struct setup s;

	machine_default_config(&cfg);
	cfg.lps = 4;
	cfg.pkgs = 2;
	cfg.partial_write_mce = true;
	s = setup_load(&cfg);
	assert_int_equal(machine_watch(s.m, 64), 0);
	setup_ready(&s, SETUP_GLOBAL_HKID);
	return s;
}

/* The host used the pages before; it flushes them unless it forgets one. */
static void use_pages(struct setup *s, uint64_t forgotten)
{
	uint8_t junk[4096];

	memset(junk, 0xaa, sizeof(junk));
	for (uint64_t pa = TD; pa < TD + PAGES * 0x1000; pa += 0x1000) {
		assert_int_equal(machine_write(&s->m->lp[1], pa, junk, sizeof(junk)), 0);
		if (pa != forgotten)
			machine_clflush(&s->m->lp[3], pa, 4096);
	}
}

static void take_back(struct setup *s, uint64_t pa, enum duty forget)
{
	struct machine_lp *lp = &s->m->lp[2];
	unsigned hkid_ = pa == TD ? SETUP_GLOBAL_HKID : HKID;

	if (forget != WRITE_BACK_AFTER)
		setup_expect(setup_call(s, 2, TDH_PHYMEM_PAGE_WBINVD,
					.rcx = machine_with_hkid(s->m, pa, hkid_)),
			     TDX_SUCCESS);
	if (forget != CLEAR_AFTER)
		assert_int_equal(machine_movdir64b_zero(lp, pa, 4096), 0);
	if (forget != FENCE_AFTER)
		machine_mfence(lp);
}

static void reclaim_all(struct setup *s, uint64_t special, enum duty forget)
{
	for (uint64_t pa = TD + (PAGES - 1) * 0x1000; pa >= TD; pa -= 0x1000) {
		if (tdx_is(setup_call(s, 0, TDH_PHYMEM_PAGE_RECLAIM, .rcx = pa),
			   TDX_PAGE_METADATA_INCORRECT))
			continue; /* between the vCPU and the tables nothing was given */
		assert_int_equal(s->regs.rax, 0);
		take_back(s, pa, pa == special ? forget : NONE_FORGOTTEN);
	}
}

static void no_report(struct setup *s)
{
	struct coherency_report r;
	char text[512];

	if (machine_coherency_report(s->m, 0, &r))
		fail_msg("%s", coherency_format(&r, text, sizeof(text)));
}

static struct coherency_report first_report(struct setup *s, enum coherency_kind kind, uint64_t pa)
{
	struct coherency_report r;
	char text[512];

	assert_true(machine_coherency_report(s->m, 0, &r));
	if (r.kind != kind || r.pa != pa)
		fail_msg("%s", coherency_format(&r, text, sizeof(text)));
	return r;
}

static void reuse(struct setup *s, uint64_t pa, int expected)
{
	uint8_t word[8] = {1};

	assert_int_equal(machine_read(&s->m->lp[0], pa + 64, word, sizeof(word)), expected);
}

static void whole_life_with_all_duties_done_is_silent(void **state)
{
	struct setup s = watched();

	use_pages(&s, 0);
	setup_td(&s, TD, HKID);
	setup_free_hkid(&s, TD);
	reclaim_all(&s, 0, NONE_FORGOTTEN);
	for (unsigned i = 0; i < PAGES; i++)
		reuse(&s, TD + i * 0x1000, 0);
	/* and the KeyID may be used again: no package has lines of it */
	setup_td(&s, TD, HKID);
	no_report(&s);
	setup_free(&s);
}

static void forgotten_flush_names_the_call_that_took_the_page(void **state)
{
	static const struct {
		uint64_t page;
		unsigned leaf, hkid;
	} takes[] = {
		{0, TDH_MNG_CREATE, SETUP_GLOBAL_HKID},	 {SETUP_TDCX(2), TDH_MNG_ADDCX, HKID},
		{SETUP_TDVPR, TDH_VP_CREATE, HKID},	 {SETUP_TDVPR + 0x2000, TDH_VP_ADDCX, HKID},
		{SETUP_SEPT(1), TDH_MEM_SEPT_ADD, HKID}, {SETUP_PAGE, TDH_MEM_PAGE_ADD, HKID},
	};

	for (size_t i = 0; i < sizeof(takes) / sizeof(takes[0]); i++) {
		struct setup s = watched();
		struct coherency_report r;

		use_pages(&s, TD + takes[i].page);
		setup_td(&s, TD, HKID);
		r = first_report(&s, COHERENCY_UNFLUSHED_HANDOVER, TD + takes[i].page);
		assert_int_equal(r.during, takes[i].leaf);
		assert_int_equal(r.dirtied_by, MACHINE_CALL_HOST);
		assert_int_equal(r.hkid, takes[i].hkid);
		assert_int_equal(r.old_hkid, 0);
		machine_coherency_clear(s.m);
		machine_wbinvd(&s.m->lp[0]);
		first_report(&s, COHERENCY_STALE_WRITE_BACK, TD + takes[i].page);
		setup_free(&s);
	}
}

static void aug_of_an_unflushed_page_is_reported_though_nothing_is_written(void **state)
{
	struct setup s = watched();
	struct coherency_report r;
	uint64_t page = TD + 0x17000;

	use_pages(&s, 0);
	setup_td(&s, TD, HKID);
	assert_int_equal(machine_write(&s.m->lp[0], page, "x", 1), 0);
	setup_expect(setup_call(&s, 0, TDH_MEM_PAGE_AUG, .rcx = 0x5000, .rdx = TD, .r8 = page),
		     TDX_SUCCESS);
	r = first_report(&s, COHERENCY_UNFLUSHED_HANDOVER, page);
	assert_int_equal(r.during, TDH_MEM_PAGE_AUG);
	setup_free(&s);
}

static void tdr_freed_without_write_back_is_overwritten_by_the_module_later(void **state)
{
	struct setup s = watched();
	struct coherency_report r;

	use_pages(&s, 0);
	setup_td(&s, TD, HKID);
	setup_free_hkid(&s, TD);
	reclaim_all(&s, TD, WRITE_BACK_AFTER);
	r = first_report(&s, COHERENCY_UNFLUSHED_REUSE, TD);
	assert_int_equal(r.old_hkid, SETUP_GLOBAL_HKID);
	assert_int_equal(r.dirtied_by, TDH_PHYMEM_PAGE_RECLAIM);
	machine_wbinvd(&s.m->lp[0]);
	reuse(&s, TD, -EIO);
	setup_free(&s);
}

static void page_not_cleared_is_a_machine_check_on_an_erratum_platform(void **state)
{
	struct setup s = watched();

	use_pages(&s, 0);
	setup_td(&s, TD, HKID);
	setup_free_hkid(&s, TD);
	reclaim_all(&s, TD + SETUP_PAGE, CLEAR_AFTER);
	no_report(&s);
	reuse(&s, TD + SETUP_PAGE, -EIO);
	first_report(&s, COHERENCY_HOST_READ_PRIVATE, TD + SETUP_PAGE);
	setup_free(&s);
}

static void clearing_without_a_barrier_is_not_clearing_yet(void **state)
{
	struct setup s = watched();

	use_pages(&s, 0);
	setup_td(&s, TD, HKID);
	setup_free_hkid(&s, TD);
	reclaim_all(&s, TD, FENCE_AFTER);
	reuse(&s, TD, -EIO);
	first_report(&s, COHERENCY_UNFENCED_CLEAR, TD);
	setup_free(&s);
}

static void write_back_of_a_page_that_is_still_the_tds_is_refused(void **state)
{
	struct setup s = watched();

	setup_td(&s, TD, HKID);
	setup_expect(setup_call(&s, 0, TDH_PHYMEM_PAGE_WBINVD, .rcx = TD),
		     TDX_PAGE_METADATA_INCORRECT | TDX_OPERAND_ID_RCX);
	setup_free(&s);
}

static void host_that_reads_private_memory_is_named_with_the_page_and_its_keyid(void **state)
{
	struct setup s = watched();
	struct coherency_report r;

	use_pages(&s, 0);
	setup_td(&s, TD, HKID);
	no_report(&s);
	reuse(&s, TD + SETUP_PAGE, -EIO);
	r = first_report(&s, COHERENCY_HOST_READ_PRIVATE, TD + SETUP_PAGE);
	assert_int_equal(r.old_hkid, HKID);
	assert_int_equal(r.dirtied_by, TDH_MEM_PAGE_ADD);
	assert_int_equal(r.during, MACHINE_CALL_HOST);
	setup_free(&s);
}

/* The module keeps the KeyID until every package has written back; only then is it free. */
static void write_back_skipped_on_one_package_keeps_the_keyid(void **state)
{
	struct setup s = watched();

	use_pages(&s, 0);
	setup_td(&s, TD, HKID);
	setup_expect(setup_call(&s, 0, TDH_VP_FLUSH, .rcx = TD + SETUP_TDVPR), TDX_SUCCESS);
	setup_expect(setup_call(&s, 0, TDH_MNG_VPFLUSHDONE, .rcx = TD), TDX_SUCCESS);
	setup_expect(setup_call(&s, 0, TDH_PHYMEM_CACHE_WB), TDX_SUCCESS);
	setup_expect(setup_call(&s, 0, TDH_MNG_KEY_FREEID, .rcx = TD), TDX_WBCACHE_NOT_COMPLETE);
	setup_expect(setup_call(&s, 2, TDH_PHYMEM_CACHE_WB), TDX_SUCCESS);
	setup_expect(setup_call(&s, 0, TDH_MNG_KEY_FREEID, .rcx = TD), TDX_SUCCESS);
	no_report(&s);
	setup_free(&s);
}

/* What a module that frees too early would leave: lines of the TD on a package, when its KeyID is
 * programmed for the next. */
static void keyid_freed_early_is_reported_by_the_next_td_that_gets_it(void **state)
{
	struct setup s = watched();
	struct coherency_report r;
	uint64_t next = TD + 0x100000;

	use_pages(&s, 0);
	setup_td(&s, TD, HKID);
	setup_free_hkid(&s, TD);
	s.m->lp[2].call = MACHINE_CALL_GUEST;
	machine_wrote(&s.m->lp[2], TD + SETUP_PAGE, HKID);
	s.m->lp[2].call = MACHINE_CALL_HOST;
	setup_expect(setup_call(&s, 0, TDH_MNG_CREATE, .rcx = next, .rdx = HKID), TDX_SUCCESS);
	no_report(&s);
	setup_expect(setup_call(&s, 0, TDH_MNG_KEY_CONFIG, .rcx = next), TDX_SUCCESS);
	r = first_report(&s, COHERENCY_HKID_FREED_DIRTY, TD + SETUP_PAGE);
	assert_int_equal(r.old_hkid, HKID);
	assert_int_equal(r.packages, 2);
	assert_int_equal(r.dirtied_by, MACHINE_CALL_GUEST);
	assert_int_equal(r.during, TDH_MNG_KEY_CONFIG);
	setup_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			host_that_reads_private_memory_is_named_with_the_page_and_its_keyid),
		cmocka_unit_test(write_back_skipped_on_one_package_keeps_the_keyid),
		cmocka_unit_test(keyid_freed_early_is_reported_by_the_next_td_that_gets_it),
		cmocka_unit_test(whole_life_with_all_duties_done_is_silent),
		cmocka_unit_test(forgotten_flush_names_the_call_that_took_the_page),
		cmocka_unit_test(aug_of_an_unflushed_page_is_reported_though_nothing_is_written),
		cmocka_unit_test(tdr_freed_without_write_back_is_overwritten_by_the_module_later),
		cmocka_unit_test(page_not_cleared_is_a_machine_check_on_an_erratum_platform),
		cmocka_unit_test(clearing_without_a_barrier_is_not_clearing_yet),
		cmocka_unit_test(write_back_of_a_page_that_is_still_the_tds_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
