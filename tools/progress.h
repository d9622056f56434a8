/* SPDX-License-Identifier: MIT */
/* How far something is that takes long: a line on standard error, when that is a terminal and it
 * has taken a second. */
#ifndef TOOLS_PROGRESS_H
#define TOOLS_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool terminal, shown;
	uint64_t next_ns; /* not before */
};

void progress_begin(struct progress *p);
/* As often as one likes. */
__attribute__((format(printf, 2, 3))) void progress_at(struct progress *p, const char *fmt, ...);
/* Before anything else is printed: the line is cleared. */
void progress_end(struct progress *p);

#endif
