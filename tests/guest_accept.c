/* SPDX-License-Identifier: MIT */
/* Accepting memory: the ladder of page sizes, hosts that keep entries busy or cheat, and the bitmap
 * of memory that is accepted when it is first needed. */
#include <pthread.h>

#include "guest_host.h"
#include "guest_td.h"

#define TWO_M TDX_SIZE_2M

/* A module that takes 1G too; the host mapped pages of the size h->n says (by level). */
static void accepts_by_level(struct host *h, struct tdx_regs *r)
{
	unsigned level = (unsigned)r->rcx & 7;
	uint64_t first = ((r->rcx & ~0xfffull) - HOST_BASE) / PAGE, n = 1ull << 9 * level;

	assert_int_equal(r->rcx & (tdx_level_size(level) - 1) & ~7ull, 0);
	r->rax = 0;
	if (level > h->n)
		r->rax = TDX_PAGE_SIZE_MISMATCH | level;
	else if (h->page[first] == ACCEPTED)
		r->rax = TDX_PAGE_ALREADY_ACCEPTED | level;
	else
		memset(h->page + first, ACCEPTED, n);
}

struct ladder {
	uint64_t first, pages;
	uint64_t calls[3], accepted[3];
};

static void climb(const struct ladder *l, host_fn *accept, uint64_t host_level)
{
	struct host *h = host_new(NULL, host_level);
	struct tdg_accept_result r;

	h->accept = accept;
	memset(h->page, PENDING, HOST_PAGES);
	assert_int_equal(
		tdg_accept(&h->port, gpa(HOST_BASE + l->first * PAGE), l->pages * PAGE, NULL, &r),
		0);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(r.calls[i], l->calls[i]);
		assert_int_equal(r.accepted[i], l->accepted[i]);
	}
	for (uint64_t i = 0; i < HOST_PAGES; i++)
		assert_int_equal(h->page[i] == ACCEPTED, i - l->first < l->pages);
	assert_int_equal(r.reached.v, HOST_BASE + (l->first + l->pages) * PAGE);
	host_free(h);
}

static void each_step_takes_the_largest_page_that_fits(void **state)
{
	static const struct ladder all_sizes[] = {
		{0, HOST_PAGES, {0, 0, 1}, {0, 0, 1}},
		{0, HOST_PAGES - 1, {511, 511, 0}, {511, 511, 0}},
		{1, HOST_PAGES - 1, {511, 511, 0}, {511, 511, 0}},
		{511, 514, {2, 1, 0}, {2, 1, 0}},
		{3, 5, {5, 0, 0}, {5, 0, 0}},
	};
	static const struct ladder small_pages[] = {
		{0, HOST_PAGES, {HOST_PAGES, 512, 1}, {HOST_PAGES, 0, 0}},
		{511, 514, {514, 1, 0}, {514, 0, 0}},
	};

	for (unsigned i = 0; i < 5; i++)
		climb(&all_sizes[i], accepts_by_level, TDX_LEVEL_1G);
	for (unsigned i = 0; i < 2; i++)
		climb(&small_pages[i], accepts_by_level, TDX_LEVEL_4K);
}

static void a_size_the_module_does_not_know_is_tried_once(void **state)
{
	static const struct ladder l = {0, HOST_PAGES, {HOST_PAGES, 512, 1}, {HOST_PAGES, 0, 0}};

	climb(&l, host_accepts_4k, 0); /* refuses 1G as an operand, 2M as a mismatch */
}

static void status_of_n(struct host *h, struct tdx_regs *r)
{
	r->rax = h->n;
}

