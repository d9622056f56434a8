/* SPDX-License-Identifier: MIT */
/* Lock tables from executed calls. */
#include "trace/locktable.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <swtdx/structs.h>

#include "module/hooks.h"
#include "module/tx.h"
#include "trace/snapshot.h"

#define SMALL_TD_TDR 0x100000000ull

struct listener {
	struct lock_table *t;
	bool overflow;
};

/* PAMT entries are named by what they cover, S-EPT entries by TD, address and level. */
static struct lock_key key_of(enum lock_resource res, uint64_t key)
{
	switch (res) {
	case LOCK_PAMT_1G:
		return (struct lock_key){.key = key & ~(TDX_SIZE_1G - 1)};
	case LOCK_PAMT_2M:
		return (struct lock_key){.key = key & ~(TDX_SIZE_2M - 1)};
	case LOCK_PAMT_4K:
		return (struct lock_key){.key = key & ~(TDX_PAGE_SIZE - 1)};
	case LOCK_SEPT_ENTRY:
		return (struct lock_key){SMALL_TD_TDR, key & ~(TDX_PAGE_SIZE - 1),
					 (enum tdx_level)(key & 7)};
	case LOCK_MIGSC:
		return (struct lock_key){key & ~(TDX_PAGE_SIZE - 1), key & (TDX_PAGE_SIZE - 1), 0};
	case LOCK_GLOBAL:
	case LOCK_KOT:
	case LOCK_WBT:
	case LOCK_TDMR:
	case LOCK_OP_STATE:
	case LOCK_SEPT_TREE:
	case LOCK_EPOCH:
	case LOCK_RTMR:
	case LOCK_MIG:
	case LOCK_SERVTD_BINDINGS:
	case LOCK_NUM_RESOURCES:
		break;
	}
	return (struct lock_key){.key = key};
}

static struct lock_row *row_of(struct lock_table *t, enum lock_resource res,
			       const struct lock_key *k)
{
	for (unsigned i = 0; i < t->nrows; i++)
		if (t->row[i].res == res && t->row[i].key.key == k->key &&
		    t->row[i].key.gpa == k->gpa && t->row[i].key.level == k->level)
			return &t->row[i];
	return NULL;
}

static void on_acquired(void *arg, struct lp *lp, enum lock_resource res, uint64_t key,
			enum lock_mode mode, bool guest, enum lock_result result)
{
	struct listener *l = arg;
	struct lock_key k = key_of(res, key);
	struct lock_row *row = row_of(l->t, res, &k);

	if (result != LOCK_OK)
		return;
	if (row) {
		if (row->taken == TAKEN_SHARED && mode == LOCK_EXCLUSIVE)
			row->taken = TAKEN_PROMOTED;
		return;
	}
	if (l->t->nrows == LOCKTABLE_MAX_ROWS) {
		l->overflow = true;
		return;
	}
	l->t->row[l->t->nrows++] = (struct lock_row){
		.res = res,
		.key = k,
		.guest = guest,
		.taken = lock_resource_kind(res) == LOCK_KIND_MUTEX ? TAKEN_MUTEX
			 : mode == LOCK_SHARED			    ? TAKEN_SHARED
								    : TAKEN_EXCLUSIVE,
	};
}

static const struct module_hooks hooks = {.acquired = on_acquired};

/* What the caller is told; entering or leaving a guest is success. */
static struct tdx_status told(const struct subject *s, const struct played *d)
{
	bool host = s->call[0] != 't' && s->call[0] != 'g';

	if (d->next == (host ? MODULE_TO_HOST : MODULE_TO_GUEST))
		return tdx_status(d->regs.rax);
	return tdx_success();
}

static bool applies(enum lock_resource res, enum lock_held_by_other o)
{
	switch (lock_resource_kind(res)) {
	case LOCK_KIND_MUTEX:
	case LOCK_KIND_LINK:
		return o == OTHER_EXCLUSIVE;
	case LOCK_KIND_SHAREX:
		return o != OTHER_PRIORITY;
	case LOCK_KIND_SEPT:
		return o != OTHER_SHARED;
	case LOCK_KIND_SHAREX_HP:
		break;
	}
	return true;
}

