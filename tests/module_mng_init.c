/* SPDX-License-Identifier: MIT */
/* TDH.MNG.INIT: which parameter is at fault, in which order, and what a TD becomes. */
#include "module/cpuid_table.h"
#include "module/td_init.h"
#include "module_td.h"

#define INVALID(operand) (TDX_OPERAND_INVALID | TDX_OPERAND_ID_##operand)

static void assert_refused(struct test_td *td, uint64_t status)
{
	setup_expect(td_init(td), status);
	assert_int_equal(td_tdcs(td)->op_state, TDX_OP_STATE_UNINITIALIZED);
	td_params(td->s); /* the next case starts from good ones */
}

static void each_wrong_parameter_is_named(void **state)
{
	struct setup *s = *state;
	struct test_td td = td_new(s, 0x21);
	struct tdx_td_params *p = td_params(s);

	p->attributes = 1ull << 1;
	assert_refused(&td, INVALID(ATTRIBUTES));
	p->attributes = TDX_ATTR_MIGRATABLE | TDX_ATTR_DEBUG;
	assert_refused(&td, INVALID(ATTRIBUTES));
	p->attributes = TDX_ATTR_MIGRATABLE | TDX_ATTR_PERFMON;
	assert_refused(&td, INVALID(ATTRIBUTES));
	p->xfam = 1;
	assert_refused(&td, INVALID(XFAM));
	p->xfam = 3 | 7 << 5; /* AVX-512 without AVX */
	assert_refused(&td, INVALID(XFAM));
	p->xfam = 3 | 1 << 11; /* half of CET */
	assert_refused(&td, INVALID(XFAM));
	p->xfam = 3 | 1 << 17; /* half of AMX */
	assert_refused(&td, INVALID(XFAM));
	p->max_vcpus = 0;
	assert_refused(&td, INVALID(MAX_VCPUS));
	p->max_vcpus = TD_MAX_VCPUS + 1;
	assert_refused(&td, INVALID(MAX_VCPUS));
	p->num_l2_vms = 4;
	assert_refused(&td, INVALID(NUM_L2_VMS));
	p->num_l2_vms = 1;
	assert_refused(&td, TDX_TDCS_NOT_ALLOCATED);
	p->zero0[3] = 1;
	assert_refused(&td, INVALID(RDX));
	p->config_flags = TDX_CONFIG_MAXPA_VIRT | TDX_CONFIG_MAXGPA_VIRT;
	assert_refused(&td, INVALID(EXEC_CONTROLS));
	p->config_flags = 1ull << 63;
	assert_refused(&td, INVALID(EXEC_CONTROLS));
	p->config_flags = TDX_CONFIG_GPAW; /* 52 bits need five levels */
	assert_refused(&td, INVALID(EPTP_CONTROLS));
	p->eptp_controls = TDX_EPTP_WALK_4; /* uncacheable */
	assert_refused(&td, INVALID(EPTP_CONTROLS));
	p->eptp_controls |= 1ull << 12;
	assert_refused(&td, INVALID(EPTP_CONTROLS));
	p->tsc_frequency = 3;
	assert_refused(&td, INVALID(TSC_FREQUENCY));
	p->tsc_frequency = 401;
	assert_refused(&td, INVALID(TSC_FREQUENCY));
	p->zero1[0] = 1;
	assert_refused(&td, INVALID(RDX));
	p->msr_config_ctls = 2;
	assert_refused(&td, INVALID(RDX));
	p->zero2[23] = 1;
	assert_refused(&td, INVALID(RDX));
	p->cpuid[CPUID_CONFIGS].eax = 1;
	assert_refused(&td, INVALID(RDX));
	p->ia32_arch_capabilities_config = 1ull << 4; /* without saying that it is meant */
	assert_refused(&td, INVALID(IA32_ARCH_CAPABILITIES_CONFIG));
	setup_expect(td_init(&td), TDX_SUCCESS);
}

static void of_several_wrong_parameters_the_first_is_told(void **state)
{
	struct setup *s = *state;
	struct test_td td = td_new(s, 0x21);
	struct tdx_td_params *p = td_params(s);

	p->cpuid[0].ecx = ~0u;
	p->ia32_arch_capabilities_config = ~0ull;
	p->cpuid[CPUID_CONFIGS].edx = 1;
	setup_expect(td_init(&td), INVALID(CPUID_CONFIG));
	p->cpuid[0].ecx = 0;
	setup_expect(td_init(&td), INVALID(RDX));
	p->tsc_frequency = 0;
	p->eptp_controls = 0;
	setup_expect(td_init(&td), INVALID(EPTP_CONTROLS));
	p->max_vcpus = 0;
	p->attributes = ~0ull;
	setup_expect(td_init(&td), INVALID(ATTRIBUTES));
}

