/* SPDX-License-Identifier: MIT */
/* Two processors giving pages at the same time, against one: in different ranges of one TD, and in
 * two TDs. No lock of the module is held exclusive by both, so nothing should be refused and twice
 * as much done. The median of many short rounds, each of which has all three kinds, as other
 * programs take processors away. */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <unistd.h>

#include "machine.h"
#include "median.h"

enum { CALLS = 8192, ROUNDS = 150, TABLES = 512, HKID = 33 };

#define TD(n)	 (BENCH_TDMR + (n)*0x800000ull)
#define PAGES(n) (BENCH_TDMR + 0x10000000ull + (n)*CALLS * TDX_PAGE_SIZE)
#define RANGE(n) ((n)*CALLS * TDX_PAGE_SIZE)

static struct bench b;

struct giver {
	unsigned lp;
	uint64_t tdr, range, pages;
	atomic_uint *missing; /* processors that are not ready to start */
	int64_t began, ended;
	unsigned refused;
};

/* The n-th processor this program may run on, lest the threads start on one. */
static void own_cpu(unsigned n)
{
	cpu_set_t mine, all;

	if (sched_getaffinity(getpid(), sizeof(all), &all))
		return;
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all) || n--)
			continue;
		CPU_ZERO(&mine);
		CPU_SET(cpu, &mine);
		sched_setaffinity(0, sizeof(mine), &mine);
		return;
	}
}

static void *give(void *arg)
{
	struct giver *g = arg;

	own_cpu(g->lp);
	atomic_fetch_sub(g->missing, 1);
	while (atomic_load(g->missing)) /* not asleep: waking up would be measured too */
		;
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
	atomic_uint missing = n;
	pthread_t thread[2];
	int64_t began, ended;

	for (unsigned i = 0; i < n; i++) {
		g[i].missing = &missing;
		if (pthread_create(&thread[i], NULL, give, &g[i]))
			exit(1);
	}
	for (unsigned i = 0; i < n; i++)
		pthread_join(thread[i], NULL);
	began = n == 2 && g[1].began < g[0].began ? g[1].began : g[0].began;
	ended = n == 2 && g[1].ended > g[0].ended ? g[1].ended : g[0].ended;
	return (double)CALLS * n * 1000 / (double)(ended - began);
}

static void report(const char *name, const double *rate, const double *one, const struct giver *g)
{
	double ratio[ROUNDS];

	printf("%-24s %8.2f calls/us", name, median(rate, ROUNDS));
	if (one) {
		for (unsigned i = 0; i < ROUNDS; i++)
			ratio[i] = rate[i] / one[i];
		printf("  x%.2f", median(ratio, ROUNDS));
	}
	printf("  %u refused\n", g[0].refused + g[1].refused);
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
	struct giver alone[2] = {same[0]};
	double one[ROUNDS], two[ROUNDS], apart[ROUNDS];

	bench_ready(&b);
	make_td(0);
	make_td(1);
	for (unsigned i = 0; i < ROUNDS; i++) {
		one[i] = round_of(alone, 1);
		two[i] = round_of(same, 2);
		apart[i] = round_of(own, 2);
	}
	report("one processor", one, NULL, alone);
	report("two, ranges of one TD", two, one, same);
	report("two, a TD each", apart, one, own);
	bench_free(&b);
	return 0;
}
