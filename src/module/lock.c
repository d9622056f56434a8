/* SPDX-License-Identifier: MIT */
/* Names and words of the module's locks. */
#include "module/lockword.h"
#include "module/page.h"
#include "module/reader.h"
#include "module/sept.h"

#include <string.h>

static const char *const names[LOCK_NUM_RESOURCES] = {
	[LOCK_GLOBAL] = "GLOBAL",
	[LOCK_KOT] = "KOT",
	[LOCK_WBT] = "WBT",
	[LOCK_TDMR] = "TDMR",
	[LOCK_PAMT_1G] = "PAMT_1G",
	[LOCK_PAMT_2M] = "PAMT_2M",
	[LOCK_PAMT_4K] = "PAMT_4K",
	[LOCK_OP_STATE] = "OP_STATE",
	[LOCK_SEPT_TREE] = "SEPT_TREE",
	[LOCK_EPOCH] = "EPOCH",
	[LOCK_RTMR] = "RTMR",
	[LOCK_MIG] = "MIG",
	[LOCK_SERVTD_BINDINGS] = "SERVTD_BINDINGS",
	[LOCK_SEPT_ENTRY] = "SEPT_ENTRY",
	[LOCK_MIGSC] = "MIGSC",
};

const char *lock_resource_name(enum lock_resource res)
{
	return (unsigned)res < LOCK_NUM_RESOURCES ? names[res] : "?";
}

bool lock_resource_from_name(const char *name, enum lock_resource *res)
{
	for (unsigned i = 0; i < LOCK_NUM_RESOURCES; i++)
		if (strcmp(names[i], name) == 0) {
			*res = (enum lock_resource)i;
			return true;
		}
	return false;
}

/* NULL when there is no TD. */
static const struct tdr *tdr_at(struct module *mod, uint64_t pa)
{
	const struct pamt_entry *e = pamt_4k(mod, pa);

	return e && (e->type & 0x1f) == TDX_PT_TDR ? machine_ptr(mod->m, pa & ~0xfffull) : NULL;
}

/* The TDCS page 0 of the TD whose TDR is at pa, NULL when it has none yet. */
static struct tdcs *tdcs_at(struct module *mod, uint64_t pa)
{
	const struct tdr *tdr = tdr_at(mod, pa);

	if (!tdr || tdr->num_tdcx == 0)
		return NULL;
	return machine_ptr(mod->m, machine_strip(mod->m, tdr->tdcx_pa[TDCS_PAGE_MAIN]));
}

/* The link to stream context `index` of a TD, NULL when it has none. */
static uint64_t *migs_link(struct module *mod, const struct tdr *tdr, uint64_t index)
{
	const struct tdcs *t;

	if (!tdr || tdr->num_tdcx <= TDCS_PAGE_MIGSC)
		return NULL;
	t = machine_ptr(mod->m, machine_strip(mod->m, tdr->tdcx_pa[TDCS_PAGE_MAIN]));
	if (index >= t->num_migs)
		return NULL;
	return (uint64_t *)machine_ptr(mod->m,
				       machine_strip(mod->m, tdr->tdcx_pa[TDCS_PAGE_MIGSC])) +
	       index;
}

static void *td_word(struct module *mod, enum lock_resource res, const struct lock_key *key)
{
	struct tdcs *t = tdcs_at(mod, key->key);
	struct sept_ref ref = {.level = key->level};

	if (!t)
		return NULL;
	switch (res) {
	case LOCK_OP_STATE:
		return &t->op_state_lock;
	case LOCK_SEPT_TREE:
		return &t->sept_lock;
	case LOCK_EPOCH:
		return &t->epoch_lock;
	case LOCK_RTMR:
		return &t->rtmr_lock;
	case LOCK_MIG:
		return &t->mig_lock;
	case LOCK_SERVTD_BINDINGS:
		return &t->servtd_bindings_lock;
	case LOCK_SEPT_ENTRY: {
		struct tx tx;

		tx_begin(&tx, &mod->lp[0], NULL, false);
		/* from a thread that is not the processor's */
		return sept_walk_from(&tx, t->eptp, td_sept_top(t), gpa(key->gpa), SEPT_PRESENT,
				      &ref)
			       ? ref.entry
			       : NULL;
	}
	case LOCK_MIGSC:
		return migs_link(mod, tdr_at(mod, key->key), key->gpa);
	case LOCK_GLOBAL:
	case LOCK_KOT:
	case LOCK_WBT:
	case LOCK_TDMR:
	case LOCK_PAMT_1G:
	case LOCK_PAMT_2M:
	case LOCK_PAMT_4K:
	case LOCK_NUM_RESOURCES:
		break;
	}
	return NULL;
}

