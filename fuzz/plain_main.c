/* SPDX-License-Identifier: MIT */
/* A harness for libFuzzer without it: nothing, then random bytes; the same seed, the same inputs.
 * fuzz_NAME [INPUTS [SEED]] */
#include <stdio.h>
#include <stdlib.h>

#include "fuzz/random.h"

enum { MAX_INPUT = 512 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* Not every harness has one. */
__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);

int main(int argc, char **argv)
{
	const unsigned long inputs = argc > 1 ? strtoul(argv[1], NULL, 0) : 200;
	uint64_t rng = argc > 2 ? strtoull(argv[2], NULL, 0) : 1;

	if (LLVMFuzzerInitialize)
		LLVMFuzzerInitialize(&argc, &argv);
	for (unsigned long i = 0; i < inputs; i++) {
		const size_t n = i ? random_below(&rng, MAX_INPUT) : 0;
		uint8_t *data = malloc(n ? n : 1); /* a read behind it is one behind the heap's */

		if (!data)
			return 3;
		for (size_t k = 0; k < n; k++)
			data[k] = (uint8_t)random_next(&rng);
		LLVMFuzzerTestOneInput(data, n);
		free(data);
	}
	printf("%lu inputs, no finding\n", inputs);
	return 0;
}
