/* SPDX-License-Identifier: MIT */
/* A TD whose L1 VMM runs L2 VMs, on the monitor: their pages, the tables of their Secure EPTs, what
 * of their exits is the host's, and that nothing of it is left. */
#include "vmm_setup.h"

#include <pthread.h>

#include <swtdx/l2.h>

#include "arch/vmcs.h"
#include "arch/vmx.h"
#include "vmm/internal.h"

enum { STATE = 0x1000, VAPIC = 0x2000, FAR = 0x600000, DATA = 0x5000, UNACCEPTED = 0x9000 };
enum { HUGE_PAGE = 2 << 20, SHARED_PAGE = 0x7000, VM_STRIDE = 0x100, NO_MEMORY = 0x70000000 };
enum { EXITS = 128, INFO = 0x1234, PORT = 0x80, SOUND = 0x5a };

/* What the guest functions saw. */
struct seen {
	unsigned vms; /* that it has */
	unsigned exits[EXITS];
	unsigned routed, unaccepted, refused;
	uint64_t answer, called;
	bool shared, done, again, huge;
};

static void port_tdcall(const struct tdg_port *port, struct tdx_regs *r)
{
	tdx_native_tdcall(port->ctx, r);
}

static const struct tdg_port_ops ops = {.tdcall = port_tdcall};

#define must(call) assert_true(tdx_is_success(call))

/* --- a VM --- */

static void vm_code(struct tdx_native_cpu *cpu, void *arg)
{
	struct seen *seen = arg;
	struct tdx_regs r = {.rax = 1};
	uint64_t word = 0x5a5a;

	assert_true(tdx_native_exit(cpu, VMX_EXIT_CPUID, 0, 2, &r));
	seen->answer = r.rax;
	assert_true(tdx_native_write(cpu, gpa(DATA), &word, sizeof(word)));
	assert_true(tdx_native_write(cpu, gpa(FAR), &word, sizeof(word)));
	assert_true(tdx_native_write(cpu, gpa(UNACCEPTED), &word, sizeof(word)));
	/* past the L1 VMM, to the host */
	seen->called = guest_vmcall(cpu, TDVMCALL_GET_TD_VM_CALL_INFO, 0, 0, NULL);
	/* memory it was not lent, and none: its L1 VMM gives it #GP for either */
	seen->refused += !tdx_native_write(cpu, gpa(SHARED_PAGE | RIG_SHARED), &word, 8);
	seen->refused += !tdx_native_write(cpu, gpa(NO_MEMORY | RIG_SHARED), &word, 8);
	r = (struct tdx_regs){.rax = SOUND};
	assert_true(tdx_native_exit(cpu, VMX_EXIT_IO, (uint64_t)PORT << 16, 1, &r));
	for (unsigned i = 0; seen->huge && i < 3; i++) {
		assert_true(tdx_native_write(cpu, gpa(HUGE_PAGE + i * 0x1000), &word, 8));
		tdx_native_exit(cpu, VMX_EXIT_HLT, 0, 1, &r);
	}
}

/* --- its L1 VMM --- */

static void state_of(struct tdx_native_cpu *cpu, unsigned vm, struct tdx_l2_state *st)
{
	assert_true(tdx_native_read(cpu, gpa(STATE + vm * VM_STRIDE), st, sizeof(*st)));
}

static void set_state(struct tdx_native_cpu *cpu, unsigned vm, const struct tdx_l2_state *st)
{
	assert_true(tdx_native_write(cpu, gpa(STATE + vm * VM_STRIDE), st, sizeof(*st)));
}

/* The page the VM lacks; one that the TD itself has not taken yet is taken. */
static void give(const struct tdg_port *vcpu, unsigned vm, const struct tdg_l2_exit *e,
		 struct seen *seen)
{
	const gpa_t page = gpa(e->gpa_.v & ~0xfffull);

	if (e->ext_qualification) {
		seen->unaccepted++;
		must(tdg_mem_page_accept(vcpu, page, TDX_LEVEL_4K));
	}
	if (page.v >> 21 == HUGE_PAGE >> 21)
		must(tdg_l2_pages(vcpu, vm, gpa(HUGE_PAGE), TDX_SIZE_2M, TDG_L2_R | TDG_L2_W,
				  NULL));
	else
		must(tdg_l2_page(vcpu, vm, page, TDX_LEVEL_4K, TDG_L2_R | TDG_L2_W));
}

