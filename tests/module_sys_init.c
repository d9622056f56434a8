/* SPDX-License-Identifier: MIT */
/* Bring-up on platforms that are not as they must be, and calls in the wrong order. */
#include "module_setup.h"

struct msr_case {
	uint32_t addr;
	uint64_t set, clear; /* bits changed in the platform's value */
	uint64_t status;
};

static uint64_t changed(struct machine *m, const struct msr_case *c)
{
	uint64_t v;

	machine_rdmsr(&m->lp[0], c->addr, &v);
	return (v | c->set) & ~c->clear;
}

#define BIT(n)	      (1ull << (n))
#define WRONG(addr)   (TDX_INCORRECT_MSR_VALUE | (addr))
#define DIFFERS(addr) (TDX_INCONSISTENT_MSR | (addr))

/* clang-format off */
static const struct msr_case wrong_msr[] = {
	{0x10a, 0, BIT(0), WRONG(0x10a)},	{0x10a, BIT(2), 0, WRONG(0x10a)},
	{0x10a, 0, BIT(6), WRONG(0x10a)},	{0x10a, 0, BIT(15), WRONG(0x10a)},
	{0x10a, BIT(18), 0, WRONG(0x10a)},	{0x10a, 0, BIT(21), WRONG(0x10a)},
	{0x10a, BIT(4) | BIT(20), 0, 0},	{0xbd, 0, 1, WRONG(0xbd)},
	{0xbd, 2, 0, WRONG(0xbd)},		{0xbc, 0, 1, WRONG(0xbc)},
	{0x345, 0, BIT(12), WRONG(0x345)},	{0x345, 0, BIT(13), WRONG(0x345)},
	{0x1a0, BIT(22), 0, TDX_LIMIT_CPUID_MAXVAL_SET},
	{0x1a0, 0, BIT(7), WRONG(0x1a0)},	{0x1a0, BIT(11), 0, WRONG(0x1a0)},
	{0x480, 0x1001ull << 32, 0, WRONG(0x480)}, {0x480, 0, BIT(54), WRONG(0x480)},
	{0x480, 0, BIT(55), WRONG(0x480)},	{0x48d, 0, BIT(32), WRONG(0x48d)},
	{0x48e, 0, BIT(63), WRONG(0x48e)},	{0x48e, BIT(10), 0, WRONG(0x48e)},
	{0x48b, 0, BIT(33), WRONG(0x48b)},	{0x48b, 0, BIT(60), 0},
	{0x492, 0, BIT(5), WRONG(0x492)},	{0x48f, 0, BIT(34), WRONG(0x48f)},
	{0x48f, BIT(30), 0, WRONG(0x48f)},	{0x490, 0, BIT(34), WRONG(0x490)},
	{0x485, 0, BIT(5), WRONG(0x485)},	{0x485, 0, BIT(29), WRONG(0x485)},
	{0x485, 0, 0x1ffull << 16, WRONG(0x485)}, {0x48c, 0, BIT(6), WRONG(0x48c)},
	{0x486, BIT(1), 0, WRONG(0x486)},	{0x487, 0, BIT(5), WRONG(0x487)},
	{0x488, BIT(0), 0, WRONG(0x488)},	{0x489, 0, BIT(6), WRONG(0x489)},
	{0x982, 0, BIT(0), WRONG(0x982)},	{0x982, 0, BIT(49), WRONG(0x982)},
	{0x981, 0, BIT(1) | BIT(3), WRONG(0x981)},
	{0x87, 2000, 0, 0},
	{0x87, 2047, 0, TDX_NUM_ACTIVATED_HKIDS_NOT_SUPPORTED | 0x800},
	{0x99, 8, 0, WRONG(0x99)},
	{0xfe, 0, BIT(11), TDX_SMRR_NOT_SUPPORTED},
	{0xfe, 0, BIT(14), TDX_SMRR_LOCK_NOT_SUPPORTED},
	{0xfe, BIT(13), 0, TDX_SMRR_NOT_LOCKED | 1}, /* SMRR2 there, reading as zero */
	{0x1f3, 0, BIT(10), TDX_SMRR_NOT_LOCKED},
	{0x1f3, 0, 0xffull << 24 | BIT(23), 0},
	{0x1f3, 0, BIT(28), TDX_INVALID_SMRR_CONFIGURATION},
	{0x1f3, 0, 0xfffff000, TDX_INVALID_SMRR_CONFIGURATION},
	{0x1f2, 0x1000, 0, TDX_INVALID_SMRR_CONFIGURATION},
	{0x1f2, 0, 0x01000000, TDX_SMRR_OVERLAPS_CMR},
	{0x1f3, 0, BIT(11), 0},
};
/* clang-format on */

