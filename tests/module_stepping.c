/* SPDX-License-Identifier: MIT */
#include "module_guest.h"

enum { VECTOR = 0x33, MOST_STEPS = 32 };
#define INTERRUPT                                                                                  \
	((struct vmexit){.reason = VMX_EXIT_EXTERNAL_INTERRUPT,                                    \
			 .intr_info = VMX_EVENT_VALID | VECTOR})
#define NMI                                                                                        \
	((struct vmexit){.reason = VMX_EXIT_EXCEPTION_OR_NMI,                                      \
			 .intr_info = VMX_EVENT(VMX_EVENT_NMI, VECTOR_NMI)})
#define STEPPED ((struct vmexit){.reason = VMX_EXIT_MTF})

/* An interrupt controller that counts what comes back. */
struct controller {
	unsigned sent[3];
	uint8_t vector;
};

static void self_ipi(void *arg, struct machine_lp *lp, enum machine_ipi kind, uint8_t vector)
{
	struct controller *c = arg;

	(void)lp;
	c->sent[kind]++;
	c->vector = vector;
}

static enum module_next exits_after(struct test_guest *g, struct vmexit e, uint64_t retired)
{
	g->m->lp[0].retired = retired;
	return module_vmexit(g->mod, 0, &e, &g->regs);
}

static bool steps(const struct test_guest *g)
{
	return (vmcs_read(g->vmcs, VMCS_PROCBASED_CTLS) & PROCBASED_MONITOR_TRAP) != 0;
}

/* One instruction after the other, as long as the module wants them; how many. */
static unsigned step_through(struct test_guest *g)
{
	unsigned n = 0;

	for (; steps(g); n++) {
		assert_in_range(n, 0, MOST_STEPS);
		vmcs_clear_bits(g->vmcs, VMCS_GUEST_INTERRUPTIBILITY, INTERRUPTIBILITY_MOV_SS);
		assert_int_equal(exits_after(g, STEPPED, n + 1), MODULE_TO_GUEST);
	}
	return n;
}

static void controlled(struct test_guest *g, struct controller *c)
{
	g->m->self_ipi = self_ipi;
	g->m->acknowledge_arg = c;
}

static void an_interrupt_before_the_second_instruction_waits(void **state)
{
	for (uint64_t retired = 0; retired < 2; retired++) {
		struct test_guest *g = *state;
		struct machine_lp *hw = &g->m->lp[0];
		struct controller c = {0};

		controlled(g, &c);
		assert_int_equal(exits_after(g, INTERRUPT, retired), MODULE_TO_GUEST);
		assert_int_equal(guest_rip(g), GUEST_RIP);
		assert_true(steps(g));
		assert_true(hw->intr_masked);
		assert_false(atomic_load(&hw->irq));
		assert_true(vmcs_read(g->vmcs, VMCS_GUEST_INTERRUPTIBILITY) &
			    INTERRUPTIBILITY_MOV_SS);
		assert_int_equal(c.sent[MACHINE_IPI_FIXED], 1);
		assert_int_equal(c.vector, VECTOR);
		assert_in_range(step_through(g), 1, MOST_STEPS);
		assert_false(hw->intr_masked);
		assert_true(atomic_exchange(&hw->irq, false));
	}
}

static void what_waited_goes_to_the_host_at_once(void **state)
{
	struct test_guest *g = *state;

	exits_after(g, INTERRUPT, 0);
	step_through(g);
	assert_int_equal(module_vmexit(g->mod, 0, &INTERRUPT, &g->regs), MODULE_TO_HOST);
	assert_int_equal(module_host_regs(g->mod, 0)->r9, VMX_EVENT_VALID | VECTOR);
}

static void an_nmi_is_owed_to_the_host(void **state)
{
	struct test_guest *g = *state;
	struct controller c = {0};

	controlled(g, &c);
	assert_int_equal(exits_after(g, NMI, 0), MODULE_TO_GUEST);
	assert_int_equal(c.sent[MACHINE_IPI_NMI], 0);
	step_through(g);
	assert_int_equal(c.sent[MACHINE_IPI_NMI], 1);
	assert_int_equal(c.sent[MACHINE_IPI_FIXED], 0);
}

static void an_exit_of_another_kind_ends_the_steps(void **state)
{
	struct test_guest *g = *state;
	struct vmexit hlt = {.reason = VMX_EXIT_HLT, .instr_len = 1};

	exits_after(g, INTERRUPT, 0);
	assert_int_equal(exits_after(g, hlt, 0), MODULE_TO_GUEST);
	assert_int_equal(guest_vector(g), VECTOR_VE);
	assert_false(steps(g));
	assert_true(atomic_load(&g->m->lp[0].irq));
}

static void iterations_of_rep_are_progress(void **state)
{
	struct test_guest *g = *state;

	g->lp->stepping.rcx_on_entry = 10;
	g->regs.rcx = 8;
	assert_int_equal(exits_after(g, INTERRUPT, 0), MODULE_TO_HOST);
}

static void a_td_with_perfmon_is_judged_by_rip_and_time(void **state)
{
	struct test_guest *g = *state;

	g->tdcs->attributes = TDX_ATTR_PERFMON;
	g->vps->rip_on_entry = GUEST_RIP - 32;
	atomic_store(&g->m->tsc_step, 1);
	g->vps->last_entry_tsc = atomic_load(&g->m->tsc);
	assert_int_equal(exits_after(g, INTERRUPT, 1000), MODULE_TO_GUEST);
	assert_true(steps(g));
	step_through(g);
	assert_int_equal(exits_after(g, INTERRUPT, 0), MODULE_TO_HOST);
}

static void without_a_local_apic_the_td_ends(void **state)
{
	struct test_guest *g = *state;

	machine_override_msr(g->m, 0, 0x1b, 0xfee00000);
	assert_int_equal(exits_after(g, INTERRUPT, 0), MODULE_TO_HOST);
	assert_int_equal(module_host_regs(g->mod, 0)->rax,
			 TDX_NON_RECOVERABLE_TD_WRONG_APIC_MODE | VMX_EXIT_EXTERNAL_INTERRUPT);
}

static void a_breakpoint_comes_before_the_step(void **state)
{
	struct test_guest *g = *state;

	vmcs_write(g->vmcs, VMCS_GUEST_DR7, DR7_RESET | 2 << 2);
	g->vps->dr[1] = GUEST_RIP;
	exits_after(g, INTERRUPT, 0);
	assert_true(steps(g));
	assert_false(vmcs_read(g->vmcs, VMCS_GUEST_INTERRUPTIBILITY) & INTERRUPTIBILITY_MOV_SS);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, guest_setup, guest_teardown)
	const struct CMUnitTest tests[] = {
		TEST(an_interrupt_before_the_second_instruction_waits),
		TEST(what_waited_goes_to_the_host_at_once),
		TEST(an_nmi_is_owed_to_the_host),
		TEST(an_exit_of_another_kind_ends_the_steps),
		TEST(iterations_of_rep_are_progress),
		TEST(a_td_with_perfmon_is_judged_by_rip_and_time),
		TEST(without_a_local_apic_the_td_ends),
		TEST(a_breakpoint_comes_before_the_step),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
