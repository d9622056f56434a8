/* SPDX-License-Identifier: MIT */
/* The cache of translated blocks.
 *
 * Each processor has its own blocks. A block is kept by place: the host address of its first byte
 * and the mode, whatever RIP it was reached by, so that every address space that maps a file's page
 * finds the same blocks. What goes in front remembers what linear addresses lead to:
 *
 * - a link between blocks of one page is good as long as the page's bytes are; one between global
 *   pages as long as global mappings are; any other for one address space (cpu->gen_page,
 *   gen_global, gen). When a generation is over, the link's target is compared with what the TLB
 *   says, which is all that a change of address space costs;
 * - the table of jumps, by RIP alone, for one address space, checked again in the same way.
 *
 * Blocks have their bytes with them: after a flush by the embedder each is compared with its page
 * before it is used again. The arena is cut into segments; when all are full, the one that was
 * least asked for lately makes way. */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "x86/xlate.h"

#define PAGE_BITS    14
#define SEGMENT_SIZE (2u << 20)
#define SEGMENTS     48u
/* Generations of global entries are others than those of an address space. */
#define GLOBAL_KEY    (1ull << 63)
#define HASH_LEAST    (1u << 12)
#define FETCH_BITS    12
#define HASH_MULTIPLE 0x9e3779b97f4a7c15ull

/* A place in the table of blocks. Those with one key are found one after the other. */
struct place {
	uint64_t key;		 /* 0: free, and nothing further on */
	struct x86_block *block; /* NULL: no more */
};

struct segment {
	size_t used;
	unsigned asked; /* how often a block of it was looked for */
	struct x86_block *blocks;
};

struct x86_cache {
	uint64_t epoch; /* ends when the embedder flushes */
	uint64_t evictions;
	struct jc_entry jc[1u << JC_BITS];
	struct on_page *pages[1u << PAGE_BITS];
	uint64_t fetched[(1u << FETCH_BITS) / 64]; /* pages, by hash, that code came from */
	struct place *places;
	unsigned hash_bits, filled; /* free places never were */
	unsigned blocks;
	uint8_t *arena;
	struct segment segments[SEGMENTS];
	unsigned segment; /* that is being filled */
	struct x86_tr tr;
};

static uintptr_t page_base(const void *host)
{
	return (uintptr_t)host & ~(uintptr_t)0xfff;
}

static struct on_page **page_list(struct x86_cache *c, uintptr_t page)
{
	return &c->pages[(page >> 12) * HASH_MULTIPLE >> (64 - PAGE_BITS)];
}

/* Bytes of the block on its first page. */
static unsigned first_part(const struct x86_block *b)
{
	const unsigned here = 0x1000u - (unsigned)((uintptr_t)b->host & 0xfff);

	return b->len < here ? b->len : here;
}

