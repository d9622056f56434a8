/* SPDX-License-Identifier: MIT */
/* SHA-384 of a few bytes at once. */
#ifndef MODULE_SHA384_H
#define MODULE_SHA384_H

#include <stddef.h>
#include <stdint.h>

enum { SHA384_SIZE = 48 };

void sha384(const void *data, size_t len, uint8_t digest[SHA384_SIZE]);

#endif
