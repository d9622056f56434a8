/* SPDX-License-Identifier: MIT */
/* Locks whose readers announce themselves, and those taken together by the short way, in every
 * order in which x86 processors can see each other's stores: the module's own code, executed by two
 * and three processors that want the same words. A lock that one has for itself nobody else has,
 * whoever has a page finds it to be what he asked for, and nothing is left behind. */
#include "tso.h"

#include "module/known.c"
#include "module/reader.c"
#include "module/tx.c"

enum { LOCKS = TD_PATH_LOCKS, IN_ALONE = LOCKS, WRONG_TYPE = 2 * LOCKS, OUTCOME };
static_assert(OUTCOME + TSO_CPUS <= TSO_NOTES, "what is noted");

enum outcome { IN = 1, OUT };

enum role {
	KNOWN,	    /* all five locks by the short way */
	KNOWN_VCPU, /* those of a vCPU */
	TAKEN,	    /* the TDR exclusive by the short way */
	ONE_BY_ONE, /* all five the long way */
	TREE_SHARED,
	FIRST_LOCK, /* that one exclusive, then the next ones */
	PROMOTED_LOCK = FIRST_LOCK + LOCKS,
	TYPE_CHANGED = PROMOTED_LOCK + LOCKS, /* the page is no TDR from now on */
	ROLES,
};

struct stage {
	struct machine machine;
	struct module mod;
	struct pamt_entry entry[3]; /* 1G, 2M, 4K */
	struct tdr tdr;
	struct tdcs tdcs;
	enum role role[TSO_CPUS];
	unsigned cpus;
	unsigned ended; /* 1 << (outcome of processor 0 - 1) + 2 * (outcome of processor 1 - 1) */
};

static const enum lock_resource resources[LOCKS] = {LOCK_PAMT_1G, LOCK_PAMT_2M, LOCK_PAMT_4K,
						    LOCK_OP_STATE, LOCK_SEPT_TREE};

static uint16_t *word_of(struct stage *s, unsigned lock)
{
	if (lock < 3)
		return &s->entry[lock].lock;
	return lock == TD_OP_STATE ? &s->tdcs.op_state_lock : &s->tdcs.sept_lock;
}

/* --- what a processor does --- */

static void note_held(struct stage *s, const struct tx *tx, int more)
{
	for (unsigned i = 0; i < LOCKS; i++)
		for (unsigned k = 0; k < tx->nheld; k++)
			if (tx->held[k].word == word_of(s, i))
				tso_note(tx->held[k].mode == LOCK_EXCLUSIVE ? IN_ALONE + i : i,
					 more);
}

static bool is_tdr(const struct stage *s)
{
	return pamt_type(&s->entry[PAGE_4K]) == TDX_PT_TDR;
}

static bool share_one_by_one(struct stage *s, struct tx *tx)
{
	const struct tx_held up = {word_of(s, 0), 0, LOCK_PAMT_1G, LOCK_SHARED, NO_SLOT};
	const struct tx_held node = {word_of(s, 1), 0, LOCK_PAMT_2M, LOCK_SHARED, NO_SLOT};

	for (unsigned i = tx_share_two(tx, &up, &node) ? 2 : 0; i < LOCKS; i++) {
		if (tx_try(tx, resources[i], 0, word_of(s, i), LOCK_SHARED) != LOCK_OK)
			return false;
		if (i == PAGE_4K && !is_tdr(s))
			return false;
	}
	return true;
}

static bool promote(struct stage *s, struct tx *tx, unsigned lock)
{
	return tx_try(tx, resources[lock], 0, word_of(s, lock), LOCK_SHARED) == LOCK_OK &&
	       tx_promote(tx, word_of(s, lock)) == LOCK_OK;
}

static bool get_in(struct stage *s, struct tx *tx, enum role role)
{
	struct vp vp;
	struct td td;

	switch (role) {
	case KNOWN:
		return known_td_share(tx, hpa(0), KNOWN_TD_AND_TREE, &td);
	case KNOWN_VCPU:
		return known_vcpu_share(tx, hpa(0), &vp, &td);
	case TAKEN:
		return known_td_take(tx, hpa(0), &td);
	case ONE_BY_ONE:
		return share_one_by_one(s, tx);
	case TREE_SHARED:
		return tx_try(tx, LOCK_SEPT_TREE, 0, word_of(s, TD_TREE), LOCK_SHARED) == LOCK_OK;
	case TYPE_CHANGED:
		return tx_try(tx, LOCK_PAMT_4K, 0, word_of(s, PAGE_4K), LOCK_EXCLUSIVE) == LOCK_OK;
	case FIRST_LOCK:
	case PROMOTED_LOCK:
	case ROLES:
		break;
	}
	if (role >= PROMOTED_LOCK)
		return promote(s, tx, role - PROMOTED_LOCK);
	return tx_try(tx, resources[role - FIRST_LOCK], 0, word_of(s, role - FIRST_LOCK),
		      LOCK_EXCLUSIVE) == LOCK_OK;
}

