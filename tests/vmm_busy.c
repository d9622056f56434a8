/* SPDX-License-Identifier: MIT */
/* A module that is busy: where it says so, what the monitor does about it, and that nobody waits
 * for ever. */
#include "vmm_setup.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

#include "vmm/external.h"
#include "vmm_holder.h"

enum { WATCHDOG = 240 }; /* seconds; a hang is a failure, not a wait */

/* vCPU n accepts its own pages of its own 2M. */
static void accept_own(struct tdx_native_cpu *cpu, void *arg)
{
	uint64_t base = (1 + guest_number(cpu)) * TDX_SIZE_2M;

	(void)arg;
	for (unsigned i = 0; i < 512; i++)
		if (!tdx_is_success(guest_accept(cpu, base + i * 0x1000ull, TDX_LEVEL_4K)))
			break;
	guest_halt(cpu);
}

/* Accepts one page again and again. */
static void accept_one(struct tdx_native_cpu *cpu, void *arg)
{
	_Atomic bool *stop = arg;

	while (!atomic_load(stop))
		guest_accept(cpu, 0x200000, TDX_LEVEL_4K);
	guest_halt(cpu);
}

static void touch(struct tdx_native_cpu *cpu, void *arg)
{
	uint64_t word = 1;

	(void)arg;
	guest_accept(cpu, 0x5000, TDX_LEVEL_4K);
	tdx_native_write(cpu, gpa(0x5000), &word, sizeof(word));
	guest_halt(cpu);
}

static const struct rig_options touching = {.guest = touch, .cpus = 2};

static void block_page_0(struct holder *h)
{
	struct tdx_td td = tdx_vm_td(h->r->vm);

	(void)!tdh_mem_range_block(tdx_cpu_of(h->r->cpu[1]), &td, gpa(0), TDX_LEVEL_4K, NULL).raw;
}

static void flush_done(struct holder *h)
{
	struct tdx_td td = tdx_vm_td(h->r->vm);

	(void)!tdh_mng_vpflushdone(tdx_cpu_of(h->r->cpu[1]), &td).raw;
}

static void S2_01_calls_on_a_taken_lock_come_back_busy(void **state)
{
	struct tdx_vp vp;
	struct tdx_td td;
	struct holder h;
	struct rig r;
	hpa_t page;

	(void)state;
	alarm(WATCHDOG);
	rig_on(&r, &touching);
	rig_vm(&r, 1);
	td = tdx_vm_td(r.vm);
	vp = tdx_vcpu_vp(r.vcpu[0]);
	assert_int_equal(tdx_vmm_alloc(r.vmm, 1, &page), 0);
	hold(&h, &r, LOCK_PAMT_4K, flush_done); /* the TDR */
#define BUSY(call) assert_true(tdx_is_busy(call))
	BUSY(tdh_mng_key_freeid(tdx_cpu_of(r.cpu[0]), &td));
	BUSY(tdh_mr_finalize(tdx_cpu_of(r.cpu[0]), &td));
	BUSY(tdh_mng_rd(tdx_cpu_of(r.cpu[0]), &td, 0x9110000300000000, NULL));
	BUSY(tdh_vp_create(tdx_cpu_of(r.cpu[0]), &td, &(struct tdx_vp){page}));
	BUSY(tdh_vp_flush(tdx_cpu_of(r.cpu[0]), &vp));
	BUSY(tdh_mem_sept_add(tdx_cpu_of(r.cpu[0]), &td, gpa(0x40000000), TDX_LEVEL_1G, page,
			      NULL));
	BUSY(tdh_mem_page_aug(tdx_cpu_of(r.cpu[0]), &td, gpa(0x7000), TDX_LEVEL_4K, page, NULL));
	BUSY(tdh_mem_range_block(tdx_cpu_of(r.cpu[0]), &td, gpa(0), TDX_LEVEL_4K, NULL));
	BUSY(tdh_mem_track(tdx_cpu_of(r.cpu[0]), &td));
	BUSY(tdh_phymem_page_reclaim(tdx_cpu_of(r.cpu[0]), td.tdr, NULL));
	BUSY(tdh_vp_enter(tdx_cpu_of(r.cpu[0]), &vp, &(struct tdx_regs){0}, NULL));
	let_go(&h);
	rig_destroy(&r);
	rig_off(&r);
	alarm(0);
}

