/* SPDX-License-Identifier: MIT */
/* TDH.SYS.CONFIG against hosts that describe memory wrongly: each error names the TDMR and the area
 * it found; and TDH.SYS.TDMR.INIT, which must leave holes reserved and the rest free. */
#include "module/internal.h"
#include "module/pamt.h"
#include "module_setup.h"

#define AT(code, b0, b1, b2) ((code) | (b0) | (uint64_t)(b1) << 8 | (uint64_t)(b2) << 16)

enum { KIND_4K, KIND_2M, KIND_1G };

struct bad {
	const char *what;
	void (*spoil)(struct tdx_tdmr_info info[2]);
	uint64_t status;
};

#define SPOIL(name, statement)                                                                     \
	static void name(struct tdx_tdmr_info t[2])                                                \
	{                                                                                          \
		statement;                                                                         \
	}

static void hole(struct tdx_tdmr_info *t, unsigned i, uint64_t offset, uint64_t size)
{
	t->reserved[i].offset = offset;
	t->reserved[i].size = size;
}

SPOIL(base_not_1g, t[1].base += TDX_SIZE_2M)
SPOIL(size_zero, t[0].size = 0)
SPOIL(size_not_1g, t[0].size += 4096)
SPOIL(size_overflow, t[1].size = -TDX_SIZE_1G)
SPOIL(base_keyid, t[1].base |= 1ull << 46)
SPOIL(base_high, t[1].base |= 1ull << 52)
SPOIL(end_keyid, t[1].size = (1ull << 46))
SPOIL(not_ordered, t[1].base = 0)
SPOIL(overlapping, t[0].size = 4 * TDX_SIZE_1G)
SPOIL(hole_after_null, hole(&t[1], 3, 0, 4096))
SPOIL(hole_not_4k, hole(&t[1], 0, 0x800, 4096))
SPOIL(hole_size_not_4k, hole(&t[1], 0, 0, 4097))
SPOIL(hole_outside, hole(&t[1], 0, TDX_SIZE_1G - 4096, 8192))
SPOIL(hole_overflow, hole(&t[1], 0, -4096ull, 8192))
SPOIL(hole_overflow_base, hole(&t[1], 0, -TDX_SIZE_1G, 4096))
SPOIL(holes_unordered, (hole(&t[1], 0, 0x10000, 4096), hole(&t[1], 1, 0x1000, 4096)))
SPOIL(holes_overlap, (hole(&t[1], 0, 0, 0x2000), hole(&t[1], 1, 0x1000, 4096)))
SPOIL(pamt_1g_align, t[0].pamt_1g_base += 16)
SPOIL(pamt_2m_small, t[0].pamt_2m_size = 0x1000)
SPOIL(pamt_4k_small, t[0].pamt_4k_size = 0x3ff000)
SPOIL(pamt_4k_keyid, t[0].pamt_4k_base |= 1ull << 50)
SPOIL(pamt_2m_overflow, t[1].pamt_2m_base = -4096ull)
SPOIL(pamts_same, t[1].pamt_4k_base = t[0].pamt_4k_base)
SPOIL(pamts_own, t[1].pamt_2m_base = t[1].pamt_1g_base)
SPOIL(pamt_in_usable, t[0].pamt_1g_base = SETUP_TDMR0 + 0x1000)
SPOIL(pamt_in_other, t[0].pamt_1g_base = SETUP_TDMR1)
SPOIL(pamt_no_cmr, t[0].pamt_1g_base = 0x1000)
SPOIL(usable_no_cmr, hole(&t[0], 0, 0x3c000000, 0x4000000))
SPOIL(tail_no_cmr, hole(&t[0], 0, 0x3b000000, 0x4fff000))

