/* SPDX-License-Identifier: MIT */
/* The coherency sanitizer of a host in binary. Its processors access RAM directly, so what a page
 * word is to say is said when the engine asks for the page: a page that is clean, or the module's,
 * is not accessed directly, and the first load or store comes here, with the instruction that makes
 * it. Who that was is kept for each page, for the report that may come.
 *
 * A fault is reported once for a page: what comes of it later, at the page's first use and when the
 * forgotten lines are written back, is not another. */
#include "board/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine/coherency.h"

enum { CHAINS = 1 << 14, LINES = 64 };

struct note {
	_Atomic uint64_t mapped;	/* processors that may access the page directly */
	_Atomic uint32_t dirtied, gave; /* chains, 0: none */
	_Atomic bool told;		/* a fault of it; until the host begins to write it again */
};

struct sanitizer {
	pthread_mutex_t lock; /* of chains and reports */
	struct board_chain chain[CHAINS];
	unsigned nchains;
	uint64_t reports;
	struct note note[];
};

static struct note *note_of(const struct board *b, uint64_t pa)
{
	return &b->san->note[pa >> 12];
}

static unsigned slot_of(const struct board_chain *chain)
{
	uint64_t h = chain->n;

	for (unsigned i = 0; i < chain->n; i++)
		h = (h ^ chain->rip[i]) * 0x9e3779b97f4a7c15ull;
	return (unsigned)(h >> 40);
}

/* The same chain has the same number. 0 when there are too many. */
static uint32_t number(struct board_cpu *c)
{
	struct sanitizer *s = c->board->san;
	struct board_chain chain = {0};
	uint32_t slot, found = 0;

	board_chain(c, &chain);
	slot = slot_of(&chain);
	pthread_mutex_lock(&s->lock);
	for (unsigned i = 0; i < CHAINS && !found; i++) {
		const uint32_t at = (slot + i) % CHAINS;

		if (!at)
			continue;
		if (!s->chain[at].n && s->nchains < CHAINS / 2) {
			s->chain[at] = chain;
			s->nchains++;
		}
		if (!s->chain[at].n)
			break;
		if (memcmp(&s->chain[at], &chain, sizeof(chain)) == 0)
			found = at;
	}
	pthread_mutex_unlock(&s->lock);
	return found;
}

/* --- what is found --- */

/* Not the host's fault a second time. */
static bool is_news(struct board *b, const struct coherency_report *r)
{
	if (r->pa == ~0ull)
		return true;
	return !atomic_exchange(&note_of(b, r->pa)->told, true);
}

static void reported(void *board, const struct machine_lp *lp, const struct coherency_report *r)
{
	struct board *b = board;
	struct board_report out = {
		.what = coherency_what(r->kind),
		.duty = coherency_duty(r->kind),
		.page = r->pa,
		.processor = lp->id,
		.old_keyid = r->old_hkid,
		.keyid = r->hkid,
	};
	char name[32];

	if (!is_news(b, r))
		return;
	board_chain(&b->cpu[lp->id], &out.used);
	snprintf(out.dirtied_by, sizeof(out.dirtied_by), "%s",
		 coherency_call_name(r->dirtied_by, name));
	snprintf(out.during, sizeof(out.during), "%s", coherency_call_name(r->during, name));
	pthread_mutex_lock(&b->san->lock);
	b->san->reports++;
	if (r->pa != ~0ull) {
		out.dirtied = b->san->chain[note_of(b, r->pa)->dirtied];
		out.gave = b->san->chain[note_of(b, r->pa)->gave];
	}
	b->cfg.report(b->cfg.report_arg, &out);
	pthread_mutex_unlock(&b->san->lock);
}

void board_tell(struct board *b, const struct board_report *report)
{
	if (!b->san)
		return;
	pthread_mutex_lock(&b->san->lock);
	b->san->reports++;
	b->cfg.report(b->cfg.report_arg, report);
	pthread_mutex_unlock(&b->san->lock);
}

