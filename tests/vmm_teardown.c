/* SPDX-License-Identifier: MIT */
/* Pages and KeyIDs on their way back: order, failures, caches. */
#include "vmm_holder.h"

#include <stdlib.h>

#include "vmm/mmu.h"

/* Accepts 8 pages, makes one shared and uses it, halts. */
static void guest(struct tdx_native_cpu *cpu, void *arg)
{
	uint64_t word = 0x1122334455667788;

	(void)arg;
	for (unsigned i = 1; i <= 8; i++)
		guest_accept(cpu, i * 0x1000, TDX_LEVEL_4K);
	tdx_native_write(cpu, gpa(0x2000), &word, sizeof(word));
	guest_vmcall(cpu, TDVMCALL_MAP_GPA, 0x3000 | RIG_SHARED, 0x1000, NULL);
	tdx_native_write(cpu, gpa(0x3000 | RIG_SHARED), &word, sizeof(word));
	guest_halt(cpu);
	guest_halt(cpu);
}

static const struct rig_options plain = {.guest = guest};
static const struct rig_options recorded = {.guest = guest, .record = true};
static const struct rig_options two_packages = {
	.cpus = 4, .packages = 2, .guest = guest, .record = true};

static void run_once(struct rig *r)
{
	rig_vm(r, 1);
	assert_int_equal(rig_run(r, 0, -1), 0);
}

/* The page mapped at gfn, one of the first 512. */
static hpa_t private_page(struct rig *r, unsigned gfn)
{
	const struct mmu_page *p = r->vm->mirror_root;

	while (p->level > TDX_LEVEL_4K)
		p = p->child[0];
	return hpa(p->spt[gfn] & SPTE_ADDR);
}

/* The table with its entry. */
static hpa_t sept_page(struct rig *r)
{
	const struct mmu_page *p = r->vm->mirror_root;

	while (p->level > TDX_LEVEL_4K)
		p = p->child[0];
	return hpa(p->pa);
}

static void S0_03_a_line_has_all_bits_of_the_registers(void **state)
{
	struct tdx_fault f = {.kind = TDX_FAULT_STATUS,
			      .leaf = TDH_PHYMEM_PAGE_RECLAIM,
			      .cpu = -1,
			      .times = 1,
			      .status = tdx_error(TDX_PAGE_METADATA_INCORRECT),
			      .rcx = 0xabcdef0123456703,
			      .rdx = 0xfedcba9876543001,
			      .r8 = ~0ull << 3 | 1};
	struct rig r;

	(void)state;
	rig_on(&r, &plain);
	run_once(&r);
	tdx_model_inject(r.model, &f);
	rig_destroy(&r);
	assert_non_null(strstr(r.log, "TDH.PHYMEM.PAGE.RECLAIM"));
	assert_non_null(strstr(
		r.log, "rcx 0xabcdef0123456703 rdx 0xfedcba9876543001 r8 0xfffffffffffffff9"));
	rig_off(&r);
}

static void S0_10_a_busy_reclaim_is_not_repeated_and_the_page_is_lost(void **state)
{
	struct rig r;
	int fault;

	(void)state;
	rig_on(&r, &plain);
	run_once(&r);
	fault = rig_fail(&r, TDH_PHYMEM_PAGE_RECLAIM, 1, 1, TDX_OPERAND_BUSY | TDX_OPERAND_ID_RCX);
	rig_destroy(&r);
	assert_int_equal(tdx_model_fault_hits(r.model, fault), 1);
	/* The page of the refused call, and the TDR that still has a child. */
	assert_int_equal(rig_memory(&r).quarantined_pages, 2);
	assert_int_equal(rig_memory(&r).used_pages, 0);
	assert_int_equal(rig_memory(&r).leaked_hkids, 0);
	assert_int_equal(r.nlog, 1);
	rig_check_coherent(&r);
	rig_check_module(&r);
	rig_off(&r);
}

static void S0_11_a_teardown_meets_no_lock_that_is_taken(void **state)
{
	struct rig r;
	enum tdx_operand op;

	(void)state;
	rig_on(&r, &two_packages);
	run_once(&r);
	rig_destroy(&r);
	for (unsigned leaf = 0; leaf < TDX_SEAMCALL_LEAVES; leaf++)
		for (size_t i = 0; tdx_operand_at(i, &op); i++)
			assert_int_equal(tdx_model_contention(r.model, (enum tdx_seamcall)leaf, op),
					 0);
	rig_check_clean(&r);
	rig_off(&r);
}

struct race {
	struct rig *r;
	struct tdx_td td;
	struct tdx_status s;
	unsigned cpu;
	pthread_barrier_t *start;
};

static void *vpflushdone(void *arg)
{
	struct race *a = arg;

	pthread_barrier_wait(a->start);
	a->s = tdh_mng_vpflushdone(tdx_cpu_of(a->r->cpu[a->cpu]), &a->td);
	return NULL;
}

