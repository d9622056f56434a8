/* SPDX-License-Identifier: MIT */
/* What a guest does to hold the monitor up: it may hurt itself, the TD still ends. A fault here
 * shows as a test that does not come back. */
#include "vmm_setup.h"

#include <unistd.h>

enum {
	LIMIT_S = 100,
	X2APIC_LVT_TIMER = 0x832,
	X2APIC_INIT_COUNT = 0x838,
	X2APIC_DIV_CONF = 0x83e,
	DIVIDE_BY_1 = 0xb,
	PERIODIC = 1 << 17,
	VECTOR = 0x40,
	PORT_DONE = 0x80,
};

static void wrmsr(struct native_cpu *cpu, uint32_t msr, uint64_t value)
{
	guest_vmcall(cpu, TDVMCALL_WRMSR, msr, value, NULL);
}

/* A write to a port ends the run. */
static void done(struct native_cpu *cpu)
{
	for (;;)
		guest_vmcall(cpu, TDVMCALL_IO, 1, TDVMCALL_WRITE, NULL);
}

static void run_until_done(struct rig *r, unsigned vcpu)
{
	struct tdx_run run;

	do
		assert_int_equal(tdx_vcpu_run(r->vcpu[vcpu], -1, &run), 0);
	while (run.exit != TDX_EXIT_IO);
}

/* --- the timer --- */

struct tick {
	uint32_t count;
};

static void arms_a_periodic_timer(struct native_cpu *cpu, void *arg)
{
	const struct tick *t = arg;

	wrmsr(cpu, X2APIC_DIV_CONF, DIVIDE_BY_1);
	wrmsr(cpu, X2APIC_LVT_TIMER, PERIODIC | VECTOR);
	wrmsr(cpu, X2APIC_INIT_COUNT, t->count);
	/* long enough that the thread meets it; arming needs its lock */
	for (unsigned i = 0; i < 2000; i++)
		wrmsr(cpu, X2APIC_INIT_COUNT, t->count);
	done(cpu);
}

static void a_periodic_timer_of_any_count_lets_the_td_end(void **state)
{
	static const uint32_t counts[] = {1, 2, 4, 5, 100, ~0u};
	enum { VCPUS = 4 };

	(void)state;
	for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		struct tick t = {counts[i]};
		struct rig_options o = {.irqchip = true, .guest = arms_a_periodic_timer, .arg = &t};
		struct rig r;

		rig_on(&r, &o);
		rig_vm(&r, VCPUS);
		for (unsigned v = 0; v < VCPUS; v++)
			run_until_done(&r, v);
		usleep(10000);
		rig_destroy(&r);
		rig_check_clean(&r);
		rig_off(&r);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_periodic_timer_of_any_count_lets_the_td_end),
	};

	alarm(LIMIT_S);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
