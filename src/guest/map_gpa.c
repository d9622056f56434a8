/* SPDX-License-Identifier: MIT */
/* MapGPA to the end, with a host that may do a part and say where to go on.
 *
 * The host's R11 is an address only after it has been found to be a page between where this call
 * began and its end, of the same half as the call: never backwards, never beside the range. A host
 * that does not move is asked max_no_progress times in a row; one that moves too slowly runs into
 * the bound on calls, which leaves it one reply without progress for every page. */
#include "guest/call.h"
#include "guest/errno.h"

static const struct tdg_map_policy default_policy = TDG_MAP_POLICY_DEFAULT;

static uint64_t bound_of(const struct tdg_map_policy *p, uint64_t pages)
{
	return p->max_calls ? p->max_calls : 2 * pages + p->max_no_progress;
}

/* Judges a reply that asks to go on at r->r11. */
static enum tdg_map_stop check_next(const struct tdg_map_result *r, uint64_t at, uint64_t end)
{
	if (r->r11 < at || r->r11 >= end)
		return TDG_MAP_OUTSIDE;
	return guest_page_aligned(r->r11) ? TDG_MAP_DONE : TDG_MAP_MISALIGNED;
}

static enum tdg_map_stop map(const struct tdg_port *vcpu, const struct tdg_map_policy *p,
			     uint64_t at, uint64_t end, struct tdg_map_result *r)
{
	const uint64_t bound = bound_of(p, (end - at) / TDX_PAGE_SIZE);
	const uint64_t chunk_pages = p->max_pages_per_call ? p->max_pages_per_call : ~0ull;
	unsigned idle = 0;

	while (at < end) {
		uint64_t size = end - at;

		if (size / TDX_PAGE_SIZE > chunk_pages)
			size = chunk_pages * TDX_PAGE_SIZE;
		if (r->calls == bound)
			return TDG_MAP_TOO_MANY_CALLS;
		r->calls++;
		r->status = tdvmcall_map_gpa(vcpu, gpa(at), size, &r->r11);
		if (tdvmcall_is_success(r->status)) {
			at += size;
			idle = 0;
		} else if (tdvmcall_is_retry(r->status)) {
			enum tdg_map_stop stop = check_next(r, at, at + size);

			if (stop != TDG_MAP_DONE)
				return stop;
			idle = r->r11 == at ? idle + 1 : 0;
			if (idle && idle >= p->max_no_progress)
				return TDG_MAP_NO_PROGRESS;
			at = r->r11;
			if (idle)
				vcpu->ops->relax(vcpu);
		} else {
			return TDG_MAP_REFUSED;
		}
		r->reached = gpa(at);
	}
	return TDG_MAP_DONE;
}

int tdg_map_gpa(const struct tdg_port *vcpu, const struct tdg_td *td, gpa_t start, uint64_t size,
		bool shared, const struct tdg_map_policy *policy, struct tdg_map_result *out)
{
	const uint64_t half = shared ? td->shared : 0;
	struct tdg_map_result r = {.stop = TDG_MAP_BAD_RANGE, .reached = start};
	int err = -EINVAL;

	if (guest_range_valid(td, start, size)) {
		r.reached = gpa(start.v | half);
		r.stop = map(vcpu, policy ? policy : &default_policy, start.v | half,
			     (start.v | half) + size, &r);
		r.reached = gpa(r.reached.v - half);
		err = r.stop == TDG_MAP_DONE ? 0 : -EIO;
	}
	if (out)
		*out = r;
	return err;
}
