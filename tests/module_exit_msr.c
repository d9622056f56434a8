/* SPDX-License-Identifier: MIT */
#include "module_guest.h"

#include "arch/msr.h"
#include "module/exit_msr.h"
#include "module/msr_policy.h"

static enum module_next rdmsr(struct test_guest *g, uint32_t msr)
{
	g->regs.rcx = msr;
	return guest_exits(g, (struct vmexit){.reason = VMX_EXIT_RDMSR, .instr_len = 2});
}

static enum module_next wrmsr(struct test_guest *g, uint32_t msr, uint64_t value)
{
	g->regs.rcx = msr;
	g->regs.rax = (uint32_t)value;
	g->regs.rdx = value >> 32;
	return guest_exits(g, (struct vmexit){.reason = VMX_EXIT_WRMSR, .instr_len = 2});
}

static void ranges_are_in_order_and_do_not_overlap(void **state)
{
	for (unsigned i = 0; i < msr_num_ranges; i++) {
		assert_true(msr_ranges[i].first <= msr_ranges[i].last);
		if (i > 0)
			assert_true(msr_ranges[i - 1].last < msr_ranges[i].first);
		assert_ptr_equal(msr_find(msr_ranges[i].first), &msr_ranges[i]);
		assert_ptr_equal(msr_find(msr_ranges[i].last), &msr_ranges[i]);
	}
	assert_null(msr_find(0x5));
	assert_null(msr_find(0xffffffff));
}

/* Each MSR of the bitmaps: an access that is not intercepted is fatal when it exits all the same,
 * one that is never is. */
static void check_bitmaps_against_exits(struct test_guest *g)
{
	static uint8_t bitmaps[4096];

	msr_bitmaps_init(g->mod, g->tdcs, g->ext, bitmaps);
	for (uint32_t i = 0; i < 2 * MSR_BITMAP_MSRS; i++) {
		uint32_t msr = i < MSR_BITMAP_MSRS ? i : MSR_BITMAP_HIGH + i - MSR_BITMAP_MSRS;
		bool dead_by_read, dead_by_write;

		dead_by_read = rdmsr(g, msr) == MODULE_SHUTDOWN;
		g->lp->dead = false;
		guest_forget_ve(g);
		dead_by_write = wrmsr(g, msr, 0) == MODULE_SHUTDOWN;
		g->lp->dead = false;
		guest_forget_ve(g);
		/* writing these is not intercepted, yet the module knows what it would mean */
		if (msr == 0xbd || msr == 0x10a)
			assert_true(dead_by_write);
		if (dead_by_read == msr_intercepted(bitmaps, msr, false) ||
		    dead_by_write == msr_intercepted(bitmaps, msr, true))
			fail_msg("MSR 0x%x: read %d write %d", msr, dead_by_read, dead_by_write);
	}
}

static void an_exit_the_bitmaps_rule_out_is_fatal_and_no_other(void **state)
{
	struct test_guest *g = *state;

	check_bitmaps_against_exits(g);
}

static void features_of_the_td_change_bitmaps_and_exits_together(void **state)
{
	struct test_guest *g = *state;

	g->tdcs->attributes = TDX_ATTR_PERFMON | TDX_ATTR_PKS;
	g->tdcs->xfam = 0x1f | 3ull << 11 | 1ull << 14 | 1ull << 15;
	g->tdcs->cpuid_flags.tsx = g->tdcs->cpuid_flags.waitpkg = g->tdcs->cpuid_flags.xfd = 1;
	check_bitmaps_against_exits(g);
}