static void S0_11_of_two_teardowns_of_one_td_one_is_refused(void **state)
{
	struct rig r;

	(void)state;
	rig_on(&r, &plain);
	for (unsigned round = 0; round < 16; round++) {
		struct tdx_vm_params p = rig_params(&r);
		pthread_barrier_t start;
		struct race a[2];
		pthread_t t[2];
		unsigned won = 0;

		assert_int_equal(tdx_vm_new(r.vmm, &r.vm), 0);
		assert_int_equal(tdx_vm_init(r.vm, &p), 0);
		pthread_barrier_init(&start, NULL, 2);
		for (unsigned i = 0; i < 2; i++) {
			a[i] = (struct race){&r, tdx_vm_td(r.vm), {0}, i, &start};
			pthread_create(&t[i], NULL, vpflushdone, &a[i]);
		}
		for (unsigned i = 0; i < 2; i++) {
			pthread_join(t[i], NULL);
			won += tdx_is_success(a[i].s);
			if (!tdx_is_success(a[i].s))
				assert_true(tdx_is_busy(a[i].s) ||
					    tdx_is(a[i].s, TDX_LIFECYCLE_STATE_INCORRECT));
		}
		assert_int_equal(won, 1);
		rig_check_module(&r);
		pthread_barrier_destroy(&start);
		rig_destroy(&r); /* finds it begun: dead, its KeyID lost */
	}
	rig_off(&r);
}

static void flush_done(struct holder *h)
{
	struct tdx_td td = tdx_vm_td(h->r->vm);

	h->result = tdh_mng_vpflushdone(tdx_cpu_of(h->r->cpu[1]), &td);
}

static void free_key(struct holder *h)
{
	struct tdx_td td = tdx_vm_td(h->r->vm);

	h->result = tdh_mng_key_freeid(tdx_cpu_of(h->r->cpu[1]), &td);
}

static void reclaim_page(struct holder *h)
{
	h->result = tdh_phymem_page_reclaim(tdx_cpu_of(h->r->cpu[1]), h->page, NULL);
}

/* The one that is inside wins; the other is told so, by the lock, and nothing is half done. */
static void S0_11_the_second_of_two_teardowns_is_busy_at_every_call(void **state)
{
	struct tdx_page_metadata md;
	struct tdx_td td;
	struct holder h;
	struct rig r;

	(void)state;
	rig_on(&r, &plain);
	run_once(&r);
	td = tdx_vm_td(r.vm);
	h.page = hpa(r.vm->tdcs[0]);
	assert_int_equal(tdx_vm_set_private(r.vm, gpa(0), RIG_RAM, false), 0);
	vcpu_flush(r.vcpu[0]);
	hold(&h, &r, LOCK_KOT, flush_done);
	assert_true(tdx_is_busy(tdh_mng_vpflushdone(tdx_cpu_of(r.cpu[0]), &td)));
	let_go(&h);
	assert_true(tdx_is_success(h.result));
	rig_check_module(&r);
	assert_true(tdx_is_success(tdh_phymem_cache_wb(tdx_cpu_of(r.cpu[0]), false)));
	hold(&h, &r, LOCK_KOT, free_key);
	assert_true(tdx_is_busy(tdh_mng_key_freeid(tdx_cpu_of(r.cpu[0]), &td)));
	let_go(&h);
	assert_true(tdx_is_success(h.result));
	rig_check_module(&r);
	hold(&h, &r, LOCK_PAMT_4K, reclaim_page);
	assert_int_equal(tdh_phymem_page_reclaim(tdx_cpu_of(r.cpu[0]), h.page, &md).raw,
			 tdx_error_op(TDX_OPERAND_BUSY, TDX_OPERAND_ID_RCX).raw);
	let_go(&h);
	assert_true(tdx_is_success(h.result));
	assert_true(tdx_is(tdh_phymem_page_reclaim(tdx_cpu_of(r.cpu[0]), h.page, &md),
			   TDX_PAGE_METADATA_INCORRECT));
	rig_check_module(&r);
	rig_destroy(&r);
	rig_check_coherent(&r);
	rig_off(&r);
}

static void S0_13_an_interrupt_after_every_block_makes_as_many_calls(void **state)
{
	struct tdx_fault f = {.kind = TDX_FAULT_INTERRUPT, .leaf = TDH_PHYMEM_CACHE_WB, .cpu = -1};
	struct rig_options o = {.guest = guest, .wb_blocks = 13, .record = true};
	struct tdx_step step;
	unsigned calls = 0;
	struct rig r;

	(void)state;
	rig_on(&r, &o);
	run_once(&r);
	tdx_model_inject(r.model, &f);
	tdx_record_clear(r.record);
	rig_destroy(&r);
	for (size_t i = 0; tdx_record_step(r.record, i, &step); i++) {
		if (step.kind != TDX_STEP_SEAMCALL || step.in.rax != TDH_PHYMEM_CACHE_WB)
			continue;
		assert_int_equal(step.in.rcx, calls > 0);
		calls++;
	}
	assert_int_equal(calls, 13);
	rig_check_clean(&r);
	rig_off(&r);
}

