/* SPDX-License-Identifier: MIT */
/* TDH.VP.ENTER: who may enter, what comes back, zero-stepping, processors in parallel. */
#include <pthread.h>
#include <sched.h>

#include "abi/eeq.h"
#include "arch/msr.h"
#include "module/inject.h"
#include "module/xbuff.h"
#include "module_td.h"

enum { VP_PAGES = TDVPS_MIN_PAGES - 1, LPS = 4, ROUNDS = 3000 };

static const struct vmexit interrupt = {.reason = VMX_EXIT_EXTERNAL_INTERRUPT,
					.intr_info = 0x80000020};

/* A runnable TD with a vCPU; S-EPT down to 4K for the first 2M. */
static struct test_td runnable(struct setup *s, unsigned vcpus, uint64_t *tdvpr)
{
	struct test_td td = td_initialized(s, 0x21);

	for (unsigned i = 0; i < vcpus; i++) {
		tdvpr[i] = vp_new(&td, VP_PAGES);
		setup_expect(vp_init(&td, tdvpr[i], i), TDX_SUCCESS);
		setup_expect(td_call(s, TDH_VP_FLUSH, tdvpr[i], 0), TDX_SUCCESS);
	}
	for (unsigned level = 3; level > 0; level--)
		setup_expect(setup_call(s, 0, TDH_MEM_SEPT_ADD, .rcx = level, .rdx = td.tdr,
					.r8 = td_new_page()),
			     TDX_SUCCESS);
	setup_expect(td_call(s, TDH_MR_FINALIZE, td.tdr, 0), TDX_SUCCESS);
	return td;
}

static enum module_next enter(struct setup *s, unsigned lp, uint64_t handle, struct tdx_regs in)
{
	s->regs = in;
	s->regs.rax = TDH_VP_ENTER;
	s->regs.rcx = handle;
	return module_seamcall(s->mod, lp, &s->regs);
}

#define ENTER(s, lp, handle, ...) enter(s, lp, handle, (struct tdx_regs){__VA_ARGS__})

static enum module_next leave(struct setup *s, unsigned lp, struct vmexit e)
{
	struct tdx_regs *guest = module_guest_regs(s->mod, lp), regs = *guest;

	s->m->lp[lp].retired = e.stall ? 0 : 1000;
	return module_vmexit(s->mod, lp, &e, &regs);
}

static enum module_next tdcall(struct setup *s, struct tdx_regs regs)
{
	struct vmexit e = {.reason = VMX_EXIT_TDCALL, .instr_len = 4};

	vmcs_write(module_vmcs(s->mod, 0), VMCS_GUEST_EFER, 0xd01);
	vmcs_set_bits(module_vmcs(s->mod, 0), VMCS_GUEST_CS_AR, 1u << 13);
	return module_vmexit(s->mod, 0, &e, &regs);
}

static void refused(struct setup *s, uint64_t handle, uint64_t status)
{
	assert_int_equal(ENTER(s, 0, handle), MODULE_TO_HOST);
	setup_expect(tdx_status(s->regs.rax), status);
	assert_int_equal(s->regs.rcx, handle);
}

static void reserved_bits_and_flags_of_the_handle_are_checked(void **state)
{
	struct setup *s = *state;
	uint64_t tdvpr;

	runnable(s, 1, &tdvpr);
	for (unsigned bit = 0; bit < 64; bit++)
		if (bit < 12 || bit >= 52)
			refused(s, tdvpr | 1ull << bit, TDX_OPERAND_INVALID | TDX_OPERAND_ID_RCX);
}

