/* SPDX-License-Identifier: MIT */
/* The other side of a move lies: streams that nobody sealed, records that say what cannot be,
 * answers that are none, migration TDs that say too much. Each is refused by the error that the
 * header names, the peer is told, and nothing of it stays. */
#include "migrate_setup.h"

/* --- streams of one's own --- */

struct stream {
	uint8_t bytes[256 << 10];
	size_t n, at;
	uint8_t answer[256]; /* what is sent to it */
	size_t answered;
};

static int stream_recv(void *arg, void *buf, size_t len)
{
	struct stream *s = arg;

	if (len > s->n - s->at)
		return -EPIPE;
	memcpy(buf, s->bytes + s->at, len);
	s->at += len;
	return 0;
}

static int stream_send(void *arg, const void *buf, size_t len)
{
	struct stream *s = arg;

	assert_true(len <= sizeof(s->answer) - s->answered);
	memcpy(s->answer + s->answered, buf, len);
	s->answered += len;
	return 0;
}

static void put(struct stream *s, const void *p, size_t len)
{
	assert_true(len <= sizeof(s->bytes) - s->n);
	if (p)
		memcpy(s->bytes + s->n, p, len);
	else
		memset(s->bytes + s->n, 0, len);
	s->n += len;
}

static struct mig_header header(void)
{
	return (struct mig_header){
		.magic = MIG_MAGIC, .format = MIG_FORMAT, .streams = 1, .nslots = 1, .nvcpus = 1};
}

static struct stream *begin(void)
{
	static struct stream s;
	const struct mig_header h = header();

	s.n = s.at = s.answered = 0;
	put(&s, &h, sizeof(h));
	return &s;
}

static void record(struct stream *s, uint32_t type, const void *body, uint32_t len)
{
	const struct mig_record r = {type, len};

	put(s, &r, sizeof(r));
	put(s, body, len);
}

/* It is refused so, and the peer hears that it was. */
static void refused(struct stream *s, int err, bool hears)
{
	const struct tdx_mig_channel c = {stream_send, stream_recv, NULL, s};
	struct mig_record answer = {0};
	struct tdx_mig_stats stats;
	int e;

	expect_import(&b);
	e = tdx_vm_import(b.vm, &c, &b.importer, &stats);
	if (e != err)
		fail_msg("%d, not %d, for a stream of %zu bytes", e, err, s->n);
	assert_false(stats.moved);
	assert_int_equal(tdx_vm_state(b.vm), TDX_VM_DEAD);
	if (hears) {
		assert_true(s->answered >= sizeof(answer));
		memcpy(&answer, s->answer, sizeof(answer));
		assert_int_equal(answer.type, MIG_ABORTED);
		assert_int_equal(s->answered, sizeof(answer) + answer.length);
	} else {
		assert_int_equal(s->answered, 0);
	}
	end_td(&b);
}

static void header_is_refused(struct mig_header h, int err)
{
	struct stream *s = begin();

	memcpy(s->bytes, &h, sizeof(h));
	refused(s, err, true);
}

static void headers_are_judged(void **state)
{
	const struct mig_header good = header();
	struct mig_header h;
	struct stream *s = begin();

	s->n = 0;
	refused(s, -EPIPE, true);
	h = good;
	h.magic ^= 1;
	header_is_refused(h, -EPROTO);
	h = good;
	h.format++;
	header_is_refused(h, -EPROTO);
	h = good;
	h.flags = 2;
	header_is_refused(h, -EPROTO);
	h = good;
	h.streams = 0;
	header_is_refused(h, -EINVAL);
	h.streams = TDX_MIG_STREAMS_MAX + 1;
	header_is_refused(h, -EINVAL);
	h = good;
	h.gpaw52 = 1;
	header_is_refused(h, -EINVAL);
	h = good;
	h.l2_vms = 1;
	header_is_refused(h, -EINVAL);
	h = good;
	h.nvcpus = MAX_VCPUS + 1;
	header_is_refused(h, -ENOSPC);
	header_is_refused(good, -EPIPE);
}