static void S0_13_resuming_nothing_and_other_commands_are_refused(void **state)
{
	struct rig r;
	struct tdx_regs regs = {.rax = TDH_PHYMEM_CACHE_WB, .rcx = 2};

	(void)state;
	rig_on(&r, &plain);
	assert_int_equal(tdh_phymem_cache_wb(tdx_cpu_of(r.cpu[0]), true).raw,
			 TDX_WBCACHE_RESUME_ERROR);
	r.cpu[0]->ops->seamcall(r.cpu[0], &regs);
	assert_int_equal(regs.rax, tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RCX).raw);
	rig_off(&r);
}

static void write_back(struct holder *h)
{
	h->result = tdh_phymem_cache_wb(tdx_cpu_of(h->r->cpu[1]), false);
}

static void S0_13_one_processor_of_a_package_at_a_time(void **state)
{
	struct tdx_td td;
	struct holder h;
	struct rig r;

	(void)state;
	rig_on(&r, &plain);
	run_once(&r);
	td = tdx_vm_td(r.vm);
	vcpu_flush(r.vcpu[0]);
	assert_true(tdx_is_success(tdh_mng_vpflushdone(tdx_cpu_of(r.cpu[0]), &td)));
	hold(&h, &r, LOCK_WBT, write_back);
	assert_int_equal(tdh_phymem_cache_wb(tdx_cpu_of(r.cpu[0]), false).raw,
			 TDX_OPERAND_BUSY | 188);
	let_go(&h);
	assert_true(tdx_is_success(h.result));
	rig_destroy(&r);
	rig_off(&r);
}

static void S0_13_a_write_back_without_end_is_given_up(void **state)
{
	struct rig r;
	int fault;

	(void)state;
	rig_on(&r, &plain);
	run_once(&r);
	fault = rig_fail(&r, TDH_PHYMEM_CACHE_WB, 1, 0, TDX_INTERRUPTED_RESUMABLE);
	rig_destroy(&r);
	assert_int_equal(tdx_model_fault_hits(r.model, fault), 10000);
	assert_int_equal(rig_memory(&r).leaked_hkids, 1);
	assert_int_equal(rig_memory(&r).used_pages, 0);
	assert_int_equal(r.nlog, 1);
	rig_off(&r);
}

static void S0_14_a_package_left_out_keeps_the_keyid_from_being_free(void **state)
{
	struct tdx_vm_params p;
	struct tdx_td td;
	struct rig r;

	(void)state;
	rig_on(&r, &two_packages);
	p = rig_params(&r);
	assert_int_equal(tdx_vm_new(r.vmm, &r.vm), 0);
	assert_int_equal(tdx_vm_init(r.vm, &p), 0);
	td = tdx_vm_td(r.vm);
	/* Too early: nothing is ready, and it counts for nothing. */
	assert_int_equal(tdh_phymem_cache_wb(tdx_cpu_of(r.cpu[0]), false).raw,
			 TDX_NO_HKID_READY_TO_WBCACHE);
	assert_true(tdx_is(tdh_mng_key_freeid(tdx_cpu_of(r.cpu[0]), &td),
			   TDX_LIFECYCLE_STATE_INCORRECT));
	assert_true(tdx_is_success(tdh_mng_vpflushdone(tdx_cpu_of(r.cpu[0]), &td)));
	assert_int_equal(tdh_mng_key_freeid(tdx_cpu_of(r.cpu[0]), &td).raw,
			 TDX_WBCACHE_NOT_COMPLETE);
	assert_true(tdx_is_success(tdh_phymem_cache_wb(tdx_cpu_of(r.cpu[0]), false)));
	assert_int_equal(tdh_mng_key_freeid(tdx_cpu_of(r.cpu[0]), &td).raw,
			 TDX_WBCACHE_NOT_COMPLETE);
	assert_true(tdx_is_success(tdh_phymem_cache_wb(tdx_cpu_of(r.cpu[3]), false)));
	assert_true(tdx_is_success(tdh_mng_key_freeid(tdx_cpu_of(r.cpu[0]), &td)));
	rig_destroy(&r);
	rig_off(&r);
}

static void S0_14_the_monitor_writes_back_once_a_package(void **state)
{
	unsigned package[2] = {0, 0};
	struct tdx_step step;
	struct rig r;

	(void)state;
	rig_on(&r, &two_packages);
	run_once(&r);
	rig_destroy(&r);
	for (size_t i = 0; tdx_record_step(r.record, i, &step); i++)
		if (step.kind == TDX_STEP_SEAMCALL && step.in.rax == TDH_PHYMEM_CACHE_WB)
			package[step.package]++;
	assert_int_equal(package[0], 1);
	assert_int_equal(package[1], 1);
	rig_check_clean(&r);
	rig_off(&r);
}

/* Who has lines of the page in a cache, and of which KeyID. */
static uint64_t cache_state(struct rig *r, hpa_t page)
{
	return atomic_load(&r->model->sys->m->page[page.v >> 12].word) &
	       (PAGE_HKID_MASK | PAGE_DIRTY_MASK);
}

