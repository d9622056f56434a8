/* SPDX-License-Identifier: MIT */
/* A TD on the model converts a gigabyte under hosts of all kinds: the pages really change hands,
 * and the number of calls is what arithmetic says. */
#include "guest_td.h"

#define START GIB
#define PAGES (GIB / TDX_PAGE_SIZE)

struct hostile {
	uint64_t n;	/* pages a call, 0: as the monitor likes */
	uint64_t every; /* only every so many'th call makes progress */
	int64_t lie;	/* answer start + lie, and do nothing */
	/* the call in progress */
	uint64_t start, size, seen;
	bool idle;
};

struct outcome {
	struct hostile *h;
	struct tdg_convert_result share, unshare;
	int share_err, unshare_err;
	uint64_t share_calls, unshare_calls, leaked;
};

static void hostile_call(struct td *t, struct tdx_regs *r)
{
	struct hostile *h = ((struct outcome *)t->arg)->h;

	if (r->r10 || r->r11 != TDVMCALL_MAP_GPA || !h)
		return;
	h->start = r->r12;
	h->size = r->r13;
	h->idle = h->lie || (h->every && ++h->seen % h->every);
	if (h->idle)
		r->r13 = 0; /* the monitor does nothing */
	else if (h->n && h->n * TDX_PAGE_SIZE < r->r13)
		r->r13 = h->n * TDX_PAGE_SIZE;
}

static void hostile_answer(struct td *t, struct tdx_regs *r)
{
	struct hostile *h = ((struct outcome *)t->arg)->h;

	if (!h || !h->size)
		return;
	if (h->idle) {
		r->r10 = TDVMCALL_RETRY;
		r->r11 = h->start + (uint64_t)h->lie;
	} else if (h->n && h->n * TDX_PAGE_SIZE < h->size) {
		assert_int_equal(r->r10, 0);
		r->r10 = TDVMCALL_RETRY;
		r->r11 = h->start + h->n * TDX_PAGE_SIZE;
	}
	h->size = 0;
}

static void convert(struct td *t, struct guest_native *g, const struct tdg_td *td, unsigned vcpu)
{
	struct outcome *o = t->arg;
	struct tdg_memory mm = td_mm(&o->leaked);

	(void)vcpu;
	for (;;) {
		uint64_t maps = t->maps;

		if (!o->h) {
			o->share_err =
				tdg_accept(&g->port, gpa(START), GIB, NULL, &o->share.accept);
		} else {
			o->share_err =
				tdg_share(&g->port, td, &mm, gpa(START), GIB, NULL, &o->share);
			o->share_calls = t->maps - maps;
			maps = t->maps;
			if (!o->share_err)
				o->unshare_err = tdg_unshare(&g->port, td, &mm, gpa(START), GIB,
							     NULL, &o->unshare);
			o->unshare_calls = t->maps - maps;
		}
		(void)!tdvmcall_is_success(tdvmcall_hlt(&g->port, true));
	}
}

/* The library's share and unshare, once for each entry of the vCPU; a td's first entry accepts. */
static void a_gigabyte_goes_there_and_back_with_the_calls_arithmetic_predicts(void **state)
{
	static const struct {
		uint64_t n, every, calls;
	} hosts[] = {
		{0, 0, 1},     {513, 0, 512}, {512, 0, 512},
		{3, 0, 87382}, {1, 0, PAGES}, {1, 2, 2 * PAGES},
	};
	struct outcome o = {.h = NULL};
	struct td *t = td_new(convert, 1, TDX_ATTR_SEPT_VE_DISABLE);

	t->arg = &o;
	t->on_call = hostile_call;
	t->on_answer = hostile_answer;
	assert_int_equal(td_run(t, 0), 0);
	assert_int_equal(o.share_err, 0);
	assert_int_equal(o.share.accept.accepted[TDX_LEVEL_4K], PAGES);
	assert_int_equal(o.share.accept.calls[TDX_LEVEL_2M], PAGES / 512);
	assert_int_equal(o.share.accept.calls[TDX_LEVEL_1G], 1);
	for (unsigned i = 0; i < sizeof(hosts) / sizeof(*hosts); i++) {
		struct hostile h = {.n = hosts[i].n, .every = hosts[i].every};
		uint64_t removed = td_calls(t, TDH_MEM_PAGE_REMOVE);
		uint64_t added = td_calls(t, TDH_MEM_PAGE_AUG);

		o = (struct outcome){.h = &h};
		assert_int_equal(td_run(t, 0), 0);
		assert_int_equal(o.share_err, 0);
		assert_int_equal(o.share_calls, hosts[i].calls);
		assert_int_equal(o.unshare_err, 0);
		assert_int_equal(o.unshare_calls, hosts[i].calls);
		assert_int_equal(o.unshare.accept.accepted[TDX_LEVEL_4K], PAGES);
		assert_int_equal(o.leaked, 0);
		/* The host really gave and took them. */
		assert_int_equal(td_calls(t, TDH_MEM_PAGE_REMOVE) - removed, PAGES);
		assert_int_equal(td_calls(t, TDH_MEM_PAGE_AUG) - added, PAGES);
	}
	td_free(t);
}

static void a_gigabyte_is_leaked_under_a_host_that_does_not_cooperate(void **state)
{
	const struct {
		uint64_t n, every;
		int64_t lie;
		enum tdg_map_stop stop;
		uint64_t calls, reached;
	} hosts[] = {
		{0, ~0ull, 0, TDG_MAP_NO_PROGRESS, 3, 0},
		{0, 0, -(int64_t)TDX_PAGE_SIZE, TDG_MAP_OUTSIDE, 1, 0},
		{0, 0, (int64_t)GIB, TDG_MAP_OUTSIDE, 1, 0},
		{0, 0, 8, TDG_MAP_MISALIGNED, 1, 0},
		{1, 3, 0, TDG_MAP_TOO_MANY_CALLS, 2 * PAGES + 3, (2 * PAGES + 3) / 3},
	};

	for (unsigned i = 0; i < sizeof(hosts) / sizeof(*hosts); i++) {
		struct hostile h = {hosts[i].n, hosts[i].every, hosts[i].lie, 0, 0, 0, false};
		struct outcome o = {.h = &h};
		struct td *t = td_new(convert, 1, TDX_ATTR_SEPT_VE_DISABLE);

		t->arg = &o;
		t->on_call = hostile_call;
		t->on_answer = hostile_answer;
		assert_int_equal(td_run(t, 0), 0);
		assert_int_equal(o.share_err, -EIO);
		assert_int_equal(o.share.map.stop, hosts[i].stop);
		assert_int_equal(o.share_calls, hosts[i].calls);
		assert_int_equal(o.share.map.reached.v, START + hosts[i].reached * TDX_PAGE_SIZE);
		assert_int_equal(o.leaked, GIB);
		td_free(t);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_gigabyte_goes_there_and_back_with_the_calls_arithmetic_predicts),
		cmocka_unit_test(a_gigabyte_is_leaked_under_a_host_that_does_not_cooperate),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