static void S2_03_a_taken_tree_is_operand_0x92_except_to_track(void **state)
{
	const uint64_t busy = TDX_OPERAND_BUSY | 0x92;
	struct tdx_td td;
	struct holder h;
	struct rig r;
	hpa_t page;

	(void)state;
	alarm(WATCHDOG);
	rig_on(&r, &touching);
	rig_vm(&r, 1);
	td = tdx_vm_td(r.vm);
	assert_int_equal(tdx_vmm_alloc(r.vmm, 1, &page), 0);
	hold(&h, &r, LOCK_SEPT_TREE, block_page_0);
	assert_int_equal(
		tdh_mem_page_aug(tdx_cpu_of(r.cpu[0]), &td, gpa(0x1000), TDX_LEVEL_4K, page, NULL)
			.raw,
		busy);
	assert_int_equal(tdh_mem_sept_add(tdx_cpu_of(r.cpu[0]), &td, gpa(1ull << 39),
					  TDX_LEVEL_512G, page, NULL)
				 .raw,
			 busy);
	assert_int_equal(
		tdh_mem_range_block(tdx_cpu_of(r.cpu[0]), &td, gpa(0), TDX_LEVEL_4K, NULL).raw,
		busy);
	assert_int_equal(
		tdh_mem_range_unblock(tdx_cpu_of(r.cpu[0]), &td, gpa(0), TDX_LEVEL_4K, NULL).raw,
		busy);
	assert_int_equal(
		tdh_mem_page_remove(tdx_cpu_of(r.cpu[0]), &td, gpa(0), TDX_LEVEL_4K, NULL).raw,
		busy);
	assert_true(tdx_is_success(tdh_mem_track(tdx_cpu_of(r.cpu[0]), &td)));
	let_go(&h);
	rig_destroy(&r);
	rig_off(&r);
	alarm(0);
}

struct runner {
	struct rig *r;
	unsigned vcpu;
	int result;
	struct tdx_run run;
};

static void *run_thread(void *arg)
{
	struct runner *a = arg;

	a->result = tdx_vcpu_run(a->r->vcpu[a->vcpu], -1, &a->run);
	return NULL;
}

static void accept_on_ve(struct tdx_native_cpu *cpu, unsigned vector, uint32_t error, void *arg)
{
	(void)error;
	(void)arg;
	if (vector != 20)
		return;
	guest_tdcall(cpu, TDG_VP_VEINFO_GET, 0, 0);
	guest_accept(cpu, 0xa000, TDX_LEVEL_4K);
}

static void touch_unaccepted(struct tdx_native_cpu *cpu, void *arg)
{
	uint64_t word;

	(void)arg;
	tdx_native_on_event(cpu, accept_on_ve, NULL);
	while (!tdx_native_read(cpu, gpa(0xa000), &word, sizeof(word)))
		continue;
	guest_halt(cpu);
}

static void S2_04_zero_stepping_takes_the_tree_and_the_monitor_gets_on(void **state)
{
	struct rig_options o = {.guest = touch_unaccepted, .cpus = 2, .sept_ve = true};
	struct tdx_regs regs = {0};
	uint64_t entries, busy;
	struct runner a;
	struct tdx_vp vp;
	struct tdx_td td;
	struct holder h;
	struct rig r;
	pthread_t t;

	(void)state;
	alarm(WATCHDOG);
	rig_on(&r, &o);
	rig_vm(&r, 1);
	vp = tdx_vcpu_vp(r.vcpu[0]);
	td = tdx_vm_td(r.vm);
	/* A host that enters again and again without mapping the page. */
	for (unsigned i = 0; i < 40; i++) {
		regs = (struct tdx_regs){0};
		assert_true(tdx_is_success(tdh_vp_enter(tdx_cpu_of(r.cpu[0]), &vp, &regs, NULL)));
	}
	assert_int_equal(regs.r8 >> 12, 0xa);
	/* The monitor meets the tree taken, entry after entry, and neither waits nor gives up. */
	hold(&h, &r, LOCK_SEPT_TREE, block_page_0);
	a = (struct runner){.r = &r, .result = 1};
	pthread_create(&t, NULL, run_thread, &a);
	while (tdx_model_contention(r.model, TDH_VP_ENTER, TDX_OPERAND_ID_SEPT_TREE) < 20)
		sched_yield();
	entries = rig_calls(&r, TDH_VP_ENTER);
	atomic_store(&h.let_go, true);
	pthread_join(h.thread, NULL);
	/* Then it maps, the guest accepts and comes to its halt. */
	pthread_join(t, NULL);
	module_set_hooks(r.model->sys->mod, NULL, NULL);
	assert_int_equal(a.result, 0);
	assert_int_equal(a.run.exit, TDX_EXIT_HLT);
	busy = tdx_model_contention(r.model, TDH_VP_ENTER, TDX_OPERAND_ID_SEPT_TREE);
	assert_true(busy >= 20);
	assert_true(rig_calls(&r, TDH_VP_ENTER) - entries < 8 + busy);
	assert_true(rig_calls(&r, TDH_VP_ENTER) - 40 - busy < 8);
	assert_true(tdx_is_success(tdh_mem_track(tdx_cpu_of(r.cpu[0]), &td)));
	assert_true(tdx_is_success(
		tdh_mem_range_unblock(tdx_cpu_of(r.cpu[0]), &td, gpa(0), TDX_LEVEL_4K, NULL)));
	rig_destroy(&r);
	rig_check_clean(&r);
	rig_off(&r);
	alarm(0);
}

