/* SPDX-License-Identifier: MIT */
/* MapGPA against hosts that do a part, nothing, or answer nonsense. A test's name begins with the
 * requirement it shows (S3: partial completion). */
#include "guest_host.h"

#define GIB (HOST_PAGES * PAGE)

struct convert {
	int err;
	struct tdg_map_result r;
	uint64_t calls;
};

static struct convert convert_by(host_fn *map, uint64_t n, uint64_t pages,
				 const struct tdg_map_policy *policy)
{
	struct host *h = host_new(map, n);
	struct convert c = {0};

	c.err = tdg_map_gpa(&h->port, &host_td, gpa(HOST_BASE), pages * PAGE, true, policy, &c.r);
	c.calls = h->maps;
	assert_int_equal(c.calls, c.r.calls);
	if (!c.err)
		for (uint64_t i = 0; i < pages; i++)
			assert_int_equal(h->page[i], SHARED);
	host_free(h);
	return c;
}

static void S3_01_a_host_that_converts_n_pages_a_call_is_followed_to_the_end(void **state)
{
	static const uint64_t ns[] = {1, 3, 512, 513};

	for (unsigned i = 0; i < 4; i++) {
		struct convert c = convert_by(host_converts_n, ns[i], HOST_PAGES, NULL);

		assert_int_equal(c.err, 0);
		assert_int_equal(c.r.stop, TDG_MAP_DONE);
		assert_int_equal(c.calls, (HOST_PAGES + ns[i] - 1) / ns[i]);
		assert_int_equal(c.r.reached.v, HOST_BASE + GIB);
	}
}

static void S3_01_a_host_that_does_all_at_once_is_called_once(void **state)
{
	struct convert c = convert_by(host_converts_all, 0, HOST_PAGES, NULL);

	assert_int_equal(c.err, 0);
	assert_int_equal(c.calls, 1);
}

static void answers_n(struct host *h, struct tdx_regs *r)
{
	r->r10 = RETRY;
	r->r11 = h->n;
}

static void S3_02_a_next_address_outside_the_range_ends_the_conversion_at_once(void **state)
{
	const uint64_t start = HOST_BASE | SHARED_BIT, end = start + 16 * PAGE;
	const uint64_t bad[] = {start - 1,
				start - PAGE,
				end,
				end + PAGE,
				0,
				~0ull,
				~0ull << 12,
				HOST_BASE,
				HOST_BASE + PAGE,
				start | 1ull << 51,
				(start + PAGE) | 1ull << 63};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct convert c = convert_by(answers_n, bad[i], 16, NULL);

		assert_int_equal(c.err, -EIO);
		assert_int_equal(c.r.stop, TDG_MAP_OUTSIDE);
		assert_int_equal(c.calls, 1);
		assert_int_equal(c.r.r11, bad[i]);
		assert_int_equal(c.r.reached.v, HOST_BASE);
	}
}

static void S3_02_a_next_address_that_is_no_page_ends_the_conversion(void **state)
{
	for (uint64_t off = 1; off < PAGE; off <<= 1) {
		struct convert c =
			convert_by(answers_n, (HOST_BASE | SHARED_BIT) + PAGE + off, 16, NULL);

		assert_int_equal(c.err, -EIO);
		assert_int_equal(c.r.stop, TDG_MAP_MISALIGNED);
		assert_int_equal(c.calls, 1);
	}
}

static void S3_02_a_private_range_goes_on_at_no_shared_address(void **state)
{
	const uint64_t end = HOST_BASE + 16 * PAGE;
	const uint64_t bad[] = {HOST_BASE - PAGE, end, (HOST_BASE + PAGE) | SHARED_BIT,
				HOST_BASE | SHARED_BIT, end | SHARED_BIT};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct host *h = host_new(answers_n, bad[i]);
		struct tdg_map_result r;

		assert_int_equal(
			tdg_map_gpa(&h->port, &host_td, gpa(HOST_BASE), 16 * PAGE, false, NULL, &r),
			-EIO);
		assert_int_equal(r.stop, TDG_MAP_OUTSIDE);
		assert_int_equal(r.reached.v, HOST_BASE);
		assert_int_equal(h->maps, 1);
		host_free(h);
	}
}

static void forward_then_back(struct host *h, struct tdx_regs *r)
{
	r->r10 = RETRY;
	r->r11 = h->maps == 1 ? r->r12 + 2 * PAGE : r->r12 - PAGE;
}

