/* SPDX-License-Identifier: MIT */
/* vCPUs: VP.CREATE, VP.ADDCX, VP.INIT in both versions, VP.FLUSH. */
#include <pthread.h>

#include "module/vcpu.h"
#include "module_td.h"

enum { VP_PAGES = TDVPS_MIN_PAGES - 1 }; /* besides the TDVPR */

static void a_vcpu_needs_all_its_pages(void **state)
{
	struct test_td td = td_initialized(*state, 0x21);
	const uint64_t tdvpr = vp_new(&td, VP_PAGES - 1);

	setup_expect(vp_init(&td, tdvpr, 0), TDX_TDCX_NUM_INCORRECT);
	setup_expect(td_call(td.s, TDH_VP_ADDCX, td_new_page(), tdvpr), TDX_SUCCESS);
	setup_expect(vp_init(&td, tdvpr, 0), TDX_SUCCESS);
	setup_expect(td_call(td.s, TDH_VP_ADDCX, td_new_page(), tdvpr),
		     TDX_VCPU_STATE_INCORRECT | TDX_VCPU_READY);
}

static void a_vcpu_takes_no_more_than_fifteen_pages(void **state)
{
	struct test_td td = td_initialized(*state, 0x21);
	const uint64_t tdvpr = vp_new(&td, TDVPS_MAX_PAGES - 1);

	setup_expect(td_call(td.s, TDH_VP_ADDCX, td_new_page(), tdvpr), TDX_TDCX_NUM_INCORRECT);
	assert_int_equal(tdr_children(td_tdr(&td)), TDCS_MIN_PAGES + TDVPS_MAX_PAGES);
}

static void l2_msr_bitmaps_start_closed(void **state)
{
	struct test_td td = td_initialized(*state, 0x21);
	const uint64_t tdvpr = vp_new(&td, TDVPS_MAX_PAGES - 1);
	const struct tdvps *vps = vp_tdvps(&td, tdvpr);

	for (unsigned page = 1; page < TDVPS_MAX_PAGES; page++) {
		const bool closed = page >= TDVPS_PAGE_L2 && (page - TDVPS_PAGE_L2) % 3 != 0;
		const uint8_t *p = machine_ptr(td.s->m, machine_strip(td.s->m, vps->page_pa[page]));

		assert_int_equal(p[0], closed ? 0xff : 0);
		assert_int_equal(p[TDX_PAGE_SIZE - 1], closed ? 0xff : 0);
	}
}

static void a_td_not_initialized_gets_no_vcpu(void **state)
{
	struct test_td td = td_new(*state, 0x21);

	setup_expect(td_call(td.s, TDH_VP_CREATE, td_new_page(), td.tdr),
		     TDX_OP_STATE_INCORRECT | TDX_OP_STATE_UNINITIALIZED);
}

static void a_vcpu_starts_where_the_abi_says(void **state)
{
	struct test_td td = td_initialized(*state, 0x21);
	const uint64_t first = vp_new(&td, VP_PAGES), second = vp_new(&td, VP_PAGES);
	const struct tdvps *vps = vp_tdvps(&td, second);
	const struct vmcs *vmcs = vp_vmcs(&td, second);

	setup_expect(vp_init(&td, first, 7), TDX_SUCCESS);
	setup_expect(setup_call(td.s, 0, TDH_VP_INIT | 1u << TDX_RAX_VERSION_SHIFT, .rcx = second,
				.rdx = 0x1234567890, .r8 = 9),
		     TDX_SUCCESS);
	assert_int_equal(vps->gpr.rbx, 48);
	assert_int_equal(vps->gpr.rcx, 0x1234567890);
	assert_int_equal(vps->gpr.r8, 0x1234567890);
	assert_int_equal(vps->gpr.rsi, 1);
	assert_int_equal(vps->gpr.rdi, 0);
	assert_int_equal(vps->xcr0, 1);
	assert_int_equal(vps->state, TDX_VCPU_READY);
	assert_int_equal(vmcs_read(vmcs, VMCS_GUEST_RIP), 0xfffffff0);
	assert_int_equal(vmcs_read(vmcs, VMCS_GUEST_CR0), 0x21);
	assert_int_equal(vmcs_read(vmcs, VMCS_GUEST_CS_AR), 0xc09b);
	assert_int_equal(vmcs_read(vmcs, VMCS_TD_HKID), 0x21);
	assert_int_equal(vmcs_read(vmcs, VMCS_VPID), 0x21 << 2);
	/* the VMCS walks the TD's tables, with the KeyID kept apart */
	assert_int_equal(vmcs_read(vmcs, VMCS_EPT_POINTER),
			 machine_strip(td.s->m, td_tdcs(&td)->eptp));
}