/* Segments are large pages, but for the first, as most processors need no more than some of it. */
static uint8_t *map_arena(void)
{
	const size_t size = (size_t)SEGMENTS * SEGMENT_SIZE;
	uint8_t *p = mmap(NULL, size + SEGMENT_SIZE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	size_t before;

	if (p == MAP_FAILED)
		return p;
	before = -(uintptr_t)p & (SEGMENT_SIZE - 1);
	if (before)
		munmap(p, before);
	p += before;
	munmap(p + size, SEGMENT_SIZE - before);
	(void)madvise(p + SEGMENT_SIZE, size - SEGMENT_SIZE, MADV_HUGEPAGE);
	return p;
}

int x86_cache_init(struct x86_cpu *cpu)
{
	struct x86_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->hash_bits = 12;
	c->places = calloc(HASH_LEAST, sizeof(*c->places));
	c->arena = map_arena();
	if (!c->places || c->arena == MAP_FAILED) {
		free(c->places);
		free(c);
		return -ENOMEM;
	}
	cpu->cache = c;
	cpu->jumps = c->jc;
	cpu->gen = cpu->gen_global = cpu->gen_page = 1;
	cpu->jc_key = 1u << 16;
	cpu->jc_key_global = GLOBAL_KEY;
	return 0;
}

void x86_cache_free(struct x86_cpu *cpu)
{
	if (!cpu->cache)
		return;
	munmap(cpu->cache->arena, (size_t)SEGMENTS * SEGMENT_SIZE);
	free(cpu->cache->places);
	free(cpu->cache);
}

/* Look at entries of the table of jumps again before they are used. */
static void doubt_jumps(struct x86_cpu *cpu, bool global)
{
	cpu->jc_key += 1u << 16;
	if (global)
		cpu->jc_key_global += 1u << 16;
}

void x86_new_gen(struct x86_cpu *cpu, bool global)
{
	cpu->gen++;
	if (global) {
		cpu->gen_global++;
		memset(cpu->cache->fetched, 0, sizeof(cpu->cache->fetched));
	}
	doubt_jumps(cpu, global);
}

void x86_cache_doubt(struct x86_cpu *cpu)
{
	cpu->cache->epoch++;
	cpu->gen_page++;
	x86_new_gen(cpu, true);
}

static unsigned fetch_bit(uint64_t la)
{
	return (unsigned)((la >> 12) * HASH_MULTIPLE >> (64 - FETCH_BITS));
}

static void fetched_from(struct x86_cache *c, uint64_t la)
{
	const unsigned bit = fetch_bit(la);

	c->fetched[bit / 64] |= 1ull << bit % 64;
}

void x86_new_gen_at(struct x86_cpu *cpu, uint64_t la)
{
	const unsigned bit = fetch_bit(la);

	if (cpu->cache->fetched[bit / 64] >> bit % 64 & 1)
		x86_new_gen(cpu, true);
}

/* --- the table of blocks --- */

static uint64_t key_of(const void *host, unsigned mode)
{
	return (uint64_t)(uintptr_t)host << 16 | mode;
}

static unsigned slot_of(const struct x86_cache *c, uint64_t key)
{
	return (unsigned)(key * HASH_MULTIPLE >> (64 - c->hash_bits));
}

static void place(struct x86_cache *c, struct x86_block *b)
{
	const uint64_t key = key_of(b->host, b->mode);
	const unsigned mask = (1u << c->hash_bits) - 1;
	unsigned i = slot_of(c, key);

	while (c->places[i].key)
		i = (i + 1) & mask;
	c->places[i] = (struct place){key, b};
	c->filled++;
}

/* Make the table one for so many blocks, without those that are gone. */
static bool rehash(struct x86_cache *c)
{
	struct place *old = c->places;
	const unsigned n = 1u << c->hash_bits;
	unsigned bits = c->hash_bits, i;
	struct place *new;

	while (c->blocks * 2 >= 1u << bits)
		bits++;
	new = calloc(1u << bits, sizeof(*new));
	if (!new)
		return false;
	c->places = new;
	c->hash_bits = bits;
	c->filled = 0;
	for (i = 0; i < n; i++)
		if (old[i].block)
			place(c, old[i].block);
	free(old);
	return true;
}

static void unplace(struct x86_cache *c, const struct x86_block *b)
{
	const unsigned mask = (1u << c->hash_bits) - 1;
	unsigned i = slot_of(c, key_of(b->host, b->mode));

	while (c->places[i].block != b)
		i = (i + 1) & mask;
	c->places[i].block = NULL;
}

/* --- links --- */

static void unlink_one(const struct x86_cpu *cpu, struct x86_link *l)
{
	if (!l->prev_in)
		return;
	*l->prev_in = l->next_in;
	if (l->next_in)
		l->next_in->prev_in = l->prev_in;
	l->prev_in = NULL;
	l->next_in = NULL;
	l->to = NULL;
	l->gen = 0;
	l->code = xl_unlinked(cpu);
}

static void lead(const struct x86_cpu *cpu, struct x86_link *l, struct x86_block *b)
{
	unlink_one(cpu, l);
	l->to = b->ops;
	l->next_in = b->in;
	l->prev_in = &b->in;
	if (b->in)
		b->in->prev_in = &l->next_in;
	b->in = l;
}

/* --- dropping --- */

static void enlist(struct x86_cache *c, struct x86_block *b, unsigned i, const void *host,
		   unsigned len)
{
	struct on_page *on = &b->on[i];
	struct on_page **list = page_list(c, page_base(host));

	on->block = b;
	on->page = page_base(host);
	on->first = (uint16_t)((uintptr_t)host & 0xfff);
	on->last = (uint16_t)(on->first + (len ? len - 1 : 0));
	on->next = *list;
	*list = on;
}

static void delist(struct x86_cache *c, const struct on_page *on)
{
	struct on_page **p = page_list(c, on->page);

	while (*p != on)
		p = &(*p)->next;
	*p = on->next;
}

static void drop(struct x86_cpu *cpu, struct x86_block *b)
{
	struct x86_cache *c = cpu->cache;

	unplace(c, b);
	delist(c, &b->on[0]);
	if (b->host2)
		delist(c, &b->on[1]);
	while (b->in)
		unlink_one(cpu, b->in);
	b->dropped = true; /* which is seen where the table of jumps still leads to it */
	b->code = xl_dropped(cpu);
	c->blocks--;
}

void x86_cache_drop(struct x86_cpu *cpu, uintptr_t page, unsigned first, unsigned last)
{
	struct on_page *on = *page_list(cpu->cache, page), *next;

	for (; on; on = next) {
		next = on->next;
		if (on->page != page || on->first > last || on->last < first)
			continue;
		/* The next may be of the same block. */
		if (next && next->block == on->block)
			next = next->next;
		drop(cpu, on->block);
	}
}

static void forget_jumps(struct x86_cpu *cpu)
{
	memset(cpu->cache->jc, 0, sizeof(cpu->cache->jc));
}

static void empty_segment(struct x86_cpu *cpu, struct segment *s)
{
	struct x86_block *b;
	unsigned i;

	for (b = s->blocks; b; b = b->next_segment) {
		if (!b->dropped)
			drop(cpu, b);
		for (i = 0; i < b->nlinks; i++)
			unlink_one(cpu, &b->links[i]);
	}
	*s = (struct segment){0};
}

void x86_cache_drop_all(struct x86_cpu *cpu)
{
	struct x86_cache *c = cpu->cache;
	unsigned i;

	for (i = 0; i < SEGMENTS; i++)
		empty_segment(cpu, &c->segments[i]);
	memset(c->places, 0, sizeof(*c->places) << c->hash_bits);
	c->filled = 0;
	c->segment = 0;
	c->evictions++;
	forget_jumps(cpu);
}

/* Go on in another segment: one never used, or the one that was least asked for since the last
 * turn. Everything is then asked for again, so that the next turn sees what is in use. */
static void next_segment(struct x86_cpu *cpu)
{
	struct x86_cache *c = cpu->cache;
	unsigned best = (c->segment + 1) % SEGMENTS, i;

	for (i = 2; i < SEGMENTS && c->segments[best].used; i++) {
		const unsigned at = (c->segment + i) % SEGMENTS;

		if (!c->segments[at].used || c->segments[at].asked < c->segments[best].asked)
			best = at;
	}
	c->segment = best;
	if (!c->segments[best].used)
		return;
	empty_segment(cpu, &c->segments[best]);
	for (i = 0; i < SEGMENTS; i++)
		c->segments[i].asked = 0;
	c->evictions++;
	forget_jumps(cpu);
	x86_new_gen(cpu, true);
}

static void *take(struct x86_cache *c, size_t size)
{
	struct segment *s = &c->segments[c->segment];
	void *p = c->arena + (size_t)c->segment * SEGMENT_SIZE + s->used;

	s->used += (size + 31) & ~(size_t)31;
	return p;
}

static struct segment *segment_of(struct x86_cache *c, const struct x86_block *b)
{
	return &c->segments[(size_t)((const uint8_t *)b - c->arena) / SEGMENT_SIZE];
}

uint64_t x86_cache_evictions(const struct x86_cpu *cpu)
{
	return cpu->cache->evictions;
}

void x86_cache_each(struct x86_cpu *cpu, void (*fn)(struct x86_cpu *cpu, struct x86_block *b))
{
	struct x86_block *b;
	unsigned i;

	for (i = 0; i < SEGMENTS; i++)
		for (b = cpu->cache->segments[i].blocks; b; b = b->next_segment)
			fn(cpu, b);
}

/* --- finding, making --- */

/* Copy what was translated into the arena and enter it everywhere. */
static struct x86_block *keep(struct x86_cpu *cpu, const uint8_t *bytes, const uint8_t *host,
			      const uint8_t *host2)
{
	struct x86_cache *c = cpu->cache;
	const struct x86_tr *tr = &c->tr;
	struct x86_block *b = take(c, sizeof(*b) + tr->extent);
	struct segment *s = segment_of(c, b);
	unsigned i;

	memset(b, 0, sizeof(*b));
	b->rip = tr->rip;
	b->host = host;
	b->host2 = host2;
	b->mode = tr->mode;
	b->epoch = c->epoch;
	b->len = (uint16_t)tr->extent;
	memcpy(b->bytes, bytes, tr->extent);
	b->nops = (uint8_t)tr->nops;
	b->nlinks = (uint8_t)tr->nlinks;
	b->links = take(c, tr->nlinks * sizeof(*b->links));
	b->ops = take(c, tr->nops * sizeof(*b->ops));
	memcpy(b->links, tr->links, tr->nlinks * sizeof(*b->links));
	memcpy(b->ops, tr->ops, tr->nops * sizeof(*b->ops));
	for (i = 0; i < tr->nops; i++)
		if (tr->linked[i])
			b->ops[i].link = b->links + (tr->ops[i].link - tr->links);
	b->ops[0].imm = (uint64_t)(uintptr_t)b;
	b->next_segment = s->blocks;
	s->blocks = b;
	c->blocks++;
	place(c, b);
	enlist(c, b, 0, host, first_part(b));
	if (host2)
		enlist(c, b, 1, host2, b->len - first_part(b));
	xl_born(cpu, b);
	return b;
}

/* So many bytes of code may be fetched at RIP, by the limit of its segment. */
static uint64_t fetchable(const struct x86_cpu *cpu)
{
	const uint64_t limit = cpu->seg[X86_CS].limit;

	if (is64(cpu) || limit == UINT32_MAX)
		return UINT64_MAX;
	return cpu->rip > limit ? 0 : limit - cpu->rip + 1;
}

static unsigned at_most(uint64_t most, unsigned n)
{
	return n < most ? n : (unsigned)most;
}

/* From a copy of the bytes, which are marked and compared afterwards: whoever writes them sees the
 * mark, or was seen. */
static struct x86_block *translate(struct x86_cpu *cpu, uint64_t linear, const uint8_t *host,
				   unsigned mode)
{
	struct x86_cache *c = cpu->cache;
	struct x86_tr *tr = &c->tr;
	const unsigned here = 0x1000u - (unsigned)(linear & 0xfff);
	const uint64_t most = fetchable(cpu);
	const uint8_t *host2 = NULL;
	uint8_t copy[BLOCK_BYTES];
	unsigned n = at_most(most, here < BLOCK_BYTES ? here : BLOCK_BYTES);

	if (c->segments[c->segment].used + sizeof(struct x86_tr) + BLOCK_BYTES > SEGMENT_SIZE)
		next_segment(cpu);
	if ((c->filled + 1) * 4 > 3u << c->hash_bits && !rehash(c) &&
	    c->filled + 1 >= 1u << c->hash_bits)
		x86_cache_drop_all(cpu);
	cpu->translations++;
	x86_code_add(cpu, host);
	tr->cpu = cpu;
	tr->rip = cpu->rip;
	tr->mode = (uint8_t)mode;
	do {
		x86_copy(copy, host, n);
		x86_translate_block(tr, copy, n);
		x86_code_mark(cpu, host, tr->extent);
	} while (!x86_same(copy, host, tr->extent));
	if (tr->ninsns == 0) {
		/* The first instruction goes on in the next page. */
		if (most <= here)
			x86_raise_err(cpu, NULL, VECTOR_GP, 0);
		n = at_most(most, here + INSN_MAX);
		host2 = x86_fill(cpu, (linear & ~0xfffull) + 0x1000, ACC_X);
		x86_code_add(cpu, host2);
		tr->mode = (uint8_t)(mode | M_ONE);
		do {
			x86_copy(copy, host, here);
			x86_copy(copy + here, host2, INSN_MAX);
			x86_translate_block(tr, copy, n);
			x86_code_mark(cpu, host, here);
			x86_code_mark(cpu, host2, INSN_MAX);
		} while (!x86_same(copy, host, here) || !x86_same(copy + here, host2, INSN_MAX));
		tr->mode = (uint8_t)mode;
		if (tr->ninsns == 0)
			x86_raise_err(cpu, NULL, VECTOR_GP, 0);
		if (tr->extent <= here)
			tr->extent = here + 1;
	}
	return keep(cpu, copy, host, host2);
}

/* After a flush by the embedder a page may be another's, or have other contents which nobody
 * announced. */
static bool still_good(struct x86_cpu *cpu, struct x86_block *b)
{
	const unsigned n = first_part(b);

	if (likely(b->epoch == cpu->cache->epoch))
		return true;
	if (!x86_same(b->bytes, b->host, n) ||
	    (b->host2 && !x86_same(b->bytes + n, b->host2, b->len - n))) {
		drop(cpu, b);
		return false;
	}
	b->epoch = cpu->cache->epoch;
	return true;
}

static bool watched(const struct x86_cpu *cpu)
{
	return cpu->nbreaks || cpu->dr_execution;
}

static struct x86_block *find(struct x86_cpu *cpu, uint64_t linear, const uint8_t *host,
			      unsigned mode)
{
	struct x86_cache *c = cpu->cache;
	const uint64_t key = key_of(host, mode);
	const unsigned mask = (1u << c->hash_bits) - 1;
	const uint64_t most = fetchable(cpu);
	unsigned i;

	for (i = slot_of(c, key); c->places[i].key; i = (i + 1) & mask) {
		struct x86_block *b = c->places[i].block;

		if (c->places[i].key != key || !b)
			continue;
		if (unlikely(watched(cpu)) && b->rip != cpu->rip)
			continue;
		if (unlikely(b->len > most))
			continue;
		if (unlikely(b->host2) &&
		    x86_fill(cpu, (linear & ~0xfffull) + 0x1000, ACC_X) != b->host2)
			continue;
		if (still_good(cpu, b)) {
			segment_of(c, b)->asked++;
			return b;
		}
	}
	return NULL;
}

/* Is the block that this RIP led to before still where it leads? The TLB says so, or nothing. */
static bool leads_there(struct x86_cpu *cpu, const struct x86_block *b)
{
	const uint64_t la = is64(cpu) ? cpu->rip : (uint32_t)(cpu->rip + cpu->seg[X86_CS].base);
	const struct x86_tlbe *e = tlb_at(cpu, la);

	if (e->x != (la & ~0xfffull) || la + e->addend != (uintptr_t)b->host || b->host2 ||
	    b->dropped || b->epoch != cpu->cache->epoch || b->mode != cpu->mode || watched(cpu) ||
	    b->len > fetchable(cpu))
		return false;
	segment_of(cpu->cache, b)->asked++;
	fetched_from(cpu->cache, la);
	return true;
}

static struct x86_block *look_up(struct x86_cpu *cpu, unsigned mode)
{
	const uint64_t rip = cpu->rip;
	uint64_t linear = rip;
	const uint8_t *host;
	struct x86_block *b;

	cpu->cur = NULL;
	if (!(mode & M_L64)) {
		linear = (uint32_t)(rip + cpu->seg[X86_CS].base);
		if (!fetchable(cpu))
			x86_raise_err(cpu, NULL, VECTOR_GP, 0);
	} else if (!x86_canonical_access(cpu, rip)) {
		x86_raise_err(cpu, NULL, VECTOR_GP, 0);
	}
	host = x86_fill(cpu, linear, ACC_X);
	b = find(cpu, linear, host, mode);
	if (!b)
		b = translate(cpu, linear, host, mode);
	fetched_from(cpu->cache, linear);
	if (b->host2)
		fetched_from(cpu->cache, (linear & ~0xfffull) + 0x1000);
	return b;
}

static struct x86_block *block_at(struct x86_cpu *cpu, unsigned extra_mode)
{
	const uint64_t rip = cpu->rip;
	struct jc_entry *j = &cpu->cache->jc[(rip ^ rip >> JC_BITS) & ((1u << JC_BITS) - 1)];
	struct x86_block *b = j->block;

	x86_rip_check(cpu);
	cpu->blkrip = rip;
	if (likely(j->rip == rip &&
		   (j->key == (cpu->jc_key | extra_mode) ||
		    j->key == (cpu->jc_key_global | extra_mode)) &&
		   !b->dropped))
		return b;
	if (!(j->rip == rip && b && !extra_mode && leads_there(cpu, b)))
		b = look_up(cpu, cpu->mode | extra_mode);
	j->rip = rip;
	j->key = (is64(cpu) && !b->host2 && x86_mmu_global(cpu, rip) ? cpu->jc_key_global
								     : cpu->jc_key) |
		 extra_mode;
	j->block = b;
	j->ops = b->ops;
	return b;
}

const struct x86_op *x86_lookup(struct x86_cpu *cpu, unsigned extra_mode)
{
	return block_at(cpu, extra_mode)->ops;
}

const struct x86_op *x86_goto(struct x86_cpu *cpu, const struct x86_op *op, uint64_t rip)
{
	cpu->left -= op->n + 1;
	cpu->rip = rip;
	return x86_lookup(cpu, 0);
}

const struct x86_op *x86_go_on(struct x86_cpu *cpu, const struct x86_op *op)
{
	cpu->left--;
	cpu->rip = x86_rip_after(cpu, op->len);
	return x86_lookup(cpu, 0);
}

/* How long a link from the block at `from` to that at cpu->rip is good. Where RIPs are no linear
 * addresses, or are cut to 16 bits, they do not tell the page. */
static uint64_t kind_of(const struct x86_cpu *cpu, const struct x86_link *link, uint64_t from,
			const struct x86_block *to)
{
	if (!(cpu->mode & M_FLAT) || link->mask == UINT16_MAX)
		return offsetof(struct x86_cpu, gen);
	if (!to->host2 && (from ^ cpu->rip) < 0x1000)
		return offsetof(struct x86_cpu, gen_page);
	if (x86_mmu_global(cpu, from) && x86_mmu_global(cpu, cpu->rip) && !to->host2)
		return offsetof(struct x86_cpu, gen_global);
	return offsetof(struct x86_cpu, gen);
}

const struct x86_op *x86_relink(struct x86_cpu *cpu, struct x86_link *link)
{
	const uint64_t from = (cpu->blkrip - (uint64_t)link->delta) & link->mask;
	const uint64_t evictions = cpu->cache->evictions;
	struct x86_block *b = link->to ? (struct x86_block *)(uintptr_t)link->to->imm : NULL;

	cpu->rip = cpu->blkrip;
	if (b && leads_there(cpu, b)) {
		link->which = kind_of(cpu, link, from, b);
		link->gen = R64(link->which);
		return b->ops;
	}
	b = block_at(cpu, 0);
	if (evictions != cpu->cache->evictions)
		return b->ops; /* the link may be no more */
	lead(cpu, link, b);
	link->which = kind_of(cpu, link, from, b);
	link->gen = R64(link->which);
	return b->ops;
}
