/* SPDX-License-Identifier: MIT */
/* The cache of translated blocks.
 *
 * Each processor has its own blocks. They are found by RIP, host page and mode, so that they
 * survive reloads of CR3; a small table by RIP alone and the links between blocks go in front and
 * hold for one generation (cpu->gen), which ends with every change of mappings or blocks.
 *
 * What the processors of a guest share is struct x86_code: the set of host pages with translated
 * code, and a log. The first block on a page is logged so that everyone gives up direct write
 * access to it; a write to such a page is logged so that everyone drops its blocks. Every processor
 * catches up with the log before its next block. Until the others have, bytes of a page may still
 * change unseen: its translator keeps a copy, comes back for every block, and compares when all
 * have caught up. Lock: code->lock, for all but reads of the page set.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include "x86/decode.h"

#define PAGE_BUCKETS (1u << 14)
#define LOG_SIZE     1024u

struct code_page {
	uintptr_t host;
	atomic_bool has_code;
	struct code_page *next;
};

struct x86_code {
	pthread_mutex_t lock;
	_Atomic(struct code_page *) pages[PAGE_BUCKETS];
	struct x86_cpu *cpus;
	unsigned logged; /* entries ever written */
	struct {
		uintptr_t host;
		bool dirty; /* blocks are out of date; else: no direct writes any more */
	} log[LOG_SIZE];
};

#define HASH_BITS  16
#define JC_BITS	   13
#define ARENA_SIZE (96u << 20)

struct jc_entry {
	uint64_t rip;
	uint64_t key; /* generation and mode */
	const struct x86_op *ops;
};

struct local_page {
	uintptr_t host;
	uint64_t sum;	/* of the page's bytes since it has blocks */
	uint64_t epoch; /* up to when that is known to be so */
	struct x86_block *blocks;
	struct local_page *next;
};

/* A page that others may still be writing to directly. */
struct unsettled {
	uintptr_t host;
	unsigned seq; /* what everyone must have seen of the log */
	uint8_t copy[4096];
};

#define UNSETTLED 16u

struct x86_cache {
	uint64_t epoch; /* ends when the embedder flushes */
	struct jc_entry jc[1u << JC_BITS];
	struct x86_block *hash[1u << HASH_BITS];
	struct local_page *pages[PAGE_BUCKETS];
	uint8_t *arena;
	size_t used;
	struct unsettled unsettled[UNSETTLED];
	unsigned nunsettled;
	bool unsettled_more; /* there were more: everything is in doubt */
	struct x86_tr tr;
};

static unsigned page_slot(uintptr_t host)
{
	return (unsigned)((host >> 12) * 0x9e3779b1u >> 8) & (PAGE_BUCKETS - 1);
}

static uintptr_t page_base(const void *host)
{
	return (uintptr_t)host & ~(uintptr_t)0xfff;
}

struct x86_code *x86_code_new(void)
{
	struct x86_code *code = calloc(1, sizeof(*code));

	if (code)
		pthread_mutex_init(&code->lock, NULL);
	return code;
}

void x86_code_free(struct x86_code *code)
{
	unsigned i;

	if (!code)
		return;
	for (i = 0; i < PAGE_BUCKETS; i++) {
		struct code_page *p = atomic_load(&code->pages[i]), *next;

		for (; p; p = next) {
			next = p->next;
			free(p);
		}
	}
	pthread_mutex_destroy(&code->lock);
	free(code);
}

static struct code_page *find_page(struct x86_code *code, uintptr_t host)
{
	struct code_page *p =
		atomic_load_explicit(&code->pages[page_slot(host)], memory_order_acquire);

	while (p && p->host != host)
		p = p->next;
	return p;
}

bool x86_code_is(struct x86_code *code, const void *host)
{
	struct code_page *p = find_page(code, page_base(host));

	return p && atomic_load(&p->has_code);
}

/* Under the lock. */
static void tell_all(struct x86_code *code, const struct x86_cpu *except, uintptr_t host,
		     bool dirty)
{
	struct x86_cpu *cpu;

	code->log[code->logged % LOG_SIZE].host = host;
	code->log[code->logged % LOG_SIZE].dirty = dirty;
	code->logged++;
	for (cpu = code->cpus; cpu; cpu = cpu->next_in_code)
		if (cpu != except)
			x86_attn(cpu, ATTN_CODE);
}

void x86_code_hit(struct x86_code *code, const void *host, unsigned len)
{
	struct code_page *p = find_page(code, page_base(host));

	if (likely(!p || !atomic_load(&p->has_code)))
		return;
	pthread_mutex_lock(&code->lock);
	if (atomic_exchange(&p->has_code, false))
		tell_all(code, NULL, p->host, true);
	pthread_mutex_unlock(&code->lock);
}

