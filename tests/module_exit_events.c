/* SPDX-License-Identifier: MIT */
#include "module_guest.h"

#define VECTORING(vector) (VMX_EVENT_VALID | VMX_EVENT_OF_TYPE(VMX_EVENT_EXCEPTION) | (vector))

static const struct tdx_regs *host(const struct test_guest *g)
{
	return module_host_regs(g->mod, 0);
}

static void an_interrupt_goes_to_the_host_and_frees_the_vcpu(void **state)
{
	struct test_guest *g = *state;
	struct vmexit e = {.reason = VMX_EXIT_EXTERNAL_INTERRUPT, .intr_info = 0x80000020};

	g->lp->host.rbx = 5;
	assert_int_equal(guest_exits(g, e), MODULE_TO_HOST);
	assert_int_equal(host(g)->rax, 1);
	assert_int_equal(host(g)->r9, 0x80000020);
	assert_int_equal(host(g)->rbx, 0);
	assert_int_equal(g->vps->state, TDX_VCPU_READY);
	assert_int_equal(tdr_running(g->lp->tdr, 0), 0);
	assert_int_equal(guest_rip(g), GUEST_RIP);
	/* there is no guest any more */
	assert_int_equal(guest_exits(g, e), MODULE_SHUTDOWN);
}

static void rbp_survives_when_the_td_wants_it_left_alone(void **state)
{
	struct test_guest *g = *state;

	g->tdcs->config_flags = TDX_CONFIG_NO_RBP_MOD;
	g->lp->host.rbp = 0x1234;
	guest_exits(g, (struct vmexit){.reason = VMX_EXIT_EXTERNAL_INTERRUPT});
	assert_int_equal(host(g)->rbp, 0x1234);
}

static void the_resume_hint_is_not_a_bit_of_the_exit_qualification(void **state)
{
	struct test_guest *g = *state;
	struct vmexit e = {.reason = VMX_EXIT_TASK_SWITCH, .qualification = ~0ull};

	assert_int_equal(guest_exits(g, e), MODULE_TO_HOST);
	assert_int_equal(host(g)->rcx, 0x7ffffffcffffffffull); /* and VM 0 */
}

static void hlt_raises_ve_and_a_second_one_a_double_fault(void **state)
{
	struct test_guest *g = *state;
	struct vmexit e = {.reason = VMX_EXIT_HLT, .instr_len = 1};

	assert_int_equal(guest_exits(g, e), MODULE_TO_GUEST);
	assert_int_equal(guest_vector(g), VECTOR_VE);
	assert_int_equal(g->vps->ve_info.valid, VE_INFO_VALID);
	assert_int_equal(guest_rip(g), GUEST_RIP);
	assert_int_equal(guest_exits(g, e), MODULE_TO_GUEST);
	assert_int_equal(guest_vector(g), VECTOR_DF);
	assert_true(module_entry(g->mod, 0).info & VMX_EVENT_ERROR_CODE);
}

static void an_exit_consumes_the_event_of_the_entry_before_it(void **state)
{
	struct test_guest *g = *state;

	guest_exits(g, (struct vmexit){.reason = VMX_EXIT_HLT, .instr_len = 1});
	assert_int_equal(guest_vector(g), VECTOR_VE);
	guest_tdcall(g, TDG_VP_VEINFO_GET);
	assert_int_equal(guest_vector(g), -1);
	assert_int_equal(g->regs.rax, TDX_SUCCESS);
	assert_int_equal(g->regs.rcx, VMX_EXIT_HLT);
	assert_int_equal(guest_rip(g), GUEST_RIP + 4);
}

static void an_interrupted_delivery_is_repeated(void **state)
{
	struct test_guest *g = *state;

	assert_int_equal(guest_exits(g, (struct vmexit){.reason = VMX_EXIT_EPT_VIOLATION,
							.gpa = 0x5000,
							.instr_len = 2,
							.idt_vectoring_info = VECTORING(VECTOR_GP) |
									      VMX_EVENT_ERROR_CODE,
							.idt_vectoring_error = 0x18}),
			 MODULE_TO_HOST);
	assert_int_equal(guest_vector(g), VECTOR_GP);
	assert_int_equal(module_entry(g->mod, 0).error, 0x18);
	assert_int_equal(module_entry(g->mod, 0).instr_len, 2);
}