static void x2apic_ids_are_unique_and_an_index_refused_is_used_later(void **state)
{
	struct test_td td = td_initialized(*state, 0x21);
	const uint64_t a = vp_new(&td, VP_PAGES), b = vp_new(&td, VP_PAGES);

	setup_expect(vp_init(&td, a, 7), TDX_SUCCESS);
	setup_expect(vp_init(&td, b, 7), TDX_X2APIC_ID_NOT_UNIQUE | 7);
	setup_expect(vp_init(&td, b, 1ull << 32), TDX_OPERAND_INVALID | TDX_OPERAND_ID_R8);
	assert_int_equal(td_tdcs(&td)->num_vcpus, 1);
	setup_expect(vp_init(&td, b, 8), TDX_SUCCESS);
	assert_int_equal(vp_tdvps(&td, b)->vcpu_index, 1);
	setup_expect(vp_init(&td, b, 8), TDX_VCPU_STATE_INCORRECT | TDX_VCPU_READY);
}

static void there_are_no_more_vcpus_than_configured(void **state)
{
	struct test_td td = td_new(*state, 0x21);
	uint64_t extra;

	td_params(td.s)->max_vcpus = 1;
	setup_expect(td_init(&td), TDX_SUCCESS);
	setup_expect(vp_init(&td, vp_new(&td, VP_PAGES), 0), TDX_SUCCESS);
	extra = vp_new(&td, VP_PAGES);
	setup_expect(vp_init(&td, extra, 1), TDX_MAX_VCPUS_EXCEEDED);
	assert_int_equal(td_tdcs(&td)->num_vcpus, 1);
}

static void a_vcpu_without_x2apic_id_takes_topology_from_the_td(void **state)
{
	struct test_td td = td_initialized(*state, 0x21);

	assert_int_equal(td_tdcs(&td)->topology_enum_configured, 1);
	setup_expect(td_call(td.s, TDH_VP_INIT, vp_new(&td, VP_PAGES), 0), TDX_SUCCESS);
	assert_int_equal(td_tdcs(&td)->topology_enum_configured, 0);
	assert_int_equal(td_tdcs(&td)->ve_reduction_valid, 0);
	setup_expect(vp_init(&td, vp_new(&td, VP_PAGES), 0), TDX_X2APIC_ID_NOT_UNIQUE);
	setup_expect(vp_init(&td, vp_new(&td, VP_PAGES), 5), TDX_SUCCESS);
	assert_int_equal(td_tdcs(&td)->topology_enum_configured, 0);
}

static void version_2_of_init_does_not_exist(void **state)
{
	struct test_td td = td_initialized(*state, 0x21);

	setup_expect(setup_call(td.s, 0, TDH_VP_INIT | 2u << TDX_RAX_VERSION_SHIFT,
				.rcx = vp_new(&td, VP_PAGES)),
		     TDX_OPERAND_INVALID | TDX_OPERAND_ID_RAX);
}

static void a_processor_whose_tsc_was_moved_cannot_init_a_vcpu(void **state)
{
	struct test_td td = td_initialized(*state, 0x21);
	const uint64_t tdvpr = vp_new(&td, VP_PAGES);

	machine_override_msr(td.s->m, 0, 0x3b, 5);
	setup_expect(vp_init(&td, tdvpr, 0), TDX_INCONSISTENT_MSR | 0x3b);
}

