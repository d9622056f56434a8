/* SPDX-License-Identifier: MIT */
/* KVM's hypercalls from a TD, by TDG.VP.VMCALL with R10 not 0: what each answers, whom it wakes,
 * what is the user's, and that no register but R10 changes. */
#include "vmm_setup.h"

#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "abi/kvm_call.h"
#include "vmm/lapic.h"

enum { CALLS = 32, VECTOR = 0x51 };
#define SHARED_PAGE 0x8000ull

/* A guest's calls, in order, by vCPU 0, and what came back. */
struct script {
	unsigned n;
	struct script_call {
		uint64_t nr, a[4];
	} call[CALLS];
	uint64_t r10[CALLS];
	bool same[CALLS]; /* R11 to R15, RBX, RSI, RDI and R8 as before */
	struct kvm_call_clock clock;
	bool halts, reads_clock;
	_Atomic unsigned halted[4]; /* by vCPU: HLTs that are over */
};

static uint64_t refused(unsigned error)
{
	return -(uint64_t)error;
}

static void call(struct tdx_native_cpu *cpu, struct script *s, unsigned i)
{
	const struct script_call *c = &s->call[i];
	struct tdx_regs before = {.rax = TDG_VP_VMCALL,
				  .rcx = TDVMCALL_EXPOSE_LINUX,
				  .rbx = 21,
				  .rsi = 22,
				  .rdi = 23,
				  .r8 = 24,
				  .r9 = 25,
				  .rdx = 26,
				  .r10 = c->nr,
				  .r11 = c->a[0],
				  .r12 = c->a[1],
				  .r13 = c->a[2],
				  .r14 = c->a[3],
				  .r15 = 27};
	struct tdx_regs r = before;

	tdx_native_tdcall(cpu, &r);
	s->r10[i] = r.r10;
	r.r10 = before.r10;
	r.rax = before.rax;
	s->same[i] = memcmp(&r, &before, sizeof(r)) == 0;
}

static void done(struct tdx_native_cpu *cpu)
{
	for (;;)
		guest_vmcall(cpu, TDVMCALL_IO, 1, TDVMCALL_WRITE, NULL);
}

/* vCPU 0 calls; the others say that they are ready, and halt once. */
static void guest(struct tdx_native_cpu *cpu, void *arg)
{
	struct script *s = arg;
	const unsigned me = guest_number(cpu);

	if (me) {
		guest_vmcall(cpu, TDVMCALL_IO, 1, TDVMCALL_WRITE, NULL); /* ready */
		guest_vmcall(cpu, TDVMCALL_HLT, 0, 0, NULL);
		atomic_fetch_add(&s->halted[me], 1);
		done(cpu);
	}
	if (s->reads_clock)
		guest_vmcall(cpu, TDVMCALL_MAP_GPA, SHARED_PAGE | RIG_SHARED, 0x1000, NULL);
	for (unsigned i = 0; i < s->n; i++)
		call(cpu, s, i);
	if (s->reads_clock)
		tdx_native_read(cpu, gpa(SHARED_PAGE | RIG_SHARED), &s->clock, sizeof(s->clock));
	if (s->halts) {
		guest_halt(cpu);
		atomic_fetch_add(&s->halted[0], 1);
	}
	done(cpu);
}

static void power_on(struct rig *r, struct script *s, unsigned vcpus)
{
	struct rig_options o = {.irqchip = true, .kvm_calls = true, .guest = guest, .arg = s};

	rig_on(r, &o);
	rig_vm(r, vcpus);
}

static void power_off(struct rig *r)
{
	rig_destroy(r);
	rig_check_clean(r);
	rig_off(r);
}

static void run_until_done(struct rig *r, unsigned vcpu)
{
	struct tdx_run run = {0};

	do {
		assert_int_equal(tdx_vcpu_run(r->vcpu[vcpu], -1, &run), 0);
		assert_int_not_equal(run.exit, TDX_EXIT_HLT);
		assert_int_not_equal(run.exit, TDX_EXIT_INTERNAL_ERROR);
	} while (run.exit != TDX_EXIT_IO);
}

static void nothing_else_changed(const struct script *s)
{
	for (unsigned i = 0; i < s->n; i++)
		assert_true(s->same[i]);
}

/* --- what each answers --- */