/* --- policy --- */

static void S2_05_an_install_that_stays_busy_ends_with_a_signal(void **state)
{
	struct runner a;
	pthread_t t;
	struct rig r;
	int fault;

	(void)state;
	alarm(WATCHDOG);
	rig_on(&r, &touching);
	rig_vm(&r, 1);
	fault = rig_fail(&r, TDH_MEM_PAGE_AUG, 1, 0, TDX_OPERAND_BUSY | TDX_OPERAND_ID_SEPT_TREE);
	a = (struct runner){.r = &r, .result = 1};
	pthread_create(&t, NULL, run_thread, &a);
	while (tdx_model_fault_hits(r.model, fault) < 100)
		sched_yield();
	tdx_vcpu_kick(r.vcpu[0]);
	pthread_join(t, NULL);
	assert_int_equal(a.result, 0);
	assert_int_equal(a.run.exit, TDX_EXIT_INTR);
	assert_int_equal(tdx_vm_state(r.vm), TDX_VM_RUNNABLE);
	/* The guest was not entered meanwhile: no zero-step alarm. */
	assert_true(rig_calls(&r, TDH_VP_ENTER) < 4);
	tdx_model_clear_faults(r.model);
	assert_int_equal(rig_run(&r, 0, -1), 0);
	rig_destroy(&r);
	rig_check_clean(&r);
	rig_off(&r);
	alarm(0);
}

static void S2_05_an_install_that_stays_busy_ends_with_the_vm(void **state)
{
	struct runner a;
	pthread_t t;
	struct rig r;
	int fault;

	(void)state;
	alarm(WATCHDOG);
	rig_on(&r, &touching);
	rig_vm(&r, 1);
	fault = rig_fail(&r, TDH_MEM_PAGE_AUG, 1, 0, TDX_OPERAND_BUSY | TDX_OPERAND_ID_SEPT_TREE);
	a = (struct runner){.r = &r, .result = 1};
	pthread_create(&t, NULL, run_thread, &a);
	while (tdx_model_fault_hits(r.model, fault) < 100)
		sched_yield();
	assert_int_equal(tdx_vm_inhibit_apicv(r.vm), -EIO);
	pthread_join(t, NULL);
	assert_int_equal(a.result, -EIO);
	tdx_model_clear_faults(r.model);
	rig_destroy(&r);
	rig_check_clean(&r);
	rig_off(&r);
	alarm(0);
}

