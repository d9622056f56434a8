/* SPDX-License-Identifier: MIT */
/* TDs that move: between two machines over a socket, through a file; given up on either side; and
 * streams that somebody changed on the way. */
#include <inttypes.h>

#include "migrate_setup.h"

#include "arch/x86.h"

/* Past what a host is told, of the model. */
static void measure(struct side *s, struct tdx_digest m[1 + TDX_RTMRS])
{
	assert_true(tdx_model_measurements(s->rig.model, tdx_vm_td(s->vm).tdr, &m[0], &m[1]));
}

static void there_and_back(struct side *here, struct side *there, unsigned nvcpus,
			   const struct tdx_export_config *how)
{
	struct tdx_mig_stats stats;
	struct tdx_digest before[1 + TDX_RTMRS], after[1 + TDX_RTMRS], mrtd;

	build(here, nvcpus);
	assert_int_equal(tdx_vm_mrtd(here->vm, &mrtd), 0);
	measure(here, before);
	assert_memory_equal(&mrtd, before, sizeof(mrtd));
	go(here);
	counts_on(here, 2 * PAGES);
	move(here, there, how, &stats);
	assert_int_equal(tdx_vm_mrtd(there->vm, &mrtd), 0);
	assert_memory_equal(before, &mrtd, sizeof(mrtd));
	measure(there, after); /* no guest of these extends a register */
	assert_memory_equal(before, after, sizeof(before));
	counts_on(there, 2 * PAGES);
	move(there, here, how, &stats);
	counts_on(here, 2 * PAGES);
	assert_int_equal(stop(here), 0);
	end_td(here);
}

static void a_running_td_moves_there_and_back(void **state)
{
	there_and_back(&a, &b, 1, &(struct tdx_export_config){0});
}

static void so_does_one_of_two_vcpus_over_three_streams(void **state)
{
	there_and_back(&a, &b, 2, &(struct tdx_export_config){.streams = 3, .max_rounds = 4});
}

static void so_does_one_whose_entries_of_pamt_come_and_go(void **state)
{
	static struct side c, d;

	side_on(&c, true);
	side_on(&d, true);
	there_and_back(&c, &d, 1, &(struct tdx_export_config){0});
	side_off(&c);
	side_off(&d);
}

static void memory_can_follow_a_td_that_runs_there_already(void **state)
{
	there_and_back(&a, &b, 2, &(struct tdx_export_config){.post_copy = true});
}

static void only_a_td_has_measurements(void **state)
{
	struct tdx_digest m[1 + TDX_RTMRS];
	struct tdx_model *model = a.rig.model;
	const tdx_hpa_t tdr = tdx_vm_td(a.service).tdr;

	assert_true(tdx_model_measurements(model, tdr, &m[0], &m[1]));
	assert_false(tdx_model_measurements(model, hpa(tdr.v + 1), &m[0], &m[1]));
	assert_false(tdx_model_measurements(model, hpa(~0ull << 12), &m[0], &m[1]));
	assert_false(
		tdx_model_measurements(model, tdx_vcpu_vp(a.service_vcpu).tdvpr, &m[0], &m[1]));
}

/* --- through a file --- */

static void a_td_waits_in_a_file(void **state)
{
	char path[] = "/tmp/swtdx-migrate-XXXXXX";
	const int fd = mkstemp(path);
	struct tdx_mig_fds out = {-1, fd, 0}, in = {fd, -1, 0};
	struct tdx_export_config config = {.stop = stop, .go = go};
	struct tdx_import_config there = a.importer;
	struct tdx_mig_channel channel;
	struct tdx_mig_stats stats;

	assert_true(fd >= 0);
	unlink(path);
	build(&a, 1);
	go(&a);
	counts_on(&a, PAGES);
	expect_import(&b);
	exchange_keys(&a, &b);
	config.arg = &a;
	tdx_mig_channel_of(&out, &channel);
	assert_int_equal(tdx_vm_export(a.vm, &channel, &config, &stats), 0);
	b.count[0] = a.count[0];
	end_td(&a);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	tdx_mig_channel_of(&in, &channel);
	there.go = go;
	there.arg = &b;
	assert_int_equal(tdx_vm_import(b.vm, &channel, &there, &stats), 0);
	counts_on(&b, 2 * PAGES);
	assert_int_equal(stop(&b), 0);
	end_td(&b);
	close(fd);
}