static void S0_17_a_live_page_cannot_be_written_back(void **state)
{
	const uint64_t refused = tdx_error_op(TDX_PAGE_METADATA_INCORRECT, TDX_OPERAND_ID_RCX).raw;
	uint64_t tdr, reg;
	struct tdx_td td;
	struct rig r;
	hpa_t page;

	(void)state;
	rig_on(&r, &plain);
	run_once(&r);
	td = tdx_vm_td(r.vm);
	page = private_page(&r, 2);
	tdr = cache_state(&r, td.tdr);
	reg = cache_state(&r, page);
	assert_true(tdr & PAGE_DIRTY_MASK);
	assert_true(reg & PAGE_DIRTY_MASK);
	assert_int_equal(tdh_phymem_page_wbinvd_tdr(&r.vmm->host, tdx_cpu_of(r.cpu[0]), &td).raw,
			 refused);
	assert_int_equal(
		tdh_phymem_page_wbinvd_hkid(&r.vmm->host, tdx_cpu_of(r.cpu[0]), page, td.hkid).raw,
		refused);
	assert_int_equal(cache_state(&r, td.tdr), tdr);
	assert_int_equal(cache_state(&r, page), reg);
	rig_destroy(&r);
	rig_check_clean(&r);
	rig_off(&r);
}

static unsigned steps_of(struct rig *r, enum tdx_step_kind kind)
{
	struct tdx_step step;
	unsigned n = 0;

	for (size_t i = 0; tdx_record_step(r->record, i, &step); i++)
		n += step.kind == kind;
	return n;
}

static void S0_18_clearing_follows_the_erratum(void **state)
{
	(void)state;
	for (unsigned erratum = 0; erratum < 2; erratum++) {
		struct rig_options o = {.guest = guest, .record = true, .erratum = erratum};
		struct rig r;

		rig_on(&r, &o);
		run_once(&r);
		rig_destroy(&r);
		assert_int_equal(steps_of(&r, TDX_STEP_DIRECT_CLEAR) > 0, erratum);
		/* S0-19: a barrier for each clear. */
		assert_int_equal(steps_of(&r, TDX_STEP_BARRIER),
				 steps_of(&r, TDX_STEP_DIRECT_CLEAR));
		rig_check_clean(&r);
		rig_off(&r);
	}
}

static void S0_18_an_uncleared_page_raises_a_machine_check(void **state)
{
	struct rig_options o = {.guest = guest, .erratum = true};
	uint64_t pa[4], word;
	struct rig r;

	(void)state;
	rig_on(&r, &o);
	run_once(&r);
	pa[0] = private_page(&r, 2).v;
	pa[1] = tdx_vm_td(r.vm).tdr.v;
	pa[2] = tdx_vcpu_vp(r.vcpu[0]).tdvpr.v;
	pa[3] = r.vcpu[0]->tdcx[0];
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(machine_read(&r.model->sys->m->lp[0], pa[i], &word, sizeof(word)),
				 -EIO);
	rig_destroy(&r);
	/* The monitor cleared them on the way back. */
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(machine_read(&r.model->sys->m->lp[0], pa[i], &word, sizeof(word)),
				 0);
		assert_int_equal(word, 0);
	}
	rig_off(&r);
}

static void S0_19_loads_before_the_barrier_are_seen(void **state)
{
	struct rig_options o = {.guest = guest, .erratum = true};
	struct machine_lp *lp;
	uint64_t pa, word;
	struct rig r;
	hpa_t page;

	(void)state;
	rig_on(&r, &o);
	lp = &r.model->sys->m->lp[0];
	assert_int_equal(tdx_vmm_alloc(r.vmm, 1, &page), 0);
	pa = page.v;
	machine_movdir64b_zero(lp, pa, 4096);
	machine_read(lp, pa, &word, sizeof(word));
	assert_int_equal(machine_coherency_count(r.model->sys->m), 1);
	machine_coherency_clear(r.model->sys->m);
	machine_movdir64b_zero(lp, pa, 4096);
	machine_mfence(lp);
	machine_read(lp, pa, &word, sizeof(word));
	assert_int_equal(machine_coherency_count(r.model->sys->m), 0);
	rig_off(&r);
}

static void S0_21_a_skipped_flush_is_found(void **state)
{
	struct tdx_regs regs = {.rax = TDH_MEM_SEPT_ADD, .rcx = 1ull << 39 | TDX_LEVEL_512G};
	uint8_t junk[4096];
	struct tdx_vm_params p;
	struct tdx_td td;
	struct rig r;
	hpa_t page;

	(void)state;
	rig_on(&r, &plain);
	p = rig_params(&r);
	assert_int_equal(tdx_vm_new(r.vmm, &r.vm), 0);
	assert_int_equal(tdx_vm_init(r.vm, &p), 0);
	td = tdx_vm_td(r.vm);
	assert_int_equal(tdx_vmm_alloc(r.vmm, 1, &page), 0);
	memset(junk, 0xaa, sizeof(junk));
	tdx_vmm_write(r.vmm, page, junk, sizeof(junk));
	/* The instruction without the library: nobody flushes. */
	regs.rdx = td.tdr.v;
	regs.r8 = page.v;
	r.cpu[0]->ops->seamcall(r.cpu[0], &regs);
	assert_int_equal(regs.rax, 0);
	assert_int_equal(machine_coherency_count(r.model->sys->m), 1);
	rig_destroy(&r);
	rig_off(&r);
}

