/* SPDX-License-Identifier: MIT */
/* The module's own state from outside of it: a saved one is taken where it can be, and only there;
 * each lock is found by its name and key, and none where there is none; each MSR of a guest has a
 * place of its own; what a TD is told of features follows from what its CPUID has and what its
 * guest handles. */
#include <errno.h>

#include "module_td.h"

#include "arch/msr.h"
#include "module/cpuid_flags.h"
#include "module/cpuid_table.h"
#include "module/lockword.h"
#include "module/state.h"

#define PROFILE_BYTES 64 /* before the module itself */

/* --- saved --- */

struct spoilt {
	const char *what, *says;
	void (*spoil)(struct module *mod, struct lp *lps);
};

#define SPOIL(name, change)                                                                        \
	static void name(struct module *m, struct lp *l)                                           \
	{                                                                                          \
		(void)l;                                                                           \
		change;                                                                            \
	}
SPOIL(lps, m->num_lps++)
SPOIL(packages, m->num_pkgs++)
SPOIL(hkid_mask, m->hkid_mask ^= 1ull << 50)
SPOIL(hkid_shift, m->hkid_shift++)
SPOIL(max_pa, m->max_pa++)
SPOIL(hkid_min, m->private_hkid_min--)
SPOIL(hkid_max, m->private_hkid_max++)
SPOIL(global_key, m->hkid = UINT16_MAX)
SPOIL(global_lock, m->global_lock = 1)
SPOIL(kot_lock, m->kot_lock = 1)
SPOIL(tdmrs, m->num_tdmrs = MODULE_MAX_TDMRS + 1)
SPOIL(tdmr_base, m->tdmr[0].base = 1ull << 51)
SPOIL(tdmr_size, m->tdmr[1].size = 1ull << 50)
SPOIL(tdmr_reserved, m->tdmr[0].num_rsvd = MODULE_MAX_RESERVED + 1)
SPOIL(pamt_of_1g, m->tdmr[0].pamt_1g_base = 1ull << 51)
SPOIL(pamt_of_2m, m->tdmr[0].pamt_2m_base = 0 - 4096ull)
SPOIL(pamt_of_4k, m->tdmr[1].pamt_4k_base = 1ull << 51)
SPOIL(in_guest, l[0].in_guest = true)
SPOIL(busy, atomic_store(&l[0].busy, true))
SPOIL(reading, atomic_store(&l[0].reading[READER_SLOTS - 1], m))
SPOIL(locks, l[0].nguest_locks = 1)

#define NOT_SO "the module cannot be so on this machine"
#define LP_NOT "a processor of the module cannot be so"

static const struct spoilt spoilt[] = {
	{"processors", NOT_SO, lps},	      {"packages", NOT_SO, packages},
	{"KeyID mask", NOT_SO, hkid_mask},    {"KeyID shift", NOT_SO, hkid_shift},
	{"address width", NOT_SO, max_pa},    {"first KeyID", NOT_SO, hkid_min},
	{"last KeyID", NOT_SO, hkid_max},     {"global KeyID", NOT_SO, global_key},
	{"global lock", NOT_SO, global_lock}, {"KOT's lock", NOT_SO, kot_lock},
	{"number of TDMRs", NOT_SO, tdmrs},   {"TDMR's base", NOT_SO, tdmr_base},
	{"TDMR's size", NOT_SO, tdmr_size},   {"reserved areas", NOT_SO, tdmr_reserved},
	{"PAMT of 1G", NOT_SO, pamt_of_1g},   {"PAMT of 2M", NOT_SO, pamt_of_2m},
	{"PAMT of 4K", NOT_SO, pamt_of_4k},   {"in a guest", LP_NOT, in_guest},
	{"in a call", LP_NOT, busy},	      {"reads", LP_NOT, reading},
	{"has locks", LP_NOT, locks},
};

