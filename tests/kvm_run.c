/* SPDX-License-Identifier: MIT */
/* KVM_RUN: what a TD's guest does, as its client sees it, and what comes of the client's answers.
 */
#include "kvm_setup.h"

#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>

/* The next number the guest says; conversions it wants are made as QEMU does. */
static uint32_t said(struct client *c, unsigned i)
{
	struct kvm_run *run = c->run[i];

	for (;;) {
		long r = client_run(c, i);

		if (r == 0 && run->exit_reason == KVM_EXIT_IO && run->io.port == 0x100 &&
		    run->io.direction == KVM_IO_OUT)
			return *(uint32_t *)((uint8_t *)run + run->io.data_offset);
		if (r == 0 && run->exit_reason == KVM_EXIT_HYPERCALL) {
			assert_int_equal(client_attributes(c, run->hypercall.args[0],
							   run->hypercall.args[1] * 4096,
							   run->hypercall.args[2] ? 8 : 0),
					 0);
			continue;
		}
		if (r == -EFAULT && run->exit_reason == KVM_EXIT_MEMORY_FAULT) {
			assert_int_equal(client_attributes(c, run->memory_fault.gpa,
							   run->memory_fault.size,
							   run->memory_fault.flags),
					 0);
			continue;
		}
		fail_msg("KVM_RUN: %ld, exit %u", r, run->exit_reason);
	}
}

/* --- ports and MMIO --- */

static void ports(struct tdx_native_cpu *cpu)
{
	uint64_t r11, status;

	status = guest_call(cpu, TDVMCALL_IO, 2, 0, 0x3f8, 0, &r11);
	guest_say(cpu, (uint32_t)(status ? ~0u : r11));
	status = guest_call(cpu, TDVMCALL_IO, 3, 0, 0x3f8, 0, &r11);
	guest_say(cpu, status == TDVMCALL_INVALID_OPERAND);
}

static void a_port_is_read(void **state)
{
	struct client *c = *state;

	program = ports;
	client_launch(c, 1);
	assert_int_equal(client_run(c, 0), 0);
	assert_int_equal(c->run[0]->exit_reason, KVM_EXIT_IO);
	assert_int_equal(c->run[0]->io.direction, KVM_IO_IN);
	assert_int_equal(c->run[0]->io.size, 2);
	assert_int_equal(c->run[0]->io.port, 0x3f8);
	assert_int_equal(c->run[0]->io.count, 1);
	assert_int_equal(c->run[0]->io.data_offset, 4096);
	memcpy((uint8_t *)c->run[0] + 4096, "\x34\x12\xff\xff", 4);
	assert_int_equal(said(c, 0), 0x1234);
	assert_int_equal(said(c, 0), 1);
}

static void mmio(struct tdx_native_cpu *cpu)
{
	uint64_t r11;

	guest_call(cpu, TDVMCALL_MMIO, 4, TDVMCALL_WRITE, CLIENT_SHARED | 0xfec00010, 0xabcd, NULL);
	guest_call(cpu, TDVMCALL_MMIO, 8, 0, CLIENT_SHARED | 0xfec00018, 0, &r11);
	guest_say(cpu, (uint32_t)(r11 >> 32));
	guest_say(cpu, guest_call(cpu, TDVMCALL_MMIO, 4, 0, 0xfec00018, 0, NULL) ==
			       TDVMCALL_INVALID_OPERAND);
}

static void mmio_exits(void **state)
{
	struct client *c = *state;
	const uint64_t answer = 0x1122334455667788;

	program = mmio;
	client_launch(c, 1);
	assert_int_equal(client_run(c, 0), 0);
	assert_int_equal(c->run[0]->exit_reason, KVM_EXIT_MMIO);
	assert_int_equal(c->run[0]->mmio.phys_addr, 0xfec00010);
	assert_int_equal(c->run[0]->mmio.len, 4);
	assert_int_equal(c->run[0]->mmio.is_write, 1);
	assert_memory_equal(c->run[0]->mmio.data, "\xcd\xab\0\0\0\0\0\0", 8);
	assert_int_equal(client_run(c, 0), 0);
	assert_int_equal(c->run[0]->mmio.is_write, 0);
	assert_int_equal(c->run[0]->mmio.len, 8);
	memcpy(c->run[0]->mmio.data, &answer, 8);
	assert_int_equal(said(c, 0), 0x11223344);
	assert_int_equal(said(c, 0), 1);
}

