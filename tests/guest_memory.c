/* SPDX-License-Identifier: MIT */
/* Memory of a TD between guest, monitor and module: what is where after conversions, explicit and
 * implicit, in small and large pages, refused, interrupted, in parallel, and taken away. */
#include <pthread.h>

#include "guest_td.h"
#include "port/model.h"

#define BUF  (256 * MIB)
#define PAGE TDX_PAGE_SIZE

struct notes {
	uint64_t leaked;
	int err[8];
	struct tdg_convert_result r[8];
	uint8_t bytes[64];
	unsigned user_calls, step;
	bool was_private;
};

static struct td *start(td_guest_fn *guest, td_exit_fn *on_exit, struct notes *n, bool huge)
{
	struct td *t = td_new_sized(guest, 1, TDX_ATTR_SEPT_VE_DISABLE, huge);

	t->arg = n;
	t->on_exit = on_exit;
	return t;
}

/* --- contents --- */

static void shares_a_secret(struct td *t, struct guest_native *g, const struct tdg_td *td,
			    unsigned vcpu)
{
	struct notes *n = t->arg;
	struct tdg_memory mm = td_mm(&n->leaked);
	uint64_t word = 0x5ec4e7;

	n->err[0] = tdg_accept(&g->port, gpa(BUF), 4 * PAGE, NULL, NULL);
	tdx_native_write(g->cpu, gpa(BUF), &word, 8);
	tdx_native_write(g->cpu, gpa(BUF + 3 * PAGE), &word, 8);
	n->err[1] = tdg_share(&g->port, td, &mm, gpa(BUF), 2 * PAGE, NULL, NULL);
	word = 0x0be4;
	tdx_native_write(g->cpu, gpa(BUF | td->shared), &word, 8);
	(void)!tdvmcall_is_success(tdvmcall_hlt(&g->port, true));
	n->err[2] = tdg_unshare(&g->port, td, &mm, gpa(BUF), 2 * PAGE, NULL, NULL);
	tdx_native_read(g->cpu, gpa(BUF), n->bytes, 8);
	tdx_native_read(g->cpu, gpa(BUF + 3 * PAGE), n->bytes + 8, 8);
}

static void the_host_sees_what_was_shared_and_nothing_else(void **state)
{
	struct notes n = {0};
	struct td *t = start(shares_a_secret, NULL, &n, false);
	uint64_t word = ~0ull;

	assert_int_equal(td_run(t, 0), 0);
	assert_int_equal(n.err[0] | n.err[1], 0);
	assert_int_equal(tdx_vm_read_shared(t->vm, gpa(BUF), &word, 8), 0);
	assert_int_equal(word, 0x0be4); /* not what the private page held */
	assert_int_equal(tdx_vm_read_shared(t->vm, gpa(BUF + 3 * PAGE), &word, 8), -EFAULT);
	assert_int_equal(td_run(t, 0), 0);
	assert_int_equal(n.err[2], 0);
	assert_int_equal(tdx_vm_read_shared(t->vm, gpa(BUF), &word, 8), -EFAULT);
	memcpy(&word, n.bytes, 8);
	assert_int_equal(word, 0); /* accepted pages are zero */
	memcpy(&word, n.bytes + 8, 8);
	assert_int_equal(word, 0x5ec4e7); /* others keep what they have */
	td_free(t);
}

/* --- the user of the monitor refuses --- */

static void shares_8m(struct td *t, struct guest_native *g, const struct tdg_td *td, unsigned vcpu)
{
	struct notes *n = t->arg;
	struct tdg_memory mm = td_mm(&n->leaked);

	n->err[0] = tdg_share(&g->port, td, &mm, gpa(BUF + 5 * PAGE), 8 * MIB, NULL, &n->r[0]);
}

static bool busy_twice_a_chunk(struct td *t, struct tdx_run *run)
{
	struct notes *n = t->arg;

	if (run->exit != TDX_EXIT_MAP_GPA)
		return false;
	assert_false(run->map_gpa.private_);
	assert_true(run->map_gpa.size <= 2 * MIB);
	if (n->user_calls++ % 3 < 2)
		run->map_gpa.ret = -EAGAIN;
	return true;
}

