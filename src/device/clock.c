/* SPDX-License-Identifier: MIT */
/* See device/clock.h. */
#include "device/clock.h"

#include <string.h>
#include <time.h>

enum {
	REG_A = 0x0a,
	REG_B = 0x0b,
	REG_C = 0x0c,
	REG_D = 0x0d,
	FIRST_BYTE = 0x0e, /* of plain memory */
	CENTURY = 0x32,
	EXTENDED_LOW = 0x34, /* from 16 MiB to 4 GiB, in 64 KiB */
	ABOVE_LOW = 0x5b,    /* above 4 GiB, in 64 KiB */
	A_32KHZ = 0x26,
	B_24H = 0x02,
	D_POWER = 0x80,
};

#define UNIT  (64ull << 10)
#define START (16ull << 20)

void clock_init(struct clock *c, int64_t (*seconds)(void *arg), void *arg)
{
	memset(c, 0, sizeof(*c));
	c->seconds = seconds;
	c->arg = arg;
}

void clock_set_memory(struct clock *c, uint64_t below_4g, uint64_t above_4g)
{
	const uint64_t extended = below_4g > START ? (below_4g - START) / UNIT : 0;

	for (unsigned i = 0; i < 2; i++)
		c->ram[EXTENDED_LOW + i] = (uint8_t)(extended >> 8 * i);
	for (unsigned i = 0; i < 3; i++)
		c->ram[ABOVE_LOW + i] = (uint8_t)(above_4g / UNIT >> 8 * i);
}

static uint8_t bcd(int v)
{
	return (uint8_t)(v / 10 % 10 << 4 | v % 10);
}

static uint8_t time_register(const struct clock *c, unsigned reg)
{
	const time_t now = (time_t)c->seconds(c->arg);
	struct tm t;

	if (!gmtime_r(&now, &t))
		return 0;
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
		return 0; /* the alarm, which is never set */
	}
}

uint8_t clock_read(const struct clock *c, unsigned port)
{
	if (port != CLOCK_DATA)
		return c->index;
	switch (c->index) {
	case REG_A:
		return A_32KHZ;
	case REG_B:
		return B_24H;
	case REG_C:
		return 0;
	case REG_D:
		return D_POWER;
	default:
		return c->index < REG_A || c->index == CENTURY ? time_register(c, c->index)
							       : c->ram[c->index];
	}
}

void clock_write(struct clock *c, unsigned port, uint8_t value)
{
	if (port != CLOCK_DATA)
		c->index = value % CLOCK_BYTES; /* bit 7 is the NMI's mask */
	else if (c->index >= FIRST_BYTE && c->index != CENTURY)
		c->ram[c->index] = value;
}

void clock_save(const struct clock *c, struct clock_state *s)
{
	s->index = c->index;
	memcpy(s->ram, c->ram, sizeof(s->ram));
}

void clock_load(struct clock *c, const struct clock_state *s)
{
	c->index = s->index % CLOCK_BYTES;
	memcpy(c->ram, s->ram, sizeof(c->ram));
}
