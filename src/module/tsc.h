/* SPDX-License-Identifier: MIT */
/* Virtual TSC of a TD: (native * multiplier >> 48) + offset, and back. */
#ifndef MODULE_TSC_H
#define MODULE_TSC_H

#include <stdbool.h>
#include <stdint.h>

static inline uint64_t tsc_to_virtual(uint64_t native, uint64_t multiplier, uint64_t offset)
{
	return (uint64_t)((unsigned __int128)native * multiplier >> 48) + offset;
}

/* False when the native value does not fit in 64 bits. */
static inline bool tsc_to_native(uint64_t virtual_, uint64_t multiplier, uint64_t offset,
				 uint64_t *native)
{
	const uint64_t ticks = virtual_ - offset;

	if (ticks >> 16 >= multiplier)
		return false;
	*native = (uint64_t)(((unsigned __int128)ticks << 48) / multiplier);
	return true;
}

#endif