static void a_user_that_is_busy_is_asked_again_from_where_it_stopped(void **state)
{
	struct notes n = {0};
	struct td *t = start(shares_8m, busy_twice_a_chunk, &n, false);

	assert_int_equal(td_run(t, 0), 0);
	assert_int_equal(n.err[0], 0);
	assert_int_equal(n.user_calls, 5 * 3); /* five chunks, unaligned as the range is */
	assert_int_equal(t->maps, 11);	       /* the first, and one for each EAGAIN */
	assert_int_equal(n.r[0].map.calls, 11);
	td_free(t);
}

static bool refuses_the_third(struct td *t, struct tdx_run *run)
{
	struct notes *n = t->arg;

	if (run->exit != TDX_EXIT_MAP_GPA)
		return false;
	if (n->user_calls++ == 2)
		run->map_gpa.ret = -EINVAL;
	return true;
}

static void a_user_that_refuses_makes_the_guest_leak_all_of_it(void **state)
{
	struct notes n = {0};
	struct td *t = start(shares_8m, refuses_the_third, &n, false);

	assert_int_equal(td_run(t, 0), 0);
	assert_int_equal(n.err[0], -EIO);
	assert_int_equal(n.r[0].map.status.raw, TDVMCALL_INVALID_OPERAND);
	assert_int_equal(n.leaked, 8 * MIB);
	td_free(t);
}

static bool kicks_each_time(struct td *t, struct tdx_run *run)
{
	struct notes *n = t->arg;

	if (run->exit == TDX_EXIT_MAP_GPA)
		tdx_vcpu_kick(t->vcpu[0]);
	n->user_calls += run->exit == TDX_EXIT_MAP_GPA;
	return run->exit == TDX_EXIT_MAP_GPA || run->exit == TDX_EXIT_INTR;
}

static void an_interrupted_conversion_goes_on_at_the_next_chunk(void **state)
{
	struct notes n = {0};
	struct td *t = start(shares_8m, kicks_each_time, &n, false);

	assert_int_equal(td_run(t, 0), 0);
	assert_int_equal(n.err[0], 0);
	assert_int_equal(n.user_calls, 5);
	assert_int_equal(n.r[0].map.calls, 5);
	assert_int_equal(t->exits[TDX_EXIT_INTR], 5);
	td_free(t);
}

/* --- what the monitor refuses by itself --- */

static void asks_for_nonsense(struct td *t, struct guest_native *g, const struct tdg_td *td,
			      unsigned vcpu)
{
	const struct {
		uint64_t start, size, status;
	} row[] = {
		{td->shared - PAGE, 2 * PAGE, TDVMCALL_INVALID_OPERAND}, /* both halves */
		{BUF, 0, TDVMCALL_INVALID_OPERAND},
		{~0ull << 12, 2 * PAGE, TDVMCALL_INVALID_OPERAND},
		{td->shared << 1, PAGE, TDVMCALL_INVALID_OPERAND},
		{td->shared | (td->shared - PAGE), 2 * PAGE, TDVMCALL_INVALID_OPERAND},
		{BUF + 1, PAGE, TDVMCALL_ALIGN_ERROR},
		{BUF, PAGE - 1, TDVMCALL_ALIGN_ERROR},
		{TD_RAM, PAGE, TDVMCALL_INVALID_OPERAND}, /* no memory there */
	};
	struct notes *n = t->arg;

	for (unsigned i = 0; i < sizeof(row) / sizeof(*row); i++) {
		uint64_t next;
		struct tdvmcall_status s =
			tdvmcall_map_gpa(&g->port, gpa(row[i].start), row[i].size, &next);

		n->err[0] += s.raw != row[i].status || next != row[i].start;
		n->step++;
	}
}

static void S3_06_a_range_across_the_shared_bit_is_refused_by_the_host_too(void **state)
{
	struct notes n = {0};
	struct td *t = start(asks_for_nonsense, NULL, &n, false);

	assert_int_equal(td_run(t, 0), 0);
	assert_int_equal(n.step, 8);
	assert_int_equal(n.err[0], 0);
	td_free(t);
}

/* --- implicit conversion --- */

static void touches_what_it_never_shared(struct td *t, struct guest_native *g,
					 const struct tdg_td *td, unsigned vcpu)
{
	struct notes *n = t->arg;
	uint64_t word = 77;

	tdx_native_write(g->cpu, gpa((BUF + 8) | td->shared), &word, 8);
	n->step = 1;
}

