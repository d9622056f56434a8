/* SPDX-License-Identifier: MIT */
/* Moves that come to nothing: no memory on one side or the other, a channel that breaks, a user who
 * says no, a call that fails on the way back. The TD goes on where it was, nothing is left of it
 * where it was not, and a TD that cannot go on is dead and says so. */
#include "migrate_setup.h"

/* A channel that takes so many pieces and gives so many: then it is broken. */
struct breaking {
	struct tdx_mig_channel real;
	unsigned sends, recvs;
};

static int breaking_send(void *arg, const void *buf, size_t len)
{
	struct breaking *c = arg;

	return c->sends && c->sends-- ? c->real.send(c->real.arg, buf, len) : -EIO;
}

static int breaking_recv(void *arg, void *buf, size_t len)
{
	struct breaking *c = arg;

	return c->recvs && c->recvs-- ? c->real.recv(c->real.arg, buf, len) : -EIO;
}

static bool breaking_answered(void *arg)
{
	struct breaking *c = arg;

	return c->real.answered(c->real.arg);
}

#define WHOLE                                                                                      \
	(struct breaking)                                                                          \
	{                                                                                          \
		.sends = ~0u, .recvs = ~0u                                                         \
	}

/* A move of a TD whose vCPUs stand. What it is to fail in is armed when the keys are there. */
struct attempt {
	struct tdx_export_config config;
	struct tdx_import_config there;
	struct breaking from, to;
	struct side *without; /* a page of the host: the nth that is asked for */
	uint64_t nth;
	bool reached;
	/* what came of it */
	struct tdx_mig_stats stats;
	int err, its_err;
};

static struct attempt whole(void)
{
	return (struct attempt){.config = {.max_rounds = 2, .enough = 1},
				.there = b.importer,
				.from = WHOLE,
				.to = WHOLE};
}

static void try_it(struct attempt *t)
{
	const struct tdx_mig_channel here = {breaking_send, breaking_recv, breaking_answered,
					     &t->from},
				     there = {breaking_send, breaking_recv, breaking_answered,
					      &t->to};
	struct peer p = {.s = &b, .config = t->there, .channel = &there};
	struct wire w;
	pthread_t thread;

	expect_import(&b);
	exchange_keys(&a, &b);
	wire_on(&w);
	t->from.real = w.channel[0];
	t->to.real = w.channel[1];
	if (t->without)
		tdx_vmm_fail_alloc(t->without->rig.vmm, t->nth);
	assert_int_equal(pthread_create(&thread, NULL, import, &p), 0);
	t->err = tdx_vm_export(a.vm, &here, &t->config, &t->stats);
	shutdown(w.fds[0].out, SHUT_WR);
	pthread_join(thread, NULL);
	t->its_err = p.err;
	if (t->without) {
		t->reached = t->without->rig.vmm->pages.fail_in == 0;
		tdx_vmm_fail_alloc(t->without->rig.vmm, 0);
	}
	wire_off(&w);
}

/* It has run, and stands. */
static void build_standing(unsigned nvcpus)
{
	build(&a, nvcpus);
	go(&a);
	counts_on(&a, 50);
	assert_int_equal(stop(&a), 0);
}

static void runs_here(void)
{
	assert_int_equal(tdx_vm_state(a.vm), TDX_VM_RUNNABLE);
	go(&a);
	counts_on(&a, 50);
	assert_int_equal(stop(&a), 0);
}

static void is_not_there(const struct attempt *t)
{
	if (!t->err || !t->its_err || t->stats.moved)
		fail_msg("export %d, import %d", t->err, t->its_err);
	assert_int_equal(tdx_vm_state(b.vm), TDX_VM_DEAD);
	end_td(&b);
	assert_int_equal(tdx_vm_state(a.vm), TDX_VM_RUNNABLE);
}

/* The last attempt went through. */
static void is_there(const struct attempt *t)
{
	if (t->err || t->its_err)
		fail_msg("export %d, import %d", t->err, t->its_err);
	end_td(&a);
	b.count[0] = a.count[0];
	go(&b);
	counts_on(&b, 50);
	assert_int_equal(stop(&b), 0);
	end_td(&b);
}

/* --- memory --- */

static void without_pages(struct side *s, int err, int its_err)
{
	unsigned failed = 0;

	build_standing(2);
	for (uint64_t nth = 1;; nth += nth < 10 ? 1 : nth / 3) {
		struct attempt t = whole();

		t.without = s;
		t.nth = nth;
		try_it(&t);
		if (!t.reached) {
			is_there(&t);
			break;
		}
		if (t.err != err || t.its_err != its_err)
			fail_msg("page %u: export %d, import %d", (unsigned)nth, t.err, t.its_err);
		is_not_there(&t);
		failed++;
		if (nth % 4 == 0)
			runs_here();
	}
	assert_true(failed > 10);
}

