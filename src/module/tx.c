/* SPDX-License-Identifier: MIT */
/* Taking and giving back locks, and the listeners on both. */
#include "module/tx.h"

enum lock_result tx_acquire_heard(struct tx *tx, enum lock_resource res, uint64_t key, void *word,
				  enum lock_mode mode)
{
	const struct module_hooks *h = tx->mod->hooks;
	enum lock_result r = LOCK_OK;

	if (h->acquire)
		r = h->acquire(tx->mod->hooks_arg, tx->lp, res, key, mode, tx->guest);
	if (r == LOCK_OK)
		r = lock_acquire(res, word, mode, tx->guest);
	if (h->acquired)
		h->acquired(tx->mod->hooks_arg, tx->lp, res, key, mode, tx->guest, r);
	return r;
}

static struct tx_held *find(struct tx *tx, const void *word)
{
	for (unsigned i = tx->nheld; i-- > 0;)
		if (tx->held[i].word == word)
			return &tx->held[i];
	assert(!"lock not held");
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
		r = hp_promote(word, tx->guest);
	if (h && h->acquired)
		h->acquired(tx->mod->hooks_arg, tx->lp, held->res, held->key, LOCK_EXCLUSIVE,
			    tx->guest, r);
	if (r == LOCK_OK)
		held->mode = LOCK_EXCLUSIVE;
	return r;
}

static void give_back(struct tx *tx, const struct tx_held *held)
{
	const struct module_hooks *h = tx->mod->hooks;

	lock_release(held->res, held->word, held->mode);
	if (h && h->released)
		h->released(tx->mod->hooks_arg, tx->lp, held->res, held->key, held->mode);
}

void tx_end(struct tx *tx)
{
	if (__builtin_expect(tx->mod->hooks != NULL, 0)) {
		while (tx->nheld > 0)
			give_back(tx, &tx->held[--tx->nheld]);
		return;
	}
	for (const struct tx_held *held = tx->held + tx->nheld; held-- > tx->held;) {
		if (held->mode == LOCK_SHARED && lock_resource_kind(held->res) == LOCK_KIND_SHAREX_HP)
			hp_release(held->word, LOCK_SHARED); /* nearly all are this */
		else
			lock_release(held->res, held->word, held->mode);
	}
	tx->nheld = 0;
}

void tx_forget(struct tx *tx, void *word)
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
	tx_forget(tx, word);
}

void tx_unlock(struct tx *tx, void *word)
{
	give_back(tx, find(tx, word));
	tx_forget(tx, word);
}