static void one_record(uint32_t type, uint32_t len, int err)
{
	struct stream *s = begin();

	record(s, type, NULL, len);
	refused(s, err, type != MIG_ABORT);
}

static void records_out_of_their_time_are_refused(void **state)
{
	one_record(0, 0, -EPROTO);
	one_record(MIG_ABORTED + 1, 0, -EPROTO);
	one_record(MIG_SLOT, sizeof(struct mig_slot) + 1, -EPROTO);
	one_record(MIG_END, 1, -EPROTO);
	one_record(MIG_SLOT, sizeof(struct mig_slot) - 1, -EINVAL);
	one_record(MIG_VCPU, sizeof(struct mig_vcpu), -EINVAL);
	one_record(MIG_MEMORY, sizeof(struct mig_list), -EINVAL);
	one_record(MIG_TOKEN, sizeof(struct mbmd), -EINVAL);
	one_record(MIG_USER, 8, -EINVAL);
	one_record(MIG_END, 0, -EINVAL);
	one_record(MIG_COMMITTED, 0, -EINVAL);
	one_record(MIG_ABORTED, 0, -EINVAL);
	one_record(MIG_ABORT, 0, -ECONNABORTED);
	one_record(MIG_SHARED_RUN, 0, -EINVAL);
	one_record(MIG_SHARED_RUN, sizeof(struct mig_run) + 1, -EINVAL);
	one_record(MIG_SHARED, sizeof(struct mig_run), -EINVAL);
}

/* --- what the monitor has of memory --- */

static void slot(struct stream *s, uint32_t n, uint64_t gfn, uint64_t npages)
{
	const struct mig_slot w = {.slot = n, .gfn = gfn, .npages = npages};

	record(s, MIG_SLOT, &w, sizeof(w));
}

static void one_slot(uint32_t n, uint64_t gfn, uint64_t npages, int err)
{
	struct stream *s = begin();

	slot(s, 1, 0x100, 0x100);
	slot(s, n, gfn, npages);
	refused(s, err, true);
}

static void slots_are_judged(void **state)
{
	one_slot(VM_MAX_SLOTS, 0, 1, -EINVAL);
	one_slot(0, 0, 0, -EINVAL); /* to go, and is not there */
	one_slot(1, 0x1000, 1, -EINVAL);
	one_slot(0, 0x80, 0x81, -EINVAL);
	one_slot(0, 0x1ff, 1, -EINVAL);
	one_slot(0, ~0ull >> 12, 1, -EINVAL);
	one_slot(0, RIG_SHARED >> 12, 1, -EINVAL);
	one_slot(0, 0, ~0ull, -EINVAL);
	one_slot(0, 0x1000, (RIG_RAM >> 12) - 0xff, -ENOSPC);
	one_slot(0, 0x1000, (RIG_RAM >> 12) - 0x100, -EPIPE);
	one_slot(1, 0, 0, -EPIPE); /* that one goes */
}

/* After a run of the slot at 0x100 that is shared. */
static void one_run(uint64_t gfn, uint64_t n, int err)
{
	const struct mig_run r = {gfn, n};
	struct stream *s = begin();

	slot(s, 1, 0x100, 0x100);
	record(s, MIG_SHARED_RUN, &r, sizeof(r));
	refused(s, err, true);
}

static void one_page(uint64_t gfn, uint64_t n, int err)
{
	const struct mig_run all = {0x110, 0x10};
	struct stream *s = begin();
	uint8_t body[sizeof(struct mig_run) + TDX_PAGE_SIZE] = {0};

	memcpy(body, &(struct mig_run){gfn, n}, sizeof(struct mig_run));
	slot(s, 1, 0x100, 0x100);
	record(s, MIG_SHARED_RUN, &all, sizeof(all));
	record(s, MIG_SHARED, body, sizeof(body));
	refused(s, err, true);
}

