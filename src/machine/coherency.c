/* SPDX-License-Identifier: MIT */
/* Reports of the coherency sanitizer: kept, counted, put into words. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <swtdx/leaf.h>
#include "machine/coherency.h"

struct coherency {
	pthread_mutex_t lock; /* of everything below */
	unsigned count, kept, max;
	struct coherency_report report[];
};

static const struct {
	const char *name, *what, *duty;
} kinds[COHERENCY_NUM_KINDS] = {
	[COHERENCY_UNFLUSHED_HANDOVER] = {"unflushed-handover",
					  "page given to the module with dirty lines in a cache",
					  "CLFLUSH of the page before handing it over"},
	[COHERENCY_UNFLUSHED_REUSE] =
		{"unflushed-reuse", "page reused by the host with dirty private lines in a cache",
		 "TDH.PHYMEM.PAGE.WBINVD of the page before reusing it"},
	[COHERENCY_HKID_FREED_DIRTY] = {"hkid-freed-dirty",
					"KeyID reused with dirty lines of it in a cache",
					"TDH.PHYMEM.CACHE.WB on every package before freeing it"},
	[COHERENCY_HOST_READ_PRIVATE] = {"host-read-private", "host read of private memory",
					 "clearing the page with 64-byte direct stores first"},
	[COHERENCY_PARTIAL_WRITE] = {"partial-write", "partial write to a private line poisons it",
				     "clearing the page with 64-byte direct stores first"},
	[COHERENCY_UNFENCED_CLEAR] = {"unfenced-clear",
				      "page used while direct stores to it were pending",
				      "a memory barrier after the direct stores"},
	[COHERENCY_STALE_WRITE_BACK] = {"stale-write-back",
					"dirty lines of a former KeyID overwrote the page",
					"writing them back before the page changed hands"},
	[COHERENCY_POISON_READ] = {"poison-read", "machine check: poison was read",
				   "clearing the page with 64-byte direct stores first"},
};

int machine_watch(struct machine *m, unsigned max)
{
	struct coherency *c;

	machine_unwatch(m);
	c = calloc(1, sizeof(*c) + max * sizeof(c->report[0]));
	if (!c)
		return -ENOMEM;
	pthread_mutex_init(&c->lock, NULL);
	c->max = max;
	m->coherency = c;
	m->tracking = true;
	return 0;
}

void machine_unwatch(struct machine *m)
{
	if (!m->coherency)
		return;
	pthread_mutex_destroy(&m->coherency->lock);
	free(m->coherency);
	m->coherency = NULL;
	m->tracking = m->cfg.integrity;
}

void coherency_add(const struct machine_lp *lp, enum coherency_kind kind, uint64_t pa,
		   uint64_t word, unsigned hkid_)
{
	struct coherency *c = lp->m->coherency;

	const struct coherency_report r = {
		.kind = kind,
		.pa = pa == ~0ull ? pa : pa & ~(TDX_PAGE_SIZE - 1),
		.lp = lp->id,
		.old_hkid = (unsigned)(word & PAGE_HKID_MASK),
		.hkid = hkid_,
		.packages = (uint8_t)((word & PAGE_DIRTY_MASK) >> PAGE_DIRTY_SHIFT),
		.dirtied_by = (uint8_t)(word >> PAGE_CALL_SHIFT),
		.during = lp->call,
	};

	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->count++;
	if (c->kept < c->max)
		c->report[c->kept++] = r;
	pthread_mutex_unlock(&c->lock);
	if (lp->m->reported)
		lp->m->reported(lp->m->watcher, lp, &r);
}

unsigned machine_coherency_count(const struct machine *m)
{
	unsigned n;

	if (!m->coherency)
		return 0;
	pthread_mutex_lock(&m->coherency->lock);
	n = m->coherency->count;
	pthread_mutex_unlock(&m->coherency->lock);
	return n;
}

bool machine_coherency_report(const struct machine *m, unsigned i, struct coherency_report *r)
{
	bool ok = false;

	if (!m->coherency)
		return false;
	pthread_mutex_lock(&m->coherency->lock);
	if (i < m->coherency->kept) {
		*r = m->coherency->report[i];
		ok = true;
	}
	pthread_mutex_unlock(&m->coherency->lock);
	return ok;
}

void machine_coherency_clear(struct machine *m)
{
	if (!m->coherency)
		return;
	pthread_mutex_lock(&m->coherency->lock);
	m->coherency->count = m->coherency->kept = 0;
	pthread_mutex_unlock(&m->coherency->lock);
}

const char *coherency_kind_name(enum coherency_kind kind)
{
	return kinds[kind].name;
}

const char *coherency_duty(enum coherency_kind kind)
{
	return kinds[kind].duty;
}

const char *coherency_what(enum coherency_kind kind)
{
	return kinds[kind].what;
}

const char *coherency_call_name(uint8_t call, char buf[32])
{
	const struct tdx_leaf_info *leaf;

	if (call == MACHINE_CALL_HOST)
		return "the host";
	if (call == MACHINE_CALL_GUEST)
		return "the guest";
	leaf = call & MACHINE_CALL_TDCALL ? tdx_tdcall_leaf(call & 0x7f) : tdx_seamcall_leaf(call);
	if (leaf)
		return leaf->name;
	snprintf(buf, 32, "leaf %u", call & 0x7fu);
	return buf;
}

const char *coherency_format(const struct coherency_report *r, char *buf, size_t len)
{
	char b1[32], b2[32];

	snprintf(buf, len,
		 "simulated coherency: %s: page 0x%llx, KeyID %u dirtied by %s (packages 0x%x), "
		 "used under KeyID %u by %s on processor %u; missing: %s",
		 kinds[r->kind].what, (unsigned long long)r->pa, r->old_hkid,
		 coherency_call_name(r->dirtied_by, b1), r->packages, r->hkid,
		 coherency_call_name(r->during, b2), r->lp, kinds[r->kind].duty);
	return buf;
}
