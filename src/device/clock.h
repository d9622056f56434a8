/* SPDX-License-Identifier: MIT */
/* The real-time clock with its CMOS memory (MC146818): the time of day, and bytes the owner or the
 * guest put there. Ports 0x70 (index) and 0x71 (data).
 *
 * The time cannot be set, and there are no interrupts: register C reads zero. The owner serializes
 * all calls. Nothing is allocated. */
#ifndef DEVICE_CLOCK_H
#define DEVICE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

enum { CLOCK_INDEX = 0x70, CLOCK_DATA = 0x71, CLOCK_BYTES = 128 };

struct clock {
	int64_t (*seconds)(void *arg); /* since 1970, UTC */
	void *arg;
	uint8_t index;
	uint8_t ram[CLOCK_BYTES];
};

/* Plain data. The time is not of it: each machine's clock goes right. */
struct clock_state {
	uint8_t index;
	uint8_t ram[CLOCK_BYTES];
};

void clock_init(struct clock *c, int64_t (*seconds)(void *arg), void *arg);
/* How firmware for PCs learns how much memory there is, below 4 GiB and above. */
void clock_set_memory(struct clock *c, uint64_t below_4g, uint64_t above_4g);
void clock_save(const struct clock *c, struct clock_state *s);
void clock_load(struct clock *c, const struct clock_state *s);
uint8_t clock_read(const struct clock *c, unsigned port);
void clock_write(struct clock *c, unsigned port, uint8_t value);

#endif