static bool flips(struct td *t, struct tdx_run *run)
{
	struct notes *n = t->arg;

	if (run->exit != TDX_EXIT_MEMORY_FAULT)
		return false;
	n->user_calls++;
	n->was_private = run->memory_fault.private_;
	assert_int_equal(run->memory_fault.gpa.v, BUF);
	assert_int_equal(run->memory_fault.size, PAGE);
	assert_int_equal(
		tdx_vm_set_private(t->vm, run->memory_fault.gpa, PAGE, run->memory_fault.private_),
		0);
	return true;
}

static void an_access_of_the_other_kind_is_the_users_to_allow(void **state)
{
	struct notes n = {0};
	struct td *t = start(touches_what_it_never_shared, flips, &n, false);
	uint64_t word = 0;

	assert_int_equal(td_run(t, 0), 0);
	assert_int_equal(n.step, 1);
	assert_int_equal(n.user_calls, 1);
	assert_false(n.was_private);
	assert_int_equal(tdx_vm_read_shared(t->vm, gpa(BUF + 8), &word, 8), 0);
	assert_int_equal(word, 77);
	td_free(t);
}

/* --- 2M pages --- */

static void accepts_2m_and_shares_a_page_of_it(struct td *t, struct guest_native *g,
					       const struct tdg_td *td, unsigned vcpu)
{
	struct notes *n = t->arg;
	struct tdg_memory mm = td_mm(&n->leaked);
	uint64_t word = 0xabc;

	n->err[0] = tdg_accept(&g->port, gpa(BUF), 4 * MIB, NULL, &n->r[0].accept);
	for (unsigned i = 0; i < 1024; i += 7)
		tdx_native_write(g->cpu, gpa(BUF + i * PAGE), &word, 8);
	n->err[1] = tdg_share(&g->port, td, &mm, gpa(BUF + 512 * PAGE), PAGE, NULL, NULL);
	for (unsigned i = 0; i < 1024; i += 7) {
		tdx_native_read(g->cpu, gpa(BUF + i * PAGE), &word, 8);
		n->err[3] += word != 0xabc;
	}
	n->err[2] = tdg_unshare(&g->port, td, &mm, gpa(BUF + 512 * PAGE), PAGE, NULL, NULL);
	n->err[4] = tdg_share(&g->port, td, &mm, gpa(BUF), 4 * MIB, NULL, NULL);
	n->err[5] = tdg_unshare(&g->port, td, &mm, gpa(BUF), 4 * MIB, NULL, &n->r[1]);
	n->step = 1;
}

static void a_large_page_is_split_when_a_part_of_it_is_shared(void **state)
{
	struct notes n = {0};
	struct td *t = start(accepts_2m_and_shares_a_page_of_it, NULL, &n, true);

	assert_int_equal(td_run(t, 0), 0);
	assert_string_equal(t->log, "");
	assert_int_equal(n.step, 1);
	assert_int_equal(n.r[0].accept.accepted[TDX_LEVEL_2M], 2);
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(n.err[i], 0);
	assert_int_equal(td_calls(t, TDH_MEM_PAGE_DEMOTE), 1);
	td_free(t);
}

/* --- memory taken away --- */

static void reads_twice(struct td *t, struct guest_native *g, const struct tdg_td *td,
			unsigned vcpu)
{
	struct notes *n = t->arg;

	n->err[0] = tdg_accept(&g->port, gpa(BUF), PAGE, NULL, NULL);
	tdx_native_write(g->cpu, gpa(BUF), "secret", 6);
	(void)!tdvmcall_is_success(tdvmcall_hlt(&g->port, true));
	n->step = 1;
	tdx_native_read(g->cpu, gpa(BUF), n->bytes, 6);
	n->step = 2;
}

