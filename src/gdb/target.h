/* SPDX-License-Identifier: MIT */
/* What a gdb server does to a guest: a small table of operations. A TD through its host's calls is
 * one (gdb/target_td.h); the server knows nothing else of it.
 *
 * A processor's operations are called while it is parked, or by its own thread. Whatever is refused
 * says why in words, which gdb shows to its user. */
#ifndef GDB_TARGET_H
#define GDB_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum gdb_reg {
#define R(name_, type_, bytes_, feature_) GDB_##name_,
#include "gdb/registers.def"
#undef R
	GDB_REGISTERS
};

enum { GDB_HARD = 4 };

struct gdb_refusal {
	char text[200];
	char kind[104]; /* what of it does not depend on the place: said once in a row */
};

/* Where a processor is to stop. */
struct gdb_points {
	bool step;	    /* after one instruction */
	bool soft;	    /* at INT3 */
	unsigned hard_used; /* bits; at these linear addresses */
	uint64_t hard[GDB_HARD];
};

/* Why it stopped. */
enum gdb_event { GDB_EVENT_STEP, GDB_EVENT_INT3, GDB_EVENT_HARD };

struct gdb_target_ops {
	/* As many bytes as registers.def says, little-endian. */
	bool (*get)(void *arg, unsigned cpu, enum gdb_reg reg, uint8_t *buf,
		    struct gdb_refusal *why);
	bool (*set)(void *arg, unsigned cpu, enum gdb_reg reg, const uint8_t *buf,
		    struct gdb_refusal *why);
	/* Guest-physical memory. */
	bool (*read)(void *arg, uint64_t at, uint8_t *buf, size_t len, struct gdb_refusal *why);
	bool (*write)(void *arg, uint64_t at, const uint8_t *buf, size_t len,
		      struct gdb_refusal *why);
	/* From now on it stops there, and nowhere else. */
	bool (*arm)(void *arg, unsigned cpu, const struct gdb_points *points,
		    struct gdb_refusal *why);
	/* Out of the guest; any thread. */
	void (*kick)(void *arg, unsigned cpu);
};

#endif