static void a_module_that_cannot_be_is_not_taken(void **state)
{
	struct setup *s = *state;
	const size_t size = module_saved_size(s->mod);
	uint8_t *good = test_malloc(size), *bad = test_malloc(size);

	assert_int_equal(module_save(s->mod, good), 0);
	for (unsigned i = 0; i < sizeof(spoilt) / sizeof(spoilt[0]); i++) {
		struct module *m = (void *)(bad + PROFILE_BYTES);
		const char *why;

		memcpy(bad, good, size);
		spoilt[i].spoil(m, (void *)(bad + size - s->m->cfg.lps * sizeof(struct lp)));
		why = module_load_saved(s->mod, bad);
		if (!why || strcmp(why, spoilt[i].says) != 0)
			fail_msg("%s: %s", spoilt[i].what, why ? why : "taken");
		/* and the module is as it was */
		setup_expect(setup_call(s, 0, TDH_SYS_RD, .rdx = 0x0a00000100000001ull),
			     TDX_SUCCESS);
	}
	memcpy(bad, good, size);
	memset(bad, 'x', PROFILE_BYTES); /* a name that does not end */
	assert_non_null(module_load_saved(s->mod, bad));
	strcpy((char *)bad, "9.9.99");
	assert_non_null(module_load_saved(s->mod, bad));
	assert_null(module_load_saved(s->mod, good));
	setup_td(s, SETUP_TDMR1, 33);
	test_free(good);
	test_free(bad);
}

static void a_module_in_a_call_is_not_saved(void **state)
{
	struct setup *s = *state;
	uint8_t *to = test_malloc(module_saved_size(s->mod));
	const struct lock_key none = {0, 0, TDX_LEVEL_4K};

	assert_true(module_lock_hold(s->mod, LOCK_KOT, &none, HOLD_EXCLUSIVE));
	assert_int_equal(module_save(s->mod, to), -EBUSY);
	module_lock_release(s->mod, LOCK_KOT, &none, HOLD_EXCLUSIVE);
	assert_true(module_lock_hold(s->mod, LOCK_GLOBAL, &none, HOLD_SHARED));
	assert_int_equal(module_save(s->mod, to), -EBUSY);
	module_lock_release(s->mod, LOCK_GLOBAL, &none, HOLD_SHARED);
	atomic_store(&s->mod->lp[0].busy, true);
	assert_int_equal(module_save(s->mod, to), -EBUSY);
	atomic_store(&s->mod->lp[0].busy, false);
	assert_int_equal(module_save(s->mod, to), 0);
	test_free(to);
}

/* --- locks --- */

/* A key by which there is such a lock, with the TD at SETUP_TDMR1. */
static struct lock_key key_of(enum lock_resource res)
{
	switch (res) {
	case LOCK_GLOBAL:
	case LOCK_KOT:
	case LOCK_WBT:
	case LOCK_TDMR:
		return (struct lock_key){0, 0, TDX_LEVEL_4K};
	default:
		return (struct lock_key){SETUP_TDMR1, 0, TDX_LEVEL_4K};
	}
}

static void each_lock_is_found_by_its_name(void **state)
{
	struct setup *s = *state;

	setup_td(s, SETUP_TDMR1, 33);
	for (unsigned i = 0; i < LOCK_NUM_RESOURCES; i++) {
		const struct lock_key key = key_of((enum lock_resource)i);
		enum lock_resource res = LOCK_NUM_RESOURCES;

		assert_true(
			lock_resource_from_name(lock_resource_name((enum lock_resource)i), &res));
		assert_int_equal(res, i);
		if (res == LOCK_MIGSC) { /* the TD has no streams */
			assert_null(module_lock_word(s->mod, res, &key));
			continue;
		}
		assert_non_null(module_lock_word(s->mod, res, &key));
		assert_true(module_lock_hold(s->mod, res, &key, HOLD_EXCLUSIVE));
		if (lock_resource_kind(res) != LOCK_KIND_SEPT)
			assert_false(module_lock_hold(s->mod, res, &key, HOLD_EXCLUSIVE));
		module_lock_release(s->mod, res, &key, HOLD_EXCLUSIVE);
		assert_true(module_lock_hold(s->mod, res, &key, HOLD_EXCLUSIVE));
		module_lock_release(s->mod, res, &key, HOLD_EXCLUSIVE);
	}
	assert_string_equal(lock_resource_name(LOCK_NUM_RESOURCES), "?");
	assert_false(lock_resource_from_name("no such lock", &(enum lock_resource){0}));
}

