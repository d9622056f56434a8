/* SPDX-License-Identifier: MIT */
/* The interval timer (8254): three counters at ports 0x40 to 0x42, control at 0x43, and port 0x61,
 * which has the gate and the output of the third. Linux measures the processor's clock by it.
 *
 * It counts and has no interrupts: the owner says what time it is, and serializes all calls.
 * Nothing is allocated. A counter that is written while it counts in mode 2 or 3 begins anew at
 * once. */
#ifndef DEVICE_PIT_H
#define DEVICE_PIT_H

#include <stdbool.h>
#include <stdint.h>

enum {
	PIT_FIRST = 0x40,
	PIT_CONTROL = 0x43,
	PIT_GATE = 0x61,
	PIT_COUNTERS = 3,
	PIT_HZ = 1193182,
};

struct pit_counter {
	int64_t since;	  /* tick at which it began */
	int64_t elapsed;  /* ticks until it was stopped */
	uint32_t initial; /* 1 to 65536, or 10000 */
	uint16_t latched;
	uint8_t mode, access, status, low;
	/* yes or no, as bytes that may come from a peer */
	uint8_t bcd, loaded, runs, gate;
	uint8_t count_latched, status_latched;
	uint8_t high_next_in, high_next_out; /* of two bytes, to and from the counter */
};

struct pit {
	struct pit_counter counter[PIT_COUNTERS];
	uint8_t gates; /* port 0x61 as written */
	int64_t (*now)(void *arg);
	void *arg;
};

/* Plain data, good on another machine: nothing in it is a time of this one. */
struct pit_state {
	struct pit_counter counter[PIT_COUNTERS];
	uint8_t gates;
};

/* now: nanoseconds, from anywhere, never backwards. */
void pit_init(struct pit *p, int64_t (*now)(void *arg), void *arg);
void pit_save(const struct pit *p, struct pit_state *s);
void pit_load(struct pit *p, const struct pit_state *s);
uint8_t pit_read(struct pit *p, unsigned port);
void pit_write(struct pit *p, unsigned port, uint8_t value);

static inline bool pit_has(unsigned port)
{
	return (port >= PIT_FIRST && port <= PIT_CONTROL) || port == PIT_GATE;
}

#endif