static void S2_05_a_page_that_stays_busy_while_the_td_is_built_is_refused(void **state)
{
	static const uint8_t page[2 * 4096];
	static const enum tdx_seamcall leaves[] = {TDH_MEM_PAGE_ADD, TDH_MEM_SEPT_ADD};

	(void)state;
	alarm(WATCHDOG);
	for (unsigned i = 0; i < 2; i++) {
		struct tdx_vm_region region = {gpa(0), 2, page};
		struct tdx_vm_params p;
		struct rig r;

		rig_on(&r, &touching);
		p = rig_params(&r);
		assert_int_equal(tdx_vm_new(r.vmm, &r.vm), 0);
		assert_int_equal(tdx_vm_init(r.vm, &p), 0);
		assert_int_equal(tdx_vm_set_memslot(r.vm, 0, gpa(0), RIG_RAM), 0);
		rig_fail(&r, (int)leaves[i], 1, 0, TDX_OPERAND_BUSY | TDX_OPERAND_ID_RCX);
		assert_int_equal(tdx_vm_add_region(r.vm, &region, true), -EBUSY);
		assert_int_equal(tdx_vm_state(r.vm), TDX_VM_INITIALIZED);
		assert_int_equal(region.pages, 2);
		/* It can be tried again. */
		tdx_model_clear_faults(r.model);
		assert_int_equal(tdx_vm_add_region(r.vm, &region, true), 0);
		rig_destroy(&r);
		rig_check_clean(&r);
		rig_off(&r);
	}
	alarm(0);
}

static void S2_05_a_removal_that_stays_busy_is_tried_twice(void **state)
{
	static const enum tdx_seamcall leaves[] = {TDH_MEM_RANGE_BLOCK, TDH_MEM_TRACK,
						   TDH_MEM_PAGE_REMOVE};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct rig r;
		int fault;

		rig_on(&r, &touching);
		rig_vm(&r, 1);
		assert_int_equal(rig_run(&r, 0, -1), 0);
		fault = rig_fail(&r, (int)leaves[i], 1, 0, TDX_OPERAND_BUSY | TDX_OPERAND_ID_RCX);
		assert_int_equal(tdx_vm_set_private(r.vm, gpa(0x5000), 0x1000, false), -EIO);
		assert_int_equal(tdx_model_fault_hits(r.model, fault), 2);
		rig_expect_bugged(&r, leaves[i], TDX_OPERAND_BUSY);
		tdx_model_clear_faults(r.model);
		rig_destroy(&r);
		/* Dead, it still gives everything back. */
		rig_check_clean(&r);
		rig_off(&r);
	}
}

static void S2_06_busy_is_a_class_whatever_the_operand(void **state)
{
	static const uint64_t others[] = {TDX_PREVIOUS_TLB_EPOCH_BUSY,
					  TDX_OPERAND_BUSY_HOST_PRIORITY};
	enum tdx_operand op;
	struct rig r;

	(void)state;
	rig_on(&r, &touching);
	rig_vm(&r, 1);
	for (size_t i = 0; tdx_operand_at(i, &op); i++) {
		const uint64_t busy = tdx_error_op(TDX_OPERAND_BUSY, op).raw;
		uint64_t gfn = 0x1000 + i;

		rig_fail(&r, TDH_MEM_PAGE_AUG, 1, 1, busy);
		rig_fail(&r, TDH_MEM_SEPT_ADD, 1, 1, busy);
		rig_fail(&r, TDH_MEM_RANGE_BLOCK, 1, 1, busy);
		rig_fail(&r, TDH_MEM_TRACK, 1, 1, busy);
		rig_fail(&r, TDH_MEM_PAGE_REMOVE, 1, 1, busy);
		mmu_read_lock(r.vm, NULL);
		for (unsigned tries = 0;; tries++) {
			enum mmu_result m =
				mmu_map_private(r.vm, &r.vm->cache, gfn, TDX_LEVEL_4K, NULL, -1);

			if (m == MMU_OK)
				break;
			assert_int_equal(m, MMU_RETRY);
			assert_true(tries < 3);
		}
		mmu_read_unlock(r.vm, NULL);
		assert_int_equal(tdx_vm_set_private(r.vm, gpa(gfn << 12), 0x1000, false), 0);
		tdx_model_clear_faults(r.model);
	}
	assert_int_equal(tdx_vm_state(r.vm), TDX_VM_RUNNABLE);
	rig_destroy(&r);
	for (unsigned i = 0; i < 2; i++) { /* neighbours in the numbers, but no contention */
		rig_vm(&r, 1);
		rig_fail(&r, TDH_MEM_PAGE_AUG, 1, 1, others[i]);
		assert_int_equal(rig_run(&r, 0, -1), -EIO);
		rig_expect_bugged(&r, TDH_MEM_PAGE_AUG, others[i]);
		tdx_model_clear_faults(r.model);
		rig_destroy(&r);
		rig_vm(&r, 1);
		assert_int_equal(rig_run(&r, 0, -1), 0);
		rig_fail(&r, TDH_MEM_RANGE_BLOCK, 1, 1, others[i]);
		assert_int_equal(tdx_vm_set_private(r.vm, gpa(0x5000), 0x1000, false), -EIO);
		rig_expect_bugged(&r, TDH_MEM_RANGE_BLOCK, others[i]);
		tdx_model_clear_faults(r.model);
		rig_destroy(&r);
	}
	rig_check_clean(&r);
	rig_off(&r);
}

