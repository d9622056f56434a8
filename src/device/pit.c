/* SPDX-License-Identifier: MIT */
/* See device/pit.h. */
#include "device/pit.h"

#include <string.h>

enum { ACCESS_LATCH, ACCESS_LOW, ACCESS_HIGH, ACCESS_BOTH };
enum { ON_TERMINAL, ONE_SHOT, RATE, SQUARE, STROBE_SOFT, STROBE_HARD };
enum { SELECT_READ_BACK = 3, NOT_COUNT = 0x20, NOT_STATUS = 0x10 };
enum { STATUS_OUT = 0x80, STATUS_NULL = 0x40 };
enum { GATE_2 = 0x01, GATES_WRITTEN = 0x0f, GATE_REFRESH = 0x10, GATE_OUT_2 = 0x20 };

#define SECOND	      1000000000
#define ELAPSED_MOST  (1ll << 60)
#define REFRESH_TICKS 18 /* 15 microseconds: how long bit 4 of port 0x61 stays */

static int64_t tick(const struct pit *p)
{
	const int64_t ns = p->now(p->arg);

	return ns / SECOND * PIT_HZ + ns % SECOND * PIT_HZ / SECOND;
}

static int64_t elapsed(const struct pit_counter *c, int64_t now)
{
	return c->runs ? now - c->since : c->elapsed;
}

static bool repeats(const struct pit_counter *c)
{
	return c->mode == RATE || c->mode == SQUARE;
}

/* Of these the gate's edge begins a count; of the others its level lets it go on. */
static bool waits_for_gate(const struct pit_counter *c)
{
	return c->mode == ONE_SHOT || c->mode == STROBE_HARD;
}

static uint32_t range(const struct pit_counter *c)
{
	return c->bcd ? 10000 : 65536;
}

static uint16_t to_bcd(uint32_t v)
{
	return (uint16_t)(v / 1000 % 10 << 12 | v / 100 % 10 << 8 | v / 10 % 10 << 4 | v % 10);
}

static uint32_t from_bcd(uint32_t v)
{
	return (v >> 12 & 15) * 1000 + (v >> 8 & 15) * 100 + (v >> 4 & 15) * 10 + (v & 15);
}

static uint16_t count(const struct pit_counter *c, int64_t now)
{
	const int64_t initial = c->initial, e = elapsed(c, now);
	int64_t v = initial;

	if (c->mode == SQUARE)
		v -= (2 * e % initial) & ~1ll;
	else if (c->mode == RATE)
		v -= e % initial;
	else
		v -= e % range(c);
	v = (v + range(c)) % range(c);
	return c->bcd ? to_bcd((uint32_t)v) : (uint16_t)v;
}

static bool output(const struct pit_counter *c, int64_t now)
{
	const int64_t e = elapsed(c, now);

	switch (c->mode) {
	case ON_TERMINAL:
		return c->loaded && e >= c->initial;
	case ONE_SHOT:
		return !c->runs || e >= c->initial;
	case RATE:
		return e % c->initial != c->initial - 1;
	case SQUARE:
		return e % c->initial < (c->initial + 1) / 2;
	default:
		return e != c->initial || !c->loaded;
	}
}

static void begin(struct pit_counter *c, int64_t now)
{
	c->since = now;
	c->elapsed = 0;
	c->runs = true;
}

static void load(struct pit_counter *c, uint32_t v, int64_t now)
{
	v = c->bcd ? from_bcd(v) : v;
	c->initial = v ? v : range(c);
	c->loaded = true;
	if (waits_for_gate(c))
		return;
	begin(c, now);
	c->runs = c->gate;
}

static void set_gate(struct pit_counter *c, bool gate, int64_t now)
{
	const bool rises = gate && !c->gate, falls = !gate && c->gate;

	c->gate = gate;
	if (!c->loaded)
		return;
	if (rises && (waits_for_gate(c) || repeats(c))) {
		begin(c, now);
	} else if (rises) {
		c->since = now - c->elapsed;
		c->runs = true;
	} else if (falls && !waits_for_gate(c)) {
		c->elapsed = elapsed(c, now);
		c->runs = false;
	}
}

static void latch(struct pit_counter *c, bool count_, bool status, int64_t now)
{
	if (count_ && !c->count_latched) {
		c->latched = count(c, now);
		c->count_latched = true;
	}
	if (status && !c->status_latched) {
		c->status = (uint8_t)((output(c, now) ? STATUS_OUT : 0) |
				      (c->loaded ? 0 : STATUS_NULL) | c->access << 4 |
				      c->mode << 1 | c->bcd);
		c->status_latched = true;
	}
}

