/* SPDX-License-Identifier: MIT */
/* The host's memory. */
#include "vmm/pages.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK TDX_SIZE_2M

int pages_init(struct pages *p, const struct tdx_range *memory, unsigned nranges)
{
	memset(p, 0, sizeof(*p));
	for (unsigned i = 0; i < nranges && p->nruns < TDX_MAX_CMRS; i++) {
		uint64_t base = (memory[i].base.v + TDX_PAGE_SIZE - 1) & ~(TDX_PAGE_SIZE - 1);
		uint64_t end = (memory[i].base.v + memory[i].size) & ~(TDX_PAGE_SIZE - 1);

		base = base ? base : TDX_PAGE_SIZE;
		if (base >= end)
			continue;
		p->run[p->nruns++] = (struct page_run){base, end, base};
		p->maxpage += (end - base) / TDX_PAGE_SIZE;
		p->maxblock += (end - base) / BLOCK;
		p->free_pages += (end - base) / TDX_PAGE_SIZE;
	}
	p->page = malloc((p->maxpage + 1) * sizeof(*p->page));
	p->block = malloc((p->maxblock + 1) * sizeof(*p->block));
	if (!p->page || !p->block) {
		free(p->page);
		free(p->block);
		return -ENOMEM;
	}
	pthread_mutex_init(&p->lock, NULL);
	return 0;
}

void pages_destroy(struct pages *p)
{
	pthread_mutex_destroy(&p->lock);
	free(p->page);
	free(p->block);
	free(p->loan);
}

void pages_fail(struct pages *p, uint64_t nth)
{
	pthread_mutex_lock(&p->lock);
	p->fail_in = nth;
	pthread_mutex_unlock(&p->lock);
}

/* Is this the request that is to fail? */
static bool fails(struct pages *p)
{
	return p->fail_in && --p->fail_in == 0;
}

static void account(struct pages *p, uint64_t n)
{
	p->free_pages -= n;
	p->used_pages += n;
}

/* Untouched memory, `align`ed; what is skipped goes to the lists. 0: none. */
static uint64_t carve(struct pages *p, uint64_t size, uint64_t align)
{
	for (unsigned i = p->nruns; i-- > 0;) {
		struct page_run *r = &p->run[i];
		uint64_t at = (r->at + align - 1) & ~(align - 1);

		if (at > r->end || r->end - at < size)
			continue;
		for (; r->at < at; r->at += TDX_PAGE_SIZE)
			p->page[p->npage++] = r->at;
		r->at = at + size;
		return at;
	}
	return 0;
}

static uint64_t get_block(struct pages *p)
{
	return p->nblock ? p->block[--p->nblock] : carve(p, BLOCK, BLOCK);
}

static uint64_t get_page(struct pages *p)
{
	if (!p->npage) {
		uint64_t block = get_block(p);

		/* Highest first, so that they are handed out in ascending order. */
		for (uint64_t a = block + BLOCK; block && a > block;)
			p->page[p->npage++] = a -= TDX_PAGE_SIZE;
	}
	return p->npage ? p->page[--p->npage] : carve(p, TDX_PAGE_SIZE, TDX_PAGE_SIZE);
}

uint64_t pages_get(struct pages *p)
{
	uint64_t pa;

	pthread_mutex_lock(&p->lock);
	pa = fails(p) ? 0 : get_page(p);
	account(p, pa ? 1 : 0);
	pthread_mutex_unlock(&p->lock);
	return pa;
}

uint64_t pages_get_block(struct pages *p)
{
	uint64_t pa;

	pthread_mutex_lock(&p->lock);
	pa = fails(p) ? 0 : get_block(p);
	account(p, pa ? BLOCK / TDX_PAGE_SIZE : 0);
	pthread_mutex_unlock(&p->lock);
	return pa;
}

uint64_t pages_get_run(struct pages *p, uint64_t size, uint64_t align)
{
	uint64_t pa;

	pthread_mutex_lock(&p->lock);
	pa = fails(p) ? 0 : carve(p, size, align);
	account(p, pa ? size / TDX_PAGE_SIZE : 0);
	pthread_mutex_unlock(&p->lock);
	return pa;
}