/* 2M: promoted and demoted. */
static void accept_2m(struct tdx_native_cpu *cpu, void *arg)
{
	(void)arg;
	guest_accept(cpu, 0x5000, TDX_LEVEL_4K);
	guest_accept(cpu, TDX_SIZE_2M, TDX_LEVEL_2M);
	guest_halt(cpu);
}

static int remove_a_page(struct rig *r)
{
	return tdx_vm_set_private(r->vm, gpa(0x5000), 0x1000, false);
}

static int demote(struct rig *r)
{
	return tdx_vm_demote(r->vm, gpa(TDX_SIZE_2M));
}

static int promote(struct rig *r)
{
	int err = demote(r);

	return err ? err : tdx_vm_promote(r->vm, gpa(TDX_SIZE_2M));
}

static int refused_promote(struct rig *r)
{
	rig_fail(r, TDH_MEM_PAGE_PROMOTE, 1, 1, TDX_EPT_INVALID_PROMOTE_CONDITIONS);
	return promote(r);
}

static int destroy(struct rig *r)
{
	rig_destroy(r);
	return 0;
}

/* What a call that stays busy costs: how often it is made, what the user is told, and whether the
 * VM is dead. All calls the monitor makes but those that are tried until something ends it. */
static void S2_07_each_call_has_its_policy(void **state)
{
	enum { CONTROL_PAGES = 1 + 6 + 1 + 5 + 3 }; /* TDR, TDCS, TDVPR, TDCX, S-EPT */
	static const struct {
		enum tdx_seamcall leaf;
		unsigned calls; /* made when it stays busy */
		int err;	/* of building the TD, or of the act */
		bool bugged;
		unsigned lost, hkids; /* pages and KeyIDs, once the VM is gone */
		int (*act)(struct rig *r);
	} rows[] = {
		/* One try: nobody but the monitor itself could have the lock. */
		{TDH_MNG_CREATE, 1, -EIO, false, 0, 0, NULL},
		{TDH_MNG_KEY_CONFIG, 1, -EIO, false, 0, 0, NULL},
		{TDH_MNG_ADDCX, 1, -EIO, false, 0, 0, NULL},
		{TDH_MNG_INIT, 1, -EIO, false, 0, 0, NULL},
		{TDH_MR_EXTEND, 1, -EBUSY, false, 0, 0, NULL},
		{TDH_VP_CREATE, 1, -EIO, false, 0, 0, NULL},
		{TDH_VP_ADDCX, 1, -EIO, false, 0, 0, NULL},
		{TDH_VP_INIT, 1, -EIO, false, 0, 0, NULL},
		{TDH_VP_WR, 1, -EIO, true, 0, 0, NULL},
		{TDH_MR_FINALIZE, 1, -EBUSY, false, 0, 0, NULL},
		/* Installs before the TD runs: a bound, for there is nobody to send a signal. */
		{TDH_MEM_SEPT_ADD, 1000, -EBUSY, false, 0, 0, NULL},
		{TDH_MEM_PAGE_ADD, 1000, -EBUSY, false, 0, 0, NULL},
		/* Removals: a guest may; all vCPUs out, once more. */
		{TDH_MEM_RANGE_BLOCK, 2, -EIO, true, 0, 0, remove_a_page},
		{TDH_MEM_TRACK, 2, -EIO, true, 0, 0, remove_a_page},
		{TDH_MEM_PAGE_REMOVE, 2, -EIO, true, 0, 0, remove_a_page},
		{TDH_MEM_PAGE_DEMOTE, 2, -EIO, true, 0, 0, demote},
		{TDH_MEM_PAGE_PROMOTE, 2, -EIO, true, 0, 0, promote},
		{TDH_MEM_RANGE_UNBLOCK, 2, -EINVAL, true, 0, 0, refused_promote},
		/* What is not given back is lost. */
		{TDH_PHYMEM_PAGE_WBINVD, 1, -EIO, true, 1, 0, remove_a_page},
		{TDH_VP_FLUSH, 1, 0, true, CONTROL_PAGES, 1, destroy},
		{TDH_MNG_VPFLUSHDONE, 1, 0, true, CONTROL_PAGES, 1, destroy},
		{TDH_PHYMEM_CACHE_WB, 1, 0, true, CONTROL_PAGES, 1, destroy},
		{TDH_MNG_KEY_FREEID, 1, 0, true, CONTROL_PAGES, 1, destroy},
		{TDH_PHYMEM_PAGE_RECLAIM, CONTROL_PAGES, 0, true, CONTROL_PAGES, 0, destroy},
	};
	const struct rig_options o = {.guest = accept_2m, .cpus = 2, .huge = true};

	(void)state;
	alarm(WATCHDOG);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *name = tdx_seamcall_leaf(rows[i].leaf)->name;
		struct rig r;
		uint64_t calls;
		bool bugged;
		int fault, err;

		rig_on(&r, &o);
		if (rows[i].act) {
			rig_vm(&r, 1);
			assert_int_equal(rig_run(&r, 0, -1), 0);
		}
		fault = rig_fail(&r, (int)rows[i].leaf, 1, 0,
				 TDX_OPERAND_BUSY | TDX_OPERAND_ID_TDR);
		err = rows[i].act ? rows[i].act(&r) : rig_try_vm(&r, 1);
		bugged = r.vm ? tdx_vm_state(r.vm) == TDX_VM_DEAD : r.nlog == 1;
		calls = tdx_model_fault_hits(r.model, fault);
		tdx_model_clear_faults(r.model);
		if (r.vm)
			rig_destroy(&r);
		if (err != rows[i].err || calls != rows[i].calls || bugged != rows[i].bugged ||
		    rig_memory(&r).quarantined_pages != rows[i].lost ||
		    rig_memory(&r).leaked_hkids != rows[i].hkids)
			fail_msg("%s: %d after %llu calls, dead %d, %llu pages and %u KeyIDs lost",
				 name, err, (unsigned long long)calls, bugged,
				 (unsigned long long)rig_memory(&r).quarantined_pages,
				 rig_memory(&r).leaked_hkids);
		assert_int_equal(rig_memory(&r).used_pages, 0);
		rig_check_coherent(&r);
		rig_off(&r);
	}
	alarm(0);
}

