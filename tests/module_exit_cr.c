/* SPDX-License-Identifier: MIT */
#include "module_guest.h"

/* As enumerated by a processor with CET. */
static void set_fixed(struct test_guest *g)
{
	g->mod->plat.cr0_fixed0 = 0x80000021;
	g->mod->plat.cr0_fixed1 = 0xffffffff;
	g->mod->plat.cr4_fixed0 = 0x2000;
	g->mod->plat.cr4_fixed1 = 0xffffff;
}

static int mov_to(struct test_guest *g, unsigned number, uint64_t value)
{
	guest_forget_ve(g);
	g->regs.rdi = value;
	assert_int_equal(guest_exits(g, (struct vmexit){.reason = VMX_EXIT_CR_ACCESS,
							.qualification = number | 7u << 8,
							.instr_len = 3}),
			 MODULE_TO_GUEST);
	return guest_vector(g);
}

static void cr0_bits_the_processor_wants_are_gp(void **state)
{
	struct test_guest *g = *state;

	set_fixed(g);
	assert_int_equal(mov_to(g, 0, 0x80000001), VECTOR_GP); /* NE */
	assert_int_equal(mov_to(g, 0, 0x100000021), VECTOR_GP);
	assert_int_equal(mov_to(g, 0, 0x80000020), VECTOR_GP); /* PG without PE */
	assert_int_equal(guest_rip(g), GUEST_RIP);
}

static void cr0_bits_tdx_wants_are_ve(void **state)
{
	struct test_guest *g = *state;

	set_fixed(g);
	assert_int_equal(mov_to(g, 0, 0xc0000021), VECTOR_VE); /* CD */
	assert_int_equal(g->vps->ve_info.ve_category, VE_UNSUPPORTED_FEATURE);
	assert_int_equal(mov_to(g, 0, 0x20), VECTOR_VE); /* PE */
}

static void cr0_reserved_bits_keep_their_value(void **state)
{
	struct test_guest *g = *state;

	set_fixed(g);
	assert_int_equal(mov_to(g, 0, 0x8001ffe3), -1);
	assert_int_equal(vmcs_read(g->vmcs, VMCS_GUEST_CR0), 0x80010023);
	assert_int_equal(guest_rip(g), GUEST_RIP + 3);
}

static void wp_and_cet_need_each_other(void **state)
{
	struct test_guest *g = *state;

	set_fixed(g);
	g->tdcs->xfam = 3ull << 11;
	assert_int_equal(mov_to(g, 4, 0x802040), VECTOR_GP); /* CET without WP */
	vmcs_write(g->vmcs, VMCS_GUEST_CR4, 1u << 23);
	assert_int_equal(mov_to(g, 0, 0x80000021), VECTOR_GP);
	assert_int_equal(mov_to(g, 0, 0x80010021), -1);
	assert_int_equal(mov_to(g, 4, 0x802040), VECTOR_VE); /* both: as any write of CR4 */
}

static void cr4_features_follow_xfam_and_attributes(void **state)
{
	struct test_guest *g = *state;

	set_fixed(g);
	g->mod->plat.cr4_fixed1 = ~0ull;
	for (unsigned bit = 19; bit <= 27; bit++) {
		bool gated =
			bit == 19 || bit == 22 || bit == 23 || bit == 24 || bit == 25 || bit == 27;

		assert_int_equal(mov_to(g, 4, 0x2040 | 1ull << bit), gated ? VECTOR_GP : VECTOR_VE);
	}
	g->tdcs->xfam = 1ull << 9 | 1ull << 14;
	g->tdcs->attributes = TDX_ATTR_PKS | TDX_ATTR_LASS;
	assert_int_equal(mov_to(g, 4, 0x2040 | 1ull << 22), VECTOR_VE);
	assert_int_equal(mov_to(g, 4, 0x2040 | 1ull << 24), VECTOR_VE);
	assert_int_equal(mov_to(g, 4, 0x2040 | 1ull << 25), VECTOR_VE);
	assert_int_equal(mov_to(g, 4, 0x2040 | 1ull << 27), VECTOR_VE);
}

