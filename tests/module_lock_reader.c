/* SPDX-License-Identifier: MIT */
/* Shared locks whose readers stand in slots: as exclusive as those counted in the word. */
#include <pthread.h>
#include <sched.h>

#include "module_setup.h"

#include "module/lockword.h"
#include "module/tx.h"

enum { ROUNDS = 200000 };

struct fixture {
	struct setup s;
	uint16_t word, other;
};

static void begin(struct fixture *f, struct tx *tx, unsigned lp, bool as_guest)
{
	atomic_store_explicit(&f->s.mod->lp[lp].busy, true, memory_order_relaxed);
	tx_begin(tx, &f->s.mod->lp[lp], NULL, as_guest);
}

/* And the processor goes back to the host. */
static void end(struct tx *tx)
{
	tx_end(tx);
	atomic_store_explicit(&tx->lp->busy, false, memory_order_release);
}

static bool share_both(struct fixture *f, struct tx *tx)
{
	const struct tx_held one = {&f->word, 0, LOCK_PAMT_1G, LOCK_SHARED, NO_SLOT};
	const struct tx_held two = {&f->other, 0, LOCK_PAMT_2M, LOCK_SHARED, NO_SLOT};

	return tx_share_two(tx, &one, &two);
}

static enum lock_result take(struct fixture *f, struct tx *tx, enum lock_mode mode)
{
	return tx_try(tx, LOCK_SEPT_TREE, 0, &f->word, mode);
}

static struct fixture fixture(void)
{
	return (struct fixture){.s = setup_load(NULL)};
}

static void reader_keeps_a_writer_out_and_leaves_the_word_alone(void **state)
{
	struct fixture f = fixture();
	struct tx a, b;

	begin(&f, &a, 0, false);
	begin(&f, &b, 1, false);
	assert_int_equal(take(&f, &a, LOCK_SHARED), LOCK_OK);
	assert_int_equal(f.word, 0);
	assert_int_equal(take(&f, &b, LOCK_SHARED), LOCK_OK);
	tx_end(&b);
	assert_int_equal(take(&f, &b, LOCK_EXCLUSIVE), LOCK_BUSY);
	assert_int_equal(f.word, HP_PRIORITY);
	tx_end(&a);
	assert_int_equal(take(&f, &b, LOCK_EXCLUSIVE), LOCK_OK);
	assert_int_equal(f.word, HP_EXCLUSIVE);
	assert_int_equal(take(&f, &a, LOCK_SHARED), LOCK_BUSY);
	tx_end(&b);
	setup_free(&f.s);
}

static void a_host_that_was_refused_goes_before_guests(void **state)
{
	struct fixture f = fixture();
	struct tx a, b, g;

	begin(&f, &a, 0, false);
	begin(&f, &b, 1, false);
	begin(&f, &g, 0, true);
	take(&f, &a, LOCK_SHARED);
	assert_int_equal(take(&f, &b, LOCK_EXCLUSIVE), LOCK_BUSY);
	tx_end(&a);
	assert_int_equal(take(&f, &g, LOCK_SHARED), LOCK_BUSY_HOST_PRIORITY);
	assert_int_equal(take(&f, &a, LOCK_SHARED), LOCK_OK); /* a host may, and clears it */
	tx_end(&a);
	assert_int_equal(take(&f, &g, LOCK_SHARED), LOCK_OK);
	tx_end(&g);
	assert_int_equal(f.word, 0);
	setup_free(&f.s);
}

static void only_the_last_reader_is_promoted(void **state)
{
	struct fixture f = fixture();
	struct tx a, b;

	begin(&f, &a, 0, false);
	begin(&f, &b, 1, false);
	take(&f, &a, LOCK_SHARED);
	take(&f, &b, LOCK_SHARED);
	assert_int_equal(tx_promote(&a, &f.word), LOCK_BUSY);
	tx_end(&b);
	assert_int_equal(tx_promote(&a, &f.word), LOCK_OK);
	assert_int_equal(f.word & HP_EXCLUSIVE, HP_EXCLUSIVE);
	tx_end(&a);
	/* Nor is one that reads twice. */
	take(&f, &a, LOCK_SHARED);
	take(&f, &a, LOCK_SHARED);
	assert_int_equal(tx_promote(&a, &f.word), LOCK_BUSY);
	tx_end(&a);
	assert_int_equal(f.word, HP_PRIORITY);
	setup_free(&f.s);
}

static void readers_counted_in_the_word_and_in_slots_are_both_seen(void **state)
{
	struct fixture f = fixture();
	struct tx a, b;
	unsigned i;

	begin(&f, &a, 0, false);
	begin(&f, &b, 1, false);
	for (i = 0; i <= READER_SLOTS; i++)
		assert_int_equal(take(&f, &a, LOCK_SHARED), LOCK_OK);
	assert_int_equal(f.word, HP_READER); /* the slots were full */
	assert_int_equal(take(&f, &b, LOCK_EXCLUSIVE), LOCK_BUSY);
	tx_end(&a);
	f.word = HP_READER;
	assert_int_equal(take(&f, &b, LOCK_EXCLUSIVE), LOCK_BUSY);
	f.word = 0;
	assert_int_equal(take(&f, &b, LOCK_EXCLUSIVE), LOCK_OK);
	tx_end(&b);
	setup_free(&f.s);
}

