/* SPDX-License-Identifier: MIT */
/* A snapshot's two halves: what the board is beside its memory (snapshot.c), and the file
 * (snapshot_file.c). */
#ifndef BOARD_SNAPSHOT_H
#define BOARD_SNAPSHOT_H

#include "board/internal.h"

/* Memory is kept in granules that are not all zero. */
#define SNAPSHOT_GRANULE (64ull << 10)

/* One walk over the state, three ways: how much there is, out, in. */
struct snapshot_walk {
	enum { SNAPSHOT_COUNT, SNAPSHOT_SAVE, SNAPSHOT_LOAD } way;
	uint8_t *at;
	size_t left; /* of what is at `at`; bytes so far when counting */
	char *err;   /* the first that is wrong; empty: nothing yet */
	size_t errlen;
};

/* 0; -EBUSY, -EINVAL or -ENOMEM with a sentence. All processors are at rest, or none has started.
 */
int snapshot_walk(struct board *b, struct snapshot_walk *w);

/* The parts of the memory that is kept, RAM first; n of them. */
enum { SNAPSHOT_AREAS_MAX = 8 };
unsigned snapshot_areas(struct board *b, struct machine_bytes area[SNAPSHOT_AREAS_MAX]);
/* When the memory is there: what refers into tables does. */
bool snapshot_memory_is_sound(const struct board *b);

#endif