/* clang-format off */
static const struct bad bad[] = {
	{"base not a multiple of 1G", base_not_1g, AT(TDX_INVALID_TDMR, 1, 0, 0)},
	{"no size", size_zero, AT(TDX_INVALID_TDMR, 0, 0, 0)},
	{"size not a multiple of 1G", size_not_1g, AT(TDX_INVALID_TDMR, 0, 0, 0)},
	{"end overflows", size_overflow, AT(TDX_INVALID_TDMR, 1, 0, 0)},
	{"KeyID in base", base_keyid, AT(TDX_INVALID_TDMR, 1, 0, 0)},
	{"base above MAXPA", base_high, AT(TDX_INVALID_TDMR, 1, 0, 0)},
	{"end reaches KeyID bits", end_keyid, AT(TDX_INVALID_TDMR, 1, 0, 0)},
	{"descending", not_ordered, AT(TDX_NON_ORDERED_TDMR, 1, 0, 0)},
	{"overlapping", overlapping, AT(TDX_INVALID_PAMT, 0, KIND_2M, 0)},
	{"hole after the end of the list", hole_after_null,
	 AT(TDX_NON_ORDERED_RESERVED_IN_TDMR, 1, 2, 0)},
	{"hole offset unaligned", hole_not_4k, AT(TDX_INVALID_RESERVED_IN_TDMR, 1, 0, 0)},
	{"hole size unaligned", hole_size_not_4k, AT(TDX_INVALID_RESERVED_IN_TDMR, 1, 0, 0)},
	{"hole sticks out", hole_outside, AT(TDX_INVALID_RESERVED_IN_TDMR, 1, 0, 0)},
	{"hole overflows", hole_overflow, AT(TDX_INVALID_RESERVED_IN_TDMR, 1, 0, 0)},
	{"hole before the TDMR", hole_overflow_base, AT(TDX_INVALID_RESERVED_IN_TDMR, 1, 0, 0)},
	{"holes descending", holes_unordered, AT(TDX_NON_ORDERED_RESERVED_IN_TDMR, 1, 1, 0)},
	{"holes overlap", holes_overlap, AT(TDX_NON_ORDERED_RESERVED_IN_TDMR, 1, 1, 0)},
	{"PAMT_1G unaligned", pamt_1g_align, AT(TDX_INVALID_PAMT, 0, KIND_1G, 0)},
	{"PAMT_2M too small", pamt_2m_small, AT(TDX_INVALID_PAMT, 0, KIND_2M, 0)},
	{"PAMT_4K too small", pamt_4k_small, AT(TDX_INVALID_PAMT, 0, KIND_4K, 0)},
	{"PAMT_4K with KeyID", pamt_4k_keyid, AT(TDX_INVALID_PAMT, 0, KIND_4K, 0)},
	{"PAMT_2M overflows", pamt_2m_overflow, AT(TDX_INVALID_PAMT, 1, KIND_2M, 0)},
	{"two PAMT_4K in one place", pamts_same, AT(TDX_PAMT_OVERLAP, 1, KIND_4K, 0)},
	{"own PAMTs in one place", pamts_own, AT(TDX_PAMT_OVERLAP, 1, KIND_2M, 1)},
	{"PAMT in usable memory", pamt_in_usable, AT(TDX_PAMT_OVERLAP, 0, KIND_1G, 0)},
	{"PAMT in a later TDMR", pamt_in_other, AT(TDX_PAMT_OVERLAP, 0, KIND_1G, 1)},
	{"PAMT outside CMRs", pamt_no_cmr, AT(TDX_PAMT_OUTSIDE_CMRS, 0, KIND_1G, 0)},
	{"usable memory outside CMRs", usable_no_cmr, AT(TDX_TDMR_OUTSIDE_CMRS, 0, 0, 0)},
	{"last page outside CMRs", tail_no_cmr, AT(TDX_TDMR_OUTSIDE_CMRS, 0, 0, 0)},
};
/* clang-format on */