static void without_a_page_of_the_host_it_stays(void **state)
{
	without_pages(&a, -ENOMEM, -ECONNABORTED);
}

static void without_a_page_of_the_other_host_it_stays(void **state)
{
	without_pages(&b, -ECONNABORTED, -ENOMEM);
}

/* --- channels --- */

/* Somewhere in the stream, before the importer may have all of it. */
static void a_channel_that_breaks_ends_both(void **state)
{
	build_standing(1);
	for (unsigned n = 0; n < 40; n += 1 + n / 4) {
		struct attempt t = whole();

		t.from.sends = n;
		try_it(&t);
		if (t.stats.moved)
			break;
		assert_int_equal(t.err, -EIO);
		assert_int_equal(t.its_err, -EPIPE);
		is_not_there(&t);
		t = whole();
		t.to.recvs = n;
		try_it(&t);
		if (t.stats.moved)
			break;
		assert_int_equal(t.its_err, -EIO);
		assert_int_equal(t.err, -ECONNABORTED);
		is_not_there(&t);
		assert_true(n < 30);
	}
	/* The last attempt may have gone through there, or nowhere; never here. */
	assert_int_not_equal(tdx_vm_state(a.vm), TDX_VM_RUNNABLE);
	end_td(&a);
	end_td(&b);
}

/* --- users --- */

static int refuses(void *arg)
{
	++*(unsigned *)arg;
	return -EPERM;
}

static void goes_on(void *arg)
{
	*(unsigned *)arg += 100;
}

static int saves_nothing(void *arg, void **bytes, size_t *len)
{
	return -ENODEV;
}

static int saves_too_much(void *arg, void **bytes, size_t *len)
{
	*len = TDX_MIG_USER_MAX + 1;
	*bytes = malloc(*len);
	return *bytes ? 0 : -ENOMEM;
}

static int saves_a_little(void *arg, void **bytes, size_t *len)
{
	*len = 16;
	*bytes = calloc(1, *len);
	return *bytes ? 0 : -ENOMEM;
}

/* While it stands, the other side has all of it. */
static int changes_memory(void *arg, void **bytes, size_t *len)
{
	struct tdx_mig_fds nowhere = {-1, -1, 0};
	struct tdx_mig_channel none;
	struct tdx_mig_stats stats;
	struct tdx_run run;

	tdx_mig_channel_of(&nowhere, &none);
	assert_int_equal(tdx_vm_state(a.vm), TDX_VM_EXPORTED);
	assert_int_equal(tdx_vm_set_memslot(a.vm, 5, gpa(1ull << 32), 4096), -EAGAIN);
	assert_int_equal(tdx_vm_set_private(a.vm, gpa(DATA_GPA), 4096, false), -EAGAIN);
	assert_int_equal(tdx_vm_set_private(a.vm, gpa(DATA_GPA), 4096, true), -EAGAIN);
	assert_int_equal(tdx_vm_zap_private(a.vm, gpa(DATA_GPA), 4096), -EAGAIN);
	assert_int_equal(tdx_vcpu_run(tdx_vm_vcpu(a.vm, 0), -1, &run), -EINVAL);
	assert_int_equal(tdx_vm_export(a.vm, &none, NULL, &stats), -EINVAL);
	return -ECANCELED;
}

static int looks_at_what_it_may(void *arg, const struct tdx_mig_stats *so_far)
{
	struct tdx_mig_fds nowhere = {-1, -1, 0};
	struct tdx_mig_channel none;
	struct tdx_mig_stats stats;

	tdx_mig_channel_of(&nowhere, &none);
	assert_int_equal(tdx_vm_export(a.vm, &none, NULL, &stats), -EBUSY);
	assert_int_equal(tdx_vm_promote(a.vm, gpa(DATA_GPA)), -EBUSY);
	assert_int_equal(tdx_vm_demote(a.vm, gpa(DATA_GPA)), -EBUSY);
	return -ECANCELED;
}

static void its_user_says_no(const struct tdx_export_config *how, int err)
{
	struct attempt t = whole();
	const unsigned rounds = t.config.max_rounds;

	t.config = *how;
	t.config.max_rounds = rounds;
	try_it(&t);
	assert_int_equal(t.err, err);
	assert_int_equal(t.its_err, -ECONNABORTED);
	is_not_there(&t);
}