static void a_vcpu_stays_with_its_processor_until_flushed(void **state)
{
	struct setup *s = *state;
	uint64_t tdvpr;

	runnable(s, 1, &tdvpr);
	assert_int_equal(ENTER(s, 0, tdvpr), MODULE_TO_GUEST);
	assert_int_equal(ENTER(s, 1, tdvpr), MODULE_TO_HOST);
	setup_expect(tdx_status(s->regs.rax), TDX_VCPU_STATE_INCORRECT | TDX_VCPU_ACTIVE);
	assert_int_equal(leave(s, 0, interrupt), MODULE_TO_HOST);
	assert_int_equal(ENTER(s, 1, tdvpr), MODULE_TO_HOST);
	setup_expect(tdx_status(s->regs.rax), TDX_VCPU_ASSOCIATED);
	setup_expect(td_call(s, TDH_VP_FLUSH, tdvpr, 0), TDX_SUCCESS);
	assert_int_equal(ENTER(s, 1, tdvpr), MODULE_TO_GUEST);
	assert_int_equal(leave(s, 1, interrupt), MODULE_TO_HOST);
}

static void a_running_guest_keeps_its_pages_and_no_other_lock(void **state)
{
	struct setup *s = *state;
	uint64_t tdvpr;
	struct test_td td = runnable(s, 1, &tdvpr);
	struct tdcs *tdcs = td_tdcs(&td);

	assert_int_equal(ENTER(s, 0, tdvpr), MODULE_TO_GUEST);
	assert_int_equal(tdcs->op_state_lock, 0);
	assert_int_equal(tdcs->epoch_lock, 0);
	assert_int_equal(tdcs->sept_lock, 0);
	setup_expect(setup_call(s, 1, TDH_VP_FLUSH, .rcx = tdvpr),
		     TDX_OPERAND_BUSY | TDX_OPERAND_ID_RCX);
	assert_int_equal(leave(s, 0, interrupt), MODULE_TO_HOST);
	setup_expect(td_call(s, TDH_VP_FLUSH, tdvpr, 0), TDX_SUCCESS);
}

static void registers_come_back_from_a_vmcall_by_its_mask(void **state)
{
	struct setup *s = *state;
	const struct tdx_regs *guest;
	uint64_t tdvpr;

	runnable(s, 1, &tdvpr);
	assert_int_equal(ENTER(s, 0, tdvpr), MODULE_TO_GUEST);
	assert_int_equal(
		tdcall(s,
		       (struct tdx_regs){
			       .rax = TDG_VP_VMCALL, .rcx = 0x0c00, .rbx = 1, .r10 = 2, .r12 = 3}),
		MODULE_TO_HOST);
	assert_int_equal(ENTER(s, 0, tdvpr, .rbx = 11, .r10 = 12, .r11 = 13, .r12 = 14),
			 MODULE_TO_GUEST);
	guest = module_guest_regs(s->mod, 0);
	assert_int_equal(guest->rax, TDX_SUCCESS);
	assert_int_equal(guest->rcx, 0x0c00);
	assert_int_equal(guest->rbx, 1);
	assert_int_equal(guest->r10, 12);
	assert_int_equal(guest->r11, 13);
	assert_int_equal(guest->r12, 3);
	assert_int_equal(leave(s, 0, interrupt), MODULE_TO_HOST);
	/* only the entry right after the call brings registers */
	assert_int_equal(ENTER(s, 0, tdvpr, .r10 = 99), MODULE_TO_GUEST);
	assert_int_equal(module_guest_regs(s->mod, 0)->r10, 12);
	assert_int_equal(leave(s, 0, interrupt), MODULE_TO_HOST);
}

static void the_hint_of_a_trap_exit_reaches_the_guest(void **state)
{
	const uint64_t hint = 1ull << 52;
	struct setup *s = *state;
	uint64_t tdvpr;
	struct test_td td = runnable(s, 1, &tdvpr);

	for (unsigned with = 0; with < 2; with++) {
		assert_int_equal(ENTER(s, 0, tdvpr), MODULE_TO_GUEST);
		assert_int_equal(leave(s, 0, interrupt), MODULE_TO_HOST);
		refused(s, tdvpr | hint, TDX_OPERAND_INVALID | TDX_OPERAND_ID_RCX);
		vp_tdvps(&td, tdvpr)->last_td_exit = LAST_EXIT_ASYNC_TRAP;
		vp_tdvps(&td, tdvpr)->gpr.rax = TDX_OPERAND_BUSY;
		assert_int_equal(ENTER(s, 0, tdvpr | (with ? hint : 0)), MODULE_TO_GUEST);
		assert_int_equal(module_guest_regs(s->mod, 0)->rax,
				 TDX_OPERAND_BUSY | (with ? TDX_STATUS_HOST_RECOVERABLE : 0));
		assert_int_equal(leave(s, 0, interrupt), MODULE_TO_HOST);
	}
}