static void parameters_must_lie_in_shared_aligned_memory(void **state)
{
	struct setup *s = *state;
	struct test_td td = td_new(s, 0x21);
	const uint64_t bad[] = {TD_PARAMS_PA + 512, TD_PARAMS_PA | 0x21ull << 46, 1ull << 52,
				s->m->cfg.platform->seamrr.base};

	td_params(s);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		setup_expect(td_call(s, TDH_MNG_INIT, td.tdr, bad[i]), INVALID(RDX));
	/* a shared KeyID is as good as none */
	setup_expect(td_call(s, TDH_MNG_INIT, td.tdr, TD_PARAMS_PA | 5ull << 46), TDX_SUCCESS);
}

static void a_cpuid_bit_that_may_not_be_set_is_told_with_its_leaf(void **state)
{
	struct setup *s = *state;
	struct test_td td = td_new(s, 0x21);
	struct tdx_td_params *p = td_params(s);

	p->cpuid[6].ebx = 1;
	setup_expect(td_init(&td), INVALID(CPUID_CONFIG));
	assert_int_equal(s->regs.rcx, 0x100000007); /* leaf 7, sub-leaf 1 */
	p = td_params(s);
	setup_expect(td_init(&td), TDX_SUCCESS);
	assert_int_equal(s->regs.rcx, 0);
}

static void an_allowed_bit_is_the_processors_or_zero(void **state)
{
	struct setup *s = *state;
	struct test_td yes = td_new(s, 0x21), no = td_new(s, 0x22);
	const unsigned row = cpuid_row(1, 0);
	struct tdx_td_params *p = td_params(s);

	p->cpuid[0].ecx = 1 << 3; /* MONITOR */
	setup_expect(td_init(&yes), TDX_SUCCESS);
	td_params(s);
	setup_expect(td_init(&no), TDX_SUCCESS);
	assert_int_equal(td_tdcs(&yes)->cpuid_values[row].ecx >> 3 & 1,
			 s->mod->plat.cpuid[row].ecx >> 3 & 1);
	assert_int_equal(td_tdcs(&no)->cpuid_values[row].ecx >> 3 & 1, 0);
	assert_int_equal(td_tdcs(&no)->cpuid_flags.monitor_mwait, 0);
}

static void only_a_migratable_td_may_claim_another_processor(void **state)
{
	struct setup *s = *state;
	struct test_td td = td_new(s, 0x21);
	const uint32_t native = s->mod->plat.fms;
	struct tdx_td_params *p = td_params(s);

	p->cpuid[0].eax = native - 1;
	setup_expect(td_init(&td), INVALID(CPUID_CONFIG));
	assert_int_equal(s->regs.rcx, 0xffffffff00000001);
	p->attributes = TDX_ATTR_MIGRATABLE;
	p->cpuid[0].eax = native + 1;
	setup_expect(td_init(&td), INVALID(CPUID_CONFIG));
	p->cpuid[0].eax = native - 1;
	setup_expect(td_init(&td), TDX_SUCCESS);
	assert_int_equal(td_tdcs(&td)->cpuid_values[cpuid_row(1, 0)].eax, native - 1);
}

static void tsx_comes_whole_and_with_its_control(void **state)
{
	struct setup *s = *state;
	struct test_td td = td_new(s, 0x21);
	struct tdx_td_params *p = td_params(s);

	s->mod->plat.cpuid[cpuid_row(7, 0)].ebx |= 1 << 4 | 1 << 11; /* a processor with TSX */
	s->mod->plat.arch_capabilities &= ~(1ull << 7);
	p->cpuid[5].ebx = 1 << 4; /* HLE without RTM */
	setup_expect(td_init(&td), INVALID(CPUID_CONFIG));
	assert_int_equal(s->regs.rcx, 7);
	p->cpuid[5].ebx |= 1 << 11; /* no MSR to control it with */
	setup_expect(td_init(&td), TDX_INCORRECT_MSR_VALUE | 0x10a);
	s->mod->plat.arch_capabilities |= 1ull << 7;
	setup_expect(td_init(&td), TDX_SUCCESS);
	assert_int_equal(td_tdcs(&td)->cpuid_flags.tsx, 1);
}

static void the_virtual_address_width_stays_within_gpaw_and_platform(void **state)
{
	struct setup *s = *state;
	const unsigned config = cpuid_rules[cpuid_row(0x80000008, 0)].config;
	const struct {
		uint8_t width;
		uint64_t status;
		uint8_t becomes;
	} cases[] = {
		{44, INVALID(CPUID_CONFIG), 0}, {49, INVALID(CPUID_CONFIG), 0},
		{45, TDX_SUCCESS, 45},		{48, TDX_SUCCESS, 48},
		{0, TDX_SUCCESS, 48},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct test_td td = td_new(s, 0x21 + i);
		struct tdx_td_params *p = td_params(s);

		p->config_flags = TDX_CONFIG_MAXPA_VIRT;
		p->cpuid[config].eax = cases[i].width;
		setup_expect(td_init(&td), cases[i].status);
		assert_int_equal(s->regs.rcx, 0);
		if (cases[i].becomes)
			assert_int_equal(td_tdcs(&td)->virt_maxpa, cases[i].becomes);
	}
}

