/* SPDX-License-Identifier: MIT */
/* The requests beside a launch and KVM_RUN: statistics, signals, memory mapped ahead, holes, states
 * of a vCPU; and a KVM that lacks a capability. */
#include "kvm_setup.h"

#include <pthread.h>
#include <signal.h>

static void says(struct tdx_native_cpu *cpu)
{
	for (uint32_t i = 0;; i++)
		guest_say(cpu, i);
}

static void loops(struct tdx_native_cpu *cpu)
{
	for (;;)
		tdx_native_poll(cpu);
}

static void halts(struct tdx_native_cpu *cpu)
{
	for (;;)
		guest_call(cpu, TDVMCALL_HLT, 1, 0, 0, 0, NULL);
}

/* --- statistics --- */

static uint64_t stat_of(int fd, const char *name)
{
	struct kvm_stats_header h;
	struct kvm_stats_desc d;
	uint64_t value = ~0ull;

	assert_int_equal(pread(fd, &h, sizeof(h), 0), sizeof(h));
	assert_int_equal(h.name_size, 48);
	for (unsigned i = 0; i < h.num_desc; i++) {
		assert_int_equal(pread(fd, &d, sizeof(d), h.desc_offset + i * sizeof(d)),
				 sizeof(d));
		if (strcmp(d.name, name) == 0)
			assert_int_equal(pread(fd, &value, 8, h.data_offset + d.offset), 8);
	}
	return value;
}