/* Every page there is, by size until there is none; then all back. Is one of them among these? */
static bool handed_out(struct rig *r, const uint64_t *lost, unsigned nlost)
{
	uint64_t *all = malloc(r->total * sizeof(*all));
	bool found = false;
	uint64_t n = 0;
	hpa_t page;

	assert_non_null(all);
	while (n < r->total && tdx_vmm_alloc(r->vmm, 1, &page) == 0)
		all[n++] = page.v;
	assert_true(n > 1000);
	assert_int_not_equal(tdx_vmm_alloc(r->vmm, 1, &page), 0);
	for (uint64_t i = 0; i < n; i++)
		for (unsigned k = 0; k < nlost; k++)
			found |= all[i] == lost[k];
	while (n)
		tdx_vmm_dealloc(r->vmm, hpa(all[--n]), 1);
	free(all);
	return found;
}

static void S0_22_a_page_that_is_not_reclaimed_is_never_handed_out_again(void **state)
{
	uint64_t lost[128];
	unsigned nlost = 0;
	struct rig r;

	(void)state;
	rig_on(&r, &recorded);
	run_once(&r);
	for (uint64_t k = 1;; k++) {
		uint64_t before = rig_memory(&r).quarantined_pages;
		struct tdx_td td = tdx_vm_td(r.vm);
		struct tdx_step step;
		unsigned tried = 0, reclaimed = 0;
		int fault;

		fault = rig_fail(&r, TDH_PHYMEM_PAGE_RECLAIM, k, 1, TDX_PAGE_METADATA_INCORRECT);
		tdx_record_clear(r.record);
		rig_destroy(&r);
		for (size_t i = 0; tdx_record_step(r.record, i, &step); i++) {
			if (step.kind != TDX_STEP_SEAMCALL ||
			    step.in.rax != TDH_PHYMEM_PAGE_RECLAIM)
				continue;
			if (++tried == k)
				lost[nlost++] = step.in.rcx;
			reclaimed += step.out.rax == 0;
		}
		tdx_model_clear_faults(r.model);
		if (!tdx_model_fault_hits(r.model, fault))
			break; /* one more than there are pages: all came back */
		/* All others were tried all the same; the TDR is lost with its child. */
		assert_int_equal(reclaimed, tried - (k < tried ? 2 : 1));
		assert_int_equal(rig_memory(&r).quarantined_pages - before, k < tried ? 2 : 1);
		lost[nlost++] = td.tdr.v;
		assert_true(nlost < 127);
		assert_false(handed_out(&r, lost, nlost));
		rig_check_coherent(&r);
		rig_check_module(&r);
		run_once(&r);
	}
	rig_off(&r);
}

static void S0_22_the_tdr_stays_with_its_children(void **state)
{
	struct tdx_step step, last = {.kind = TDX_STEP_BARRIER};
	struct rig r;

	(void)state;
	rig_on(&r, &recorded);
	run_once(&r);
	rig_fail(&r, TDH_PHYMEM_PAGE_RECLAIM, 1, 1, TDX_OPERAND_BUSY | TDX_OPERAND_ID_RCX);
	rig_destroy(&r);
	for (size_t i = 0; tdx_record_step(r.record, i, &step); i++)
		if (step.kind == TDX_STEP_SEAMCALL)
			last = step;
	assert_int_equal(tdx_rax_leaf(last.in.rax), TDH_PHYMEM_PAGE_RECLAIM);
	assert_int_equal(last.out.rax, TDX_TD_ASSOCIATED_PAGES_EXIST);
	rig_off(&r);
}

static void S0_23_the_tdr_is_reclaimed_flushed_and_freed_last(void **state)
{
	struct tdx_step step, call[3] = {0};
	struct tdx_td td;
	struct rig r;

	(void)state;
	rig_on(&r, &recorded);
	run_once(&r);
	td = tdx_vm_td(r.vm);
	/* The other way round the module refuses. */
	assert_int_equal(tdh_phymem_page_wbinvd_tdr(&r.vmm->host, tdx_cpu_of(r.cpu[0]), &td).raw,
			 tdx_error_op(TDX_PAGE_METADATA_INCORRECT, TDX_OPERAND_ID_RCX).raw);
	rig_destroy(&r);
	for (size_t i = 0; tdx_record_step(r.record, i, &step); i++)
		if (step.kind == TDX_STEP_SEAMCALL) {
			call[0] = call[1];
			call[1] = step;
		}
	assert_int_equal(call[0].in.rax, TDH_PHYMEM_PAGE_RECLAIM);
	assert_int_equal(call[0].in.rcx, td.tdr.v);
	assert_int_equal(call[0].out.rcx, TDX_PT_TDR);
	assert_int_equal(call[1].in.rax, TDH_PHYMEM_PAGE_WBINVD);
	assert_int_equal(call[1].in.rcx & ((1ull << 46) - 1), td.tdr.v);
	rig_check_clean(&r);
	rig_off(&r);
}

