/* SPDX-License-Identifier: MIT */
/* A machine and its module as they were, to go back to many times quickly.
 *
 * The bytes of RAM are kept in a file in memory which the machine then sees copy-on-write: going
 * back drops the copies. The state of module and processors is copied. No processor may be inside
 * the module, and nobody may track coherency. */
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

/* Going back and comparing cost less when the pages that change are known: from now on
 * snapshot_rewind() does, for these. 0 or a negative errno. */
int snapshot_learn(struct snapshot *s);
void snapshot_rewind(struct snapshot *s);
/* Has a page been written that was not learnt? Then learn again. 0 no, 1 yes, or a negative errno.
 */
int snapshot_surprised(struct snapshot *s);

struct state_hash {
	uint64_t a, b;
};
/* What differs from the snapshot, in learnt pages, module and machine. */
struct state_hash snapshot_hash(const struct snapshot *s);
/* Mixing more bytes in; len a multiple of 8. */
struct state_hash hash_more(struct state_hash h, const void *bytes, size_t len);

#endif