void x86_code_written(struct x86_code *code, const void *host)
{
	x86_code_hit(code, host, 1);
}

/* Under the lock: remember a page just logged until it is settled. */
static void doubt(struct x86_cpu *cpu, uintptr_t host)
{
	struct x86_cache *c = cpu->cache;

	if (cpu->code->cpus == cpu && !cpu->next_in_code)
		return;
	x86_attn(cpu, ATTN_CODE);
	if (c->nunsettled == UNSETTLED) {
		c->unsettled_more = true;
		c->unsettled[UNSETTLED - 1].seq = cpu->code->logged;
		return;
	}
	c->unsettled[c->nunsettled].host = host;
	c->unsettled[c->nunsettled].seq = cpu->code->logged;
	memcpy(c->unsettled[c->nunsettled].copy, (const void *)host, 4096);
	c->nunsettled++;
}

/* Before bytes of the page are read to be translated. */
static bool code_add(struct x86_cpu *cpu, const void *host)
{
	struct x86_code *code = cpu->code;
	const uintptr_t base = page_base(host);
	struct code_page *p = find_page(code, base);

	if (p && atomic_load(&p->has_code))
		return true;
	pthread_mutex_lock(&code->lock);
	p = find_page(code, base);
	if (!p) {
		p = calloc(1, sizeof(*p));
		if (p) {
			p->host = base;
			p->next = atomic_load(&code->pages[page_slot(base)]);
			atomic_store_explicit(&code->pages[page_slot(base)], p,
					      memory_order_release);
		}
	}
	if (p && !atomic_exchange(&p->has_code, true)) {
		tell_all(code, cpu, base, false);
		doubt(cpu, base);
	}
	pthread_mutex_unlock(&code->lock);
	x86_mmu_protect(cpu, (const void *)base);
	return p;
}

