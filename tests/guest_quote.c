/* SPDX-License-Identifier: MIT */
/* The GetQuote buffer against hosts that answer late, twice, wrongly or never; and on the model,
 * where a test quote service signs what the TD really is. */
#include <swtdx/attest.h>
#include <swtdx/measure.h>

#include "guest_host.h"
#include "guest_td.h"

enum { SIZE = 4 * 4096 };
#define NOW 1800000000ll
#define KEY SWTDX_REPORT_KEY, SWTDX_REPORT_KEY_SIZE

/* --- by script --- */

struct script {
	struct host *h;
	struct tdg_port_ops ops;
	struct tdg_quote q;
	struct tdx_report report;
	uint8_t out[SIZE];
	size_t len;
	/* what the host does */
	uint64_t r10;
	unsigned done_at; /* after that many sleeps; 0: at once */
	unsigned sleeps, wake_at;
	uint64_t status;
	uint32_t out_len;
	uint64_t version;
	unsigned reads; /* of the buffer */
	bool swaps;	/* out_len grows after it has been looked at */
};

static struct tdx_quote_header *header(struct script *s)
{
	return (struct tdx_quote_header *)(void *)s->h->ram;
}

static void complete(struct script *s)
{
	header(s)->version = s->version;
	header(s)->out_len = s->out_len;
	memset(s->h->ram + sizeof(struct tdx_quote_header), 'q',
	       s->out_len < SIZE - 24 ? s->out_len : SIZE - 24);
	header(s)->status = s->status;
}

static void takes(struct host *h, struct tdx_regs *r)
{
	struct script *s = h->arg;

	assert_int_equal(r->r11, TDVMCALL_GET_QUOTE);
	assert_int_equal(r->r12, HOST_BASE | SHARED_BIT);
	assert_int_equal(r->r13, SIZE);
	assert_int_equal(r->rcx, 0x3c00);
	assert_int_equal(header(s)->version, 1);
	assert_int_equal(header(s)->status, 0);
	assert_int_equal(header(s)->in_len, 1024);
	assert_int_equal(header(s)->out_len, 0);
	assert_memory_equal(h->ram + 24, &s->report, 1024);
	r->rax = 0;
	r->r10 = s->r10;
	header(s)->status = TDX_QUOTE_IN_FLIGHT;
	if (!s->done_at)
		complete(s);
}

static bool sleeps(const struct tdg_port *port, unsigned ms)
{
	struct script *s = ((struct host *)port->ctx)->arg;

	assert_int_equal(ms, 1000);
	if (++s->sleeps == s->done_at)
		complete(s);
	return s->sleeps != s->wake_at;
}

static bool reads(const struct tdg_port *port, gpa_t g, void *buf, size_t len)
{
	struct script *s = ((struct host *)port->ctx)->arg;
	bool ok = host_read(port, g, buf, len);

	s->reads++;
	if (s->swaps) {
		header(s)->out_len = 0xffffffff;
		header(s)->status = TDX_QUOTE_ERROR;
	}
	return ok;
}

static int set_up(void **state)
{
	struct script *s = calloc(1, sizeof(*s));
	struct tdg_memory mm;

	s->h = host_new(host_converts_all, 0);
	s->h->other = takes;
	s->h->arg = s;
	s->h->ram = calloc(1, SIZE);
	s->h->ram_gpa = HOST_BASE;
	s->h->ram_size = SIZE;
	s->ops = host_ops;
	s->ops.sleep = sleeps;
	s->ops.read = reads;
	s->h->port.ops = &s->ops;
	memset(&s->report, 0x5a, sizeof(s->report));
	s->out_len = 5000;
	s->version = 1;
	mm = host_mm(s->h);
	*state = s;
	return tdg_quote_open(&s->h->port, &host_td, &mm, gpa(HOST_BASE), SIZE, &s->q);
}

static int tear_down(void **state)
{
	struct script *s = *state;

	free(s->h->ram);
	host_free(s->h);
	free(s);
	return 0;
}

static int ask(struct script *s)
{
	return tdg_quote_request(&s->h->port, &host_td, &s->q, &s->report);
}