static void clearing_mce_is_for_the_host_unless_ves_are_reduced(void **state)
{
	struct test_guest *g = *state;

	set_fixed(g);
	assert_int_equal(mov_to(g, 4, 0x2000), VECTOR_VE);
	assert_int_equal(g->vps->ve_info.ve_category, VE_CONFIG_PARAVIRT);
	g->tdcs->td_ctls = TDX_TD_CTLS_REDUCE_VE;
	vmcs_write(g->vmcs, VMCS_CR4_READ_SHADOW, 0x40);
	assert_int_equal(mov_to(g, 4, 0x2000), -1);
	assert_int_equal(vmcs_read(g->vmcs, VMCS_CR4_READ_SHADOW), 0);
	g->tdcs->cpuid_flags.no_mce = 1;
	assert_int_equal(mov_to(g, 4, 0x2040), VECTOR_GP);
	g->tdcs->cpuid_flags.no_mce = 0;
	assert_int_equal(mov_to(g, 4, 0x2040), -1);
	assert_int_equal(vmcs_read(g->vmcs, VMCS_CR4_READ_SHADOW), 0x40);
	/* it has MCE already: the flag forbids to set it only */
	g->tdcs->cpuid_flags.no_mce = 1;
	assert_int_equal(mov_to(g, 4, 0x2040), -1);
	assert_int_equal(mov_to(g, 4, 0x2000), -1);
	assert_int_equal(mov_to(g, 4, 0x2000), -1);
	g->mod->plat.cr4_fixed0 = 0x2020;
	assert_int_equal(mov_to(g, 4, 0x2000), VECTOR_GP); /* a bit the processor wants */
}

static void rsp_as_a_source_is_the_guests_own(void **state)
{
	struct test_guest *g = *state;

	set_fixed(g);
	vmcs_write(g->vmcs, VMCS_GUEST_RSP, 0x80000033);
	g->regs.rsp = 0;
	guest_exits(g, (struct vmexit){.reason = VMX_EXIT_CR_ACCESS,
				       .qualification = 4u << 8,
				       .instr_len = 3});
	assert_int_equal(vmcs_read(g->vmcs, VMCS_GUEST_CR0) & 0xffff, 0x33);
}

static void lmsw_changes_three_bits(void **state)
{
	struct test_guest *g = *state;
	struct vmexit e = {.reason = VMX_EXIT_CR_ACCESS,
			   .qualification = 3u << 4 | 0xfff4ull << 16,
			   .instr_len = 3};

	assert_int_equal(guest_exits(g, e), MODULE_TO_GUEST);
	assert_int_equal(vmcs_read(g->vmcs, VMCS_GUEST_CR0), 0x80000025);
	vmcs_write(g->vmcs, VMCS_GUEST_CR0, 0x20);
	assert_int_equal(guest_exits(g, e), MODULE_SHUTDOWN);
}

static int xsetbv(struct test_guest *g, uint32_t index, uint64_t value)
{
	g->regs.rcx = index;
	g->regs.rax = (uint32_t)value;
	g->regs.rdx = value >> 32;
	assert_int_equal(guest_exits(g, (struct vmexit){.reason = VMX_EXIT_XSETBV, .instr_len = 3}),
			 MODULE_TO_GUEST);
	return guest_vector(g);
}

static void xcr0_takes_what_exists_in_complete_groups(void **state)
{
	struct test_guest *g = *state;

	g->mod->plat.xcr0_mask = 0x602e7;
	g->tdcs->xfam = 0x602e7;
	assert_int_equal(xsetbv(g, 0, 0x602e7), -1);
	assert_int_equal(g->vps->xcr0, 0x602e7);
	assert_int_equal(xsetbv(g, 1, 1), VECTOR_GP);
	assert_int_equal(xsetbv(g, 0, 2), VECTOR_GP);	    /* no x87 */
	assert_int_equal(xsetbv(g, 0, 5), VECTOR_GP);	    /* AVX without SSE */
	assert_int_equal(xsetbv(g, 0, 0xe3), VECTOR_GP);    /* AVX-512 without AVX */
	assert_int_equal(xsetbv(g, 0, 0x67), VECTOR_GP);    /* a part of it */
	assert_int_equal(xsetbv(g, 0, 0x20007), VECTOR_GP); /* a part of AMX */
	assert_int_equal(xsetbv(g, 0, 0x100000007), VECTOR_GP);
	g->tdcs->xfam = 7;
	assert_int_equal(xsetbv(g, 0, 0xe7), VECTOR_GP);
	assert_int_equal(g->vps->xcr0, 0x602e7);
	assert_int_equal(xsetbv(g, 0, 7), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GUEST_TEST(cr0_bits_the_processor_wants_are_gp),
		GUEST_TEST(cr0_bits_tdx_wants_are_ve),
		GUEST_TEST(cr0_reserved_bits_keep_their_value),
		GUEST_TEST(wp_and_cet_need_each_other),
		GUEST_TEST(cr4_features_follow_xfam_and_attributes),
		GUEST_TEST(clearing_mce_is_for_the_host_unless_ves_are_reduced),
		GUEST_TEST(rsp_as_a_source_is_the_guests_own),
		GUEST_TEST(lmsw_changes_three_bits),
		GUEST_TEST(xcr0_takes_what_exists_in_complete_groups),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
