/* SPDX-License-Identifier: MIT */
#include "module_guest.h"

#include "abi/eeq.h"
#include "module/report.h"
#include "module/sha384.h"

#define PENDING_GPA 0x1000ull
#define HOLE_GPA    0x2000ull
#define SHARED_BIT  (1ull << 47)

static void tdcall_is_gp_outside_64_bit_mode(void **state)
{
	struct test_guest *g = *state;

	vmcs_write(g->vmcs, VMCS_GUEST_CS_AR, 0xc09b);
	assert_int_equal(guest_tdcall(g, TDG_VP_INFO), MODULE_TO_GUEST);
	assert_int_equal(guest_vector(g), VECTOR_GP);
	assert_int_equal(g->regs.rax, TDG_VP_INFO);
	assert_int_equal(guest_rip(g), GUEST_RIP);
}

static void unknown_leaves_and_reserved_bits_are_refused(void **state)
{
	static const uint64_t bad[] = {28,	     0xffff,	     TDG_VP_INFO | 1u << 16,
				       1u << 24 | 1, 1ull << 63 | 1, TDG_VP_VEINFO_GET | 3u << 16};
	struct test_guest *g = *state;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		g->regs.rax = bad[i];
		guest_exits(g, (struct vmexit){.reason = VMX_EXIT_TDCALL, .instr_len = 4});
		assert_int_equal(g->regs.rax, TDX_OPERAND_INVALID | TDX_OPERAND_ID_RAX);
	}
}

static void vmcall_shows_what_the_mask_says_and_nothing_else(void **state)
{
	struct test_guest *g = *state;
	const struct tdx_regs *host = module_host_regs(g->mod, 0);

	for (unsigned i = 2; i < 16; i++)
		*tdx_reg(&g->regs, i) = 0x100 + i;
	g->lp->host = g->regs;
	g->regs.rcx = 0x00ffac04; /* RDX R10 R11 R13 R15 and XMMs */
	assert_int_equal(guest_tdcall(g, TDG_VP_VMCALL), MODULE_TO_HOST);
	assert_int_equal(host->rax, VMX_EXIT_TDCALL);
	assert_int_equal(host->rcx, 0x00ffac04);
	for (unsigned i = 2; i < 16; i++)
		if (i != 4)
			assert_int_equal(*tdx_reg((struct tdx_regs *)host, i),
					 0xac04u >> i & 1 ? 0x100 + i : 0);
	assert_int_equal(g->vps->last_td_exit, LAST_EXIT_TDVMCALL);
	assert_int_equal(guest_rip(g), GUEST_RIP + 4);
}

static void vmcall_refuses_masks_it_could_not_honour(void **state)
{
	struct test_guest *g = *state;

	for (unsigned bit = 0; bit < 64; bit++) {
		bool bad = bit == 0 || bit == 1 || bit == 4 || bit == 5 || bit >= 32;

		g->tdcs->config_flags = TDX_CONFIG_NO_RBP_MOD;
		g->regs.rcx = 1ull << bit;
		g->lp->in_guest = true;
		assert_int_equal(guest_tdcall(g, TDG_VP_VMCALL),
				 bad ? MODULE_TO_GUEST : MODULE_TO_HOST);
		if (bad)
			assert_int_equal(g->regs.rax, TDX_OPERAND_INVALID | TDX_OPERAND_ID_RCX);
	}
}

static void veinfo_is_told_once(void **state)
{
	struct test_guest *g = *state;

	vmcs_write(g->vmcs, VMCS_GUEST_INTERRUPTIBILITY, INTERRUPTIBILITY_STI);
	guest_exits(g, (struct vmexit){.reason = VMX_EXIT_IO,
				       .qualification = 0x3f80000,
				       .instr_len = 1,
				       .instr_info = 0x77});
	g->regs.r11 = 0x1111;
	g->regs.rax = TDG_VP_VEINFO_GET | 2u << 16;
	guest_exits(g, (struct vmexit){.reason = VMX_EXIT_TDCALL, .instr_len = 4});
	assert_int_equal(g->regs.rax, TDX_SUCCESS);
	assert_int_equal(g->regs.rcx, (uint64_t)VE_NON_CONFIG_PARAVIRT << 32 | VMX_EXIT_IO);
	assert_int_equal(g->regs.rdx, 0x3f80000);
	assert_int_equal(g->regs.r10, 0x77ull << 32 | 1);
	assert_int_equal(g->regs.r11, 0);
	assert_int_equal(g->regs.r12, INTERRUPTIBILITY_STI);
	guest_tdcall(g, TDG_VP_VEINFO_GET);
	assert_int_equal(g->regs.rax, TDX_NO_VALID_VE_INFO);
	assert_int_equal(g->regs.rcx, 0);
}