static void control(struct pit *p, uint8_t v, int64_t now)
{
	const unsigned select = v >> 6, access = v >> 4 & 3, mode = v >> 1 & 7;
	struct pit_counter *c = &p->counter[select % PIT_COUNTERS];

	if (select == SELECT_READ_BACK) {
		for (unsigned i = 0; i < PIT_COUNTERS; i++)
			if (v >> (i + 1) & 1)
				latch(&p->counter[i], !(v & NOT_COUNT), !(v & NOT_STATUS), now);
		return;
	}
	if (access == ACCESS_LATCH) {
		latch(c, true, false, now);
		return;
	}
	c->access = (uint8_t)access;
	c->mode = (uint8_t)(mode > STROBE_HARD ? mode - 4 : mode);
	c->bcd = v & 1;
	c->initial = range(c);
	c->elapsed = 0;
	c->loaded = c->runs = c->count_latched = c->status_latched = false;
	c->high_next_in = c->high_next_out = false;
}

static void write_counter(struct pit_counter *c, uint8_t v, int64_t now)
{
	switch (c->access) {
	case ACCESS_LOW:
		load(c, v, now);
		break;
	case ACCESS_HIGH:
		load(c, (uint32_t)v << 8, now);
		break;
	default:
		if (c->high_next_in)
			load(c, (uint32_t)v << 8 | c->low, now);
		else
			c->low = v;
		c->high_next_in ^= 1;
		break;
	}
}

static uint8_t read_counter(struct pit_counter *c, int64_t now)
{
	const bool high = c->access == ACCESS_BOTH ? c->high_next_out : c->access == ACCESS_HIGH;
	uint16_t v;

	if (c->status_latched) {
		c->status_latched = false;
		return c->status;
	}
	v = c->count_latched ? c->latched : count(c, now);
	if (c->access == ACCESS_BOTH)
		c->high_next_out ^= 1;
	if (c->access != ACCESS_BOTH || high)
		c->count_latched = false;
	return (uint8_t)(high ? v >> 8 : v);
}

void pit_init(struct pit *p, int64_t (*now)(void *arg), void *arg)
{
	memset(p, 0, sizeof(*p));
	p->now = now;
	p->arg = arg;
	for (unsigned i = 0; i < PIT_COUNTERS; i++)
		p->counter[i] = (struct pit_counter){
			.initial = 65536, .access = ACCESS_BOTH, .mode = SQUARE, .gate = i != 2};
}

void pit_save(const struct pit *p, struct pit_state *s)
{
	const int64_t now = tick(p);

	s->gates = p->gates;
	for (unsigned i = 0; i < PIT_COUNTERS; i++) {
		s->counter[i] = p->counter[i];
		s->counter[i].elapsed = elapsed(&p->counter[i], now);
		s->counter[i].since = 0;
	}
}

void pit_load(struct pit *p, const struct pit_state *s)
{
	const int64_t now = tick(p);

	p->gates = s->gates & GATES_WRITTEN;
	for (unsigned i = 0; i < PIT_COUNTERS; i++) {
		struct pit_counter *c = &p->counter[i];

		/* It comes from a peer. */
		*c = s->counter[i];
		c->bcd &= 1;
		c->access = c->access && c->access < ACCESS_BOTH ? c->access : ACCESS_BOTH;
		c->mode = c->mode > STROBE_HARD ? SQUARE : c->mode;
		c->initial = c->initial && c->initial <= range(c) ? c->initial : range(c);
		c->elapsed = c->elapsed < 0 || c->elapsed > ELAPSED_MOST ? 0 : c->elapsed;
		c->since = now - c->elapsed;
	}
}

uint8_t pit_read(struct pit *p, unsigned port)
{
	const int64_t now = tick(p);

	if (port == PIT_GATE)
		return (uint8_t)(p->gates | (now / REFRESH_TICKS & 1 ? GATE_REFRESH : 0) |
				 (output(&p->counter[2], now) ? GATE_OUT_2 : 0));
	if (port == PIT_CONTROL)
		return 0xff;
	return read_counter(&p->counter[(port - PIT_FIRST) % PIT_COUNTERS], now);
}

void pit_write(struct pit *p, unsigned port, uint8_t value)
{
	const int64_t now = tick(p);

	if (port == PIT_GATE) {
		p->gates = value & GATES_WRITTEN;
		set_gate(&p->counter[2], value & GATE_2, now);
	} else if (port == PIT_CONTROL) {
		control(p, value, now);
	} else {
		write_counter(&p->counter[(port - PIT_FIRST) % PIT_COUNTERS], value, now);
	}
}
