/* SPDX-License-Identifier: MIT */
/* TDs on a host with dynamic PAMT: built, run, converted, resized and torn down, with the 4K
 * entries in memory only where something is the module's. */
#include "vmm_setup.h"

#include <pthread.h>
#include <stdio.h>

#include <swtdx/port.h>

#include "vmm/internal.h"

enum { TOUCHED = 512 }; /* 4K pages; with the control pages more than one range of 2M has */

/* Accepts 4K pages, then one of 2M, and shares some of the first again. */
static void guest(struct tdx_native_cpu *cpu, void *arg)
{
	const bool *huge = arg;

	for (uint64_t i = 1; i < TOUCHED; i++)
		guest_accept(cpu, i << 12, TDX_LEVEL_4K);
	if (*huge)
		guest_accept(cpu, 6ull << 21, TDX_LEVEL_2M);
	for (;;)
		guest_halt(cpu);
}

static uint64_t pairs(struct rig *r)
{
	return rig_calls(r, TDH_PHYMEM_PAMT_ADD) - rig_calls(r, TDH_PHYMEM_PAMT_REMOVE);
}

static void live(struct rig *r, const struct rig_options *o)
{
	rig_on(r, o);
	assert_int_equal(rig_memory(r).dynamic_pamt, o->dynamic_pamt);
	rig_vm(r, 1);
	assert_int_equal(rig_run(r, 0, -1), 0);
	rig_check_module(r);
	rig_check_coherent(r);
}

static void a_td_lives_and_its_entries_go_with_it(void **state)
{
	bool huge = true;
	struct rig_options o = {.guest = guest, .arg = &huge, .huge = true};
	uint64_t always, before, during;
	struct rig r;

	(void)state;
	live(&r, &o);
	always = rig_memory(&r).pamt_pages;
	assert_int_equal(rig_calls(&r, TDH_PHYMEM_PAMT_ADD), 0);
	rig_destroy(&r);
	rig_off(&r);

	o.dynamic_pamt = true;
	rig_on(&r, &o);
	before = rig_memory(&r).pamt_pages;
	rig_off(&r);
	live(&r, &o);
	assert_true(pairs(&r) >= 2);
	during = rig_memory(&r).pamt_pages;
	assert_int_equal(during, before + 2 * pairs(&r));
	assert_true(during < always);
	printf("PAMT of 256 MiB: static %llu KiB; dynamic %llu KiB without a TD, %llu KiB with one "
	       "of "
	       "%llu pages\n",
	       (unsigned long long)always * 4, (unsigned long long)before * 4,
	       (unsigned long long)during * 4, (unsigned long long)rig_memory(&r).used_pages);
	rig_destroy(&r);
	assert_int_equal(pairs(&r), 0);
	assert_int_equal(rig_memory(&r).pamt_pages, before);
	rig_check_clean(&r);
	rig_off(&r);
}

/* Conversions give pages back while the TD lives. */
static void what_is_converted_is_given_back(void **state)
{
	bool huge = false;
	const struct rig_options o = {
		.guest = guest, .arg = &huge, .dynamic_pamt = true, .erratum = true};
	uint64_t most;
	struct rig r;

	(void)state;
	live(&r, &o);
	most = pairs(&r);
	assert_int_equal(tdx_vm_set_private(r.vm, gpa(0), RIG_RAM, false), 0);
	assert_true(pairs(&r) < most);
	assert_true(pairs(&r) > 0); /* its control pages, and tables */
	rig_check_module(&r);
	rig_check_coherent(&r);
	rig_destroy(&r);
	assert_int_equal(pairs(&r), 0);
	rig_check_clean(&r);
	rig_off(&r);
}

static void accept_2m(struct tdx_native_cpu *cpu, void *arg)
{
	(void)arg;
	guest_accept(cpu, 1ull << 21, TDX_LEVEL_2M);
	for (;;)
		guest_halt(cpu);
}