/* --- memory --- */

static void shares(struct tdx_native_cpu *cpu)
{
	const uint64_t at = 0x400000;
	uint64_t status = guest_call(cpu, TDVMCALL_MAP_GPA, at | CLIENT_SHARED, 0x2000, 0, 0, NULL);
	uint32_t word = 0xc0ffee, back = 0;

	guest_say(cpu, (uint32_t)status);
	tdx_native_write(cpu, gpa(at | CLIENT_SHARED), &word, sizeof(word));
	guest_say(cpu, 1);
	tdx_native_read(cpu, gpa((at + 0x1000) | CLIENT_SHARED), &back, sizeof(back));
	guest_say(cpu, back);
	status = guest_call(cpu, TDVMCALL_MAP_GPA, at, 0x2000, 0, 0, NULL);
	guest_accept(cpu, at);
	tdx_native_read(cpu, gpa(at), &back, sizeof(back));
	guest_say(cpu, (uint32_t)status | back);
}

static void shared_memory_is_the_clients_own(void **state)
{
	struct client *c = *state;
	uint32_t word;

	program = shares;
	client_launch(c, 1);
	assert_int_equal(client_run(c, 0), 0);
	assert_int_equal(c->run[0]->exit_reason, KVM_EXIT_HYPERCALL);
	assert_int_equal(c->run[0]->hypercall.nr, 12);
	assert_int_equal(c->run[0]->hypercall.args[0], 0x400000);
	assert_int_equal(c->run[0]->hypercall.args[1], 2);
	assert_int_equal(c->run[0]->hypercall.args[2], 0);
	assert_int_equal(c->run[0]->hypercall.flags, 1);
	assert_int_equal(c->run[0]->hypercall.ret, 0);
	assert_int_equal(client_attributes(c, 0x400000, 0x2000, 0), 0);
	assert_int_equal(said(c, 0), 0);
	assert_int_equal(said(c, 0), 1);
	memcpy(&word, c->ram + 0x400000, 4);
	assert_int_equal(word, 0xc0ffee);
	word = 0xbeef;
	memcpy(c->ram + 0x401000, &word, 4);
	assert_int_equal(said(c, 0), 0xbeef);
	assert_int_equal(said(c, 0), 0); /* private again: another page, and zero */
}

static uint64_t kvm_call(struct tdx_native_cpu *cpu, uint64_t nr, uint64_t a, uint64_t b,
			 uint64_t c)
{
	struct tdx_regs r = {
		.rax = TDG_VP_VMCALL, .rcx = 0xfc00, .r10 = nr, .r11 = a, .r12 = b, .r13 = c};

	tdx_native_tdcall(cpu, &r);
	return r.r10;
}

static void makes_hypercalls(struct tdx_native_cpu *cpu)
{
	uint32_t word = 0xfeed;

	guest_say(cpu, (uint32_t)kvm_call(cpu, 1, 0, 0, 0));
	guest_say(cpu, (uint32_t)-kvm_call(cpu, 2, 0, 0, 0));
	guest_say(cpu, (uint32_t)kvm_call(cpu, 12, 0x400000, 3, 0));
	tdx_native_write(cpu, gpa(0x402000 | CLIENT_SHARED), &word, sizeof(word));
	guest_say(cpu, 1);
	guest_say(cpu, (uint32_t)-kvm_call(cpu, 12, 0x400000, 3, 0x10));
	guest_say(cpu, (uint32_t)kvm_call(cpu, 9, 0x402000, 0, 0));
}

