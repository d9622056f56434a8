/* SPDX-License-Identifier: MIT */
/* What the processors of a guest share: the set of host pages with translated code, and a log.
 *
 * The first block on a page is logged so that everyone gives up direct write access to it; a write
 * to bytes of it that may be a block's is logged so that everyone drops the blocks it touches.
 * Every processor catches up with the log before its next block. Which bytes may be is known by
 * lines of 64; a page that is written again and again, beside its code or not, is taken for data
 * and loses all its blocks, after which it is written directly.
 *
 * Until the others have caught up with a new page, bytes of it may still change unseen: its
 * translator keeps a copy and compares when all have. Afterwards every writer stores, then looks
 * for marks; the translator marks, then reads: one of them sees the other. Lock: code->lock, for
 * all but reads of the page set. */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include "x86/vex.h"
#include "x86/xlate.h"

#define PAGE_BUCKETS (1u << 14)
#define LOG_SIZE     1024u
#define PAGE_LAST    0xfffu
#define PATIENCE     64u /* writes until a page with code is one with data */

struct code_page {
	uintptr_t host;
	atomic_bool has_code;
	atomic_uint writes;	/* since it has code */
	_Atomic uint64_t lines; /* of 64 bytes, that blocks were translated from */
	struct code_page *next;
};

struct x86_code {
	pthread_mutex_t lock;
	_Atomic(struct code_page *) pages[PAGE_BUCKETS];
	struct x86_cpu *cpus;
	struct vex_pool *vex;
	struct xl_pool *pool;
	unsigned translate_after;
	bool check;
	struct x86_check_result result;
	unsigned logged; /* entries ever written */
	struct log_entry {
		uintptr_t host;
		uint16_t first, last; /* the bytes that are dirty */
		bool dirty;	      /* blocks are out of date; else: no direct writes any more */
	} log[LOG_SIZE];
};

/* A page that others may still be writing to directly. */
struct unsettled {
	uintptr_t host;
	unsigned seq; /* what everyone must have seen of the log */
	uint8_t copy[4096];
};

#define UNSETTLED 16u

struct x86_unsettled {
	struct unsettled of[UNSETTLED];
	unsigned n;
	bool more; /* there were more: everything is in doubt */
};

static unsigned page_slot(uintptr_t host)
{
	return (unsigned)((host >> 12) * 0x9e3779b1u >> 8) & (PAGE_BUCKETS - 1);
}

static uintptr_t page_base(const void *host)
{
	return (uintptr_t)host & ~(uintptr_t)PAGE_LAST;
}

struct x86_code *x86_code_new(void)
{
	struct x86_code *code = calloc(1, sizeof(*code));

	if (!code)
		return NULL;
	pthread_mutex_init(&code->lock, NULL);
	code->vex = vex_pool_new();
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
	xl_pool_free(code->pool);
	vex_pool_free(code->vex);
	free(code);
}

void x86_code_interpret(struct x86_code *code)
{
	xl_pool_free(code->pool);
	code->pool = NULL;
}

static int with_translator(struct x86_code *code, unsigned after, bool check)
{
	if (code->pool && code->check != check)
		x86_code_interpret(code);
	if (!code->pool)
		code->pool = xl_pool_new(check);
	code->translate_after = after;
	code->check = check;
	return code->pool ? 0 : errno == EPERM || errno == EACCES ? -EPERM : -ENOMEM;
}

int x86_code_translate(struct x86_code *code, unsigned after)
{
	return with_translator(code, after, false);
}

int x86_code_check(struct x86_code *code, unsigned after)
{
	return with_translator(code, after, true);
}

struct x86_check_result *x86_code_result(struct x86_code *code)
{
	return &code->result;
}

struct vex_pool *x86_code_vex(const struct x86_code *code)
{
	return code->vex;
}

struct xl_pool *x86_code_pool(const struct x86_code *code, unsigned *after, bool *check)
{
	*after = code->translate_after;
	*check = code->check;
	return code->pool;
}

int x86_code_join(struct x86_cpu *cpu)
{
	cpu->unsettled = calloc(1, sizeof(*cpu->unsettled));
	if (!cpu->unsettled)
		return -ENOMEM;
	pthread_mutex_lock(&cpu->code->lock);
	cpu->next_in_code = cpu->code->cpus;
	cpu->code->cpus = cpu;
	atomic_store(&cpu->code_seen, cpu->code->logged);
	pthread_mutex_unlock(&cpu->code->lock);
	return 0;
}

void x86_code_leave(struct x86_cpu *cpu)
{
	struct x86_cpu **p;

	pthread_mutex_lock(&cpu->code->lock);
	for (p = &cpu->code->cpus; *p; p = &(*p)->next_in_code) {
		if (*p == cpu) {
			*p = cpu->next_in_code;
			break;
		}
	}
	pthread_mutex_unlock(&cpu->code->lock);
	free(cpu->unsettled);
}

static struct code_page *find_page(struct x86_code *code, uintptr_t host)
{
	struct code_page *p =
		atomic_load_explicit(&code->pages[page_slot(host)], memory_order_acquire);

	while (p && p->host != host)
		p = p->next;
	return p;
}

static struct code_page *page_with_code(struct x86_code *code, const void *host)
{
	struct code_page *p = find_page(code, page_base(host));

	return p && atomic_load(&p->has_code) ? p : NULL;
}

bool x86_code_is(struct x86_code *code, const void *host)
{
	return page_with_code(code, host);
}