/* A 2M page needs no entries; demoted it brings a pair, promoted it gives it back. */
static void pairs_go_along_with_demote_and_promote(void **state)
{
	const struct rig_options o = {.guest = accept_2m, .huge = true, .dynamic_pamt = true};
	const gpa_t at = gpa(1ull << 21);
	struct tdx_vmm_memory was, m;
	struct rig r;

	(void)state;
	live(&r, &o);
	was = rig_memory(&r);
	assert_int_equal(tdx_vm_demote(r.vm, at), 0);
	m = rig_memory(&r);
	assert_true(m.pamt_pages >= was.pamt_pages + 2);
	rig_check_module(&r);
	assert_int_equal(tdx_vm_promote(r.vm, at), 0);
	m = rig_memory(&r);
	assert_int_equal(m.pamt_pages, was.pamt_pages);
	rig_check_module(&r);
	rig_check_coherent(&r);
	/* and torn down in either state */
	assert_int_equal(tdx_vm_demote(r.vm, at), 0);
	rig_destroy(&r);
	rig_check_clean(&r);
	rig_off(&r);
}

static void a_page_without_entries_ends_a_build_cleanly(void **state)
{
	bool huge = false;
	const struct rig_options o = {.guest = guest, .arg = &huge, .dynamic_pamt = true};
	struct rig r;

	(void)state;
	rig_on(&r, &o);
	for (unsigned nth = 1; nth <= 2; nth++) {
		rig_fail(&r, TDH_PHYMEM_PAMT_ADD, nth, 1, TDX_HPA_RANGE_NOT_FREE);
		if (rig_try_vm(&r, 1) == 0)
			assert_int_equal(rig_run(&r, 0, -1), -EIO);
		rig_destroy(&r);
		tdx_model_clear_faults(r.model);
		rig_check_clean(&r);
	}
	rig_off(&r);
}

static void busy_ranges_are_tried_again(void **state)
{
	bool huge = false;
	const struct rig_options o = {.guest = guest, .arg = &huge, .dynamic_pamt = true};
	struct tdx_fault f = {.kind = TDX_FAULT_STATUS,
			      .leaf = TDH_PHYMEM_PAMT_ADD,
			      .cpu = -1,
			      .nth = 1,
			      .times = 5,
			      .status = {TDX_OPERAND_BUSY | TDX_OPERAND_ID_RCX}};
	struct rig r;

	(void)state;
	rig_on(&r, &o);
	assert_true(tdx_model_inject(r.model, &f) >= 0);
	f.leaf = TDH_PHYMEM_PAMT_REMOVE;
	assert_true(tdx_model_inject(r.model, &f) >= 0);
	rig_vm(&r, 1);
	assert_int_equal(rig_run(&r, 0, -1), 0);
	rig_destroy(&r);
	assert_int_equal(r.nlog, 0);
	rig_check_clean(&r);
	rig_off(&r);
}

/* The module keeps a pair that it would not give back; the next user of the range finds it there.
 */
static void a_pair_that_does_not_come_back_is_used_again(void **state)
{
	bool huge = false;
	const struct rig_options o = {.guest = guest, .arg = &huge, .dynamic_pamt = true};
	uint64_t pamt;
	struct rig r;

	(void)state;
	rig_on(&r, &o);
	pamt = rig_memory(&r).pamt_pages;
	rig_vm(&r, 1);
	rig_fail(&r, TDH_PHYMEM_PAMT_REMOVE, 1, 1, TDX_PAMT_PAGE_NOT_EMPTY);
	rig_destroy(&r);
	assert_int_equal(rig_memory(&r).pamt_pages, pamt + 2);
	assert_int_equal(rig_memory(&r).used_pages, 0);
	tdx_model_clear_faults(r.model);
	rig_vm(&r, 1);
	assert_int_equal(rig_run(&r, 0, -1), 0);
	rig_destroy(&r);
	assert_int_equal(rig_memory(&r).pamt_pages, pamt);
	rig_check_clean(&r);
	rig_off(&r);
}

