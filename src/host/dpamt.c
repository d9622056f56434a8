/* SPDX-License-Identifier: MIT */
/* Dynamic PAMT: the 512 4K entries of a 2M range are in memory only while one of its pages is the
 * module's, in a pair of pages that the host lends for as long.
 *
 * A word a range counts the pages that need the entries. Whoever brings the first, or takes the
 * last, has the word LOCKED while the module is asked; ranges do not wait for each other. A pair
 * that the module would not give back stays with it, and the next page finds it there. */
#include "host/call.h"
#include "host/errno.h"
#include "host/internal.h"

#define PRESENT (1u << 31) /* the module has the pair */
#define LOCKED	(1u << 30)

enum { PAGES_OF_A_RANGE = 512 };

static uint32_t *word_of(const struct host_state *h, hpa_t page)
{
	for (unsigned i = 0; i < h->ntdmrs; i++)
		if (page.v - h->tdmr[i].base.v < h->tdmr[i].size)
			return &h->tdmr[i].users[(page.v - h->tdmr[i].base.v) / TDX_SIZE_2M];
	return NULL;
}

static uint64_t range_of(hpa_t page)
{
	return page.v & ~(TDX_SIZE_2M - 1);
}

/* From a value that settled() gave: what it is instead may be LOCKED, so it is not told. */
static bool change(uint32_t *word, uint32_t old, uint32_t new)
{
	return __atomic_compare_exchange_n(word, &old, new, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_ACQUIRE);
}