static void a_guest_counts_and_interrupts_as_its_host_set_the_processor(void **state)
{
	struct setup *s = *state;
	uint64_t tdvpr;

	runnable(s, 1, &tdvpr);
	machine_override_msr(s->m, 0, 0x38f, ~0ull);
	machine_override_msr(s->m, 0, MSR_DEBUGCTL, ~0ull);
	assert_int_equal(ENTER(s, 0, tdvpr), MODULE_TO_GUEST);
	assert_int_equal(vmcs_read(module_vmcs(s->mod, 0), VMCS_GUEST_PERF_GLOBAL_CTRL),
			 7ull << 32);
	assert_int_equal(vmcs_read(module_vmcs(s->mod, 0), VMCS_GUEST_DEBUGCTL), 1u << 13);
	assert_int_equal(leave(s, 0, interrupt), MODULE_TO_HOST);
	machine_override_msr(s->m, 0, 0x38f, 0);
	machine_override_msr(s->m, 0, MSR_DEBUGCTL, 0);
	assert_int_equal(ENTER(s, 0, tdvpr), MODULE_TO_GUEST);
	assert_int_equal(vmcs_read(module_vmcs(s->mod, 0), VMCS_GUEST_PERF_GLOBAL_CTRL),
			 1ull << 32);
	assert_int_equal(vmcs_read(module_vmcs(s->mod, 0), VMCS_GUEST_DEBUGCTL), 0);
	assert_int_equal(leave(s, 0, interrupt), MODULE_TO_HOST);
}

static void time_must_not_run_backwards(void **state)
{
	struct setup *s = *state;
	uint64_t tdvpr;

	runnable(s, 1, &tdvpr);
	assert_int_equal(ENTER(s, 0, tdvpr), MODULE_TO_GUEST);
	assert_int_equal(leave(s, 0, interrupt), MODULE_TO_HOST);
	machine_override_msr(s->m, 0, 0x3b, 1);
	refused(s, tdvpr, TDX_INCONSISTENT_MSR | 0x3b);
	machine_override_msr(s->m, 0, 0x3b, 0);
	atomic_fetch_sub(&s->m->tsc, 1000000);
	refused(s, tdvpr, TDX_TSC_ROLLBACK);
	atomic_fetch_add(&s->m->tsc, 2000000);
	assert_int_equal(ENTER(s, 0, tdvpr), MODULE_TO_GUEST);
	assert_int_equal(leave(s, 0, interrupt), MODULE_TO_HOST);
}

static void a_spoilt_extended_state_ends_the_td(void **state)
{
	struct setup *s = *state;
	uint64_t tdvpr;
	struct test_td td = runnable(s, 1, &tdvpr);

	xbuff_header(s->m, vp_tdvps(&td, tdvpr))->zero[3] = 1;
	assert_int_equal(ENTER(s, 0, tdvpr), MODULE_TO_HOST);
	setup_expect(tdx_status(s->regs.rax),
		     TDX_NON_RECOVERABLE_TD_NON_ACCESSIBLE | VMX_EXIT_ENTRY_FAIL_GUEST_STATE);
	assert_int_equal(s->regs.rdx, TDX_EEQ_XSTATE_LOAD_FAILURE);
	refused(s, tdvpr, TDX_TD_FATAL);
}