static void S3_02_a_step_backwards_within_the_range_ends_the_conversion(void **state)
{
	struct convert c = convert_by(forward_then_back, 0, 16, NULL);

	assert_int_equal(c.r.stop, TDG_MAP_OUTSIDE);
	assert_int_equal(c.calls, 2);
	assert_int_equal(c.r.reached.v, HOST_BASE + 2 * PAGE);
}

static void no_progress(struct host *h, struct tdx_regs *r)
{
	(void)h;
	r->r10 = RETRY;
	r->r11 = r->r12;
}

static void S3_03_a_host_that_never_moves_is_called_three_times(void **state)
{
	struct convert c = convert_by(no_progress, 0, 16, NULL);

	assert_int_equal(c.err, -EIO);
	assert_int_equal(c.r.stop, TDG_MAP_NO_PROGRESS);
	assert_int_equal(c.calls, 3);
}

static void S3_03_the_limit_is_the_policys(void **state)
{
	for (unsigned limit = 1; limit < 10; limit++) {
		const struct tdg_map_policy p = {.max_no_progress = limit};

		assert_int_equal(convert_by(no_progress, 0, 16, &p).calls, limit);
	}
}

/* n - 1 replies without progress for each page. */
static void drips(struct host *h, struct tdx_regs *r)
{
	if (h->maps % h->n)
		no_progress(h, r);
	else
		host_convert(h, r, 1);
}

static void S3_03_progress_resets_the_counter(void **state)
{
	struct convert c = convert_by(drips, 2, HOST_PAGES, NULL);

	assert_int_equal(c.err, 0);
	assert_int_equal(c.calls, 2 * HOST_PAGES);
}

/* Two replies without progress, then all of the chunk. */
static void hesitates(struct host *h, struct tdx_regs *r)
{
	if (h->maps % 3)
		no_progress(h, r);
	else
		host_convert(h, r, ~0ull / PAGE);
}

static void S3_03_a_chunk_that_is_done_resets_the_counter_too(void **state)
{
	const struct tdg_map_policy p = {.max_no_progress = 3, .max_pages_per_call = 8};
	struct convert c = convert_by(hesitates, 0, 64, &p);

	assert_int_equal(c.err, 0);
	assert_int_equal(c.calls, 3 * 8);
}

static void S3_03_a_slow_drip_runs_into_the_bound_on_calls(void **state)
{
	struct convert c = convert_by(drips, 3, 1024, NULL);

	assert_int_equal(c.err, -EIO);
	assert_int_equal(c.r.stop, TDG_MAP_TOO_MANY_CALLS);
	assert_int_equal(c.calls, 2 * 1024 + 3);
}

static void S3_03_a_bound_of_the_policys_own_holds(void **state)
{
	const struct tdg_map_policy p = {.max_no_progress = 3, .max_calls = 7};
	struct convert c = convert_by(host_converts_n, 1, 8, &p);

	assert_int_equal(c.r.stop, TDG_MAP_TOO_MANY_CALLS);
	assert_int_equal(c.calls, 7);
	assert_int_equal(c.r.reached.v, HOST_BASE + 7 * PAGE);
	assert_int_equal(convert_by(host_converts_n, 1, 7, &p).err, 0);
}

static void within_policy(struct host *h, struct tdx_regs *r)
{
	assert_true(r->r13 <= h->n * PAGE);
	host_convert(h, r, ~0ull / PAGE);
}

static void S3_04_no_call_asks_for_more_pages_than_the_policy_says(void **state)
{
	static const uint64_t ns[] = {1, 3, 512, 513};

	for (unsigned i = 0; i < 4; i++) {
		const struct tdg_map_policy p = {.max_no_progress = 3, .max_pages_per_call = ns[i]};
		struct convert c = convert_by(within_policy, ns[i], HOST_PAGES, &p);

		assert_int_equal(c.err, 0);
		assert_int_equal(c.calls, (HOST_PAGES + ns[i] - 1) / ns[i]);
	}
}

/* So many pages past what was asked for: within the whole, but not within this call. */
static void points_past_the_chunk(struct host *h, struct tdx_regs *r)
{
	r->r10 = RETRY;
	r->r11 = r->r12 + r->r13 + h->n * PAGE;
}

