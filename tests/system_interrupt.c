/* SPDX-License-Identifier: MIT */
/* An interrupt for the host around SEAMCALLs: who takes it, and with which vector. */
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include <swtdx/model.h>
#include <swtdx/native.h>
#include <swtdx/x86.h>

#include "abi/metadata.h"
#include "arch/vmx.h"
#include "module/td_layout.h"
#include "module/vmcs.h"
#include "module_setup.h"
#include "port/model.h"
#include "system/system.h"

enum { TD_HKID = SETUP_GLOBAL_HKID + 1, TIMER_VECTOR = 0xec };
#define TDR (SETUP_TDMR1 + 0x200000)

/* An interrupt controller: what it gives when asked, and how often it was. What comes back it gives
 * again. */
struct controller {
	uint32_t info[4];
	unsigned asked;
	unsigned back;
};

static uint32_t acknowledge(void *arg, struct machine_lp *lp)
{
	struct controller *c = arg;

	assert_int_equal(lp->id, 0);
	assert_in_range(c->asked, 0, 3);
	if (lp->intr_masked && VMX_EVENT_TYPE(c->info[c->asked]) != VMX_EVENT_NMI)
		return 0;
	return c->info[c->asked++];
}

static void self_ipi(void *arg, struct machine_lp *lp, enum machine_ipi kind, uint8_t vector)
{
	struct controller *c = arg;

	assert_int_equal(lp->id, 0);
	c->asked--;
	c->back++;
	assert_int_equal(kind, VMX_EVENT_TYPE(c->info[c->asked]) == VMX_EVENT_NMI
				       ? MACHINE_IPI_NMI
				       : MACHINE_IPI_FIXED);
	if (kind == MACHINE_IPI_FIXED)
		assert_int_equal(vector, VMX_EVENT_VECTOR(c->info[c->asked]));
}

static void connect(struct system *sys, struct controller *c)
{
	sys->m->acknowledge = acknowledge;
	sys->m->self_ipi = self_ipi;
	sys->m->acknowledge_arg = c;
}

static struct system *power_on(void)
{
	char err[128] = "";
	struct system *sys = system_new(NULL, err, sizeof(err));

	assert_string_equal(err, "");
	return sys;
}

static void pending_interrupt_outlives_a_seamcall(void **state)
{
	struct system *sys = power_on();
	struct tdx_regs regs = {.rax = TDH_SYS_INIT};

	(void)state;
	atomic_store(&sys->m->lp[0].irq, true);
	system_seamcall(sys, 0, &regs);
	assert_int_equal(regs.rax, TDX_SUCCESS);
	assert_true(atomic_load(&sys->m->lp[0].irq));
	system_free(sys);
}

/* Its host has no handler: that the call came back is what it wanted. */
static void a_port_takes_the_interrupt(void **state)
{
	char err[128] = "";
	struct tdx_model *model = tdx_model_new(0, 0, 0, 0, err, sizeof(err));
	const struct tdx_port *port = tdx_model_port(model, 0);
	struct tdx_regs regs = {.rax = TDH_SYS_INIT};

	(void)state;
	assert_string_equal(err, "");
	tdx_model_interrupt(model, 0);
	port->ops->seamcall(port, &regs);
	assert_int_equal(regs.rax, TDX_SUCCESS);
	assert_false(atomic_load(&model->sys->m->lp[0].irq));
	tdx_model_free(model);
}

static const uint8_t spin[4] = {0xeb, 0xfe};		  /* jmp . */
static const uint8_t count[4] = {0xff, 0xc0, 0xeb, 0xfc}; /* 1: inc eax; jmp 1b */

static struct system *power_on_with_code(struct tdx_engine *engine, const uint8_t code[4])
{
	struct system *sys = power_on();
	struct setup s = {sys->m, sys->mod, {0}};
	struct tdvps *vps = machine_ptr(sys->m, TDR + SETUP_TDVPR);

	setup_ready(&s, SETUP_GLOBAL_HKID);
	memcpy(machine_ptr(sys->m, SETUP_SOURCE), code, sizeof(spin));
	setup_td(&s, TDR, TD_HKID);
	vmcs_write(machine_ptr(sys->m, machine_strip(sys->m, vps->page_pa[TDVPS_PAGE_VMCS])),
		   VMCS_GUEST_RIP, 0);
	system_set_engine(sys, engine);
	return sys;
}

static struct system *power_on_with_td(struct tdx_engine *engine)
{
	return power_on_with_code(engine, spin);
}

