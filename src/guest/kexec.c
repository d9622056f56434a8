/* SPDX-License-Identifier: MIT */
/* A kernel goes, another comes: no page may be left shared, because the next one takes all memory
 * for private. First no conversion begins any more and those under way end; then every shared page
 * that the page tables know is made private again, and as many must be found as have been shared.
 */
#include "guest/call.h"
#include "guest/errno.h"
#include "guest/kexec.h"

#define STOPPED (1u << 31)

int guest_conversion_begin(struct tdg_conversions *c)
{
	uint32_t old;

	if (!c)
		return 0;
	old = __atomic_load_n(&c->state, __ATOMIC_RELAXED);
	do {
		if (old & STOPPED)
			return -EBUSY;
	} while (!__atomic_compare_exchange_n(&c->state, &old, old + 1, false, __ATOMIC_ACQUIRE,
					      __ATOMIC_RELAXED));
	return 0;
}

void guest_conversion_end(struct tdg_conversions *c, int64_t pages)
{
	if (!c)
		return;
	__atomic_fetch_add(&c->shared_pages, (uint64_t)pages, __ATOMIC_RELAXED);
	__atomic_fetch_sub(&c->state, 1, __ATOMIC_RELEASE);
}

int tdg_kexec_begin(const struct tdg_port *vcpu, struct tdg_conversions *c, bool crash)
{
	__atomic_fetch_or(&c->state, STOPPED, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(&c->state, __ATOMIC_ACQUIRE) != STOPPED) {
		if (crash) /* who was in the middle may never run again */
			return -EBUSY;
		vcpu->ops->relax(vcpu);
	}
	return 0;
}

/* The range is in no page table any more. */
static int take_back(const struct tdg_port *vcpu, const struct tdg_td *td, gpa_t start,
		     uint64_t size, const struct tdg_convert_policy *p,
		     struct tdg_convert_result *r)
{
	int err = guest_range_valid(td, start, size)
			  ? tdg_map_gpa(vcpu, td, start, size, false, &p->map, &r->map)
			  : -EINVAL;

	return err ? err : tdg_accept(vcpu, start, size, &p->accept, &r->accept);
}

int tdg_kexec_finish(const struct tdg_port *vcpu, const struct tdg_td *td,
		     const struct tdg_memory *mm, struct tdg_conversions *c,
		     const struct tdg_convert_policy *policy, struct tdg_kexec_result *out)
{
	static const struct tdg_convert_policy usual = TDG_CONVERT_POLICY_DEFAULT;
	struct tdg_kexec_result r = {.expected =
					     __atomic_load_n(&c->shared_pages, __ATOMIC_RELAXED)};
	gpa_t from = {0}, start;
	uint64_t size;

	while (mm->unmap_shared(mm->ctx, from, &start, &size) && start.v >= from.v && size &&
	       size <= td->shared && start.v < td->shared) {
		r.found += size / TDX_PAGE_SIZE;
		if (take_back(vcpu, td, start, size, policy ? policy : &usual, &r.last)) {
			r.failed += size / TDX_PAGE_SIZE;
			r.failed_at = start;
		}
		from.v = start.v + size;
	}
	mm->flush(mm->ctx, gpa(0), td->shared);
	if (out)
		*out = r;
	return r.failed || r.found != r.expected ? -EIO : 0;
}
