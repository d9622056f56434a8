/* SPDX-License-Identifier: MIT */
/* Samples of single calls. One is a call between two readings of the clock; the median of an empty
 * pair is taken off. */
#ifndef BENCH_TIMED_H
#define BENCH_TIMED_H

#include "machine.h"

enum { TIMED_SAMPLES = 100000 };

struct timed {
	int64_t sample[TIMED_SAMPLES];
	int64_t pair_ns;
};

static inline int timed_order(const void *left, const void *right)
{
	int64_t x = *(const int64_t *)left, y = *(const int64_t *)right;

	return x < y ? -1 : x > y;
}

static inline int64_t timed_percentile(const struct timed *t, unsigned n, unsigned p)
{
	return t->sample[(uint64_t)(n - 1) * p / 100];
}

/* What reading the clock takes, and the head of the table. */
static inline void timed_begin(struct timed *t)
{
	for (unsigned i = 0; i < TIMED_SAMPLES; i++) {
		int64_t start = now();

		t->sample[i] = now() - start;
	}
	qsort(t->sample, TIMED_SAMPLES, sizeof(t->sample[0]), timed_order);
	t->pair_ns = timed_percentile(t, TIMED_SAMPLES, 50);
}

static inline void timed_head(const struct timed *t)
{
	printf("ns a call, less %lld for reading the clock\n", (long long)t->pair_ns);
	printf("%-24s %7s %7s %7s %7s %9s %9s\n", "", "calls", "median", "p5", "p95", "mean",
	       "reference");
}

/* Of n samples, each of `each` of the thing that is named; reference 0: none. */
static inline void timed_row(struct timed *t, const char *name, unsigned n, unsigned each,
			     int reference)
{
	double sum = 0, k = each;

	for (unsigned i = 0; i < n; i++)
		sum += (double)(t->sample[i] - t->pair_ns);
	qsort(t->sample, n, sizeof(t->sample[0]), timed_order);
	printf("%-24s %7u %7.0f %7.0f %7.0f %9.1f", name, n,
	       (double)(timed_percentile(t, n, 50) - t->pair_ns) / k,
	       (double)(timed_percentile(t, n, 5) - t->pair_ns) / k,
	       (double)(timed_percentile(t, n, 95) - t->pair_ns) / k, sum / n / k);
	if (reference)
		printf(" %9d\n", reference);
	else
		printf(" %9s\n", "-");
}

#endif