static void config_names_what_is_wrong_with_a_tdmr_and_can_be_repeated(void **state)
{
	struct setup s = setup_load(NULL);
	struct tdx_tdmr_info info[2];

	setup_init(&s);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		setup_tdmrs(info);
		bad[i].spoil(info);
		print_message("%s\n", bad[i].what);
		setup_expect(setup_config(&s, info, 2, SETUP_GLOBAL_HKID), bad[i].status);
	}
	setup_tdmrs(info);
	setup_expect(setup_config(&s, info, 2, SETUP_GLOBAL_HKID), TDX_SUCCESS);
	setup_free(&s);
}

static void pamts_may_live_in_the_hole_of_a_tdmr(void **state)
{
	struct setup s = setup_load(NULL);
	struct tdx_tdmr_info info[2];

	setup_init(&s);
	setup_tdmrs(info);
	hole(&info[1], 0, 0x1000, 0x1000);
	hole(&info[1], 1, 0x2000, 0x2000); /* adjacent */
	info[0].pamt_1g_base = SETUP_TDMR1 + 0x1000;
	info[0].pamt_2m_base = SETUP_TDMR1 + 0x2000;
	setup_expect(setup_config(&s, info, 2, SETUP_GLOBAL_HKID), TDX_SUCCESS);
	setup_free(&s);
}

static void cmrs_that_touch_count_as_one(void **state)
{
	struct machine_config cfg;
	struct tdx_tdmr_info info[2];
	struct setup s;

	machine_default_config(&cfg);
	cfg.cmr[1] = (struct machine_range){0x100000000, 0x20000000};
	cfg.cmr[2] = (struct machine_range){0x120000000, 0x60000000};
	cfg.ncmr = 3;
	s = setup_load(&cfg);
	setup_init(&s);
	setup_tdmrs(info);
	setup_expect(setup_config(&s, info, 2, SETUP_GLOBAL_HKID), TDX_SUCCESS);
	setup_free(&s);
}

static void overlapping_or_unaligned_cmrs_are_refused_at_init(void **state)
{
	static const struct machine_range wrong[] = {{0x7afff000, 0x2000},
						     {0x80000800, 0x1000},
						     {0x80000000, 0x1800},
						     {0x50000, 0x1000}};

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct machine_config cfg;
		struct setup s;

		machine_default_config(&cfg);
		cfg.cmr[1] = wrong[i];
		s = setup_load(&cfg);
		setup_expect(setup_call(&s, 0, TDH_SYS_INIT), TDX_CMR_LIST_INVALID);
		setup_free(&s);
	}
}

static void initialised_pamt_says_free_or_reserved(void **state)
{
	struct setup s = setup_load(NULL);

	setup_ready(&s, SETUP_GLOBAL_HKID);
	assert_int_equal(pamt_4k(s.mod, SETUP_TDMR0)->type, TDX_PT_NDA);
	assert_int_equal(pamt_4k(s.mod, SETUP_TDMR0 + 0x3afff000)->type, TDX_PT_NDA);
	assert_int_equal(pamt_4k(s.mod, SETUP_TDMR0 + 0x3b000000)->type, TDX_PT_RSVD);
	assert_int_equal(pamt_4k(s.mod, SETUP_TDMR0 + 0x3ffff000)->type, TDX_PT_RSVD);
	assert_int_equal(pamt_4k(s.mod, SETUP_TDMR1 + 0x3ffff000)->type, TDX_PT_NDA);
	assert_null(pamt_4k(s.mod, SETUP_TDMR1 + TDX_SIZE_1G));
	setup_expect(setup_call(&s, 0, TDH_SYS_TDMR_INIT, .rcx = SETUP_TDMR0),
		     TDX_TDMR_ALREADY_INITIALIZED);
	assert_int_equal(s.regs.rdx, 0);
	setup_expect(setup_call(&s, 0, TDH_PHYMEM_PAGE_RDMD, .rcx = SETUP_TDMR0 + 0x3b000000),
		     TDX_SUCCESS);
	assert_int_equal(s.regs.rcx, TDX_PT_RSVD);
	setup_expect(setup_call(&s, 0, TDH_PHYMEM_PAGE_RECLAIM, .rcx = SETUP_TDMR0 + 0x3b000000),
		     TDX_PAGE_METADATA_INCORRECT | TDX_OPERAND_ID_RCX);
	setup_free(&s);
}

