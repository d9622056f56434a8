/* SPDX-License-Identifier: MIT */
/* Two processors at the same entries: a guest that accepts while the host takes pages away, and two
 * hosts that give one page twice. What must hold is checked in every round, not how rounds
 * interleave. */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "module_mem_setup.h"

enum { ROUNDS = 10000, GIVES = 8192, WALKS = 60000 };

#define GPA 0x5000ull

static uint64_t host(struct setup *s, unsigned lp, uint64_t leaf, uint64_t rcx, uint64_t rdx,
		     uint64_t r8, struct tdx_regs *out)
{
	struct tdx_regs regs = {.rax = leaf, .rcx = rcx, .rdx = rdx, .r8 = r8};

	if (module_seamcall(s->mod, lp, &regs) != MODULE_TO_HOST)
		abort();
	if (out)
		*out = regs;
	return regs.rax;
}

/* --- accept against removal --- */

struct race {
	struct setup s;
	struct test_td td;
	_Atomic bool stop, kick;
	unsigned accepted;
};

/* On processor 0: the vCPU. An interrupt arrives when the host asks for one. */
static void *guest(void *arg)
{
	struct race *r = arg;
	struct tdx_regs regs;

	while (!atomic_load(&r->stop)) {
		struct setup view = r->s;

		if (td_enter(&view, 0, &r->td) != MODULE_TO_GUEST)
			continue;
		for (;;) {
			if (atomic_exchange(&r->kick, false) || atomic_load(&r->stop)) {
				td_kick(&view, 0);
				break;
			}
			if (td_tdcall(&view, 0, TDG_MEM_PAGE_ACCEPT, GPA, &regs) == MODULE_TO_HOST)
				break;
			r->accepted += regs.rax == TDX_SUCCESS;
		}
	}
	return NULL;
}

static uint64_t until_not_busy(struct race *r, uint64_t leaf, uint64_t rcx, uint64_t rdx,
			       uint64_t r8)
{
	uint64_t raw;

	do {
		raw = host(&r->s, 1, leaf, rcx, rdx, r8, NULL);
		if (tdx_is(tdx_status(raw), TDX_PREVIOUS_TLB_EPOCH_BUSY) ||
		    tdx_is(tdx_status(raw), TDX_TLB_TRACKING_NOT_DONE))
			atomic_store(&r->kick, true);
	} while (tdx_is_busy(tdx_status(raw)) ||
		 tdx_is(tdx_status(raw), TDX_PREVIOUS_TLB_EPOCH_BUSY) ||
		 tdx_is(tdx_status(raw), TDX_TLB_TRACKING_NOT_DONE));
	return raw;
}

static void no_guest_writes_a_page_the_host_got_back(void **state)
{
	static struct race r;
	pthread_t thread;

	r = (struct race){.s = mem_setup()};
	r.td = td_run(&r.s, 0);
	assert_int_equal(pthread_create(&thread, NULL, guest, &r), 0);
	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t pa = FREE_4K(i % 7), *page = machine_ptr(r.s.m, pa);

		__atomic_store_n(page, 0x1111, __ATOMIC_RELAXED);
		assert_int_equal(until_not_busy(&r, TDH_MEM_PAGE_AUG, GPA, r.td.tdr, pa), 0);
		if (i % 3 == 0)
			sched_yield();
		assert_int_equal(until_not_busy(&r, TDH_MEM_RANGE_BLOCK, GPA, r.td.tdr, 0), 0);
		assert_int_equal(until_not_busy(&r, TDH_MEM_TRACK, r.td.tdr, 0, 0), 0);
		assert_int_equal(until_not_busy(&r, TDH_MEM_PAGE_REMOVE, GPA, r.td.tdr, 0), 0);
		__atomic_store_n(page, 0x2222, __ATOMIC_RELAXED);
		if (i % 16 == 0)
			sched_yield();
		assert_int_equal(__atomic_load_n(page, __ATOMIC_RELAXED), 0x2222);
	}
	atomic_store(&r.stop, true);
	pthread_join(thread, NULL);
	assert_true(r.accepted <= ROUNDS);
	expect_sound(&r.s);
	setup_free(&r.s);
}

/* --- one page, two TDs --- */

struct giver {
	struct setup *s;
	const struct test_td *td;
	unsigned lp;
	unsigned got; /* pages this TD was given */
	pthread_barrier_t *barrier;
};