static void two_at_once_are_both_taken_or_neither(void **state)
{
	struct fixture f = fixture();
	struct tx a, b;

	begin(&f, &a, 0, false);
	begin(&f, &b, 1, false);
	assert_true(share_both(&f, &a));
	assert_true(share_both(&f, &b));
	end(&b);
	begin(&f, &b, 1, false);
	for (uint16_t *w = &f.word; w <= &f.other; w++) {
		assert_int_equal(tx_try(&b, LOCK_PAMT_2M, 0, w, LOCK_EXCLUSIVE), LOCK_BUSY);
		assert_int_equal(*w, HP_PRIORITY);
		*w = 0;
	}
	tx_end(&a);
	for (uint16_t *w = &f.word; w <= &f.other; w++) {
		assert_int_equal(tx_try(&b, LOCK_PAMT_2M, 0, w, LOCK_EXCLUSIVE), LOCK_OK);
		assert_false(share_both(&f, &a));
		tx_end(&b);
		*w = HP_PRIORITY; /* asks for the long way, which clears it */
		assert_false(share_both(&f, &a));
		*w = 0;
	}
	assert_int_equal(a.nheld, 0);
	assert_false(reader_reads(a.lp, &f.word));
	assert_false(reader_reads(a.lp, &f.other));
	for (unsigned i = 0; i < READER_SLOTS / 2; i++)
		assert_true(share_both(&f, &a));
	assert_false(share_both(&f, &a)); /* no slots left */
	end(&a);
	end(&b);
	setup_free(&f.s);
}

/* --- mutual exclusion, for the thread sanitizer too --- */

struct contender {
	struct fixture *f;
	unsigned lp;
	bool pairs;	      /* readers take both words at once, writers one of them */
	uint64_t (*value)[2]; /* of each word, protected by its lock and nothing else */
	uint64_t written, torn, got;
};

static void write_one(struct contender *c, struct tx *tx, unsigned n)
{
	uint16_t *word = n ? &c->f->other : &c->f->word;

	if (tx_try(tx, LOCK_SEPT_TREE, 0, word, LOCK_EXCLUSIVE) != LOCK_OK)
		return;
	c->got++;
	c->value[n][0]++;
	c->value[n][1]++;
	c->written++;
}

static void read_all(struct contender *c, struct tx *tx)
{
	if (c->pairs ? !share_both(c->f, tx) : take(c->f, tx, LOCK_SHARED) != LOCK_OK) {
		if (c->pairs) /* the long way, which takes back what a refused writer left */
			for (unsigned n = 0; n < 2; n++)
				tx_try(tx, LOCK_SEPT_TREE, 0, n ? &c->f->other : &c->f->word,
				       LOCK_SHARED);
		return;
	}
	c->got++;
	for (unsigned n = 0; n < (c->pairs ? 2 : 1); n++)
		c->torn += c->value[n][0] != c->value[n][1];
}

static void *contend(void *arg)
{
	struct contender *c = arg;

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct tx tx;

		begin(c->f, &tx, c->lp, false);
		if (i % 3 == 0)
			write_one(c, &tx, c->pairs && i % 2);
		else
			read_all(c, &tx);
		end(&tx);
		if (i % 64 == 0)
			sched_yield(); /* the other one may sleep with the lock in its hand */
	}
	return NULL;
}

static void contention(bool pairs)
{
	struct fixture f = fixture();
	uint64_t value[2][2] = {{0}};
	struct contender c[2];
	pthread_t thread[2];

	for (unsigned i = 0; i < 2; i++) {
		c[i] = (struct contender){.f = &f, .lp = i, .pairs = pairs, .value = value};
		assert_int_equal(pthread_create(&thread[i], NULL, contend, &c[i]), 0);
	}
	for (unsigned i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(value[0][0] + value[1][0], c[0].written + c[1].written);
	assert_int_equal(c[0].torn + c[1].torn, 0);
	assert_true(c[0].got + c[1].got > ROUNDS / 2);
	setup_free(&f.s);
}

static void writers_are_alone(void **state)
{
	contention(false);
}

static void writers_are_alone_among_readers_of_two(void **state)
{
	contention(true);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reader_keeps_a_writer_out_and_leaves_the_word_alone),
		cmocka_unit_test(a_host_that_was_refused_goes_before_guests),
		cmocka_unit_test(only_the_last_reader_is_promoted),
		cmocka_unit_test(readers_counted_in_the_word_and_in_slots_are_both_seen),
		cmocka_unit_test(two_at_once_are_both_taken_or_neither),
		cmocka_unit_test(writers_are_alone),
		cmocka_unit_test(writers_are_alone_among_readers_of_two),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
