/* SPDX-License-Identifier: MIT */
/* Two processors giving pages at the same time, against one: in different ranges of one TD, and in
 * two TDs. No lock of the module is held exclusive by both, so nothing should be refused and twice
 * as much done. Several rounds, the best of each kind, as other programs take processors away. */
#include <pthread.h>

#include "machine.h"

enum { CALLS = 8192, ROUNDS = 9, TABLES = 512, HKID = 33 };

#define TD(n)	 (BENCH_TDMR + (n)*0x800000ull)
#define PAGES(n) (BENCH_TDMR + 0x10000000ull + (n)*CALLS * TDX_PAGE_SIZE)
#define RANGE(n) ((n)*CALLS * TDX_PAGE_SIZE)

static struct bench b;

struct giver {
	unsigned lp;
	uint64_t tdr, range, pages;
	pthread_barrier_t *start;
	int64_t began, ended;
	unsigned refused;
};

static void *give(void *arg)
{
	struct giver *g = arg;

	pthread_barrier_wait(g->start);
	g->began = now();
	for (uint64_t i = 0; i < CALLS; i++) {
		struct tdx_regs in = {.rax = TDH_MEM_PAGE_AUG,
				      .rcx = g->range + i * TDX_PAGE_SIZE,
				      .rdx = g->tdr,
				      .r8 = g->pages + i * TDX_PAGE_SIZE};

		while (bench_call(&b, g->lp, in).rax != TDX_SUCCESS)
			g->refused++;
	}
	g->ended = now();
	/* by the same processor, in whose cache it all is */
	for (uint64_t i = 0; i < CALLS; i++)
		bench_must(&b, g->lp,
			   (struct tdx_regs){.rax = TDH_MEM_PAGE_REMOVE,
					     .rcx = g->range + i * TDX_PAGE_SIZE,
					     .rdx = g->tdr});
	return NULL;
}

/* Calls a microsecond of n processors together. */
static double round_of(struct giver *g, unsigned n)
{
	pthread_barrier_t start;
	pthread_t thread[2];
	int64_t began, ended;

	pthread_barrier_init(&start, NULL, n);
	for (unsigned i = 0; i < n; i++) {
		g[i].start = &start;
		if (pthread_create(&thread[i], NULL, give, &g[i]))
			exit(1);
	}
	for (unsigned i = 0; i < n; i++)
		pthread_join(thread[i], NULL);
	pthread_barrier_destroy(&start);
	began = n == 2 && g[1].began < g[0].began ? g[1].began : g[0].began;
	ended = n == 2 && g[1].ended > g[0].ended ? g[1].ended : g[0].ended;
	return (double)CALLS * n * 1000 / (double)(ended - began);
}

static double best(const char *name, struct giver *g, unsigned n, double one)
{
	double most = 0;
	unsigned refused = 0;

	for (unsigned i = 0; i < ROUNDS; i++) {
		double rate = round_of(g, n);

		most = rate > most ? rate : most;
	}
	for (unsigned i = 0; i < n; i++)
		refused += g[i].refused;
	printf("%-32s %8.2f calls/us", name, most);
	if (one > 0)
		printf("  x%.2f", most / one);
	printf("  %u refused\n", refused);
	return most;
}

static void make_td(unsigned n)
{
	uint64_t page = bench_td(&b, TD(n), HKID + n);

	must(&b, TDH_MEM_SEPT_ADD, .rcx = 3, .rdx = TD(n), .r8 = page);
	must(&b, TDH_MEM_SEPT_ADD, .rcx = 2, .rdx = TD(n), .r8 = page += TDX_PAGE_SIZE);
	for (uint64_t i = 0; i < TABLES; i++)
		must(&b, TDH_MEM_SEPT_ADD, .rcx = i << 21 | 1, .rdx = TD(n),
		     .r8 = page += TDX_PAGE_SIZE);
}

int main(void)
{
	struct giver same[2] = {{.lp = 0, .tdr = TD(0), .range = RANGE(0), .pages = PAGES(0)},
				{.lp = 1, .tdr = TD(0), .range = RANGE(1), .pages = PAGES(1)}};
	struct giver own[2] = {{.lp = 0, .tdr = TD(0), .range = RANGE(0), .pages = PAGES(0)},
			       {.lp = 1, .tdr = TD(1), .range = RANGE(0), .pages = PAGES(1)}};
	double one;

	bench_ready(&b);
	make_td(0);
	make_td(1);
	one = best("one processor", same, 1, 0);
	best("two, ranges of one TD", same, 2, one);
	best("two, a TD each", own, 2, one);
	bench_free(&b);
	return 0;
}
