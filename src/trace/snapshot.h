/* SPDX-License-Identifier: MIT */
/* A machine and its module as they were, to go back to many times quickly.
 *
 * The bytes of RAM are kept in a file in memory which the machine then sees copy-on-write: going back
 * drops the copies. The state of module and processors is copied. No processor may be inside the
 * module, and nobody may track coherency. */
#ifndef TRACE_SNAPSHOT_H
#define TRACE_SNAPSHOT_H

#include "trace/player.h"

struct snapshot;

/* 0 or a negative errno. From now on the player's machine belongs to the snapshot. */
int snapshot_take(struct player *p, struct snapshot **out);
/* Back to where it was taken; listeners stay. */
void snapshot_restore(struct snapshot *s);
/* Before player_free(). */
void snapshot_free(struct snapshot *s);

/* The 4K pages (as HPA) written since it was taken or last restored, at most max. A negative errno, or
 * how many there are. */
int snapshot_written(const struct snapshot *s, uint64_t *pa, size_t max);

/* A hash of everything that could differ from the snapshot: the pages given, module, processors. */
struct snapshot_hash {
	uint64_t a, b;
};
struct snapshot_hash snapshot_hash(const struct snapshot *s, const uint64_t *pa, size_t n,
				   struct snapshot_hash seed);
/* Mixing more bytes in; len a multiple of 8. */
struct snapshot_hash hash_more(struct snapshot_hash h, const void *bytes, size_t len);

#endif