static void run(void *arg, unsigned cpu)
{
	static const struct tdx_leaf_info leaf = {.op_states =
							  TDX_OP_STATE_BIT(TDX_OP_STATE_RUNNABLE)};
	struct stage *s = arg;
	const enum role role = s->role[cpu];
	struct lp *lp = &s->mod.lp[cpu];
	struct tx tx;
	bool in;

	atomic_store_explicit(&lp->busy, true, memory_order_relaxed);
	tx_begin(&tx, lp, &leaf, false);
	in = get_in(s, &tx, role);
	if (in) {
		note_held(s, &tx, 1);
		tso_pause();
		if (role <= ONE_BY_ONE && !is_tdr(s))
			tso_note(WRONG_TYPE, 1);
		if (role == TYPE_CHANGED)
			__atomic_store_n(&s->entry[PAGE_4K].type, TDX_PT_NDA, __ATOMIC_RELAXED);
		note_held(s, &tx, -1);
	}
	tso_note(OUTCOME + cpu, in ? IN : OUT);
	tx_end(&tx);
	atomic_store_explicit(&lp->busy, false, memory_order_release);
}

/* --- what must be so --- */

static bool is_left(const struct stage *s, unsigned cell, uint64_t value)
{
	const uint8_t *word = (const uint8_t *)(uintptr_t)tso.cell[cell].word;

	for (unsigned i = 0; i < s->cpus; i++)
		if (word >= (const uint8_t *)s->mod.lp[i].reading &&
		    word < (const uint8_t *)&s->mod.lp[i].reading[READER_SLOTS])
			return value;
	return tso.cell[cell].size == sizeof(uint16_t) && value & ~(uint64_t)HP_PRIORITY;
}

static bool is_sound(void *arg, const struct tso_state *t, bool at_end)
{
	struct stage *s = arg;

	for (unsigned i = 0; i < LOCKS; i++)
		if (t->note[IN_ALONE + i] > 1 || (t->note[IN_ALONE + i] && t->note[i]))
			return false;
	if (t->note[WRONG_TYPE])
		return false;
	for (unsigned i = 0; at_end && i < tso.cells; i++)
		if (is_left(s, i, t->cell[i]))
			return false;
	if (at_end)
		s->ended |= 1u << (t->note[OUTCOME] - IN + 2 * (t->note[OUTCOME + 1] - IN));
	return true;
}

/* --- who meets whom --- */

static struct stage *stage(unsigned cpus)
{
	struct stage *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->cpus = cpus;
	s->machine.cfg.lps = cpus;
	s->mod.m = &s->machine;
	s->entry[PAGE_1G].type = s->entry[PAGE_2M].type = TDX_PT_NDA;
	s->entry[PAGE_4K].type = TDX_PT_TDR;
	s->tdr.lifecycle_state = TDX_LIFECYCLE_KEYS_CONFIGURED;
	s->tdr.num_tdcx = TDCS_MIN_PAGES;
	s->tdcs.op_state = TDX_OP_STATE_RUNNABLE;
	for (unsigned cpu = 0; cpu < cpus; cpu++) {
		struct lp *lp = &s->mod.lp[cpu];

		lp->id = cpu;
		lp->mod = &s->mod;
		lp->known = (struct td_path){.tdr = &s->tdr, .tdcs = &s->tdcs};
		for (unsigned i = 0; i < LOCKS; i++)
			lp->known.held[i] = (struct tx_held){
				word_of(s, i), 0, (uint8_t)resources[i], LOCK_SHARED, (uint8_t)i};
		lp->known_vcpu = lp->known;
	}
	return s;
}

