/* SPDX-License-Identifier: MIT */
/* Measuring a 4 MiB image against hashing the same bytes with OpenSSL in one call: the ratio is the
 * price of everything that is not SHA-384. Best of several interleaved rounds, so that both see the
 * same machine. */
#include <openssl/evp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <swtdx/measure.h>

#define SIZE   (4u << 20)
#define ROUNDS 25

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); /* others may run meanwhile */
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void put(uint8_t *p, unsigned width, uint64_t v)
{
	for (unsigned i = 0; i < width; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

/* One BFV of the whole image, found through the word before the reset vector. */
static uint8_t *make_image(void)
{
	uint8_t *image = malloc(SIZE);
	uint8_t *d = image + SIZE - 0x1000;

	for (unsigned i = 0; i < SIZE; i++)
		image[i] = (uint8_t)(i * 2654435761u >> 24);
	memcpy(d, "TDVF", 4);
	put(d + 4, 4, 48);
	put(d + 8, 4, 1);
	put(d + 12, 4, 1);
	memset(d + 16, 0, 32);
	put(d + 16 + 4, 4, SIZE);
	put(d + 16 + 8, 8, (1ull << 32) - SIZE);
	put(d + 16 + 16, 8, SIZE);
	put(d + 16 + 28, 4, TDX_TDVF_ATTR_MR_EXTEND);
	put(image + SIZE - 0x20, 4, SIZE - 0x1000);
	return image;
}

static void hash(const uint8_t *bytes, size_t len)
{
	unsigned char out[64];
	unsigned n;

	if (EVP_Digest(bytes, len, out, &n, EVP_sha384(), NULL) != 1)
		abort();
}

static double least(double a, double b)
{
	return a > 0 && a < b ? a : b;
}

int main(void)
{
	uint8_t *image = make_image();
	struct tdx_tdvf_measurement m;
	struct tdx_tdvf_error err;
	double measure = 0, stream = 0, plain = 0;
	uint8_t *same;
	size_t fed;

	if (tdx_tdvf_mrtd(image, SIZE, TDX_TDVF_ORDER_PAGE, &m, &err))
		return 1;
	/* As many bytes as MRTD takes in, which is half as much again as the image has. */
	fed = m.pages * 128 + m.extends * 384;
	same = malloc(fed);
	for (size_t i = 0; i < fed; i++)
		same[i] = image[i % SIZE];
	for (unsigned i = 0; i < ROUNDS; i++) {
		double t0 = now(), t1, t2;

		tdx_tdvf_mrtd(image, SIZE, TDX_TDVF_ORDER_PAGE, &m, &err);
		t1 = now();
		hash(same, fed);
		t2 = now();
		hash(image, SIZE);
		measure = least(measure, t1 - t0);
		stream = least(stream, t2 - t1);
		plain = least(plain, now() - t2);
	}
	printf("measure: MRTD of a 4 MiB image %.2f ms; SHA-384 of the same %zu bytes %.2f ms "
	       "(%.0f MB/s): ratio %.3f\n",
	       measure * 1e3, fed, stream * 1e3, (double)fed / stream / 1e6, measure / stream);
	printf("measure: SHA-384 of the image alone %.2f ms: ratio %.3f\n", plain * 1e3,
	       measure / plain);
	free(same);
	free(image);
	return 0;
}