/* KVM's own: those it answers itself, and the one that is its client's, in one piece. */
static void hypercalls_are_kvms_and_its_clients(void **state)
{
	struct client *c = *state;
	uint32_t word;
	int64_t sec;

	program = makes_hypercalls;
	client_launch(c, 1);
	assert_int_equal(said(c, 0), 0);
	assert_int_equal(said(c, 0), 1000); /* KVM_ENOSYS */
	assert_int_equal(client_run(c, 0), 0);
	assert_int_equal(c->run[0]->exit_reason, KVM_EXIT_HYPERCALL);
	assert_int_equal(c->run[0]->hypercall.nr, 12);
	assert_int_equal(c->run[0]->hypercall.args[0], 0x400000);
	assert_int_equal(c->run[0]->hypercall.args[1], 3);
	assert_int_equal(c->run[0]->hypercall.args[2], 0);
	assert_int_equal(c->run[0]->hypercall.flags, 1);
	assert_int_equal(client_attributes(c, 0x400000, 0x3000, 0), 0);
	assert_int_equal(said(c, 0), 0);
	assert_int_equal(said(c, 0), 1);
	memcpy(&word, c->ram + 0x402000, 4);
	assert_int_equal(word, 0xfeed);
	assert_int_equal(client_run(c, 0), 0);
	assert_int_equal(c->run[0]->hypercall.args[2], 0x10);
	c->run[0]->hypercall.ret = (uint64_t)-22; /* refused: R10 as it stands there */
	assert_int_equal(said(c, 0), 22);
	assert_int_equal(said(c, 0), 0);
	memcpy(&sec, c->ram + 0x402000, 8);
	assert_true(sec > 1000000000);
}

static void discards(struct tdx_native_cpu *cpu)
{
	const uint64_t at = CLIENT_SHARED | 0x400000;
	uint32_t word = 7;

	tdx_native_write(cpu, gpa(at), &word, sizeof(word));
	guest_say(cpu, 1);
	tdx_native_read(cpu, gpa(at), &word, sizeof(word));
	guest_say(cpu, word);
}

static void what_the_client_discards_the_guest_reads_as_zero(void **state)
{
	struct client *c = *state;

	program = discards;
	client_launch(c, 1);
	assert_int_equal(client_attributes(c, 0x400000, 0x1000, 0), 0);
	assert_int_equal(said(c, 0), 1);
	assert_int_equal(c->ram[0x400000], 7);
	assert_int_equal(madvise(c->ram + 0x400000, 4096, MADV_DONTNEED), 0);
	assert_int_equal(said(c, 0), 0);
}

static void keeps(struct tdx_native_cpu *cpu)
{
	const uint64_t at = 0x500000;
	uint32_t word = 0x5a5a, back = 0;

	guest_accept(cpu, at);
	tdx_native_write(cpu, gpa(at), &word, sizeof(word));
	guest_say(cpu, 1);
	tdx_native_read(cpu, gpa(at), &back, sizeof(back));
	guest_say(cpu, back);
}

static void private_pages_are_those_of_the_guest_memfd(void **state)
{
	struct client *c = *state;
	uint32_t word = 0;

	program = keeps;
	client_launch(c, 1);
	assert_int_equal(said(c, 0), 1);
	assert_int_equal(pread(c->gmem, &word, sizeof(word), 0x500000), sizeof(word));
	assert_int_equal(word, 0x5a5a);
	assert_int_equal(said(c, 0), 0x5a5a);
}

static void a_hole_in_a_guest_memfd_takes_the_page_from_the_guest(void **state)
{
	struct client *c = *state;

	program = keeps;
	client_launch(c, 1);
	assert_int_equal(said(c, 0), 1);
	assert_int_equal(
		fallocate(c->gmem, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0x500000, 0x1000),
		0);
	/* The page that comes instead the guest has not accepted: KVM ends the VM. */
	assert_int_equal(client_run(c, 0), -EIO);
	assert_non_null(strstr(c->log, "not accepted"));
}

static void guest_memfds_come_back_to_the_machine(void **state)
{
	struct client *c = *state;

	program = keeps;
	/* More of them than the machine has memory for at once. */
	for (unsigned i = 0; i < 40; i++) {
		client_launch(c, 1);
		client_close_vm(c);
		while (kvm_host_vms(c->host))
			sched_yield();
	}
	client_launch(c, 1);
	assert_int_equal(said(c, 0), 1);
}

static void faults(struct tdx_native_cpu *cpu)
{
	uint32_t word;

	tdx_native_read(cpu, gpa(CLIENT_SHARED | 0x600000), &word, 4);
	guest_say(cpu, 1);
	guest_accept(cpu, 0x600000);
	tdx_native_read(cpu, gpa(0x600000), &word, 4);
	guest_say(cpu, word);
}

