/* SPDX-License-Identifier: MIT */
/* The KVM_TDX_* commands and their neighbours by the book: what each refuses, with which errno, and
 * what the user can still do afterwards. */
#include "vmm_setup.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "vmm/internal.h"

enum { WATCHDOG = 240, MAX_CPUID = 256 };

static void halt(struct tdx_native_cpu *cpu, void *arg)
{
	(void)arg;
	guest_halt(cpu);
}

static const struct rig_options plain = {.guest = halt};
static const uint8_t page[4 * 4096];

/* A VM in the state after KVM_TDX_INIT_VM, with memory. */
static void initialized(struct rig *r, const struct rig_options *o)
{
	struct tdx_vm_params p;

	rig_on(r, o);
	p = rig_params(r);
	assert_int_equal(tdx_vm_new(r->vmm, &r->vm), 0);
	assert_int_equal(tdx_vm_init(r->vm, &p), 0);
	assert_int_equal(tdx_vm_set_memslot(r->vm, 0, gpa(0), RIG_RAM), 0);
}

static void end(struct rig *r)
{
	rig_destroy(r);
	rig_check_clean(r);
	rig_off(r);
}

static void capabilities_say_how_much_room_they_need(void **state)
{
	struct tdx_vm_cpuid cpuid[MAX_CPUID];
	uint64_t attributes, xfam;
	unsigned n = 1, all;
	struct rig r;

	(void)state;
	rig_on(&r, &plain);
	assert_int_equal(tdx_vm_new(r.vmm, &r.vm), 0);
	assert_int_equal(tdx_vm_capabilities(r.vm, &attributes, &xfam, cpuid, &n), -E2BIG);
	all = n;
	assert_true(all > 1 && all <= MAX_CPUID);
	assert_int_equal(tdx_vm_capabilities(r.vm, &attributes, &xfam, cpuid, &n), 0);
	assert_int_equal(n, all);
	assert_int_equal(attributes, tdx_vmm_info(r.vmm)->attributes_fixed0);
	assert_int_equal(xfam, tdx_vmm_info(r.vmm)->xfam_fixed0);
	tdx_vm_inhibit_apicv(r.vm);
	assert_int_equal(tdx_vm_capabilities(r.vm, &attributes, &xfam, cpuid, &n), -EIO);
	end(&r);
}

static void init_vm_refuses_what_no_td_can_be(void **state)
{
	const struct tdx_host_info *info;
	struct tdx_vm_params good, p;
	struct rig r;

	(void)state;
	rig_on(&r, &plain);
	info = tdx_vmm_info(r.vmm);
	good = rig_params(&r);
	assert_int_equal(tdx_vm_new(r.vmm, &r.vm), 0);
#define REFUSED(errno_, ...)                                                                       \
	do {                                                                                       \
		p = good;                                                                          \
		__VA_ARGS__;                                                                       \
		assert_int_equal(tdx_vm_init(r.vm, &p), -(errno_));                                \
		assert_int_equal(tdx_vm_state(r.vm), TDX_VM_UNINITIALIZED);                        \
	} while (0)
	REFUSED(EINVAL, p.attributes |= ~info->attributes_fixed0);
	REFUSED(EINVAL, p.xfam |= ~info->xfam_fixed0);
	REFUSED(EINVAL, p.xfam &= ~info->xfam_fixed1);
	REFUSED(EINVAL, p.max_vcpus = 0);
	REFUSED(EINVAL, p.max_vcpus = info->max_vcpus_per_td + 1);
	REFUSED(EINVAL, p.tsc_khz = 1000001);
	REFUSED(EINVAL, p.tsc_khz = 65536u * 25000u);
	REFUSED(EINVAL, p.ncpuid = 1; p.cpuid[0].leaf = 0x12345);
	REFUSED(E2BIG, p.ncpuid = 65);
	assert_int_equal(rig_calls(&r, TDH_MNG_CREATE), 0);
	/* How fast a TD's TSC may be is the module's to say. */
	REFUSED(EINVAL, p.tsc_khz = 75000);
	REFUSED(EINVAL, p.tsc_khz = 10025000);
	assert_int_equal(rig_calls(&r, TDH_MNG_CREATE), 2);
	assert_int_equal(tdx_vm_init(r.vm, &good), 0);
	assert_int_equal(tdx_vm_init(r.vm, &good), -EINVAL);
	end(&r);
}