void *module_lock_word(struct module *mod, enum lock_resource res, const struct lock_key *key)
{
	struct pamt_entry *e = NULL;

	switch (res) {
	case LOCK_GLOBAL:
		return &mod->global_lock;
	case LOCK_KOT:
		return &mod->kot_lock;
	case LOCK_WBT:
		return key->key < MACHINE_MAX_PKGS ? &mod->wbt[key->key].lock : NULL;
	case LOCK_TDMR:
		return key->key < mod->num_tdmrs ? &mod->tdmr[key->key].lock : NULL;
	case LOCK_PAMT_1G:
		e = pamt_1g(mod, key->key);
		break;
	case LOCK_PAMT_2M:
		e = pamt_2m(mod, key->key);
		break;
	case LOCK_PAMT_4K:
		e = pamt_4k(mod, key->key);
		break;
	case LOCK_OP_STATE:
	case LOCK_SEPT_TREE:
	case LOCK_EPOCH:
	case LOCK_RTMR:
	case LOCK_MIG:
	case LOCK_SERVTD_BINDINGS:
	case LOCK_SEPT_ENTRY:
	case LOCK_MIGSC:
		return td_word(mod, res, key);
	case LOCK_NUM_RESOURCES:
		break;
	}
	return e ? &e->lock : NULL;
}

uint64_t lock_event_key(enum lock_resource res, const struct lock_key *key)
{
	if (res == LOCK_SEPT_ENTRY)
		return key->gpa | (uint64_t)key->level;
	return res == LOCK_MIGSC ? key->key | key->gpa : key->key;
}

bool module_lock_hold(struct module *mod, enum lock_resource res, const struct lock_key *key,
		      enum lock_hold how)
{
	void *w = module_lock_word(mod, res, key);

	if (!w)
		return false;
	switch (lock_resource_kind(res)) {
	case LOCK_KIND_SHAREX_HP:
		__atomic_fetch_or((uint16_t *)w, how == HOLD_HP ? HP_PRIORITY : 0,
				  __ATOMIC_SEQ_CST);
		if (how == HOLD_EXCLUSIVE && reader_is_in(mod, w, NULL))
			return false;
		return how == HOLD_HP ||
		       hp_acquire(w, how == HOLD_SHARED ? LOCK_SHARED : LOCK_EXCLUSIVE, false) ==
			       LOCK_OK;
	case LOCK_KIND_SEPT:
		__atomic_fetch_or((uint64_t *)w, how == HOLD_HP ? SEPT_HP_BIT : SEPT_LOCK_BIT,
				  __ATOMIC_SEQ_CST);
		return true;
	case LOCK_KIND_SHAREX:
		if (how == HOLD_EXCLUSIVE && reader_is_in(mod, w, NULL))
			return false;
		return sharex_acquire(w, how == HOLD_SHARED ? LOCK_SHARED : LOCK_EXCLUSIVE) ==
		       LOCK_OK;
	case LOCK_KIND_MUTEX:
		return mutex_acquire(w) == LOCK_OK;
	case LOCK_KIND_LINK:
		return link_acquire(w) == LOCK_OK;
	}
	return false;
}

void module_lock_release(struct module *mod, enum lock_resource res, const struct lock_key *key,
			 enum lock_hold how)
{
	void *w = module_lock_word(mod, res, key);
	enum lock_mode mode = how == HOLD_SHARED ? LOCK_SHARED : LOCK_EXCLUSIVE;

	if (!w)
		return;
	switch (lock_resource_kind(res)) {
	case LOCK_KIND_SHAREX_HP:
		if (how == HOLD_HP)
			__atomic_fetch_and((uint16_t *)w, (uint16_t)~HP_PRIORITY, __ATOMIC_SEQ_CST);
		else
			hp_release(w, mode);
		break;
	case LOCK_KIND_SEPT:
		__atomic_fetch_and((uint64_t *)w, how == HOLD_HP ? ~SEPT_HP_BIT : ~SEPT_LOCK_BIT,
				   __ATOMIC_SEQ_CST);
		break;
	case LOCK_KIND_SHAREX:
		sharex_release(w, mode);
		break;
	case LOCK_KIND_MUTEX:
		mutex_release(w);
		break;
	case LOCK_KIND_LINK:
		link_release(w);
		break;
	}
}