static void handle(struct tdx_native_cpu *cpu, const struct tdg_port *vcpu, unsigned vm,
		   const struct tdg_l2_exit *e, struct seen *seen)
{
	struct tdx_l2_state st;
	struct tdg_l2_io io;

	state_of(cpu, vm, &st);
	switch (e->reason) {
	case VMX_EXIT_CPUID:
		st.gpr.rax = INFO;
		must(tdg_l2_skip(vcpu, vm, &st, e));
		break;
	case VMX_EXIT_IO:
		tdg_l2_io(e, &io);
		assert_int_equal(io.port, PORT);
		assert_int_equal(io.size, 1);
		assert_false(io.in || io.string);
		assert_int_equal(tdg_l2_io_out(&st, &io), SOUND);
		must(tdg_l2_skip(vcpu, vm, &st, e));
		break;
	case VMX_EXIT_HLT:
		must(tdg_l2_skip(vcpu, vm, &st, e));
		break;
	case VMX_EXIT_EPT_VIOLATION:
		if (e->gpa_.v & RIG_SHARED)
			must(tdg_l2_inject(vcpu, vm, TDG_L2_EXCEPTION, 13, true, 0));
		else
			give(vcpu, vm, e, seen);
		break;
	default:
		fail_msg("exit %u", e->reason);
	}
	set_state(cpu, vm, &st);
}

static unsigned run_until_halt(struct tdx_native_cpu *cpu, const struct tdg_port *vcpu, unsigned vm,
			       struct seen *seen)
{
	struct tdg_l2_exit e;

	do {
		struct tdx_status s = tdg_vp_enter(vcpu, vm, TDG_L2_FLUSH_NOTHING,
						   gpa(STATE + vm * VM_STRIDE), &e);

		assert_true(tdg_l2_entered(s));
		assert_in_range(e.reason, 0, EXITS - 1);
		seen->routed += tdx_is(s, TDX_L2_EXIT_HOST_ROUTED_ASYNC);
		seen->exits[e.reason]++;
		handle(cpu, vcpu, vm, &e, seen);
	} while (e.reason != VMX_EXIT_HLT);
	return e.reason;
}

static void l1(struct tdx_native_cpu *cpu, void *arg)
{
	struct seen *seen = arg;
	const struct tdg_port vcpu = {&ops, cpu};
	const struct tdx_l2_state st = {.rflags = 2, .rip = 0x1000};

	for (uint64_t at = STATE; at <= DATA; at += TDX_PAGE_SIZE)
		must(tdg_mem_page_accept(&vcpu, gpa(at), TDX_LEVEL_4K));
	must(tdg_mem_page_accept(&vcpu, gpa(FAR), TDX_LEVEL_4K));
	if (seen->huge)
		must(tdg_mem_page_accept(&vcpu, gpa(HUGE_PAGE), TDX_LEVEL_2M));
	guest_vmcall(cpu, TDVMCALL_MAP_GPA, SHARED_PAGE | RIG_SHARED, 0x1000, NULL);
	for (unsigned vm = 1; vm <= seen->vms; vm++) {
		tdx_native_l2(cpu, vm, vm_code, seen);
		must(tdg_l2_vmcs_wr(&vcpu, vm, VMCS_VIRTUAL_APIC_ADDRESS, VAPIC, ~0xfffull));
		must(tdg_l2_set_ctls(&vcpu, vm, TDX_L2_CTLS_ENABLE_TDVMCALL));
		set_state(cpu, vm, &st);
		run_until_halt(cpu, &vcpu, vm, seen);
	}
	for (;;) {
		seen->done = true;
		guest_halt(cpu);
		for (unsigned vm = 1; vm <= seen->vms && seen->huge; vm++)
			run_until_halt(cpu, &vcpu, vm, seen);
		seen->again = true;
	}
}

static void check_seen(const struct seen *s)
{
	assert_true(s->done);
	assert_int_equal(s->answer, INFO);
	assert_int_equal(s->called, TDVMCALL_SUCCESS);
	assert_int_equal(s->exits[VMX_EXIT_CPUID], s->vms);
	assert_int_equal(s->exits[VMX_EXIT_IO], s->vms);
	assert_int_equal(s->exits[VMX_EXIT_HLT], s->vms);
	assert_int_equal(s->refused, 2 * s->vms);
	assert_int_equal(s->routed, 2 * s->vms);
	assert_int_equal(s->unaccepted, 1);
}

