/* SPDX-License-Identifier: MIT */
/* What a guest does to hold the monitor up: it may hurt itself, the TD still ends. A fault here
 * shows as a test that does not come back. */
#include "vmm_setup.h"

#include <errno.h>
#include <pthread.h>
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

static void wrmsr(struct tdx_native_cpu *cpu, uint32_t msr, uint64_t value)
{
	guest_vmcall(cpu, TDVMCALL_WRMSR, msr, value, NULL);
}

/* A write to a port ends the run. */
static void done(struct tdx_native_cpu *cpu)
{
	for (;;)
		guest_vmcall(cpu, TDVMCALL_IO, 1, TDVMCALL_WRITE, NULL);
}

static void run_until_done(struct rig *r, unsigned vcpu)
{
	struct tdx_run run = {0}; /* what it answers the last exit with */

	do
		assert_int_equal(tdx_vcpu_run(r->vcpu[vcpu], -1, &run), 0);
	while (run.exit != TDX_EXIT_IO);
}

/* --- the timer --- */

struct tick {
	uint32_t count;
};

static void arms_a_periodic_timer(struct tdx_native_cpu *cpu, void *arg)
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

/* --- interrupts of devices --- */

static void halts(struct tdx_native_cpu *cpu, void *arg)
{
	(void)arg;
	guest_vmcall(cpu, TDVMCALL_HLT, 0, 0, NULL);
	done(cpu);
}

static void *runs(void *arg)
{
	run_until_done(arg, 1);
	return NULL;
}

static void a_message_wakes_whom_it_is_for(void **state)
{
	struct rig_options o = {.irqchip = true, .guest = halts};
	pthread_t thread;
	struct rig r;

	(void)state;
	rig_on(&r, &o);
	rig_vm(&r, 2);
	assert_int_equal(tdx_vm_msi(r.vm, 0xfee02000, VECTOR), 0);
	assert_int_equal(tdx_vm_msi(r.vm, 0xfec00000, VECTOR), -EINVAL);
	assert_int_equal(tdx_vm_msi(r.vm, 0x1fee00000, VECTOR), -EINVAL);
	assert_int_equal(pthread_create(&thread, NULL, runs, &r), 0);
	assert_int_equal(tdx_vm_msi(r.vm, 0xfee01000, VECTOR), 1);
	pthread_join(thread, NULL);
	assert_int_equal(tdx_vm_msi(r.vm, 0xfeeff000, VECTOR), 2);
	run_until_done(&r, 0);
	rig_destroy(&r);
	rig_check_clean(&r);
	rig_off(&r);
}

static void without_local_apics_there_is_nobody_to_tell(void **state)
{
	struct rig_options o = {.guest = halts};
	struct rig r;

	(void)state;
	rig_on(&r, &o);
	rig_vm(&r, 1);
	assert_int_equal(tdx_vm_msi(r.vm, 0xfee00000, VECTOR), -EINVAL);
	rig_off(&r);
}

/* --- where there is no memory --- */

enum { TOUCHES = 50000 };

static void touches_every_2m(struct tdx_native_cpu *cpu, void *arg)
{
	uint32_t word;

	(void)arg;
	for (uint64_t i = 0; i < TOUCHES; i++) {
		tdx_native_read(cpu, gpa(RIG_SHARED + (1ull << 32) + (i << 21)), &word,
				sizeof(word));
		guest_tdcall(cpu, TDG_VP_VEINFO_GET, 0, 0);
	}
	done(cpu);
}

static void touching_devices_everywhere_takes_no_memory(void **state)
{
	struct rig_options o = {.guest = touches_every_2m};
	uint64_t before;
	struct rig r;

	(void)state;
	rig_on(&r, &o);
	rig_vm(&r, 1);
	before = rig_memory(&r).used_pages;
	run_until_done(&r, 0);
	assert_true(rig_memory(&r).used_pages < before + 200);
	rig_destroy(&r);
	rig_check_clean(&r);
	rig_off(&r);
}

static void touches_what_becomes_memory(struct tdx_native_cpu *cpu, void *arg)
{
	const uint64_t at = RIG_SHARED + (4ull << 30), beside = at - TDX_PAGE_SIZE;
	unsigned *seen = arg; /* accesses that were memory's */
	uint32_t word = 0;

	for (unsigned i = 0; i < 2; i++) {
		*seen += tdx_native_read(cpu, gpa(at), &word, sizeof(word));
		guest_tdcall(cpu, TDG_VP_VEINFO_GET, 0, 0);
		*seen += tdx_native_read(cpu, gpa(beside), &word, sizeof(word)) * 16u;
		guest_tdcall(cpu, TDG_VP_VEINFO_GET, 0, 0);
		guest_vmcall(cpu, TDVMCALL_IO, 1, TDVMCALL_WRITE, NULL);
	}
	done(cpu);
}