static struct tdx_regs enter(struct system *sys)
{
	struct tdx_regs regs = {.rax = TDH_VP_ENTER, .rcx = TDR + SETUP_TDVPR};

	system_seamcall(sys, 0, &regs);
	return regs;
}

static void polls_for_ever(struct tdx_native_cpu *cpu, void *arg)
{
	struct system *sys = arg;

	for (;;) {
		atomic_store(&sys->m->lp[0].irq, true);
		tdx_native_poll(cpu);
	}
}

/* They are there before the guest is: it executes a few instructions, and then they come. */
static void expect_vectors(struct system *sys)
{
	struct controller c = {
		.info = {VMX_EVENT_VALID | TIMER_VECTOR, VMX_EVENT_VALID | VMX_EVENT_NMI << 8 | 2}};
	struct tdx_regs r;

	connect(sys, &c);
	atomic_store(&sys->m->lp[0].irq, true);
	r = enter(sys);
	assert_int_equal(r.rax, VMX_EXIT_EXTERNAL_INTERRUPT);
	assert_int_equal(r.r9, VMX_EVENT_VALID | TIMER_VECTOR);
	assert_int_equal(c.back, 1);
	assert_in_range(sys->m->lp[0].retired, 2, 40);
	assert_false(atomic_load(&sys->m->lp[0].irq));
	atomic_store(&sys->m->lp[0].irq, true);
	r = enter(sys);
	assert_int_equal((uint32_t)r.rax, VMX_EXIT_EXCEPTION_OR_NMI);
	assert_int_equal(r.r9, VMX_EVENT_VALID | VMX_EVENT_NMI << 8 | 2);
	assert_int_equal(c.back, 2);
	sys->m->acknowledge = NULL;
	sys->m->self_ipi = NULL;
}

static void exit_carries_the_vector_the_controller_gave(void **state)
{
	struct system *sys = power_on_with_td(tdx_x86_engine_new(NULL, NULL));

	(void)state;
	expect_vectors(sys);
	system_free(sys);
	sys = power_on_with_td(NULL);
	system_set_engine(sys, tdx_native_engine_new(polls_for_ever, sys));
	expect_vectors(sys);
	system_free(sys);
}

static void guest_goes_on_when_nothing_can_be_delivered(void **state)
{
	struct system *sys = power_on_with_td(NULL);
	struct controller c = {.info = {0, 0, VMX_EVENT_VALID | TIMER_VECTOR}};

	(void)state;
	system_set_engine(sys, tdx_native_engine_new(polls_for_ever, sys));
	connect(sys, &c);
	assert_int_equal(enter(sys).r9, VMX_EVENT_VALID | TIMER_VECTOR);
	assert_int_equal(c.asked, 3);
	assert_int_equal(c.back, 1);
	system_free(sys);
}

/* The single-step defence keeps its interrupts off, and they come again at once: the guest executes
 * what it is to execute, and then the host has its exit. */
static void a_host_that_kicks_without_end_gets_its_exits(void **state)
{
	const uint8_t always = 1;
	struct system *sys;

	(void)state;
	alarm(60);
	for (unsigned native = 0; native < 2; native++) {
		sys = power_on_with_td(native ? NULL : tdx_x86_engine_new(NULL, NULL));
		if (native)
			system_set_engine(sys, tdx_native_engine_new(polls_for_ever, sys));
		sys->m->lp[0].watched = &always;
		for (unsigned i = 1; i <= 20; i++) {
			assert_int_equal(enter(sys).rax, VMX_EXIT_EXTERNAL_INTERRUPT);
			assert_in_range(sys->m->lp[0].retired, 1, 40);
		}
		system_free(sys);
	}
	alarm(0);
}

/* --- loops without PAUSE --- */

static void a_guest_that_waits_in_a_loop_gives_way(void **state)
{
	struct tdx_engine *engine = tdx_x86_engine_new(NULL, NULL);
	struct system *sys = power_on_with_td(engine);
	const uint8_t nothing = 0;

	(void)state;
	sys->m->lp[0].watched = &nothing;
	for (unsigned i = 1; i < 4; i++) {
		assert_int_equal(enter(sys).rax, VMX_EXIT_EXTERNAL_INTERRUPT);
		assert_int_equal(tdx_x86_engine_naps(engine), i);
	}
	assert_in_range(tdx_x86_engine_instructions(engine), 200000, 410000);
	system_free(sys);
}