/* --- pages that change --- */

static void ask_to_forget(struct board_cpu *c, uint64_t pa)
{
	struct sanitizer_cpu *s = &c->san;
	bool first;

	pthread_mutex_lock(&s->lock);
	first = !s->nforget && !s->forget_all;
	if (pa == ~0ull || s->nforget == FORGET_MAX)
		s->forget_all = true;
	else
		s->forget[s->nforget++] = pa;
	pthread_mutex_unlock(&s->lock);
	if (first)
		x86_kick(c->x86);
}

static void forget(struct board_cpu *c, uint64_t pa)
{
	x86_tlb_forget(c->x86, pa, pa == ~0ull ? NULL : machine_ptr(c->board->m, pa));
}

void board_sanitizer_catch_up(struct board_cpu *c)
{
	struct sanitizer_cpu *s = &c->san;

	if (!c->board->san)
		return;
	pthread_mutex_lock(&s->lock);
	for (unsigned i = 0; i < s->nforget && !s->forget_all; i++)
		forget(c, s->forget[i]);
	if (s->forget_all)
		forget(c, ~0ull);
	s->nforget = 0;
	s->forget_all = false;
	pthread_mutex_unlock(&s->lock);
}

static void page_event(void *board, const struct machine_lp *lp, uint64_t pa,
		       enum machine_page_event event)
{
	struct board *b = board;
	uint64_t mapped = ~0ull;

	if (pa != ~0ull) {
		pa &= ~(TDX_PAGE_SIZE - 1);
		mapped = atomic_exchange(&note_of(b, pa)->mapped, 0);
		if (event == MACHINE_PAGE_TAKEN && lp->call != MACHINE_CALL_GUEST)
			note_of(b, pa)->gave = number(&b->cpu[lp->id]);
	}
	for (unsigned i = 0; i < b->ncpus; i++) {
		if (!(mapped >> i & 1))
			continue;
		if (i == lp->id)
			forget(&b->cpu[i], pa);
		else
			ask_to_forget(&b->cpu[i], pa);
	}
}

/* --- accesses --- */

bool board_sanitizer_load(struct board_cpu *c, uint64_t pa)
{
	atomic_fetch_or(&note_of(c->board, pa)->mapped, 1ull << c->id);
	return machine_host_load(c->lp, pa);
}

bool board_sanitizer_store(struct board_cpu *c, uint64_t pa, bool whole_line)
{
	bool sound;
	struct note *n = note_of(c->board, pa);

	atomic_fetch_or(&n->mapped, 1ull << c->id);
	if (!machine_page_is_dirty(c->board->m, pa))
		atomic_store(&n->told, false);
	sound = machine_host_store(c->lp, pa, whole_line);
	n->dirtied = number(c);
	return sound;
}

void board_cache_line(struct x86_cpu *x86, uint64_t pa, enum x86_cache_op op)
{
	struct board_cpu *c = board_cpu_of(x86);
	const uint64_t page = pa & ~(TDX_PAGE_SIZE - 1);
	struct flushing *f = &c->san.flushing[page >> 12 & (FLUSHING - 1)];

	(void)op; /* all of them write back */
	if (!c->board->san || !machine_is_ram(c->board->m, page, TDX_PAGE_SIZE) ||
	    !machine_page_is_dirty(c->board->m, page))
		return;
	if (f->page != page)
		*f = (struct flushing){page, 0};
	f->lines |= 1ull << (pa >> 6 & (LINES - 1));
	if (f->lines != ~0ull)
		return;
	f->lines = 0;
	machine_clflush(c->lp, page, TDX_PAGE_SIZE);
}

void board_direct_store(struct x86_cpu *x86, uint64_t pa, unsigned size)
{
	struct board_cpu *c = board_cpu_of(x86);

	if (c->board->san && machine_is_ram(c->board->m, pa, size))
		machine_host_direct_store(c->lp, pa, size);
}

