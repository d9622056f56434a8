/* SPDX-License-Identifier: MIT */
/* Any two calls of the module on a small TD, in every schedule. */
#ifndef TOOLS_EXPLORE_PAIRS_H
#define TOOLS_EXPLORE_PAIRS_H

#include <stdbool.h>

/* Without cases: all against all. Returns an enum verb_exit. */
int explore_pairs(char **cases, int ncases, bool json, bool markdown, bool short_way);

#endif