static void access_of_the_wrong_kind_is_a_memory_fault(void **state)
{
	struct client *c = *state;

	program = faults;
	client_launch(c, 1);
	assert_int_equal(client_run(c, 0), -EFAULT);
	assert_int_equal(c->run[0]->exit_reason, KVM_EXIT_MEMORY_FAULT);
	assert_int_equal(c->run[0]->memory_fault.flags, 0);
	assert_int_equal(c->run[0]->memory_fault.gpa, 0x600000);
	assert_int_equal(c->run[0]->memory_fault.size, 4096);
	assert_int_equal(client_run(c, 0), -EFAULT); /* nothing has changed */
	assert_int_equal(client_attributes(c, 0x600000, 0x1000, 0), 0);
	assert_int_equal(said(c, 0), 1);
	assert_int_equal(client_run(c, 0), -EFAULT);
	assert_int_equal(c->run[0]->memory_fault.flags, 8);
	assert_int_equal(client_attributes(c, 0x600000, 0x1000, 8), 0);
	assert_int_equal(said(c, 0), 0);
}

static void asks_to_map(struct tdx_native_cpu *cpu)
{
	uint64_t r11 = 0;

	for (unsigned i = 0; i < 4; i++) {
		uint64_t status = guest_call(cpu, TDVMCALL_MAP_GPA, CLIENT_SHARED | 0x200000,
					     0x300000, 0, 0, &r11);

		guest_say(cpu, (uint32_t)status | (uint32_t)(status >> 32));
		guest_say(cpu, (uint32_t)r11);
	}
}

static void map_gpa_comes_in_chunks_and_ends_as_the_client_says(void **state)
{
	struct client *c = *state;

	program = asks_to_map;
	client_launch(c, 1);
	assert_int_equal(client_run(c, 0), 0);
	assert_int_equal(c->run[0]->hypercall.args[1], 512);
	c->run[0]->hypercall.ret = EAGAIN;
	assert_int_equal(said(c, 0), TDVMCALL_RETRY);
	assert_int_equal(said(c, 0), 0x200000);
	assert_int_equal(client_run(c, 0), 0);
	assert_int_equal(client_run(c, 0), 0);
	assert_int_equal(c->run[0]->hypercall.args[0], 0x400000);
	assert_int_equal(c->run[0]->hypercall.args[1], 256);
	c->run[0]->hypercall.ret = EINVAL;
	assert_int_equal(said(c, 0), (uint32_t)TDVMCALL_INVALID_OPERAND | 0x80000000);
	assert_int_equal(said(c, 0), 0x400000);
	/* Nobody wants to hear of it any more. */
	assert_int_equal(client_enable(c, KVM_CAP_EXIT_HYPERCALL, 0), 0);
	assert_int_equal(client_run(c, 0), 0);
	c->run[0]->hypercall.ret = 0;
	assert_int_equal(client_enable(c, KVM_CAP_EXIT_HYPERCALL, 1 << 12), 0);
}

static void an_answer_kvm_does_not_know_is_einval(void **state)
{
	struct client *c = *state;

	program = asks_to_map;
	client_launch(c, 1);
	assert_int_equal(client_run(c, 0), 0);
	c->run[0]->hypercall.ret = 99;
	assert_int_equal(client_run(c, 0), -EINVAL);
}

/* --- TDVMCALLs that are the client's --- */