/* A vCPU's path: its own page, and the TDR's entry where a TD has OP_STATE. */
static void know_vcpu(struct stage *s, struct pamt_entry *tdvpr)
{
	tdvpr->type = TDX_PT_TDVPR;
	for (unsigned cpu = 0; cpu < s->cpus; cpu++) {
		struct td_path *k = &s->mod.lp[cpu].known_vcpu;

		k->held[PAGE_4K].word = &tdvpr->lock;
		k->held[VCPU_TDR].word = &s->entry[PAGE_4K].lock;
		k->held[VCPU_TDR].res = LOCK_PAMT_4K;
		k->held[VCPU_OP_STATE].word = &s->tdcs.op_state_lock;
		k->held[VCPU_OP_STATE].res = LOCK_OP_STATE;
	}
}

/* Returns how it can end. */
static unsigned meet(unsigned cpus, enum role a, enum role b, enum role c)
{
	struct stage *s = stage(cpus);
	struct pamt_entry tdvpr = {0};
	const struct tso_program program = {cpus, run, is_sound, s};
	unsigned ended;

	know_vcpu(s, &tdvpr);
	s->role[0] = a;
	s->role[1] = b;
	s->role[2] = c;
	if (!tso_search(&program))
		fail_msg("roles %u, %u, %u exclude each other, and do not", a, b, c);
	assert_true(tso.ends > 0);
	ended = s->ended;
	free(s);
	return ended;
}

enum { BOTH_IN = 1 << 0, SECOND_IN = 1 << 1, FIRST_IN = 1 << 2 };

static void a_reader_and_a_writer_are_never_both_in(void **state)
{
	for (enum role a = KNOWN; a <= ONE_BY_ONE; a++)
		for (enum role b = KNOWN; b < ROLES; b++) {
			const unsigned ended = meet(2, a, b, KNOWN);

			assert_true(ended & BOTH_IN); /* one after the other, or both read */
			if (b == TAKEN || (b >= FIRST_LOCK && b < FIRST_LOCK + PAGE_4K))
				assert_true(ended & FIRST_IN && ended & SECOND_IN);
		}
}

static void nor_are_two_writers(void **state)
{
	for (unsigned lock = 0; lock < LOCKS; lock++) {
		meet(2, FIRST_LOCK + lock, FIRST_LOCK + lock, KNOWN);
		meet(2, FIRST_LOCK + lock, PROMOTED_LOCK + lock, KNOWN);
		meet(2, PROMOTED_LOCK + lock, PROMOTED_LOCK + lock, KNOWN);
	}
}

static void two_readers_and_a_writer_are_not_either(void **state)
{
	meet(3, TREE_SHARED, TREE_SHARED, FIRST_LOCK + TD_TREE);
	meet(3, TREE_SHARED, FIRST_LOCK + TD_TREE, FIRST_LOCK + TD_TREE);
	meet(3, KNOWN, TREE_SHARED, FIRST_LOCK + TD_TREE);
}

/* The search itself: what every textbook says of this memory. */

static uint32_t x, y;
static bool fenced;

static void store_then_load(void *arg, unsigned cpu)
{
	uint32_t *mine = cpu ? &y : &x, *other = cpu ? &x : &y;

	__atomic_store_n(mine, 1, __ATOMIC_RELAXED);
	if (fenced)
		atomic_thread_fence(memory_order_seq_cst);
	tso_note(cpu, (int)__atomic_load_n(other, __ATOMIC_RELAXED));
}

static bool not_both_zero(void *arg, const struct tso_state *s, bool at_end)
{
	return !at_end || s->note[0] || s->note[1];
}

static void store_two(void *arg, unsigned cpu)
{
	if (cpu) {
		tso_note(0, (int)__atomic_load_n(&y, __ATOMIC_RELAXED));
		tso_note(1, (int)__atomic_load_n(&x, __ATOMIC_RELAXED));
	} else {
		__atomic_store_n(&x, 1, __ATOMIC_RELAXED);
		__atomic_store_n(&y, 1, __ATOMIC_RELAXED);
	}
}

static bool in_order(void *arg, const struct tso_state *s, bool at_end)
{
	return !at_end || s->note[1] || !s->note[0];
}

static void stores_wait_but_for_a_barrier_and_in_order(void **state)
{
	const struct tso_program buffering = {2, store_then_load, not_both_zero, NULL};
	const struct tso_program message = {2, store_two, in_order, NULL};

	fenced = false;
	assert_false(tso_search(&buffering));
	fenced = true;
	assert_true(tso_search(&buffering));
	assert_true(tso_search(&message));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(stores_wait_but_for_a_barrier_and_in_order),
		cmocka_unit_test(a_reader_and_a_writer_are_never_both_in),
		cmocka_unit_test(nor_are_two_writers),
		cmocka_unit_test(two_readers_and_a_writer_are_not_either),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
