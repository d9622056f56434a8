/* SPDX-License-Identifier: MIT */
/* The invariant check finds a module whose state has been tampered with, and says where; and finds
 * nothing wrong with one that has not. */
#include "module/invariants.h"
#include "module/internal.h"
#include "abi/sept.h"
#include "module/pamt.h"
#include "module/tx.h"
#include "module_setup.h"

#define TD    SETUP_TDMR1
#define OTHER (SETUP_TDMR1 + 0x100000)

static struct tdr *tdr_of(struct setup *s)
{
	return machine_ptr(s->m, TD);
}

static struct tdcs *tdcs_of(struct setup *s)
{
	return machine_ptr(s->m, machine_strip(s->m, tdr_of(s)->tdcx_pa[TDCS_PAGE_MAIN]));
}

static uint64_t *entry_4k_of(struct setup *s)
{
	return machine_ptr(s->m, TD + SETUP_SEPT(2));
}

static uint64_t root_of(struct setup *s)
{
	return machine_strip(s->m, sept_address(tdcs_of(s)->eptp));
}

static struct tdvps *vps_of(struct setup *s)
{
	return machine_ptr(s->m, TD + SETUP_TDVPR);
}

#define BREAK(name, statement)                                                                     \
	static void name(struct setup *s)                                                          \
	{                                                                                          \
		statement;                                                                         \
	}

BREAK(child_forgotten, tdr_of(s)->counts[0].children--)
BREAK(page_without_owner, pamt_set_owner(pamt_4k(s->mod, TD + SETUP_PAGE), hpa(TD + 0x50000)))
BREAK(page_leaked, pamt_4k(s->mod, TD + SETUP_PAGE)->type = TDX_PT_NDA;
      tdr_of(s)->counts[0].children--)
BREAK(page_kept, *entry_4k_of(s) = SEPT_FREE_ENTRY)
BREAK(page_mapped_twice, entry_4k_of(s)[1] = entry_4k_of(s)[0])
BREAK(page_of_other_td, entry_4k_of(s)[1] = entry_4k_of(s)[0] + 0x100000)
BREAK(page_under_other_key, *entry_4k_of(s) ^= 1ull << 46)
BREAK(page_of_wrong_type, pamt_4k(s->mod, TD + SETUP_PAGE)->type = TDX_PT_EPT)
BREAK(entry_of_no_state, *entry_4k_of(s) |= SEPT_TDEX)
BREAK(entry_left_locked, *entry_4k_of(s) |= SEPT_LOCK)
BREAK(pamt_left_locked, pamt_4k(s->mod, TD + 0x80000)->lock = HP_READER)
BREAK(pamt_2m_left_locked, pamt_2m(s->mod, TD)->lock = HP_EXCLUSIVE)
BREAK(larger_page_over_used, pamt_2m(s->mod, TD)->type = TDX_PT_REG)
BREAK(op_state_left_locked, tdcs_of(s)->op_state_lock = HP_READER)
BREAK(epoch_left_locked, tdcs_of(s)->epoch_lock = SHAREX_READER)
BREAK(kot_left_locked, s->mod->kot_lock = SHAREX_READER)
BREAK(tdmr_left_locked, s->mod->tdmr[1].lock = 1)
BREAK(key_lost, s->mod->kot[33].state = TDX_KOT_FREE)
BREAK(key_of_nobody, s->mod->kot[40].state = TDX_KOT_ASSIGNED)
BREAK(key_shared, tdr_of(s)->hkid = 34)
BREAK(global_key_given, s->mod->kot[SETUP_GLOBAL_HKID].state = TDX_KOT_FREE)
BREAK(vcpu_from_the_future, vps_of(s)->vcpu_epoch = tdcs_of(s)->td_epoch + 1)
BREAK(vcpu_miscounted, tdcs_of(s)->num_vcpus++)
BREAK(association_miscounted, tdcs_of(s)->num_assoc_vcpus = 0)
BREAK(running_miscounted, tdr_of(s)->counts[0].running[0]++)
BREAK(vcpu_page_lost, vps_of(s)->num_pages--)
BREAK(tdcs_page_swapped, tdr_of(s)->tdcx_pa[4] = tdr_of(s)->tdcx_pa[5])
BREAK(hole_in_use, pamt_4k(s->mod, SETUP_TDMR0 + 0x3afff000)->type = TDX_PT_RSVD)
BREAK(build_miscounted, s->mod->td_build_count = 1)
BREAK(key_below_all, tdr_of(s)->hkid = 1)
BREAK(key_above_all, tdr_of(s)->hkid = MODULE_MAX_HKIDS - 1)
BREAK(key_in_caches_of_nobody, s->mod->kot[40].wbinvd_bitmap = 0x80)
BREAK(free_key_in_caches, s->mod->kot[40].wbinvd_bitmap = 1)
BREAK(global_left_locked, s->mod->global_lock = SHAREX_READER)
BREAK(caches_left_locked, s->mod->wbt[0].lock = 1)
BREAK(tdr_has_an_owner, pamt_set_owner(pamt_4k(s->mod, TD), hpa(OTHER)))
BREAK(tdr_in_no_state, tdr_of(s)->lifecycle_state = TDX_LIFECYCLE_TEARDOWN + 1)
BREAK(vcpu_of_too_many_pages, vps_of(s)->num_pages = 99)
BREAK(td_of_too_many_pages, tdr_of(s)->num_tdcx = 99)
BREAK(large_page_of_a_kind, pamt_2m(s->mod, TD + 0x10000000)->type = TDX_PT_TDVPR)
BREAK(larger_leaf_over_larger, pamt_1g(s->mod, TD)->type = TDX_PT_REG;
      pamt_set_owner(pamt_1g(s->mod, TD), hpa(TD));
      pamt_2m(s->mod, TD + 0x10000000)->type = TDX_PT_REG)