static void settle(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

/* What it says when nobody adds or removes the pair. */
static uint32_t settled(const uint32_t *word)
{
	uint32_t value;

	while ((value = __atomic_load_n(word, __ATOMIC_ACQUIRE)) & LOCKED)
		__builtin_ia32_pause();
	return value;
}

/* One more user of the range: true, or nobody has the pair, and the word is locked. */
static bool is_shared(uint32_t *word)
{
	for (;;) {
		const uint32_t old = settled(word);

		if (change(word, old, old & PRESENT ? old + 1 : LOCKED))
			return old & PRESENT;
	}
}

/* One less: how many there were. At 1 the word is locked, at 0 there is nothing to give back. */
static uint32_t was_used(uint32_t *word)
{
	for (;;) {
		const uint32_t old = settled(word), users = old & ~PRESENT;

		if (!users || change(word, old, users > 1 ? old - 1 : PRESENT | LOCKED))
			return users;
	}
}

bool tdx_host_has_dynamic_pamt(const struct tdx_host *host)
{
	return host_of_const(host)->dynamic_pamt;
}

uint64_t tdx_host_pamt_size(const struct tdx_host *host)
{
	const struct host_state *h = host_of_const(host);
	uint64_t size = __atomic_load_n(&h->pairs, __ATOMIC_RELAXED) * 2 * TDX_PAGE_SIZE;

	for (unsigned i = 0; i < h->npamts; i++)
		size += host_pamt_size(&h->tdmr[i]);
	return size;
}

int tdx_host_pamt_pair_alloc(const struct tdx_host_allocator *mem, struct tdx_pamt_pair *pair)
{
	for (unsigned i = 0; i < 2; i++) {
		pair->page[i] = mem->alloc(mem->ctx, TDX_PAGE_SIZE, TDX_PAGE_SIZE, hpa(0));
		if (pair->page[i].v != ~0ull)
			continue;
		if (i)
			mem->free(mem->ctx, pair->page[0], TDX_PAGE_SIZE);
		return -ENOMEM;
	}
	return 0;
}

void tdx_host_pamt_pair_free(const struct tdx_host_allocator *mem, const struct tdx_pamt_pair *pair)
{
	for (unsigned i = 0; i < 2; i++)
		mem->free(mem->ctx, pair->page[i], TDX_PAGE_SIZE);
}

/* The module wrote the pair under the global KeyID: nothing of that may be left in a cache. */
static struct tdx_status clean(const struct tdx_host *host, const struct tdx_cpu *cpu,
			       const struct tdx_pamt_pair *pair)
{
	struct tdx_status s = tdx_success();

	for (unsigned i = 0; i < 2 && tdx_is_success(s); i++) {
		s = host_wbinvd_global(host, cpu, pair->page[i]);
		if (tdx_is_success(s))
			tdx_host_reset_pages(host, cpu, pair->page[i], TDX_PAGE_SIZE);
	}
	return s;
}

static struct tdx_status add(const struct tdx_cpu *cpu, hpa_t page,
			     const struct tdx_pamt_pair *pair)
{
	struct tdx_regs r;

	for (unsigned i = 0; i < 2; i++)
		host_hand_over(cpu, pair->page[i], TDX_LEVEL_4K);
	return host_call3(cpu, TDH_PHYMEM_PAMT_ADD, range_of(page) | TDX_LEVEL_2M, pair->page[0].v,
			  pair->page[1].v, &r);
}

int tdx_host_pamt_get(struct tdx_host *host, const struct tdx_cpu *cpu, tdx_hpa_t page,
		      const struct tdx_host_allocator *mem, struct tdx_status *why)
{
	struct host_state *h = host_of(host);
	struct tdx_pamt_pair pair;
	struct tdx_status s;
	uint32_t *word;

	*why = tdx_success();
	if (!h->dynamic_pamt)
		return 0;
	word = word_of(h, page);
	if (!word)
		return -EINVAL;
	if (is_shared(word))
		return 0;
	if (tdx_host_pamt_pair_alloc(mem, &pair)) {
		settle(word, 0);
		return -ENOMEM;
	}
	s = add(cpu, page, &pair);
	if (tdx_is_success(s)) {
		__atomic_fetch_add(&h->pairs, 1, __ATOMIC_RELAXED);
		settle(word, PRESENT | 1);
		return 0;
	}
	settle(word, 0);
	tdx_host_pamt_pair_free(mem, &pair);
	*why = s;
	return -EIO;
}

int tdx_host_pamt_put(struct tdx_host *host, const struct tdx_cpu *cpu, tdx_hpa_t page,
		      const struct tdx_host_allocator *mem, struct tdx_status *why)
{
	struct host_state *h = host_of(host);
	struct tdx_pamt_pair pair;
	struct tdx_regs r;
	struct tdx_status s;
	uint32_t *word, users;

	*why = tdx_success();
	if (!h->dynamic_pamt)
		return 0;
	word = word_of(h, page);
	if (!word)
		return -EINVAL;
	users = was_used(word);
	if (users != 1)
		return users ? 0 : -EINVAL; /* never got */
	s = host_call3(cpu, TDH_PHYMEM_PAMT_REMOVE, range_of(page) | TDX_LEVEL_2M, 0, 0, &r);
	if (!tdx_is_success(s)) {
		settle(word, PRESENT); /* the pair stays there, for the next user of the range */
		*why = s;
		return -EIO;
	}
	pair = (struct tdx_pamt_pair){{hpa(r.rdx), hpa(r.r8)}};
	__atomic_fetch_sub(&h->pairs, 1, __ATOMIC_RELAXED);
	s = clean(host, cpu, &pair);
	settle(word, 0);
	if (!tdx_is_success(s)) {
		*why = s; /* the pages are lost on purpose */
		return -EIO;
	}
	tdx_host_pamt_pair_free(mem, &pair);
	return 0;
}

void tdx_host_pamt_demoted(struct tdx_host *host, tdx_hpa_t page)
{
	struct host_state *h = host_of(host);
	uint32_t *word = h->dynamic_pamt ? word_of(h, page) : NULL;

	if (!word)
		return;
	__atomic_fetch_add(&h->pairs, 1, __ATOMIC_RELAXED);
	settle(word, PRESENT | PAGES_OF_A_RANGE);
}

struct tdx_status tdx_host_pamt_promoted(struct tdx_host *host, const struct tdx_cpu *cpu,
					 tdx_hpa_t page, const struct tdx_mem_result *promote,
					 const struct tdx_host_allocator *mem)
{
	struct host_state *h = host_of(host);
	uint32_t *word = h->dynamic_pamt ? word_of(h, page) : NULL;
	struct tdx_pamt_pair pair = {{hpa(promote->raw.r12), hpa(promote->raw.r13)}};
	struct tdx_status s;

	if (!word)
		return tdx_success();
	__atomic_fetch_sub(&h->pairs, 1, __ATOMIC_RELAXED);
	settle(word, 0);
	s = clean(host, cpu, &pair);
	if (tdx_is_success(s))
		tdx_host_pamt_pair_free(mem, &pair);
	return s;
}