static void calls_answer_as_kvm_does(void **state)
{
	static struct script s;
	static const struct {
		struct script_call c;
		int64_t want;
	} row[] = {
		{{1, {0}}, 0},					       /* VAPIC_POLL_IRQ */
		{{2, {0}}, -KVM_CALL_ENOSYS},			       /* MMU_OP, gone */
		{{3, {0}}, -KVM_CALL_ENOSYS},			       /* FEATURES: PowerPC's */
		{{5, {0, 0}}, 0},				       /* KICK_CPU: itself */
		{{5, {0, 77}}, 0},				       /* nobody */
		{{9, {SHARED_PAGE, 1}}, -KVM_CALL_EOPNOTSUPP},	       /* no such clock */
		{{9, {SHARED_PAGE, 0}}, -KVM_CALL_EOPNOTSUPP},	       /* no time of day here */
		{{10, {0, 0, 0, VECTOR}}, 0},			       /* SEND_IPI to none */
		{{10, {~0ull, ~0ull, 2, VECTOR}}, 0},		       /* past the last */
		{{10, {~0ull, ~0ull, ~0u, VECTOR}}, 0},		       /* and past that */
		{{10, {1, 0, 0, VECTOR | 1 << 11}}, -KVM_CALL_EINVAL}, /* logical */
		{{10, {1, 0, 0, VECTOR | 2 << 18}}, -KVM_CALL_EINVAL}, /* shorthand */
		{{10, {3, 0, 0, VECTOR | 1 << 15}}, 0},		       /* a level taken back */
		{{10, {3, 0, 0, VECTOR | 1 << 15 | 1 << 14}}, 2},      /* and one asserted */
		{{10, {3, 0, 0, VECTOR | 1 << 8}}, 2},		       /* lowest priority */
		{{10, {2, 0, 0, 5 << 8 | 1 << 15}}, 0},		       /* INIT taken back */
		{{10, {1, 0, 1, VECTOR}}, 1},			       /* from the second on */
		{{10, {0, 1, 0, VECTOR}}, 0},			       /* the 65th of two */
		{{10, {3, 0, 0, 7 << 8}}, 0},			       /* ExtINT */
		{{10, {3, 0, 0, 6 << 8 | 1}}, 2},    /* SIPI: taken, and a TD does not see it */
		{{10, {1, 0, 0, 4 << 8}}, 1},	     /* NMI, to itself */
		{{11, {1}}, 0},			     /* SCHED_YIELD */
		{{12, {1, 1, 0}}, -KVM_CALL_EINVAL}, /* MAP_GPA_RANGE: not a page */
		{{12, {0, 0, 0}}, -KVM_CALL_EINVAL}, /* no pages */
		{{12, {0x1000, ~0ull, 0}}, -KVM_CALL_EINVAL},
		{{13, {0}}, -KVM_CALL_ENOSYS},
		{{~0ull, {0}}, -KVM_CALL_ENOSYS},
	};
	struct rig r;

	(void)state;
	memset(&s, 0, sizeof(s));
	for (unsigned i = 0; i < sizeof(row) / sizeof(row[0]); i++)
		s.call[s.n++] = row[i].c;
	power_on(&r, &s, 2);
	run_until_done(&r, 0);
	for (unsigned i = 0; i < s.n; i++)
		if (s.r10[i] != (uint64_t)row[i].want)
			fail_msg("call %llu (row %u): %lld, not %lld",
				 (unsigned long long)row[i].c.nr, i, (long long)s.r10[i],
				 (long long)row[i].want);
	nothing_else_changed(&s);
	power_off(&r);
}

static void without_them_a_vendors_call_is_unsupported(void **state)
{
	static struct script s;
	struct rig_options o = {.irqchip = true, .guest = guest, .arg = &s};
	struct rig r;

	(void)state;
	memset(&s, 0, sizeof(s));
	s.call[s.n++] = (struct script_call){1, {0}};
	rig_on(&r, &o);
	rig_vm(&r, 1);
	run_until_done(&r, 0);
	assert_int_equal(s.r10[0], TDVMCALL_SUBFUNC_UNSUPPORTED);
	power_off(&r);
}

static void they_need_local_apics(void **state)
{
	struct rig_options o = {.kvm_calls = true};
	struct rig r;

	(void)state;
	rig_on(&r, &o);
	assert_int_equal(rig_try_vm(&r, 1), -EINVAL);
	rig_off(&r);
}

/* --- whom they wake --- */