/* --- given up --- */

/* A channel that changes a bit of the nth record, of what it is this time: the TD runs, and no two
 * streams are the same. */
struct changed {
	struct tdx_mig_channel real;
	int record; /* the one sent now; -1: the header */
	size_t at;  /* in it, its own header too */
	size_t left;
	struct mig_record head;
	bool state_sent; /* of a vCPU: what token comes is the last */
	bool flipped;
	int flip_record;    /* -2: none; the last token, where there are not so many before it */
	uint32_t flip_type; /* not 0: the first of this type instead */
	unsigned flip;	    /* which bit: see change() */
	size_t flip_bit;
};

/* The kth change of a record: bits of what the module seals, of the lengths and types of records,
 * of the header. */
static size_t change(const struct mig_record *r, int record, unsigned k)
{
	const uint32_t type = r->type;
	const size_t bits = 8 * (size_t)r->length, own = 8 * sizeof(*r);
	size_t skip = type == MIG_VCPU ? 8 * sizeof(struct mig_vcpu) : 0;

	if (record == 0)
		return k * 37 % (8 * offsetof(struct mig_header, nslots));
	if (k == 0) /* of the type, or of the length: much longer */
		return record % 2 ? 8 + record % 24 : 32 + 24 + record % 8;
	if (type == MIG_SLOT || type == MIG_END || type == MIG_SHARED_RUN || type == MIG_SHARED ||
	    type == MIG_USER || bits <= skip)
		return 24;
	if (k % 2) /* the MBMD and what follows it */
		return own + skip + k * 29 % (8 * sizeof(struct mbmd));
	skip += 8 * sizeof(struct mig_list);
	return bits <= skip ? own : own + skip + (k * 7919 + record * 104729ull) % (bits - skip);
}

static bool is_due(const struct changed *c)
{
	if (c->flip_type)
		return c->record && !c->flipped && c->head.type == c->flip_type && c->state_sent;
	return c->record == c->flip_record || (c->record < c->flip_record && c->record &&
					       c->state_sent && c->head.type == MIG_TOKEN);
}

static void begin_record(struct changed *c, const void *buf, size_t len)
{
	c->record++;
	c->at = 0;
	memcpy(&c->head, buf, sizeof(c->head));
	c->state_sent = c->record && (c->state_sent || c->head.type == MIG_VCPU);
	c->left = c->record ? sizeof(c->head) + c->head.length : len;
	c->flip_bit = is_due(c) ? change(&c->head, c->record, c->flip) : SIZE_MAX;
}

static int changed_send(void *arg, const void *buf, size_t len)
{
	struct changed *c = arg;
	uint8_t *copy = malloc(len);
	int err;

	memcpy(copy, buf, len);
	if (c->left == 0)
		begin_record(c, buf, len);
	if (c->flip_bit / 8 >= c->at && c->flip_bit / 8 < c->at + len) {
		copy[c->flip_bit / 8 - c->at] ^= (uint8_t)(1u << c->flip_bit % 8);
		c->flipped = true;
	}
	c->at += len;
	c->left -= len;
	err = c->real.send(c->real.arg, copy, len);
	free(copy);
	return err;
}

static int changed_recv(void *arg, void *buf, size_t len)
{
	struct changed *c = arg;

	return c->real.recv(c->real.arg, buf, len);
}

static bool changed_answered(void *arg)
{
	struct changed *c = arg;

	return c->real.answered(c->real.arg);
}

/* Neither side closes anything, and neither waits for what does not come. */
static int try_to_move(struct side *from, struct side *to, struct tdx_export_config config,
		       struct tdx_import_config there, struct changed *c,
		       struct tdx_mig_stats *stats, int *import_err)
{
	struct tdx_mig_channel changed = {changed_send, changed_recv, changed_answered, c};
	struct peer p = {.s = to, .config = there};
	struct wire w;
	pthread_t t;
	int err;