static void only_its_own_processor_can_flush_a_vcpu_and_only_once(void **state)
{
	struct test_td td = td_initialized(*state, 0x21);
	const uint64_t tdvpr = vp_new(&td, VP_PAGES);

	setup_expect(td_call(td.s, TDH_VP_FLUSH, tdvpr, 0), TDX_VCPU_NOT_ASSOCIATED);
	setup_expect(vp_init(&td, tdvpr, 0), TDX_SUCCESS);
	assert_int_equal(td_tdcs(&td)->num_assoc_vcpus, 1);
	setup_expect(setup_call(td.s, 1, TDH_VP_FLUSH, .rcx = tdvpr), TDX_VCPU_NOT_ASSOCIATED);
	setup_expect(td_call(td.s, TDH_VP_FLUSH, tdvpr, 0), TDX_SUCCESS);
	setup_expect(td_call(td.s, TDH_VP_FLUSH, tdvpr, 0), TDX_VCPU_NOT_ASSOCIATED);
	assert_int_equal(td_tdcs(&td)->num_assoc_vcpus, 0);
	assert_int_equal(vp_tdvps(&td, tdvpr)->assoc_lpid, VCPU_NO_LP);
}

/* Two processors initialise vCPUs of one TD at the same time, retrying while the TD is busy. */
enum { RACERS = 2, VCPUS_EACH = 16 };

struct racer {
	struct setup *s;
	unsigned lp;
	uint64_t tdvpr[VCPUS_EACH];
	unsigned refused;
};

static void *init_vcpus(void *arg)
{
	struct racer *r = arg;

	for (unsigned i = 0; i < VCPUS_EACH; i++) {
		struct tdx_regs regs;

		do {
			regs = (struct tdx_regs){.rax = TDH_VP_INIT, .rcx = r->tdvpr[i]};
			module_seamcall(r->s->mod, r->lp, &regs);
		} while (tdx_is_busy(tdx_status(regs.rax)));
		r->refused += regs.rax != TDX_SUCCESS;
	}
	return NULL;
}

static void vcpus_initialized_at_the_same_time_get_different_indices(void **state)
{
	struct test_td td = td_new(*state, 0x21);
	struct racer racer[RACERS];
	pthread_t thread[RACERS];
	uint64_t seen = 0;

	td_params(td.s)->max_vcpus = RACERS * VCPUS_EACH;
	setup_expect(td_init(&td), TDX_SUCCESS);
	for (unsigned i = 0; i < RACERS; i++) {
		racer[i] = (struct racer){.s = td.s, .lp = i};
		for (unsigned v = 0; v < VCPUS_EACH; v++)
			racer[i].tdvpr[v] = vp_new(&td, VP_PAGES);
	}
	for (unsigned i = 0; i < RACERS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, init_vcpus, &racer[i]), 0);
	for (unsigned i = 0; i < RACERS; i++)
		pthread_join(thread[i], NULL);
	for (unsigned i = 0; i < RACERS; i++) {
		assert_int_equal(racer[i].refused, 0);
		for (unsigned v = 0; v < VCPUS_EACH; v++)
			seen |= 1ull << vp_tdvps(&td, racer[i].tdvpr[v])->vcpu_index;
	}
	assert_int_equal(seen, 0xffffffff);
	assert_int_equal(td_tdcs(&td)->num_vcpus, RACERS * VCPUS_EACH);
	assert_int_equal(td_tdcs(&td)->num_assoc_vcpus, RACERS * VCPUS_EACH);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TD_TEST(a_vcpu_needs_all_its_pages),
		TD_TEST(a_vcpu_takes_no_more_than_fifteen_pages),
		TD_TEST(l2_msr_bitmaps_start_closed),
		TD_TEST(a_td_not_initialized_gets_no_vcpu),
		TD_TEST(a_vcpu_starts_where_the_abi_says),
		TD_TEST(x2apic_ids_are_unique_and_an_index_refused_is_used_later),
		TD_TEST(there_are_no_more_vcpus_than_configured),
		TD_TEST(a_vcpu_without_x2apic_id_takes_topology_from_the_td),
		TD_TEST(version_2_of_init_does_not_exist),
		TD_TEST(a_processor_whose_tsc_was_moved_cannot_init_a_vcpu),
		TD_TEST(only_its_own_processor_can_flush_a_vcpu_and_only_once),
		TD_TEST(vcpus_initialized_at_the_same_time_get_different_indices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