BREAK(largest_page_of_a_kind, pamt_1g(s->mod, TD)->type = TDX_PT_TDR)
BREAK(pamt_1g_left_locked, pamt_1g(s->mod, TD)->lock = HP_EXCLUSIVE)
BREAK(page_of_a_pamt, pamt_4k(s->mod, TD + 0x80000)->type = TDX_PT_PAMT)
BREAK(page_of_a_kind_unknown, pamt_4k(s->mod, TD + 0x80000)->type = 0x1f)
BREAK(part_of_a_page_mapped_large, entry_4k_of(s)[-512] = entry_4k_of(s)[0])
BREAK(page_mapped_too_high, ((uint64_t *)machine_ptr(s->m, root_of(s)))[1] = entry_4k_of(s)[0])
BREAK(blocked_in_the_future, *entry_4k_of(s) = sept_with_state(*entry_4k_of(s), TDX_SEPT_BLOCKED);
      pamt_4k(s->mod, TD + SETUP_PAGE)->bepoch = tdcs_of(s)->td_epoch + 1)
BREAK(table_of_no_type, pamt_4k(s->mod, TD + SETUP_SEPT(2))->type = TDX_PT_REG)
BREAK(table_under_the_last, entry_4k_of(s)[1] = sept_make_table(sept_address(*entry_4k_of(s))))
BREAK(table_forgotten, pamt_4k(s->mod, TD + 0x80000)->type = TDX_PT_EPT;
      pamt_set_owner(pamt_4k(s->mod, TD + 0x80000), hpa(TD)); tdr_of(s)->counts[0].children++)

/* Processors that say they run what they cannot. */
static struct lp *says_it_runs(struct setup *s, unsigned i)
{
	struct lp *lp = &s->mod->lp[i];

	lp->in_guest = true;
	lp->tdr_pa = hpa(TD);
	lp->tdvpr_pa = hpa(TD + SETUP_TDVPR);
	lp->vps = vps_of(s);
	return lp;
}

BREAK(guest_locks_without_a_guest, s->mod->lp[1].nguest_locks = 1)
BREAK(guest_of_no_td, says_it_runs(s, 1)->tdr_pa = hpa(TD + 0x80000))
BREAK(guest_that_is_not_active, says_it_runs(s, 1); vps_of(s)->state = TDX_VCPU_READY)
BREAK(guest_of_another_processor, says_it_runs(s, 1); vps_of(s)->state = TDX_VCPU_ACTIVE;
      vps_of(s)->assoc_lpid = 0)
BREAK(guest_on_two_processors, says_it_runs(s, 0); vps_of(s)->state = TDX_VCPU_ACTIVE;
      says_it_runs(s, 1)->lpid = vps_of(s)->assoc_lpid = s->mod->lp[0].lpid)

