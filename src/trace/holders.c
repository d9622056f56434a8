/* SPDX-License-Identifier: MIT */
/* See trace/holders.h. */
#include "trace/holders.h"

#include <stdbool.h>
#include <stdio.h>

/* The key of an entry of a Secure EPT does not say of which TD, and it is one bit without readers.
 */
static bool is_watched(enum lock_resource res)
{
	return res != LOCK_SEPT_ENTRY;
}

static bool is_same_lock(const struct holder *a, const struct holder *b)
{
	return a->res == b->res && a->key == b->key;
}

static bool is_excluded(const struct holder *a, const struct holder *b)
{
	return a->lp != b->lp && is_same_lock(a, b) &&
	       (a->mode == LOCK_EXCLUSIVE || b->mode == LOCK_EXCLUSIVE);
}

static struct holder *place_of(struct holders *h, const struct holder *t)
{
	for (unsigned i = 0; t->mode == LOCK_EXCLUSIVE && i < h->n; i++)
		if (h->at[i].lp == t->lp && is_same_lock(&h->at[i], t))
			return &h->at[i];
	return h->n < HOLDERS_MAX ? &h->at[h->n++] : NULL;
}

void holders_none(struct holders *h)
{
	h->n = 0;
	h->clash[0] = '\0';
}

void holders_take(struct holders *h, struct holder t)
{
	struct holder *place;

	if (!is_watched(t.res))
		return;
	for (unsigned i = 0; i < h->n && !h->clash[0]; i++)
		if (is_excluded(&h->at[i], &t))
			snprintf(h->clash, sizeof(h->clash),
				 "processors %u and %u both have %s 0x%llx, one of them for itself",
				 h->at[i].lp, t.lp, lock_resource_name(t.res),
				 (unsigned long long)t.key);
	place = place_of(h, &t);
	if (place)
		*place = t;
}

void holders_release(struct holders *h, struct holder t)
{
	for (unsigned i = h->n; i-- > 0;)
		if (h->at[i].lp == t.lp && is_same_lock(&h->at[i], &t)) {
			h->at[i] = h->at[--h->n];
			return;
		}
}