static void S0_23_a_tdr_freed_before_its_flush_is_found(void **state)
{
	uint8_t junk[4096] = {1};
	struct tdx_td td;
	uint64_t flushes;
	struct rig r;

	(void)state;
	rig_on(&r, &plain);
	run_once(&r);
	flushes = rig_calls(&r, TDH_PHYMEM_PAGE_WBINVD);
	rig_destroy(&r);
	flushes = rig_calls(&r, TDH_PHYMEM_PAGE_WBINVD) - flushes; /* the last is the TDR's */
	run_once(&r);
	td = tdx_vm_td(r.vm);
	/* Refused, the flush leaves lines of the global KeyID behind; the page is not reused. */
	rig_fail(&r, TDH_PHYMEM_PAGE_WBINVD, flushes, 1, TDX_OPERAND_BUSY | TDX_OPERAND_ID_RCX);
	rig_destroy(&r);
	assert_int_equal(rig_memory(&r).quarantined_pages, 1);
	rig_check_coherent(&r);
	/* A host that did reuse it would lose the data. */
	assert_int_equal(machine_write(&r.model->sys->m->lp[0], td.tdr.v, junk, sizeof(junk)), 0);
	assert_true(machine_coherency_count(r.model->sys->m) > 0);
	rig_off(&r);
}

/* The order of a life, as the first call of each kind and the last. */
static void S0_24_calls_come_in_the_order_of_a_life(void **state)
{
	static const enum tdx_seamcall order[] = {
		TDH_MNG_CREATE,	     TDH_MNG_KEY_CONFIG,     TDH_MNG_ADDCX,
		TDH_MNG_INIT,	     TDH_MEM_PAGE_ADD,	     TDH_MR_EXTEND,
		TDH_VP_CREATE,	     TDH_VP_ADDCX,	     TDH_VP_INIT,
		TDH_MR_FINALIZE,     TDH_VP_ENTER,	     TDH_MEM_PAGE_AUG,
		TDH_MEM_RANGE_BLOCK, TDH_MEM_TRACK,	     TDH_MEM_PAGE_REMOVE,
		TDH_VP_FLUSH,	     TDH_MNG_VPFLUSHDONE,    TDH_PHYMEM_CACHE_WB,
		TDH_MNG_KEY_FREEID,  TDH_PHYMEM_PAGE_RECLAIM};
	enum { N = sizeof(order) / sizeof(order[0]) };
	size_t first[N] = {0}, last[TDX_SEAMCALL_LEAVES] = {0};
	unsigned types = 0;
	struct tdx_step step;
	struct rig r;
	/* vCPU pages, then tables, then TDCS, then TDR. */
	static const enum tdx_page_type rank[] = {TDX_PT_TDCX, TDX_PT_TDVPR, TDX_PT_EPT,
						  TDX_PT_TDCX, TDX_PT_TDR};

	(void)state;
	rig_on(&r, &recorded);
	run_once(&r);
	rig_destroy(&r);
	for (size_t i = 0; tdx_record_step(r.record, i, &step); i++) {
		unsigned leaf = tdx_rax_leaf(step.in.rax);

		if (step.kind != TDX_STEP_SEAMCALL)
			continue;
		last[leaf] = i + 1;
		for (unsigned k = 0; k < N; k++)
			if (order[k] == leaf && !first[k])
				first[k] = i + 1;
		if (leaf != TDH_PHYMEM_PAGE_RECLAIM)
			continue;
		assert_int_not_equal(step.out.rcx, TDX_PT_REG); /* removed, all of them, before */
		while (types < 5 && step.out.rcx != (uint64_t)rank[types])
			types++;
		assert_true(types < 5);
	}
	for (unsigned k = 0; k + 1 < N; k++) {
		assert_true(first[k] > 0);
		assert_true(first[k] < first[k + 1]);
	}
	assert_true(last[TDH_MEM_PAGE_REMOVE] < first[N - 5]);
	assert_int_equal(types, 4);
	rig_off(&r);
}

static void S0_24_nothing_is_reclaimed_from_a_td_that_lives(void **state)
{
	struct tdx_page_metadata md;
	struct tdx_td td;
	struct rig r;

	(void)state;
	rig_on(&r, &plain);
	run_once(&r);
	td = tdx_vm_td(r.vm);
	assert_int_equal(tdh_phymem_page_reclaim(tdx_cpu_of(r.cpu[0]), td.tdr, &md).raw,
			 TDX_LIFECYCLE_STATE_INCORRECT);
	assert_int_equal(tdh_phymem_page_reclaim(tdx_cpu_of(r.cpu[0]), hpa(r.vm->tdcs[0]), &md).raw,
			 TDX_LIFECYCLE_STATE_INCORRECT);
	assert_int_equal(
		tdh_phymem_page_reclaim(tdx_cpu_of(r.cpu[0]), tdx_vcpu_vp(r.vcpu[0]).tdvpr, &md)
			.raw,
		TDX_LIFECYCLE_STATE_INCORRECT);
	assert_int_equal(
		tdh_phymem_page_reclaim(tdx_cpu_of(r.cpu[0]), hpa(r.vcpu[0]->tdcx[0]), &md).raw,
		TDX_LIFECYCLE_STATE_INCORRECT);
	assert_int_equal(tdh_phymem_page_reclaim(tdx_cpu_of(r.cpu[0]), sept_page(&r), &md).raw,
			 TDX_LIFECYCLE_STATE_INCORRECT);
	assert_int_equal(
		tdh_phymem_page_reclaim(tdx_cpu_of(r.cpu[0]), private_page(&r, 1), &md).raw,
		TDX_LIFECYCLE_STATE_INCORRECT);
	rig_destroy(&r);
	rig_check_clean(&r);
	rig_off(&r);
}

