/* SPDX-License-Identifier: MIT */
/* JSON as it is printed: what others wrote is in it, and a terminal may show it. */
#ifndef TOOLS_JSON_PRINT_H
#define TOOLS_JSON_PRINT_H

#include <stddef.h>
#include <stdio.h>

#include <jansson.h>

/* In ASCII, by flags of json_dumpf(), and a newline. Takes over `root`, which may be NULL. 0, or
 * -1: there was nothing, or it could not be written. */
int json_print(FILE *f, json_t *root, size_t flags);

#endif