void board_fence(struct x86_cpu *x86)
{
	struct board_cpu *c = board_cpu_of(x86);

	if (c->board->san)
		machine_mfence(c->lp);
}

/* --- the end --- */

uint64_t board_reports(const struct board *b)
{
	return b->san ? b->san->reports : 0;
}

struct visit {
	const struct board *b;
	void (*fn)(void *arg, uint64_t pages, int type, const struct board_chain *gave);
	void (*stale)(void *arg, uint64_t lines, const struct board_chain *gave);
	void *arg;
};

static const struct board_chain *who_gave(const struct board *b, uint64_t pa)
{
	static const struct board_chain nobody = {0};

	return b->san ? &b->san->chain[note_of(b, pa)->gave] : &nobody;
}

static void visit(void *arg, uint64_t pa, uint64_t pages, enum tdx_page_type type)
{
	const struct visit *v = arg;

	v->fn(v->arg, pages, (int)type, who_gave(v->b, pa));
}

static void visit_stale(void *arg, uint64_t pa, uint64_t lines)
{
	const struct visit *v = arg;

	v->stale(v->arg, lines, who_gave(v->b, pa));
}

void board_visit_pages(const struct board *b,
		       void (*fn)(void *arg, uint64_t pages, int type,
				  const struct board_chain *gave),
		       void *arg)
{
	system_visit_pages(b->sys, visit, &(struct visit){b, fn, NULL, arg});
}

void board_visit_stale(const struct board *b,
		       void (*fn)(void *arg, uint64_t lines, const struct board_chain *gave),
		       void *arg)
{
	system_visit_stale(b->sys, visit_stale, &(struct visit){b, NULL, fn, arg});
}

bool board_sanitizer_start(struct board *b)
{
	const uint64_t pages = b->m->cfg.mem_end >> 12;

	b->san = calloc(1, sizeof(*b->san) + pages * sizeof(b->san->note[0]));
	if (!b->san || machine_watch(b->m, 0))
		return false;
	pthread_mutex_init(&b->san->lock, NULL);
	b->m->watcher = b;
	b->m->page_event = page_event;
	b->m->reported = reported;
	return true;
}

void board_sanitizer_free(struct board *b)
{
	if (!b->san)
		return;
	pthread_mutex_destroy(&b->san->lock);
	free(b->san);
}

/* --- kept and given back --- */

void board_sanitizer_counts(const struct board *b, uint64_t *reports, uint32_t *chains)
{
	*reports = b->san ? b->san->reports : 0;
	*chains = b->san ? b->san->nchains : 0;
}

bool board_sanitizer_counted(struct board *b, uint64_t reports, uint32_t chains)
{
	if (!b->san)
		return !reports && !chains;
	b->san->reports = reports;
	b->san->nchains = chains;
	return chains <= CHAINS / 2;
}

unsigned board_sanitizer_areas(struct board *b, struct machine_bytes area[2])
{
	if (!b->san)
		return 0;
	area[0] = (struct machine_bytes){b->san->chain, sizeof(b->san->chain)};
	area[1] = (struct machine_bytes){b->san->note,
					 (b->m->cfg.mem_end >> 12) * sizeof(b->san->note[0])};
	return 2;
}

bool board_sanitizer_is_sound(const struct board *b)
{
	if (!b->san)
		return true;
	for (unsigned i = 0; i < CHAINS; i++)
		if (b->san->chain[i].n > BOARD_CHAIN)
			return false;
	for (uint64_t page = 0; page < b->m->cfg.mem_end >> 12; page++) {
		/* Of 2M that were never touched there are no notes. */
		if (!(page & 511) && !b->m->touched[page >> 9]) {
			page += 511;
			continue;
		}
		if (b->san->note[page].dirtied >= CHAINS || b->san->note[page].gave >= CHAINS)
			return false;
	}
	return true;
}