static void start(struct rig *r, const struct rig_options *o)
{
	rig_on(r, o);
	rig_vm(r, 1);
	assert_int_equal(rig_run(r, 0, -1), 0);
	check_seen(o->arg);
}

static void end(struct rig *r)
{
	rig_check_module(r);
	rig_destroy(r);
	rig_check_clean(r);
	rig_off(r);
}

static void l1_vmm_runs_its_vms_and_nothing_is_left(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		struct seen seen = {.vms = i % 3 + 1};
		const struct rig_options o = {
			.guest = l1, .arg = &seen, .l2_vms = seen.vms, .dynamic_pamt = i >= 3};
		struct rig r;

		start(&r, &o);
		/* three pages it was not given, and two it may not have */
		assert_int_equal(seen.exits[VMX_EXIT_EPT_VIOLATION], 5 * seen.vms);
		end(&r);
	}
}

/* Of Secure EPTs, in the module's hands. */
static uint64_t tables(struct rig *r)
{
	uint64_t count[16];

	tdx_model_pages(r->model, count);
	return count[TDX_PT_EPT];
}

static void large_page_is_split_and_merged_with_the_tables_of_the_vms(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		struct seen seen = {.vms = i % 2 + 1, .huge = true};
		const struct rig_options o = {.guest = l1,
					      .arg = &seen,
					      .l2_vms = seen.vms,
					      .huge = true,
					      .dynamic_pamt = i >= 2};
		uint64_t before;
		struct rig r;

		start(&r, &o);
		before = tables(&r);
		assert_int_equal(tdx_vm_demote(r.vm, gpa(HUGE_PAGE)), 0);
		rig_check_module(&r);
		assert_int_equal(tables(&r), before + 1 + seen.vms);
		assert_int_equal(rig_run(&r, 0, -1), 0);
		assert_true(seen.again);
		assert_int_equal(tdx_vm_promote(r.vm, gpa(HUGE_PAGE)), 0);
		rig_check_module(&r);
		assert_int_equal(tables(&r), before);
		assert_int_equal(rig_run(&r, 0, -1), 0);
		/* written once more, without another violation: the VMs still have it */
		assert_int_equal(seen.exits[VMX_EXIT_EPT_VIOLATION], 6 * seen.vms);
		end(&r);
	}
}

/* What the host takes away, the VMs have no more either: the L1 VMM accepts and gives again. */
static void page_taken_away_is_taken_from_the_vms(void **state)
{
	struct seen seen = {.vms = 2};
	const struct rig_options o = {.guest = l1, .arg = &seen, .l2_vms = 2};
	struct rig r;

	(void)state;
	start(&r, &o);
	assert_int_equal(tdx_vm_zap_private(r.vm, gpa(DATA), 0x1000), 0);
	assert_int_equal(tdx_vm_zap_private(r.vm, gpa(FAR & ~0x1fffffull), TDX_SIZE_2M), 0);
	end(&r);
}

/* By the host library's calls, of a TD that lives: a table and those of its VMs go and come back.
 */
static void tables_are_removed_and_added_by_single_calls(void **state)
{
	struct seen seen = {.vms = 2};
	const struct rig_options o = {.guest = l1, .arg = &seen, .l2_vms = 2, .debug = true};
	const gpa_t far = gpa(FAR & ~0x1fffffull);
	struct tdx_l2_tables t = {0};
	struct tdx_mem_result m;
	const struct tdx_cpu *cpu;
	uint16_t attributes[4];
	struct tdx_td td;
	uint64_t before;
	struct rig r;

	(void)state;
	start(&r, &o);
	cpu = tdx_cpu_of(r.cpu[0]);
	td = tdx_vm_td(r.vm);
	must(tdh_mem_sept_rd_l2(cpu, &td, gpa(DATA), TDX_LEVEL_4K, attributes, &m));
	for (unsigned vm = 1; vm < 4; vm++)
		assert_int_equal(attributes[vm] & TDG_L2_ALL, vm < 3 ? TDG_L2_R | TDG_L2_W : 0);
	assert_int_equal(tdx_vm_zap_private(r.vm, far, TDX_SIZE_2M), 0);
	before = tables(&r);
	must(tdh_mem_range_block(cpu, &td, far, TDX_LEVEL_2M, &m));
	must(tdh_mem_track(cpu, &td));
	must(tdh_mem_sept_remove_l2(cpu, &td, far, TDX_LEVEL_2M, &t, &m));
	assert_int_equal(tables(&r), before - 3);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(t.of[i].there, i < 3);
		if (i < 3)
			assert_int_equal(vm_clean_private_page(r.vm, &r.vmm->cpu[0], t.of[i].page.v,
							       TDX_LEVEL_4K),
					 0);
	}
	rig_check_module(&r);
	/* one after the other: the TD's own, then a VM's that is not there and one that is */
	t.of[2].there = false;
	must(tdh_mem_sept_add_l2(cpu, &td, far, TDX_LEVEL_2M, false, &t, &m));
	assert_false(t.of[0].there || t.of[1].there);
	t.of[2].there = true;
	must(tdh_mem_sept_add_l2(cpu, &td, far, TDX_LEVEL_2M, true, &t, &m));
	assert_false(t.of[2].there);
	assert_int_equal(tables(&r), before);
	end(&r);
}