/* Half of AVX-512: the monitor lets it pass, the module names the operand. */
static void init_vm_says_what_the_module_refused(void **state)
{
	struct tdx_vm_params p;
	struct tdx_vm_error e;
	struct rig r;

	(void)state;
	rig_on(&r, &plain);
	p = rig_params(&r);
	p.xfam = tdx_vmm_info(r.vmm)->xfam_fixed1 | 0x20;
	assert_int_equal(tdx_vm_new(r.vmm, &r.vm), 0);
	assert_int_equal(tdx_vm_init(r.vm, &p), -EINVAL);
	tdx_vm_error(r.vm, &e);
	assert_int_equal(e.leaf, TDH_MNG_INIT);
	assert_int_equal(e.status.raw, tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_XFAM).raw);
	assert_false(e.bugged);
	assert_int_equal(r.nlog, 0);
	/* Nothing is left of the attempt, and another may follow. */
	assert_int_equal(rig_memory(&r).used_pages, 0);
	p = rig_params(&r);
	assert_int_equal(tdx_vm_init(r.vm, &p), 0);
	end(&r);
}

static void keyids_run_out_and_come_back(void **state)
{
	struct tdx_vm *vm[64], *one_more;
	struct tdx_vm_params p;
	unsigned n = 0, pool;
	struct rig r;

	(void)state;
	rig_on(&r, &plain);
	p = rig_params(&r);
	pool = rig_memory(&r).free_hkids;
	assert_true(pool > 2 && pool < 64);
	for (; n < pool; n++) {
		assert_int_equal(tdx_vm_new(r.vmm, &vm[n]), 0);
		assert_int_equal(tdx_vm_init(vm[n], &p), 0);
		for (unsigned k = 0; k < n; k++)
			assert_int_not_equal(tdx_vm_td(vm[n]).hkid.v, tdx_vm_td(vm[k]).hkid.v);
	}
	assert_int_equal(tdx_vm_new(r.vmm, &one_more), 0);
	assert_int_equal(tdx_vm_init(one_more, &p), -ENOSPC);
	tdx_vm_destroy(vm[--n]);
	assert_int_equal(tdx_vm_init(one_more, &p), 0);
	tdx_vm_destroy(one_more);
	while (n)
		tdx_vm_destroy(vm[--n]);
	assert_int_equal(rig_memory(&r).free_hkids, pool);
	rig_check_clean(&r);
	rig_off(&r);
}

static void vcpus_come_between_init_and_finalize(void **state)
{
	struct tdx_vcpu *v, *w;
	struct tdx_vm_params p;
	struct tdx_run run;
	struct rig r;

	(void)state;
	rig_on(&r, &plain);
	p = rig_params(&r);
	assert_int_equal(tdx_vm_new(r.vmm, &r.vm), 0);
	assert_int_equal(tdx_vcpu_new(r.vm, 0, &v), -EIO);
	assert_int_equal(tdx_vm_finalize(r.vm), -EINVAL);
	assert_int_equal(tdx_vm_init(r.vm, &p), 0);
	assert_int_equal(tdx_vcpu_new(r.vm, 0, &v), 0);
	assert_int_equal(tdx_vcpu_new(r.vm, 0, &w), -EEXIST);
	assert_int_equal(tdx_vcpu_run(v, -1, &run), -EINVAL);
	tdx_vmm_fail_alloc(r.vmm, 1);
	assert_int_equal(tdx_vcpu_init(v, 0), -ENOMEM);
	assert_int_equal(tdx_vcpu_init(v, 0), 0);
	assert_int_equal(tdx_vcpu_init(v, 0), -EINVAL);
	assert_int_equal(tdx_vcpu_new(r.vm, 1, &w), 0);
	assert_int_equal(tdx_vcpu_run(v, -1, &run), -EINVAL);
	assert_int_equal(tdx_vm_finalize(r.vm), 0);
	assert_int_equal(tdx_vm_finalize(r.vm), -EINVAL);
	assert_int_equal(tdx_vcpu_init(w, 0), -EINVAL);
	assert_int_equal(tdx_vcpu_new(r.vm, 2, &w), -EIO);
	end(&r);
}