static void every_other_status_ends_it(void **state)
{
	static const struct {
		uint64_t status;
		int err;
		uint64_t calls; /* at 2M */
	} row[] = {
		{TDX_PAGE_ALREADY_ACCEPTED | 1, -EEXIST, 1},
		{TDX_PAGE_ALREADY_ACCEPTED, -EEXIST, 1},
		{TDX_OPERAND_BUSY | TDX_OPERAND_ID_RCX, -EBUSY, 64},
		{TDX_TD_FATAL, -EIO, 1},
		{TDX_EPT_WALK_FAILED, -EIO, 1},
		{0x1234567800000000, -EIO, 1},
	};

	for (unsigned i = 0; i < sizeof(row) / sizeof(*row); i++) {
		struct host *h = host_new(NULL, row[i].status);
		struct tdg_accept_result r;

		h->accept = status_of_n;
		assert_int_equal(tdg_accept(&h->port, gpa(HOST_BASE), TWO_M, NULL, &r), row[i].err);
		assert_int_equal(r.calls[TDX_LEVEL_2M], row[i].calls);
		assert_int_equal(r.calls[TDX_LEVEL_4K], 0);
		assert_int_equal(r.status.raw, row[i].status);
		assert_int_equal(r.reached.v, HOST_BASE);
		assert_int_equal(h->relaxed, row[i].calls - 1);
		host_free(h);
	}
}

static void ranges_that_are_none_make_no_call(void **state)
{
	static const uint64_t bad[][2] = {
		{HOST_BASE, 0}, {HOST_BASE + 1, PAGE}, {HOST_BASE, 1}, {~0ull << 12, 2 * PAGE}};
	struct host *h = host_new(NULL, 0);

	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(tdg_accept(&h->port, gpa(bad[i][0]), bad[i][1], NULL, NULL),
				 -EINVAL);
	assert_int_equal(h->calls, 0);
	host_free(h);
}

/* --- lazily --- */

struct lazy {
	struct host *h;
	struct tdg_unaccepted u;
	struct {
		struct tdg_unaccepted_table head;
		uint8_t bitmap[64]; /* 512 units: the whole of the host's gigabyte */
	} table;
};

static struct lazy *lazy_new(uint8_t bits)
{
	struct lazy *l = calloc(1, sizeof(*l));

	l->h = host_new(NULL, TDX_LEVEL_2M);
	l->h->accept = accepts_by_level;
	memset(l->h->page, PENDING, HOST_PAGES);
	l->table.head = (struct tdg_unaccepted_table){1, TWO_M, HOST_BASE, 64};
	memset(l->table.bitmap, bits, 64);
	assert_int_equal(tdg_unaccepted_init(&l->u, &l->table, sizeof(l->table)), 0);
	return l;
}

static void lazy_free(struct lazy *l)
{
	host_free(l->h);
	free(l);
}

static int need(struct lazy *l, uint64_t unit, uint64_t off, uint64_t size)
{
	return tdg_accept_memory(&l->h->port, &l->u, gpa(HOST_BASE + unit * TWO_M + off), size);
}

static unsigned units_left(const struct lazy *l)
{
	unsigned n = 0;

	for (unsigned i = 0; i < 64; i++)
		n += (unsigned)__builtin_popcount(l->table.bitmap[i]);
	return n;
}

static void only_what_is_touched_is_accepted(void **state)
{
	struct lazy *l = lazy_new(0xff);

	assert_true(tdg_has_unaccepted(&l->u, gpa(HOST_BASE + 5 * TWO_M), PAGE));
	assert_int_equal(need(l, 5, PAGE, PAGE), 0);
	assert_int_equal(units_left(l), 511);
	assert_int_equal(l->h->calls, 1);
	assert_false(tdg_has_unaccepted(&l->u, gpa(HOST_BASE + 5 * TWO_M), PAGE));
	/* Again: nothing to do, and above all no second acceptance. */
	assert_int_equal(need(l, 5, 0, PAGE), 0);
	assert_int_equal(l->h->calls, 1);
	lazy_free(l);
}

