/* SPDX-License-Identifier: MIT */
/* A program for a guest: arithmetic of the x87 unit and of SSE, side by side. Turns: its argument.
 */
#include <stdio.h>
#include <stdlib.h>

/* A series by the x87 unit, with what compilers make of it: loads, stores, exchanges, compares. */
static long double old_way(unsigned long turns)
{
	volatile long double limit = 3.0L;
	long double sum = 0.0L, x = 1.0L;
	unsigned long i;

	for (i = 1; i <= turns; i++) {
		const long double k = (long double)i;

		x = (x * 1.25L + 0.75L) / (k + x);
		if (x > limit)
			x -= limit;
		sum += x * k - sum / (k + 1.0L);
	}
	return sum;
}

/* The same by SSE, and a product of matrices that is made of vectors. */
static double new_way(unsigned long turns)
{
	enum { N = 24 };
	static double a[N][N], b[N][N], c[N][N];
	double sum = 0.0, x = 1.0;
	unsigned long i;
	unsigned r, s, t;

	for (r = 0; r < N; r++) {
		for (s = 0; s < N; s++) {
			a[r][s] = r * 0.5 + s;
			b[r][s] = r - s * 0.25;
		}
	}
	for (i = 1; i <= turns; i++) {
		x = (x * 1.25 + 0.75) / ((double)i + x);
		sum += x * (double)i - sum / ((double)i + 1.0);
		if (i % 512)
			continue;
		for (r = 0; r < N; r++)
			for (t = 0; t < N; t++)
				for (s = 0; s < N; s++)
					c[r][s] += a[r][t] * b[t][s];
		sum += c[i % N][(i / 512) % N] * 1e-9;
	}
	return sum;
}

int main(int argc, char **argv)
{
	const unsigned long turns = argc > 1 ? strtoul(argv[1], NULL, 0) : 1000;

	printf("%.12Lg %.12g\n", old_way(turns), new_way(turns));
	return 0;
}