static void shared_memory_is_judged(void **state)
{
	one_run(0x100, 0x100, -EPIPE);
	one_run(0xff, 1, -EINVAL);
	one_run(0x200, 1, -EINVAL);
	one_run(0x100, 0, -EINVAL);
	one_run(0x180, 0x81, -EINVAL);
	one_run(0x180, ~0ull, -EINVAL);
	one_page(0x110, 1, -EPIPE);
	one_page(0x11f, 1, -EPIPE);
	one_page(0x110, 2, -EINVAL);
	one_page(0x10f, 1, -EINVAL); /* private */
	one_page(0x120, 1, -EINVAL);
	one_page(0x200, 1, -EINVAL);
	one_page(0x110, 0, -EINVAL);
}

static void one_bundle(uint32_t npages, uint32_t len, int err)
{
	struct mig_bundle m = {.npages = npages};
	struct mig_record r = {MIG_BUNDLE, len};
	struct stream *s = begin();

	put(s, &r, sizeof(r));
	put(s, &m, len < sizeof(m) ? len : sizeof(m));
	put(s, NULL, len < sizeof(m) ? 0 : len - sizeof(m));
	refused(s, err, true);
}

static void bundles_are_judged(void **state)
{
	const uint32_t head = sizeof(struct mig_bundle), page = TDX_PAGE_SIZE;

	one_bundle(1, head - 1, -EINVAL);
	one_bundle(0, head, -EINVAL);
	one_bundle(1, head, -EINVAL);
	one_bundle(2, head + page, -EINVAL);
	one_bundle(MIG_STATE_PAGES + 1, head + page, -EINVAL);
	one_bundle(1, head + page, -EKEYREJECTED); /* of its length, and no key was exchanged */
}

/* --- a stream that is changed where the module does not look --- */

struct changing {
	struct tdx_mig_channel real;
	uint32_t type;
	unsigned skip; /* records of that type before it */
	void (*change)(uint8_t *body);
	bool due, done;
	bool header; /* was sent */
};

static int changing_send(void *arg, const void *buf, size_t len)
{
	struct changing *c = arg;
	struct mig_record r;
	uint8_t *copy;
	int err;

	if (c->due && !c->done) {
		copy = malloc(len);
		assert_non_null(copy);
		memcpy(copy, buf, len);
		c->change(copy);
		c->done = true;
		err = c->real.send(c->real.arg, copy, len);
		free(copy);
		return err;
	}
	if (c->header && len == sizeof(r)) {
		memcpy(&r, buf, sizeof(r));
		c->due = r.type == c->type && c->skip-- == 0;
	}
	c->header = true;
	return c->real.send(c->real.arg, buf, len);
}

static int changing_recv(void *arg, void *buf, size_t len)
{
	struct changing *c = arg;

	return c->real.recv(c->real.arg, buf, len);
}

static bool changing_answered(void *arg)
{
	struct changing *c = arg;

	return c->real.answered(c->real.arg);
}

/* The TD stands, and stays. */
static void changed(uint32_t type, unsigned skip, void (*change)(uint8_t *body), int its_err)
{
	struct changing c = {.type = type, .skip = skip, .change = change};
	const struct tdx_mig_channel changing = {changing_send, changing_recv, changing_answered,
						 &c};
	const struct tdx_export_config config = {.max_rounds = 2, .enough = 1};
	struct peer p = {.s = &b, .config = b.importer};
	struct tdx_mig_stats stats;
	struct wire w;
	pthread_t t;
	int err;

	expect_import(&b);
	exchange_keys(&a, &b);
	wire_on(&w);
	p.channel = &w.channel[1];
	c.real = w.channel[0];
	assert_int_equal(pthread_create(&t, NULL, import, &p), 0);
	err = tdx_vm_export(a.vm, &changing, &config, &stats);
	pthread_join(t, NULL);
	wire_off(&w);
	assert_true(c.done);
	if (err != -ECONNABORTED || p.err != its_err)
		fail_msg("record of type %u: export %d, import %d, not %d", type, err, p.err,
			 its_err);
	assert_int_equal(tdx_vm_state(b.vm), TDX_VM_DEAD);
	end_td(&b);
	assert_false(stats.moved);
	assert_int_equal(tdx_vm_state(a.vm), TDX_VM_RUNNABLE);
}