static void a_range_that_ends_at_a_unit_takes_the_next_one_too(void **state)
{
	struct lazy *l = lazy_new(0xff);

	assert_int_equal(need(l, 7, TWO_M - PAGE, PAGE), 0);
	assert_int_equal(units_left(l), 510);
	assert_false(tdg_has_unaccepted(&l->u, gpa(HOST_BASE + 8 * TWO_M), PAGE));
	/* For the same reason a range next to an unaccepted unit says so. */
	assert_true(tdg_has_unaccepted(&l->u, gpa(HOST_BASE + 8 * TWO_M), TWO_M));
	/* But not past the end of the bitmap. */
	assert_int_equal(need(l, 511, 0, TWO_M), 0);
	assert_int_equal(units_left(l), 509);
	lazy_free(l);
}

/* Its last word's neighbour is in the first unit. */
static void a_range_that_ends_where_the_bitmap_begins_takes_the_first_unit(void **state)
{
	struct lazy *l = lazy_new(0xff);

	assert_true(tdg_has_unaccepted(&l->u, gpa(HOST_BASE - PAGE), PAGE));
	assert_int_equal(tdg_accept_memory(&l->h->port, &l->u, gpa(HOST_BASE - PAGE), PAGE), 0);
	assert_int_equal(units_left(l), 511);
	assert_false(tdg_has_unaccepted(&l->u, gpa(HOST_BASE - PAGE), PAGE));
	lazy_free(l);
}

static void ranges_beside_the_bitmap_are_not_its_business(void **state)
{
	struct lazy *l = lazy_new(0xff);

	assert_int_equal(tdg_accept_memory(&l->h->port, &l->u, gpa(0), HOST_BASE - PAGE), 0);
	assert_false(tdg_has_unaccepted(&l->u, gpa(0), HOST_BASE - PAGE));
	assert_int_equal(need(l, 512, 0, ~0ull >> 1), 0);
	assert_int_equal(need(l, 3, 0, 0), 0);
	assert_int_equal(l->h->calls, 0);
	assert_int_equal(tdg_accept_memory(&l->h->port, &l->u, gpa(PAGE), ~0ull), 0);
	assert_int_equal(units_left(l), 0);
	lazy_free(l);
}

static void a_failure_leaves_the_unit_marked(void **state)
{
	struct lazy *l = lazy_new(0xff);

	l->h->page[6 * 512] = ACCEPTED; /* the host has it done before: an attack */
	assert_int_equal(need(l, 5, 0, TWO_M + PAGE), -EEXIST);
	assert_int_equal(units_left(l), 512);
	assert_null(l->u.busy);
	lazy_free(l);
}

static void tables_that_do_not_add_up_are_refused(void **state)
{
	const struct tdg_unaccepted_table bad[] = {
		{0, TWO_M, HOST_BASE, 64},
		{2, TWO_M, HOST_BASE, 64},
		{1, 0, HOST_BASE, 64},
		{1, 3 * PAGE, HOST_BASE, 64},
		{1, 2048, HOST_BASE, 64},
		{1, TWO_M, HOST_BASE + PAGE, 64},
		{1, TWO_M, HOST_BASE, 65},
		{1, TWO_M, HOST_BASE, ~0ull},
		{1, TWO_M, 0ull - 256 * TWO_M, 64},
	};
	struct lazy *l = lazy_new(0);

	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		l->table.head = bad[i];
		assert_int_equal(tdg_unaccepted_init(&l->u, &l->table, sizeof(l->table)), -EINVAL);
		assert_false(tdg_has_unaccepted(&l->u, gpa(0), ~0ull));
	}
	assert_int_equal(tdg_unaccepted_init(&l->u, &l->table, 23), -EINVAL);
	lazy_free(l);
}

