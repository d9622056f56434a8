/* SPDX-License-Identifier: MIT */
/* The checks TDH.SYS.CONFIG makes of each TDMR_INFO, and their error details.
 *
 * In order: the TDMR, its reserved areas, its PAMT areas (addresses, overlap with other PAMTs, with
 * usable memory, inside CMRs), and that usable memory is inside CMRs. Sums are checked for overflow
 * before they are relied on. */
#include "module/tdmr.h"

enum { PAMT_4K, PAMT_2M, PAMT_1G, PAMT_KINDS };

struct range {
	uint64_t start, end; /* end is the first byte after it */
};

static struct tdx_status error1(uint64_t code, unsigned n)
{
	return tdx_error_bytes(code, (uint8_t)n, 0, 0, 0);
}

static bool overflows(uint64_t base, uint64_t size)
{
	return base + size < base;
}

static bool overlap(struct range a, struct range b)
{
	return a.start < b.end && b.start < a.end;
}

static struct range pamt(const struct tdx_tdmr_info *t, unsigned kind)
{
	switch (kind) {
	case PAMT_4K:
		return (struct range){t->pamt_4k_base, t->pamt_4k_base + t->pamt_4k_size};
	case PAMT_2M:
		return (struct range){t->pamt_2m_base, t->pamt_2m_base + t->pamt_2m_size};
	default:
		return (struct range){t->pamt_1g_base, t->pamt_1g_base + t->pamt_1g_size};
	}
}

/* No KeyID bits, nothing above what an entry of a page table holds. */
static bool plain(const struct module *mod, uint64_t pa)
{
	return pa >> HPA_BITS == 0 && !(pa & mod->hkid_mask);
}

/* CMRs that touch count as one. */
static bool in_cmr(const struct module *mod, struct range r)
{
	const struct machine_config *cfg = &mod->m->cfg;
	struct range last = {0, 0};

	for (unsigned i = 0; i < cfg->ncmr; i++) {
		struct range c = {cfg->cmr[i].base, cfg->cmr[i].base + cfg->cmr[i].size};

		if (!cfg->cmr[i].size)
			continue;
		if (c.start == last.end)
			c.start = last.start;
		if (r.start >= c.start && r.end <= c.end)
			return true;
		last = c;
	}
	return false;
}

/* The n-th stretch of the TDMR that is not reserved; false after the last. Reserved areas are known
 * to be in order and inside. */
static bool usable(const struct tdx_tdmr_info *t, unsigned *area, uint64_t *from, struct range *r)
{
	uint64_t end = t->base + t->size;

	while (*from < end) {
		uint64_t hole = end, after = end;

		if (*area < TDX_MAX_RESERVED_AREAS && t->reserved[*area].size) {
			hole = t->base + t->reserved[*area].offset;
			after = hole + t->reserved[*area].size;
			++*area;
		}
		*r = (struct range){*from, hole};
		*from = after;
		if (r->start != r->end)
			return true;
	}
	return false;
}

static bool overlaps_usable(const struct tdx_tdmr_info *t, struct range area)
{
	uint64_t from = t->base;
	unsigned i = 0;
	struct range r;

	while (usable(t, &i, &from, &r))
		if (overlap(area, r))
			return true;
	return false;
}

static struct tdx_status check_bounds(const struct module *mod, const struct tdx_tdmr_info *info,
				      unsigned n)
{
	const struct tdx_tdmr_info *t = &info[n];

	if (overflows(t->base, t->size))
		return error1(TDX_INVALID_TDMR, n);
	if (n && (t->base < t[-1].base || t->base < t[-1].base + t[-1].size))
		return error1(TDX_NON_ORDERED_TDMR, n);
	if ((t->base | t->size) & (TDX_SIZE_1G - 1) || !t->size || !plain(mod, t->base) ||
	    !plain(mod, t->base + t->size - 1))
		return error1(TDX_INVALID_TDMR, n);
	return tdx_success();
}

static struct tdx_status check_reserved(const struct tdx_tdmr_info *t, unsigned n)
{
	for (unsigned j = 0; j < TDX_MAX_RESERVED_AREAS; j++) {
		struct tdx_status unordered = tdx_error_bytes(TDX_NON_ORDERED_RESERVED_IN_TDMR,
							      (uint8_t)n, (uint8_t)j, 0, 0);
		struct tdx_status invalid =
			tdx_error_bytes(TDX_INVALID_RESERVED_IN_TDMR, (uint8_t)n, (uint8_t)j, 0, 0);
		uint64_t offset = t->reserved[j].offset, size = t->reserved[j].size;

		if (!size) {
			if (j + 1 < TDX_MAX_RESERVED_AREAS && t->reserved[j + 1].size)
				return unordered;
			continue;
		}
		if (overflows(offset, size))
			return invalid;
		if (j && offset < t->reserved[j - 1].offset + t->reserved[j - 1].size)
			return unordered;
		if ((offset | size) & (TDX_PAGE_SIZE - 1))
			return invalid;
		if (overflows(t->base, offset) || overflows(t->base + offset, size) ||
		    offset + size > t->size)
			return invalid;
	}
	return tdx_success();
}