/* --- in parallel --- */

struct meeting {
	_Atomic unsigned inside, most;
};

/* In the middle of an install; comes back when another one is there too, or after a while. */
static void meet(void *arg)
{
	struct meeting *m = arg;
	unsigned n = atomic_fetch_add(&m->inside, 1) + 1;

	for (unsigned i = 0; i < 50000 && atomic_load(&m->inside) < 2 && atomic_load(&m->most) < 2;
	     i++)
		usleep(100);
	n = n > atomic_load(&m->inside) ? n : atomic_load(&m->inside);
	if (n > atomic_load(&m->most))
		atomic_store(&m->most, n);
	usleep(1000);
	atomic_fetch_sub(&m->inside, 1);
}

static void run_all(struct rig *r, unsigned n)
{
	struct runner a[RIG_VCPUS];
	pthread_t t[RIG_VCPUS];

	for (unsigned i = 0; i < n; i++) {
		a[i] = (struct runner){.r = r, .vcpu = i, .result = 1};
		pthread_create(&t[i], NULL, run_thread, &a[i]);
	}
	for (unsigned i = 0; i < n; i++) {
		pthread_join(t[i], NULL);
		assert_int_equal(a[i].result, 0);
		assert_int_equal(a[i].run.exit, TDX_EXIT_HLT);
	}
}

static void S2_08_installs_are_in_flight_at_the_same_time(void **state)
{
	struct rig_options o = {.guest = accept_own, .cpus = 2};
	struct meeting m = {0};
	struct tdx_fault f = {.kind = TDX_FAULT_STOP,
			      .leaf = TDH_MEM_PAGE_AUG,
			      .cpu = -1,
			      .times = 4,
			      .stop = meet,
			      .arg = &m};
	struct rig r;

	(void)state;
	alarm(WATCHDOG);
	rig_on(&r, &o);
	rig_vm(&r, 2);
	tdx_model_inject(r.model, &f);
	run_all(&r, 2);
	assert_true(atomic_load(&m.most) > 1);
	rig_destroy(&r);
	rig_check_clean(&r);
	rig_off(&r);
	alarm(0);
}