static void sys_init_names_the_msr_it_cannot_accept(void **state)
{
	for (size_t i = 0; i < sizeof(wrong_msr) / sizeof(wrong_msr[0]); i++) {
		const struct msr_case *c = &wrong_msr[i];
		struct setup s = setup_load(NULL);
		uint64_t want = c->status;

		if (c->addr == 0x1f3 && c->clear == (0xffull << 24 | BIT(23)))
			want = TDX_INVALID_SMRR_CONFIGURATION; /* nothing left of the mask */
		machine_override_msr(s.m, 0, c->addr, changed(s.m, c));
		setup_expect(setup_call(&s, 0, TDH_SYS_INIT), want);
		/* a failure leaves the module waiting for a better processor */
		setup_expect(setup_call(&s, 1, TDH_SYS_INIT), want ? 0 : TDX_SYS_INIT_NOT_PENDING);
		setup_free(&s);
	}
}

static void lp_init_names_the_msr_that_differs(void **state)
{
	static const uint32_t same[] = {0xcf,  0x10a, 0xbc,  0xbd,  0x3b,  0xfe,  0x1f2,
					0x1f3, 0x480, 0x48d, 0x48e, 0x48b, 0x492, 0x48f,
					0x490, 0x485, 0x48c, 0x486, 0x487, 0x488, 0x489,
					0x345, 0x981, 0x982, 0x87,  0x98,  0x99};

	for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++) {
		struct setup s = setup_load(NULL);
		uint64_t v;

		machine_rdmsr(&s.m->lp[1], same[i], &v);
		machine_override_msr(s.m, 1, same[i], v ^ BIT(40));
		setup_expect(setup_call(&s, 0, TDH_SYS_INIT), TDX_SUCCESS);
		setup_expect(setup_call(&s, 0, TDH_SYS_LP_INIT), TDX_SUCCESS);
		setup_expect(setup_call(&s, 1, TDH_SYS_LP_INIT), DIFFERS(same[i]));
		machine_override_msr(s.m, 1, same[i], v);
		setup_expect(setup_call(&s, 1, TDH_SYS_LP_INIT), TDX_SUCCESS);
		setup_free(&s);
	}
}

static void flip_cpuid(struct machine_lp *lp, uint32_t leaf, struct cpuid_regs mask)
{
	lp->cpuid_xor.on = true;
	lp->cpuid_xor.leaf = leaf;
	lp->cpuid_xor.mask = mask;
}

