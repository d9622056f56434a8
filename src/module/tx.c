/* SPDX-License-Identifier: MIT */
/* Taking and giving back locks, and the listeners on both. */
#include "module/tx.h"

static enum lock_result acquire(struct tx *tx, enum lock_resource res, void *word,
				enum lock_mode mode)
{
	switch (lock_resource_kind(res)) {
	case LOCK_KIND_SHAREX_HP:
		return hp_acquire(word, mode, tx->guest);
	case LOCK_KIND_SEPT:
		return sept_entry_acquire(word, tx->guest);
	case LOCK_KIND_SHAREX:
		return sharex_acquire(word, mode);
	case LOCK_KIND_MUTEX:
		return mutex_acquire(word);
	}
	return LOCK_BUSY;
}

static void release(enum lock_resource res, void *word, enum lock_mode mode)
{
	switch (lock_resource_kind(res)) {
	case LOCK_KIND_SHAREX_HP:
		hp_release(word, mode);
		break;
	case LOCK_KIND_SEPT:
		sept_entry_release(word);
		break;
	case LOCK_KIND_SHAREX:
		sharex_release(word, mode);
		break;
	case LOCK_KIND_MUTEX:
		mutex_release(word);
		break;
	}
}

static enum lock_result acquire_heard(struct tx *tx, enum lock_resource res, uint64_t key,
				      void *word, enum lock_mode mode)
{
	const struct module_hooks *h = tx->mod->hooks;
	enum lock_result r = LOCK_OK;

	if (h->acquire)
		r = h->acquire(tx->mod->hooks_arg, tx->lp, res, key, mode, tx->guest);
	if (r == LOCK_OK)
		r = acquire(tx, res, word, mode);
	if (h->acquired)
		h->acquired(tx->mod->hooks_arg, tx->lp, res, key, mode, tx->guest, r);
	return r;
}

enum lock_result tx_try(struct tx *tx, enum lock_resource res, uint64_t key, void *word,
			enum lock_mode mode)
{
	enum lock_result r = __builtin_expect(tx->mod->hooks != NULL, 0) ?
				     acquire_heard(tx, res, key, word, mode) :
				     acquire(tx, res, word, mode);

	if (r == LOCK_OK) {
		assert(tx->nheld < TX_MAX_HELD);
		tx->held[tx->nheld++] = (struct tx_held){word, key, (uint8_t)res, (uint8_t)mode};
	}
	return r;
}

struct tdx_status tx_lock(struct tx *tx, enum lock_resource res, uint64_t key, void *word,
			  enum lock_mode mode, enum tdx_operand op)
{
	switch (tx_try(tx, res, key, word, mode)) {
	case LOCK_OK:
		return tdx_success();
	case LOCK_BUSY:
		return tdx_error_op(TDX_OPERAND_BUSY, op);
	case LOCK_BUSY_HOST_PRIORITY:
		break;
	}
	return tdx_error_op(TDX_OPERAND_BUSY_HOST_PRIORITY, op);
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

	release(held->res, held->word, held->mode);
	if (__builtin_expect(h && h->released, 0))
		h->released(tx->mod->hooks_arg, tx->lp, held->res, held->key, held->mode);
}

void tx_end(struct tx *tx)
{
	while (tx->nheld > 0)
		give_back(tx, &tx->held[--tx->nheld]);
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