static void a_slot_where_a_device_was_is_memory_and_its_neighbour_is_none(void **state)
{
	unsigned seen = 0;
	struct rig_options o = {.guest = touches_what_becomes_memory, .arg = &seen};
	struct rig r;

	(void)state;
	rig_on(&r, &o);
	rig_vm(&r, 1);
	run_until_done(&r, 0);
	assert_int_equal(seen, 0);
	assert_int_equal(tdx_vm_set_memslot(r.vm, 5, gpa(4ull << 30), TDX_SIZE_2M), 0);
	assert_int_equal(tdx_vm_set_private(r.vm, gpa(4ull << 30), TDX_SIZE_2M, false), 0);
	run_until_done(&r, 0);
	assert_int_equal(seen, 1);
	assert_int_equal(tdx_vm_set_memslot(r.vm, 5, gpa(4ull << 30), 0), 0);
	rig_destroy(&r);
	rig_check_clean(&r);
	rig_off(&r);
}

static void takes_no_ve_information(struct tdx_native_cpu *cpu, void *arg)
{
	uint32_t word;

	(void)arg;
	for (;;)
		tdx_native_read(cpu, gpa(RIG_SHARED + (4ull << 30)), &word, sizeof(word));
}

static void a_ve_that_cannot_be_taken_ends_the_run(void **state)
{
	struct rig_options o = {.guest = takes_no_ve_information};
	struct tdx_vm_error e;
	struct tdx_run run;
	struct rig r;

	(void)state;
	rig_on(&r, &o);
	rig_vm(&r, 1);
	assert_int_equal(tdx_vcpu_run(r.vcpu[0], -1, &run), 0);
	assert_int_equal(run.exit, TDX_EXIT_INTERNAL_ERROR);
	tdx_vm_error(r.vm, &e);
	assert_non_null(strstr(e.text, "0x100000000"));
	assert_false(e.bugged);
	rig_destroy(&r);
	rig_check_clean(&r);
	rig_off(&r);
}

/* --- the host's own mistakes --- */

static void memory_is_lent_and_taken_back_as_it_was_lent(void **state)
{
	static const uint64_t too_many[] = {1ull << 52, (1ull << 52) + 1, ~0ull, 1ull << 40};
	struct rig_options o = {0};
	hpa_t pa, one;
	struct rig r;

	(void)state;
	rig_on(&r, &o);
	assert_int_equal(tdx_vmm_alloc(r.vmm, 0, &pa), -EINVAL);
	for (unsigned i = 0; i < sizeof(too_many) / sizeof(too_many[0]); i++) {
		assert_int_equal(tdx_vmm_alloc(r.vmm, too_many[i], &pa), -ENOMEM);
		assert_int_equal(pa.v, 0);
	}
	assert_int_equal(tdx_vmm_alloc(r.vmm, 4, &pa), 0);
	assert_int_equal(tdx_vmm_alloc(r.vmm, 1, &one), 0);
	assert_int_equal(tdx_vmm_dealloc(r.vmm, pa, 5), -EINVAL);
	assert_int_equal(tdx_vmm_dealloc(r.vmm, pa, 3), -EINVAL);
	assert_int_equal(tdx_vmm_dealloc(r.vmm, pa, 1ull << 40), -EINVAL);
	assert_int_equal(tdx_vmm_dealloc(r.vmm, hpa(pa.v + 4096), 3), -EINVAL);
	assert_int_equal(tdx_vmm_dealloc(r.vmm, hpa(0), 1), -EINVAL);
	assert_int_equal(tdx_vmm_dealloc(r.vmm, pa, 4), 0);
	assert_int_equal(tdx_vmm_dealloc(r.vmm, pa, 4), -EINVAL);
	assert_int_equal(tdx_vmm_dealloc(r.vmm, one, 1), 0);
	rig_check_clean(&r);
	rig_off(&r);
}

static void leaves_at_once(struct tdx_native_cpu *cpu, void *arg)
{
	(void)arg;
	done(cpu);
}

/* After an exit it is the host again that runs on the processor. */
static void what_the_host_writes_is_not_laid_at_the_guests_door(void **state)
{
	struct rig_options o = {.guest = leaves_at_once};
	struct coherency_report c;
	uint64_t word;
	struct rig r;
	hpa_t pa;

	(void)state;
	rig_on(&r, &o);
	rig_vm(&r, 1);
	run_until_done(&r, 0);
	pa = tdx_vm_td(r.vm).tdr;
	memcpy(&word, machine_ptr(r.model->sys->m, pa.v), sizeof(word));
	for (unsigned i = 0; i < 2; i++)
		r.cpu[i]->ops->write(r.cpu[i], pa, &word, sizeof(word));
	assert_true(machine_coherency_report(r.model->sys->m, 0, &c));
	assert_int_equal(c.during, MACHINE_CALL_HOST);
	assert_int_equal(c.pa, pa.v);
	rig_destroy(&r);
	rig_off(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_periodic_timer_of_any_count_lets_the_td_end),
		cmocka_unit_test(a_message_wakes_whom_it_is_for),
		cmocka_unit_test(without_local_apics_there_is_nobody_to_tell),
		cmocka_unit_test(touching_devices_everywhere_takes_no_memory),
		cmocka_unit_test(a_slot_where_a_device_was_is_memory_and_its_neighbour_is_none),
		cmocka_unit_test(a_ve_that_cannot_be_taken_ends_the_run),
		cmocka_unit_test(what_the_host_writes_is_not_laid_at_the_guests_door),
		cmocka_unit_test(memory_is_lent_and_taken_back_as_it_was_lent),
	};

	alarm(LIMIT_S);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