static void a_locked_td_keeps_its_cpuid_ves(void **state)
{
	struct test_guest *g = *state;

	g->regs.rcx = 4;
	guest_tdcall(g, TDG_VP_CPUIDVE_SET);
	assert_int_equal(g->regs.rax, TDX_OPERAND_INVALID | TDX_OPERAND_ID_RCX);
	g->regs.rcx = 2;
	guest_tdcall(g, TDG_VP_CPUIDVE_SET);
	assert_int_equal(g->regs.rax, TDX_SUCCESS);
	g->tdcs->td_ctls = TDX_TD_CTLS_LOCK;
	guest_tdcall(g, TDG_VP_CPUIDVE_SET);
	assert_int_equal(g->regs.rax, TDX_SUCCESS);
	g->regs.rcx = 3;
	guest_tdcall(g, TDG_VP_CPUIDVE_SET);
	assert_int_equal(g->regs.rax, TDX_OPERAND_INVALID | TDX_OPERAND_ID_RCX);
	assert_int_equal(g->vps->cpuid_supervisor_ve, 0);
}

static void rtmr_extend_hashes_old_and_new(void **state)
{
	struct test_guest *g = *state;
	uint8_t input[96] = {0}, expected[48];

	memset(machine_ptr(g->m, GUEST_DATA_PA + 64), 0xaa, 48);
	memset(input + 48, 0xaa, 48);
	sha384(input, sizeof(input), expected);
	g->tdcs->last_teeinfo_hash_valid = 1;
	g->regs.rcx = 64;
	g->regs.rdx = 3;
	guest_tdcall(g, TDG_MR_RTMR_EXTEND);
	assert_int_equal(g->regs.rax, TDX_SUCCESS);
	assert_memory_equal(g->tdcs->rtmr[3], expected, 48);
	assert_int_equal(g->tdcs->last_teeinfo_hash_valid, 0);
	assert_int_equal(g->tdcs->rtmr_lock, 0);
	g->regs.rdx = 4;
	guest_tdcall(g, TDG_MR_RTMR_EXTEND);
	assert_int_equal(g->regs.rax, TDX_OPERAND_INVALID | TDX_OPERAND_ID_RDX);
}

static void make_report(struct test_guest *g)
{
	g->regs.rcx = 0x400;
	g->regs.rdx = 0;
	g->regs.r8 = 0;
	guest_tdcall(g, TDG_MR_REPORT);
}

