/* SPDX-License-Identifier: MIT */
/* A host and a guest of one TD at its fields at the same time: whole values, no wrong refusals. */
#include "module_meta_setup.h"

#include <pthread.h>

enum { ROUNDS = 2000 };

struct shared {
	struct meta *t;
	atomic_bool stop;
	unsigned wrong;
};

/* The host: reads every field of the TD over and over, changes its timeout and VM_CTLS. */
static void *host(void *arg)
{
	struct shared *sh = arg;
	struct module *mod = sh->t->s.mod;
	const uint64_t timeout = md_by_name("TD.HP_LOCK_TIMEOUT");
	uint64_t id = MD_ID_NONE;

	for (unsigned i = 0; !atomic_load(&sh->stop); i++) {
		struct tdx_regs r = {.rax = TDH_MNG_RD | 1 << 16, .rcx = META_TDR, .rdx = id};
		struct tdx_regs w = {.rax = TDH_MNG_WR,
				     .rcx = META_TDR,
				     .rdx = timeout,
				     .r8 = i % 2 ? 20000 : 2000000,
				     .r9 = ~0ull};

		module_seamcall(mod, 1, &r);
		if (tdx_is_error(tdx_status(r.rax)))
			sh->wrong++;
		if (id == timeout && r.r8 != 20000 && r.r8 != 2000000 && r.r8 != 1000000)
			sh->wrong++;
		id = r.rdx;
		module_seamcall(mod, 1, &w);
		if (w.rax != TDX_SUCCESS)
			sh->wrong++;
	}
	return NULL;
}

static void host_and_guest_see_whole_values(void **state)
{
	const uint64_t notify = md_by_name("TD.NOTIFY_ENABLES"),
		       pv = md_by_name("TD.FEATURE_PARAVIRT_CTLS");
	struct meta t = meta_make(TDX_ATTR_DEBUG, 0);
	struct shared sh = {.t = &t};
	pthread_t thread;

	meta_enter(&t);
	assert_int_equal(pthread_create(&thread, NULL, host, &sh), 0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t id = MD_ID_NONE;

		setup_expect(meta_guest(&t, TDG_VM_WR, .rdx = notify, .r8 = i & 1, .r9 = 1),
			     TDX_SUCCESS);
		setup_expect(
			meta_guest(&t, TDG_VM_WR, .rdx = pv, .r8 = i & 1 ? 0xfff : 0, .r9 = 0xfff),
			TDX_SUCCESS);
		setup_expect(meta_guest(&t, TDG_VM_RD, .rdx = pv), TDX_SUCCESS);
		assert_int_equal(t.s.regs.r8, i & 1 ? 0xfff : 0);
		meta_guest(&t, TDG_VM_RD | 1 << 16, .rdx = id);
		id = t.s.regs.rdx;
		for (unsigned n = 0; n < 20; n++) {
			setup_expect(meta_guest(&t, TDG_VM_RD | 1 << 16, .rdx = id), TDX_SUCCESS);
			id = t.s.regs.rdx;
		}
	}
	atomic_store(&sh.stop, true);
	pthread_join(thread, NULL);
	assert_int_equal(sh.wrong, 0);
	meta_free(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(host_and_guest_see_whole_values),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
