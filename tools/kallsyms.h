/* SPDX-License-Identifier: MIT */
/* The functions of a Linux kernel from the tables it carries in its memory (CONFIG_KALLSYMS), for a
 * kernel that came without a symbol table. Linux: scripts/kallsyms.c, of 6.4 and later. */
#ifndef TOOLS_KALLSYMS_H
#define TOOLS_KALLSYMS_H

#include "tools/symbols.h"

/* Of memory that is at this linear address in the kernel; NULL: there are none. */
struct symbols *kallsyms_find(const uint8_t *memory, size_t size, uint64_t at);

#endif
