/* SPDX-License-Identifier: MIT */
#include "module_guest.h"

#include "module/cpuid_table.h"

static enum module_next cpuid(struct test_guest *g, uint32_t leaf, uint32_t subleaf)
{
	g->regs.rax = leaf;
	g->regs.rcx = subleaf;
	return guest_exits(g, (struct vmexit){.reason = VMX_EXIT_CPUID, .instr_len = 2});
}

static void raises_ve(struct test_guest *g, uint32_t leaf, enum ve_category category)
{
	assert_int_equal(cpuid(g, leaf, 0), MODULE_TO_GUEST);
	assert_int_equal(guest_vector(g), VECTOR_VE);
	assert_int_equal(g->vps->ve_info.ve_category, category);
	assert_int_equal(g->regs.rax, leaf);
	guest_forget_ve(g);
}

static void gives_value(struct test_guest *g, uint32_t leaf, uint32_t subleaf)
{
	assert_int_equal(cpuid(g, leaf, subleaf), MODULE_TO_GUEST);
	assert_int_equal(guest_vector(g), -1);
}

static void all_leaves_valid(struct test_guest *g)
{
	memset(g->tdcs->cpuid_valid, 1, sizeof(g->tdcs->cpuid_valid));
}

static void the_hypervisor_range_is_always_the_hosts(void **state)
{
	struct test_guest *g = *state;

	g->tdcs->td_ctls = TDX_TD_CTLS_REDUCE_VE;
	raises_ve(g, 0x40000000, VE_NON_CONFIG_PARAVIRT);
	raises_ve(g, 0x4fffffff, VE_NON_CONFIG_PARAVIRT);
	gives_value(g, 0x50000000, 0);
}

static void a_leaf_beyond_the_last_is_the_last(void **state)
{
	struct test_guest *g = *state;
	unsigned row = cpuid_row(0x20, 0);

	all_leaves_valid(g);
	g->ext->cpuid_last_base_leaf = 0x20;
	g->tdcs->cpuid_values[row] = (struct tdcs_cpuid_value){.eax = 7, .edx = 9};
	gives_value(g, 0x21, 0);
	assert_int_equal(g->regs.rax, 7);
	gives_value(g, 0x80000009, 0);
	assert_int_equal(g->regs.rdx, 9);
	gives_value(g, 0xffffffff, 0);
	assert_int_equal(g->regs.rdx, 9);
}

static void leaf_1_follows_cr4_and_the_vcpu(void **state)
{
	struct test_guest *g = *state;

	all_leaves_valid(g);
	g->vps->vcpu_index = 0x103;
	g->ext->x2apic_ids[0x103] = 0x55;
	gives_value(g, 1, 0);
	assert_int_equal(g->regs.rbx >> 24, 3); /* eight bits of the index */
	assert_false(g->regs.rcx >> 27 & 1);
	vmcs_write(g->vmcs, VMCS_GUEST_CR4, 1u << 18);
	g->tdcs->td_ctls = TDX_TD_CTLS_ENUM_TOPOLOGY;
	gives_value(g, 1, 0);
	assert_int_equal(g->regs.rbx >> 24, 0x55);
	assert_true(g->regs.rcx >> 27 & 1);
}

static void topology_leaves_need_topology(void **state)
{
	struct test_guest *g = *state;

	all_leaves_valid(g);
	g->ext->x2apic_ids[0] = 0x1234;
	raises_ve(g, 0xb, VE_CONFIG_PARAVIRT);
	raises_ve(g, 0x1f, VE_CONFIG_PARAVIRT);
	g->tdcs->td_ctls = TDX_TD_CTLS_ENUM_TOPOLOGY;
	gives_value(g, 0x1f, 0);
	assert_int_equal(g->regs.rdx, 0x1234);
	/* a level nobody tabled: only with fewer #VEs, and then the level is repeated */
	gives_value(g, 0x1f, 0);
	g->tdcs->td_ctls |= TDX_TD_CTLS_REDUCE_VE;
	gives_value(g, 0x1f, 0x109);
	assert_int_equal(g->regs.rcx, 9);
	assert_int_equal(g->regs.rdx, 0x1234);
}

static void a_guest_can_have_every_cpuid_by_privilege(void **state)
{
	struct test_guest *g = *state;

	all_leaves_valid(g);
	g->vps->cpuid_supervisor_ve = 1;
	raises_ve(g, 7, VE_CONFIG_PARAVIRT);
	vmcs_write(g->vmcs, VMCS_GUEST_SS_AR, 3u << 5);
	gives_value(g, 7, 0);
	g->vps->cpuid_control[cpuid_row(7, 0)] = 2;
	raises_ve(g, 7, VE_CONFIG_PARAVIRT);
	gives_value(g, 7, 1);
}

