/* SPDX-License-Identifier: MIT */
/* Several TDs of one host at the same time: built, run and taken down by a thread each, again and
 * again, on the same processors, KeyIDs and memory. */
#include "vmm_setup.h"

#include <pthread.h>
#include <unistd.h>

enum { WATCHDOG = 240, THREADS = 4, LIVES = 12, PAGES = 48 };

static void guest(struct tdx_native_cpu *cpu, void *arg)
{
	uint64_t word = 1;

	(void)arg;
	for (unsigned i = 1; i <= PAGES; i++)
		guest_accept(cpu, i * 0x1000, TDX_LEVEL_4K);
	guest_accept(cpu, TDX_SIZE_2M, TDX_LEVEL_2M);
	guest_vmcall(cpu, TDVMCALL_MAP_GPA, 0x3000 | RIG_SHARED, 0x8000, NULL);
	tdx_native_write(cpu, gpa(0x3000 | RIG_SHARED), &word, sizeof(word));
	guest_halt(cpu);
}

struct host {
	struct rig *r;
	pthread_t thread;
	int err;
	const char *at;
};

static int live(struct rig *r, struct tdx_vm *vm, const char **at)
{
	static const uint8_t page[4096];
	struct tdx_vm_params p = rig_params(r);
	struct tdx_vcpu *v;
	struct tdx_run run;
	int err;

#define STEP(call)                                                                                 \
	do {                                                                                       \
		*at = #call;                                                                       \
		err = (call);                                                                      \
		if (err)                                                                           \
			return err;                                                                \
	} while (0)
	STEP(tdx_vm_init(vm, &p));
	STEP(tdx_vm_set_memslot(vm, 0, gpa(0), RIG_RAM));
	STEP(tdx_vm_add_page(vm, gpa(0), page, true));
	STEP(tdx_vcpu_new(vm, 0, &v));
	STEP(tdx_vcpu_init(v, 0));
	STEP(tdx_vm_finalize(vm));
	do
		STEP(tdx_vcpu_run(v, -1, &run));
	while (run.exit != TDX_EXIT_HLT);
	STEP(tdx_vm_demote(vm, gpa(TDX_SIZE_2M)));
	STEP(tdx_vm_set_private(vm, gpa(0x10000), 0x10000, false));
	return 0;
}

static void *live_on_and_on(void *arg)
{
	struct host *h = arg;

	for (unsigned i = 0; i < LIVES && !h->err; i++) {
		struct tdx_vm *vm;

		h->err = tdx_vm_new(h->r->vmm, &vm);
		if (!h->err) {
			h->err = live(h->r, vm, &h->at);
			tdx_vm_destroy(vm);
		}
	}
	return NULL;
}

static void S2_02_tds_that_come_and_go_do_not_contend(void **state)
{
	struct rig_options o = {.guest = guest, .cpus = 4, .packages = 2, .huge = true};
	struct host h[THREADS];
	enum tdx_operand op;
	struct rig r;

	(void)state;
	alarm(WATCHDOG);
	rig_on(&r, &o);
	for (unsigned i = 0; i < THREADS; i++) {
		h[i] = (struct host){.r = &r};
		pthread_create(&h[i].thread, NULL, live_on_and_on, &h[i]);
	}
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(h[i].thread, NULL);
	for (unsigned i = 0; i < THREADS; i++)
		if (h[i].err)
			fail_msg("%s: %d; %s", h[i].at, h[i].err, r.log);
	for (unsigned leaf = 0; leaf < TDX_SEAMCALL_LEAVES; leaf++)
		for (size_t i = 0; tdx_operand_at(i, &op); i++)
			if (tdx_model_contention(r.model, (enum tdx_seamcall)leaf, op))
				fail_msg("%s busy on %s", tdx_seamcall_leaf(leaf)->name,
					 tdx_operand_name(op));
	assert_int_equal(r.nlog, 0);
	rig_check_clean(&r);
	rig_off(&r);
	alarm(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(S2_02_tds_that_come_and_go_do_not_contend),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