static void garbage_in_pamt_memory_does_not_survive_initialisation(void **state)
{
	struct setup s = setup_load(NULL);

	memset(machine_ptr(s.m, 0x2000000), 0xa5, 0x500000);
	setup_ready(&s, SETUP_GLOBAL_HKID);
	setup_expect(setup_call(&s, 0, TDH_PHYMEM_PAGE_RDMD, .rcx = SETUP_TDMR0 + 0x5000),
		     TDX_SUCCESS);
	assert_int_equal(s.regs.rcx | s.regs.rdx | s.regs.r8 | s.regs.r9, 0);
	setup_expect(setup_call(&s, 0, TDH_PHYMEM_PAGE_WBINVD, .rcx = SETUP_TDMR0 + 0x5000),
		     TDX_SUCCESS);
	setup_free(&s);
}

static void dynamic_pamt_pair_comes_and_goes(void **state)
{
	const uint64_t range = SETUP_TDMR1 + TDX_SIZE_2M, level = TDX_LEVEL_2M;
	struct machine_config cfg;
	struct setup s;

	machine_default_config(&cfg);
	s = setup_load(&cfg);
	setup_ready(&s, SETUP_GLOBAL_HKID | 1 << 16);
	pamt_set_owner(pamt_2m(s.mod, range), hpa(SETUP_TDMR0 + 0x5000)); /* of a 2M page, once */
	/* nothing has 4K entries yet: only pages of the very range can serve */
	setup_expect(setup_call(&s, 0, TDH_PHYMEM_PAMT_ADD, .rcx = range | level,
				.rdx = SETUP_TDMR1 + 4 * TDX_SIZE_2M, .r8 = range),
		     TDX_SUCCESS);
	assert_true(pamt_bitmap_get(s.mod, range));
	setup_expect(setup_call(&s, 0, TDH_PHYMEM_PAMT_ADD, .rcx = range | level, .rdx = range,
				.r8 = range + 0x1000),
		     TDX_HPA_RANGE_NOT_FREE | TDX_OPERAND_ID_RCX);
	setup_expect(setup_call(&s, 0, TDH_PHYMEM_PAMT_ADD, .rcx = (range + TDX_SIZE_2M) | level,
				.rdx = range + 0x1000, .r8 = range),
		     TDX_PAGE_NOT_FREE | TDX_OPERAND_ID_R8);
	assert_false(pamt_bitmap_get(s.mod, range + 0x1000)); /* the first was given back */
	setup_expect(setup_call(&s, 0, TDH_PHYMEM_PAMT_ADD, .rcx = (range + TDX_SIZE_2M) | level,
				.rdx = range + 0x1000, .r8 = range + 0x1000),
		     TDX_PAGE_NOT_FREE | TDX_OPERAND_ID_R8);
	setup_expect(setup_call(&s, 0, TDH_PHYMEM_PAGE_RDMD, .rcx = range), TDX_SUCCESS);
	assert_int_equal(s.regs.rcx, TDX_PT_PAMT);
	setup_expect(setup_call(&s, 0, TDH_PHYMEM_PAGE_RDMD, .rcx = range | level), TDX_SUCCESS);
	assert_int_equal(s.regs.rcx, 1ull << 63 | TDX_PT_PAMT);
	assert_int_equal(s.regs.r10, SETUP_TDMR1 + 4 * TDX_SIZE_2M);
	assert_int_equal(s.regs.r11, range);
	setup_expect(setup_call(&s, 0, TDH_PHYMEM_PAGE_WBINVD, .rcx = range),
		     TDX_PAGE_METADATA_INCORRECT | TDX_OPERAND_ID_RCX);
	setup_expect(setup_call(&s, 0, TDH_PHYMEM_PAMT_REMOVE, .rcx = range | level), TDX_SUCCESS);
	assert_int_equal(s.regs.rdx, SETUP_TDMR1 + 4 * TDX_SIZE_2M);
	assert_int_equal(s.regs.r8, range);
	setup_expect(setup_call(&s, 0, TDH_PHYMEM_PAMT_REMOVE, .rcx = range | level),
		     TDX_NO_PAMT_PAGE_PAIR | TDX_OPERAND_ID_RCX);
	/* what RDMD takes for the owner of a free entry */
	setup_expect(setup_call(&s, 0, TDH_PHYMEM_PAGE_RDMD, .rcx = range | level), TDX_SUCCESS);
	assert_int_equal(s.regs.rdx, (SETUP_TDMR1 + 4 * TDX_SIZE_2M) << 4 | 0x5000);
	setup_free(&s);
}