static void *runs_1(void *arg)
{
	run_until_done(arg, 1);
	return NULL;
}

static void wakes(uint64_t nr, const uint64_t a[4])
{
	static struct script s;
	pthread_t thread;
	struct rig r;

	memset(&s, 0, sizeof(s));
	s.n = 1;
	s.call[0].nr = nr;
	memcpy(s.call[0].a, a, sizeof(s.call[0].a));
	power_on(&r, &s, 2);
	run_until_done(&r, 1);
	assert_int_equal(pthread_create(&thread, NULL, runs_1, &r), 0);
	run_until_done(&r, 0);
	pthread_join(thread, NULL); /* or the test hangs */
	assert_int_equal(s.halted[1], 1);
	power_off(&r);
}

static void a_kick_wakes_whom_it_names(void **state)
{
	(void)state;
	wakes(KVM_CALL_KICK_CPU, (const uint64_t[4]){0, 1, 0, 0});
}

/* KVM's way to say the same by an IPI. */
static void an_ipi_of_mode_3_wakes_too(void **state)
{
	(void)state;
	wakes(KVM_CALL_SEND_IPI, (const uint64_t[4]){2, 0, 0, 3 << 8});
}

static void an_ipi_reaches_each_of_its_bits(void **state)
{
	static struct script s;
	struct rig r;

	(void)state;
	memset(&s, 0, sizeof(s));
	s.call[s.n++] = (struct script_call){KVM_CALL_SEND_IPI, {0xb, 0, 0, VECTOR}};
	power_on(&r, &s, 4);
	for (unsigned i = 1; i < 4; i++)
		run_until_done(&r, i);
	run_until_done(&r, 0);
	assert_int_equal(s.r10[0], 3);
	run_until_done(&r, 1);
	run_until_done(&r, 3);
	assert_false(lapic_pending(r.vcpu[2]->lapic)); /* it would sleep */
	power_off(&r);
}

/* Kicked while it runs: the next HLT is over at once. */
static void a_kick_before_hlt_is_not_lost(void **state)
{
	static struct script s;
	struct rig r;

	(void)state;
	memset(&s, 0, sizeof(s));
	s.halts = true;
	s.call[s.n++] = (struct script_call){KVM_CALL_KICK_CPU, {0, 0}};
	power_on(&r, &s, 1);
	run_until_done(&r, 0);
	assert_int_equal(s.halted[0], 1);
	power_off(&r);
}

/* --- the time of day --- */

static void a_clock_is_paired_with_the_tds_tsc(void **state)
{
	static struct script s;
	struct rig_options o = {
		.irqchip = true, .kvm_calls = true, .wall_clock = true, .guest = guest, .arg = &s};
	struct timespec before, after;
	uint64_t tsc;
	struct rig r;

	(void)state;
	memset(&s, 0, sizeof(s));
	s.reads_clock = true;
	s.call[s.n++] = (struct script_call){KVM_CALL_CLOCK_PAIRING, {SHARED_PAGE, 0}};
	s.call[s.n++] = (struct script_call){KVM_CALL_CLOCK_PAIRING, {1ull << 46, 0}};
	/* with the shared bit it is no memory of KVM's */
	s.call[s.n++] = (struct script_call){KVM_CALL_CLOCK_PAIRING, {SHARED_PAGE | RIG_SHARED, 0}};
	/* private: written, and not seen */
	s.call[s.n++] = (struct script_call){KVM_CALL_CLOCK_PAIRING, {0, 0}};
	s.call[s.n++] = (struct script_call){KVM_CALL_CLOCK_PAIRING, {SHARED_PAGE, 1}};
	rig_on(&r, &o);
	rig_vm(&r, 1);
	clock_gettime(CLOCK_REALTIME, &before);
	run_until_done(&r, 0);
	clock_gettime(CLOCK_REALTIME, &after);
	tsc = tdx_vmm_tsc(r.vmm);
	assert_int_equal(s.r10[0], 0);
	assert_int_equal(s.r10[1], refused(KVM_CALL_EFAULT));
	assert_int_equal(s.r10[2], refused(KVM_CALL_EFAULT));
	assert_int_equal(s.r10[3], 0);
	assert_int_equal(s.r10[4], refused(KVM_CALL_EOPNOTSUPP));
	assert_in_range(s.clock.sec, before.tv_sec, after.tv_sec);
	assert_in_range(s.clock.nsec, 0, 999999999);
	assert_int_equal(s.clock.flags, 0);
	/* The TD's began at 0 when it was made. */
	assert_in_range(s.clock.tsc, 1, tsc);
	nothing_else_changed(&s);
	power_off(&r);
}