static void asks_the_client(struct tdx_native_cpu *cpu)
{
	struct tdx_regs r = {.r11 = TDVMCALL_GET_TD_VM_CALL_INFO, .r12 = 1};

	guest_say(cpu, (uint32_t)guest_vmcall(cpu, &r));
	guest_say(cpu, (uint32_t)r.r11);
	guest_say(cpu, (uint32_t)r.r12);
	guest_say(cpu, guest_call(cpu, TDVMCALL_GET_TD_VM_CALL_INFO, 0, 0, 0, 0, NULL) == 0);
	guest_say(cpu, guest_call(cpu, TDVMCALL_GET_QUOTE, CLIENT_SHARED | 0x3000, 0x1000, 0, 0,
				  NULL) == 5);
	guest_say(cpu, guest_call(cpu, TDVMCALL_GET_QUOTE, 0x3000, 0x1000, 0, 0, NULL) ==
			       TDVMCALL_INVALID_OPERAND);
	guest_say(cpu,
		  guest_call(cpu, TDVMCALL_SETUP_EVENT_NOTIFY_INTERRUPT, 77, 0, 0, 0, NULL) == 0);
	guest_say(cpu, guest_call(cpu, TDVMCALL_SETUP_EVENT_NOTIFY_INTERRUPT, 31, 0, 0, 0, NULL) ==
			       TDVMCALL_INVALID_OPERAND);
	guest_say(cpu, guest_call(cpu, 0x4711, 0, 0, 0, 0, NULL) == TDVMCALL_SUBFUNC_UNSUPPORTED);
	/* None of KVM's own. */
	r = (struct tdx_regs){.rax = TDG_VP_VMCALL, .rcx = 0xfc00, .r10 = 4};
	tdx_native_tdcall(cpu, &r);
	guest_say(cpu, r.r10 == (uint64_t)-1000);
}

static void tdvmcalls_that_are_the_clients(void **state)
{
	struct client *c = *state;
	struct kvm_run *run;

	program = asks_the_client;
	client_launch(c, 1);
	run = c->run[0];
	assert_int_equal(client_run(c, 0), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_TDX);
	assert_int_equal(run->tdx.nr, TDVMCALL_GET_TD_VM_CALL_INFO);
	assert_int_equal(run->tdx.flags, 0);
	assert_int_equal(run->tdx.get_tdvmcall_info.ret, 0);
	assert_int_equal(run->tdx.get_tdvmcall_info.leaf, 1);
	run->tdx.get_tdvmcall_info.r11 = 2;
	run->tdx.get_tdvmcall_info.r12 = 3;
	assert_int_equal(said(c, 0), 0);
	assert_int_equal(said(c, 0), 2);
	assert_int_equal(said(c, 0), 3);
	assert_int_equal(said(c, 0), 1);
	assert_int_equal(client_run(c, 0), 0);
	assert_int_equal(run->exit_reason, KVM_EXIT_TDX);
	assert_int_equal(run->tdx.nr, TDVMCALL_GET_QUOTE);
	assert_true(run->tdx.get_quote.ret == TDVMCALL_SUBFUNC_UNSUPPORTED);
	assert_int_equal(run->tdx.get_quote.gpa, 0x3000);
	assert_int_equal(run->tdx.get_quote.size, 0x1000);
	run->tdx.get_quote.ret = 5;
	assert_int_equal(said(c, 0), 1);
	assert_int_equal(said(c, 0), 1);
	assert_int_equal(client_run(c, 0), 0);
	assert_int_equal(run->tdx.nr, TDVMCALL_SETUP_EVENT_NOTIFY_INTERRUPT);
	assert_int_equal(run->tdx.setup_event_notify.vector, 77);
	assert_true(run->tdx.setup_event_notify.ret == TDVMCALL_SUBFUNC_UNSUPPORTED);
	run->tdx.setup_event_notify.ret = 0;
	assert_int_equal(said(c, 0), 1);
	assert_int_equal(said(c, 0), 1);
	assert_int_equal(said(c, 0), 1);
	assert_int_equal(said(c, 0), 1);
}

static void fails(struct tdx_native_cpu *cpu)
{
	guest_call(cpu, TDVMCALL_REPORT_FATAL_ERROR, 0x1234, 0, 0x41414141, 0, NULL);
	guest_say(cpu, 1);
}

static void a_fatal_error_is_a_system_event(void **state)
{
	struct client *c = *state;

	program = fails;
	client_launch(c, 1);
	assert_int_equal(client_run(c, 0), 0);
	assert_int_equal(c->run[0]->exit_reason, KVM_EXIT_SYSTEM_EVENT);
	assert_int_equal(c->run[0]->system_event.type, 7);
	assert_int_equal(c->run[0]->system_event.ndata, 16);
	assert_int_equal(c->run[0]->system_event.data[12], 0x1234);
	assert_int_equal(c->run[0]->system_event.data[14], 0x41414141);
}