static void dynamic_pamt_leaves_are_not_there_without_it(void **state)
{
	struct setup s = setup_load(NULL);

	setup_ready(&s, SETUP_GLOBAL_HKID);
	setup_expect(setup_call(&s, 0, TDH_PHYMEM_PAMT_ADD), TDX_OPERAND_INVALID);
	setup_expect(setup_call(&s, 0, TDH_PHYMEM_PAMT_REMOVE), TDX_OPERAND_INVALID);
	setup_expect(setup_call(&s, 0, TDH_PHYMEM_PAGE_RDMD, .rcx = SETUP_TDMR1 | 1),
		     TDX_OPERAND_INVALID | TDX_OPERAND_ID_RCX);
	setup_free(&s);
}

static void shutdown_waits_for_no_one_and_nobody_comes_after(void **state)
{
	struct setup s = setup_load(NULL);

	setup_ready(&s, SETUP_GLOBAL_HKID);
	s.mod->lp[1].busy = true;
	setup_expect(setup_call(&s, 0, TDH_SYS_SHUTDOWN, .rcx = 1), TDX_SYS_BUSY);
	s.mod->lp[1].busy = false;
	s.mod->td_build_count = 3;
	setup_expect(setup_call(&s, 0, TDH_SYS_SHUTDOWN, .rcx = 0x10001),
		     TDX_UPDATE_COMPATIBILITY_SENSITIVE | 0x30000);
	setup_expect(setup_call(&s, 0, TDH_SYS_SHUTDOWN, .rcx = 0x20001),
		     TDX_OPERAND_INVALID | TDX_OPERAND_ID_RCX);
	setup_expect(setup_call(&s, 0, TDH_SYS_SHUTDOWN, .rcx = 1), TDX_SUCCESS);
	setup_expect(setup_call(&s, 1, TDH_SYS_INIT), TDX_SYS_SHUTDOWN);
	setup_expect(setup_call(&s, 1, TDH_SYS_LP_SHUTDOWN), TDX_SUCCESS);
	setup_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(config_names_what_is_wrong_with_a_tdmr_and_can_be_repeated),
		cmocka_unit_test(pamts_may_live_in_the_hole_of_a_tdmr),
		cmocka_unit_test(cmrs_that_touch_count_as_one),
		cmocka_unit_test(overlapping_or_unaligned_cmrs_are_refused_at_init),
		cmocka_unit_test(initialised_pamt_says_free_or_reserved),
		cmocka_unit_test(garbage_in_pamt_memory_does_not_survive_initialisation),
		cmocka_unit_test(dynamic_pamt_pair_comes_and_goes),
		cmocka_unit_test(dynamic_pamt_leaves_are_not_there_without_it),
		cmocka_unit_test(shutdown_waits_for_no_one_and_nobody_comes_after),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