/* Keys come from files. */
static void a_key_that_names_nothing_is_no_lock(void **state)
{
	static const struct {
		enum lock_resource res;
		struct lock_key key;
	} nothing[] = {
		{LOCK_WBT, {MACHINE_MAX_PKGS, 0, TDX_LEVEL_4K}},
		{LOCK_WBT, {~0ull, 0, TDX_LEVEL_4K}},
		{LOCK_TDMR, {2, 0, TDX_LEVEL_4K}},
		{LOCK_TDMR, {~0ull, 0, TDX_LEVEL_4K}},
		{LOCK_PAMT_1G, {1ull << 51, 0, TDX_LEVEL_4K}},
		{LOCK_PAMT_2M, {0, 0, TDX_LEVEL_4K}},
		{LOCK_PAMT_4K, {~0ull, 0, TDX_LEVEL_4K}},
		{LOCK_OP_STATE, {0, 0, TDX_LEVEL_4K}},
		{LOCK_OP_STATE,
		 {SETUP_TDMR1 + 0x100000, 0, TDX_LEVEL_4K}},		/* a page that is free */
		{LOCK_RTMR, {SETUP_TDMR1 + 0x200000, 0, TDX_LEVEL_4K}}, /* a TDR without TDCS */
		{LOCK_SEPT_ENTRY, {SETUP_TDMR1, 1ull << 46, TDX_LEVEL_4K}},
		{LOCK_MIGSC, {SETUP_TDMR1, 0, TDX_LEVEL_4K}},
		{LOCK_MIGSC, {SETUP_TDMR1 + 0x200000, 0, TDX_LEVEL_4K}},
		{LOCK_NUM_RESOURCES, {0, 0, TDX_LEVEL_4K}},
	};
	struct setup *s = *state;

	setup_td(s, SETUP_TDMR1, 33);
	setup_expect(setup_call(s, 0, TDH_MNG_CREATE, .rcx = SETUP_TDMR1 + 0x200000, .rdx = 34),
		     TDX_SUCCESS);
	for (unsigned i = 0; i < sizeof(nothing) / sizeof(nothing[0]); i++) {
		if (module_lock_word(s->mod, nothing[i].res, &nothing[i].key) ||
		    module_lock_hold(s->mod, nothing[i].res, &nothing[i].key, HOLD_EXCLUSIVE))
			fail_msg("row %u has a lock", i);
		module_lock_release(s->mod, nothing[i].res, &nothing[i].key, HOLD_EXCLUSIVE);
	}
}

static void events_name_locks_by_one_word(void **state)
{
	const struct lock_key key = {0x100000, 0x5000, TDX_LEVEL_2M};

	(void)state;
	assert_int_equal(lock_event_key(LOCK_SEPT_ENTRY, &key), 0x5001);
	assert_int_equal(lock_event_key(LOCK_MIGSC, &key), 0x105000);
	assert_int_equal(lock_event_key(LOCK_RTMR, &key), 0x100000);
}

/* --- MSRs --- */

static void each_msr_of_a_guest_has_a_place_of_its_own(void **state)
{
	static const struct {
		uint32_t first, n;
	} msrs[] = {
		{MSR_SPEC_CTRL, 1},	 {MSR_UMWAIT_CONTROL, 1},
		{MSR_TSX_CTRL, 1},	 {MSR_XFD, 1},
		{MSR_XFD_ERR, 1},	 {MSR_PERF_METRICS, 1},
		{MSR_FIXED_CTR_CTRL, 1}, {MSR_PERF_GLOBAL_STATUS, 1},
		{MSR_PEBS_ENABLE, 1},	 {MSR_PEBS_DATA_CFG, 1},
		{MSR_PEBS_LD_LAT, 1},	 {MSR_PEBS_FRONTEND, 1},
		{MSR_DS_AREA, 1},	 {MSR_XSS, 1},
		{MSR_LBR_DEPTH, 1},	 {MSR_UARCH_MISC_CTL, 1},
		{MSR_STAR, 1},		 {MSR_LSTAR, 1},
		{MSR_SFMASK, 1},	 {MSR_KERNEL_GS_BASE, 1},
		{MSR_TSC_AUX, 1},	 {MSR_PMC0, 8},
		{MSR_PERFEVTSEL0, 8},	 {MSR_OFFCORE_RSP0, 2},
		{MSR_FIXED_CTR0, 8},
	};
	struct setup *s = *state;
	uint64_t *place[64];
	unsigned n = 0;

	setup_td(s, SETUP_TDMR1, 33);
	s->mod->lp[0].vps = machine_ptr(s->m, SETUP_TDMR1 + SETUP_TDVPR);
	for (unsigned i = 0; i < sizeof(msrs) / sizeof(msrs[0]); i++) {
		for (uint32_t k = 0; k < msrs[i].n; k++) {
			place[n] = module_guest_msr(s->mod, 0, msrs[i].first + k);
			if (!place[n])
				fail_msg("MSR 0x%x has no place", msrs[i].first + k);
			*place[n] = n;
			n++;
		}
	}
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(*place[i], i);
	/* the full-width aliases are the same counters */
	for (uint32_t k = 0; k < 8; k++)
		assert_ptr_equal(module_guest_msr(s->mod, 0, MSR_A_PMC0 + k),
				 module_guest_msr(s->mod, 0, MSR_PMC0 + k));
	assert_null(module_guest_msr(s->mod, 0, MSR_PMC0 + 8));
	assert_null(module_guest_msr(s->mod, 0, MSR_APIC_BASE));
	assert_null(module_guest_msr(s->mod, 0, ~0u));
	s->mod->lp[0].tdr = machine_ptr(s->m, SETUP_TDMR1);
	assert_false(module_msr_intercepted(s->mod, 0, MSR_LSTAR, true));
	assert_true(module_msr_intercepted(s->mod, 0, MSR_APIC_BASE, false));
	assert_true(module_msr_intercepted(s->mod, 0, 0x12345678, false)); /* no bitmap has it */
	s->mod->lp[0].vps = NULL;
	s->mod->lp[0].tdr = NULL;
}