/* The user should have known: KVM does not expect it of the module. */
static void a_td_without_vcpus_is_bugged_by_finalizing_it(void **state)
{
	struct tdx_vm_error e;
	struct rig r;

	(void)state;
	initialized(&r, &plain);
	assert_int_equal(tdx_vm_finalize(r.vm), -EIO);
	tdx_vm_error(r.vm, &e);
	assert_int_equal(e.leaf, TDH_MR_FINALIZE);
	assert_true(tdx_is(e.status, TDX_NO_VCPUS));
	assert_int_equal(tdx_vm_state(r.vm), TDX_VM_DEAD);
	end(&r);
}

static int region(struct rig *r, uint64_t gpa_, uint64_t pages, uint64_t *left)
{
	struct tdx_vm_region region_ = {gpa(gpa_), pages, page};
	int err = tdx_vm_add_region(r->vm, &region_, true);

	*left = region_.pages;
	assert_int_equal(region_.gpa.v, gpa_ + (pages - region_.pages) * 4096);
	assert_ptr_equal(region_.source, page + (pages - region_.pages) * 4096);
	return err;
}

static void a_region_is_added_page_by_page_and_says_how_far_it_got(void **state)
{
	uint64_t left;
	struct rig r;

	(void)state;
	initialized(&r, &plain);
	assert_int_equal(region(&r, 0x800, 1, &left), -EINVAL);
	assert_int_equal(region(&r, 0, 0, &left), -EINVAL);
	assert_int_equal(region(&r, 0, 1ull << 52, &left), -EINVAL);
	assert_int_equal(region(&r, ~0ull << 12, 2, &left), -EINVAL);
	assert_int_equal(region(&r, RIG_SHARED, 1, &left), -EINVAL);
	assert_int_equal(region(&r, RIG_RAM, 1, &left), -EINVAL);
	assert_int_equal(region(&r, RIG_RAM - 4096, 2, &left), -EINVAL);
	assert_int_equal(rig_calls(&r, TDH_MEM_PAGE_ADD), 0);
	assert_int_equal(region(&r, 0x1000, 4, &left), 0);
	assert_int_equal(left, 0);
	/* A page that is there, one that is shared: the ones before are added, none after. */
	assert_int_equal(region(&r, 0, 3, &left), -EEXIST);
	assert_int_equal(left, 2);
	assert_int_equal(tdx_vm_set_private(r.vm, gpa(0x12000), 0x1000, false), 0);
	assert_int_equal(region(&r, 0x10000, 4, &left), -EINVAL);
	assert_int_equal(left, 2);
	assert_int_equal(tdx_vm_state(r.vm), TDX_VM_INITIALIZED);
	assert_int_equal(tdx_vcpu_new(r.vm, 0, &r.vcpu[0]), 0);
	assert_int_equal(tdx_vcpu_init(r.vcpu[0], 0), 0);
	assert_int_equal(tdx_vm_finalize(r.vm), 0);
	assert_int_equal(region(&r, 0x20000, 1, &left), -EINVAL);
	assert_int_equal(left, 1);
	end(&r);
}