static void an_event_filter_brings_event_selectors_back(void **state)
{
	struct test_guest *g = *state;

	g->tdcs->attributes = TDX_ATTR_PERFMON;
	g->ext->event_filters_num = 2;
	g->ext->event_filters[0] = 0x003c;
	g->ext->event_filters[1] = 0x00c0;
	check_bitmaps_against_exits(g);
	assert_int_equal(wrmsr(g, 0x187, 0x4300c0), MODULE_TO_GUEST);
	assert_int_equal(g->ext->filtered_events_count[0], 0);
	assert_int_equal(wrmsr(g, 0x187, 0x430024), MODULE_TO_GUEST);
	assert_int_equal(g->ext->filtered_events_count[0], 1);
	assert_int_equal(rdmsr(g, 0x187), MODULE_TO_GUEST);
	assert_int_equal(g->regs.rax, 0x430024);
	assert_int_equal(g->regs.rdx, 0);
}

static void an_msr_outside_the_bitmaps_raises_ve(void **state)
{
	struct test_guest *g = *state;

	assert_int_equal(rdmsr(g, 0x40000000), MODULE_TO_GUEST);
	assert_int_equal(guest_vector(g), VECTOR_VE);
	assert_int_equal(g->vps->ve_info.ve_category, VE_NON_CONFIG_PARAVIRT);
	assert_int_equal(g->vps->ve_info.exit_reason, VMX_EXIT_RDMSR);
	assert_int_equal(guest_rip(g), GUEST_RIP);
}

static void reduced_ves_become_gp(void **state)
{
	struct test_guest *g = *state;

	assert_int_equal(rdmsr(g, 0x3b), MODULE_TO_GUEST);
	assert_int_equal(guest_vector(g), VECTOR_VE);
	guest_forget_ve(g);
	g->tdcs->td_ctls = TDX_TD_CTLS_REDUCE_VE;
	assert_int_equal(rdmsr(g, 0x3b), MODULE_TO_GUEST);
	assert_int_equal(guest_vector(g), VECTOR_GP);
	assert_int_equal(rdmsr(g, 0x5), MODULE_TO_GUEST); /* one the table does not have */
	assert_int_equal(guest_vector(g), VECTOR_GP);
}

static void efer_sce_is_all_a_guest_may_change(void **state)
{
	struct test_guest *g = *state;

	assert_int_equal(wrmsr(g, MSR_EFER, 0xd00), MODULE_TO_GUEST);
	assert_int_equal(guest_vector(g), -1);
	assert_int_equal(vmcs_read(g->vmcs, VMCS_GUEST_EFER), 0xd00);
	assert_int_equal(guest_rip(g), GUEST_RIP + 2);
	assert_int_equal(wrmsr(g, MSR_EFER, 0x500), MODULE_TO_GUEST);
	assert_int_equal(guest_vector(g), VECTOR_VE);
	assert_int_equal(g->vps->ve_info.ve_category, VE_UNSUPPORTED_FEATURE);
	assert_int_equal(vmcs_read(g->vmcs, VMCS_GUEST_EFER), 0xd00);
}

static void xss_takes_what_xfam_has(void **state)
{
	struct test_guest *g = *state;

	g->mod->plat.xss_mask = 0x1dd00;
	g->tdcs->xfam = 7 | 3ull << 11;
	assert_int_equal(wrmsr(g, MSR_XSS, 3ull << 11), MODULE_TO_GUEST);
	assert_int_equal(guest_vector(g), -1);
	assert_int_equal(g->vps->msr.xss, 3ull << 11);
	assert_int_equal(wrmsr(g, MSR_XSS, 1ull << 14), MODULE_TO_GUEST);
	assert_int_equal(guest_vector(g), VECTOR_GP);
	assert_int_equal(g->vps->msr.xss, 3ull << 11);
}

static void rdmsr_clears_the_upper_halves(void **state)
{
	struct test_guest *g = *state;

	g->tdcs->virt_msrs.arch_capabilities = 0x20f16b;
	g->regs.rax = g->regs.rdx = ~0ull;
	assert_int_equal(rdmsr(g, 0x10a), MODULE_TO_GUEST);
	assert_int_equal(g->regs.rax, 0x20f16b);
	assert_int_equal(g->regs.rdx, 0);
}