/* --- several vCPUs --- */

enum { RACERS = 4, REGIONS = 12 };

/* Each has a page in each region, in whose table all meet. */
static gpa_t page_of(unsigned vcpu, unsigned region)
{
	return gpa((region + 1) * TDX_SIZE_2M + vcpu * TDX_PAGE_SIZE);
}

static void racing_vm(struct tdx_native_cpu *cpu, void *arg)
{
	const unsigned vcpu = guest_number(cpu);
	uint64_t word = vcpu;

	(void)arg;
	for (unsigned i = 0; i < REGIONS; i++)
		assert_true(tdx_native_write(cpu, page_of(vcpu, i), &word, sizeof(word)));
}

static void racing_l1(struct tdx_native_cpu *cpu, void *arg)
{
	const struct tdg_port vcpu = {&ops, cpu};
	const unsigned n = guest_number(cpu);
	const gpa_t own = gpa(STATE + n * 2 * TDX_PAGE_SIZE);
	const gpa_t apic = gpa(own.v + TDX_PAGE_SIZE);
	const struct tdx_l2_state st = {.rflags = 2, .rip = 0x1000};
	struct tdg_l2_exit e = {.reason = 0};
	struct tdx_status s;

	(void)arg;
	must(tdg_mem_page_accept(&vcpu, own, TDX_LEVEL_4K));
	must(tdg_mem_page_accept(&vcpu, apic, TDX_LEVEL_4K));
	assert_true(tdx_native_write(cpu, own, &st, sizeof(st)));
	tdx_native_l2(cpu, 1, racing_vm, NULL);
	must(tdg_l2_vmcs_wr(&vcpu, 1, VMCS_VIRTUAL_APIC_ADDRESS, apic.v, ~0xfffull));
	/* its number is the L1 VMM's to say: the VM asks the module directly */
	while (e.reason != VMX_EXIT_HLT) {
		assert_true(tdg_l2_entered(tdg_vp_enter(&vcpu, 1, TDG_L2_FLUSH_NOTHING, own, &e)));
		if (e.reason == VMX_EXIT_TDCALL) {
			struct tdx_l2_state now;

			assert_true(tdx_native_read(cpu, own, &now, sizeof(now)));
			now.gpr.r9 = n;
			must(tdg_l2_skip(&vcpu, 1, &now, &e));
			assert_true(tdx_native_write(cpu, own, &now, sizeof(now)));
		} else if (e.reason == VMX_EXIT_EPT_VIOLATION) {
			const gpa_t page = gpa(e.gpa_.v & ~0xfffull);

			if (e.ext_qualification)
				must(tdg_mem_page_accept(&vcpu, page, TDX_LEVEL_4K));
			do /* a lock that the host, or another vCPU, has */
				s = tdg_l2_page(&vcpu, 1, page, TDX_LEVEL_4K, TDG_L2_R | TDG_L2_W);
			while (tdx_is_busy(s));
			must(s);
		}
	}
	guest_halt(cpu);
}

struct racer {
	struct rig *r;
	unsigned vcpu;
	int err;
};

static void *race(void *arg)
{
	struct racer *a = arg;

	a->err = rig_run(a->r, a->vcpu, (int)a->vcpu);
	return NULL;
}