static void S3_04_a_host_cannot_claim_more_than_the_chunk_it_was_given(void **state)
{
	const struct tdg_map_policy p = {.max_no_progress = 3, .max_pages_per_call = 4};

	for (uint64_t pages = 0; pages < 3; pages++) {
		struct convert c = convert_by(points_past_the_chunk, pages, 16, &p);

		assert_int_equal(c.r.stop, TDG_MAP_OUTSIDE);
		assert_int_equal(c.calls, 1);
		assert_int_equal(c.r.reached.v, HOST_BASE);
	}
}

/* Any reply at all, biased to plausible ones; claims are kept in h->page as an honest host does. */
static void random_host(struct host *h, struct tdx_regs *r)
{
	switch (random() % 8) {
	case 0:
		no_progress(h, r);
		break;
	case 1:
		r->r10 = random() % 3 ? RETRY : (uint64_t)random() << 33 | 2;
		r->r11 = (uint64_t)random() << 32 ^ (uint64_t)random();
		break;
	default:
		host_convert(h, r, 1 + (uint64_t)random() % 40);
	}
}

static void S3_04_whatever_a_host_answers_success_means_all_pages(void **state)
{
	unsigned done = 0;

	srandom(1);
	for (unsigned i = 0; i < 3000; i++) {
		const struct tdg_map_policy p = {.max_no_progress = 1 + (unsigned)random() % 4,
						 .max_pages_per_call = (uint64_t)random() % 100};
		uint64_t pages = 1 + (uint64_t)random() % 200;
		struct convert c = convert_by(random_host, 0, pages, &p);

		assert_true(c.calls <= 2 * pages + p.max_no_progress);
		assert_true(c.r.reached.v >= HOST_BASE &&
			    c.r.reached.v <= HOST_BASE + pages * PAGE);
		assert_true(c.err ? c.r.stop != TDG_MAP_DONE
				  : c.r.reached.v == HOST_BASE + pages * PAGE);
		done += !c.err;
	}
	assert_true(done > 100 && done < 2900);
}

/* Every second page of a linear buffer lies elsewhere. */
static bool scattered(const struct tdg_port *port, uint64_t gla, gpa_t *g)
{
	uint64_t i = gla / PAGE % 1024;

	(void)port;
	*g = gpa(HOST_BASE + (i < 4 ? i : 2 * i) * PAGE);
	return i != 999;
}

static void S3_05_a_scattered_buffer_is_converted_run_by_run(void **state)
{
	struct host *h = host_new(host_converts_all, 0);
	struct tdg_port_ops ops = host_ops;
	struct tdg_memory mm = host_mm(h);

	ops.gpa_of = scattered;
	h->port.ops = &ops;
	assert_int_equal(tdg_share_buffer(&h->port, &host_td, &mm, 0, 64 * PAGE, true, NULL), 0);
	assert_int_equal(h->maps, 1 + 60);
	for (uint64_t i = 0; i < 128; i++)
		assert_int_equal(h->page[i], i < 4 || (i >= 8 && i % 2 == 0) ? SHARED : ACCEPTED);
	assert_int_equal(tdg_share_buffer(&h->port, &host_td, &mm, 0, 64 * PAGE, false, NULL), 0);
	for (uint64_t i = 0; i < 128; i++)
		assert_int_equal(h->page[i], ACCEPTED);
	assert_int_equal(h->leaked_bytes, 0);
	host_free(h);
}

static void S3_05_a_buffer_with_an_unmapped_page_is_not_begun(void **state)
{
	struct host *h = host_new(host_converts_all, 0);
	struct tdg_port_ops ops = host_ops;
	struct tdg_memory mm = host_mm(h);

	ops.gpa_of = scattered;
	h->port.ops = &ops;
	assert_int_equal(
		tdg_share_buffer(&h->port, &host_td, &mm, 990 * PAGE, 20 * PAGE, true, NULL),
		-EFAULT);
	assert_int_equal(h->calls, 0);
	host_free(h);
}

static void fails_at_the_tenth(struct host *h, struct tdx_regs *r)
{
	if (h->maps == 10)
		r->r10 = TDVMCALL_INVALID_OPERAND;
	else
		host_convert(h, r, ~0ull / PAGE);
}