static void a_page_the_host_took_and_gave_back_is_never_read(void **state)
{
	struct notes n = {0};
	struct td *t = start(reads_twice, NULL, &n, false);

	assert_int_equal(td_run(t, 0), 0);
	assert_int_equal(tdx_vm_set_private(t->vm, gpa(BUF), PAGE, false), 0);
	assert_int_equal(tdx_vm_set_private(t->vm, gpa(BUF), PAGE, true), 0);
	/* The monitor puts a new page there, which the guest must not take for its own. */
	assert_int_equal(td_run(t, 0), -EIO);
	assert_int_equal(n.step, 1);
	assert_non_null(strstr(t->log, "has not accepted"));
	assert_int_equal(tdx_vm_state(t->vm), TDX_VM_DEAD);
	td_free(t);
}

static void accepts_twice(struct td *t, struct guest_native *g, const struct tdg_td *td,
			  unsigned vcpu)
{
	struct notes *n = t->arg;

	n->err[0] = tdg_accept(&g->port, gpa(BUF), 4 * PAGE, NULL, NULL);
	tdx_native_write(g->cpu, gpa(BUF + 2 * PAGE), "secret", 6);
	n->err[1] = tdg_accept(&g->port, gpa(BUF + PAGE), 4 * PAGE, NULL, &n->r[0].accept);
	tdx_native_read(g->cpu, gpa(BUF + 2 * PAGE), n->bytes, 6);
}

static void accepting_twice_is_refused_and_changes_nothing(void **state)
{
	struct notes n = {0};
	struct td *t = start(accepts_twice, NULL, &n, false);

	assert_int_equal(td_run(t, 0), 0);
	assert_int_equal(n.err[0], 0);
	assert_int_equal(n.err[1], -EEXIST);
	assert_int_equal(n.r[0].accept.reached.v, BUF + PAGE);
	assert_memory_equal(n.bytes, "secret", 6);
	td_free(t);
}

/* --- several vCPUs --- */

struct side {
	struct td *t;
	unsigned vcpu;
	int err;
};

static void back_and_forth(struct td *t, struct guest_native *g, const struct tdg_td *td,
			   unsigned vcpu)
{
	struct side *s = (struct side *)t->arg + vcpu;
	struct tdg_memory mm = td_mm(NULL);
	uint64_t at = BUF + vcpu * 64 * MIB;

	for (unsigned i = 0; i < 6 && !s->err; i++) {
		uint64_t word = i;

		s->err = tdg_share(&g->port, td, &mm, gpa(at), 4 * MIB, NULL, NULL);
		if (!s->err && !tdx_native_write(g->cpu, gpa(at | td->shared), &word, 8))
			s->err = -EFAULT;
		if (!s->err)
			s->err = tdg_unshare(&g->port, td, &mm, gpa(at), 4 * MIB, NULL, NULL);
		if (!s->err && !tdx_native_write(g->cpu, gpa(at), &word, 8))
			s->err = -EFAULT;
	}
}

static void *run_side(void *p)
{
	struct side *s = p;

	if (td_run(s->t, s->vcpu))
		s->err = -1000;
	return NULL;
}

