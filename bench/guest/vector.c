/* SPDX-License-Identifier: MIT */
/* Loops that a compiler makes vectors of, with AVX2 and FMA: sums of products, integers of four
 * sizes, a table looked up. What they come to is printed, so that both machines' can be compared:
 * all of it is exact. Arguments: turns. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { N = 1024 };

static double a[N], b[N];
static float f[N];
static int32_t w[N], from[N];
static uint8_t s[N], t[N];

static void fill(void)
{
	for (unsigned i = 0; i < N; i++) {
		a[i] = i % 17;
		b[i] = i % 13 + 1;
		f[i] = (float)(i % 7);
		w[i] = (int32_t)(i * 2654435761u);
		from[i] = (int32_t)(i * 389 % N);
		s[i] = (uint8_t)(i * 7);
	}
}

int main(int argc, char **argv)
{
	const long turns = (argc > 1 ? atol(argv[1]) : 70000) / 100;
	uint64_t sum = 0;
	double x = 0;
	float y = 0;

	fill();
	for (long turn = 0; turn < turns; turn++) {
		const int32_t k = (int32_t)turn;

		for (unsigned i = 0; i < N; i++)
			x += a[i] * b[i];
		for (unsigned i = 0; i < N; i++)
			f[i] = f[i] > 4 ? f[i] - 4 : f[i] + 3;
		for (unsigned i = 0; i < N; i++)
			w[i] = (w[i] ^ k) + w[i] / 8 + (w[i] << 3);
		for (unsigned i = 0; i < N; i++)
			sum += (uint32_t)w[from[i]];
		for (unsigned i = 0; i < N; i++)
			t[i] = (uint8_t)((s[i] + t[i] + 1) / 2);
	}
	for (unsigned i = 0; i < N; i++) {
		y += f[i];
		sum += t[i];
	}
	printf("%.0f %.0f %llu\n", x, y, (unsigned long long)sum);
	return 0;
}