static void S3_05_a_scattered_buffer_that_fails_is_lost_as_a_whole(void **state)
{
	struct host *h = host_new(fails_at_the_tenth, 0);
	struct tdg_port_ops ops = host_ops;
	struct tdg_memory mm = host_mm(h);

	ops.gpa_of = scattered;
	h->port.ops = &ops;
	assert_int_equal(tdg_share_buffer(&h->port, &host_td, &mm, 0, 64 * PAGE, true, NULL), -EIO);
	assert_int_equal(h->maps, 10); /* nothing more is asked of that host */
	assert_int_equal(h->leaked_bytes, 64 * PAGE);
	host_free(h);
}

static void S3_06_the_host_sees_the_shared_bit_in_the_start_and_not_in_the_size(void **state)
{
	struct host *h = host_new(host_converts_all, 0);

	assert_int_equal(
		tdg_map_gpa(&h->port, &host_td, gpa(HOST_BASE), 4 * PAGE, true, NULL, NULL), 0);
	assert_int_equal(h->first_r12, HOST_BASE | SHARED_BIT);
	assert_int_equal(h->first_r13, 4 * PAGE);
	assert_int_equal(h->last_rcx, 0x3c00); /* R10..R13 and no more */
	h->maps = 0;
	assert_int_equal(
		tdg_map_gpa(&h->port, &host_td, gpa(HOST_BASE), 4 * PAGE, false, NULL, NULL), 0);
	assert_int_equal(h->first_r12, HOST_BASE);
	host_free(h);
}

static void S3_06_a_range_that_is_none_never_reaches_the_host(void **state)
{
	static const struct {
		uint64_t start, size;
	} bad[] = {
		{SHARED_BIT - PAGE, 2 * PAGE}, /* straddles the shared bit */
		{SHARED_BIT, PAGE},
		{HOST_BASE | SHARED_BIT, PAGE},
		{HOST_BASE, 0},
		{HOST_BASE + 1, PAGE},
		{HOST_BASE, PAGE + 1},
		{HOST_BASE, ~0ull << 12}, /* wraps */
		{~0ull << 12, PAGE},
	};
	struct host *h = host_new(host_converts_all, 0);
	struct tdg_memory mm = host_mm(h);
	struct tdg_map_result r;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(tdg_map_gpa(&h->port, &host_td, gpa(bad[i].start), bad[i].size,
					     true, NULL, &r),
				 -EINVAL);
		assert_int_equal(r.stop, TDG_MAP_BAD_RANGE);
		assert_int_equal(tdg_share(&h->port, &host_td, &mm, gpa(bad[i].start), bad[i].size,
					   NULL, NULL),
				 -EINVAL);
		assert_int_equal(tdg_unshare(&h->port, &host_td, &mm, gpa(bad[i].start),
					     bad[i].size, NULL, NULL),
				 -EINVAL);
	}
	assert_int_equal(h->calls, 0);
	assert_string_equal(h->log, "");
	host_free(h);
}

static void status_n(struct host *h, struct tdx_regs *r)
{
	r->r10 = h->n;
	r->r11 = r->r12 + PAGE; /* would be fine after a retry */
}

static void S3_07_every_status_but_success_and_retry_is_failure(void **state)
{
	static const uint64_t bad[] = {TDVMCALL_INVALID_OPERAND,
				       TDVMCALL_GPA_INUSE,
				       TDVMCALL_ALIGN_ERROR,
				       TDVMCALL_SUBFUNC_UNSUPPORTED,
				       2,
				       1ull << 32 | 1,
				       1ull << 62,
				       TDVMCALL_NOT_MADE};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct convert c = convert_by(status_n, bad[i], 16, NULL);

		assert_int_equal(c.err, -EIO);
		assert_int_equal(c.r.stop, TDG_MAP_REFUSED);
		assert_int_equal(c.r.status.raw, bad[i]);
		assert_int_equal(c.calls, 1);
	}
}

static void tdcall_fails(struct host *h, struct tdx_regs *r)
{
	(void)h;
	r->rax = TDX_OPERAND_INVALID;
	r->r10 = 0; /* as the guest set it */
}

static void S3_07_a_failing_tdcall_is_no_answer_of_the_host(void **state)
{
	struct convert c = convert_by(tdcall_fails, 0, 16, NULL);

	assert_int_equal(c.r.stop, TDG_MAP_REFUSED);
	assert_int_equal(c.r.status.raw, TDVMCALL_NOT_MADE);
}