static void big_guest(struct tdx_native_cpu *cpu, void *arg)
{
	guest_accept(cpu, TDX_SIZE_2M, TDX_LEVEL_2M);
	guest(cpu, arg);
}

/* A life seen call by call; its end, too, of a TD whose pages are reclaimed and not removed. */
static struct {
	const struct tdx_port_ops *below;
	struct rig *r;
	unsigned reclaimed[16]; /* by type */
	unsigned large;
} watched;

static void watched_seamcall(const struct tdx_port *port, struct tdx_regs *regs)
{
	unsigned leaf = tdx_rax_leaf(regs->rax);
	struct tdx_regs was = {.rax = TDH_PHYMEM_PAGE_RDMD, .rcx = regs->rcx};

	if (leaf == TDH_PHYMEM_PAGE_RECLAIM)
		watched.below->seamcall(port, &was);
	watched.below->seamcall(port, regs);
	if (leaf != TDH_VP_ENTER) /* an entered guest keeps locks between its exits only */
		rig_check_module(watched.r);
	if (leaf != TDH_PHYMEM_PAGE_RECLAIM || regs->rax != TDX_SUCCESS)
		return;
	/* What it says the page was is what the PAMT said: type, owner, size. */
	assert_int_equal(was.rax, TDX_SUCCESS);
	assert_int_equal(regs->rcx, was.rcx);
	assert_int_equal(regs->rdx, was.rdx);
	assert_int_equal(regs->r8, was.r8);
	assert_int_equal(regs->rdx, regs->rcx == TDX_PT_TDR ? 0 : tdx_vm_td(watched.r->vm).tdr.v);
	watched.reclaimed[regs->rcx & 15]++;
	watched.large += regs->r8 == TDX_LEVEL_2M;
}

static void watch_a_life(bool dies)
{
	struct rig_options o = {.guest = big_guest, .huge = true};
	struct tdx_port_ops ops;
	struct rig r;

	rig_on(&r, &o);
	memset(&watched, 0, sizeof(watched));
	watched.r = &r;
	watched.below = r.cpu[0]->ops;
	ops = *watched.below;
	ops.seamcall = watched_seamcall;
	for (unsigned i = 0; i < r.ncpus; i++)
		r.model->cpu[i].port.ops = &ops;
	run_once(&r);
	if (dies)
		tdx_vm_inhibit_apicv(r.vm);
	rig_destroy(&r);
	for (unsigned i = 0; i < r.ncpus; i++)
		r.model->cpu[i].port.ops = watched.below;
	rig_check_clean(&r);
	rig_off(&r);
}

static void S0_25_children_are_counted_right_after_every_call(void **state)
{
	(void)state;
	watch_a_life(false);
	assert_int_equal(watched.reclaimed[TDX_PT_REG], 0);
	watch_a_life(true);
	assert_int_equal(watched.large, 1); /* 512 children at once */
}

static void S0_26_a_thousand_failures_are_one_line(void **state)
{
	struct rig r;

	(void)state;
	rig_on(&r, &plain);
	run_once(&r);
	r.nlog = 0;
	rig_fail(&r, -1, 1, 0, 0x8000123400005678ull);
	for (unsigned i = 0; i < 1000; i++)
		tdx_vm_set_private(r.vm, gpa(0x1000 * (i % 16)), 0x1000, i & 16);
	rig_destroy(&r);
	assert_int_equal(r.nlog, 1);
	assert_non_null(strstr(r.log, "TDH.MEM.RANGE.BLOCK"));
	assert_non_null(strstr(r.log, "0x8000123400005678"));
	tdx_model_clear_faults(r.model);
	rig_check_module(&r);
	rig_off(&r);
}

static void S0_27_reclaim_tells_what_the_page_was(void **state)
{
	static const enum tdx_page_type types[] = {TDX_PT_REG, TDX_PT_TDR, TDX_PT_TDCX,
						   TDX_PT_TDVPR, TDX_PT_EPT};

	(void)state;
	watch_a_life(true);
	for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		assert_true(watched.reclaimed[types[i]] > 0);
}

static void S1_01_a_call_leaves_alone_what_is_no_output(void **state)
{
	static const enum tdx_seamcall leaves[] = {TDH_MEM_TRACK,	TDH_MNG_RD,
						   TDH_MEM_RANGE_BLOCK, TDH_VP_FLUSH,
						   TDH_SYS_RD,		TDH_PHYMEM_PAGE_WBINVD};
	struct rig r;

	(void)state;
	rig_on(&r, &plain);
	run_once(&r);
	for (unsigned i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++) {
		const struct tdx_leaf_info *leaf = tdx_seamcall_leaf(leaves[i]);
		struct tdx_regs in, out;

		for (unsigned n = 0; n < 16; n++)
			*tdx_reg(&in, n) = 0xc0de000000000000 + n;
		in.rax = leaves[i];
		in.rcx = in.rdx = tdx_vm_td(r.vm).tdr.v;
		out = in;
		r.cpu[0]->ops->seamcall(r.cpu[0], &out);
		for (unsigned n = 1; n < 16; n++)
			if (!(tdx_leaf_outputs(leaf, 0) & TDX_REG_BIT(n)))
				assert_int_equal(*tdx_reg(&out, n), *tdx_reg(&in, n));
	}
	rig_destroy(&r);
	rig_check_clean(&r);
	rig_off(&r);
}