/* clang-format off */
static const struct {
	void (*sabotage)(struct setup *s);
	const char *says;
} cases[] = {
	{child_forgotten, "child pages"},
	{page_without_owner, "no TDR"},
	{page_leaked, "refers to 0x100016000"},
	{page_kept, "private pages"},
	{page_mapped_twice, "private pages"},
	{page_of_other_td, "refers to 0x100116000"},
	{page_under_other_key, "another KeyID"},
	{page_of_wrong_type, "refers to 0x100016000"},
	{entry_of_no_state, "in no state"},
	{entry_left_locked, "left locked"},
	{pamt_left_locked, "PAMT entry of 0x100080000 left locked"},
	{pamt_2m_left_locked, "PAMT entry of 0x100000000 left locked"},
	{larger_page_over_used, "within a larger page"},
	{op_state_left_locked, "OP_STATE 0x4"},
	{epoch_left_locked, "EPOCH 0x2"},
	{kot_left_locked, "KOT 0x2"},
	{tdmr_left_locked, "TDMR 1"},
	{key_lost, "KeyID 33"},
	{key_of_nobody, "KeyID 40"},
	{key_shared, "KeyID 34"},
	{global_key_given, "own KeyID"},
	{vcpu_from_the_future, "epoch"},
	{vcpu_miscounted, "vCPUs"},
	{association_miscounted, "associated"},
	{running_miscounted, "running"},
	{vcpu_page_lost, "TDCX pages"},
	{tdcs_page_swapped, "TDCX pages"},
	{hole_in_use, "outside the holes"},
	{build_miscounted, "being built"},
	{key_below_all, "not private"},
	{key_above_all, "not private"},
	{key_in_caches_of_nobody, "waits for packages"},
	{free_key_in_caches, "in their caches"},
	{global_left_locked, "GLOBAL 0x2"},
	{caches_left_locked, "WBT of package 0"},
	{tdr_has_an_owner, "has an owner"},
	{tdr_in_no_state, "life cycle state"},
	{vcpu_of_too_many_pages, "has 99 pages"},
	{td_of_too_many_pages, "has 99 TDCS pages"},
	{large_page_of_a_kind, "of size 1 has type"},
	{larger_leaf_over_larger, "within a larger page"},
	{largest_page_of_a_kind, "of size 2 has type"},
	{pamt_1g_left_locked, "PAMT entry of 0x100000000 left locked"},
	{page_of_a_pamt, "of size 0 has type"},
	{page_of_a_kind_unknown, "of size 0 has type"},
	{part_of_a_page_mapped_large, "size 1; the PAMT says"},
	{page_mapped_too_high, "at level 3"},
	{blocked_in_the_future, "was blocked in epoch"},
	{table_of_no_type, "S-EPT table 0x100015000"},
	{table_under_the_last, "out of place"},
	{table_forgotten, "S-EPT tables"},
	{guest_locks_without_a_guest, "keeps locks of a guest"},
	{guest_of_no_td, "a guest of no TD"},
	{guest_that_is_not_active, "runs vCPU"},
	{guest_of_another_processor, "of processor 0"},
	{guest_on_two_processors, "run the same vCPU"},
};
/* clang-format on */

static void ready_with_two_tds(struct setup *s)
{
	*s = setup_load(NULL);
	setup_ready(s, SETUP_GLOBAL_HKID);
	setup_td(s, TD, 33);
	setup_td(s, OTHER, 34);
}

static void broken_state_is_found_and_named(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct setup s;
		char why[256] = "";

		ready_with_two_tds(&s);
		assert_true(module_check_invariants(s.mod, why, sizeof(why)));
		cases[i].sabotage(&s);
		if (module_check_invariants(s.mod, why, sizeof(why)))
			fail_msg("not found: %s", cases[i].says);
		if (!strstr(why, cases[i].says))
			fail_msg("expected \"%s\": %s", cases[i].says, why);
		setup_free(&s);
	}
}

static void locks_of_somebody_else_are_not_looked_at_on_request(void **state)
{
	struct setup s;
	char why[256] = "";

	ready_with_two_tds(&s);
	pamt_left_locked(&s);
	op_state_left_locked(&s);
	kot_left_locked(&s);
	entry_left_locked(&s);
	assert_true(module_check_state(s.mod, why, sizeof(why)));
	setup_free(&s);
}

static void a_whole_life_keeps_every_invariant(void **state)
{
	struct setup s;
	char why[256] = "";

	ready_with_two_tds(&s);
	setup_expect(setup_call(&s, 0, TDH_MEM_PAGE_AUG, .rcx = 0x400001, .rdx = TD,
				.r8 = TD + 0x4000000),
		     TDX_SUCCESS);
	assert_true(module_check_invariants(s.mod, why, sizeof(why)));
	setup_free_hkid(&s, TD);
	assert_true(module_check_invariants(s.mod, why, sizeof(why)));
	setup_expect(setup_call(&s, 0, TDH_PHYMEM_PAGE_RECLAIM, .rcx = TD + 0x4000000),
		     TDX_SUCCESS);
	assert_true(module_check_invariants(s.mod, why, sizeof(why)));
	for (uint64_t pa = TD + SETUP_PAGE; pa >= TD; pa -= 0x1000) {
		struct tdx_status r = setup_call(&s, 1, TDH_PHYMEM_PAGE_RECLAIM, .rcx = pa);

		assert_true(tdx_is_success(r) || tdx_is(r, TDX_PAGE_METADATA_INCORRECT));
		if (!module_check_invariants(s.mod, why, sizeof(why)))
			fail_msg("%s", why);
	}
	setup_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(broken_state_is_found_and_named),
		cmocka_unit_test(locks_of_somebody_else_are_not_looked_at_on_request),
		cmocka_unit_test(a_whole_life_keeps_every_invariant),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