static void statistics_count_while_they_are_open(void **state)
{
	struct client *c = *state;
	char id[48];
	int fd, vm;

	program = says;
	client_launch(c, 1);
	fd = (int)client_word(c, c->vcpu[0], KVM_GET_STATS_FD, 0);
	vm = (int)client_word(c, c->vm, KVM_GET_STATS_FD, 0);
	assert_true(fd >= 0 && vm >= 0);
	assert_int_equal(pread(fd, id, sizeof(id), sizeof(struct kvm_stats_header)), sizeof(id));
	assert_string_equal(id, "kvm-vcpu-stats:0");
	assert_int_equal(stat_of(fd, "io_exits"), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(client_run(c, 0), 0);
	assert_int_equal(stat_of(fd, "io_exits"), 3);
	assert_true(stat_of(fd, "exits") >= 3);
	assert_int_equal(stat_of(fd, "mmio_exits"), 0);
	assert_int_equal(client_word(c, c->vcpu[0], KVM_NMI, 0), 0);
	assert_int_equal(client_run(c, 0), 0);
	assert_int_equal(stat_of(fd, "nmi_injections"), 1);
	assert_int_equal(write(fd, id, 1), -1);
	assert_int_equal(stat_of(vm, "none"), ~0ull);
	close(fd);
	close(vm);
}

/* --- signals --- */

static long set_mask(struct client *c, uint32_t len, const sigset_t *set)
{
	struct {
		uint32_t len;
		uint8_t set[8];
	} m = {.len = len};

	memcpy(m.set, set, sizeof(m.set));
	return client_ioctl(c, c->vcpu[0], KVM_SET_SIGNAL_MASK, &m);
}

struct runner {
	struct client *c;
	pthread_t id;
	_Atomic bool ready;
	long r[2];
	int taken;
};

static void *run_blocked(void *arg)
{
	const struct timespec none = {0};
	struct runner *t = arg;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	atomic_store(&t->ready, true);
	t->r[0] = client_run(t->c, 0);
	t->r[1] = client_run(t->c, 0); /* as long as it is pending */
	t->taken = sigtimedwait(&set, NULL, &none);
	return NULL;
}

static void a_blocked_signal_ends(struct client *c, void (*what)(struct tdx_native_cpu *cpu))
{
	struct runner t = {.c = c};
	sigset_t set;

	program = what;
	client_launch(c, 1);
	sigfillset(&set);
	assert_int_equal(set_mask(c, 4, &set), -EINVAL);
	assert_int_equal(client_word(c, c->vcpu[0], KVM_SET_SIGNAL_MASK, 8), -EFAULT);
	sigdelset(&set, SIGUSR1);
	assert_int_equal(set_mask(c, 8, &set), 0);
	pthread_create(&t.id, NULL, run_blocked, &t);
	while (!atomic_load(&t.ready))
		sched_yield();
	usleep(20000);
	pthread_kill(t.id, SIGUSR1);
	pthread_join(t.id, NULL);
	assert_int_equal(t.r[0], -EINTR);
	assert_int_equal(t.r[1], -EINTR);
	assert_int_equal(t.taken, SIGUSR1);
	assert_int_equal(c->run[0]->exit_reason, KVM_EXIT_INTR);
	assert_int_equal(client_word(c, c->vcpu[0], KVM_SET_SIGNAL_MASK, 0), 0);
}

static void a_signal_of_the_mask_ends_a_run(void **state)
{
	a_blocked_signal_ends(*state, loops);
}

static void a_signal_of_the_mask_ends_a_halt(void **state)
{
	a_blocked_signal_ends(*state, halts);
}

/* An exit that waits for its answer is not lost when a signal comes first. */
static void what_was_read(struct tdx_native_cpu *cpu)
{
	uint64_t word = 0;

	guest_call(cpu, TDVMCALL_IO, 4, 0, 0x60, 0, &word);
	guest_say(cpu, (uint32_t)word);
}

static void a_signal_does_not_take_an_answer(void **state)
{
	const struct timespec none = {0};
	struct client *c = *state;
	sigset_t set, usr;
	uint32_t *pio;

	program = what_was_read;
	client_launch(c, 1);
	pio = (uint32_t *)((uint8_t *)c->run[0] + 4096);
	sigemptyset(&usr);
	sigaddset(&usr, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &usr, NULL);
	sigfillset(&set);
	sigdelset(&set, SIGUSR1);
	assert_int_equal(set_mask(c, 8, &set), 0);
	assert_int_equal(client_run(c, 0), 0);
	assert_int_equal(c->run[0]->io.direction, KVM_IO_IN);
	*pio = 0xcafe;
	pthread_kill(pthread_self(), SIGUSR1);
	assert_int_equal(client_run(c, 0), -EINTR);
	*pio = 0; /* too late: it was taken by the run before */
	assert_int_equal(sigtimedwait(&usr, NULL, &none), SIGUSR1);
	assert_int_equal(client_run(c, 0), 0);
	assert_int_equal(*pio, 0xcafe);
	pthread_sigmask(SIG_UNBLOCK, &usr, NULL);
}

/* --- memory --- */

static long prefault(struct client *c, uint64_t gpa_, uint64_t size, uint64_t flags, uint64_t *left)
{
	struct kvm_prefault p = {.gpa = gpa_, .size = size, .flags = flags};
	long r = client_ioctl(c, c->vcpu[0], KVM_PRE_FAULT_MEMORY, &p);

	*left = p.size;
	return r;
}

static void accepts(struct tdx_native_cpu *cpu)
{
	uint32_t word = 0;

	guest_accept(cpu, 0x400000);
	tdx_native_read(cpu, gpa(0x400000), &word, 4);
	guest_say(cpu, word + 1);
}

static void memory_is_mapped_before_the_guest_touches_it(void **state)
{
	struct client *c = *state;
	uint64_t left;

	program = accepts;
	assert_true(client_create(c) >= 0);
	client_enable(c, KVM_CAP_SPLIT_IRQCHIP, 24);
	client_init(c);
	client_vcpu(c, 0);
	assert_int_equal(prefault(c, 0, 0x1000, 0, &left), -EOPNOTSUPP);
	client_close_vm(c);
	client_launch(c, 1);
	assert_int_equal(prefault(c, 0x400000, 0x1000, 1, &left), -EINVAL);
	assert_int_equal(prefault(c, 0x400800, 0x1000, 0, &left), -EINVAL);
	assert_int_equal(prefault(c, 0x400000, 0x800, 0, &left), -EINVAL);
	assert_int_equal(prefault(c, 0x400000, 0, 0, &left), -EINVAL);
	assert_int_equal(prefault(c, ~0xfffull, 0x1000, 0, &left), -EINVAL);
	assert_int_equal(prefault(c, CLIENT_SHARED | 0x1000, 0x1000, 0, &left), -EINVAL);
	assert_int_equal(prefault(c, 1ull << 40, 0x1000, 0, &left), -ENOENT);
	assert_int_equal(left, 0x1000);
	assert_int_equal(prefault(c, 0x400000, 0x3000, 0, &left), 0);
	assert_int_equal(left, 0);
	assert_int_equal(prefault(c, 0x400000, 0x3000, 0, &left), 0); /* they are there */
	/* Success, and what is left, when there is no more memory. */
	assert_int_equal(prefault(c, CLIENT_RAM - 0x2000, 0x5000, 0, &left), 0);
	assert_int_equal(left, 0x3000);
	assert_int_equal(client_attributes(c, 0x600000, 0x1000, 0), 0);
	assert_int_equal(prefault(c, 0x600000, 0x1000, 0, &left), 0); /* a shared one */
	assert_int_equal(client_run(c, 0), 0);
	assert_int_equal(*(uint32_t *)((uint8_t *)c->run[0] + 4096), 1);
}

static long fallocate_of(struct client *c, int fd, int mode, int64_t offset, int64_t len)
{
	bool ours;
	long r = kvm_fallocate(c->host, fd, mode, offset, len, &ours);

	assert_int_equal(ours, fd == c->gmem);
	return r;
}

static void keeps(struct tdx_native_cpu *cpu)
{
	uint32_t word = 0x5a5a;

	guest_accept(cpu, 0x500000);
	tdx_native_write(cpu, gpa(0x500000), &word, 4);
	for (;;)
		guest_say(cpu, 1);
}

static uint64_t pages(const struct client *c)
{
	uint64_t count[16];

	return tdx_model_pages(c->model, count);
}

static void a_hole_that_is_asked_for_is_taken_at_once(void **state)
{
	const int punch = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	struct client *c = *state;
	uint64_t before;
	bool ours = true;

	program = keeps;
	client_launch(c, 1);
	assert_int_equal(client_run(c, 0), 0);
	assert_int_equal(kvm_fallocate(c->host, c->vm, punch, 0, 4096, &ours), -EBADF);
	assert_false(ours);
	assert_int_equal(fallocate_of(c, c->gmem, 0, 0, 4096), -EOPNOTSUPP);
	assert_int_equal(fallocate_of(c, c->gmem, punch | 0x10, 0, 4096), -EOPNOTSUPP);
	assert_int_equal(fallocate_of(c, c->gmem, punch, 1, 4096), -EINVAL);
	assert_int_equal(fallocate_of(c, c->gmem, punch, 0, 4095), -EINVAL);
	assert_int_equal(fallocate_of(c, c->gmem, punch, -4096, 4096), -EINVAL);
	assert_int_equal(fallocate_of(c, c->gmem, punch, 0, 0), -EINVAL);
	assert_int_equal(fallocate_of(c, c->gmem, FALLOC_FL_KEEP_SIZE, CLIENT_RAM, 4096), -EINVAL);
	assert_int_equal(fallocate_of(c, c->gmem, FALLOC_FL_KEEP_SIZE, 0x500000, 4096), 0);
	before = pages(c);
	assert_int_equal(fallocate_of(c, c->gmem, punch, 0x500000, 0x1000), 0);
	assert_int_equal(pages(c), before - 1);
}

/* --- states, and what a TD has not --- */

static long set_state(struct client *c, uint32_t state)
{
	return client_ioctl(c, c->vcpu[0], KVM_SET_MP_STATE, &state);
}

static uint32_t state_of(struct client *c)
{
	uint32_t state = 77;

	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_GET_MP_STATE, &state), 0);
	return state;
}