static bool with_held(struct lock_table *t, struct player *p, struct snapshot *snap, char *err,
		      size_t errlen)
{
	static const enum lock_hold how[OTHER_NUM] = {HOLD_EXCLUSIVE, HOLD_SHARED, HOLD_HP};

	for (unsigned i = 0; i < t->nrows; i++)
		for (unsigned o = 0; o < OTHER_NUM; o++) {
			struct lock_row *row = &t->row[i];
			struct played d;

			if (!applies(row->res, o))
				continue;
			snapshot_restore(snap);
			/* nobody can have what the guest that calls keeps itself */
			if (!module_lock_hold(p->mod, row->res, &row->key, how[o]))
				continue;
			if (!subject_call(t->subject, p, &d)) {
				snprintf(err, errlen, "%s: %s", t->subject->name, d.why);
				return false;
			}
			row->other[o].applies = true;
			row->other[o].status = told(t->subject, &d);
		}
	return true;
}

static bool fill(struct lock_table *t, struct player *p, char *err, size_t errlen)
{
	struct listener l = {.t = t};
	struct snapshot *snap;
	struct played d;
	int e = snapshot_take(p, &snap);
	bool ok;

	if (e) {
		snprintf(err, errlen, "no snapshot: %s", strerror(-e));
		return false;
	}
	module_set_hooks(p->mod, &hooks, &l);
	ok = subject_call(t->subject, p, &d) && !l.overflow;
	module_set_hooks(p->mod, NULL, NULL);
	if (ok) {
		t->status = told(t->subject, &d);
		ok = with_held(t, p, snap, err, errlen);
	} else
		snprintf(err, errlen, "%s: %s", t->subject->name,
			 l.overflow ? "too many locks" : d.why);
	snapshot_free(snap);
	return ok;
}

bool locktable_make(const struct subject *s, const struct module_profile *profile,
		    struct lock_table *t, char *err, size_t errlen)
{
	struct player p;
	char why[160];
	bool ok;

	memset(t, 0, sizeof(*t));
	t->subject = s;
	player_init(&p);
	p.profile = profile;
	ok = subject_prepare(s, &p, why, sizeof(why));
	if (!ok)
		snprintf(err, errlen, "%s: %s", s->name, why);
	ok = ok && fill(t, &p, err, errlen);
	player_free(&p);
	return ok;
}

const char *lock_row_key(const struct lock_row *row, char *buf, size_t len)
{
	if (row->res == LOCK_SEPT_ENTRY)
		snprintf(buf, len, "0x%llx:0x%llx:%d", (unsigned long long)row->key.key,
			 (unsigned long long)row->key.gpa, (int)row->key.level);
	else if (row->res == LOCK_MIGSC)
		snprintf(buf, len, "0x%llx:%llu", (unsigned long long)row->key.key,
			 (unsigned long long)row->key.gpa);
	else if (row->key.key == 0)
		snprintf(buf, len, "0");
	else if (row->res == LOCK_TDMR || row->res == LOCK_WBT)
		snprintf(buf, len, "%llu", (unsigned long long)row->key.key);
	else
		snprintf(buf, len, "0x%llx%s", (unsigned long long)row->key.key,
			 row->res == LOCK_PAMT_4K && row->key.key == SMALL_TD_TDR ? " (TDR)" : "");
	return buf;
}

const char *lock_row_taken(const struct lock_row *row)
{
	switch (row->taken) {
	case TAKEN_SHARED:
		return "shared";
	case TAKEN_EXCLUSIVE:
		return row->res != LOCK_SEPT_ENTRY ? "exclusive"
		       : row->guest		   ? "exclusive(guest)"
						   : "exclusive(host)";
	case TAKEN_PROMOTED:
		return "shared then promote-to-exclusive";
	case TAKEN_MUTEX:
		return "mutex";
	}
	return "?";
}

