/* SPDX-License-Identifier: MIT */
/* The host's memory: who may hand out which page, and which may never be handed out again.
 *
 * Pages are free or in use; a page that the module would not give back is quarantined. 4K pages
 * and 2M blocks come from the same memory: blocks are split when pages run out. One lock; vCPUs
 * keep small caches in front of it (struct page_cache). */
#ifndef VMM_PAGES_H
#define VMM_PAGES_H

#include <pthread.h>
#include <swtdx/host.h>

enum { PAGE_CACHE_SIZE = 64 };

struct pages {
	pthread_mutex_t lock;
	struct page_run {
		uint64_t base, end; /* a range of the memory map */
		uint64_t at;	    /* below: handed out or on the lists; above: untouched */
	} run[TDX_MAX_CMRS];
	unsigned nruns;
	uint64_t *page, *block; /* free 4K pages and 2M blocks */
	uint64_t npage, maxpage, nblock, maxblock;
	uint64_t free_pages, used_pages, quarantined;
	struct page_loan {
		uint64_t pa, n;
	} * loan; /* what users have, by address, and must give back as they got it */
	size_t nloans, maxloans;
	uint64_t fail_in; /* the nth request from now finds no memory; 0: none will */
};

struct page_cache {
	unsigned n;
	uint64_t page[PAGE_CACHE_SIZE];
};

/* 0 or -ENOMEM. */
int pages_init(struct pages *p, const struct tdx_range *memory, unsigned nranges);
void pages_destroy(struct pages *p);

/* Make the nth request fail, once. */
void pages_fail(struct pages *p, uint64_t nth);

/* 0 when there is none; a page never is at 0. */
uint64_t pages_get(struct pages *p);
uint64_t pages_get_block(struct pages *p);				/* 2M, aligned */
uint64_t pages_get_run(struct pages *p, uint64_t size, uint64_t align); /* contiguous */
void pages_put(struct pages *p, uint64_t pa);
void pages_put_many(struct pages *p, const uint64_t *pa, unsigned n);
void pages_put_block(struct pages *p, uint64_t pa);
void pages_put_run(struct pages *p, uint64_t pa, uint64_t size);
/* n pages, contiguous, for somebody who may err about them when he gives them back. 0: none. */
uint64_t pages_lend(struct pages *p, uint64_t n);
/* False: not so lent. */
bool pages_put_lent(struct pages *p, uint64_t pa, uint64_t n);
/* n pages the module still has, or may: in no list, so lost for good. */
void pages_quarantine(struct pages *p, uint64_t n);

/* At least `want` pages in the cache. False: memory is out. */
bool page_cache_fill(struct pages *p, struct page_cache *c, unsigned want);
uint64_t page_cache_get(struct page_cache *c);
void page_cache_put(struct pages *p, struct page_cache *c, uint64_t pa);
void page_cache_drain(struct pages *p, struct page_cache *c);

#endif