static void a_user_who_says_no_is_obeyed(void **state)
{
	unsigned told_to = 0;

	build_standing(1);
	its_user_says_no(
		&(struct tdx_export_config){.stop = refuses, .go = goes_on, .arg = &told_to},
		-EPERM);
	assert_int_equal(told_to, 101); /* stopped once, and let go */
	its_user_says_no(&(struct tdx_export_config){.save = saves_nothing}, -ENODEV);
	its_user_says_no(&(struct tdx_export_config){.save = saves_too_much}, -E2BIG);
	its_user_says_no(&(struct tdx_export_config){.save = changes_memory}, -ECANCELED);
	its_user_says_no(&(struct tdx_export_config){.wanted = looks_at_what_it_may}, -ECANCELED);
	runs_here();
	end_td(&a);
}

static int makes_no_slot(void *arg, unsigned slot, tdx_gpa_t at, uint64_t size, bool private_)
{
	return *(int *)arg;
}

static int makes_it_elsewhere(void *arg, unsigned slot, tdx_gpa_t at, uint64_t size, bool private_)
{
	return tdx_vm_set_memslot(b.vm, slot, gpa(at.v + (1ull << 32)), size);
}

static int makes_it_smaller(void *arg, unsigned slot, tdx_gpa_t at, uint64_t size, bool private_)
{
	return tdx_vm_set_memslot(b.vm, slot, at, size - 4096);
}

static int asks_for_another(void *arg, const struct tdx_mig_stats *so_far)
{
	return so_far->rounds ? -EINTR : 0;
}

static void the_other_says_no(struct tdx_import_config there, bool saved, int its_err)
{
	struct attempt t = whole();

	there.max_memory = t.there.max_memory;
	there.max_vcpus = t.there.max_vcpus;
	t.there = there;
	t.config.save = saved ? saves_a_little : NULL;
	try_it(&t);
	assert_int_equal(t.err, -ECONNABORTED);
	assert_int_equal(t.its_err, its_err);
	is_not_there(&t);
}

static void the_other_user_is_obeyed_too(void **state)
{
	int no_memory = -ENOMEM, exists = -EEXIST;

	build_standing(1);
	the_other_says_no((struct tdx_import_config){.slot = makes_no_slot, .arg = &no_memory},
			  false, -ENOMEM);
	the_other_says_no((struct tdx_import_config){.slot = makes_no_slot, .arg = &exists}, false,
			  -EINVAL);
	the_other_says_no((struct tdx_import_config){.slot = makes_it_elsewhere}, false, -EINVAL);
	the_other_says_no((struct tdx_import_config){.slot = makes_it_smaller}, false, -EINVAL);
	the_other_says_no((struct tdx_import_config){.wanted = asks_for_another}, false, -EINTR);
	/* devices that nobody takes */
	the_other_says_no((struct tdx_import_config){0}, true, -EINVAL);
	runs_here();
	end_td(&a);
}

/* --- vCPUs and TDs that are not as they must be --- */

static void a_vcpu_that_is_owed_an_answer_does_not_move(void **state)
{
	struct attempt t = whole();
	struct tdx_run run;

	build(&a, 1);
	do
		assert_int_equal(tdx_vcpu_run(tdx_vm_vcpu(a.vm, 0), -1, &run), 0);
	while (run.exit != TDX_EXIT_IO);
	try_it(&t);
	assert_int_equal(t.err, -EBUSY);
	is_not_there(&t);
	/* it is answered, and stands */
	tdx_vcpu_kick(tdx_vm_vcpu(a.vm, 0));
	assert_int_equal(tdx_vcpu_run(tdx_vm_vcpu(a.vm, 0), -1, &run), 0);
	assert_int_equal(run.exit, TDX_EXIT_INTR);
	runs_here();
	end_td(&a);
}