static void cpuid_is_what_the_td_will_see_until_it_is_finalized(void **state)
{
	struct tdx_vm_cpuid cpuid[MAX_CPUID];
	unsigned n = 1, all;
	bool found = false;
	struct rig r;

	(void)state;
	initialized(&r, &plain);
	assert_int_equal(tdx_vcpu_new(r.vm, 0, &r.vcpu[0]), 0);
	assert_int_equal(tdx_vcpu_init(r.vcpu[0], 0), 0);
	assert_int_equal(tdx_vcpu_get_cpuid(r.vcpu[0], cpuid, &n), -E2BIG);
	all = n;
	assert_true(all > 1 && all <= MAX_CPUID);
	assert_int_equal(tdx_vcpu_get_cpuid(r.vcpu[0], cpuid, &n), 0);
	assert_int_equal(n, all);
	for (unsigned i = 0; i < n; i++)
		found |= cpuid[i].leaf == 0 && cpuid[i].value.ebx == 0x756e6547; /* "Genu" */
	assert_true(found);
	assert_int_equal(tdx_vm_finalize(r.vm), 0);
	assert_int_equal(tdx_vcpu_get_cpuid(r.vcpu[0], cpuid, &n), -EINVAL);
	end(&r);
}

static void before_it_runs_a_page_goes_without_tracking(void **state)
{
	uint64_t left;
	struct rig r;

	(void)state;
	initialized(&r, &plain);
	assert_int_equal(region(&r, 0x1000, 2, &left), 0);
	assert_int_equal(tdx_vm_set_private(r.vm, gpa(0x1000), 0x1000, false), 0);
	assert_int_equal(rig_calls(&r, TDH_MEM_RANGE_BLOCK), 1);
	assert_int_equal(rig_calls(&r, TDH_MEM_PAGE_REMOVE), 1);
	assert_int_equal(rig_calls(&r, TDH_MEM_TRACK), 0);
	end(&r);
}

static void shared_memory_has_nothing_of_who_had_it_before(void **state)
{
	uint8_t junk[4096], seen[4096], zero[4096] = {0};
	hpa_t pages[64];
	struct rig r;

	(void)state;
	initialized(&r, &plain);
	memset(junk, 0xa5, sizeof(junk));
	for (unsigned i = 0; i < 64; i++) {
		assert_int_equal(tdx_vmm_alloc(r.vmm, 1, &pages[i]), 0);
		tdx_vmm_write(r.vmm, pages[i], junk, sizeof(junk));
	}
	for (unsigned i = 0; i < 64; i++)
		tdx_vmm_dealloc(r.vmm, pages[i], 1);
	assert_int_equal(tdx_vm_set_private(r.vm, gpa(0), 0x20000, false), 0);
	for (unsigned i = 0; i < 32; i++) {
		assert_int_equal(tdx_vm_read_shared(r.vm, gpa(i * 0x1000), seen, sizeof(seen)), 0);
		assert_memory_equal(seen, zero, sizeof(seen));
	}
	assert_int_equal(tdx_vm_read_shared(r.vm, gpa(0x20000), seen, 1), -EFAULT);
	end(&r);
}

/* --- running --- */

static void touch_three(struct tdx_native_cpu *cpu, void *arg)
{
	uint64_t word = 1;

	(void)arg;
	guest_accept(cpu, 0x5000, TDX_LEVEL_4K);
	tdx_native_write(cpu, gpa(0x6000 | RIG_SHARED), &word, sizeof(word));
	guest_accept(cpu, RIG_RAM, TDX_LEVEL_4K);
	guest_halt(cpu);
}

static void memory_of_the_other_kind_is_the_users_to_decide(void **state)
{
	struct rig_options o = {.guest = touch_three};
	static const struct {
		uint64_t gpa;
		bool private_;
	} faults[] = {{0x5000, true}, {0x6000, false}, {RIG_RAM, true}};
	struct tdx_run run;
	struct rig r;

	(void)state;
	rig_on(&r, &o);
	rig_vm(&r, 1);
	assert_int_equal(tdx_vm_set_private(r.vm, gpa(0x5000), 0x1000, false), 0);
	for (unsigned i = 0; i < 3; i++) {
		/* As often as one asks. */
		for (unsigned k = 0; k < 2; k++) {
			assert_int_equal(tdx_vcpu_run(r.vcpu[0], -1, &run), 0);
			assert_int_equal(run.exit, TDX_EXIT_MEMORY_FAULT);
			assert_int_equal(run.memory_fault.gpa.v, faults[i].gpa);
			assert_int_equal(run.memory_fault.size, 0x1000);
			assert_int_equal(run.memory_fault.private_, faults[i].private_);
		}
		if (i < 2)
			assert_int_equal(tdx_vm_set_private(r.vm, gpa(faults[i].gpa), 0x1000,
							    faults[i].private_),
					 0);
		else /* no slot at all */
			assert_int_equal(tdx_vm_set_memslot(r.vm, 1, gpa(RIG_RAM), 0x1000), 0);
	}
	assert_int_equal(rig_run(&r, 0, -1), 0);
	end(&r);
}