static void S3_08_page_tables_host_and_acceptance_come_in_that_order(void **state)
{
	struct host *h = host_new(host_converts_all, 0);
	struct tdg_memory mm = host_mm(h);

	assert_int_equal(tdg_share(&h->port, &host_td, &mm, gpa(HOST_BASE), 8 * PAGE, NULL, NULL),
			 0);
	assert_string_equal(h->log, "fSfm");
	memset(h->log, 0, sizeof(h->log));
	assert_int_equal(tdg_unshare(&h->port, &host_td, &mm, gpa(HOST_BASE), 8 * PAGE, NULL, NULL),
			 0);
	assert_string_equal(h->log, "maPf");
	host_free(h);
}

static int refuses_to_map(void *ctx, gpa_t start, uint64_t size, bool shared)
{
	(void)start, (void)size, (void)shared;
	host_log(ctx, 'S');
	return -(int)((struct host *)ctx)->n;
}

static void S3_08_a_kernel_that_cannot_map_its_pages_loses_them(void **state)
{
	static const int errors[] = {ENOMEM, EINVAL, EFAULT};

	for (unsigned i = 0; i < 3; i++) {
		struct host *h = host_new(host_converts_all, (uint64_t)errors[i]);
		struct tdg_memory mm = host_mm(h);
		struct tdg_quote q;

		mm.set_shared = refuses_to_map;
		/* -EINVAL and -EFAULT would say that nothing was done. */
		assert_int_equal(
			tdg_share(&h->port, &host_td, &mm, gpa(HOST_BASE), PAGE, NULL, NULL),
			i ? -EIO : -ENOMEM);
		assert_int_equal(
			tdg_share_buffer(&h->port, &host_td, &mm, HOST_BASE, PAGE, true, NULL),
			i ? -EIO : -ENOMEM);
		assert_int_equal(tdg_quote_open(&h->port, &host_td, &mm, gpa(HOST_BASE), PAGE, &q),
				 i ? -EIO : -ENOMEM);
		assert_int_equal(q.state, TDG_QUOTE_LOST);
		assert_int_equal(h->leaked_bytes, 3 * PAGE);
		assert_int_equal(h->maps, 0);
		host_free(h);
	}
}

static void fails_after_3(struct host *h, struct tdx_regs *r)
{
	if (h->maps <= 3)
		host_convert(h, r, 1);
	else
		r->r10 = TDVMCALL_INVALID_OPERAND;
}

static void S3_08_a_failure_in_the_middle_leaks_the_whole_range(void **state)
{
	for (unsigned back = 0; back < 2; back++) {
		struct host *h = host_new(fails_after_3, 0);
		struct tdg_memory mm = host_mm(h);
		struct tdg_convert_result r;
		int err = (back ? tdg_unshare : tdg_share)(&h->port, &host_td, &mm, gpa(HOST_BASE),
							   8 * PAGE, NULL, &r);

		assert_int_equal(err, -EIO);
		assert_true(r.leaked);
		assert_int_equal(h->leaked_bytes, 8 * PAGE);
		/* No private mapping was made of pages that may be shared. */
		assert_string_equal(h->log, back ? "mmmmL" : "fSfmmmmL");
		host_free(h);
	}
}

/* The host says success and gives accepted pages back: what was private data would be zeros. */
static void lies_about_one(struct host *h, struct tdx_regs *r)
{
	host_convert(h, r, ~0ull / PAGE);
	h->page[5] = ACCEPTED;
}

static void S3_08_a_page_accepted_already_is_an_attack_and_leaks_the_range(void **state)
{
	struct host *h = host_new(lies_about_one, 0);
	struct tdg_memory mm = host_mm(h);
	struct tdg_convert_result r;

	assert_int_equal(tdg_unshare(&h->port, &host_td, &mm, gpa(HOST_BASE), 8 * PAGE, NULL, &r),
			 -EEXIST);
	assert_true(r.leaked);
	assert_int_equal(r.accept.reached.v, HOST_BASE + 5 * PAGE);
	assert_string_equal(h->log, "maL");
	host_free(h);
}

/* --- a kernel's page allocator on top --- */

enum { POOL = 64 };
struct pool {
	struct host *h;
	uint8_t used[POOL], leaked[POOL];
};

static void pool_leak(void *ctx, gpa_t start, uint64_t size)
{
	struct pool *p = ctx;

	for (uint64_t i = 0; i < size / PAGE; i++)
		p->leaked[(start.v - HOST_BASE) / PAGE + i] = 1;
}