static void whatever_memory_is_missing_nothing_is_lost(void **state)
{
	bool huge = true;
	const struct rig_options o = {.guest = guest,
				      .arg = &huge,
				      .huge = true,
				      .dynamic_pamt = true,
				      .unwatched = true};
	struct rig r;
	unsigned nth;

	(void)state;
	rig_on(&r, &o);
	for (nth = 1; nth < 60; nth++) {
		tdx_vmm_fail_alloc(r.vmm, nth);
		if (rig_try_vm(&r, 1) == 0)
			(void)rig_run(&r, 0, -1);
		rig_destroy(&r);
		tdx_vmm_fail_alloc(r.vmm, 0);
		assert_int_equal(rig_memory(&r).used_pages, 0);
		assert_int_equal(rig_memory(&r).free_pages, r.total);
		assert_int_equal(pairs(&r), 0);
	}
	rig_off(&r);
}

/* --- the host library alone: many users of one range --- */

struct user {
	struct rig *r;
	unsigned cpu;
	uint64_t range;
	unsigned failed;
};

static void *use(void *arg)
{
	struct user *u = arg;
	struct tdx_vmm *vmm = u->r->vmm;
	const struct tdx_cpu *cpu = tdx_cpu_of(u->r->cpu[u->cpu]);

	for (unsigned i = 0; i < 3000; i++) {
		const hpa_t page = hpa(u->range + (uint64_t)(i % 8) * 4096);
		struct tdx_status s;
		int err;

		do { /* its page is in no other use, but the range is asked about at once */
			err = tdx_host_pamt_get(&vmm->host, cpu, page, &vmm->mem, &s);
		} while (err == -EIO && tdx_is_busy(s));
		if (!err)
			err = tdx_host_pamt_put(&vmm->host, cpu, page, &vmm->mem, &s);
		u->failed += err != 0;
	}
	return NULL;
}

static void users_of_a_range_share_a_pair(void **state)
{
	const struct rig_options o = {.cpus = 4, .dynamic_pamt = true};
	struct user u[4];
	pthread_t t[4];
	struct tdx_status s;
	struct rig r;
	hpa_t block;

	(void)state;
	rig_on(&r, &o);
	assert_int_equal(tdx_vmm_alloc(r.vmm, 1024, &block), 0);
	for (unsigned i = 0; i < 4; i++) {
		u[i] = (struct user){&r, i, (block.v + TDX_SIZE_2M - 1) & ~(TDX_SIZE_2M - 1), 0};
		assert_int_equal(pthread_create(&t[i], NULL, use, &u[i]), 0);
	}
	for (unsigned i = 0; i < 4; i++) {
		pthread_join(t[i], NULL);
		assert_int_equal(u[i].failed, 0);
	}
	assert_true(rig_calls(&r, TDH_PHYMEM_PAMT_ADD) > 0);
	assert_int_equal(pairs(&r), 0);
	/* nothing is put that was not got, or is no memory */
	assert_int_equal(tdx_host_pamt_put(&r.vmm->host, tdx_cpu_of(r.cpu[0]), hpa(u[0].range),
					   &r.vmm->mem, &s),
			 -EINVAL);
	assert_int_equal(tdx_host_pamt_get(&r.vmm->host, tdx_cpu_of(r.cpu[0]), hpa(1ull << 51),
					   &r.vmm->mem, &s),
			 -EINVAL);
	assert_int_equal(tdx_vmm_dealloc(r.vmm, block, 1024), 0);
	rig_check_clean(&r);
	rig_off(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_td_lives_and_its_entries_go_with_it),
		cmocka_unit_test(what_is_converted_is_given_back),
		cmocka_unit_test(pairs_go_along_with_demote_and_promote),
		cmocka_unit_test(a_page_without_entries_ends_a_build_cleanly),
		cmocka_unit_test(busy_ranges_are_tried_again),
		cmocka_unit_test(a_pair_that_does_not_come_back_is_used_again),
		cmocka_unit_test(whatever_memory_is_missing_nothing_is_lost),
		cmocka_unit_test(users_of_a_range_share_a_pair),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