static void no_other_exit_can_interrupt_a_delivery(void **state)
{
	struct test_guest *g = *state;

	assert_int_equal(
		guest_exits(g, (struct vmexit){.reason = VMX_EXIT_HLT,
					       .instr_len = 1,
					       .idt_vectoring_info = VECTORING(VECTOR_GP)}),
		MODULE_SHUTDOWN);
}

/* A TD told of 47 address bits touches bit 50: its own page fault. */
static struct vmexit beyond_width(uint32_t vectoring)
{
	return (struct vmexit){.reason = VMX_EXIT_EPT_VIOLATION,
			       .qualification = EPT_VIOLATION_WRITE | EPT_VIOLATION_GLA_VALID,
			       .gpa = 1ull << 46,
			       .gla = 0xdead000,
			       .idt_vectoring_info = vectoring};
}

static void an_address_beyond_the_virtual_width_is_a_page_fault(void **state)
{
	struct test_guest *g = *state;

	g->tdcs->virt_maxpa = 46;
	assert_int_equal(guest_exits(g, beyond_width(0)), MODULE_TO_GUEST);
	assert_int_equal(guest_vector(g), VECTOR_PF);
	assert_int_equal(module_entry(g->mod, 0).error, PF_PRESENT | PF_WRITE | PF_RESERVED);
	assert_int_equal(g->vps->cr2, 0xdead000);
}

static void a_page_fault_while_one_is_delivered_is_a_double_fault(void **state)
{
	struct test_guest *g = *state;

	g->tdcs->virt_maxpa = 46;
	assert_int_equal(guest_exits(g, beyond_width(VECTORING(VECTOR_PF))), MODULE_TO_GUEST);
	assert_int_equal(guest_vector(g), VECTOR_DF);
}

static void a_page_fault_while_a_double_fault_is_delivered_ends_the_vcpu(void **state)
{
	struct test_guest *g = *state;

	g->tdcs->virt_maxpa = 46;
	assert_int_equal(guest_exits(g, beyond_width(VECTORING(VECTOR_DF))), MODULE_TO_HOST);
	assert_int_equal(host(g)->rax, TDX_NON_RECOVERABLE_VCPU | VMX_EXIT_TRIPLE_FAULT);
	assert_int_equal(g->vps->state, TDX_VCPU_DISABLED);
}

/* The host is told that the vCPU wants to run on only of what VM_CTLS asks for. */
static void a_resume_hint_comes_when_it_is_asked_for_and_something_waits(void **state)
{
	enum {
		PENDING = 1 << 1,
		IN_SERVICE = 1 << 2,
		NMI = 1 << 3,
		ALL = PENDING | IN_SERVICE | NMI
	};
	static const struct {
		uint64_t ctls;
		uint16_t status; /* vector in service, vector requested */
		bool nmi, hint;
	} rows[] = {
		{0, 0x5151, true, false},	   {ALL, 0, false, false},
		{PENDING, 0x0051, false, true},	   {PENDING, 0x5100, true, false},
		{IN_SERVICE, 0x5100, false, true}, {IN_SERVICE, 0x0051, true, false},
		{NMI, 0x5151, false, false},	   {NMI, 0, true, true},
		{ALL, 0x0051, false, true},
	};
	struct test_guest *g = *state;

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		g->lp->in_guest = true;
		g->lp->fate = FATE_NONE;
		g->vps->state = TDX_VCPU_ACTIVE;
		g->lp->tdr->counts[0].running[0] = 1;
		g->tdcs->vm_ctls[0] = rows[i].ctls;
		g->vps->pend_nmi = rows[i].nmi;
		vmcs_write(g->vmcs, VMCS_GUEST_INTERRUPT_STATUS, rows[i].status);
		assert_int_equal(
			guest_exits(g, (struct vmexit){.reason = VMX_EXIT_EXTERNAL_INTERRUPT}),
			MODULE_TO_HOST);
		if ((host(g)->rcx >> 63) != rows[i].hint)
			fail_msg("row %u: 0x%llx", i, (unsigned long long)host(g)->rcx);
	}
}

