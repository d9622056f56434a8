/* SPDX-License-Identifier: MIT */
/* Taking and giving back locks, and the listeners on both. */
#include "module/hooks.h"
#include "module/tx.h"

/* Does this processor read the word itself, but for what it does in that slot? */
static bool reads_itself(const struct tx *tx, const void *word, unsigned slot)
{
	const struct lp *lp = tx->lp;

	for (unsigned i = 0; i < tx->nheld; i++)
		if (tx->held[i].word == word && tx->held[i].slot != slot)
			return true;
	for (unsigned i = 0; i < lp->nguest_locks; i++)
		if (lp->guest_locks[i].word == word && lp->guest_locks[i].slot != slot)
			return true;
	return false;
}

enum lock_result tx_exclude_readers(struct tx *tx, enum lock_resource res, uint16_t *word,
				    uint16_t from, unsigned slot)
{
	bool priority = lock_resource_kind(res) == LOCK_KIND_SHAREX_HP;
	enum lock_result r;

	/* Looked for before as well, so as not to bar others from a word that cannot be had. */
	if (!reads_itself(tx, word, slot) && !reader_is_in(tx->mod, word, tx->lp)) {
		r = priority ? hp_exclusive_from(word, from, tx->guest)
			     : sharex_acquire(word, LOCK_EXCLUSIVE);
		if (r != LOCK_OK || !reader_is_in(tx->mod, word, tx->lp))
			return r;
		__atomic_store_n(word, from, __ATOMIC_RELEASE);
	}
	if (priority && !tx->guest)
		__atomic_fetch_or(word, HP_PRIORITY, __ATOMIC_RELAXED);
	return LOCK_BUSY;
}

enum lock_result tx_acquire_heard(struct tx *tx, enum lock_resource res, uint64_t key, void *word,
				  enum lock_mode mode, uint8_t *slot)
{
	const struct module_hooks *h = tx->mod->hooks;
	enum lock_result r = LOCK_OK;

	*slot = NO_SLOT;
	if (h->acquire)
		r = h->acquire(tx->mod->hooks_arg, tx->lp, res, key, mode, tx->guest);
	if (r == LOCK_OK)
		r = tx_acquire(tx, res, word, mode, slot);
	if (h->acquired)
		h->acquired(tx->mod->hooks_arg, tx->lp, res, key, mode, tx->guest, r);
	return r;
}

bool tx_share_two_seen(struct tx *tx, const struct tx_held *first, const struct tx_held *second)
{
	const struct module_hooks *h = tx->mod->hooks;

	if (!hooks_see_short_way(h) || !tx_share_two_unseen(tx, first, second))
		return false;
	h->took(tx->mod->hooks_arg, tx->lp, &tx->held[tx->nheld - 2], 2);
	return true;
}

static struct tx_held *find(struct tx *tx, const void *word)
{
	for (unsigned i = tx->nheld; i-- > 0;)
		if (tx->held[i].word == word)
			return &tx->held[i];
	assert(false); /* releasing what was not taken */
	return NULL;
}

enum lock_result tx_promote(struct tx *tx, void *word)
{
	const struct module_hooks *h = tx->mod->hooks;
	struct tx_held *held = find(tx, word);
	enum lock_result r = LOCK_OK;

	if (h && h->acquire)
		r = h->acquire(tx->mod->hooks_arg, tx->lp, held->res, held->key, LOCK_EXCLUSIVE,
			       tx->guest);
	if (r == LOCK_OK)
		r = tx_exclude_readers(tx, held->res, word, held->slot == NO_SLOT ? HP_READER : 0,
				       held->slot);
	if (h && h->acquired)
		h->acquired(tx->mod->hooks_arg, tx->lp, held->res, held->key, LOCK_EXCLUSIVE,
			    tx->guest, r);
	if (r == LOCK_OK) {
		if (held->slot != NO_SLOT)
			reader_leave(tx->lp, held->slot);
		held->slot = NO_SLOT;
		held->mode = LOCK_EXCLUSIVE;
	}
	return r;
}

/* Out of line: tx_end() ends every call, and nearly always nobody listens. */
static __attribute__((noinline)) void give_back(struct tx *tx, const struct tx_held *held)
{
	const struct module_hooks *h = tx->mod->hooks;

	if (held->slot != NO_SLOT)
		reader_leave(tx->lp, held->slot);
	else
		lock_release(held->res, held->word, held->mode);
	if (h && h->released)
		h->released(tx->mod->hooks_arg, tx->lp, held->res, held->key, held->mode);
}

static __attribute__((noinline)) void give_all_back(struct tx *tx)
{
	while (tx->nheld > 0)
		give_back(tx, &tx->held[--tx->nheld]);
}

void tx_end(struct tx *tx)
{
	struct lp *lp = tx->lp;

	if (__builtin_expect(tx->mod->hooks != NULL, 0)) {
		give_all_back(tx);
		return;
	}
	for (const struct tx_held *held = tx->held + tx->nheld; held-- > tx->held;) {
		if (held->slot != NO_SLOT)
			reader_leave(lp, held->slot);
		else
			lock_release(held->res, held->word, held->mode);
	}
	tx->nheld = 0;
}

void tx_unwind(struct tx *tx, unsigned mark)
{
	while (tx->nheld > mark)
		give_back(tx, &tx->held[--tx->nheld]);
}

/* Stop tracking a lock without releasing it. */
static void forget(struct tx *tx, void *word)
{
	struct tx_held *held = find(tx, word), *end = tx->held + --tx->nheld;

	for (; held < end; held++)
		held[0] = held[1];
}

void tx_released(struct tx *tx, void *word)
{
	const struct module_hooks *h = tx->mod->hooks;

	if (__builtin_expect(h && h->released, 0)) {
		const struct tx_held *held = find(tx, word);

		h->released(tx->mod->hooks_arg, tx->lp, held->res, held->key, held->mode);
	}
	forget(tx, word);
}

void tx_unlock(struct tx *tx, void *word)
{
	give_back(tx, find(tx, word));
	forget(tx, word);
}