static void a_report_verifies_until_a_bit_changes(void **state)
{
	struct test_guest *g = *state;
	uint8_t *mac = machine_ptr(g->m, GUEST_DATA_PA + 0x400);

	make_report(g);
	assert_int_equal(g->regs.rax, TDX_SUCCESS);
	for (unsigned bit = 0; bit < 256 * 8; bit += 37) {
		mac[bit / 8] ^= (uint8_t)(1u << bit % 8);
		g->regs.rcx = 0x400;
		guest_tdcall(g, TDG_MR_VERIFYREPORT);
		assert_int_equal(g->regs.rax, bit / 8 >= 16 && bit / 8 < 32
						      ? TDX_INVALID_CPUSVN
						      : TDX_INVALID_REPORTMACSTRUCT);
		mac[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	guest_tdcall(g, TDG_MR_VERIFYREPORT);
	assert_int_equal(g->regs.rax, TDX_SUCCESS);
}

static void a_report_follows_rtmrs(void **state)
{
	struct test_guest *g = *state;
	const struct tdx_report *report = machine_ptr(g->m, GUEST_DATA_PA + 0x400);
	uint8_t hash[48];

	make_report(g);
	g->regs.rcx = g->regs.rdx = 0;
	guest_tdcall(g, TDG_MR_RTMR_EXTEND);
	make_report(g);
	assert_memory_equal(&report->td_info.rtmr[0], g->tdcs->rtmr[0], 48);
	sha384(&report->td_info, sizeof(report->td_info), hash);
	assert_memory_equal(&report->mac.tee_info_hash, hash, 48);
}

static void an_interrupt_makes_the_guest_repeat_the_report_once(void **state)
{
	struct test_guest *g = *state;

	g->lp->hw->rflags_if = false; /* the host's flag holds nothing back from a guest */
	atomic_store(&g->lp->hw->irq_countdown, 0);
	make_report(g);
	assert_int_equal(g->regs.rax, TDG_MR_REPORT);
	assert_int_equal(guest_rip(g), GUEST_RIP);
	make_report(g);
	assert_int_equal(g->regs.rax, TDX_SUCCESS);
	assert_int_equal(guest_rip(g), GUEST_RIP + 4);
}

static void an_operand_in_a_hole_is_an_ept_violation(void **state)
{
	struct test_guest *g = *state;

	g->regs.rcx = HOLE_GPA + 0x40;
	assert_int_equal(guest_tdcall(g, TDG_MR_RTMR_EXTEND), MODULE_TO_HOST);
	assert_int_equal(module_host_regs(g->mod, 0)->rax, VMX_EXIT_EPT_VIOLATION);
	assert_int_equal(module_host_regs(g->mod, 0)->rcx, EPT_VIOLATION_READ);
	assert_int_equal(module_host_regs(g->mod, 0)->r8, HOLE_GPA);
	assert_int_equal(guest_rip(g), GUEST_RIP);
}

static void an_operand_on_a_pending_page_is_a_ve_or_an_exit(void **state)
{
	struct test_guest *g = *state;

	guest_sept(g, 0)[1] = sept_make_leaf(TDX_SEPT_PENDING, GUEST_DATA_PA + 0x1000, 0);
	g->regs.rcx = PENDING_GPA;
	assert_int_equal(guest_tdcall(g, TDG_MR_RTMR_EXTEND), MODULE_TO_GUEST);
	assert_int_equal(guest_vector(g), VECTOR_VE);
	assert_int_equal(g->vps->ve_info.ve_category, VE_PENDING);
	assert_int_equal(g->regs.rax, TDG_MR_RTMR_EXTEND);
	guest_forget_ve(g);
	g->tdcs->td_ctls = TDX_TD_CTLS_PENDING_VE_DISABLE;
	assert_int_equal(guest_tdcall(g, TDG_MR_RTMR_EXTEND), MODULE_TO_HOST);
	assert_int_equal(module_host_regs(g->mod, 0)->rdx, TDX_EEQ_PENDING_EPT_VIOLATION);
}

static void shared_operands_go_through_the_hosts_ept(void **state)
{
	struct test_guest *g = *state;
	uint64_t table_pa = 0x300000, *table = machine_ptr(g->m, table_pa);

	vmcs_write(g->vmcs, VMCS_SHARED_EPT_POINTER, table_pa);
	table[0x100] = 0x301000 | 7; /* GPA bit 47 is index bit 8 of the top level */
	((uint64_t *)machine_ptr(g->m, 0x301000))[0] = 0x302000 | 7;
	((uint64_t *)machine_ptr(g->m, 0x302000))[0] = 0x400000 | 1 << 7 | 6 << 3 | 7; /* 2M */
	make_report(g);
	g->regs.rcx = SHARED_BIT | 0x5000;
	g->regs.rdx = g->regs.r8 = 0;
	guest_tdcall(g, TDG_MR_REPORT);
	assert_int_equal(g->regs.rax, TDX_SUCCESS);
	assert_memory_equal(machine_ptr(g->m, 0x405000), machine_ptr(g->m, GUEST_DATA_PA + 0x400),
			    1024);
	/* a table in private memory is a misconfiguration, never read */
	((uint64_t *)machine_ptr(g->m, 0x301000))[0] =
		machine_with_hkid(g->m, 0x302000, g->m->private_hkid_min) | 7;
	assert_int_equal(guest_tdcall(g, TDG_MR_REPORT), MODULE_TO_HOST);
	assert_int_equal(module_host_regs(g->mod, 0)->rax, VMX_EXIT_EPT_MISCONFIG);
	g->lp->in_guest = true;
	((uint64_t *)machine_ptr(g->m, 0x301000))[0] = 0;
	assert_int_equal(guest_tdcall(g, TDG_MR_REPORT), MODULE_TO_GUEST);
	assert_int_equal(guest_vector(g), VECTOR_VE);
}

/* The host's own tables for shared memory are hostile: what a processor calls a misconfiguration
 * exits as one, what it calls a violation is the guest's #VE or the host's, and nothing that lies
 * outside shared memory is followed. */
static void a_hostile_shared_ept_is_read_as_the_processor_reads_it(void **state)
{
	enum { READ = 1, WRITE = 2, EXECUTE = 4, RWX = 7, WB = 6 << 3, LEAF = 1 << 7 };
	enum answer { DONE, MISCONFIG, VIOLATION, VE };
	struct test_guest *g = *state;
	const uint64_t private = machine_with_hkid(g->m, 0x400000, g->m->private_hkid_min);
	const struct {
		unsigned level; /* 3: 512 GiB ... 0: 4 KiB */
		uint64_t entry;
		bool execute_only;
		enum answer answer;
	} cases[] = {
		{0, 0x400000 | WB | RWX, false, DONE},
		{1, 0x400000 | LEAF | WB | RWX, false, DONE},
		{2, 0x40000000 | LEAF | WB | RWX, false, DONE},
		{0, 0x400000 | WB | WRITE, false, MISCONFIG},
		{1, 0x400000 | WB | WRITE | EXECUTE, false, MISCONFIG},
		{0, 0x400000 | WB | EXECUTE, false, MISCONFIG},
		{0, 0x400000 | WB | EXECUTE, true, VE},
		{0, 0x400000 | WB | READ, false, VE},
		{0, 0x400000 | WB | READ | SEPT_SUPPRESS_VE, false, VIOLATION},
		{0, SEPT_SUPPRESS_VE, false, VIOLATION},
		{2, SEPT_SUPPRESS_VE, false, VIOLATION},
		{0, 0, false, VE},
		{2, 0x302000 | READ, false, VIOLATION}, /* of a table: never a #VE */
		{0, 0x400000 | 2 << 3 | RWX, false, MISCONFIG},
		{0, 0x400000 | 3 << 3 | RWX, false, MISCONFIG},
		{0, 0x400000 | 7 << 3 | RWX, false, MISCONFIG},
		{1, 0x401000 | LEAF | WB | RWX, false, MISCONFIG},
		{2, 0x40001000 | LEAF | WB | RWX, false, MISCONFIG},
		{2, 0x302000 | WB | RWX, false, MISCONFIG}, /* reserved in a table's entry */
		{3, 0x302000 | LEAF | RWX, false, MISCONFIG},
		{0, private | WB | RWX, false, MISCONFIG},
		{2, private | RWX, false, MISCONFIG},
		{0, 0xfffffffff000 | WB | RWX, false, DONE}, /* no memory: the write is lost */
		{2, 0xfffffffff000 | RWX, false, MISCONFIG}, /* a table of ones */
	};
	const uint64_t vpid_cap = g->mod->plat.ept_vpid_cap;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum module_next next;
		enum answer answer;

		for (unsigned level = 0; level < 4; level++)
			*(uint64_t *)machine_ptr(g->m, 0x303000 - level * 0x1000u +
							       (level == 3 ? 0x800u : 0)) =
				level ? (0x304000 - level * 0x1000u) | RWX : 0;
		*(uint64_t *)machine_ptr(g->m, 0x303000 - cases[i].level * 0x1000u +
						       (cases[i].level == 3 ? 0x800u : 0)) =
			cases[i].entry;
		vmcs_write(g->vmcs, VMCS_SHARED_EPT_POINTER, 0x300000);
		g->mod->plat.ept_vpid_cap = cases[i].execute_only ? vpid_cap | 1 : vpid_cap & ~1ull;
		g->lp->in_guest = true;
		guest_forget_ve(g);
		vmcs_write(g->vmcs, VMCS_ENTRY_INTERRUPTION_INFO, 0);
		g->regs.rcx = SHARED_BIT;
		g->regs.rdx = g->regs.r8 = 0;
		next = guest_tdcall(g, TDG_MR_REPORT);
		if (next == MODULE_TO_GUEST)
			answer = guest_vector(g) == VECTOR_VE ? VE : DONE;
		else
			answer = module_host_regs(g->mod, 0)->rax == VMX_EXIT_EPT_MISCONFIG
					 ? MISCONFIG
					 : VIOLATION;
		if (answer != cases[i].answer)
			fail_msg("entry 0x%llx at level %u: %u", (unsigned long long)cases[i].entry,
				 cases[i].level, answer);
	}
}

static void a_guest_that_keeps_losing_to_its_host_exits(void **state)
{
	struct test_guest *g = *state;

	g->tdcs->hp_lock_timeout = 1000;
	g->tdcs->rtmr_lock = HP_PRIORITY;
	atomic_store(&g->m->tsc_step, 0);
	make_report(g);
	assert_int_equal(g->regs.rax, TDX_OPERAND_BUSY | TDX_OPERAND_ID_RTMR);
	atomic_fetch_add(&g->m->tsc, 999);
	make_report(g);
	assert_int_equal(g->regs.rax, TDX_OPERAND_BUSY | TDX_OPERAND_ID_RTMR);
	assert_true(g->lp->in_guest);
	atomic_fetch_add(&g->m->tsc, 1);
	make_report(g);
	assert_false(g->lp->in_guest);
	assert_int_equal(module_host_regs(g->mod, 0)->rax, TDX_HOST_PRIORITY_BUSY_TIMEOUT);
	assert_int_equal(g->vps->gpr.rax, TDX_OPERAND_BUSY | TDX_OPERAND_ID_RTMR);
	assert_int_equal(g->vps->last_td_exit, LAST_EXIT_ASYNC_TRAP);
}

static void any_other_outcome_restarts_the_patience(void **state)
{
	struct test_guest *g = *state;

	g->tdcs->hp_lock_timeout = 1000;
	g->tdcs->rtmr_lock = HP_PRIORITY;
	make_report(g);
	assert_int_equal(g->vps->hp_lock_busy, 1);
	guest_tdcall(g, TDG_VP_INFO);
	assert_int_equal(g->vps->hp_lock_busy, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GUEST_TEST(tdcall_is_gp_outside_64_bit_mode),
		GUEST_TEST(unknown_leaves_and_reserved_bits_are_refused),
		GUEST_TEST(vmcall_shows_what_the_mask_says_and_nothing_else),
		GUEST_TEST(vmcall_refuses_masks_it_could_not_honour),
		GUEST_TEST(veinfo_is_told_once),
		GUEST_TEST(a_locked_td_keeps_its_cpuid_ves),
		GUEST_TEST(rtmr_extend_hashes_old_and_new),
		GUEST_TEST(a_report_verifies_until_a_bit_changes),
		GUEST_TEST(a_report_follows_rtmrs),
		GUEST_TEST(an_interrupt_makes_the_guest_repeat_the_report_once),
		GUEST_TEST(an_operand_in_a_hole_is_an_ept_violation),
		GUEST_TEST(an_operand_on_a_pending_page_is_a_ve_or_an_exit),
		GUEST_TEST(shared_operands_go_through_the_hosts_ept),
		GUEST_TEST(a_hostile_shared_ept_is_read_as_the_processor_reads_it),
		GUEST_TEST(a_guest_that_keeps_losing_to_its_host_exits),
		GUEST_TEST(any_other_outcome_restarts_the_patience),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