	get_ready(from, to, &config, &p, &w);
	c->real = w.channel[0];
	c->record = -1;
	c->left = 0;
	c->flipped = c->state_sent = false;
	assert_int_equal(pthread_create(&t, NULL, import, &p), 0);
	err = tdx_vm_export(from->vm, &changed, &config, stats);
	pthread_join(t, NULL);
	wire_off(&w);
	*import_err = p.err;
	assert_int_not_equal(err, -ETIMEDOUT);
	assert_int_not_equal(p.err, -ETIMEDOUT);
	return err;
}

/* It fails on both sides, as they say; nothing is left there, and the TD goes on here. */
static void moves_not(struct side *from, struct side *to, struct tdx_export_config config,
		      struct tdx_import_config there, struct changed *c, int export_err,
		      int import_err)
{
	struct tdx_mig_stats stats;
	int its_err;
	const int err = try_to_move(from, to, config, there, c, &stats, &its_err);

	if (!err || !its_err || stats.moved)
		fail_msg("record %d bit %zu: export %d, import %d", c->flip_record, c->flip_bit,
			 err, its_err);
	if (export_err)
		assert_int_equal(err, export_err);
	if (import_err)
		assert_int_equal(its_err, import_err);
	assert_int_equal(tdx_vm_state(to->vm), TDX_VM_DEAD);
	end_td(to);
	assert_int_equal(tdx_vm_state(from->vm), TDX_VM_RUNNABLE);
	assert_int_equal(from->failed, 0);
}

static int enough(void *arg, const struct tdx_mig_stats *so_far)
{
	return so_far->rounds >= 2 ? -ECANCELED : 0;
}

static int enough_there(void *arg, const struct tdx_mig_stats *so_far)
{
	return so_far->rounds >= 1 ? -ECANCELED : 0;
}

static int refuse(void *arg, const void *state, size_t len)
{
	return -EINVAL;
}

static int some_state(void *arg, void **state, size_t *len)
{
	*state = calloc(1, 100);
	*len = 100;
	return 0;
}

static void either_side_can_give_up(void **state)
{
	const struct tdx_export_config plain = {.max_rounds = 4, .enough = 1};
	struct tdx_export_config config = plain;
	struct tdx_import_config there = a.importer;
	struct changed c = {.flip_record = -2};
	struct tdx_mig_stats stats;

	build(&a, 2);
	go(&a);
	counts_on(&a, PAGES);
	/* the exporter, while the TD runs */
	config.wanted = enough;
	moves_not(&a, &b, config, a.importer, &c, -ECANCELED, -ECONNABORTED);
	counts_on(&a, PAGES);
	/* the importer, likewise */
	there.wanted = enough_there;
	moves_not(&a, &b, plain, there, &c, 0, -ECANCELED);
	counts_on(&a, PAGES);
	/* with too little memory, or too few vCPUs, for it */
	there = a.importer;
	there.max_memory = RIG_RAM - 4096;
	moves_not(&a, &b, plain, there, &c, 0, -ENOSPC);
	there = a.importer;
	there.max_vcpus = 1;
	moves_not(&a, &b, plain, there, &c, 0, -ENOSPC);
	/* with state in its XFAM that nobody executes there */
	there = a.importer;
	there.lacking_xfam = XFAM_SSE;
	moves_not(&a, &b, plain, there, &c, 0, -ENOTSUP);
	counts_on(&a, PAGES);
	/* the importer's devices, when the TD stands */
	config = plain;
	config.save = some_state;
	there = a.importer;
	there.load = refuse;
	moves_not(&a, &b, config, there, &c, -ECONNABORTED, -EINVAL);
	counts_on(&a, PAGES);
	/* when the last token was taken: the way back takes one, too */
	rig_fail(&b.rig, TDH_IMPORT_COMMIT, 1, 1, TDX_OP_STATE_INCORRECT);
	moves_not(&a, &b, plain, a.importer, &c, -ECONNABORTED, -EBADMSG);
	tdx_model_clear_faults(b.rig.model);
	counts_on(&a, PAGES);
	move(&a, &b, &plain, &stats);
	counts_on(&b, 2 * PAGES);
	assert_int_equal(stop(&b), 0);
	end_td(&b);
}