static void states_of_a_vcpu_are_kvms(void **state)
{
	struct client *c = *state;

	client_launch(c, 1);
	assert_int_equal(state_of(c), KVM_MP_RUNNABLE);
	assert_int_equal(set_state(c, 5), -EINVAL);
	assert_int_equal(set_state(c, 10), -EINVAL);
	assert_int_equal(set_state(c, KVM_MP_AP_RESET_HOLD), 0);
	assert_int_equal(set_state(c, KVM_MP_SIPI_RECEIVED), 0);
	assert_int_equal(state_of(c), KVM_MP_INIT_RECEIVED);
	assert_int_equal(set_state(c, KVM_MP_HALTED), 0);
	client_close_vm(c);
	/* Without a local APIC there is one state alone. */
	c->vm = (int)client_word(c, c->sys, KVM_CREATE_VM, KVM_VM_DEFAULT);
	assert_int_equal(client_vcpu(c, 0), 0);
	assert_int_equal(set_state(c, KVM_MP_HALTED), -EINVAL);
	assert_int_equal(set_state(c, KVM_MP_RUNNABLE), 0);
}

static void the_boot_processor_is_within_the_limits(void **state)
{
	struct client *c = *state;

	client_create(c);
	assert_int_equal(client_word(c, c->vm, KVM_SET_BOOT_CPU_ID, 4097), -EINVAL);
	assert_int_equal(client_enable(c, KVM_CAP_MAX_VCPU_ID, 4), 0);
	assert_int_equal(client_word(c, c->vm, KVM_SET_BOOT_CPU_ID, 5), -EINVAL);
	assert_int_equal(client_word(c, c->vm, KVM_SET_BOOT_CPU_ID, 2), 0);
}