static void asks_cpuid(struct tdx_native_cpu *cpu)
{
	struct tdx_regs r = {.r11 = TDVMCALL_CPUID, .r12 = 0x40000001, .r13 = 5};

	guest_vmcall(cpu, &r);
	guest_say(cpu, (uint32_t)r.r12);
	guest_say(cpu, (uint32_t)r.r15);
	r = (struct tdx_regs){.r11 = TDVMCALL_CPUID, .r12 = 0x40000099};
	guest_vmcall(cpu, &r);
	guest_say(cpu, (uint32_t)r.r12);
}

static void cpuid_is_answered_from_the_clients_list(void **state)
{
	struct client *c = *state;
	struct {
		uint32_t nent, padding;
		struct kvm_cpuid_entry e[1];
	} l = {.nent = 1, .e = {{.function = 0x40000001, .eax = 17, .edx = 19}}};

	program = asks_cpuid;
	client_launch(c, 1);
	assert_int_equal(client_ioctl(c, c->vcpu[0], KVM_SET_CPUID2, &l), 0);
	assert_int_equal(said(c, 0), 17);
	assert_int_equal(said(c, 0), 19);
	assert_int_equal(said(c, 0), 0);
}

/* --- coming out --- */

static void loops(struct tdx_native_cpu *cpu)
{
	for (;;)
		tdx_native_poll(cpu);
}

static void immediate_exit_comes_first(void **state)
{
	struct client *c = *state;

	program = loops;
	client_launch(c, 1);
	c->run[0]->immediate_exit = 1;
	assert_int_equal(client_run(c, 0), -EINTR);
	assert_int_equal(c->run[0]->exit_reason, KVM_EXIT_INTR);
}

static struct kvm_run *volatile kicked;

static void kick(int sig)
{
	(void)sig;
	kicked->immediate_exit = 1;
}

struct thread {
	struct client *c;
	unsigned i;
	_Atomic bool out;
	long r;
	pthread_t id;
};

static void *thread_main(void *arg)
{
	struct thread *t = arg;

	t->r = client_run(t->c, t->i);
	atomic_store(&t->out, true);
	return NULL;
}

static void is_kicked_out_of(struct client *c, void (*what)(struct tdx_native_cpu *cpu))
{
	struct thread t = {.c = c};

	program = what;
	client_launch(c, 1);
	kicked = c->run[0];
	signal(SIGUSR1, kick);
	pthread_create(&t.id, NULL, thread_main, &t);
	usleep(20000); /* whenever it comes: in the guest, or before */
	pthread_kill(t.id, SIGUSR1);
	pthread_join(t.id, NULL);
	assert_int_equal(t.r, -EINTR);
	assert_int_equal(c->run[0]->exit_reason, KVM_EXIT_INTR);
	signal(SIGUSR1, SIG_DFL);
}

static void a_signal_ends_a_loop(void **state)
{
	is_kicked_out_of(*state, loops);
}

static void halts(struct tdx_native_cpu *cpu)
{
	for (;;)
		guest_call(cpu, TDVMCALL_HLT, 0, 0, 0, 0, NULL);
}

static void a_signal_ends_a_halt(void **state)
{
	is_kicked_out_of(*state, halts);
}

static void halts_for_good(struct tdx_native_cpu *cpu)
{
	for (;;)
		guest_call(cpu, TDVMCALL_HLT, 1, 0, 0, 0, NULL);
}

static void a_signal_ends_a_halt_with_interrupts_blocked(void **state)
{
	is_kicked_out_of(*state, halts_for_good);
}

/* --- interrupts --- */

static void waits_for_an_interrupt(struct tdx_native_cpu *cpu)
{
	guest_say(cpu, 1);
	guest_call(cpu, TDVMCALL_HLT, 0, 0, 0, 0, NULL);
	guest_say(cpu, 2);
}