static void no_changed_stream_is_a_td(void **state)
{
	const struct tdx_export_config plain = {.max_rounds = 2};
	struct changed c = {.flip_record = -2};
	struct tdx_import_config there = a.importer;
	int records;

	build(&a, 1);
	go(&a);
	counts_on(&a, PAGES);
	/* once, to see the records; in vain, because of the last */
	rig_fail(&b.rig, TDH_IMPORT_COMMIT, 1, 1, TDX_OP_STATE_INCORRECT);
	moves_not(&a, &b, plain, there, &c, 0, 0);
	tdx_model_clear_faults(b.rig.model);
	records = c.record < 10 ? c.record : 10;
	assert_true(records > 5);
	for (int r = 0; r < records; r++)
		for (unsigned k = 0; k < 3; k++) {
			c.flip_record = r;
			c.flip = k;
			moves_not(&a, &b, plain, there, &c, 0, 0);
		}
	assert_int_equal(stop(&a), 0);
	end_td(&a);
}

/* Once it runs there nobody can go back: a stream that goes wrong then is the end of the TD on both
 * sides, of which both are told at once. */
static void goes_wrong_there(uint32_t type, bool post_copy)
{
	const struct tdx_export_config config = {.max_rounds = post_copy ? 0 : 2,
						 .post_copy = post_copy};
	struct changed c = {.flip_record = -2, .flip_type = type};
	struct tdx_mig_stats stats;
	int err, its_err;

	build(&a, 1);
	go(&a);
	counts_on(&a, PAGES);
	b.count[0] = a.count[0];
	err = try_to_move(&a, &b, config, b.importer, &c, &stats, &its_err);
	assert_true(c.flipped);
	assert_true(err && its_err && stats.moved);
	assert_int_equal(tdx_vm_state(a.vm), TDX_VM_EXPORTED);
	assert_int_equal(tdx_vm_state(b.vm), TDX_VM_DEAD);
	(void)stop(&b); /* its vCPU came out with an error */
	b.failed = 0;
	end_td(&a);
	end_td(&b);
}

static void a_stream_that_goes_wrong_after_the_last_token_ends_both(void **state)
{
	goes_wrong_there(MIG_END, false);
	goes_wrong_there(MIG_END, true);
	goes_wrong_there(MIG_MEMORY, true);
}

/* One call of a move is refused, for good or once, on one side or the other. The TD then runs here
 * or there or nowhere, but never twice; who says that it moved or stayed is right; all pages of the
 * other come back. */
static void one_call_fails(struct side *where, enum tdx_seamcall leaf, uint64_t nth, bool post_copy)
{
	const struct tdx_export_config config = {
		.max_rounds = 3, .enough = 1, .post_copy = post_copy};
	struct changed c = {.flip_record = -2};
	struct tdx_mig_stats stats;
	bool here, there;
	int err, its_err;

	build(&a, 1);
	go(&a);
	counts_on(&a, 50);
	b.count[0] = a.count[0];
	rig_fail(&where->rig, leaf, nth, nth == 1 ? 0 : 1, TDX_OP_STATE_INCORRECT);
	err = try_to_move(&a, &b, config, b.importer, &c, &stats, &its_err);
	tdx_model_clear_faults(where->rig.model);
	here = tdx_vm_state(a.vm) == TDX_VM_RUNNABLE;
	there = tdx_vm_state(b.vm) == TDX_VM_RUNNABLE;
	if ((here && there) || here != (err && !stats.moved && tdx_vm_state(a.vm) != TDX_VM_DEAD) ||
	    (!its_err && !there))
		fail_msg("%s %" PRIu64 "%s: export %d (%d), import %d (%d)",
			 tdx_seamcall_leaf(leaf)->name, nth, post_copy ? " after" : "", err, here,
			 its_err, there);
	if (here)
		counts_on(&a, 50);
	else if (there && !its_err)
		counts_on(&b, 50);
	(void)stop(&a);
	(void)stop(&b);
	a.failed = b.failed = 0;
	end_td(&a);
	end_td(&b);
}