static int wait_for(struct script *s)
{
	return tdg_quote_wait(&s->h->port, &host_td, &s->q, NULL, s->out, sizeof(s->out), &s->len);
}

static int poll_once(struct script *s)
{
	return tdg_quote_poll(&s->h->port, &host_td, &s->q, s->out, sizeof(s->out), &s->len);
}

static void close_it(struct script *s, int want)
{
	struct tdg_memory mm = host_mm(s->h);

	assert_int_equal(tdg_quote_close(&s->h->port, &host_td, &mm, &s->q), want);
}

static void a_quote_that_comes_at_once_needs_no_sleep(void **state)
{
	struct script *s = *state;

	assert_int_equal(ask(s), 0);
	assert_int_equal(wait_for(s), 0);
	assert_int_equal(s->sleeps, 0);
	assert_int_equal(s->len, 5000);
	assert_int_equal(s->out[0], 'q');
	assert_int_equal(s->out[4999], 'q');
	close_it(s, 0);
	assert_int_equal(s->h->leaked_bytes, 0);
}

static void a_quote_seen_after_the_last_sleep_counts(void **state)
{
	struct script *s = *state;

	s->done_at = 30;
	assert_int_equal(ask(s), 0);
	assert_int_equal(wait_for(s), 0);
	assert_int_equal(s->sleeps, 30);
	assert_int_equal(s->len, 5000);
}

static void a_quote_still_in_flight_after_the_last_sleep_is_a_timeout(void **state)
{
	struct script *s = *state;

	s->done_at = 31;
	assert_int_equal(ask(s), 0);
	assert_int_equal(wait_for(s), -ETIMEDOUT);
	assert_int_equal(s->sleeps, 30);
	assert_int_equal(s->len, 0);
	/* The host still has the buffer. */
	assert_int_equal(ask(s), -EBUSY);
	close_it(s, -EBUSY);
	assert_int_equal(poll_once(s), -EAGAIN);
	/* And it is not lost: the answer comes late. */
	assert_int_equal(wait_for(s), 0);
	assert_int_equal(s->sleeps, 31);
	assert_int_equal(ask(s), 0);
}

static void a_sleep_cut_short_leaves_the_request_in_flight(void **state)
{
	struct script *s = *state;

	s->done_at = 10;
	s->wake_at = 4;
	assert_int_equal(ask(s), 0);
	assert_int_equal(wait_for(s), -EINTR);
	assert_int_equal(ask(s), -EBUSY);
	assert_int_equal(wait_for(s), 0);
}

static void each_status_has_its_error(void **state)
{
	static const struct {
		uint64_t status;
		int err;
	} row[] = {
		{TDX_QUOTE_ERROR, -EIO},
		{TDX_QUOTE_SERVICE_UNAVAILABLE, -ENODEV},
		{1, -EPROTO},
		{1ull << 62, -EPROTO},
		{0xfffffffffffffffe, -EPROTO},
	};
	struct script *s = *state;

	for (unsigned i = 0; i < sizeof(row) / sizeof(*row); i++) {
		s->status = row[i].status;
		assert_int_equal(ask(s), 0);
		assert_int_equal(wait_for(s), row[i].err);
		assert_int_equal(s->len, 0);
	}
	s->status = 0;
	assert_int_equal(ask(s), 0);
	assert_int_equal(wait_for(s), 0);
}

static void a_length_is_believed_only_within_the_buffer(void **state)
{
	static const struct {
		uint32_t len;
		int err;
	} row[] = {
		{0, -EPROTO},	      {1, 0},	      {SIZE - 24, 0},
		{SIZE - 23, -EFBIG},  {SIZE, -EFBIG}, {0xffffffff, -EFBIG},
		{0x80000000, -EFBIG},
	};
	struct script *s = *state;

	for (unsigned i = 0; i < sizeof(row) / sizeof(*row); i++) {
		s->out_len = row[i].len;
		assert_int_equal(ask(s), 0);
		assert_int_equal(wait_for(s), row[i].err);
		assert_int_equal(s->len, row[i].err ? 0 : row[i].len);
	}
	s->version = 2;
	s->out_len = 100;
	assert_int_equal(ask(s), 0);
	assert_int_equal(wait_for(s), -EPROTO);
}