static struct tdx_cpuid_values level(unsigned number, unsigned type, unsigned shift)
{
	return (struct tdx_cpuid_values){.eax = shift, .ebx = 2, .ecx = type << 8 | number};
}

static void configure_topology(struct tdx_td_params *p, const unsigned *types, unsigned n)
{
	const unsigned first = cpuid_rules[cpuid_row(0x1f, 0)].config;

	for (unsigned i = 0; i < n; i++)
		p->cpuid[first + i] = level(i, types[i], i + 1);
	for (unsigned i = n; i < CPUID_TOPOLOGY_LEVELS; i++)
		p->cpuid[first + i] = (struct tdx_cpuid_values){0};
}

static void a_malformed_topology_is_refused(void **state)
{
	struct setup *s = *state;
	struct test_td td = td_new(s, 0x21);
	struct tdx_td_params *p = td_params(s);
	const unsigned first = cpuid_rules[cpuid_row(0x1f, 0)].config;

	configure_topology(p, (unsigned[]){1}, 1); /* threads of what? */
	setup_expect(td_init(&td), TDX_CPUID_LEAF_1F_FORMAT_UNRECOGNIZED);
	configure_topology(p, (unsigned[]){2, 1}, 2); /* threads above cores */
	setup_expect(td_init(&td), TDX_CPUID_LEAF_1F_FORMAT_UNRECOGNIZED);
	configure_topology(p, (unsigned[]){1, 2, 2}, 3);
	setup_expect(td_init(&td), TDX_CPUID_LEAF_1F_FORMAT_UNRECOGNIZED);
	configure_topology(p, (unsigned[]){1, 2, 6}, 3);
	setup_expect(td_init(&td), TDX_CPUID_LEAF_1F_FORMAT_UNRECOGNIZED);
	configure_topology(p, (unsigned[]){1, 2}, 2);
	p->cpuid[first + 1].ecx ^= 3; /* numbered wrongly */
	setup_expect(td_init(&td), TDX_CPUID_LEAF_1F_FORMAT_UNRECOGNIZED);
	configure_topology(p, NULL, 0);
	p->cpuid[first + 2].eax = 1; /* a level out of nothing */
	setup_expect(td_init(&td), TDX_CPUID_LEAF_1F_FORMAT_UNRECOGNIZED);
	configure_topology(p, (unsigned[]){1, 2, 5}, 3);
	setup_expect(td_init(&td), TDX_SUCCESS);
}

static void leaf_b_ends_with_the_highest_level_of_leaf_1f(void **state)
{
	struct setup *s = *state;
	struct test_td td = td_new(s, 0x21);
	struct tdx_td_params *p = td_params(s);
	const struct tdcs_cpuid_value *v = td_tdcs(&td)->cpuid_values;

	configure_topology(p, (unsigned[]){1, 2, 5}, 3);
	setup_expect(td_init(&td), TDX_SUCCESS);
	assert_int_equal(v[cpuid_row(0xb, 0)].ecx, 0x100);
	assert_int_equal(v[cpuid_row(0xb, 0)].eax, 1);
	assert_int_equal(v[cpuid_row(0xb, 1)].ecx, 0x201);
	assert_int_equal(v[cpuid_row(0xb, 1)].eax, 3);
	assert_int_equal(v[cpuid_row(0xb, 2)].ecx, 0x002);
	assert_int_equal(v[cpuid_row(0xb, 2)].eax, 0);
}

static uint64_t filter(unsigned event, unsigned umask)
{
	return event | (uint64_t)umask << 32 | 0xffffull << 48;
}

