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
	uint16_t word;
};

static void begin(struct fixture *f, struct tx *tx, unsigned lp, bool as_guest)
{
	tx_begin(tx, &f->s.mod->lp[lp], NULL, as_guest);
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

/* --- mutual exclusion, for the thread sanitizer too --- */

struct contender {
	struct fixture *f;
	unsigned lp;
	uint64_t *value; /* protected by the lock, nothing else */
	uint64_t written, torn, got;
};

static void *contend(void *arg)
{
	struct contender *c = arg;

	for (unsigned i = 0; i < ROUNDS; i++) {
		bool writes = i % 3 == 0;
		struct tx tx;

		begin(c->f, &tx, c->lp, false);
		if (take(c->f, &tx, writes ? LOCK_EXCLUSIVE : LOCK_SHARED) == LOCK_OK) {
			c->got++;
			if (writes) {
				c->value[0]++;
				c->value[1]++;
				c->written++;
			} else {
				c->torn += c->value[0] != c->value[1];
			}
		}
		tx_end(&tx);
		if (i % 64 == 0)
			sched_yield(); /* the other one may sleep with the lock in its hand */
	}
	return NULL;
}

static void writers_are_alone(void **state)
{
	struct fixture f = fixture();
	uint64_t value[2] = {0, 0};
	struct contender c[2];
	pthread_t thread[2];

	for (unsigned i = 0; i < 2; i++) {
		c[i] = (struct contender){.f = &f, .lp = i, .value = value};
		assert_int_equal(pthread_create(&thread[i], NULL, contend, &c[i]), 0);
	}
	for (unsigned i = 0; i < 2; i++)
		pthread_join(thread[i], NULL);
	assert_int_equal(value[0], c[0].written + c[1].written);
	assert_int_equal(c[0].torn + c[1].torn, 0);
	assert_true(c[0].got + c[1].got > ROUNDS / 2);
	assert_int_equal(f.word & ~HP_PRIORITY, 0);
	setup_free(&f.s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reader_keeps_a_writer_out_and_leaves_the_word_alone),
		cmocka_unit_test(a_host_that_was_refused_goes_before_guests),
		cmocka_unit_test(only_the_last_reader_is_promoted),
		cmocka_unit_test(readers_counted_in_the_word_and_in_slots_are_both_seen),
		cmocka_unit_test(writers_are_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