static struct mig_list list_of(const uint8_t *body)
{
	struct mig_list l;

	memcpy(&l, body, sizeof(l));
	return l;
}

static void list_is(uint8_t *body, struct mig_list l)
{
	memcpy(body, &l, sizeof(l));
}

static void no_entries(uint8_t *body)
{
	struct mig_list l = list_of(body);

	l.n = 0;
	list_is(body, l);
}

static void too_many_entries(uint8_t *body)
{
	struct mig_list l = list_of(body);

	l.n = MIG_LIST_ENTRIES + 1;
	list_is(body, l);
}

static void more_pages_than_entries(uint8_t *body)
{
	struct mig_list l = list_of(body);

	l.npages = l.n + 1;
	list_is(body, l);
}

static void another_length(uint8_t *body)
{
	struct mig_list l = list_of(body);

	l.n--;
	l.npages = l.npages > l.n ? l.n : l.npages;
	list_is(body, l);
}

static void a_stream_that_is_not(uint8_t *body)
{
	struct mig_list l = list_of(body);

	l.mbmd.stream = 5;
	list_is(body, l);
}

/* The first entry that has a page. */
static void entry_is(uint8_t *body, uint64_t clear, uint64_t set)
{
	const struct mig_list l = list_of(body);

	for (unsigned i = 0; i < l.n; i++) {
		uint8_t *at = body + sizeof(l) + i * sizeof(uint64_t);
		uint64_t e;

		memcpy(&e, at, sizeof(e));
		if (gpa_operation(e) == GPA_NOP || e & GPA_ENTRY_PENDING)
			continue;
		e = (e & ~clear) | set;
		memcpy(at, &e, sizeof(e));
		return;
	}
	fail_msg("no entry of the list has a page");
}

static void no_operation(uint8_t *body)
{
	entry_is(body, ~0ull, gpa_with_operation(0, GPA_NOP));
}

static void pending_with_a_page(uint8_t *body)
{
	entry_is(body, 0, GPA_ENTRY_PENDING);
}

static void an_l2_vm_has_it(uint8_t *body)
{
	entry_is(body, 0, 1ull << GPA_ENTRY_ALIASES_SHIFT);
}

static void beyond_all_slots(uint8_t *body)
{
	entry_is(body, GPA_ENTRY_ADDRESS, 1ull << 40);
}

static void shared_address(uint8_t *body)
{
	entry_is(body, 0, RIG_SHARED);
}

static void the_first_again(uint8_t *body)
{
	const uint32_t id = 0;

	memcpy(body + offsetof(struct mig_vcpu, id), &id, sizeof(id));
}

static void no_pages(uint8_t *body)
{
	memset(body + offsetof(struct mig_bundle, npages), 0, 4);
}

static void lists_are_judged(void **state)
{
	build(&a, 1);
	go(&a);
	counts_on(&a, 50);
	assert_int_equal(stop(&a), 0);
	changed(MIG_MEMORY, 0, no_entries, -EINVAL);
	changed(MIG_MEMORY, 0, too_many_entries, -EINVAL);
	changed(MIG_MEMORY, 0, more_pages_than_entries, -EINVAL);
	changed(MIG_MEMORY, 0, another_length, -EINVAL);
	changed(MIG_MEMORY, 0, a_stream_that_is_not, -EINVAL);
	changed(MIG_MEMORY, 0, no_operation, -EINVAL);
	changed(MIG_MEMORY, 0, pending_with_a_page, -EINVAL);
	changed(MIG_MEMORY, 0, an_l2_vm_has_it, -EINVAL);
	changed(MIG_MEMORY, 0, beyond_all_slots, -EINVAL);
	changed(MIG_MEMORY, 0, shared_address, -EINVAL);
	changed(MIG_BUNDLE, 1, no_pages, -EINVAL);
	go(&a);
	counts_on(&a, 50);
	assert_int_equal(stop(&a), 0);
	end_td(&a);
}