static void a_td_never_runs_twice_whatever_fails(void **state)
{
	static const enum tdx_seamcall exports[] = {
		TDH_EXPORT_STATE_IMMUTABLE, TDH_EXPORT_BLOCKW,	  TDH_EXPORT_MEM,
		TDH_EXPORT_TRACK,	    TDH_EXPORT_PAUSE,	  TDH_EXPORT_STATE_TD,
		TDH_EXPORT_STATE_VP,	    TDH_MIG_STREAM_CREATE};
	static const enum tdx_seamcall imports[] = {TDH_IMPORT_STATE_IMMUTABLE,
						    TDH_IMPORT_MEM,
						    TDH_IMPORT_TRACK,
						    TDH_IMPORT_STATE_TD,
						    TDH_IMPORT_STATE_VP,
						    TDH_IMPORT_COMMIT,
						    TDH_IMPORT_END,
						    TDH_VP_CREATE,
						    TDH_MEM_SEPT_ADD,
						    TDH_MIG_STREAM_CREATE};

	for (unsigned nth = 1; nth < 4; nth += 2) {
		for (unsigned i = 0; i < sizeof(exports) / sizeof(exports[0]); i++)
			one_call_fails(&a, exports[i], nth, false);
		for (unsigned i = 0; i < sizeof(imports) / sizeof(imports[0]); i++)
			one_call_fails(&b, imports[i], nth, false);
	}
	one_call_fails(&a, TDH_EXPORT_MEM, 1, true);
	one_call_fails(&b, TDH_IMPORT_MEM, 1, true);
	one_call_fails(&b, TDH_IMPORT_COMMIT, 1, true);
	one_call_fails(&b, TDH_IMPORT_END, 1, true);
}

/* A channel that has nothing more after so many pieces. */
struct cut {
	struct tdx_mig_channel real;
	unsigned left;
};

static int cut_send(void *arg, const void *buf, size_t len)
{
	struct cut *c = arg;

	return c->real.send(c->real.arg, buf, len);
}

static int cut_recv(void *arg, void *buf, size_t len)
{
	struct cut *c = arg;

	return c->left-- ? c->real.recv(c->real.arg, buf, len) : -EIO;
}

/* The other side hears of it, and the migration TDs are there for the next session, wherever in
 * theirs they were. */
static void keys_are_exchanged_again_after_an_exchange_that_failed(void **state)
{
	struct tdx_mig_stats stats;

	build(&a, 1);
	go(&a);
	counts_on(&a, 50);
	for (unsigned n = 0; n < 4; n++) {
		struct wire w;
		struct cut c = {.left = n};
		struct tdx_mig_channel cut = {cut_send, cut_recv, NULL, &c};
		struct peer pa = {.s = n % 2 ? &b : &a, .source = n % 2 == 0, .channel = &cut},
			    pb = {.s = n % 2 ? &a : &b, .source = n % 2 != 0, .channel = NULL};
		pthread_t t;

		wire_on(&w);
		expect_import(&b);
		c.real = w.channel[0];
		pb.channel = &w.channel[1];
		assert_int_equal(pthread_create(&t, NULL, keys, &pb), 0);
		keys(&pa);
		pthread_join(t, NULL);
		wire_off(&w);
		assert_int_equal(pa.err, -EIO);
		/* of two messages it may have had both */
		assert_true(pb.err == -ECONNABORTED || (n >= 2 && !pb.err));
		end_td(&b);
	}
	move(&a, &b, &(struct tdx_export_config){0}, &stats);
	counts_on(&b, PAGES);
	assert_int_equal(stop(&b), 0);
	end_td(&b);
}