/* What is the guest's call is an exit that tells of the bus lock, too. */
static void a_preempted_bus_lock_is_told_at_a_guests_call(void **state)
{
	struct test_guest *g = *state;

	g->regs.rax = TDG_VP_VMCALL;
	g->regs.rcx = 0xfc00;
	assert_int_equal(guest_exits(g, (struct vmexit){.reason = VMX_EXIT_TDCALL |
								  VMX_EXIT_BUS_LOCK_PREEMPTED,
							.instr_len = 4}),
			 MODULE_TO_HOST);
	assert_int_equal(host(g)->rax, VMX_EXIT_TDCALL | VMX_EXIT_BUS_LOCK_PREEMPTED);
	assert_false(g->lp->bus_lock_preempted);
}

static void a_preempted_bus_lock_is_told_at_the_next_exit(void **state)
{
	struct test_guest *g = *state;

	assert_int_equal(guest_exits(g, (struct vmexit){.reason = VMX_EXIT_EXTERNAL_INTERRUPT |
								  VMX_EXIT_BUS_LOCK_PREEMPTED}),
			 MODULE_TO_HOST);
	assert_int_equal(host(g)->rax, VMX_EXIT_EXTERNAL_INTERRUPT | VMX_EXIT_BUS_LOCK_PREEMPTED);
	assert_false(g->lp->bus_lock_preempted);
}

static void a_preempted_bus_lock_of_an_exit_the_guest_handles_is_an_exit_of_its_own(void **state)
{
	struct test_guest *g = *state;

	assert_int_equal(
		guest_exits(g, (struct vmexit){.reason = VMX_EXIT_HLT | VMX_EXIT_BUS_LOCK_PREEMPTED,
					       .instr_len = 1}),
		MODULE_TO_HOST);
	assert_int_equal(host(g)->rax, VMX_EXIT_BUS_LOCK | VMX_EXIT_BUS_LOCK_PREEMPTED);
	assert_int_equal(guest_vector(g), VECTOR_VE);
}

static void a_machine_check_ends_the_td_without_touching_it(void **state)
{
	struct test_guest *g = *state;

	assert_int_equal(guest_exits(g, (struct vmexit){.reason = VMX_EXIT_EXCEPTION_OR_NMI,
							.intr_info = VECTORING(VECTOR_MC)}),
			 MODULE_TO_HOST);
	assert_int_equal(host(g)->rax, TDX_NON_RECOVERABLE_TD_NON_ACCESSIBLE);
	assert_int_equal(g->lp->tdr->fatal, 1);
	assert_int_equal(g->vps->state, TDX_VCPU_ACTIVE);
	assert_int_equal(tdr_running(g->lp->tdr, 0), 1);
}

static void other_processors_leave_a_dead_td_at_their_next_exit(void **state)
{
	struct test_guest *g = *state;

	g->lp->tdr->fatal = 1;
	assert_int_equal(guest_exits(g, (struct vmexit){.reason = VMX_EXIT_CPUID, .instr_len = 2}),
			 MODULE_TO_HOST);
	assert_int_equal(host(g)->rax, TDX_NON_RECOVERABLE_TD_NON_ACCESSIBLE | VMX_EXIT_CPUID);
}

static void an_exception_a_debugger_did_not_ask_for_is_fatal_to_the_module(void **state)
{
	struct test_guest *g = *state;
	struct vmexit e = {.reason = VMX_EXIT_EXCEPTION_OR_NMI, .intr_info = VECTORING(1)};

	g->tdcs->attributes = TDX_ATTR_DEBUG;
	assert_int_equal(guest_exits(g, e), MODULE_TO_HOST);
	assert_int_equal(host(g)->rax, 0);
	g->lp->in_guest = true;
	g->tdcs->attributes = 0;
	assert_int_equal(guest_exits(g, e), MODULE_SHUTDOWN);
}

static void a_debugger_sees_the_ve_it_asked_for(void **state)
{
	struct test_guest *g = *state;

	g->tdcs->attributes = TDX_ATTR_DEBUG;
	vmcs_write(g->vmcs, VMCS_EXCEPTION_BITMAP, 1u << VECTOR_VE);
	assert_int_equal(guest_exits(g, (struct vmexit){.reason = VMX_EXIT_HLT, .instr_len = 1}),
			 MODULE_TO_HOST);
	assert_int_equal(host(g)->rax, VMX_EXIT_EXCEPTION_OR_NMI);
	assert_int_equal(host(g)->r9, VECTORING(VECTOR_VE));
}

