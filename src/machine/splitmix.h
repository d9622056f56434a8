/* SPDX-License-Identifier: MIT */
/* Chance from a seed, and words spread over all values: splitmix64 (Steele, Lea, Flood 2014). */
#ifndef MACHINE_SPLITMIX_H
#define MACHINE_SPLITMIX_H

#include <stdint.h>

#define SPLITMIX_STEP 0x9e3779b97f4a7c15

static inline uint64_t splitmix_spread(uint64_t z)
{
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* The next of a series; the state is the caller's. */
static inline uint64_t splitmix_next(uint64_t *state)
{
	return splitmix_spread(*state += SPLITMIX_STEP);
}

#endif
