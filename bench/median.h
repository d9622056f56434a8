/* SPDX-License-Identifier: MIT */
#ifndef BENCH_MEDIAN_H
#define BENCH_MEDIAN_H

#include <stdlib.h>
#include <string.h>

static inline int median_order(const void *left, const void *right)
{
	double x = *(const double *)left, y = *(const double *)right;

	return (x > y) - (x < y);
}

/* Of n values, at most 256, which stay as they are. */
static inline double median(const double *v, unsigned n)
{
	double sorted[256];

	if (n > sizeof(sorted) / sizeof(*sorted))
		abort();
	memcpy(sorted, v, n * sizeof(*v));
	qsort(sorted, n, sizeof(*sorted), median_order);
	return sorted[n / 2];
}

#endif