static void sys_init_tells_which_cpuid_bits_it_wants(void **state)
{
	struct setup s = setup_load(NULL);

	flip_cpuid(&s.m->lp[0], 1, (struct cpuid_regs){.ecx = BIT(0)});
	setup_expect(setup_call(&s, 0, TDH_SYS_INIT, .r10 = 5), TDX_INCORRECT_CPUID_VALUE);
	assert_int_equal(s.regs.rcx, 0xffffffff00000001);
	assert_int_equal(s.regs.rdx >> 32, 0x0000ff00);
	assert_int_equal(s.regs.r8, 0x1fa9fbff47faa217);
	assert_int_equal(s.regs.r9 >> 32, 0x00000800);
	assert_int_equal(s.regs.r10, 0x1fa9fbff47faa217);
	flip_cpuid(&s.m->lp[0], 0x15, (struct cpuid_regs){.ebx = 0xa8});
	setup_expect(setup_call(&s, 0, TDH_SYS_INIT), TDX_CPUID_LEAF_NOT_SUPPORTED | 0x15);
	flip_cpuid(&s.m->lp[0], 0x1f, (struct cpuid_regs){.ecx = 1});
	setup_expect(setup_call(&s, 0, TDH_SYS_INIT), TDX_CPUID_LEAF_1F_FORMAT_UNRECOGNIZED);
	flip_cpuid(&s.m->lp[0], 0, (struct cpuid_regs){.eax = 0x20 ^ 0x1e});
	setup_expect(setup_call(&s, 0, TDH_SYS_INIT), TDX_CPUID_LEAF_NOT_SUPPORTED | 0x1f);
	flip_cpuid(&s.m->lp[0], 0x80000008, (struct cpuid_regs){.eax = 0x3900 ^ 0x3000});
	setup_expect(setup_call(&s, 0, TDH_SYS_INIT), TDX_INCORRECT_CPUID_VALUE);
	assert_int_equal(s.regs.rcx & 0xffffffff, 0x80000008);
	assert_int_equal(s.regs.rdx, 0xff00);
	assert_int_equal(s.regs.r9, 0x3900);
	s.m->lp[0].cpuid_xor.on = false;
	setup_expect(setup_call(&s, 0, TDH_SYS_INIT), TDX_SUCCESS);
	setup_free(&s);
}

static void lp_init_tells_which_cpuid_bits_differ(void **state)
{
	struct setup s = setup_load(NULL);

	setup_expect(setup_call(&s, 0, TDH_SYS_INIT), TDX_SUCCESS);
	flip_cpuid(&s.m->lp[1], 7, (struct cpuid_regs){.ebx = BIT(0)});
	setup_expect(setup_call(&s, 1, TDH_SYS_LP_INIT), TDX_INCONSISTENT_CPUID_FIELD);
	assert_int_equal(s.regs.rcx, 7);
	assert_true(s.regs.rdx & BIT(32));
	flip_cpuid(&s.m->lp[1], 0x1f, (struct cpuid_regs){.edx = 0x400});
	setup_expect(setup_call(&s, 1, TDH_SYS_LP_INIT), TDX_INVALID_PKG_ID | 8);
	setup_free(&s);
}

static void impossible_platform_shuts_the_processor_down(void **state)
{
	struct setup s = setup_load(NULL);
	struct tdx_regs regs = {.rax = TDH_SYS_INIT};

	machine_override_msr(s.m, 0, 0x48d, 0x1000000000000001 & ~BIT(32));
	assert_int_equal(module_seamcall(s.mod, 0, &regs), MODULE_SHUTDOWN);
	regs.rax = TDH_SYS_LP_SHUTDOWN;
	assert_int_equal(module_seamcall(s.mod, 0, &regs), MODULE_SHUTDOWN);
	setup_free(&s);
}

static void fatal_error_reporting_is_checked_in_version_1_only(void **state)
{
	static const uint64_t bad[] = {
		1,
		0x20,
		BIT(52),
		BIT(53),
		0x7c000000,
		(uint64_t)33 << 46,
		0x000fffffffffffc0 | 1ull << 54,
		0x000fffffffffffc0 | 1ull << 54 | 15ull << 56,
	};
	struct setup s = setup_load(NULL);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		setup_expect(setup_call(&s, 0, TDH_SYS_INIT | 1 << 16, .r8 = bad[i]),
			     TDX_OPERAND_INVALID | TDX_OPERAND_ID_R8);
	setup_expect(setup_call(&s, 0, TDH_SYS_INIT, .rcx = 1),
		     TDX_OPERAND_INVALID | TDX_OPERAND_ID_RCX);
	setup_expect(setup_call(&s, 0, TDH_SYS_INIT | 1 << 16,
				.r8 = 0x1000040 | 1ull << 54 | 16ull << 56),
		     TDX_SUCCESS);
	memset(machine_ptr(s.m, 0x1000000), 0x5a, 192);
	setup_expect(setup_call(&s, 0, TDH_SYS_LP_INIT), TDX_SUCCESS);
	assert_int_equal(*(const uint64_t *)machine_ptr(s.m, 0x1000038), 0x5a5a5a5a5a5a5a5a);
	for (unsigned i = 0; i < 64; i += 8)
		assert_int_equal(*(const uint64_t *)machine_ptr(s.m, 0x1000040 + i), 0);
	assert_int_equal(*(const uint64_t *)machine_ptr(s.m, 0x1000080), 0x5a5a5a5a5a5a5a5a);
	setup_free(&s);
	s = setup_load(NULL);
	setup_expect(setup_call(&s, 0, TDH_SYS_INIT, .r8 = 1), TDX_SUCCESS);
	setup_free(&s);
}