/* --- the user's --- */

static void a_conversion_is_the_users(void **state)
{
	static struct script s;
	struct tdx_run run = {0};
	struct rig r;

	(void)state;
	memset(&s, 0, sizeof(s));
	s.call[s.n++] = (struct script_call){KVM_CALL_MAP_GPA_RANGE, {SHARED_PAGE, 2, 0}};
	s.call[s.n++] = (struct script_call){KVM_CALL_MAP_GPA_RANGE, {SHARED_PAGE, 1, 0x10}};
	s.call[s.n++] = (struct script_call){KVM_CALL_MAP_GPA_RANGE, {SHARED_PAGE, 1, 0x10}};
	s.call[s.n++] = (struct script_call){KVM_CALL_MAP_GPA_RANGE, {1ull << 50, 1, 0}};
	s.call[s.n++] = (struct script_call){KVM_CALL_MAP_GPA_RANGE, {SHARED_PAGE, 1, 0}};
	power_on(&r, &s, 1);

	assert_int_equal(tdx_vcpu_run(r.vcpu[0], -1, &run), 0);
	assert_int_equal(run.exit, TDX_EXIT_HYPERCALL);
	assert_int_equal(run.hypercall.nr, 12);
	assert_int_equal(run.hypercall.arg[0], SHARED_PAGE);
	assert_int_equal(run.hypercall.arg[1], 2);
	assert_int_equal(run.hypercall.arg[2], 0);
	assert_int_equal(run.hypercall.ret, 0);
	/* Whatever is in the user's copy now, the operands are the guest's. */
	run.hypercall.arg[0] = 0;
	assert_int_equal(tdx_vcpu_run(r.vcpu[0], -1, &run), 0);
	assert_int_equal(s.r10[0], 0);
	assert_int_equal(tdx_vm_write_shared(r.vm, gpa(SHARED_PAGE + 0x1000), "x", 1), 0);
	assert_int_equal(tdx_vm_write_shared(r.vm, gpa(0), "x", 1), -EFAULT);

	assert_int_equal(run.exit, TDX_EXIT_HYPERCALL);
	assert_int_equal(run.hypercall.arg[2], 0x10);
	run.hypercall.ret = refused(KVM_CALL_EINVAL); /* refused */
	assert_int_equal(tdx_vcpu_run(r.vcpu[0], -1, &run), 0);
	assert_int_equal(s.r10[1], refused(KVM_CALL_EINVAL));
	assert_int_equal(tdx_vm_write_shared(r.vm, gpa(SHARED_PAGE), "x", 1), 0);

	run.hypercall.done = true; /* so it says */
	assert_int_equal(tdx_vcpu_run(r.vcpu[0], -1, &run), 0);
	assert_int_equal(s.r10[2], 0);
	assert_int_equal(tdx_vm_write_shared(r.vm, gpa(SHARED_PAGE), "x", 1), 0);

	assert_int_equal(run.exit, TDX_EXIT_HYPERCALL); /* where there is no memory */
	tdx_vm_offer_map_gpa(r.vm, false);
	assert_int_equal(tdx_vcpu_run(r.vcpu[0], -1, &run), 0);
	assert_int_equal(s.r10[3], refused(KVM_CALL_EINVAL));
	assert_int_equal(run.exit, TDX_EXIT_IO);
	assert_int_equal(s.r10[4], refused(KVM_CALL_ENOSYS));
	nothing_else_changed(&s);
	power_off(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calls_answer_as_kvm_does),
		cmocka_unit_test(without_them_a_vendors_call_is_unsupported),
		cmocka_unit_test(they_need_local_apics),
		cmocka_unit_test(a_kick_wakes_whom_it_names),
		cmocka_unit_test(an_ipi_of_mode_3_wakes_too),
		cmocka_unit_test(an_ipi_reaches_each_of_its_bits),
		cmocka_unit_test(a_kick_before_hlt_is_not_lost),
		cmocka_unit_test(a_clock_is_paired_with_the_tds_tsc),
		cmocka_unit_test(a_conversion_is_the_users),
	};

	alarm(300); /* who is not woken hangs */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