/* A peer that says nothing, or takes nothing, is not waited for longer than was said. */
static void a_silent_peer_is_not_waited_for(void **state)
{
	struct tdx_mig_channel channel;
	struct tdx_mig_fds fds;
	uint8_t bytes[4096] = {0};
	int fd[2], err = 0;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	fds = (struct tdx_mig_fds){fd[0], fd[0], 1};
	tdx_mig_channel_of(&fds, &channel);
	assert_int_equal(write(fd[1], bytes, 1), 1);
	assert_int_equal(channel.recv(channel.arg, bytes, 2), -ETIMEDOUT);
	for (unsigned i = 0; i < (16 << 20) / sizeof(bytes) && !err; i++)
		err = channel.send(channel.arg, bytes, sizeof(bytes));
	assert_int_equal(err, -ETIMEDOUT);
	close(fd[0]);
	close(fd[1]);
}

/* --- a module that is busy, or interrupted --- */

static void busy_calls_are_made_again(void **state)
{
	static const enum tdx_seamcall leaves[] = {
		TDH_EXPORT_STATE_IMMUTABLE, TDH_EXPORT_BLOCKW, TDH_EXPORT_MEM,
		TDH_EXPORT_PAUSE,	    TDH_EXPORT_TRACK,  TDH_EXPORT_STATE_TD,
		TDH_EXPORT_STATE_VP};
	struct tdx_mig_stats stats;

	build(&a, 1);
	go(&a);
	counts_on(&a, PAGES);
	for (unsigned i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++)
		rig_fail(&a.rig, leaves[i], 1, 3, tdx_error_op(TDX_OPERAND_BUSY, 1).raw);
	for (unsigned i = 0; i < 2; i++) {
		struct tdx_fault f = {.kind = TDX_FAULT_INTERRUPT,
				      .leaf = i ? TDH_IMPORT_MEM : TDH_EXPORT_MEM,
				      .cpu = -1,
				      .permille = 700,
				      .polls = 40};

		assert_true(tdx_model_inject(i ? b.rig.model : a.rig.model, &f) >= 0);
	}
	move(&a, &b, &(struct tdx_export_config){0}, &stats);
	assert_true(rig_calls(&a.rig, TDH_EXPORT_MEM) > stats.rounds + 3);
	counts_on(&b, 2 * PAGES);
	assert_int_equal(stop(&b), 0);
	end_td(&b);
}

/* --- what cannot --- */

static void not_every_td_can_move(void **state)
{
	struct tdx_mig_fds nowhere = {-1, -1, 0};
	struct tdx_mig_channel channel;
	struct tdx_mig_stats stats;

	tdx_mig_channel_of(&nowhere, &channel);
	/* not MIGRATABLE */
	assert_int_equal(tdx_vm_export(a.service, &channel, NULL, &stats), -EOPNOTSUPP);
	build(&a, 1);
	/* no key; and it goes on, as often as one likes */
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(tdx_vm_export(a.vm, &channel, NULL, &stats), -EKEYREJECTED);
		assert_false(stats.moved);
	}
	assert_int_equal(
		tdx_vm_export(a.vm, &channel, &(struct tdx_export_config){.streams = 9}, &stats),
		-EINVAL);
	go(&a);
	counts_on(&a, PAGES);
	assert_int_equal(stop(&a), 0);
	end_td(&a);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_running_td_moves_there_and_back),
		cmocka_unit_test(so_does_one_of_two_vcpus_over_three_streams),
		cmocka_unit_test(so_does_one_whose_entries_of_pamt_come_and_go),
		cmocka_unit_test(memory_can_follow_a_td_that_runs_there_already),
		cmocka_unit_test(only_a_td_has_measurements),
		cmocka_unit_test(a_td_waits_in_a_file),
		cmocka_unit_test(either_side_can_give_up),
		cmocka_unit_test(no_changed_stream_is_a_td),
		cmocka_unit_test(a_stream_that_goes_wrong_after_the_last_token_ends_both),
		cmocka_unit_test(a_td_never_runs_twice_whatever_fails),
		cmocka_unit_test(keys_are_exchanged_again_after_an_exchange_that_failed),
		cmocka_unit_test(a_silent_peer_is_not_waited_for),
		cmocka_unit_test(busy_calls_are_made_again),
		cmocka_unit_test(not_every_td_can_move),
	};

	return RUN_MOVES(argc, argv, tests, machines_on, machines_off);
}