static void vcpus_share_the_tables_of_their_vms(void **state)
{
	const struct rig_options o = {.guest = racing_l1, .l2_vms = 1, .cpus = RACERS};
	struct racer racer[RACERS];
	pthread_t thread[RACERS];
	struct rig r;

	(void)state;
	rig_on(&r, &o);
	rig_vm(&r, RACERS);
	for (unsigned i = 0; i < RACERS; i++) {
		racer[i] = (struct racer){.r = &r, .vcpu = i};
		assert_int_equal(pthread_create(&thread[i], NULL, race, &racer[i]), 0);
	}
	for (unsigned i = 0; i < RACERS; i++) {
		pthread_join(thread[i], NULL);
		assert_int_equal(racer[i].err, 0);
	}
	/* the TD's own: three levels, and a table a region and for the first; the VM's below that
	 */
	assert_in_range(tables(&r), 2 * (2 + REGIONS), 2 * (3 + REGIONS));
	end(&r);
}

static void parameters_of_partitioning_are_checked(void **state)
{
	struct seen seen = {.vms = 1};
	const struct rig_options o = {.guest = l1, .arg = &seen, .l2_vms = 4};
	struct rig r;

	(void)state;
	rig_on(&r, &o);
	assert_int_equal(rig_try_vm(&r, 1), -EINVAL);
	rig_destroy(&r);
	r.l2_vms = 1;
	rig_vm(&r, 1);
	end(&r);
}

static void calls_with_wrong_words_are_not_made(void **state)
{
	const struct tdg_port none = {NULL, NULL};
	uint64_t value = 1;

	(void)state;
	assert_true(tdx_is(tdg_l2_vmcs_rd(&none, 0, VMCS_GUEST_CR3, &value), TDX_OPERAND_INVALID));
	assert_true(tdx_is(tdg_l2_vmcs_wr(&none, 4, VMCS_GUEST_CR3, 0, 0), TDX_OPERAND_INVALID));
	assert_true(tdx_is(tdg_l2_set_ctls(&none, 4, 0), TDX_OPERAND_INVALID));
	assert_true(tdx_is(tdg_l2_set_deadline(&none, 0, 0), TDX_OPERAND_INVALID));
	assert_true(
		tdx_is(tdg_l2_set_msr_exits(&none, 1, 0x2000, true, true), TDX_OPERAND_INVALID));
	assert_true(tdx_is(tdg_l2_page(&none, 1, gpa(0), TDX_LEVEL_4K, 0x10), TDX_OPERAND_INVALID));
	assert_true(tdx_is(tdg_l2_pages(&none, 1, gpa(1), 0x1000, 1, NULL), TDX_OPERAND_INVALID));
	assert_true(tdx_is(tdg_l2_pages(&none, 1, gpa(~0xfffull), 0x2000, 1, &value),
			   TDX_OPERAND_INVALID));
	assert_int_equal(value, 0);
}

static void exits_are_told_in_words(void **state)
{
	struct tdx_l2_state st = {.gpr.rax = 0x1122334455667788};
	struct tdg_l2_exit e = {.qualification = 0x3f8ull << 16 | 8 | 1};
	struct tdg_l2_io io;
	struct tdg_l2_cr cr;

	(void)state;
	tdg_l2_io(&e, &io);
	assert_int_equal(io.port, 0x3f8);
	assert_int_equal(io.size, 2);
	assert_true(io.in && !io.string && !io.rep);
	assert_int_equal(tdg_l2_io_out(&st, &io), 0x7788);
	tdg_l2_io_in(&st, &io, 0xabcdef);
	assert_int_equal(st.gpr.rax, 0x112233445566cdef);
	io.size = 4;
	tdg_l2_io_in(&st, &io, 0x89abcdef);
	assert_int_equal(st.gpr.rax, 0x89abcdef);
	e.qualification = 3 | 1 << 4 | 9 << 8;
	tdg_l2_cr(&e, &cr);
	assert_int_equal(cr.number, 3);
	assert_int_equal(cr.access, TDG_L2_CR_FROM);
	assert_int_equal(cr.reg, 9);
	e.qualification = 3ull << 4 | 0x21ull << 16;
	tdg_l2_cr(&e, &cr);
	assert_int_equal(cr.access, TDG_L2_LMSW);
	assert_int_equal(cr.source, 0x21);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(l1_vmm_runs_its_vms_and_nothing_is_left),
		cmocka_unit_test(large_page_is_split_and_merged_with_the_tables_of_the_vms),
		cmocka_unit_test(page_taken_away_is_taken_from_the_vms),
		cmocka_unit_test(tables_are_removed_and_added_by_single_calls),
		cmocka_unit_test(vcpus_share_the_tables_of_their_vms),
		cmocka_unit_test(parameters_of_partitioning_are_checked),
		cmocka_unit_test(calls_with_wrong_words_are_not_made),
		cmocka_unit_test(exits_are_told_in_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
