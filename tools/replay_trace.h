/* SPDX-License-Identifier: MIT */
/* swtdx replay of recorded traces: as text, JSON, vectors, Perfetto; two compared. */
#ifndef TOOLS_REPLAY_TRACE_H
#define TOOLS_REPLAY_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct replay_trace_options {
	bool json, locks, vectors, diff;
	const char *perfetto; /* file to write, "-" standard output */
	uint64_t from, to;    /* numbers of the records to use */
};

/* One path, two for a diff. An enum verb_exit. */
int replay_trace(const struct replay_trace_options *o, char **paths);

/* A trace as the text of vectors, to be freed; NULL: out of memory, or damaged beyond use. Damage
 * is reported on standard error; `cut`: it ends early, and what is there is whole. */
char *replay_trace_text(const char *path, const uint8_t *data, size_t size, bool *damaged,
			bool *cut);

#endif