static void a_td_out_of_its_time_does_not_move(void **state)
{
	const struct tdx_export_config rounds = {.max_rounds = TDX_MIG_ROUNDS_MAX + 1};
	struct tdx_mig_fds nowhere = {-1, -1, 0};
	struct tdx_servtd_binding bound;
	struct tdx_mig_channel channel;
	struct tdx_mig_stats stats;
	struct tdx_vm_params p = params_of(&a);

	tdx_mig_channel_of(&nowhere, &channel);
	assert_int_equal(tdx_vm_new(a.rig.vmm, &a.vm), 0);
	assert_int_equal(tdx_vm_export(a.vm, &channel, NULL, &stats), -EINVAL);
	assert_int_equal(tdx_vm_import(a.vm, &channel, &a.importer, &stats), -EINVAL);
	assert_int_equal(tdx_vm_init(a.vm, &p), 0);
	assert_int_equal(tdx_vm_export(a.vm, &channel, NULL, &stats), -EINVAL);
	/* no migration TD: it is not finalized; and one that may be asked again */
	assert_int_equal(tdx_vm_bind_migtd(a.vm, a.vm, &bound), -EINVAL);
	rig_fail(&a.rig, TDH_SERVTD_BIND, 1, 1, TDX_OPERAND_BUSY | TDX_OPERAND_ID_RCX);
	assert_int_equal(tdx_vm_bind_migtd(a.vm, a.service, &bound), -EBUSY);
	tdx_model_clear_faults(a.rig.model);
	assert_int_equal(tdx_vm_bind_migtd(a.vm, a.service, &bound), 0);
	end_td(&a);
	build(&a, 1);
	assert_int_equal(tdx_vm_export(a.vm, &channel, &rounds, &stats), -EINVAL);
	assert_int_equal(tdx_vm_import(a.vm, &channel, &a.importer, &stats), -EINVAL);
	vm_kill(a.vm, "of a test");
	assert_int_equal(tdx_vm_export(a.vm, &channel, NULL, &stats), -EIO);
	assert_int_equal(tdx_vm_import(a.vm, &channel, &a.importer, &stats), -EIO);
	assert_int_equal(tdx_vm_bind_migtd(a.vm, a.service, &bound), -EIO);
	assert_int_equal(
		tdx_migtd_exchange(a.vm, true, a.service, a.service_vcpu, quotes, &channel), -EIO);
	end_td(&a);
	/* parameters that no import can have */
	p.num_l2_vms = VM_MAX_L2 + 1;
	assert_int_equal(tdx_vm_new(a.rig.vmm, &a.vm), 0);
	assert_int_equal(tdx_vm_init_import(a.vm, &p), -EINVAL);
	end_td(&a);
}

/* --- the way back --- */

static int before_the_first_list(void *arg, const struct tdx_mig_stats *so_far)
{
	return -ECANCELED;
}

static int after_a_round(void *arg, const struct tdx_mig_stats *so_far)
{
	return so_far->rounds ? -ECANCELED : 0;
}

/* Pages that were blocked or exported cannot be had back: the TD is dead, and only that. */
static void no_way_back(enum tdx_seamcall leaf,
			int (*wanted)(void *arg, const struct tdx_mig_stats *so_far))
{
	struct attempt t = whole();
	struct tdx_vm_error e;
	int fault;

	build_standing(1);
	t.config.wanted = wanted;
	t.config.enough = 1;
	fault = rig_fail(&a.rig, leaf, 1, 0, TDX_OP_STATE_INCORRECT);
	try_it(&t);
	assert_true(tdx_model_fault_hits(a.rig.model, fault) >= 1);
	tdx_model_clear_faults(a.rig.model);
	assert_int_equal(t.err, -EIO);
	assert_false(t.stats.moved);
	assert_int_equal(t.its_err, -ECONNABORTED);
	assert_int_equal(tdx_vm_state(a.vm), TDX_VM_DEAD);
	tdx_vm_error(a.vm, &e);
	assert_true(e.bugged);
	end_td(&b);
	end_td(&a);
}

static void a_td_that_cannot_come_back_is_dead(void **state)
{
	no_way_back(TDH_EXPORT_ABORT, before_the_first_list);
	no_way_back(TDH_EXPORT_UNBLOCKW, before_the_first_list);
	no_way_back(TDH_EXPORT_RESTORE, after_a_round);
}

/* What the monitor reads of a TD that came is not to be had: it is refused. */
static void a_td_of_which_nothing_can_be_read_is_refused(void **state)
{
	build_standing(1);
	for (unsigned nth = 1; nth <= 4; nth++) {
		struct attempt t = whole();

		rig_fail(&b.rig, TDH_MNG_RD, nth, 1, TDX_OPERAND_INVALID | TDX_OPERAND_ID_RDX);
		try_it(&t);
		tdx_model_clear_faults(b.rig.model);
		assert_int_equal(t.err, -ECONNABORTED);
		assert_int_equal(t.its_err, -EBADMSG);
		is_not_there(&t);
	}
	runs_here();
	end_td(&a);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_page_of_the_host_it_stays),
		cmocka_unit_test(without_a_page_of_the_other_host_it_stays),
		cmocka_unit_test(a_channel_that_breaks_ends_both),
		cmocka_unit_test(a_user_who_says_no_is_obeyed),
		cmocka_unit_test(the_other_user_is_obeyed_too),
		cmocka_unit_test(a_vcpu_that_is_owed_an_answer_does_not_move),
		cmocka_unit_test(a_td_out_of_its_time_does_not_move),
		cmocka_unit_test(a_td_that_cannot_come_back_is_dead),
		cmocka_unit_test(a_td_of_which_nothing_can_be_read_is_refused),
	};

	return RUN_MOVES(argc, argv, tests, machines_on, machines_off);
}