static void touch_unaccepted(struct tdx_native_cpu *cpu, void *arg)
{
	uint64_t word;

	(void)arg;
	tdx_native_read(cpu, gpa(0x9000), &word, sizeof(word));
	guest_halt(cpu);
}

static void a_guest_that_does_not_accept_is_dead_and_the_line_says_where(void **state)
{
	struct rig_options o = {.guest = touch_unaccepted};
	struct tdx_vm_error e;
	struct tdx_run run;
	struct rig r;

	(void)state;
	rig_on(&r, &o);
	rig_vm(&r, 1);
	assert_int_equal(tdx_vcpu_run(r.vcpu[0], -1, &run), -EIO);
	assert_int_equal(tdx_vm_state(r.vm), TDX_VM_DEAD);
	assert_int_equal(r.nlog, 1);
	assert_non_null(strstr(r.log, "GPA 0x9000"));
	assert_null(strstr(r.log, "failed in")); /* no call did */
	tdx_vm_error(r.vm, &e);
	assert_true(e.bugged);
	assert_int_equal(e.status.raw, TDX_SUCCESS);
	end(&r);
}

/* With five levels the shared bit is 51, and slots reach up to it. */
static void accept_and_share_52(struct tdx_native_cpu *cpu, void *arg)
{
	uint64_t word = 0x1234;

	(void)arg;
	guest_accept(cpu, 0x5000, TDX_LEVEL_4K);
	guest_accept(cpu, 1ull << 50, TDX_LEVEL_4K);
	guest_vmcall(cpu, TDVMCALL_MAP_GPA, 0x6000 | 1ull << 51, 0x1000, NULL);
	tdx_native_write(cpu, gpa(0x6000 | 1ull << 51), &word, sizeof(word));
	guest_halt(cpu);
}

static void gpas_of_52_bits(void **state)
{
	struct rig_options o = {.guest = accept_and_share_52};
	struct tdx_vm_params p;
	uint64_t word = 0;
	struct rig r;

	(void)state;
	rig_on(&r, &o);
	p = rig_params(&r);
	p.gpaw52 = true;
	assert_int_equal(tdx_vm_new(r.vmm, &r.vm), 0);
	assert_int_equal(tdx_vm_init(r.vm, &p), 0);
	assert_int_equal(tdx_vm_shared_bit(r.vm).v, 1ull << 51);
	assert_int_equal(tdx_vm_set_memslot(r.vm, 0, gpa(0), RIG_RAM), 0);
	assert_int_equal(tdx_vm_set_memslot(r.vm, 1, gpa(1ull << 50), 0x1000), 0);
	assert_int_equal(tdx_vm_set_memslot(r.vm, 2, gpa(1ull << 51), 0x1000), -EINVAL);
	assert_int_equal(tdx_vm_set_memslot(r.vm, 2, gpa((1ull << 51) - 0x1000), 0x2000), -EINVAL);
	assert_int_equal(tdx_vcpu_new(r.vm, 0, &r.vcpu[0]), 0);
	assert_int_equal(tdx_vcpu_init(r.vcpu[0], 0), 0);
	assert_int_equal(tdx_vm_finalize(r.vm), 0);
	assert_int_equal(rig_run(&r, 0, -1), 0);
	assert_int_equal(tdx_vm_read_shared(r.vm, gpa(0x6000), &word, sizeof(word)), 0);
	assert_int_equal(word, 0x1234);
	end(&r);
}