/* How many loans begin at pa or below. */
static size_t loans_to(const struct pages *p, uint64_t pa)
{
	size_t low = 0, high = p->nloans;

	while (low < high) {
		const size_t mid = low + (high - low) / 2;

		if (p->loan[mid].pa <= pa)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static bool is_lent(const struct pages *p, uint64_t pa)
{
	const size_t i = p->nloans ? loans_to(p, pa) : 0;

	return i && pa - p->loan[i - 1].pa < p->loan[i - 1].n * TDX_PAGE_SIZE;
}

/* What a user has is not ours to hand out, whoever is done with it. */
static void put_page(struct pages *p, uint64_t pa)
{
	if (is_lent(p, pa))
		return;
	p->page[p->npage++] = pa;
	p->free_pages++;
	p->used_pages--;
}

void pages_put(struct pages *p, uint64_t pa)
{
	pthread_mutex_lock(&p->lock);
	put_page(p, pa);
	pthread_mutex_unlock(&p->lock);
}

void pages_put_many(struct pages *p, const uint64_t *pa, unsigned n)
{
	pthread_mutex_lock(&p->lock);
	while (n) /* the first comes out first */
		put_page(p, pa[--n]);
	pthread_mutex_unlock(&p->lock);
}

void pages_put_block(struct pages *p, uint64_t pa)
{
	pthread_mutex_lock(&p->lock);
	p->block[p->nblock++] = pa;
	p->free_pages += BLOCK / TDX_PAGE_SIZE;
	p->used_pages -= BLOCK / TDX_PAGE_SIZE;
	pthread_mutex_unlock(&p->lock);
}

void pages_put_run(struct pages *p, uint64_t pa, uint64_t size)
{
	pthread_mutex_lock(&p->lock);
	for (uint64_t a = pa + size; a > pa;)
		put_page(p, a -= TDX_PAGE_SIZE);
	pthread_mutex_unlock(&p->lock);
}

static bool room_for_a_loan(struct pages *p)
{
	size_t max = p->maxloans ? 2 * p->maxloans : 16;
	struct page_loan *more;

	if (p->nloans < p->maxloans)
		return true;
	more = realloc(p->loan, max * sizeof(*more));
	if (!more)
		return false;
	p->loan = more;
	p->maxloans = max;
	return true;
}

uint64_t pages_lend(struct pages *p, uint64_t n)
{
	uint64_t pa = 0;

	pthread_mutex_lock(&p->lock);
	if (n && n <= p->free_pages && room_for_a_loan(p) && !fails(p))
		pa = n == 1 ? get_page(p) : carve(p, n * TDX_PAGE_SIZE, TDX_PAGE_SIZE);
	if (pa) {
		const size_t i = loans_to(p, pa);

		account(p, n);
		memmove(&p->loan[i + 1], &p->loan[i], (p->nloans++ - i) * sizeof(*p->loan));
		p->loan[i] = (struct page_loan){pa, n};
	}
	pthread_mutex_unlock(&p->lock);
	return pa;
}

bool pages_put_lent(struct pages *p, uint64_t pa, uint64_t n)
{
	bool lent;
	size_t i;

	pthread_mutex_lock(&p->lock);
	i = loans_to(p, pa);
	lent = i && p->loan[i - 1].pa == pa && p->loan[i - 1].n == n;
	if (lent)
		memmove(&p->loan[i - 1], &p->loan[i], (p->nloans-- - i) * sizeof(*p->loan));
	for (uint64_t a = pa + n * TDX_PAGE_SIZE; lent && a > pa;)
		put_page(p, a -= TDX_PAGE_SIZE);
	pthread_mutex_unlock(&p->lock);
	return lent;
}

void pages_quarantine(struct pages *p, uint64_t n)
{
	pthread_mutex_lock(&p->lock);
	p->used_pages -= n;
	p->quarantined += n;
	pthread_mutex_unlock(&p->lock);
}

bool page_cache_fill(struct pages *p, struct page_cache *c, unsigned want)
{
	unsigned had = c->n;
	bool fail;

	if (c->n >= want)
		return true;
	pthread_mutex_lock(&p->lock);
	fail = fails(p);
	while (!fail && (c->n < PAGE_CACHE_SIZE / 2 || c->n < want)) {
		uint64_t pa = get_page(p);

		if (!pa)
			break;
		account(p, 1);
		c->page[c->n++] = pa;
	}
	/* The lowest on top: neighbours are given to neighbours. */
	for (unsigned i = had, k = c->n; i + 1 < k; i++, k--) {
		uint64_t pa = c->page[i];

		c->page[i] = c->page[k - 1];
		c->page[k - 1] = pa;
	}
	pthread_mutex_unlock(&p->lock);
	return c->n >= want;
}

uint64_t page_cache_get(struct page_cache *c)
{
	return c->page[--c->n];
}

void page_cache_put(struct pages *p, struct page_cache *c, uint64_t pa)
{
	if (c->n < PAGE_CACHE_SIZE)
		c->page[c->n++] = pa;
	else
		pages_put(p, pa);
}

void page_cache_drain(struct pages *p, struct page_cache *c)
{
	while (c->n)
		pages_put(p, c->page[--c->n]);
}