static void more_than_the_caller_has_room_for_is_not_written(void **state)
{
	struct script *s = *state;

	memset(s->out, 'x', sizeof(s->out));
	assert_int_equal(ask(s), 0);
	assert_int_equal(tdg_quote_poll(&s->h->port, &host_td, &s->q, s->out, 4999, &s->len),
			 -EFBIG);
	assert_int_equal(s->out[0], 'x');
}

static void a_header_that_changes_under_the_reader_is_read_once(void **state)
{
	struct script *s = *state;

	assert_int_equal(ask(s), 0);
	s->swaps = true;
	assert_int_equal(poll_once(s), 0);
	assert_int_equal(s->len, 5000);
	assert_int_equal(s->reads, 2); /* header, data */
}

static void an_old_answer_is_never_taken_for_a_new_one(void **state)
{
	struct script *s = *state;

	assert_int_equal(ask(s), 0);
	assert_int_equal(wait_for(s), 0);
	s->done_at = 1000; /* the host does nothing; takes() sees that the header is fresh */
	assert_int_equal(ask(s), 0);
	for (unsigned i = 24 + 1024; i < SIZE; i++)
		assert_int_equal(s->h->ram[i], 0);
}

static void a_host_that_refuses_the_call_leaves_the_buffer_ours(void **state)
{
	struct script *s = *state;

	s->r10 = TDVMCALL_SUBFUNC_UNSUPPORTED;
	assert_int_equal(ask(s), -EIO);
	assert_int_equal(poll_once(s), -EINVAL);
	close_it(s, 0);
	assert_int_equal(ask(s), -EINVAL);
}

static void refuses_to_convert(struct host *h, struct tdx_regs *r)
{
	(void)h;
	r->r10 = TDVMCALL_INVALID_OPERAND;
}

static void S3_08_a_buffer_that_cannot_be_converted_back_is_lost_for_good(void **state)
{
	struct script *s = *state;

	s->h->map = refuses_to_convert;
	close_it(s, -EIO);
	assert_int_equal(s->q.state, TDG_QUOTE_LOST);
	assert_int_equal(s->h->leaked_bytes, SIZE);
	s->h->map = host_converts_all;
	close_it(s, -EINVAL);
	assert_int_equal(ask(s), -EINVAL);
}

/* --- on the model --- */

#define BUFFER (64 * MIB)

struct evidence {
	struct tdx_quote_service *service;
	struct tdx_quote_job job;
	struct tdx_report report;
	struct tdx_digest event;
	uint8_t nonce[64], quote[SIZE];
	size_t len;
	int err[8];
	unsigned hlts, answer_at;
	bool closed;
};

static void attests(struct td *t, struct guest_native *g, const struct tdg_td *td, unsigned vcpu)
{
	const struct tdg_scratch scratch = {gpa(TD_SCRATCH)};
	const struct tdg_quote_policy policy = {1, 5};
	struct evidence *e = t->arg;
	struct tdg_memory mm = td_mm(NULL);
	struct tdx_report forged;
	struct tdx_status s;
	struct tdg_quote q;

	(void)vcpu;
	e->err[0] = tdg_extend_rtmr(&g->port, &scratch, 2, &e->event, &s);
	e->err[1] = tdg_get_report(&g->port, &scratch, e->nonce, &e->report, &s);
	e->err[2] = tdg_quote_open(&g->port, td, &mm, gpa(BUFFER), SIZE, &q);
	forged = e->report;
	forged.td_info.rtmr[2].b[0] ^= 1;
	e->err[3] = tdg_quote_request(&g->port, td, &q, &forged);
	if (!e->err[3])
		e->err[3] = tdg_quote_wait(&g->port, td, &q, &policy, e->quote, sizeof(e->quote),
					   &e->len);
	e->err[4] = tdg_quote_request(&g->port, td, &q, &e->report);
	if (!e->err[4])
		e->err[4] = tdg_quote_wait(&g->port, td, &q, &policy, e->quote, sizeof(e->quote),
					   &e->len);
	e->err[5] = tdg_quote_close(&g->port, td, &mm, &q);
	e->err[6] = tdg_extend_rtmr(&g->port, &scratch, 4, &e->event, &s); /* there are four */
	e->closed = true;
}