/* In the middle of an install: another thread wants a removal, and has a while for it. */
struct overtaking {
	struct rig *r;
	pthread_t thread;
	_Atomic bool asked, removed;
	bool overtook;
	int err;
};

static void *remove_thread(void *arg)
{
	struct overtaking *o = arg;

	atomic_store(&o->asked, true);
	o->err = tdx_vm_set_private(o->r->vm, gpa(0), 0x1000, false);
	atomic_store(&o->removed, true);
	return NULL;
}

static void try_to_overtake(void *arg)
{
	struct overtaking *o = arg;

	pthread_create(&o->thread, NULL, remove_thread, o);
	while (!atomic_load(&o->asked))
		sched_yield();
	usleep(20000);
	o->overtook = atomic_load(&o->removed) || rig_calls(o->r, TDH_MEM_RANGE_BLOCK);
}

static void S2_02_a_removal_waits_for_installs_in_flight(void **state)
{
	struct overtaking o = {0};
	struct tdx_fault f = {.kind = TDX_FAULT_STOP,
			      .leaf = TDH_MEM_PAGE_AUG,
			      .cpu = -1,
			      .times = 1,
			      .stop = try_to_overtake,
			      .arg = &o};
	struct rig r;

	(void)state;
	alarm(WATCHDOG);
	rig_on(&r, &touching);
	rig_vm(&r, 1);
	o.r = &r;
	tdx_model_inject(r.model, &f);
	assert_int_equal(rig_run(&r, 0, -1), 0);
	pthread_join(o.thread, NULL);
	assert_false(o.overtook);
	assert_int_equal(o.err, 0);
	assert_int_equal(rig_calls(&r, TDH_MEM_RANGE_BLOCK), 1);
	rig_destroy(&r);
	rig_check_clean(&r);
	rig_off(&r);
	alarm(0);
}

static void S2_02_the_monitor_does_not_contend_with_itself(void **state)
{
	struct rig_options o = {.guest = accept_own, .cpus = 4};
	enum tdx_operand op;
	struct rig r;

	(void)state;
	alarm(WATCHDOG);
	rig_on(&r, &o);
	rig_vm(&r, 4);
	run_all(&r, 4);
	assert_int_equal(tdx_vm_set_private(r.vm, gpa(TDX_SIZE_2M), 4 * TDX_SIZE_2M, false), 0);
	rig_destroy(&r);
	for (unsigned leaf = 0; leaf < TDX_SEAMCALL_LEAVES; leaf++)
		for (size_t i = 0; tdx_operand_at(i, &op); i++)
			if (tdx_model_contention(r.model, (enum tdx_seamcall)leaf, op))
				fail_msg("%s busy on %s", tdx_seamcall_leaf(leaf)->name,
					 tdx_operand_name(op));
	rig_check_clean(&r);
	rig_off(&r);
	alarm(0);
}

static void *run_on_and_on(void *arg)
{
	struct runner *a = arg;

	do
		a->result = tdx_vcpu_run(a->r->vcpu[a->vcpu], -1, &a->run);
	while (a->result == 0 && a->run.exit != TDX_EXIT_HLT);
	return NULL;
}

static void S2_10_a_guest_that_accepts_on_and_on_does_not_stop_a_removal(void **state)
{
	_Atomic bool stop = false;
	struct rig_options o = {.guest = accept_one, .arg = &stop, .cpus = 2};
	struct runner a;
	pthread_t t;
	struct rig r;

	(void)state;
	alarm(WATCHDOG);
	rig_on(&r, &o);
	rig_vm(&r, 1);
	a = (struct runner){.r = &r, .result = 1};
	pthread_create(&t, NULL, run_on_and_on, &a);
	for (unsigned i = 0; i < 300; i++) {
		uint64_t blocks = rig_calls(&r, TDH_MEM_RANGE_BLOCK);
		uint64_t removes = rig_calls(&r, TDH_MEM_PAGE_REMOVE);

		assert_int_equal(tdx_vm_set_private(r.vm, gpa(0x200000), 0x1000, false), 0);
		assert_true(rig_calls(&r, TDH_MEM_RANGE_BLOCK) - blocks <= 2);
		assert_true(rig_calls(&r, TDH_MEM_PAGE_REMOVE) - removes <= 2);
		assert_int_equal(tdx_vm_set_private(r.vm, gpa(0x200000), 0x1000, true), 0);
		usleep(100);
	}
	atomic_store(&stop, true);
	pthread_join(t, NULL);
	assert_int_equal(a.result, 0);
	assert_int_equal(tdx_vm_state(r.vm), TDX_VM_RUNNABLE);
	rig_destroy(&r);
	rig_check_clean(&r);
	rig_off(&r);
	alarm(0);
}