/* Calls its host on and on. */
static void call_on_and_on(struct tdx_native_cpu *cpu, void *arg)
{
	_Atomic bool *stop = arg;

	guest_accept(cpu, 0x5000, TDX_LEVEL_4K);
	while (!atomic_load(stop))
		guest_vmcall(cpu, 54, 0, 0, NULL);
	guest_halt(cpu);
}

struct gate {
	struct rig *r;
	int err;
	uint64_t entered; /* while it was closed */
};

static void *run_thread(void *arg)
{
	struct gate *g = arg;

	g->err = rig_run(g->r, 0, 1);
	return NULL;
}

static void while_closed(void *arg)
{
	struct gate *g = arg;
	uint64_t before = rig_calls(g->r, TDH_VP_ENTER);

	usleep(20000);
	g->entered = rig_calls(g->r, TDH_VP_ENTER) - before;
}

/* A removal that is tried a second time keeps the vCPUs out (KVM: wait_for_sept_zap). */
static void a_closed_gate_is_not_passed(void **state)
{
	_Atomic bool stop = false;
	struct rig_options o = {.guest = call_on_and_on, .arg = &stop};
	struct gate g = {.entered = ~0ull};
	struct tdx_fault f = {.kind = TDX_FAULT_STOP,
			      .leaf = TDH_MEM_RANGE_BLOCK,
			      .cpu = -1,
			      .times = 1,
			      .stop = while_closed,
			      .arg = &g};
	pthread_t t;
	struct rig r;

	(void)state;
	alarm(WATCHDOG);
	rig_on(&r, &o);
	rig_vm(&r, 1);
	g.r = &r;
	rig_fail(&r, TDH_MEM_RANGE_BLOCK, 1, 1, TDX_OPERAND_BUSY | TDX_OPERAND_ID_RCX);
	tdx_model_inject(r.model, &f); /* the call after the one refused */
	pthread_create(&t, NULL, run_thread, &g);
	while (rig_calls(&r, TDH_VP_ENTER) < 100)
		sched_yield();
	assert_int_equal(tdx_vm_set_private(r.vm, gpa(0x5000), 0x1000, false), 0);
	atomic_store(&stop, true);
	pthread_join(t, NULL);
	assert_int_equal(g.err, 0);
	assert_int_equal(g.entered, 0);
	tdx_model_clear_faults(r.model);
	end(&r);
	alarm(0);
}

/* Runs without ever leaving by itself. */
static void spin(struct tdx_native_cpu *cpu, void *arg)
{
	_Atomic bool *stop = arg;

	while (!atomic_load(stop))
		tdx_native_poll(cpu);
	guest_halt(cpu);
}

static void *run_to_a_kick(void *arg)
{
	struct gate *g = arg;
	struct tdx_run run;

	g->err = tdx_vcpu_run(g->r->vcpu[0], -1, &run);
	g->entered = run.exit;
	return NULL;
}

static void a_kick_brings_a_vcpu_out_of_the_guest(void **state)
{
	_Atomic bool stop = false;
	struct rig_options o = {.guest = spin, .arg = &stop};
	struct gate g = {0};
	pthread_t t;
	struct rig r;

	(void)state;
	alarm(WATCHDOG);
	rig_on(&r, &o);
	rig_vm(&r, 1);
	g.r = &r;
	pthread_create(&t, NULL, run_to_a_kick, &g);
	while (!atomic_load(&r.vcpu[0]->in_guest))
		sched_yield();
	tdx_vcpu_kick(r.vcpu[0]);
	pthread_join(t, NULL);
	assert_int_equal(g.err, 0);
	assert_int_equal(g.entered, TDX_EXIT_INTR);
	atomic_store(&stop, true);
	assert_int_equal(rig_run(&r, 0, -1), 0);
	end(&r);
	alarm(0);
}