static void a_vm_says_how_long_its_bus_cycle_is(void **state)
{
	struct client *c = *state;
	const unsigned cap = KVM_CAP_X86_APIC_BUS_CYCLES_NS;

	client_create(c);
	client_enable(c, KVM_CAP_SPLIT_IRQCHIP, 24);
	assert_int_equal(client_word(c, c->vm, KVM_CHECK_EXTENSION, cap), 1);
	assert_int_equal(client_enable(c, cap, 40), 0);
	assert_int_equal(client_word(c, c->vm, KVM_CHECK_EXTENSION, cap), 40);
	assert_int_equal(client_word(c, c->sys, KVM_CHECK_EXTENSION, cap), 1);
}

/* --- a KVM without something --- */

static int power_once(void *arg, struct tdx_vmm **vmm)
{
	struct client *c = arg;

	*vmm = c->vmm;
	return c->vmm ? 0 : client_power(arg, vmm);
}

static void lack(struct client *c, unsigned cap, long value)
{
	const struct kvm_cap_answer a = {cap, value};

	close(c->sys);
	kvm_host_free(c->host);
	c->host = kvm_host_new(&(struct kvm_host_config){.power_on = power_once,
							 .log = client_log,
							 .arg = c,
							 .vcpus = CLIENT_VCPUS,
							 .xfam = 3,
							 .answers = &a,
							 .nanswers = 1});
	c->sys = kvm_open(c->host, O_CLOEXEC);
}

static void what_is_answered_0_is_not_there(void **state)
{
	struct client *c = *state;
	const struct kvm_guest_memfd g = {.size = 4096};

	lack(c, KVM_CAP_GUEST_MEMFD, 0);
	assert_true(client_create(c) >= 0);
	assert_int_equal(client_word(c, c->vm, KVM_CHECK_EXTENSION, KVM_CAP_GUEST_MEMFD), 0);
	assert_int_equal(client_ioctl(c, c->vm, KVM_CREATE_GUEST_MEMFD, &g), -ENOTTY);
	client_close_vm(c);
	while (kvm_host_vms(c->host))
		sched_yield();
	lack(c, KVM_CAP_SPLIT_IRQCHIP, 0);
	assert_true(client_create(c) >= 0);
	assert_int_equal(client_enable(c, KVM_CAP_SPLIT_IRQCHIP, 24), -EINVAL);
	client_close_vm(c);
	while (kvm_host_vms(c->host))
		sched_yield();
	lack(c, KVM_CAP_VM_TYPES, 1);
	assert_int_equal(client_word(c, c->sys, KVM_CREATE_VM, KVM_VM_TDX), -EINVAL);
	lack(c, KVM_CAP_NR_MEMSLOTS, 77);
	assert_int_equal(client_word(c, c->sys, KVM_CHECK_EXTENSION, KVM_CAP_NR_MEMSLOTS), 77);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, client_setup, client_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(statistics_count_while_they_are_open),
		CASE(a_signal_of_the_mask_ends_a_run),
		CASE(a_signal_of_the_mask_ends_a_halt),
		CASE(a_signal_does_not_take_an_answer),
		CASE(memory_is_mapped_before_the_guest_touches_it),
		CASE(a_hole_that_is_asked_for_is_taken_at_once),
		CASE(states_of_a_vcpu_are_kvms),
		CASE(the_boot_processor_is_within_the_limits),
		CASE(a_vm_says_how_long_its_bus_cycle_is),
		CASE(what_is_answered_0_is_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
