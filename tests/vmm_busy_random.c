/* SPDX-License-Identifier: MIT */
/* A module that says busy at random, any operand: VMs finish, are refused, or die by the rule
 * (S2-05): a removal that is busy twice, a call of the teardown that is busy once. None hangs. */
#include "vmm_setup.h"

#include <unistd.h>

enum { WATCHDOG = 120, LIVES = 60 };

static void guest(struct tdx_native_cpu *cpu, void *arg)
{
	uint64_t word = 1;

	(void)arg;
	for (unsigned i = 1; i <= 16; i++)
		guest_accept(cpu, i * 0x1000, TDX_LEVEL_4K);
	guest_vmcall(cpu, TDVMCALL_MAP_GPA, 0x3000 | RIG_SHARED, 0x2000, NULL);
	tdx_native_write(cpu, gpa(0x3000 | RIG_SHARED), &word, sizeof(word));
	guest_halt(cpu);
}

static bool may_die_of(enum tdx_seamcall leaf)
{
	switch (leaf) {
	case TDH_MEM_RANGE_BLOCK:
	case TDH_MEM_RANGE_UNBLOCK:
	case TDH_MEM_TRACK:
	case TDH_MEM_PAGE_REMOVE:
	case TDH_MEM_PAGE_PROMOTE:
	case TDH_MEM_PAGE_DEMOTE: /* twice */
	case TDH_VP_FLUSH:
	case TDH_VP_WR:
	case TDH_MNG_VPFLUSHDONE:
	case TDH_MNG_KEY_FREEID:
	case TDH_PHYMEM_CACHE_WB:
	case TDH_PHYMEM_PAGE_RECLAIM:
	case TDH_PHYMEM_PAGE_WBINVD: /* nothing else can hold their locks */
		return true;
	default:
		return false; /* an install, an entry: never */
	}
}

static struct {
	unsigned finished, refused, died;
} fate;

static void one_life(struct rig *r)
{
	int err = rig_try_vm(r, 1);
	struct tdx_vm_error e;

	if (!err)
		err = rig_run(r, 0, -1);
	tdx_vm_error(r->vm, &e);
	if (e.bugged) {
		assert_true(tdx_is_busy(e.status));
		if (!may_die_of(e.leaf))
			fail_msg("%s", e.text);
		fate.died++;
	} else if (err) {
		assert_true(err == -EIO || err == -EBUSY);
		fate.refused++;
	} else
		fate.finished++;
	rig_destroy(r);
	assert_int_equal(rig_memory(r).used_pages, 0);
	rig_check_coherent(r);
	rig_check_module(r);
}

static void busy(unsigned permille)
{
	const struct rig_options o = {.guest = guest};
	struct tdx_fault f = {.kind = TDX_FAULT_BUSY, .leaf = -1, .cpu = -1, .permille = permille};
	struct rig r;
	bool on = false;

	memset(&fate, 0, sizeof(fate));
	alarm(WATCHDOG);
	for (unsigned i = 0; i < LIVES; i++) {
		if (!on) {
			rig_on(&r, &o);
			tdx_model_inject(r.model, &f);
		}
		on = true;
		one_life(&r);
		if (rig_memory(&r).free_hkids < 2) {
			rig_off(&r);
			on = false;
		}
	}
	if (on)
		rig_off(&r);
	alarm(0);
	printf("%u.%u %% busy: %u VMs finished, %u were refused, %u died\n", permille / 10,
	       permille % 10, fate.finished, fate.refused, fate.died);
}

/* Building holds no lock that anybody else wants; once built, the rule is about running. */
static void busy_once_built(unsigned permille)
{
	const struct rig_options o = {.guest = guest};
	struct tdx_fault f = {.kind = TDX_FAULT_BUSY, .leaf = -1, .cpu = -1, .permille = permille};
	unsigned finished = 0, died = 0;
	struct rig r;

	alarm(WATCHDOG);
	rig_on(&r, &o);
	for (unsigned i = 0; i < 20; i++) {
		struct tdx_vm_error e;
		int err;

		rig_vm(&r, 1);
		tdx_model_inject(r.model, &f);
		err = rig_run(&r, 0, -1);
		tdx_vm_error(r.vm, &e);
		assert_int_equal(err != 0, e.bugged);
		if (e.bugged && !may_die_of(e.leaf))
			fail_msg("%s", e.text);
		died += e.bugged;
		finished += !e.bugged;
		tdx_model_clear_faults(r.model);
		rig_destroy(&r);
		assert_int_equal(rig_memory(&r).quarantined_pages <= died, true);
	}
	rig_off(&r);
	alarm(0);
	printf("%u.%u %% busy once built: %u VMs finished, %u died\n", permille / 10, permille % 10,
	       finished, died);
}

static void S2_05_one_percent_busy(void **state)
{
	(void)state;
	busy(10);
	busy_once_built(10);
}

static void S2_05_ten_percent_busy(void **state)
{
	(void)state;
	busy(100);
	busy_once_built(100);
}

static void S2_05_fifty_percent_busy(void **state)
{
	(void)state;
	busy(500);
	busy_once_built(500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(S2_05_one_percent_busy),
		cmocka_unit_test(S2_05_ten_percent_busy),
		cmocka_unit_test(S2_05_fifty_percent_busy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