/* A kick comes between the look at it and the processor: that is taken, so the vCPU waits. */
static void a_kick_before_the_processor_is_free_is_not_lost(void **state)
{
	_Atomic bool stop = false;
	struct rig_options o = {.guest = spin, .arg = &stop, .cpus = 1};
	struct gate g = {0};
	struct vmm_cpu *c;
	pthread_t t;
	struct rig r;

	(void)state;
	alarm(WATCHDOG);
	rig_on(&r, &o);
	rig_vm(&r, 1);
	g.r = &r;
	c = &r.vmm->cpu[0];
	pthread_mutex_lock(&c->lock);
	pthread_create(&t, NULL, run_to_a_kick, &g);
	while (!atomic_load(&c->waiting))
		sched_yield();
	tdx_vcpu_kick(r.vcpu[0]);
	pthread_mutex_unlock(&c->lock);
	pthread_join(t, NULL);
	assert_int_equal(g.err, 0);
	assert_int_equal(g.entered, TDX_EXIT_INTR);
	assert_int_equal(rig_calls(&r, TDH_VP_ENTER), 0);
	end(&r);
	alarm(0);
}

static void share_and_halt(struct tdx_native_cpu *cpu, void *arg)
{
	uint64_t word = 1;

	(void)arg;
	guest_vmcall(cpu, TDVMCALL_MAP_GPA, 0x6000 | RIG_SHARED, 0x1000, NULL);
	for (;;) {
		tdx_native_write(cpu, gpa(0x6000 | RIG_SHARED), &word, sizeof(word));
		guest_halt(cpu);
	}
}

/* Shared translations that went are forgotten by the processor before it enters again; no others.
 */
static void a_zap_of_shared_memory_flushes_once(void **state)
{
	struct rig_options o = {.guest = share_and_halt};
	uint64_t generation;
	struct rig r;

	(void)state;
	rig_on(&r, &o);
	rig_vm(&r, 1);
	assert_int_equal(rig_run(&r, 0, 0), 0);
	assert_int_equal(rig_run(&r, 0, 0), 0);
	generation = atomic_load(&r.model->sys->m->lp[0].tlb_generation);
	assert_int_equal(rig_run(&r, 0, 0), 0);
	assert_int_equal(atomic_load(&r.model->sys->m->lp[0].tlb_generation), generation);
	assert_int_equal(tdx_vm_zap_shared(r.vm, gpa(0), RIG_RAM), 0);
	assert_int_equal(rig_run(&r, 0, 0), 0);
	assert_int_equal(atomic_load(&r.model->sys->m->lp[0].tlb_generation), generation + 1);
	end(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(capabilities_say_how_much_room_they_need),
		cmocka_unit_test(init_vm_refuses_what_no_td_can_be),
		cmocka_unit_test(init_vm_says_what_the_module_refused),
		cmocka_unit_test(keyids_run_out_and_come_back),
		cmocka_unit_test(vcpus_come_between_init_and_finalize),
		cmocka_unit_test(a_td_without_vcpus_is_bugged_by_finalizing_it),
		cmocka_unit_test(a_region_is_added_page_by_page_and_says_how_far_it_got),
		cmocka_unit_test(cpuid_is_what_the_td_will_see_until_it_is_finalized),
		cmocka_unit_test(before_it_runs_a_page_goes_without_tracking),
		cmocka_unit_test(shared_memory_has_nothing_of_who_had_it_before),
		cmocka_unit_test(memory_of_the_other_kind_is_the_users_to_decide),
		cmocka_unit_test(a_guest_that_does_not_accept_is_dead_and_the_line_says_where),
		cmocka_unit_test(gpas_of_52_bits),
		cmocka_unit_test(a_closed_gate_is_not_passed),
		cmocka_unit_test(a_kick_brings_a_vcpu_out_of_the_guest),
		cmocka_unit_test(a_kick_before_the_processor_is_free_is_not_lost),
		cmocka_unit_test(a_zap_of_shared_memory_flushes_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
