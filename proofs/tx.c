/* SPDX-License-Identifier: MIT */
/* The end of a call: tx_end() gives back each lock that its transaction remembers, whichever it is,
 * however it was taken and in whatever order, and leaves none of its processor's reader slots
 * filled. With what proofs/leaf.h proves of each leaf, that what it took is what the transaction
 * remembers, no call leaves a lock behind. Two locks stand for all. */
#include "proofs/proof.h"

#include <string.h>

#include "module/reader.h"

/* Whether another processor reads a word: both. */
static bool any_answer(void)
{
	bool b;

	return b;
}
#define reader_is_in(mod, word, but) any_answer()
#include "module/tx.c"

enum { LOCKS = 2 };

static struct machine the_machine;
static struct module the_module;
static struct lp caller;
static struct module_hooks listeners;
static struct pamt_entry words[LOCKS], before[LOCKS]; /* wide enough for any kind of lock */

/* As a lock at rest or in use has it, with fewer readers than a count holds. */
static void assume_a_lock(enum lock_resource res, const struct pamt_entry *entry)
{
	const uint16_t w = *(const uint16_t *)entry;

	switch (lock_resource_kind(res)) {
	case LOCK_KIND_SHAREX:
		assume((!(w & SHAREX_EXCLUSIVE) || w == SHAREX_EXCLUSIVE) &&
		       w < UINT16_MAX - SHAREX_READER);
		break;
	case LOCK_KIND_SHAREX_HP:
		assume(!(w & HP_EXCLUSIVE) || (w & ~(HP_EXCLUSIVE | HP_PRIORITY)) == 0);
		assume(w < UINT16_MAX - HP_READER);
		break;
	case LOCK_KIND_MUTEX:
		assume((w & 0xff) <= 1);
		break;
	case LOCK_KIND_SEPT:
	case LOCK_KIND_LINK:
		break;
	}
}

/* What the host and a guest say of priority stays. */
static uint64_t priority(enum lock_resource res)
{
	switch (lock_resource_kind(res)) {
	case LOCK_KIND_SHAREX_HP:
		return HP_PRIORITY;
	case LOCK_KIND_SEPT:
		return SEPT_HP_BIT;
	case LOCK_KIND_SHAREX:
	case LOCK_KIND_MUTEX:
	case LOCK_KIND_LINK:
		break;
	}
	return 0;
}

static bool is_as_before(enum lock_resource res, unsigned i)
{
	uint64_t now, then;

	memcpy(&now, &words[i], sizeof(now));
	memcpy(&then, &before[i], sizeof(then));
	return ((now ^ then) & ~priority(res)) == 0;
}

static void any_call(struct tx *tx)
{
	static struct tdx_leaf_info leaf;
	bool heard, guest;

	the_module.m = &the_machine;
	the_module.hooks = heard ? &listeners : NULL;
	caller.mod = &the_module;
	tx_begin(tx, &caller, &leaf, guest);
}

/* One attempt for each word; which it was taken as, LOCK_NONE when it was not. */
static void take(struct tx *tx, unsigned i, enum lock_resource *res, enum lock_mode *mode)
{
	enum lock_resource which;
	enum lock_mode how;
	uint64_t key;

	assume(which >= 0 && which < LOCK_NUM_RESOURCES);
	assume(how == LOCK_SHARED || how == LOCK_EXCLUSIVE);
	any_of(words[i]);
	assume_a_lock(which, &words[i]);
	before[i] = words[i];
	*res = which;
	*mode = tx_try(tx, which, key, &words[i], how) == LOCK_OK ? how : LOCK_NONE;
}

static void prove_all_given_back(const struct tx *tx, const enum lock_resource res[LOCKS],
				 const enum lock_mode mode[LOCKS])
{
	prove(tx->nheld == 0);
	for (unsigned i = 0; i < LOCKS; i++)
		prove(mode[i] == LOCK_NONE || is_as_before(res[i], i));
	for (unsigned n = 0; n < READER_SLOTS; n++)
		prove(!caller.reading[n]);
}

void ended_call_leaves_no_lock(void)
{
	enum lock_resource res[LOCKS];
	enum lock_mode mode[LOCKS];
	unsigned taken = 0;
	struct tx tx;

	any_call(&tx);
	for (unsigned i = 0; i < LOCKS; i++) {
		take(&tx, i, &res[i], &mode[i]);
		taken += mode[i] != LOCK_NONE;
	}
	prove(tx.nheld == taken);
	tx_end(&tx);
	prove_all_given_back(&tx, res, mode);
	if (taken == LOCKS)
		reached();
}