static bool pamt_valid(const struct module *mod, uint64_t base, uint64_t size, uint64_t needed)
{
	return !overflows(base, size) && !((base | size) & (TDX_PAGE_SIZE - 1)) &&
	       plain(mod, base) && plain(mod, base + size - 1) && size >= needed;
}

static struct tdx_status check_pamt_sizes(const struct module *mod, const struct tdx_tdmr_info *t,
					  unsigned n)
{
	static const uint8_t order[PAMT_KINDS] = {PAMT_1G, PAMT_2M, PAMT_4K};

	for (unsigned i = 0; i < PAMT_KINDS; i++) {
		unsigned k = order[i];
		struct range r = pamt(t, k);
		uint64_t needed =
			t->size / tdx_level_size((enum tdx_level)k) * sizeof(struct pamt_entry);

		if (k == PAMT_4K && mod->dynamic_pamt)
			needed = t->size / TDX_PAGE_SIZE / 8;
		if (!pamt_valid(mod, r.start, r.end - r.start, needed))
			return tdx_error_bytes(TDX_INVALID_PAMT, (uint8_t)n, (uint8_t)k, 0, 0);
	}
	return tdx_success();
}

static struct tdx_status pamt_overlap(unsigned owner, unsigned kind, unsigned other)
{
	return tdx_error_bytes(TDX_PAMT_OVERLAP, (uint8_t)owner, (uint8_t)kind, (uint8_t)other, 0);
}

static struct tdx_status check_pamts_apart(const struct tdx_tdmr_info *info, unsigned n)
{
	for (unsigned j = 0; j < n; j++)
		for (unsigned k = 0; k < PAMT_KINDS; k++)
			for (unsigned other = 0; other < PAMT_KINDS; other++)
				if (overlap(pamt(&info[n], k), pamt(&info[j], other)))
					return pamt_overlap(n, k, j);
	for (unsigned k = 0; k < PAMT_KINDS; k++)
		for (unsigned other = k + 1; other < PAMT_KINDS; other++)
			if (overlap(pamt(&info[n], k), pamt(&info[n], other)))
				return pamt_overlap(n, k, n);
	return tdx_success();
}

/* PAMTs may lie in holes of any TDMR, in usable memory of none. */
static struct tdx_status check_pamts_not_usable(const struct tdx_tdmr_info *info, unsigned n)
{
	for (unsigned j = 0; j <= n; j++) {
		for (unsigned k = 0; k < PAMT_KINDS; k++)
			if (overlaps_usable(&info[j], pamt(&info[n], k)))
				return pamt_overlap(n, k, j);
		for (unsigned k = 0; j < n && k < PAMT_KINDS; k++)
			if (overlaps_usable(&info[n], pamt(&info[j], k)))
				return pamt_overlap(j, k, n);
	}
	return tdx_success();
}

static struct tdx_status check_pamts_in_cmrs(const struct module *mod,
					     const struct tdx_tdmr_info *t, unsigned n)
{
	static const uint8_t order[PAMT_KINDS] = {PAMT_1G, PAMT_2M, PAMT_4K};

	for (unsigned i = 0; i < PAMT_KINDS; i++)
		if (!in_cmr(mod, pamt(t, order[i])))
			return tdx_error_bytes(TDX_PAMT_OUTSIDE_CMRS, (uint8_t)n, order[i], 0, 0);
	return tdx_success();
}

static struct tdx_status check_usable_in_cmrs(const struct module *mod,
					      const struct tdx_tdmr_info *t, unsigned n)
{
	uint64_t from = t->base;
	unsigned i = 0;
	struct range r;

	while (usable(t, &i, &from, &r))
		if (!in_cmr(mod, r))
			return error1(TDX_TDMR_OUTSIDE_CMRS, n);
	return tdx_success();
}

struct tdx_status tdmr_check(const struct module *mod, const struct tdx_tdmr_info *info, unsigned n)
{
	struct tdx_status s = check_bounds(mod, info, n);

	if (tdx_is_success(s))
		s = check_reserved(&info[n], n);
	if (tdx_is_success(s))
		s = check_pamt_sizes(mod, &info[n], n);
	if (tdx_is_success(s))
		s = check_pamts_apart(info, n);
	if (tdx_is_success(s))
		s = check_pamts_not_usable(info, n);
	if (tdx_is_success(s))
		s = check_pamts_in_cmrs(mod, &info[n], n);
	if (tdx_is_success(s))
		s = check_usable_in_cmrs(mod, &info[n], n);
	return s;
}

void tdmr_set(struct tdmr *t, const struct tdx_tdmr_info *info)
{
	*t = (struct tdmr){
		.base = info->base,
		.size = info->size,
		.last_initialized = info->base,
		.pamt_1g_base = info->pamt_1g_base,
		.pamt_2m_base = info->pamt_2m_base,
		.pamt_4k_base = info->pamt_4k_base,
	};
	while (t->num_rsvd < TDX_MAX_RESERVED_AREAS && info->reserved[t->num_rsvd].size) {
		t->rsvd[t->num_rsvd] = (struct machine_range){info->reserved[t->num_rsvd].offset,
							      info->reserved[t->num_rsvd].size};
		t->num_rsvd++;
	}
}