static void event_filters_are_sorted_and_plain(void **state)
{
	struct setup *s = *state;
	struct test_td td = td_new(s, 0x21);
	uint64_t *list = machine_ptr(s->m, 0x1200000);
	struct tdx_td_params *p = td_params(s);
	struct tdx_regs call = {.rcx = td.tdr | 1, .rdx = TD_PARAMS_PA, .r8 = 0x1200000 | 2};

	p->attributes = TDX_ATTR_PERFMON;
	list[0] = filter(0x3c, 0);
	list[1] = filter(0x3c, 0);
	setup_expect(setup_call_regs(s, 0, TDH_MNG_INIT, call), TDX_EVENT_FILTER_ORDER_INVALID | 1);
	list[1] = filter(0x3c, 1) | 1ull << 31;
	setup_expect(setup_call_regs(s, 0, TDH_MNG_INIT, call), TDX_EVENT_FILTER_INVALID | 1);
	list[1] = filter(0x3c, 0x100);
	setup_expect(setup_call_regs(s, 0, TDH_MNG_INIT, call), TDX_EVENT_FILTER_INVALID | 1);
	call.r8 = 0x1200000 | 513;
	setup_expect(setup_call_regs(s, 0, TDH_MNG_INIT, call), INVALID(R8));
	call.r8 = 0x1200000;
	setup_expect(setup_call_regs(s, 0, TDH_MNG_INIT, call), INVALID(R8));
	call.r8 = 0x1200000 | 2;
	list[1] = filter(0x3c, 1);
	setup_expect(setup_call_regs(s, 0, TDH_MNG_INIT, call), TDX_SUCCESS);
}

static void filters_of_a_td_without_perfmon_are_not_looked_at(void **state)
{
	struct setup *s = *state;
	struct test_td td = td_new(s, 0x21);

	td_params(s);
	setup_expect(
		setup_call(s, 0, TDH_MNG_INIT, .rcx = td.tdr | 1, .rdx = TD_PARAMS_PA, .r8 = ~0ull),
		TDX_SUCCESS);
}

static void a_processor_whose_tsc_was_moved_cannot_init(void **state)
{
	struct setup *s = *state;
	struct test_td td = td_new(s, 0x21);

	td_params(s);
	machine_override_msr(s->m, 0, 0x3b, 1);
	setup_expect(td_init(&td), TDX_INCONSISTENT_MSR | 0x3b);
	machine_override_msr(s->m, 0, 0x3b, s->mod->plat.tsc_adjust);
	machine_override_msr(s->m, 0, 0x1a0, s->mod->plat.misc_enable | 1ull << 22);
	setup_expect(td_init(&td), TDX_LIMIT_CPUID_MAXVAL_SET);
}

static void the_virtual_tsc_starts_at_zero_and_runs_at_its_own_pace(void **state)
{
	const uint64_t native = 2100000000, now = 0x123456789abcdef;
	uint64_t multiplier, offset;

	(void)state;
	td_tsc_params(now, native, 100, &multiplier, &offset);
	assert_int_equal((uint64_t)((unsigned __int128)now * multiplier >> 48) + offset, 0);
	/* one second later it has counted 2.5 billion */
	assert_in_range((uint64_t)((unsigned __int128)(now + native) * multiplier >> 48) + offset,
			2499999999, 2500000001);
}

static void a_td_is_initialized_once(void **state)
{
	struct setup *s = *state;
	struct test_td td = td_initialized(s, 0x21);

	setup_expect(td_init(&td), TDX_OP_STATE_INCORRECT | TDX_OP_STATE_INITIALIZED);
}

static void identities_given_by_the_host_are_kept(void **state)
{
	struct setup *s = *state;
	struct test_td td = td_new(s, 0x21);
	struct tdx_td_params *p = td_params(s);

	memset(&p->mrconfigid, 0x11, sizeof(p->mrconfigid));
	memset(&p->mrowner, 0x22, sizeof(p->mrowner));
	memset(&p->mrownerconfig, 0x33, sizeof(p->mrownerconfig));
	setup_expect(td_init(&td), TDX_SUCCESS);
	assert_memory_equal(td_tdcs(&td)->mrconfigid, &p->mrconfigid, 48);
	assert_memory_equal(td_tdcs(&td)->mrowner, &p->mrowner, 48);
	assert_memory_equal(td_tdcs(&td)->mrownerconfig, &p->mrownerconfig, 48);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TD_TEST(each_wrong_parameter_is_named),
		TD_TEST(of_several_wrong_parameters_the_first_is_told),
		TD_TEST(parameters_must_lie_in_shared_aligned_memory),
		TD_TEST(a_cpuid_bit_that_may_not_be_set_is_told_with_its_leaf),
		TD_TEST(an_allowed_bit_is_the_processors_or_zero),
		TD_TEST(only_a_migratable_td_may_claim_another_processor),
		TD_TEST(tsx_comes_whole_and_with_its_control),
		TD_TEST(the_virtual_address_width_stays_within_gpaw_and_platform),
		TD_TEST(a_malformed_topology_is_refused),
		TD_TEST(leaf_b_ends_with_the_highest_level_of_leaf_1f),
		TD_TEST(event_filters_are_sorted_and_plain),
		TD_TEST(filters_of_a_td_without_perfmon_are_not_looked_at),
		TD_TEST(a_processor_whose_tsc_was_moved_cannot_init),
		cmocka_unit_test(the_virtual_tsc_starts_at_zero_and_runs_at_its_own_pace),
		TD_TEST(a_td_is_initialized_once),
		TD_TEST(identities_given_by_the_host_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