static struct vmexit stalled_fault(uint64_t gpa_)
{
	return (struct vmexit){.reason = VMX_EXIT_EPT_VIOLATION,
			       .qualification = EPT_VIOLATION_READ | EPT_VIOLATION_GLA_VALID,
			       .gpa = gpa_,
			       .stall = true};
}

static void fault_without_progress(struct setup *s, uint64_t tdvpr, unsigned times, uint64_t gpa_)
{
	while (times--) {
		assert_int_equal(ENTER(s, 0, tdvpr), MODULE_TO_GUEST);
		assert_int_equal(leave(s, 0, stalled_fault(gpa_)), MODULE_TO_HOST);
	}
}

static void a_vcpu_that_faults_seven_times_on_the_spot_is_not_entered(void **state)
{
	struct setup *s = *state;
	uint64_t tdvpr;
	struct test_td td = runnable(s, 1, &tdvpr);

	fault_without_progress(s, tdvpr, 7, 0x20123);
	assert_int_equal(ENTER(s, 0, tdvpr, .rbx = 1, .rbp = 2), MODULE_TO_HOST);
	assert_int_equal(s->regs.rax, VMX_EXIT_EPT_VIOLATION);
	assert_int_equal(s->regs.rcx, EPT_VIOLATION_WRITE);
	assert_int_equal(s->regs.r8, 0x20000);
	assert_int_equal(s->regs.rbx, 0);
	assert_int_equal(s->regs.rbp, 0);
	assert_int_equal(tdr_running(td_tdr(&td), 0) + tdr_running(td_tdr(&td), 1), 0);
	assert_int_equal(td_tdcs(&td)->sept_lock, 0);
	/* the tree in use is told as such, and counted out again */
	td_tdcs(&td)->sept_lock = 1;
	refused(s, tdvpr, TDX_OPERAND_BUSY | TDX_OPERAND_ID_SEPT_TREE);
	td_tdcs(&td)->sept_lock = 0;
	assert_int_equal(tdr_running(td_tdr(&td), 0) + tdr_running(td_tdr(&td), 1), 0);
	/* once the page is there, the guest may go on */
	setup_expect(setup_call(s, 0, TDH_MEM_PAGE_AUG, .rcx = 0x20000, .rdx = td.tdr,
				.r8 = td_new_page()),
		     TDX_SUCCESS);
	assert_int_equal(ENTER(s, 0, tdvpr), MODULE_TO_GUEST);
	assert_int_equal(leave(s, 0, interrupt), MODULE_TO_HOST);
	assert_int_equal(vp_tdvps(&td, tdvpr)->epf_list_len, 0);
}

static void a_td_that_asked_is_told_of_zero_stepping(void **state)
{
	struct setup *s = *state;
	uint64_t tdvpr;
	struct test_td td = runnable(s, 1, &tdvpr);

	td_tdcs(&td)->notify_enables = 1;
	fault_without_progress(s, tdvpr, 7, 0x20000);
	setup_expect(setup_call(s, 0, TDH_MEM_PAGE_AUG, .rcx = 0x20000, .rdx = td.tdr,
				.r8 = td_new_page()),
		     TDX_SUCCESS);
	assert_int_equal(ENTER(s, 0, tdvpr), MODULE_TO_GUEST);
	assert_int_equal(module_entry(s->mod, 0).info,
			 VMX_EVENT_VALID | VMX_EVENT_OF_TYPE(VMX_EVENT_EXCEPTION) | VECTOR_VE);
	assert_int_equal(vp_tdvps(&td, tdvpr)->ve_info.gpa, 0x20000);
	assert_int_equal(leave(s, 0, interrupt), MODULE_TO_HOST);
}

static void progress_forgets_faults(void **state)
{
	struct setup *s = *state;
	uint64_t tdvpr;

	runnable(s, 1, &tdvpr);
	for (unsigned i = 0; i < 4; i++) {
		fault_without_progress(s, tdvpr, 6, 0x20000);
		assert_int_equal(ENTER(s, 0, tdvpr), MODULE_TO_GUEST);
		assert_int_equal(leave(s, 0, interrupt), MODULE_TO_HOST);
	}
}