const char *lock_row_other(const struct lock_row *row, enum lock_held_by_other o, char *buf,
			   size_t len)
{
	if (!row->other[o].applies)
		return "-";
	if (tdx_is_success(row->other[o].status))
		return "ok";
	return tdx_status_format(row->other[o].status, buf, len);
}

/* Locks of one page or entry; the other kinds belong to a whole TD or to the machine. */
static bool is_local(const struct lock_row *row)
{
	return row->res == LOCK_SEPT_ENTRY || row->res == LOCK_TDMR ||
	       (row->res >= LOCK_PAMT_1G && row->res <= LOCK_PAMT_4K &&
		!(row->res == LOCK_PAMT_4K && row->key.key == SMALL_TD_TDR));
}

enum lock_conflict locktable_conflict(const struct lock_table *a, const struct lock_table *b,
				      enum lock_resource *res)
{
	enum lock_conflict worst = CONFLICT_NONE;

	for (unsigned i = 0; i < a->nrows; i++)
		for (unsigned j = 0; j < b->nrows; j++) {
			const struct lock_row *x = &a->row[i], *y = &b->row[j];
			enum lock_conflict c = is_local(x) ? CONFLICT_SAME_PAGE : CONFLICT_ALWAYS;

			if (x->res != y->res || is_local(x) != is_local(y) ||
			    (x->taken == TAKEN_SHARED && y->taken == TAKEN_SHARED) || c <= worst)
				continue;
			worst = c;
			*res = x->res;
		}
	return worst;
}

/* --- the compact matrix --- */

const char *lock_column_name(enum lock_column c)
{
	static const char *const names[COLUMN_NUM] = {"TDR",	   "page",	 "OP_STATE",
						      "SEPT tree", "SEPT entry", "other"};

	return names[c];
}

/* PAMT entries above the page are shared by everybody and have no column. */
static bool column_of(const struct lock_table *t, unsigned i, enum lock_column *c)
{
	const struct lock_row *row = &t->row[i];

	switch (row->res) {
	case LOCK_PAMT_4K:
		*c = row->key.key == SMALL_TD_TDR ? COLUMN_TDR : COLUMN_PAGE;
		return true;
	case LOCK_PAMT_1G:
	case LOCK_PAMT_2M:
		*c = COLUMN_PAGE;
		return row->taken != TAKEN_SHARED;
	case LOCK_OP_STATE:
		*c = COLUMN_TD;
		return true;
	case LOCK_SEPT_TREE:
		*c = COLUMN_TREE;
		return true;
	case LOCK_SEPT_ENTRY:
		*c = COLUMN_ENTRY;
		return true;
	case LOCK_GLOBAL:
	case LOCK_KOT:
	case LOCK_WBT:
	case LOCK_TDMR:
	case LOCK_EPOCH:
	case LOCK_RTMR:
	case LOCK_MIG:
	case LOCK_SERVTD_BINDINGS:
	case LOCK_MIGSC:
	case LOCK_NUM_RESOURCES:
		break;
	}
	*c = COLUMN_OTHER;
	return true;
}

const char *lock_column(const struct lock_table *t, enum lock_column c, char *buf, size_t len)
{
	static const char *const modes[] = {"SH", "EX", "SH>EX", "EX"};
	size_t at = 0;

	buf[0] = '\0';
	for (unsigned i = 0; i < t->nrows; i++) {
		const struct lock_row *row = &t->row[i];
		enum lock_column mine;

		if (!column_of(t, i, &mine) || mine != c || at + 32 > len)
			continue;
		at += (size_t)snprintf(buf + at, len - at, "%s%s%s%s", at ? ", " : "",
				       c == COLUMN_ENTRY   ? (row->guest ? "GUEST," : "HOST,")
				       : c == COLUMN_OTHER ? lock_resource_name(row->res)
							   : "",
				       c == COLUMN_OTHER ? " " : "", modes[row->taken]);
	}
	return buf;
}