static void leaves_that_need_fewer_ves(void **state)
{
	static const uint32_t leaves[] = {0x6,	0x9,  0xc,	  0xf,	     0x10,
					  0x16, 0x17, 0x80000002, 0x80000005};
	struct test_guest *g = *state;

	g->ext->cpuid_fixed0_bitmap = CPUID_FIXED0_BITMAP;
	all_leaves_valid(g);
	for (unsigned i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++)
		raises_ve(g, leaves[i], VE_CONFIG_PARAVIRT);
	g->tdcs->td_ctls = TDX_TD_CTLS_REDUCE_VE;
	for (unsigned i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++)
		gives_value(g, leaves[i], 0);
	g->tdcs->cpuid_flags.rdt_a = g->tdcs->cpuid_flags.dca = 1;
	raises_ve(g, 0x9, VE_CONFIG_PARAVIRT);
	raises_ve(g, 0x10, VE_CONFIG_PARAVIRT);
}

static void caches_are_the_platforms_but_sharing_is_configured(void **state)
{
	struct test_guest *g = *state;
	unsigned row = cpuid_row(4, 2);

	all_leaves_valid(g);
	g->tdcs->cpuid_values[row].eax = 0xaaaabfff;
	g->ext->cpuid4_native_values[2] =
		(struct tdcs_cpuid_value){.eax = 0x55554143, .ecx = 0x7ff};
	gives_value(g, 4, 2);
	assert_int_equal(g->regs.rax, 0xaaaabfff);
	g->tdcs->td_ctls = TDX_TD_CTLS_REDUCE_VE;
	gives_value(g, 4, 2);
	assert_int_equal(g->regs.rax, (0xaaaabfffu & 0xffffc000u) | (0x55554143u & 0x3fffu));
	assert_int_equal(g->regs.rcx, 0x7ff);
}

static void syscall_is_there_in_64_bit_mode_only(void **state)
{
	struct test_guest *g = *state;

	all_leaves_valid(g);
	gives_value(g, 0x80000001, 0);
	assert_true(g->regs.rdx >> 11 & 1);
	vmcs_write(g->vmcs, VMCS_GUEST_CS_AR, 0xc09b);
	gives_value(g, 0x80000001, 0);
	assert_false(g->regs.rdx >> 11 & 1);
}

/* A guest that turns TSX off by IA32_TSX_CTRL does not find it. */
static void tsx_is_hidden_when_the_guest_says_so(void **state)
{
	struct test_guest *g = *state;
	const uint32_t tsx = 1u << 4 | 1u << 11;

	all_leaves_valid(g);
	g->tdcs->cpuid_values[cpuid_row(7, 0)].ebx = tsx;
	g->vps->msr.tsx_ctrl = 2;
	gives_value(g, 7, 0);
	assert_int_equal(g->regs.rbx & tsx, tsx); /* the TD has no such MSR */
	g->tdcs->cpuid_flags.tsx = 1;
	gives_value(g, 7, 0);
	assert_int_equal(g->regs.rbx & tsx, 0);
	g->vps->msr.tsx_ctrl = 1;
	gives_value(g, 7, 0);
	assert_int_equal(g->regs.rbx & tsx, tsx);
}

/* What is not configured is the host's to answer, unless #VEs are reduced. */
static void a_leaf_that_is_not_configured_needs_fewer_ves(void **state)
{
	struct test_guest *g = *state;

	all_leaves_valid(g);
	g->ext->cpuid_fixed0_bitmap = CPUID_FIXED0_BITMAP;
	g->tdcs->cpuid_valid[cpuid_row(7, 1)] = 0;
	gives_value(g, 7, 0);
	assert_int_equal(cpuid(g, 7, 1), MODULE_TO_GUEST);
	assert_int_equal(guest_vector(g), VECTOR_VE);
	guest_forget_ve(g);
	g->tdcs->td_ctls = TDX_TD_CTLS_REDUCE_VE;
	gives_value(g, 7, 1);
	gives_value(g, 0xf, 0);
	gives_value(g, 0x1b, 0);
	g->tdcs->cpuid_flags.rdt_m = g->tdcs->cpuid_flags.pconfig = 1;
	raises_ve(g, 0xf, VE_CONFIG_PARAVIRT);
	raises_ve(g, 0x1b, VE_CONFIG_PARAVIRT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GUEST_TEST(the_hypervisor_range_is_always_the_hosts),
		GUEST_TEST(a_leaf_beyond_the_last_is_the_last),
		GUEST_TEST(leaf_1_follows_cr4_and_the_vcpu),
		GUEST_TEST(topology_leaves_need_topology),
		GUEST_TEST(a_guest_can_have_every_cpuid_by_privilege),
		GUEST_TEST(leaves_that_need_fewer_ves),
		GUEST_TEST(caches_are_the_platforms_but_sharing_is_configured),
		GUEST_TEST(tsx_is_hidden_when_the_guest_says_so),
		GUEST_TEST(a_leaf_that_is_not_configured_needs_fewer_ves),
		GUEST_TEST(syscall_is_there_in_64_bit_mode_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
