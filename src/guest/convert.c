/* SPDX-License-Identifier: MIT */
/* Pages between private and shared: the order of page tables, host and acceptance.
 *
 * Private to shared: flush, page tables, flush, host. Shared to private: host, acceptance, page
 * tables, flush. So a shared mapping may for a moment meet a private page, which is a #VE that can
 * be told; a private mapping never meets a shared page. After a failure nobody knows which pages
 * the host has: the range is leaked. */
#include "guest/call.h"
#include "guest/errno.h"
#include "guest/kexec.h"

static const struct tdg_convert_policy default_policy = TDG_CONVERT_POLICY_DEFAULT;

typedef int convert_fn(const struct tdg_port *vcpu, const struct tdg_td *td,
		       const struct tdg_memory *mm, gpa_t start, uint64_t size,
		       const struct tdg_convert_policy *p, struct tdg_convert_result *r);

static int to_shared(const struct tdg_port *vcpu, const struct tdg_td *td,
		     const struct tdg_memory *mm, gpa_t start, uint64_t size,
		     const struct tdg_convert_policy *p, struct tdg_convert_result *r)
{
	int err;

	mm->flush(mm->ctx, start, size);
	err = mm->set_shared(mm->ctx, start, size, true);
	if (err)
		return err;
	mm->flush(mm->ctx, start, size);
	return tdg_map_gpa(vcpu, td, start, size, true, &p->map, &r->map);
}

static int to_private(const struct tdg_port *vcpu, const struct tdg_td *td,
		      const struct tdg_memory *mm, gpa_t start, uint64_t size,
		      const struct tdg_convert_policy *p, struct tdg_convert_result *r)
{
	int err = tdg_map_gpa(vcpu, td, start, size, false, &p->map, &r->map);

	if (!err)
		err = tdg_accept(vcpu, start, size, &p->accept, &r->accept);
	if (!err)
		err = mm->set_shared(mm->ctx, start, size, false);
	if (!err)
		mm->flush(mm->ctx, start, size);
	return err;
}

/* To a caller -EINVAL and -EFAULT say that nothing was done; the kernel's functions return what
 * they like. */
static int something_done(int err)
{
	return err == -EINVAL || err == -EFAULT ? -EIO : err;
}

static int convert(const struct tdg_port *vcpu, const struct tdg_td *td,
		   const struct tdg_memory *mm, gpa_t start, uint64_t size,
		   const struct tdg_convert_policy *policy, struct tdg_convert_result *out,
		   convert_fn *fn)
{
	struct tdg_convert_result r = {.map = {.stop = TDG_MAP_BAD_RANGE, .reached = start}};
	int err = -EINVAL;

	if (guest_range_valid(td, start, size))
		err = guest_conversion_begin(mm->conversions);
	if (!err) {
		int64_t pages = (int64_t)(size / TDX_PAGE_SIZE);

		err = fn(vcpu, td, mm, start, size, policy ? policy : &default_policy, &r);
		guest_conversion_end(mm->conversions, err ? 0 : fn == to_shared ? pages : -pages);
		if (err) {
			mm->leak(mm->ctx, start, size);
			r.leaked = true;
			err = something_done(err);
		}
	}
	if (out)
		*out = r;
	return err;
}

int tdg_share(const struct tdg_port *vcpu, const struct tdg_td *td, const struct tdg_memory *mm,
	      gpa_t start, uint64_t size, const struct tdg_convert_policy *policy,
	      struct tdg_convert_result *out)
{
	return convert(vcpu, td, mm, start, size, policy, out, to_shared);
}

int tdg_unshare(const struct tdg_port *vcpu, const struct tdg_td *td, const struct tdg_memory *mm,
		gpa_t start, uint64_t size, const struct tdg_convert_policy *policy,
		struct tdg_convert_result *out)
{
	return convert(vcpu, td, mm, start, size, policy, out, to_private);
}

/* The consecutive pages that begin at gla: their GPA and size, 0 when it is not mapped. */
static uint64_t run_at(const struct tdg_port *vcpu, uint64_t gla, uint64_t left, gpa_t *start)
{
	uint64_t size = TDX_PAGE_SIZE;
	gpa_t next;

	if (!vcpu->ops->gpa_of(vcpu, gla, start))
		return 0;
	while (size < left && vcpu->ops->gpa_of(vcpu, gla + size, &next) &&
	       next.v == start->v + size)
		size += TDX_PAGE_SIZE;
	return size;
}

static void leak_buffer(const struct tdg_port *vcpu, const struct tdg_memory *mm, uint64_t gla,
			uint64_t size)
{
	uint64_t run;
	gpa_t start;

	for (uint64_t at = 0; at < size; at += run) {
		run = run_at(vcpu, gla + at, size - at, &start);
		if (run)
			mm->leak(mm->ctx, start, run);
		else
			run = TDX_PAGE_SIZE; /* unmapped meanwhile: nobody can use it either */
	}
}

int tdg_share_buffer(const struct tdg_port *vcpu, const struct tdg_td *td,
		     const struct tdg_memory *mm, uint64_t gla, uint64_t size, bool shared,
		     const struct tdg_convert_policy *policy)
{
	uint64_t run;
	gpa_t start;

	if (!size || !guest_page_aligned(gla | size) || gla + size < gla)
		return -EINVAL;
	for (uint64_t at = 0; at < size; at += run) {
		run = run_at(vcpu, gla + at, size - at, &start);
		if (!run || !guest_range_valid(td, start, run))
			return -EFAULT;
	}
	for (uint64_t at = 0; at < size; at += run) {
		struct tdg_convert_result r = {.leaked = false};
		int err = -EFAULT;

		run = run_at(vcpu, gla + at, size - at, &start);
		if (run)
			err = convert(vcpu, td, mm, start, run, policy, &r,
				      shared ? to_shared : to_private);
		if (!err)
			continue;
		if (err == -EBUSY && !at && !r.leaked)
			return err; /* conversions are stopped, and none was made */
		/* One buffer, one fate: the other pages are lost with this run. */
		leak_buffer(vcpu, mm, gla, at);
		if (run && !r.leaked)
			mm->leak(mm->ctx, start, run);
		if (run)
			leak_buffer(vcpu, mm, gla + at + run, size - at - run);
		return something_done(err);
	}
	return 0;
}
