/* SPDX-License-Identifier: MIT */
/* Which calls get in each other's way, as a picture. */
#ifndef TOOLS_LOCK_MAP_H
#define TOOLS_LOCK_MAP_H

#include <stdio.h>

#include "trace/locktable.h"

/* A self-contained SVG: a row and a column for each table. */
void lock_map_svg(FILE *f, const struct lock_table *t, unsigned n);

#endif