/* Two vCPUs at a time; ends the TD. */
static void run_both(struct td *t)
{
	struct side side[2] = {{0}};
	pthread_t thread[2];

	t->arg = side;
	for (unsigned i = 0; i < 2; i++) {
		side[i].t = t;
		side[i].vcpu = i;
		pthread_create(&thread[i], NULL, run_side, &side[i]);
	}
	for (unsigned i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	assert_string_equal(t->log, "");
	assert_int_equal(side[0].err, 0);
	assert_int_equal(side[1].err, 0);
	td_free(t);
}

static void vcpus_convert_in_parallel(void **state)
{
	run_both(td_new(back_and_forth, 2, TDX_ATTR_SEPT_VE_DISABLE));
}

/* --- interrupts --- */

static void accepts_64m(struct td *t, struct guest_native *g, const struct tdg_td *td,
			unsigned vcpu)
{
	struct notes *n = t->arg;

	n->err[0] = tdg_accept(&g->port, gpa(BUF), 64 * MIB, NULL, &n->r[0].accept);
}

/* An interrupt after every hundred looks of the module for one. */
static void interrupts_soon(struct td *t)
{
	atomic_store(&t->model->sys->m->lp[0].irq_countdown, 100);
}

static void an_interrupted_acceptance_lets_the_host_in_and_goes_on(void **state)
{
	struct notes n = {0};
	struct td *t = start(accepts_64m, NULL, &n, true);

	t->on_enter = interrupts_soon;
	assert_int_equal(td_run(t, 0), 0);
	assert_int_equal(n.err[0], 0);
	assert_int_equal(n.r[0].accept.accepted[TDX_LEVEL_2M], 32);
	assert_int_equal(n.r[0].accept.calls[TDX_LEVEL_2M], 32); /* the instruction is repeated */
	/* 512 looks for each page. */
	assert_true(td_calls(t, TDH_VP_ENTER) > 32 * 5);
	td_free(t);
}

static void halts_and_counts(struct td *t, struct guest_native *g, const struct tdg_td *td,
			     unsigned vcpu)
{
	struct notes *n = t->arg;
	uint64_t word = 0;

	n->err[0] = tdg_accept(&g->port, gpa(BUF), PAGE, NULL, NULL);
	for (n->step = 0; n->step < 50; n->step++) {
		tdx_native_read(g->cpu, gpa(BUF), &word, 8);
		n->err[1] += word++ != n->step;
		tdx_native_write(g->cpu, gpa(BUF), &word, 8);
		n->err[2] += !tdvmcall_is_success(tdvmcall_hlt(&g->port, true));
	}
}

static void a_vcpu_goes_from_processor_to_processor(void **state)
{
	struct notes n = {0};
	struct td *t = td_new(halts_and_counts, 2, TDX_ATTR_SEPT_VE_DISABLE);
	struct tdx_run run = {0};
	uint64_t flushes = td_calls(t, TDH_VP_FLUSH);

	t->arg = &n;
	for (int i = 0; i < 50; i++) {
		assert_int_equal(tdx_vcpu_run(t->vcpu[0], i & 1, &run), 0);
		assert_int_equal(run.exit, TDX_EXIT_HLT);
		assert_int_equal(n.step, i);
	}
	assert_int_equal(n.err[0] | n.err[1] | n.err[2], 0);
	assert_true(td_calls(t, TDH_VP_FLUSH) - flushes >= 49);
	td_free(t);
}

/* vCPU 0 converts a page there and back; vCPU 1 writes to it as a shared one all the time. */
static void one_converts_one_writes(struct td *t, struct guest_native *g, const struct tdg_td *td,
				    unsigned vcpu)
{
	struct side *s = (struct side *)t->arg + vcpu;
	struct tdg_memory mm = td_mm(NULL);
	uint64_t word = 1;

	for (unsigned i = 0; i < 300 && !s->err && vcpu == 0; i++) {
		s->err = tdg_share(&g->port, td, &mm, gpa(BUF), PAGE, NULL, NULL);
		if (!s->err)
			s->err = tdg_unshare(&g->port, td, &mm, gpa(BUF), PAGE, NULL, NULL);
	}
	/* Until the other one's function has returned. */
	while (vcpu == 1 && !__atomic_load_n(&s->t->finished, __ATOMIC_RELAXED)) {
		tdx_native_write(g->cpu, gpa(BUF | td->shared), &word, 8);
		tdx_native_poll(g->cpu);
	}
}

/* A user that does not convert for the asking: the writer waits for the page to be shared. */
static bool lets_it_wait(struct td *t, struct tdx_run *run)
{
	if (run->exit != TDX_EXIT_MEMORY_FAULT)
		return false;
	assert_false(run->memory_fault.private_);
	if (!__atomic_load_n(&t->finished, __ATOMIC_RELAXED))
		return true;
	/* Nobody will share it any more. */
	assert_int_equal(tdx_vm_set_private(t->vm, run->memory_fault.gpa, PAGE, false), 0);
	return true;
}

static void a_page_is_converted_under_another_vcpus_feet(void **state)
{
	struct td *t = td_new(one_converts_one_writes, 2, TDX_ATTR_SEPT_VE_DISABLE);

	t->on_exit = lets_it_wait;
	run_both(t);
}

/* Random ranges of the vCPU's own memory go there and back; its other pages keep what is in them.
 */
enum { OWN_PAGES = 4096 };

struct own {
	struct side side; /* first */
	uint64_t word[OWN_PAGES];
	uint64_t wrong, seed;
};

static uint64_t any(struct own *o)
{
	o->seed = o->seed * 6364136223846793005u + 1442695040888963407u;
	return o->seed >> 33;
}

static void converts_at_random(struct td *t, struct guest_native *g, const struct tdg_td *td,
			       unsigned vcpu)
{
	struct own *o = (struct own *)t->arg + vcpu;
	const uint64_t base = BUF + vcpu * 64 * MIB;
	struct tdg_memory mm = td_mm(NULL);
	int *err = &o->side.err;

	*err = tdg_accept(&g->port, gpa(base), OWN_PAGES * PAGE, NULL, NULL);
	for (unsigned i = 0; i < 120 && !*err; i++) {
		uint64_t first = any(o) % OWN_PAGES, n = 1 + any(o) % (any(o) % 2 ? 8 : 1500);
		uint64_t at = base + first * PAGE;

		n = n < OWN_PAGES - first ? n : OWN_PAGES - first;
		*err = tdg_share(&g->port, td, &mm, gpa(at), n * PAGE, NULL, NULL);
		if (!*err && any(o) % 2)
			tdx_native_write(g->cpu, gpa(at | td->shared), &i, sizeof(i));
		if (!*err)
			*err = tdg_unshare(&g->port, td, &mm, gpa(at), n * PAGE, NULL, NULL);
		memset(&o->word[first], 0, n * sizeof(o->word[0]));
		for (unsigned k = 0; k < 64 && !*err; k++) {
			uint64_t page = any(o) % OWN_PAGES, seen = 0;

			tdx_native_read(g->cpu, gpa(base + page * PAGE), &seen, 8);
			o->wrong += seen != o->word[page];
			o->word[page] = any(o);
			tdx_native_write(g->cpu, gpa(base + page * PAGE), &o->word[page], 8);
		}
	}
}

static void convert_at_random(unsigned ncpus, unsigned nvcpus)
{
	struct own *own = calloc(nvcpus, sizeof(*own));
	struct td *t = td_new_on(ncpus, converts_at_random, nvcpus, TDX_ATTR_SEPT_VE_DISABLE, true);
	pthread_t thread[TD_MAX_CPUS];

	t->arg = own;
	for (unsigned i = 0; i < nvcpus; i++) {
		own[i] = (struct own){.side = {.t = t, .vcpu = i}, .seed = 11 + i};
		pthread_create(&thread[i], NULL, run_side, &own[i].side);
	}
	for (unsigned i = 0; i < nvcpus; i++)
		pthread_join(thread[i], NULL);
	assert_string_equal(t->log, "");
	for (unsigned i = 0; i < nvcpus; i++) {
		assert_int_equal(own[i].side.err, 0);
		assert_int_equal(own[i].wrong, 0);
	}
	assert_true(td_calls(t, TDH_MEM_PAGE_DEMOTE) > 4);
	td_free(t);
	free(own);
}

static void pages_not_converted_keep_what_is_in_them(void **state)
{
	convert_at_random(2, 2);
}

static void vcpus_that_share_processors_all_get_on(void **state)
{
	convert_at_random(2, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_host_sees_what_was_shared_and_nothing_else),
		cmocka_unit_test(a_user_that_is_busy_is_asked_again_from_where_it_stopped),
		cmocka_unit_test(a_user_that_refuses_makes_the_guest_leak_all_of_it),
		cmocka_unit_test(an_interrupted_conversion_goes_on_at_the_next_chunk),
		cmocka_unit_test(S3_06_a_range_across_the_shared_bit_is_refused_by_the_host_too),
		cmocka_unit_test(an_access_of_the_other_kind_is_the_users_to_allow),
		cmocka_unit_test(a_large_page_is_split_when_a_part_of_it_is_shared),
		cmocka_unit_test(a_page_the_host_took_and_gave_back_is_never_read),
		cmocka_unit_test(accepting_twice_is_refused_and_changes_nothing),
		cmocka_unit_test(vcpus_convert_in_parallel),
		cmocka_unit_test(an_interrupted_acceptance_lets_the_host_in_and_goes_on),
		cmocka_unit_test(a_vcpu_goes_from_processor_to_processor),
		cmocka_unit_test(a_page_is_converted_under_another_vcpus_feet),
		cmocka_unit_test(pages_not_converted_keep_what_is_in_them),
		cmocka_unit_test(vcpus_that_share_processors_all_get_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
