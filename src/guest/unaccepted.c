/* SPDX-License-Identifier: MIT */
/* Memory that is accepted when it is first needed, by the bitmap the firmware left.
 *
 * A set bit is a unit that must not be touched yet. Accepting a unit twice would wipe it, so a
 * range being accepted is on a list meanwhile and whoever needs a part of it waits; the calls
 * themselves are made without the lock. Bits are cleared only when all of their unit is accepted:
 * after a failure the unit is lost to everybody. */
#include "guest/call.h"
#include "guest/errno.h"

struct tdg_unaccepted_range {
	uint64_t first, end; /* units */
	struct tdg_unaccepted_range *next;
};

static void lock(const struct tdg_port *vcpu, struct tdg_unaccepted *u)
{
	while (__atomic_exchange_n(&u->lock, 1, __ATOMIC_ACQUIRE))
		vcpu->ops->relax(vcpu);
}

static void unlock(struct tdg_unaccepted *u)
{
	__atomic_store_n(&u->lock, 0, __ATOMIC_RELEASE);
}

static bool is_set(const struct tdg_unaccepted *u, uint64_t unit)
{
	return __atomic_load_n(&u->bitmap[unit / 8], __ATOMIC_ACQUIRE) >> (unit % 8) & 1;
}

static void change(struct tdg_unaccepted *u, uint64_t first, uint64_t end, bool set)
{
	for (uint64_t i = first; i < end; i++) {
		uint8_t bit = (uint8_t)(1u << (i % 8));

		if (set)
			__atomic_fetch_or(&u->bitmap[i / 8], bit, __ATOMIC_RELEASE);
		else
			__atomic_fetch_and(&u->bitmap[i / 8], (uint8_t)~bit, __ATOMIC_RELEASE);
	}
}

int tdg_unaccepted_init(struct tdg_unaccepted *u, void *table, size_t len)
{
	struct tdg_unaccepted_table t;
	uint64_t unit;

	*u = (struct tdg_unaccepted){0};
	if (len < sizeof(t))
		return -EINVAL;
	__builtin_memcpy(&t, table, sizeof(t));
	unit = t.unit_size;
	if (t.version != TDG_UNACCEPTED_VERSION || unit < TDX_PAGE_SIZE || unit & (unit - 1) ||
	    t.phys_base & (unit - 1) || t.size > len - sizeof(t) || t.size > ~0ull / 8 / unit ||
	    t.phys_base + t.size * 8 * unit < t.phys_base)
		return -EINVAL;
	u->bitmap = (uint8_t *)table + sizeof(t);
	u->base = t.phys_base;
	u->unit = unit;
	u->nunits = t.size * 8;
	return 0;
}

/* The units a range touches, and one more if it ends at a unit's end, the end of what lies before
 * the first unit included; false: none. */
static bool units_of(const struct tdg_unaccepted *u, uint64_t start, uint64_t size,
		     struct tdg_unaccepted_range *r)
{
	uint64_t end = size > ~0ull - start ? ~0ull : start + size;

	if (!u->nunits || end < u->base || start >= u->base + u->nunits * u->unit || !size)
		return false;
	start = start > u->base ? start - u->base : 0;
	end -= u->base;
	r->first = start / u->unit;
	r->end = end / u->unit + 1; /* an end at a unit's end asks for the next one too */
	if (r->end > u->nunits)
		r->end = u->nunits;
	r->next = NULL;
	return r->first < r->end;
}

static bool overlaps_busy(const struct tdg_unaccepted *u, const struct tdg_unaccepted_range *r)
{
	for (const struct tdg_unaccepted_range *b = u->busy; b; b = b->next)
		if (r->first < b->end && b->first < r->end)
			return true;
	return false;
}

static void enter(const struct tdg_port *vcpu, struct tdg_unaccepted *u,
		  struct tdg_unaccepted_range *r)
{
	lock(vcpu, u);
	while (overlaps_busy(u, r)) {
		unlock(u);
		vcpu->ops->relax(vcpu);
		lock(vcpu, u);
	}
	r->next = u->busy;
	u->busy = r;
	unlock(u);
}

static void leave(const struct tdg_port *vcpu, struct tdg_unaccepted *u,
		  struct tdg_unaccepted_range *r)
{
	struct tdg_unaccepted_range **p = &u->busy;

	lock(vcpu, u);
	while (*p != r)
		p = &(*p)->next;
	*p = r->next;
	unlock(u);
}

int tdg_accept_memory(const struct tdg_port *vcpu, struct tdg_unaccepted *u, gpa_t start,
		      uint64_t size)
{
	struct tdg_unaccepted_range r;
	int err = 0;

	if (!units_of(u, start.v, size, &r))
		return 0;
	enter(vcpu, u, &r);
	for (uint64_t i = r.first, end; i < r.end && !err; i = end) {
		end = i + 1;
		if (!is_set(u, i))
			continue;
		while (end < r.end && is_set(u, end))
			end++;
		err = tdg_accept(vcpu, gpa(u->base + i * u->unit), (end - i) * u->unit, NULL, NULL);
		if (!err)
			change(u, i, end, false);
	}
	leave(vcpu, u, &r);
	return err;
}

bool tdg_has_unaccepted(struct tdg_unaccepted *u, gpa_t start, uint64_t size)
{
	struct tdg_unaccepted_range r;

	if (!units_of(u, start.v, size, &r))
		return false;
	for (uint64_t i = r.first; i < r.end; i++)
		if (is_set(u, i))
			return true;
	return false;
}

/* Accept now what is not whole units of the bitmap. */
static int accept_now(const struct tdg_port *vcpu, uint64_t start, uint64_t end)
{
	return end > start ? tdg_accept(vcpu, gpa(start), end - start, NULL, NULL) : 0;
}

int tdg_unaccepted_add(const struct tdg_port *vcpu, struct tdg_unaccepted *u, gpa_t start,
		       uint64_t size)
{
	uint64_t end = start.v + size, limit = u->base + u->nunits * u->unit, first, last;
	int err;

	if (!size || end < start.v || !guest_page_aligned(start.v | size))
		return -EINVAL;
	if (size < 2 * u->unit || !u->nunits)
		return accept_now(vcpu, start.v, end);
	/* Whole units, within the bitmap. */
	first = (start.v + u->unit - 1) & ~(u->unit - 1);
	last = end & ~(u->unit - 1);
	first = first < u->base ? u->base : first;
	last = last > limit ? limit : last;
	if (first >= last)
		return accept_now(vcpu, start.v, end);
	err = accept_now(vcpu, start.v, first);
	if (!err)
		err = accept_now(vcpu, last, end);
	if (!err)
		change(u, (first - u->base) / u->unit, (last - u->base) / u->unit, true);
	return err;
}