static void firmware_marks_whole_units_and_accepts_the_edges(void **state)
{
	struct lazy *l = lazy_new(0);
	const uint64_t at = HOST_BASE + 10 * TWO_M;

	/* Three pages before unit 11, two units, one page after. */
	assert_int_equal(tdg_unaccepted_add(&l->h->port, &l->u, gpa(at + TWO_M - 3 * PAGE),
					    2 * TWO_M + 4 * PAGE),
			 0);
	assert_int_equal(units_left(l), 2);
	for (uint64_t i = 0; i < HOST_PAGES; i++)
		assert_int_equal(l->h->page[i] == ACCEPTED,
				 (i >= 11 * 512 - 3 && i < 11 * 512) || i == 13 * 512);
	/* Less than two units: not worth a bit. */
	assert_int_equal(tdg_unaccepted_add(&l->h->port, &l->u, gpa(at + 100 * TWO_M), TWO_M), 0);
	assert_int_equal(units_left(l), 2);
	assert_int_equal(l->h->page[110 * 512], ACCEPTED);
	/* Every page once: the pool of the kernel comes to the marked ones later. */
	assert_int_equal(need(l, 0, 0, TDX_SIZE_1G), 0);
	assert_int_equal(units_left(l), 0);
	lazy_free(l);
}

/* --- lazily, on the model, two vCPUs at once --- */

#define LAZY_BASE (512 * MIB)

struct rush {
	struct tdg_unaccepted u;
	struct {
		struct tdg_unaccepted_table head;
		uint8_t bitmap[4]; /* 32 units: 64 MiB */
	} table;
	int err[2];
	struct td *t;
	unsigned next;
};

static void walks_over_it(struct td *t, struct guest_native *g, const struct tdg_td *td,
			  unsigned vcpu)
{
	struct rush *r = t->arg;

	(void)td;
	for (unsigned i = 0; i < 64 && !r->err[vcpu]; i++) {
		uint64_t at = LAZY_BASE + (i * MIB + vcpu * 4096 * 3) % (64 * MIB), word = 1;

		r->err[vcpu] = tdg_accept_memory(&g->port, &r->u, gpa(at), 4096);
		if (!r->err[vcpu] && !tdx_native_write(g->cpu, gpa(at), &word, 8))
			r->err[vcpu] = -EFAULT;
	}
}

static void *run_one(void *arg)
{
	struct rush *r = arg;
	unsigned i = __atomic_fetch_add(&r->next, 1, __ATOMIC_RELAXED);

	if (td_run(r->t, i))
		r->err[i] = -1000;
	return NULL;
}

static void vcpus_that_need_the_same_unit_accept_it_once(void **state)
{
	struct rush r = {.table = {{1, TWO_M, LAZY_BASE, 4}, {255, 255, 255, 255}}};
	pthread_t thread[2];

	assert_int_equal(tdg_unaccepted_init(&r.u, &r.table, sizeof(r.table)), 0);
	r.t = td_new(walks_over_it, 2, TDX_ATTR_SEPT_VE_DISABLE);
	r.t->arg = &r;
	for (unsigned i = 0; i < 2; i++)
		pthread_create(&thread[i], NULL, run_one, &r);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	assert_string_equal(r.t->log, "");
	assert_int_equal(r.err[0], 0);
	assert_int_equal(r.err[1], 0);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(r.table.bitmap[i], 0);
	td_free(r.t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_step_takes_the_largest_page_that_fits),
		cmocka_unit_test(a_size_the_module_does_not_know_is_tried_once),
		cmocka_unit_test(every_other_status_ends_it),
		cmocka_unit_test(ranges_that_are_none_make_no_call),
		cmocka_unit_test(only_what_is_touched_is_accepted),
		cmocka_unit_test(a_range_that_ends_at_a_unit_takes_the_next_one_too),
		cmocka_unit_test(a_range_that_ends_where_the_bitmap_begins_takes_the_first_unit),
		cmocka_unit_test(ranges_beside_the_bitmap_are_not_its_business),
		cmocka_unit_test(a_failure_leaves_the_unit_marked),
		cmocka_unit_test(tables_that_do_not_add_up_are_refused),
		cmocka_unit_test(firmware_marks_whole_units_and_accepts_the_edges),
		cmocka_unit_test(vcpus_that_need_the_same_unit_accept_it_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