/* A guest's ACCEPT that has its entry, until a call of the host has met it there. */
struct inside {
	struct rig *r;
	_Atomic bool armed, there;
};

static void stand_in_accept(void *arg, struct lp *lp, enum lock_resource res, uint64_t key,
			    enum lock_mode mode, bool guest_, enum lock_result result)
{
	struct inside *in = arg;

	(void)lp;
	(void)key;
	(void)mode;
	if (!guest_ || res != LOCK_SEPT_ENTRY || result != LOCK_OK || !atomic_load(&in->armed))
		return;
	atomic_store(&in->there, true);
	while (!tdx_model_contention(in->r->model, TDH_MEM_RANGE_BLOCK, TDX_OPERAND_ID_RCX))
		sched_yield();
	atomic_store(&in->armed, false);
}

static void S2_10_a_removal_that_meets_an_accept_is_tried_once_more(void **state)
{
	static const struct module_hooks hooks = {.acquired = stand_in_accept};
	_Atomic bool stop = false;
	struct rig_options o = {.guest = accept_one, .arg = &stop, .cpus = 2};
	struct inside in = {0};
	struct runner a;
	pthread_t t;
	struct rig r;

	(void)state;
	alarm(WATCHDOG);
	rig_on(&r, &o);
	rig_vm(&r, 1);
	in.r = &r;
	module_set_hooks(r.model->sys->mod, &hooks, &in);
	a = (struct runner){.r = &r, .result = 1};
	pthread_create(&t, NULL, run_on_and_on, &a);
	while (!rig_calls(&r, TDH_MEM_PAGE_AUG))
		sched_yield();
	atomic_store(&in.armed, true);
	while (!atomic_load(&in.there))
		sched_yield();
	assert_int_equal(tdx_vm_set_private(r.vm, gpa(0x200000), 0x1000, false), 0);
	assert_int_equal(rig_calls(&r, TDH_MEM_RANGE_BLOCK), 2);
	assert_int_equal(rig_calls(&r, TDH_MEM_PAGE_REMOVE), 1);
	assert_int_equal(tdx_vm_set_private(r.vm, gpa(0x200000), 0x1000, true), 0);
	atomic_store(&stop, true);
	pthread_join(t, NULL);
	module_set_hooks(r.model->sys->mod, NULL, NULL);
	assert_int_equal(a.result, 0);
	rig_destroy(&r);
	rig_check_clean(&r);
	rig_off(&r);
	alarm(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(S2_01_calls_on_a_taken_lock_come_back_busy),
		cmocka_unit_test(S2_02_a_removal_waits_for_installs_in_flight),
		cmocka_unit_test(S2_02_the_monitor_does_not_contend_with_itself),
		cmocka_unit_test(S2_03_a_taken_tree_is_operand_0x92_except_to_track),
		cmocka_unit_test(S2_04_zero_stepping_takes_the_tree_and_the_monitor_gets_on),
		cmocka_unit_test(S2_05_an_install_that_stays_busy_ends_with_a_signal),
		cmocka_unit_test(S2_05_an_install_that_stays_busy_ends_with_the_vm),
		cmocka_unit_test(S2_05_a_page_that_stays_busy_while_the_td_is_built_is_refused),
		cmocka_unit_test(S2_05_a_removal_that_stays_busy_is_tried_twice),
		cmocka_unit_test(S2_06_busy_is_a_class_whatever_the_operand),
		cmocka_unit_test(S2_07_each_call_has_its_policy),
		cmocka_unit_test(S2_08_installs_are_in_flight_at_the_same_time),
		cmocka_unit_test(S2_10_a_removal_that_meets_an_accept_is_tried_once_more),
		cmocka_unit_test(S2_10_a_guest_that_accepts_on_and_on_does_not_stop_a_removal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