static void S0_28_a_leaf_with_a_bit_that_is_reserved_is_refused(void **state)
{
	struct rig r;

	(void)state;
	rig_on(&r, &plain);
	for (unsigned leaf = 0; leaf < TDX_SEAMCALL_LEAVES; leaf++)
		for (unsigned bit = 24; bit < 63; bit++) {
			struct tdx_regs regs = {.rax = leaf | 1ull << bit};

			r.cpu[0]->ops->seamcall(r.cpu[0], &regs);
			assert_int_equal(regs.rax,
					 tdx_error_op(TDX_OPERAND_INVALID, TDX_OPERAND_ID_RAX).raw);
		}
	rig_off(&r);
}

static void S0_15_a_guessed_global_keyid_gains_nothing(void **state)
{
	uint8_t before[4096], after[4096];
	struct rig r;
	hpa_t page;

	(void)state;
	rig_on(&r, &plain);
	run_once(&r);
	assert_int_equal(tdx_vmm_alloc(r.vmm, 1, &page), 0);
	memset(before, 0x5a, sizeof(before));
	tdx_vmm_write(r.vmm, page, before, sizeof(before));
	/* On a free page: allowed, and changes nothing. On the TD's pages: refused. */
	assert_true(tdx_is_success(
		tdh_phymem_page_wbinvd_hkid(&r.vmm->host, tdx_cpu_of(r.cpu[0]), page, hkid(32))));
	tdx_vmm_read(r.vmm, page, after, sizeof(after));
	assert_memory_equal(before, after, sizeof(before));
	assert_true(tdx_is(tdh_phymem_page_wbinvd_hkid(&r.vmm->host, tdx_cpu_of(r.cpu[0]),
						       hpa(r.vm->tdcs[0]), hkid(32)),
			   TDX_PAGE_METADATA_INCORRECT));
	tdx_vmm_dealloc(r.vmm, page, 1);
	rig_destroy(&r);
	rig_check_clean(&r);
	rig_off(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(S0_03_a_line_has_all_bits_of_the_registers),
		cmocka_unit_test(S0_10_a_busy_reclaim_is_not_repeated_and_the_page_is_lost),
		cmocka_unit_test(S0_11_a_teardown_meets_no_lock_that_is_taken),
		cmocka_unit_test(S0_11_of_two_teardowns_of_one_td_one_is_refused),
		cmocka_unit_test(S0_11_the_second_of_two_teardowns_is_busy_at_every_call),
		cmocka_unit_test(S0_13_an_interrupt_after_every_block_makes_as_many_calls),
		cmocka_unit_test(S0_13_resuming_nothing_and_other_commands_are_refused),
		cmocka_unit_test(S0_13_one_processor_of_a_package_at_a_time),
		cmocka_unit_test(S0_13_a_write_back_without_end_is_given_up),
		cmocka_unit_test(S0_14_a_package_left_out_keeps_the_keyid_from_being_free),
		cmocka_unit_test(S0_14_the_monitor_writes_back_once_a_package),
		cmocka_unit_test(S0_15_a_guessed_global_keyid_gains_nothing),
		cmocka_unit_test(S0_17_a_live_page_cannot_be_written_back),
		cmocka_unit_test(S0_18_clearing_follows_the_erratum),
		cmocka_unit_test(S0_18_an_uncleared_page_raises_a_machine_check),
		cmocka_unit_test(S0_19_loads_before_the_barrier_are_seen),
		cmocka_unit_test(S0_21_a_skipped_flush_is_found),
		cmocka_unit_test(S0_22_a_page_that_is_not_reclaimed_is_never_handed_out_again),
		cmocka_unit_test(S0_22_the_tdr_stays_with_its_children),
		cmocka_unit_test(S0_23_the_tdr_is_reclaimed_flushed_and_freed_last),
		cmocka_unit_test(S0_23_a_tdr_freed_before_its_flush_is_found),
		cmocka_unit_test(S0_24_calls_come_in_the_order_of_a_life),
		cmocka_unit_test(S0_24_nothing_is_reclaimed_from_a_td_that_lives),
		cmocka_unit_test(S0_25_children_are_counted_right_after_every_call),
		cmocka_unit_test(S0_26_a_thousand_failures_are_one_line),
		cmocka_unit_test(S0_27_reclaim_tells_what_the_page_was),
		cmocka_unit_test(S1_01_a_call_leaves_alone_what_is_no_output),
		cmocka_unit_test(S0_28_a_leaf_with_a_bit_that_is_reserved_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
