/* SPDX-License-Identifier: MIT */
/* The real-time clock and its memory (MC146818): the time, and how firmware for PCs learns how much
 * memory there is. */
#include "tools/run_cmos.h"

#include <time.h>

enum {
	REG_A = 0x0a,
	REG_B = 0x0b,
	REG_D = 0x0d,
	CENTURY = 0x32,
	EXTENDED_LOW = 0x34, /* from 16 MiB to 4 GiB, in 64 KiB */
	EXTENDED_HIGH = 0x35,
	ABOVE_LOW = 0x5b, /* above 4 GiB, in 64 KiB */
	ABOVE_MIDDLE = 0x5c,
	ABOVE_HIGH = 0x5d,
	A_32KHZ = 0x26,
	B_24H = 0x02,
	D_POWER = 0x80,
};

#define LOW_MAX (2ull << 30)
#define UNIT	(64ull << 10)
#define START	(16ull << 20)

static uint8_t bcd(int v)
{
	return (uint8_t)(v / 10 % 10 << 4 | v % 10);
}

static uint8_t clock_register(unsigned reg)
{
	time_t now = time(NULL);
	struct tm t;

	gmtime_r(&now, &t);
	switch (reg) {
	case 0:
		return bcd(t.tm_sec);
	case 2:
		return bcd(t.tm_min);
	case 4:
		return bcd(t.tm_hour);
	case 6:
		return bcd(t.tm_wday + 1);
	case 7:
		return bcd(t.tm_mday);
	case 8:
		return bcd(t.tm_mon + 1);
	case 9:
		return bcd(t.tm_year % 100);
	case CENTURY:
		return bcd(t.tm_year / 100 + 19);
	default:
		return 0;
	}
}

uint8_t run_cmos_read(uint8_t index, uint64_t memory)
{
	uint64_t low = memory < LOW_MAX ? memory : LOW_MAX;
	uint64_t extended = low > START ? (low - START) / UNIT : 0, above = (memory - low) / UNIT;

	switch (index & 0x7f) {
	case REG_A:
		return A_32KHZ;
	case REG_B:
		return B_24H;
	case REG_D:
		return D_POWER;
	case EXTENDED_LOW:
		return (uint8_t)extended;
	case EXTENDED_HIGH:
		return (uint8_t)(extended >> 8);
	case ABOVE_LOW:
		return (uint8_t)above;
	case ABOVE_MIDDLE:
		return (uint8_t)(above >> 8);
	case ABOVE_HIGH:
		return (uint8_t)(above >> 16);
	default:
		return clock_register(index & 0x7f);
	}
}