static void *set_byte(void *arg)
{
	const struct tdx_engine *engine = ((void **)arg)[0];
	volatile uint8_t *byte = ((void **)arg)[1];

	while (tdx_x86_engine_instructions(engine) < 2000000)
		sched_yield();
	*byte = 1;
	return NULL;
}

static void a_guest_that_counts_does_not_wait(void **state)
{
	struct tdx_engine *engine = tdx_x86_engine_new(NULL, NULL);
	struct system *sys = power_on_with_code(engine, count);
	uint8_t byte = 0;
	void *arg[] = {engine, &byte};
	pthread_t thread;

	(void)state;
	sys->m->lp[0].watched = &byte;
	assert_int_equal(pthread_create(&thread, NULL, set_byte, arg), 0);
	assert_int_equal(enter(sys).rax, VMX_EXIT_EXTERNAL_INTERRUPT);
	pthread_join(thread, NULL);
	assert_int_equal(tdx_x86_engine_naps(engine), 0);
	system_free(sys);
}

/* --- posted interrupts --- */

enum { NOTIFICATION = 0xf2, ON = 1, PI_CONTROL = 4 };
#define DESCRIPTOR 0x1234540ull

static unsigned ended_after; /* so many were acknowledged */

static void end_of_interrupt(void *arg, struct machine_lp *lp)
{
	const struct controller *c = arg;

	assert_int_equal(lp->id, 0);
	if (!ended_after)
		ended_after = c->asked;
}

static void vp_write(struct system *sys, const char *field, uint64_t value, uint64_t mask)
{
	struct tdx_regs regs = {.rax = TDH_VP_WR,
				.rcx = TDR + SETUP_TDVPR,
				.rdx = md_by_name(field),
				.r8 = value,
				.r9 = mask};

	system_seamcall(sys, 0, &regs);
	assert_int_equal(regs.rax, TDX_SUCCESS);
}

static void a_notification_of_posted_interrupts_does_not_exit(void **state)
{
	struct system *sys = power_on_with_td(tdx_x86_engine_new(NULL, NULL));
	uint64_t *descriptor = machine_ptr(sys->m, DESCRIPTOR);
	struct controller c = {.info = {VMX_EVENT_VALID | NOTIFICATION,
					VMX_EVENT_VALID | TIMER_VECTOR,
					VMX_EVENT_VALID | TIMER_VECTOR}};

	(void)state;
	vp_write(sys, "VP.VMCS.POSTED_INTERRUPT_NOTIFICATION_VECTOR", NOTIFICATION, 0xffff);
	vp_write(sys, "VP.VMCS.POSTED_INTERRUPT_DESCRIPTOR_ADDRESS", DESCRIPTOR, ~0ull);
	vp_write(sys, "VP.VMCS.PIN_BASED_VM_EXECUTION_CONTROLS", 0x80, 0x80);
	descriptor[1] = 1;
	sys->m->acknowledge = acknowledge;
	sys->m->eoi = end_of_interrupt;
	sys->m->acknowledge_arg = &c;
	ended_after = 0;
	atomic_store(&sys->m->lp[0].irq, true);
	descriptor[PI_CONTROL] = ON;
	assert_int_equal(enter(sys).r9, VMX_EVENT_VALID | TIMER_VECTOR);
	assert_int_equal(ended_after, 1);
	assert_int_equal(descriptor[PI_CONTROL] | descriptor[1], 0);

	/* Without posted interrupts that vector is like any other. */
	vp_write(sys, "VP.VMCS.PIN_BASED_VM_EXECUTION_CONTROLS", 0, 0x80);
	c = (struct controller){
		.info = {VMX_EVENT_VALID | NOTIFICATION, VMX_EVENT_VALID | NOTIFICATION}};
	atomic_store(&sys->m->lp[0].irq, true);
	assert_int_equal(enter(sys).r9, VMX_EVENT_VALID | NOTIFICATION);
	system_free(sys);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pending_interrupt_outlives_a_seamcall),
		cmocka_unit_test(a_port_takes_the_interrupt),
		cmocka_unit_test(exit_carries_the_vector_the_controller_gave),
		cmocka_unit_test(guest_goes_on_when_nothing_can_be_delivered),
		cmocka_unit_test(a_host_that_kicks_without_end_gets_its_exits),
		cmocka_unit_test(a_guest_that_waits_in_a_loop_gives_way),
		cmocka_unit_test(a_guest_that_counts_does_not_wait),
		cmocka_unit_test(a_notification_of_posted_interrupts_does_not_exit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
