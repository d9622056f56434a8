/* SPDX-License-Identifier: MIT */
/* Accepting a range in pages as large as the host made them.
 *
 * Each step tries the largest size that fits and goes down when the host has mapped smaller pages,
 * or when the module accepts no page of that size at all. A page that is accepted already is never
 * passed over: accepting twice is how a host would swap a page with data for one of zeros. */
#include "guest/call.h"
#include "guest/errno.h"

static const struct tdg_accept_policy default_policy = TDG_ACCEPT_POLICY_DEFAULT;

static bool fits(uint64_t at, uint64_t end, enum tdx_level level)
{
	uint64_t size = tdx_level_size(level);

	return !(at & (size - 1)) && size <= end - at;
}

/* One page of one size; busy entries up to max attempts. */
static struct tdx_status try_level(const struct tdg_port *vcpu, uint64_t at, enum tdx_level level,
				   unsigned max_busy, struct tdg_accept_result *r)
{
	for (unsigned tries = 1;; tries++) {
		r->calls[level]++;
		r->status = tdg_mem_page_accept(vcpu, gpa(at), level);
		if (!tdx_is_busy(r->status) || tries >= max_busy)
			return r->status;
		vcpu->ops->relax(vcpu);
	}
}

static int accept(const struct tdg_port *vcpu, uint64_t at, uint64_t end,
		  const struct tdg_accept_policy *p, struct tdg_accept_result *r)
{
	enum tdx_level most = p->max_level < TDX_LEVEL_1G ? p->max_level : TDX_LEVEL_1G;

	while (at < end) {
		enum tdx_level level = most;
		struct tdx_status s;

		while (level > TDX_LEVEL_4K && !fits(at, end, level))
			level--;
		for (;; level--) {
			s = try_level(vcpu, at, level, p->max_busy, r);
			if (level == TDX_LEVEL_4K ||
			    (!tdx_is(s, TDX_PAGE_SIZE_MISMATCH) && !tdx_is(s, TDX_OPERAND_INVALID)))
				break;
			if (tdx_is(s, TDX_OPERAND_INVALID)) /* no such size in this module */
				most = level - 1;
		}
		if (tdx_is(s, TDX_PAGE_ALREADY_ACCEPTED))
			return -EEXIST;
		if (tdx_is_busy(s))
			return -EBUSY;
		if (!tdx_is_success(s))
			return -EIO;
		r->accepted[level]++;
		at += tdx_level_size(level);
		r->reached = gpa(at);
	}
	return 0;
}

int tdg_accept(const struct tdg_port *vcpu, gpa_t start, uint64_t size,
	       const struct tdg_accept_policy *policy, struct tdg_accept_result *out)
{
	struct tdg_accept_result r = {.reached = start};
	int err = -EINVAL;

	if (guest_page_aligned(start.v | size) && size && start.v + size > start.v)
		err = accept(vcpu, start.v, start.v + size, policy ? policy : &default_policy, &r);
	if (out)
		*out = r;
	return err;
}