/* A TD with PERFMON or TSX has the bits of these, a TD without is refused them. */
static void debugctl_takes_the_bits_of_what_the_td_has(void **state)
{
	struct test_guest *g = *state;
	const uint64_t both = DEBUGCTL_FREEZE_IN_SMM | DEBUGCTL_RTM;

	for (uint64_t bit = DEBUGCTL_FREEZE_IN_SMM; bit <= DEBUGCTL_RTM; bit <<= 1) {
		assert_int_equal(wrmsr(g, MSR_DEBUGCTL, bit), MODULE_TO_GUEST);
		assert_int_equal(guest_vector(g), VECTOR_GP);
		vmcs_write(g->vmcs, VMCS_ENTRY_INTERRUPTION_INFO, 0);
	}
	assert_int_equal(vmcs_read(g->vmcs, VMCS_GUEST_DEBUGCTL), 0);
	assert_int_equal(wrmsr(g, MSR_DEBUGCTL, DEBUGCTL_TR), MODULE_TO_GUEST);
	assert_int_equal(guest_vector(g), VECTOR_VE);
	guest_forget_ve(g);
	g->tdcs->attributes = TDX_ATTR_PERFMON;
	g->tdcs->cpuid_flags.tsx = 1;
	assert_int_equal(wrmsr(g, MSR_DEBUGCTL, both | DEBUGCTL_TR | DEBUGCTL_BTS),
			 MODULE_TO_GUEST);
	assert_int_equal(guest_vector(g), -1);
	assert_int_equal(vmcs_read(g->vmcs, VMCS_GUEST_DEBUGCTL),
			 both | DEBUGCTL_TR | DEBUGCTL_BTS);
}

/* With TF set, a change between stepping instructions and stepping branches is seen at once. */
static void a_change_of_btf_changes_the_single_step_that_is_due(void **state)
{
	static const struct {
		uint64_t before, after;
		bool pending_before, pending_after;
	} cases[] = {
		{0, DEBUGCTL_BTF, true, false},
		{DEBUGCTL_BTF, 0, false, true},
		{0, 0, true, true},
		{DEBUGCTL_BTF, DEBUGCTL_BTF, false, false},
	};
	struct test_guest *g = *state;

	vmcs_write(g->vmcs, VMCS_GUEST_RFLAGS, RFLAGS_TF);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		vmcs_write(g->vmcs, VMCS_GUEST_DEBUGCTL, cases[i].before);
		vmcs_write(g->vmcs, VMCS_GUEST_PENDING_DEBUG_EXCEPTIONS,
			   cases[i].pending_before ? PENDING_DEBUG_BS : 0);
		/* the step over WRMSR itself is another matter */
		assert_int_equal(guest_write_msr(g->lp, MSR_DEBUGCTL, cases[i].after), MSR_DONE);
		assert_int_equal(vmcs_read(g->vmcs, VMCS_GUEST_PENDING_DEBUG_EXCEPTIONS) &
					 PENDING_DEBUG_BS,
				 cases[i].pending_after ? PENDING_DEBUG_BS : 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GUEST_TEST(ranges_are_in_order_and_do_not_overlap),
		GUEST_TEST(an_exit_the_bitmaps_rule_out_is_fatal_and_no_other),
		GUEST_TEST(features_of_the_td_change_bitmaps_and_exits_together),
		GUEST_TEST(an_event_filter_brings_event_selectors_back),
		GUEST_TEST(an_msr_outside_the_bitmaps_raises_ve),
		GUEST_TEST(reduced_ves_become_gp),
		GUEST_TEST(efer_sce_is_all_a_guest_may_change),
		GUEST_TEST(xss_takes_what_xfam_has),
		GUEST_TEST(rdmsr_clears_the_upper_halves),
		GUEST_TEST(debugctl_takes_the_bits_of_what_the_td_has),
		GUEST_TEST(a_change_of_btf_changes_the_single_step_that_is_due),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
