/* SPDX-License-Identifier: MIT */
/* Chance from a seed: the same seed, the same calls. The state is the caller's. */
#ifndef FUZZ_RANDOM_H
#define FUZZ_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

#include "machine/splitmix.h"

static inline uint64_t random_next(uint64_t *state)
{
	return splitmix_next(state);
}

/* One of 0 to n - 1. */
static inline unsigned random_below(uint64_t *state, unsigned n)
{
	return (unsigned)((random_next(state) >> 32) * n >> 32);
}

#endif