static uint64_t lines_of(const void *host, unsigned len)
{
	const unsigned first = (unsigned)((uintptr_t)host & PAGE_LAST), last = first + len - 1;

	return UINT64_MAX << first / 64 & UINT64_MAX >> (63 - (last & PAGE_LAST) / 64);
}

bool x86_code_at(struct x86_code *code, const void *host, unsigned len)
{
	struct code_page *p = page_with_code(code, host);

	return p && ((atomic_load(&p->lines) & lines_of(host, len)) ||
		     atomic_load_explicit(&p->writes, memory_order_relaxed) + 1 >= PATIENCE);
}

/* Under the lock. */
static void tell_all(struct x86_code *code, const struct x86_cpu *except, struct log_entry what)
{
	struct x86_cpu *cpu;

	code->log[code->logged % LOG_SIZE] = what;
	code->logged++;
	for (cpu = code->cpus; cpu; cpu = cpu->next_in_code)
		if (cpu != except)
			x86_attn(cpu, ATTN_CODE);
}

/* Under the lock: from now on the page is data. */
static void drop_whole(struct x86_code *code, struct code_page *p)
{
	if (!atomic_exchange(&p->has_code, false))
		return;
	atomic_store(&p->lines, 0);
	tell_all(code, NULL, (struct log_entry){p->host, 0, PAGE_LAST, true});
}

void x86_code_hit(struct x86_code *code, const void *host, unsigned len)
{
	struct code_page *p = page_with_code(code, host);
	const unsigned first = (unsigned)((uintptr_t)host & PAGE_LAST);
	unsigned writes;
	bool marked;

	if (likely(!p))
		return;
	atomic_thread_fence(memory_order_seq_cst); /* the store before, the marks after */
	marked = atomic_load(&p->lines) & lines_of(host, len);
	writes = atomic_fetch_add_explicit(&p->writes, 1, memory_order_relaxed) + 1;
	if (!marked && writes < PATIENCE)
		return;
	pthread_mutex_lock(&code->lock);
	if (writes >= PATIENCE || len > PAGE_LAST)
		drop_whole(code, p);
	else if (atomic_load(&p->has_code))
		tell_all(code, NULL,
			 (struct log_entry){p->host, (uint16_t)first, (uint16_t)(first + len - 1),
					    true});
	pthread_mutex_unlock(&code->lock);
}

/* Who changed the page did not say where. */
void x86_code_written(struct x86_code *code, const void *host)
{
	struct code_page *p = page_with_code(code, host);

	if (likely(!p))
		return;
	pthread_mutex_lock(&code->lock);
	drop_whole(code, p);
	pthread_mutex_unlock(&code->lock);
}

/* Under the lock: remember a page just logged until it is settled. */
static void doubt(struct x86_cpu *cpu, uintptr_t host)
{
	struct x86_unsettled *u = cpu->unsettled;

	if (cpu->code->cpus == cpu && !cpu->next_in_code)
		return;
	x86_attn(cpu, ATTN_CODE);
	if (u->n == UNSETTLED) {
		u->more = true;
		u->of[UNSETTLED - 1].seq = cpu->code->logged;
		return;
	}
	u->of[u->n].host = host;
	u->of[u->n].seq = cpu->code->logged;
	x86_copy(u->of[u->n].copy, (const void *)host, 4096);
	u->n++;
}

bool x86_code_add(struct x86_cpu *cpu, const void *host)
{
	struct x86_code *code = cpu->code;
	const uintptr_t base = page_base(host);
	struct code_page *p;

	if (page_with_code(code, host))
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
		atomic_store(&p->writes, 0);
		tell_all(code, cpu, (struct log_entry){.host = base});
		doubt(cpu, base);
	}
	pthread_mutex_unlock(&code->lock);
	x86_mmu_protect(cpu, (const void *)base);
	return p;
}

void x86_code_mark(struct x86_cpu *cpu, const void *host, unsigned len)
{
	struct code_page *p = find_page(cpu->code, page_base(host));
	uint64_t lines;

	if (!p || !len)
		return;
	lines = lines_of(host, len);
	if ((atomic_load(&p->lines) & lines) != lines)
		atomic_fetch_or(&p->lines, lines);
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
	struct x86_unsettled *all = cpu->unsettled;

	while (all->n) {
		const struct unsettled *u = &all->of[all->n - 1];

		if (!all_have_seen(cpu, u->seq)) {
			x86_attn(cpu, ATTN_CODE);
			return;
		}
		all->n--;
		if (!x86_same(u->copy, (const void *)u->host, sizeof(u->copy)))
			x86_cache_drop(cpu, u->host, 0, PAGE_LAST);
	}
	if (all->more) {
		all->more = false;
		x86_cache_drop_all(cpu);
	}
}

void x86_code_attn(struct x86_cpu *cpu)
{
	struct x86_code *code = cpu->code;
	unsigned seen;

	pthread_mutex_lock(&code->lock);
	seen = atomic_load(&cpu->code_seen);
	if (code->logged - seen > LOG_SIZE) {
		x86_cache_drop_all(cpu);
		x86_mmu_protect(cpu, NULL);
		seen = code->logged;
	}
	for (; seen != code->logged; seen++) {
		const struct log_entry *e = &code->log[seen % LOG_SIZE];

		if (e->dirty)
			x86_cache_drop(cpu, e->host, e->first, e->last);
		else
			x86_mmu_protect(cpu, (const void *)e->host);
	}
	atomic_store(&cpu->code_seen, seen);
	settle(cpu);
	pthread_mutex_unlock(&code->lock);
}