static void an_nmi_waits_for_a_ve_to_be_fetched(void **state)
{
	struct test_guest *g = *state;
	struct vmexit window = {.reason = VMX_EXIT_NMI_WINDOW, .instr_len = 1};

	g->vps->pend_nmi = 1;
	g->vps->ve_info.valid = VE_INFO_VALID;
	assert_int_equal(guest_exits(g, window), MODULE_TO_GUEST);
	assert_int_equal(guest_vector(g), -1);
	assert_int_equal(guest_tdcall(g, TDG_VP_VEINFO_GET), MODULE_TO_GUEST);
	assert_true(vmcs_read(g->vmcs, VMCS_PROCBASED_CTLS) & PROCBASED_NMI_WINDOW);
	assert_int_equal(guest_exits(g, window), MODULE_TO_GUEST);
	assert_int_equal(guest_vector(g), VECTOR_NMI);
	assert_false(vmcs_read(g->vmcs, VMCS_PROCBASED_CTLS) & PROCBASED_NMI_WINDOW);
	assert_int_equal(g->vps->pend_nmi, 0);
}

static void a_completed_instruction_ends_sti_blocking_and_single_steps(void **state)
{
	struct test_guest *g = *state;

	vmcs_write(g->vmcs, VMCS_GUEST_INTERRUPTIBILITY, INTERRUPTIBILITY_STI);
	vmcs_write(g->vmcs, VMCS_GUEST_RFLAGS, 0x102);
	guest_tdcall(g, TDG_VP_INFO);
	assert_int_equal(vmcs_read(g->vmcs, VMCS_GUEST_INTERRUPTIBILITY), 0);
	assert_int_equal(vmcs_read(g->vmcs, VMCS_GUEST_PENDING_DEBUG_EXCEPTIONS), 1u << 14);
}

static void an_exit_reason_with_bits_no_td_has_is_fatal(void **state)
{
	struct test_guest *g = *state;

	assert_int_equal(
		guest_exits(g, (struct vmexit){.reason = VMX_EXIT_HLT | 1u << 16, .instr_len = 1}),
		MODULE_SHUTDOWN);
	assert_int_equal(guest_exits(g, (struct vmexit){.reason = VMX_EXIT_HLT, .instr_len = 1}),
			 MODULE_SHUTDOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GUEST_TEST(an_interrupt_goes_to_the_host_and_frees_the_vcpu),
		GUEST_TEST(rbp_survives_when_the_td_wants_it_left_alone),
		GUEST_TEST(the_resume_hint_is_not_a_bit_of_the_exit_qualification),
		GUEST_TEST(hlt_raises_ve_and_a_second_one_a_double_fault),
		GUEST_TEST(an_exit_consumes_the_event_of_the_entry_before_it),
		GUEST_TEST(an_interrupted_delivery_is_repeated),
		GUEST_TEST(no_other_exit_can_interrupt_a_delivery),
		GUEST_TEST(an_address_beyond_the_virtual_width_is_a_page_fault),
		GUEST_TEST(a_page_fault_while_one_is_delivered_is_a_double_fault),
		GUEST_TEST(a_page_fault_while_a_double_fault_is_delivered_ends_the_vcpu),
		GUEST_TEST(a_preempted_bus_lock_is_told_at_the_next_exit),
		GUEST_TEST(a_preempted_bus_lock_is_told_at_a_guests_call),
		GUEST_TEST(a_resume_hint_comes_when_it_is_asked_for_and_something_waits),
		GUEST_TEST(a_preempted_bus_lock_of_an_exit_the_guest_handles_is_an_exit_of_its_own),
		GUEST_TEST(a_machine_check_ends_the_td_without_touching_it),
		GUEST_TEST(other_processors_leave_a_dead_td_at_their_next_exit),
		GUEST_TEST(an_exception_a_debugger_did_not_ask_for_is_fatal_to_the_module),
		GUEST_TEST(a_debugger_sees_the_ve_it_asked_for),
		GUEST_TEST(an_nmi_waits_for_a_ve_to_be_fetched),
		GUEST_TEST(a_completed_instruction_ends_sti_blocking_and_single_steps),
		GUEST_TEST(an_exit_reason_with_bits_no_td_has_is_fatal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