static void wakes_by(struct client *c, void (*wake)(struct client *c))
{
	struct kvm_routing *r = calloc(1, sizeof(*r) + 2 * sizeof(r->entries[0]));
	struct thread t = {.c = c};

	program = waits_for_an_interrupt;
	client_launch(c, 1);
	r->nr = 2;
	r->entries[0] = (struct kvm_route){.gsi = 4, .type = KVM_ROUTE_MSI};
	r->entries[1] = (struct kvm_route){.gsi = 5, .type = KVM_ROUTE_MSI};
	r->entries[1].u.msi.address_lo = 0xfee00000;
	r->entries[1].u.msi.data = 0x50;
	assert_int_equal(client_ioctl(c, c->vm, KVM_SET_GSI_ROUTING, r), 0);
	free(r);
	assert_int_equal(said(c, 0), 1);
	pthread_create(&t.id, NULL, thread_main, &t);
	usleep(20000);
	assert_false(t.out);
	wake(c);
	pthread_join(t.id, NULL);
	assert_int_equal(t.r, 0);
	assert_int_equal(c->run[0]->exit_reason, KVM_EXIT_IO);
	assert_int_equal(*(uint32_t *)((uint8_t *)c->run[0] + 4096), 2);
}

static void by_msi(struct client *c)
{
	struct kvm_msi m = {.address_lo = 0xfee00000, .data = 0x40};

	assert_int_equal(client_ioctl(c, c->vm, KVM_SIGNAL_MSI, &m), 1);
}

static void a_message_wakes_a_halted_vcpu(void **state)
{
	wakes_by(*state, by_msi);
}

static void by_line(struct client *c)
{
	struct kvm_irq_level l = {.irq = 5, .level = 1};

	assert_int_equal(client_ioctl(c, c->vm, KVM_IRQ_LINE_STATUS, &l), 0);
	assert_int_equal(l.status, 1);
}

static void a_line_wakes_a_halted_vcpu(void **state)
{
	wakes_by(*state, by_line);
}

static void by_irqfd(struct client *c)
{
	int fd = eventfd(0, EFD_CLOEXEC);
	struct kvm_irqfd a = {.fd = (uint32_t)fd, .gsi = 5};
	const uint64_t one = 1;

	assert_int_equal(client_ioctl(c, c->vm, KVM_IRQFD, &a), 0);
	assert_int_equal(write(fd, &one, sizeof(one)), sizeof(one));
	close(fd); /* KVM has its own hold of it */
}

static void an_eventfd_wakes_a_halted_vcpu(void **state)
{
	wakes_by(*state, by_irqfd);
}

static void by_nmi(struct client *c)
{
	/* The vCPU's own lock is held by its thread: NMI goes to it as a message. */
	struct kvm_msi m = {.address_lo = 0xfee00000, .data = 0x400};

	assert_int_equal(client_ioctl(c, c->vm, KVM_SIGNAL_MSI, &m), 1);
}

static void an_nmi_wakes_a_halted_vcpu(void **state)
{
	wakes_by(*state, by_nmi);
}

static void ipis(struct tdx_native_cpu *cpu)
{
	struct tdx_regs info = {.rax = TDG_VP_INFO};

	tdx_native_tdcall(cpu, &info);
	if (info.r9 == 1) {
		guest_call(cpu, TDVMCALL_HLT, 0, 0, 0, 0, NULL);
		guest_say(cpu, 2);
		return;
	}
	guest_say(cpu, 1);
	/* ICR: fixed, physical, vector 0x60, to id 1 */
	guest_call(cpu, TDVMCALL_WRMSR, 0x830, 1ull << 32 | 0x60, 0, 0, NULL);
	guest_say(cpu, 3);
}

static void vcpus_are_threads_that_interrupt_each_other(void **state)
{
	struct client *c = *state;
	struct thread t = {.c = c, .i = 1};

	program = ipis;
	client_launch(c, 2);
	pthread_create(&t.id, NULL, thread_main, &t);
	assert_int_equal(said(c, 0), 1);
	assert_int_equal(said(c, 0), 3);
	pthread_join(t.id, NULL);
	assert_int_equal(t.r, 0);
	assert_int_equal(*(uint32_t *)((uint8_t *)c->run[1] + 4096), 2);
}

