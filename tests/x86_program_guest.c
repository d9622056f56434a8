/* SPDX-License-Identifier: MIT */
/* An ordinary static program which the engine's test runs natively and as a guest: what it prints
 * must be the same. It leads through the C library's startup, string functions, printf with
 * floating point, sorting, long double, 128-bit arithmetic, setjmp and atomics. */
#include <math.h>
#include <setjmp.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state = 88172645463325252ull;

static uint64_t next(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static int by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static void numbers(void)
{
	double v[200], sum = 0;
	long double wide = 1.0L;
	int i;

	for (i = 0; i < 200; i++)
		v[i] = (double)(int64_t)next() / 1e9;
	qsort(v, 200, sizeof(v[0]), by_value);
	for (i = 0; i < 200; i += 20)
		printf("%.9g %.6f %e\n", v[i], fabs(v[i]) / 3, v[i]);
	for (i = 1; i < 400; i++) {
		sum += sin(i) * sqrt(i) + log(i) / exp(i / 100.0) + pow(i, 0.3) - atan2(i, 3) +
		       fmod(i, 7.5);
		wide = wide * 1.0001L + sqrtl((long double)i) - fabsl(sinl((long double)i));
	}
	printf("%.9f %.12Lg %.9f\n", sum, wide, strtod("123.456e-3", NULL));
	printf("%d %d %d %ld\n", (int)floor(-2.5), (int)ceil(2.1), (int)lrint(2.5), lround(-7.5));
}

static void strings(void)
{
	char a[4096], b[4096];
	int i;

	for (i = 0; i < 4095; i++)
		a[i] = (char)('a' + next() % 26);
	a[4095] = 0;
	strcpy(b, a);
	memmove(b + 7, b, 2000);
	memmove(b + 100, b + 103, 900);
	printf("%zu %d %ld %ld %.40s\n", strlen(b), strcmp(a, b) < 0, (long)(strstr(a, "qz") - a),
	       (long)(strrchr(a, 'x') - a), b + 90);
	printf("%ld %zu %zu\n", (long)((char *)memchr(a + 5, 'k', 4000) - a),
	       strspn(a, "abcdefghijklm"), strcspn(a + 9, "xyz"));
	for (i = 0; i < 64; i++) {
		memset(b + i, i, (size_t)i * 3);
		if (memcmp(a + i, b + i, 50) == 0)
			puts("equal");
	}
}

static void integers(void)
{
	unsigned __int128 p = 1;
	atomic_ullong count = 5;
	uint64_t h = 0;
	jmp_buf env;
	volatile int turns = 0;
	int i;

	for (i = 0; i < 5000; i++) {
		const uint64_t a = next(), b = next() | 1;

		p = p * a + b;
		h ^= (uint64_t)(p / b) + (uint64_t)(p % b) + (a << (b & 63)) +
		     (uint64_t)((int64_t)a >> 5);
		h = h << 9 | h >> 55;
		h += (uint64_t)__builtin_popcountll(a) + (uint64_t)__builtin_clzll(b);
		atomic_fetch_add(&count, a & 7);
	}
	if (setjmp(env) < 10) {
		turns = turns + 1;
		longjmp(env, turns);
	}
	printf("%016llx %llu %d\n", (unsigned long long)h, (unsigned long long)count, turns);
}

int main(int argc, char **argv)
{
	char *big = malloc(3u << 20);

	memset(big, 7, 3u << 20);
	printf("%d %s %d\n", argc, argv[argc - 1], big[(2u << 20) + 5]);
	numbers();
	strings();
	integers();
	free(big);
	return 42;
}