static void vcpus_are_judged(void **state)
{
	build(&a, 2);
	go(&a);
	counts_on(&a, 50);
	assert_int_equal(stop(&a), 0);
	changed(MIG_VCPU, 1, the_first_again, -EINVAL);
	end_td(&a);
}

/* --- answers --- */

struct answer {
	struct mig_record r;
	uint8_t body[sizeof(struct mbmd)];
	size_t at;
	bool none;
};

static int takes_all(void *arg, const void *buf, size_t len)
{
	return 0;
}

static int answers(void *arg, void *buf, size_t len)
{
	struct answer *w = arg;

	if (w->none || w->at + len > offsetof(struct answer, at))
		return -EPIPE;
	memcpy(buf, (uint8_t *)w + w->at, len);
	w->at += len;
	return 0;
}

static bool says_nothing(void *arg)
{
	return false;
}

/* After the last token: whatever is not the importer's token leaves it where it may be. */
static void answered(struct answer w, int err, bool moved, enum tdx_vm_state then)
{
	const struct tdx_mig_channel c = {takes_all, answers, says_nothing, &w};
	struct tdx_mig_stats stats;
	int e;

	build(&a, 1);
	go(&a);
	counts_on(&a, 50);
	assert_int_equal(stop(&a), 0);
	expect_import(&b);
	exchange_keys(&a, &b);
	e = tdx_vm_export(a.vm, &c, &(struct tdx_export_config){.max_rounds = 1}, &stats);
	if (e != err || stats.moved != moved || tdx_vm_state(a.vm) != then)
		fail_msg("answer %u: %d, not %d; moved %d, state %d", w.r.type, e, err, stats.moved,
			 tdx_vm_state(a.vm));
	end_td(&a);
	end_td(&b);
}

static void answers_that_are_none_do_not_bring_it_back(void **state)
{
	answered((struct answer){.r = {MIG_COMMITTED, 0}}, 0, true, TDX_VM_EXPORTED);
	answered((struct answer){.r = {MIG_COMMITTED, 1}}, -EPROTO, true, TDX_VM_EXPORTED);
	answered((struct answer){.r = {MIG_SLOT, 0}}, -EPROTO, true, TDX_VM_EXPORTED);
	answered((struct answer){.r = {MIG_ABORTED, 8}}, -EPROTO, true, TDX_VM_EXPORTED);
	answered((struct answer){.r = {MIG_ABORTED, 0}}, -ECONNABORTED, true, TDX_VM_EXPORTED);
	answered((struct answer){.none = true}, -EPIPE, true, TDX_VM_EXPORTED);
	/* a token that the importer's module has not made */
	answered((struct answer){.r = {MIG_ABORTED, sizeof(struct mbmd)}}, -EIO, false,
		 TDX_VM_DEAD);
}

/* --- the host of the other migration TD --- */

static void a_message_that_is_too_long_is_refused(void **state)
{
	struct answer w = {.r = {TDX_MIGTD_MESSAGE_MAX + 1, 0}};
	const struct tdx_mig_channel c = {takes_all, answers, NULL, &w};

	build(&a, 1);
	for (unsigned source = 0; source < 2; source++) {
		w.at = 0;
		assert_int_equal(
			tdx_migtd_exchange(a.vm, source, a.service, a.service_vcpu, quotes, &c),
			-EPROTO);
	}
	/* the next session is as good as ever */
	expect_import(&b);
	exchange_keys(&a, &b);
	end_td(&b);
	end_td(&a);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_are_judged),
		cmocka_unit_test(records_out_of_their_time_are_refused),
		cmocka_unit_test(slots_are_judged),
		cmocka_unit_test(shared_memory_is_judged),
		cmocka_unit_test(bundles_are_judged),
		cmocka_unit_test(lists_are_judged),
		cmocka_unit_test(vcpus_are_judged),
		cmocka_unit_test(answers_that_are_none_do_not_bring_it_back),
		cmocka_unit_test(a_message_that_is_too_long_is_refused),
	};

	return RUN_MOVES(argc, argv, tests, machines_on, machines_off);
}