static void deadline(struct tdx_native_cpu *cpu)
{
	uint64_t tsc = 0;
	struct tdx_regs r = {0};

	/* LVT timer: TSC deadline, vector 0x31; any deadline in the past is due now. */
	guest_call(cpu, TDVMCALL_WRMSR, 0x832, 2u << 17 | 0x31, 0, 0, NULL);
	guest_call(cpu, TDVMCALL_WRMSR, 0x6e0, tsc + 1, 0, 0, NULL);
	guest_call(cpu, TDVMCALL_HLT, 0, 0, 0, 0, NULL);
	guest_say(cpu, 9);
	(void)r;
}

static void the_timer_wakes_a_halted_vcpu(void **state)
{
	struct client *c = *state;

	program = deadline;
	client_launch(c, 1);
	assert_int_equal(said(c, 0), 9);
}

/* --- eventfds for writes --- */

static void notifies(struct tdx_native_cpu *cpu)
{
	guest_call(cpu, TDVMCALL_MMIO, 2, TDVMCALL_WRITE, CLIENT_SHARED | 0xe0000000, 3, NULL);
	guest_call(cpu, TDVMCALL_IO, 2, TDVMCALL_WRITE, 0xc010, 1, NULL);
	guest_call(cpu, TDVMCALL_IO, 2, TDVMCALL_WRITE, 0xc010, 2, NULL);
	guest_say(cpu, 1);
}

static uint64_t count_of(int fd)
{
	uint64_t n = 0;

	return read(fd, &n, sizeof(n)) == sizeof(n) ? n : 0;
}

static void a_write_that_an_eventfd_waits_for_does_not_exit(void **state)
{
	struct client *c = *state;
	int any = eventfd(0, EFD_NONBLOCK), two = eventfd(0, EFD_NONBLOCK);
	struct kvm_ioeventfd m = {.addr = 0xe0000000, .fd = any},
			     p = {.addr = 0xc010,
				  .len = 2,
				  .datamatch = 2,
				  .fd = two,
				  .flags = KVM_IOEVENTFD_PIO | KVM_IOEVENTFD_DATAMATCH};

	program = notifies;
	client_launch(c, 1);
	assert_int_equal(client_ioctl(c, c->vm, KVM_IOEVENTFD, &m), 0);
	assert_int_equal(client_ioctl(c, c->vm, KVM_IOEVENTFD, &p), 0);
	assert_int_equal(client_run(c, 0), 0);
	assert_int_equal(c->run[0]->exit_reason, KVM_EXIT_IO);
	assert_int_equal(c->run[0]->io.port, 0xc010);
	assert_int_equal(count_of(any), 1);
	assert_int_equal(count_of(two), 0);
	assert_int_equal(said(c, 0), 1);
	assert_int_equal(count_of(two), 1);
	close(any);
	close(two);
}

#define CASE(fn) cmocka_unit_test_setup_teardown(fn, client_setup, client_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(a_port_is_read),
		CASE(mmio_exits),
		CASE(hypercalls_are_kvms_and_its_clients),
		CASE(shared_memory_is_the_clients_own),
		CASE(what_the_client_discards_the_guest_reads_as_zero),
		CASE(private_pages_are_those_of_the_guest_memfd),
		CASE(a_hole_in_a_guest_memfd_takes_the_page_from_the_guest),
		CASE(guest_memfds_come_back_to_the_machine),
		CASE(access_of_the_wrong_kind_is_a_memory_fault),
		CASE(map_gpa_comes_in_chunks_and_ends_as_the_client_says),
		CASE(an_answer_kvm_does_not_know_is_einval),
		CASE(tdvmcalls_that_are_the_clients),
		CASE(a_fatal_error_is_a_system_event),
		CASE(cpuid_is_answered_from_the_clients_list),
		CASE(immediate_exit_comes_first),
		CASE(a_signal_ends_a_loop),
		CASE(a_signal_ends_a_halt),
		CASE(a_signal_ends_a_halt_with_interrupts_blocked),
		CASE(a_message_wakes_a_halted_vcpu),
		CASE(a_line_wakes_a_halted_vcpu),
		CASE(an_eventfd_wakes_a_halted_vcpu),
		CASE(an_nmi_wakes_a_halted_vcpu),
		CASE(vcpus_are_threads_that_interrupt_each_other),
		CASE(the_timer_wakes_a_halted_vcpu),
		CASE(a_write_that_an_eventfd_waits_for_does_not_exit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
