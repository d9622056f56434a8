/* SPDX-License-Identifier: MIT */
/* Samples of single calls, and the table of them.
 *
 * A sample is a call between two readings of the clock; the median of an empty pair is taken off.
 * The mean, of the thread's processor time, comes first: a call that leaves work to others has a
 * good median, and what other programs take away is not in it. */
#ifndef BENCH_TIMED_H
#define BENCH_TIMED_H

#include "machine.h"

enum { TIMED_SAMPLES = 100000 };

struct timed {
	int64_t sample[TIMED_SAMPLES];
	int64_t pair_ns;
	double pair_mean;
	int64_t began, spent; /* processor time; began is 0 while it does not count */
};

/* Of another module; 0: not measured. */
struct timed_reference {
	double mean;
	int median;
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

static inline int64_t timed_cpu(void)
{
	struct timespec at;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &at);
	return at.tv_sec * 1000000000ll + at.tv_nsec;
}

/* Before the first sample, and where samples go on after something else. */
static inline void timed_go(struct timed *t)
{
	t->began = timed_cpu();
}

/* Before something else. */
static inline void timed_stop(struct timed *t)
{
	if (t->began)
		t->spent += timed_cpu() - t->began;
	t->began = 0;
}

/* What reading the clock takes. */
static inline void timed_begin(struct timed *t)
{
	timed_go(t);
	for (unsigned i = 0; i < TIMED_SAMPLES; i++) {
		int64_t start = now();

		t->sample[i] = now() - start;
	}
	timed_stop(t);
	t->pair_mean = (double)t->spent / TIMED_SAMPLES;
	t->spent = 0;
	qsort(t->sample, TIMED_SAMPLES, sizeof(t->sample[0]), timed_order);
	t->pair_ns = timed_percentile(t, TIMED_SAMPLES, 50);
}

static inline void timed_head(const struct timed *t, const char *reference)
{
	printf("ns a call, less %lld for reading the clock\n", (long long)t->pair_ns);
	printf("%-24s %7s %8s %8s %5s %8s %8s %5s %7s %7s\n", "", "calls", "mean", reference, "",
	       "median", reference, "", "p5", "p95");
}

static inline void timed_beside(double ours, double reference)
{
	if (reference > 0)
		printf(" %8.1f %5.2f", reference, ours / reference);
	else
		printf(" %8s %5s", "-", "-");
}

/* Of n samples, each of `each` of the thing that is named. */
static inline void timed_row(struct timed *t, const char *name, unsigned n, unsigned each,
			     struct timed_reference reference)
{
	const double k = each;
	double mean, median;

	timed_stop(t);
	mean = ((double)t->spent / n - t->pair_mean) / k;
	t->spent = 0;
	qsort(t->sample, n, sizeof(t->sample[0]), timed_order);
	median = (double)(timed_percentile(t, n, 50) - t->pair_ns) / k;
	printf("%-24s %7u %8.1f", name, n, mean);
	timed_beside(mean, reference.mean);
	printf(" %8.0f", median);
	timed_beside(median, reference.median);
	printf(" %7.0f %7.0f\n", (double)(timed_percentile(t, n, 5) - t->pair_ns) / k,
	       (double)(timed_percentile(t, n, 95) - t->pair_ns) / k);
}

#endif