int x86_cache_init(struct x86_cpu *cpu)
{
	struct x86_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->arena = mmap(NULL, ARENA_SIZE, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (c->arena == MAP_FAILED) {
		free(c);
		return -ENOMEM;
	}
	cpu->cache = c;
	cpu->gen = 1;
	pthread_mutex_lock(&cpu->code->lock);
	cpu->next_in_code = cpu->code->cpus;
	cpu->code->cpus = cpu;
	atomic_store(&cpu->code_seen, cpu->code->logged);
	pthread_mutex_unlock(&cpu->code->lock);
	return 0;
}

void x86_cache_free(struct x86_cpu *cpu)
{
	struct x86_cpu **p;

	if (!cpu->cache)
		return;
	pthread_mutex_lock(&cpu->code->lock);
	for (p = &cpu->code->cpus; *p; p = &(*p)->next_in_code) {
		if (*p == cpu) {
			*p = cpu->next_in_code;
			break;
		}
	}
	pthread_mutex_unlock(&cpu->code->lock);
	munmap(cpu->cache->arena, ARENA_SIZE);
	free(cpu->cache);
}

void x86_new_gen(struct x86_cpu *cpu)
{
	cpu->gen++;
}

void x86_cache_drop_all(struct x86_cpu *cpu)
{
	struct x86_cache *c = cpu->cache;

	memset(c->hash, 0, sizeof(c->hash));
	memset(c->pages, 0, sizeof(c->pages));
	memset(c->jc, 0, sizeof(c->jc));
	c->used = 0;
	x86_new_gen(cpu);
}

static void *take(struct x86_cache *c, size_t size)
{
	void *p = c->arena + c->used;

	c->used += (size + 31) & ~(size_t)31;
	return p;
}

static unsigned block_slot(uint64_t rip, const uint8_t *host)
{
	const uint64_t h = (rip ^ ((uintptr_t)host >> 12) * 0x9e3779b97f4a7c15ull);

	return (unsigned)(h * 0x9e3779b97f4a7c15ull >> (64 - HASH_BITS));
}

static void unhash(struct x86_cache *c, struct x86_block *b)
{
	struct x86_block **p = &c->hash[block_slot(b->rip, b->host)];

	for (; *p; p = &(*p)->next_hash) {
		if (*p == b) {
			*p = b->next_hash;
			return;
		}
	}
}

static struct local_page *local_page(struct x86_cache *c, uintptr_t host)
{
	struct local_page *p = c->pages[page_slot(host)];

	while (p && p->host != host)
		p = p->next;
	return p;
}

/* false: there were none */
static bool drop_page(struct x86_cache *c, uintptr_t host)
{
	struct local_page *p = local_page(c, host);
	struct x86_block *b, *next;

	if (!p || !p->blocks)
		return false;
	for (b = p->blocks; b; b = next) {
		next = b->next_page[page_base(b->host) != host];
		unhash(c, b);
	}
	p->blocks = NULL;
	return true;
}

static bool all_have_seen(const struct x86_cpu *me, unsigned seq)
{
	const struct x86_cpu *cpu;

	for (cpu = me->code->cpus; cpu; cpu = cpu->next_in_code)
		if (cpu != me && atomic_load(&cpu->running) &&
		    (int)(atomic_load(&cpu->code_seen) - seq) < 0)
			return false;
	return true;
}

/* Under the lock. */
static void settle(struct x86_cpu *cpu)
{
	struct x86_cache *c = cpu->cache;

	while (c->nunsettled) {
		const struct unsettled *u = &c->unsettled[c->nunsettled - 1];

		if (!all_have_seen(cpu, u->seq)) {
			x86_attn(cpu, ATTN_CODE);
			return;
		}
		c->nunsettled--;
		if (memcmp(u->copy, (const void *)u->host, sizeof(u->copy)) != 0 &&
		    drop_page(c, u->host))
			x86_new_gen(cpu);
	}
	if (c->unsettled_more) {
		c->unsettled_more = false;
		x86_cache_drop_all(cpu);
	}
}

void x86_cache_attn(struct x86_cpu *cpu)
{
	unsigned seen;

	struct x86_code *code = cpu->code;

	pthread_mutex_lock(&code->lock);
	seen = atomic_load(&cpu->code_seen);
	if (code->logged - seen > LOG_SIZE) {
		x86_cache_drop_all(cpu);
		x86_mmu_protect(cpu, NULL);
		seen = code->logged;
	}
	for (; seen != code->logged; seen++) {
		const uintptr_t host = code->log[seen % LOG_SIZE].host;

		if (!code->log[seen % LOG_SIZE].dirty)
			x86_mmu_protect(cpu, (const void *)host);
		else if (drop_page(cpu->cache, host))
			x86_new_gen(cpu);
	}
	atomic_store(&cpu->code_seen, seen);
	settle(cpu);
	pthread_mutex_unlock(&code->lock);
}

static uint64_t sum_of(uintptr_t host)
{
	const uint64_t *w = (const uint64_t *)host;
	uint64_t a = 0x9e3779b97f4a7c15ull, b = ~a;
	unsigned i;

	for (i = 0; i < 512; i += 2) {
		a = (a ^ w[i]) * 0xff51afd7ed558ccdull;
		b = (b ^ w[i + 1]) * 0xc4ceb9fe1a85ec53ull;
		a ^= a >> 32;
		b ^= b >> 29;
	}
	return a ^ (b << 31 | b >> 33);
}

static void enlist(struct x86_cache *c, struct x86_block *b, uintptr_t host)
{
	const unsigned which = page_base(b->host) != host;
	struct local_page *p = local_page(c, host);

	if (!p) {
		p = take(c, sizeof(*p));
		p->host = host;
		p->blocks = NULL;
		p->next = c->pages[page_slot(host)];
		c->pages[page_slot(host)] = p;
	}
	if (!p->blocks) {
		p->sum = sum_of(host);
		p->epoch = c->epoch;
	}
	b->page[which] = p;
	b->next_page[which] = p->blocks;
	p->blocks = b;
}

/* After a flush by the embedder a page may be another's, or have other contents which nobody
 * announced: blocks are used again only if its bytes are the same. */
static bool still_good(struct x86_cpu *cpu, struct local_page *p)
{
	if (likely(p->epoch == cpu->cache->epoch))
		return true;
	p->epoch = cpu->cache->epoch;
	if (sum_of(p->host) == p->sum)
		return true;
	drop_page(cpu->cache, p->host);
	x86_new_gen(cpu);
	return false;
}

void x86_cache_doubt(struct x86_cpu *cpu)
{
	cpu->cache->epoch++;
	x86_new_gen(cpu);
}

/* Copy what was translated into the arena and enter it everywhere. */
static struct x86_block *keep(struct x86_cache *c, struct x86_tr *tr, const uint8_t *host,
			      const uint8_t *host2)
{
	struct x86_block *b = take(c, sizeof(*b));
	struct x86_link *links = take(c, tr->nlinks * sizeof(*links));
	const unsigned slot = block_slot(tr->rip, host);
	unsigned i;

	b->rip = tr->rip;
	b->host = host;
	b->host2 = host2;
	b->mode = tr->mode;
	b->ops = take(c, tr->nops * sizeof(*b->ops));
	memcpy(links, tr->links, tr->nlinks * sizeof(*links));
	memcpy(b->ops, tr->ops, tr->nops * sizeof(*b->ops));
	for (i = 0; i < tr->nops; i++)
		if (tr->linked[i])
			b->ops[i].link = links + (b->ops[i].link - tr->links);
	b->next_hash = c->hash[slot];
	c->hash[slot] = b;
	enlist(c, b, page_base(host));
	if (host2)
		enlist(c, b, page_base(host2));
	return b;
}

static struct x86_block *translate(struct x86_cpu *cpu, uint64_t linear, const uint8_t *host,
				   unsigned mode)
{
	struct x86_cache *c = cpu->cache;
	struct x86_tr *tr = &c->tr;
	unsigned avail = 0x1000u - (unsigned)(linear & 0xfff);
	const uint8_t *host2 = NULL;
	uint8_t both[32];

	if (c->used + (sizeof(struct x86_tr) + 4096) > ARENA_SIZE)
		x86_cache_drop_all(cpu);
	code_add(cpu, host);
	tr->cpu = cpu;
	tr->rip = cpu->rip;
	tr->mode = (uint8_t)mode;
	x86_translate_block(tr, host, avail);
	if (tr->ninsns == 0) {
		/* The first instruction goes on in the next page. */
		host2 = x86_fill(cpu, (linear & ~0xfffull) + 0x1000, ACC_X);
		code_add(cpu, host2);
		memcpy(both, host, avail);
		memcpy(both + avail, host2, 16);
		tr->mode = (uint8_t)(mode | M_ONE);
		x86_translate_block(tr, both, avail + 16);
		tr->mode = (uint8_t)mode;
	}
	return keep(c, tr, host, host2);
}

static struct x86_block *find(struct x86_cpu *cpu, uint64_t linear, const uint8_t *host,
			      unsigned mode)
{
	struct x86_block *b = cpu->cache->hash[block_slot(cpu->rip, host)];

	for (; b; b = b->next_hash) {
		if (b->rip != cpu->rip || b->host != host || b->mode != mode)
			continue;
		if (likely(!b->host2))
			return still_good(cpu, b->page[0]) ? b : NULL;
		if (x86_fill(cpu, (linear & ~0xfffull) + 0x1000, ACC_X) == b->host2)
			return still_good(cpu, b->page[0]) && still_good(cpu, b->page[1]) ? b
											  : NULL;
	}
	return NULL;
}

static uint64_t jc_key(const struct x86_cpu *cpu, unsigned mode)
{
	return cpu->gen << 8 | mode;
}

const struct x86_op *x86_lookup(struct x86_cpu *cpu, unsigned extra_mode)
{
	const unsigned mode = cpu->mode | extra_mode;
	const uint64_t rip = cpu->rip;
	struct jc_entry *j = &cpu->cache->jc[(rip ^ rip >> JC_BITS) & ((1u << JC_BITS) - 1)];
	uint64_t linear = rip;
	const uint8_t *host;
	struct x86_block *b;

	if (likely(j->rip == rip && j->key == jc_key(cpu, mode)))
		return j->ops;
	cpu->cur = NULL;
	if (!(mode & M_L64)) {
		linear = (uint32_t)(rip + cpu->seg[X86_CS].base);
		if (rip > cpu->seg[X86_CS].limit)
			x86_raise_err(cpu, NULL, VECTOR_GP, 0);
	} else if (!x86_canonical(cpu, rip)) {
		x86_raise_err(cpu, NULL, VECTOR_GP, 0);
	}
	host = x86_fill(cpu, linear, ACC_X);
	b = find(cpu, linear, host, mode);
	if (!b)
		b = translate(cpu, linear, host, mode);
	j->rip = rip;
	j->key = jc_key(cpu, mode);
	j->ops = b->ops;
	return b->ops;
}

const struct x86_op *x86_goto(struct x86_cpu *cpu, const struct x86_op *op, uint64_t rip)
{
	cpu->left -= op->n + 1;
	cpu->rip = rip;
	return x86_lookup(cpu, 0);
}

const struct x86_op *x86_relink(struct x86_cpu *cpu, struct x86_link *link)
{
	const struct x86_op *to;
	uint64_t gen;

	cpu->rip = link->rip;
	gen = cpu->gen;
	to = x86_lookup(cpu, 0);
	if (gen == cpu->gen) {
		link->to = to;
		link->gen = gen;
	}
	return to;
}
