/* SPDX-License-Identifier: MIT */
/* Whole files in memory, for verbs that take a file or "-". */
#ifndef TOOLS_FILE_H
#define TOOLS_FILE_H

#include <stddef.h>
#include <stdint.h>

/* Reads at most max bytes of a file, of standard input for "-". The caller frees *data. 0 or a
 * negative errno. *data is never NULL on success, even for an empty file. */
int file_read(const char *path, size_t max, uint8_t **data, size_t *size);

#endif