static bool quotes(struct td *t, struct tdx_run *run)
{
	struct evidence *e = t->arg;

	if (run->exit == TDX_EXIT_GET_QUOTE) {
		assert_int_equal(tdx_vm_quote_take(t->vm, run, &e->job), 0);
		e->hlts = 0;
		return true;
	}
	if (run->exit != TDX_EXIT_HLT || e->closed)
		return run->exit == TDX_EXIT_MAP_GPA;
	if (++e->hlts == e->answer_at)
		tdx_vm_quote_give(t->vm, &e->job, e->service);
	return true;
}

static int verify(const struct evidence *e, const uint8_t *bytes, size_t len, struct tdx_quote *q)
{
	struct tdx_attest_error err;
	size_t root_len;
	const char *root = tdx_quote_service_root(e->service, &root_len);
	int rc = tdx_quote_parse(bytes, len, q, &err);

	return rc ? rc : tdx_quote_verify(q, root, root_len, NOW, &err);
}

static void the_quote_of_a_running_td_verifies_and_no_other_does(void **state)
{
	struct evidence e = {.answer_at = 3};
	struct td *t = td_new(attests, 1, TDX_ATTR_SEPT_VE_DISABLE);
	struct tdx_td_info zero = {0};
	struct tdx_attest_error err;
	struct tdx_quote q;

	assert_int_equal(tdx_quote_service_create(NOW, &e.service), 0);
	memset(&e.event, 0xe1, sizeof(e.event));
	memset(e.nonce, 0x11, sizeof(e.nonce));
	t->arg = &e;
	t->on_exit = quotes;
	assert_int_equal(td_run(t, 0), 0);
	assert_true(e.closed);
	assert_int_equal(e.err[0] | e.err[1] | e.err[2], 0);
	assert_int_equal(e.err[3], -EIO); /* the service signs no report that does not verify */
	assert_int_equal(e.err[4] | e.err[5], 0);
	assert_int_equal(e.err[6], -ENXIO);

	assert_int_equal(tdx_report_verify(&e.report, KEY, &err), 0);
	assert_int_equal(verify(&e, e.quote, e.len, &q), 0);
	assert_true(q.simulated);
	assert_memory_equal(q.body.reportdata, e.nonce, 64);
	assert_memory_equal(&q.body.mrtd, &e.report.td_info.mrtd, sizeof(q.body.mrtd));
	assert_memory_not_equal(&q.body.mrtd, &zero.mrtd, sizeof(q.body.mrtd));
	assert_memory_equal(q.body.rtmr, e.report.td_info.rtmr, sizeof(q.body.rtmr));
	assert_memory_not_equal(&q.body.rtmr[2], &zero.rtmr[2], sizeof(zero.rtmr[2]));
	assert_memory_equal(&q.body.rtmr[1], &zero.rtmr[1], sizeof(zero.rtmr[1]));
	assert_int_equal(q.body.attributes, TDX_ATTR_SEPT_VE_DISABLE);
	for (size_t bit = 0; bit < 8 * e.len; bit++) {
		e.quote[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (verify(&e, e.quote, e.len, &q) == 0)
			fail_msg("bit %zu of byte %zu changes nothing", bit % 8, bit / 8);
		e.quote[bit / 8] ^= (uint8_t)(1u << bit % 8);
	}
	td_free(t);
	tdx_quote_service_free(e.service);
}

static void a_host_without_a_service_says_so(void **state)
{
	struct evidence e = {.answer_at = 1};
	struct td *t = td_new(attests, 1, TDX_ATTR_SEPT_VE_DISABLE);

	t->arg = &e;
	t->on_exit = quotes;
	assert_int_equal(td_run(t, 0), 0);
	assert_int_equal(e.err[3], -ENODEV);
	assert_int_equal(e.err[4], -ENODEV);
	assert_int_equal(e.err[5], 0);
	td_free(t);
}

static void a_host_that_never_answers_keeps_the_buffer(void **state)
{
	struct evidence e = {.answer_at = 6};
	struct td *t = td_new(attests, 1, TDX_ATTR_SEPT_VE_DISABLE);

	t->arg = &e;
	t->on_exit = quotes;
	assert_int_equal(td_run(t, 0), 0);
	assert_int_equal(e.err[3], -ETIMEDOUT);
	assert_int_equal(e.err[4], -EBUSY);
	assert_int_equal(e.err[5], -EBUSY);
	td_free(t);
}

static void unshares_meanwhile(struct td *t, struct guest_native *g, const struct tdg_td *td,
			       unsigned vcpu)
{
	struct evidence *e = t->arg;
	struct tdg_memory mm = td_mm(NULL);
	struct tdg_quote q;

	(void)vcpu;
	e->err[0] = tdg_quote_open(&g->port, td, &mm, gpa(BUFFER), SIZE, &q);
	e->err[1] = tdg_quote_request(&g->port, td, &q, &e->report);
	e->err[2] = tdg_unshare(&g->port, td, &mm, gpa(BUFFER), SIZE, NULL, NULL);
	/* Then the calls a host must refuse. */
	e->err[3] = !tdvmcall_is_success(
		tdvmcall_get_quote(&g->port, gpa(BUFFER | td->shared), SIZE)); /* private now */
	e->err[4] = !tdvmcall_is_success(tdvmcall_get_quote(&g->port, gpa(BUFFER), SIZE));
	e->err[5] = !tdvmcall_is_success(
		tdvmcall_get_quote(&g->port, gpa((BUFFER | td->shared) + 1), SIZE));
	e->closed = true;
}

static bool takes_what_it_can(struct td *t, struct tdx_run *run)
{
	struct evidence *e = t->arg;

	if (run->exit == TDX_EXIT_GET_QUOTE) {
		struct tdx_quote_job job;

		if (!tdx_vm_quote_take(t->vm, run, &job))
			e->job = job;
		return true;
	}
	return run->exit == TDX_EXIT_MAP_GPA;
}

static void an_answer_for_a_buffer_that_is_private_again_goes_nowhere(void **state)
{
	struct evidence e = {.answer_at = 0};
	struct td *t = td_new(unshares_meanwhile, 1, TDX_ATTR_SEPT_VE_DISABLE);

	t->arg = &e;
	t->on_exit = takes_what_it_can;
	assert_int_equal(td_run(t, 0), 0);
	assert_true(e.closed);
	assert_int_equal(e.err[0] | e.err[1] | e.err[2], 0);
	assert_true(e.err[3] && e.err[4] && e.err[5]);
	assert_int_equal(tdx_vm_quote_give(t->vm, &e.job, NULL), -EFAULT);
	td_free(t);
}

#define SCRIPT(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCRIPT(a_quote_that_comes_at_once_needs_no_sleep),
		SCRIPT(a_quote_seen_after_the_last_sleep_counts),
		SCRIPT(a_quote_still_in_flight_after_the_last_sleep_is_a_timeout),
		SCRIPT(a_sleep_cut_short_leaves_the_request_in_flight),
		SCRIPT(each_status_has_its_error),
		SCRIPT(a_length_is_believed_only_within_the_buffer),
		SCRIPT(more_than_the_caller_has_room_for_is_not_written),
		SCRIPT(a_header_that_changes_under_the_reader_is_read_once),
		SCRIPT(an_old_answer_is_never_taken_for_a_new_one),
		SCRIPT(a_host_that_refuses_the_call_leaves_the_buffer_ours),
		SCRIPT(S3_08_a_buffer_that_cannot_be_converted_back_is_lost_for_good),
		cmocka_unit_test(the_quote_of_a_running_td_verifies_and_no_other_does),
		cmocka_unit_test(a_host_without_a_service_says_so),
		cmocka_unit_test(a_host_that_never_answers_keeps_the_buffer),
		cmocka_unit_test(an_answer_for_a_buffer_that_is_private_again_goes_nowhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