static void fatal_error_line_without_memory_is_not_cleared(void **state)
{
	struct setup s = setup_load(NULL);

	setup_expect(setup_call(&s, 0, TDH_SYS_INIT | 1 << 16, .r8 = s.m->cfg.mem_end),
		     TDX_SUCCESS);
	setup_expect(setup_call(&s, 0, TDH_SYS_LP_INIT), TDX_SUCCESS);
	setup_free(&s);
}

static void steps_of_bring_up_refuse_to_go_out_of_order(void **state)
{
	struct setup s = setup_load(NULL);
	struct tdx_tdmr_info info[2];

	setup_tdmrs(info);
	setup_expect(setup_call(&s, 0, TDH_SYS_LP_INIT), TDX_SYS_LP_INIT_NOT_PENDING);
	setup_expect(setup_config(&s, info, 2, 32), TDX_SYS_CONFIG_NOT_PENDING);
	setup_expect(setup_call(&s, 0, TDH_SYS_INIT), TDX_SUCCESS);
	setup_expect(setup_call(&s, 0, TDH_SYS_LP_INIT), TDX_SUCCESS);
	setup_expect(setup_call(&s, 0, TDH_SYS_LP_INIT), TDX_SYS_LP_INIT_DONE);
	setup_expect(setup_config(&s, info, 2, 32), TDX_SYS_CONFIG_NOT_PENDING);
	setup_expect(setup_call(&s, 0, TDH_SYS_UPDATE), TDX_SYS_STATE_INCORRECT);
	setup_expect(setup_call(&s, 1, TDH_SYS_LP_INIT), TDX_SUCCESS);
	setup_expect(setup_call(&s, 0, TDH_SYS_UPDATE), TDX_SYS_INVALID_HANDOFF);
	setup_expect(setup_call(&s, 0, TDH_SYS_KEY_CONFIG), TDX_SYS_KEY_CONFIG_NOT_PENDING);
	setup_expect(setup_config(&s, info, 2, 32), TDX_SUCCESS);
	setup_expect(setup_call(&s, 0, TDH_SYS_TDMR_INIT, .rcx = SETUP_TDMR1), TDX_SYS_NOT_READY);
	setup_expect(setup_call(&s, 1, TDH_SYS_KEY_CONFIG), TDX_SUCCESS);
	setup_expect(setup_config(&s, info, 2, 32), TDX_SYS_CONFIG_NOT_PENDING);
	setup_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sys_init_names_the_msr_it_cannot_accept),
		cmocka_unit_test(lp_init_names_the_msr_that_differs),
		cmocka_unit_test(sys_init_tells_which_cpuid_bits_it_wants),
		cmocka_unit_test(lp_init_tells_which_cpuid_bits_differ),
		cmocka_unit_test(impossible_platform_shuts_the_processor_down),
		cmocka_unit_test(fatal_error_reporting_is_checked_in_version_1_only),
		cmocka_unit_test(fatal_error_line_without_memory_is_not_cleared),
		cmocka_unit_test(steps_of_bring_up_refuse_to_go_out_of_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