/* --- what a guest is told of features --- */

enum told {
	TOLD,
	NOT_TOLD /* the flag says that it is hidden, from one that asked for fewer #VEs */
};

#define FLAG(name) offsetof(struct tdcs_cpuid_flags, name)

static const struct feature {
	size_t flag;
	enum told told;
	uint32_t leaf;
	unsigned reg, bit; /* EAX 0 ... EDX 3 */
	uint64_t handled;
} features[] = {
	{FLAG(dca), TOLD, 1, 2, 18, PARAVIRT_DCA},
	{FLAG(tsc_deadline), TOLD, 1, 2, 24, PARAVIRT_TSC_DEADLINE},
	{FLAG(est), TOLD, 1, 2, 7, PARAVIRT_EST},
	{FLAG(tm2), TOLD, 1, 2, 8, PARAVIRT_TM2},
	{FLAG(acpi), TOLD, 1, 3, 22, PARAVIRT_ACPI},
	{FLAG(no_mce), NOT_TOLD, 1, 3, 7, PARAVIRT_MCA},
	{FLAG(no_mca), NOT_TOLD, 1, 3, 14, PARAVIRT_MCA},
	{FLAG(no_mtrr), NOT_TOLD, 1, 3, 12, PARAVIRT_MTRR},
	{FLAG(rdt_m), TOLD, 7, 1, 12, PARAVIRT_RDT_M},
	{FLAG(rdt_a), TOLD, 7, 1, 15, PARAVIRT_RDT_A},
	{FLAG(tme), TOLD, 7, 2, 13, PARAVIRT_TME},
	{FLAG(pconfig), TOLD, 7, 3, 18, PARAVIRT_PCONFIG},
	{FLAG(no_core_capabilities), NOT_TOLD, 7, 3, 30, PARAVIRT_CORE_CAPABILITIES},
};

static void a_feature_is_there_if_cpuid_has_it_and_the_guest_handles_it(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
		const struct feature *f = &features[i];

		for (unsigned how = 0; how < 8; how++) {
			const bool reduces = how & 1, cpuid = how & 2, handles = how & 4;
			const bool want = f->told == TOLD ? cpuid && (!reduces || handles)
							  : reduces && !(cpuid && handles);
			struct tdcs tdcs = {.td_ctls = reduces ? TDX_TD_CTLS_REDUCE_VE : 0};
			struct tdcs_ext ext = {.feature_paravirt_ctls =
						       handles ? f->handled : ~f->handled};
			const unsigned row =
				f->leaf == 1 ? cpuid_row(1, CPUID_ANY_SUBLEAF) : cpuid_row(7, 0);
			uint32_t *regs = (uint32_t *)&tdcs.cpuid_values[row];

			regs[f->reg] = cpuid ? 1u << f->bit : ~(1u << f->bit);
			td_update_cpuid_flags(&tdcs, &ext);
			if (((uint8_t *)&tdcs.cpuid_flags)[f->flag] != want)
				fail_msg("row %u, %u: not %u", i, how, want);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TD_TEST(a_module_that_cannot_be_is_not_taken),
		TD_TEST(a_module_in_a_call_is_not_saved),
		TD_TEST(each_lock_is_found_by_its_name),
		TD_TEST(a_key_that_names_nothing_is_no_lock),
		cmocka_unit_test(events_name_locks_by_one_word),
		TD_TEST(each_msr_of_a_guest_has_a_place_of_its_own),
		cmocka_unit_test(a_feature_is_there_if_cpuid_has_it_and_the_guest_handles_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
