/* SPDX-License-Identifier: MIT */
/* What the PAMT says each TD owns, added up; for the files of the invariant check. */
#ifndef MODULE_INVARIANTS_SUM_H
#define MODULE_INVARIANTS_SUM_H

#include "machine/splitmix.h"
#include "module/td.h"

/* A set of pages as a number: sums of mixed addresses agree only when the sets do. */
struct page_set {
	uint64_t pages4k, fingerprint;
};

struct td_sum {
	uint64_t tdr_pa;
	bool is_tdr; /* the owner has been met as a page of type TDR */
	uint64_t children;
	struct page_set tdcx, ept, reg;
	struct page_set vp_pages; /* TDCX pages the TD's TDVPRs name */
	unsigned vcpus, associated, entered;
	uint64_t last_vcpu_epoch;
};

struct check {
	struct module *mod;
	bool locks;
	char *why;
	size_t len;
	struct td_sum *td;
	unsigned ntd, maxtd;
	uint64_t nodes; /* of dynamic PAMT */
};

bool broken(struct check *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The sum of an owner, made when new; NULL when memory is short. */
struct td_sum *sum_of(struct check *c, uint64_t tdr_pa);

static inline void page_set_add(struct page_set *s, uint64_t pa, enum tdx_level size)
{
	s->fingerprint += splitmix_spread((pa | (uint64_t)size) * SPLITMIX_STEP);
	s->pages4k += tdx_level_size(size) / TDX_PAGE_SIZE;
}

static inline bool page_set_same(const struct page_set *a, const struct page_set *b)
{
	return a->pages4k == b->pages4k && a->fingerprint == b->fingerprint;
}

/* Read the PAMT into sums. */
bool check_pamt(struct check *c);
/* Compare a TD that still has its TDCS with its sum. */
bool check_td(struct check *c, const struct td_sum *sum);

#endif