/* --- in parallel --- */

struct player {
	struct setup *s;
	unsigned lp;
	uint64_t tdvpr;
	unsigned entered;
};

static void *enter_and_leave(void *arg)
{
	struct player *p = arg;

	/* However busy the machine: the others come to their end. */
	while (p->entered < ROUNDS) {
		struct tdx_regs regs = {.rax = TDH_VP_ENTER, .rcx = p->tdvpr};
		struct vmexit e = p->entered % 3
					  ? (struct vmexit){.reason = VMX_EXIT_HLT, .instr_len = 1}
					  : interrupt;

		if (module_seamcall(p->s->mod, p->lp, &regs) != MODULE_TO_GUEST) {
			if (!tdx_is_busy(tdx_status(regs.rax)))
				return p;
			sched_yield();
			continue;
		}
		p->entered++;
		regs = *module_guest_regs(p->s->mod, p->lp);
		p->s->m->lp[p->lp].retired = 1000;
		if (module_vmexit(p->s->mod, p->lp, &e, &regs) == MODULE_TO_GUEST)
			module_vmexit(p->s->mod, p->lp, &interrupt, &regs);
	}
	return NULL;
}

static void vcpus_run_beside_each_other_and_beside_tracking(void **state)
{
	struct machine_config cfg;
	struct player player[LPS - 1];
	uint64_t tdvpr[LPS - 1];
	pthread_t thread[LPS - 1];
	struct setup s;
	struct test_td td;
	unsigned tracked = 0;

	machine_default_config(&cfg);
	cfg.lps = LPS;
	s = setup_load(&cfg);
	setup_ready(&s, SETUP_GLOBAL_HKID);
	td = runnable(&s, LPS - 1, tdvpr);
	for (unsigned i = 0; i < LPS - 1; i++) {
		player[i] = (struct player){&s, i + 1, tdvpr[i], 0};
		assert_int_equal(pthread_create(&thread[i], NULL, enter_and_leave, &player[i]), 0);
	}
	for (unsigned i = 0; i < ROUNDS || tracked == 0; i++) {
		struct tdx_regs regs = {.rax = TDH_MEM_TRACK, .rcx = td.tdr};

		module_seamcall(s.mod, 0, &regs);
		tracked += regs.rax == TDX_SUCCESS;
		assert_true(regs.rax == TDX_SUCCESS || tdx_is_busy(tdx_status(regs.rax)) ||
			    tdx_is(tdx_status(regs.rax), TDX_PREVIOUS_TLB_EPOCH_BUSY));
	}
	for (unsigned i = 0; i < LPS - 1; i++) {
		void *failed;

		pthread_join(thread[i], &failed);
		assert_null(failed);
	}
	assert_int_equal(tdr_running(td_tdr(&td), 0), 0);
	assert_int_equal(tdr_running(td_tdr(&td), 1), 0);
	setup_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TD_TEST(reserved_bits_and_flags_of_the_handle_are_checked),
		TD_TEST(a_vcpu_stays_with_its_processor_until_flushed),
		TD_TEST(a_running_guest_keeps_its_pages_and_no_other_lock),
		TD_TEST(registers_come_back_from_a_vmcall_by_its_mask),
		TD_TEST(the_hint_of_a_trap_exit_reaches_the_guest),
		TD_TEST(a_guest_counts_and_interrupts_as_its_host_set_the_processor),
		TD_TEST(time_must_not_run_backwards),
		TD_TEST(a_spoilt_extended_state_ends_the_td),
		TD_TEST(a_vcpu_that_faults_seven_times_on_the_spot_is_not_entered),
		TD_TEST(a_td_that_asked_is_told_of_zero_stepping),
		TD_TEST(progress_forgets_faults),
		cmocka_unit_test(vcpus_run_beside_each_other_and_beside_tracking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