static void *give(void *arg)
{
	struct giver *g = arg;

	for (uint64_t i = 0; i < GIVES; i++) {
		if (i % 64 == 0)
			pthread_barrier_wait(g->barrier);
		g->got += host(g->s, g->lp, TDH_MEM_PAGE_AUG, i % 512 << 12, g->td->tdr, FREE_4K(i),
			       NULL) == TDX_SUCCESS;
		if (i % 512 == 511) { /* make room again */
			for (uint64_t k = 0; k < 512; k++)
				host(g->s, g->lp, TDH_MEM_RANGE_BLOCK, k << 12, g->td->tdr, 0,
				     NULL);
			host(g->s, g->lp, TDH_MEM_TRACK, g->td->tdr, 0, 0, NULL);
			for (uint64_t k = 0; k < 512; k++)
				g->got -= host(g->s, g->lp, TDH_MEM_PAGE_REMOVE, k << 12,
					       g->td->tdr, 0, NULL) == TDX_SUCCESS;
		}
	}
	return NULL;
}

static void a_page_given_by_two_hosts_at_once_has_one_owner(void **state)
{
	struct setup s = mem_setup();
	struct test_td td[2] = {td_run(&s, 0), td_run(&s, 1)};
	pthread_barrier_t barrier;
	struct giver g[2];
	pthread_t thread[2];

	pthread_barrier_init(&barrier, NULL, 2);
	for (unsigned i = 0; i < 2; i++) {
		g[i] = (struct giver){.s = &s, .td = &td[i], .lp = i, .barrier = &barrier};
		assert_int_equal(pthread_create(&thread[i], NULL, give, &g[i]), 0);
	}
	for (unsigned i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	pthread_barrier_destroy(&barrier);
	for (unsigned i = 0; i < 2; i++) {
		const struct tdr *tdr = machine_ptr(s.m, td[i].tdr);
		uint64_t own = (td[i].next - td[i].tdr) / TDX_PAGE_SIZE - 1;

		assert_int_equal(tdr_children(tdr), own + g[i].got);
	}
	expect_sound(&s);
	setup_free(&s);
}

/* --- any call at any time --- */

struct walker {
	struct setup *s;
	const struct test_td *td;
	unsigned lp;
	uint32_t seed;
};

static uint32_t random32(struct walker *w)
{
	w->seed = w->seed * 1664525 + 1013904223;
	return w->seed >> 8;
}

static void *wander(void *arg)
{
	static const uint16_t leaf[] = {
		TDH_MEM_PAGE_AUG,     TDH_MEM_RANGE_BLOCK,  TDH_MEM_RANGE_UNBLOCK,
		TDH_MEM_TRACK,	      TDH_MEM_PAGE_REMOVE,  TDH_MEM_PAGE_RELOCATE,
		TDH_MEM_PAGE_PROMOTE, TDH_MEM_PAGE_DEMOTE,  TDH_MEM_SEPT_ADD,
		TDH_MEM_SEPT_REMOVE,  TDH_MEM_SEPT_RD,	    TDH_MEM_PAGE_AUG,
		TDH_MEM_TRACK,	      TDH_PHYMEM_PAGE_RDMD,
	};
	struct walker *w = arg;

	for (unsigned i = 0; i < WALKS; i++) {
		uint16_t l = leaf[random32(w) % (sizeof(leaf) / sizeof(leaf[0]))];
		uint64_t level = random32(w) % 4 == 0;
		uint64_t at = (uint64_t)(random32(w) % 4) << 21, page;

		page = level && l == TDH_MEM_PAGE_AUG ? FREE_2M(random32(w) % 3)
						      : FREE_4K(random32(w) % 24);
		if (!level)
			at |= (uint64_t)(random32(w) % 6) << 12;
		at |= level;
		if (l == TDH_MEM_TRACK)
			at = w->td->tdr;
		if (l == TDH_PHYMEM_PAGE_RDMD)
			at = page;
		host(w->s, w->lp, l, at, w->td->tdr, page, NULL);
	}
	return NULL;
}

static void after_any_calls_from_two_processors_the_books_balance(void **state)
{
	struct setup s = mem_setup();
	struct test_td td = td_run(&s, 0);
	struct walker w[2];
	pthread_t thread[2];

	for (unsigned i = 0; i < 2; i++) {
		w[i] = (struct walker){.s = &s, .td = &td, .lp = i, .seed = 77 + i};
		assert_int_equal(pthread_create(&thread[i], NULL, wander, &w[i]), 0);
	}
	for (unsigned i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	expect_sound(&s);
	setup_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_guest_writes_a_page_the_host_got_back),
		cmocka_unit_test(a_page_given_by_two_hosts_at_once_has_one_owner),
		cmocka_unit_test(after_any_calls_from_two_processors_the_books_balance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