static int pool_set(void *ctx, gpa_t start, uint64_t size, bool shared)
{
	(void)ctx, (void)start, (void)size, (void)shared;
	return 0;
}

static void pool_flush(void *ctx, gpa_t start, uint64_t size)
{
	(void)ctx, (void)start, (void)size;
}

static int pool_get(struct pool *p)
{
	for (int i = 0; i < POOL; i++)
		if (!p->used[i] && !p->leaked[i]) {
			p->used[i] = 1;
			return i;
		}
	return -1;
}

static void sometimes_fails(struct host *h, struct tdx_regs *r)
{
	if (h->maps % 7 == 0)
		r->r10 = TDVMCALL_INVALID_OPERAND;
	else
		host_convert(h, r, 1);
}

static void S3_08_leaked_pages_never_come_back_from_the_allocator(void **state)
{
	struct host *h = host_new(sometimes_fails, 0);
	struct pool p = {.h = h};
	const struct tdg_memory mm = {pool_set, pool_flush, pool_leak, &p, NULL, NULL};
	uint8_t lost[POOL] = {0};
	unsigned failures = 0;
	int i;

	while ((i = pool_get(&p)) >= 0) {
		gpa_t g = gpa(HOST_BASE + (uint64_t)i * PAGE);
		int err;

		assert_false(lost[i]);
		err = tdg_share(&h->port, &host_td, &mm, g, PAGE, NULL, NULL);
		if (!err)
			err = tdg_unshare(&h->port, &host_td, &mm, g, PAGE, NULL, NULL);
		if (err) {
			lost[i] = 1;
			failures++;
		}
		p.used[i] = 0;
	}
	assert_int_equal(failures, POOL); /* one after the other, and each once */
	host_free(h);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(S3_01_a_host_that_converts_n_pages_a_call_is_followed_to_the_end),
		cmocka_unit_test(S3_01_a_host_that_does_all_at_once_is_called_once),
		cmocka_unit_test(
			S3_02_a_next_address_outside_the_range_ends_the_conversion_at_once),
		cmocka_unit_test(S3_02_a_next_address_that_is_no_page_ends_the_conversion),
		cmocka_unit_test(S3_02_a_private_range_goes_on_at_no_shared_address),
		cmocka_unit_test(S3_02_a_step_backwards_within_the_range_ends_the_conversion),
		cmocka_unit_test(S3_03_a_host_that_never_moves_is_called_three_times),
		cmocka_unit_test(S3_03_the_limit_is_the_policys),
		cmocka_unit_test(S3_03_progress_resets_the_counter),
		cmocka_unit_test(S3_03_a_chunk_that_is_done_resets_the_counter_too),
		cmocka_unit_test(S3_03_a_slow_drip_runs_into_the_bound_on_calls),
		cmocka_unit_test(S3_03_a_bound_of_the_policys_own_holds),
		cmocka_unit_test(S3_04_no_call_asks_for_more_pages_than_the_policy_says),
		cmocka_unit_test(S3_04_a_host_cannot_claim_more_than_the_chunk_it_was_given),
		cmocka_unit_test(S3_04_whatever_a_host_answers_success_means_all_pages),
		cmocka_unit_test(S3_05_a_scattered_buffer_is_converted_run_by_run),
		cmocka_unit_test(S3_05_a_buffer_with_an_unmapped_page_is_not_begun),
		cmocka_unit_test(S3_05_a_scattered_buffer_that_fails_is_lost_as_a_whole),
		cmocka_unit_test(
			S3_06_the_host_sees_the_shared_bit_in_the_start_and_not_in_the_size),
		cmocka_unit_test(S3_06_a_range_that_is_none_never_reaches_the_host),
		cmocka_unit_test(S3_07_every_status_but_success_and_retry_is_failure),
		cmocka_unit_test(S3_07_a_failing_tdcall_is_no_answer_of_the_host),
		cmocka_unit_test(S3_08_page_tables_host_and_acceptance_come_in_that_order),
		cmocka_unit_test(S3_08_a_failure_in_the_middle_leaks_the_whole_range),
		cmocka_unit_test(S3_08_a_kernel_that_cannot_map_its_pages_loses_them),
		cmocka_unit_test(S3_08_a_page_accepted_already_is_an_attack_and_leaks_the_range),
		cmocka_unit_test(S3_08_leaked_pages_never_come_back_from_the_allocator),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
