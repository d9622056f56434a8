/* SPDX-License-Identifier: MIT */
/* A host kernel's memory by its own addresses: through the page tables of one of its processors, as
 * they are now. The kernel may have anything in them: what is not memory is not read. */
#ifndef TOOLS_KERNEL_MEMORY_H
#define TOOLS_KERNEL_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct board;

struct kernel_memory {
	const struct board *board;
	uint64_t root;
	unsigned levels; /* 0: it does not page */
};

/* Of the processor's own thread, or when nothing runs. */
struct kernel_memory kernel_memory(const struct board *b, unsigned cpu);
/* False: not all of it is mapped. */
bool kernel_read(const struct kernel_memory *m, uint64_t address, void *to, size_t len);
/* Where the kernel's image is: its first mapped page above the place that Linux has for it, and
 * the physical address of that. False: there is none. */
bool kernel_image(const struct kernel_memory *m, uint64_t *address, uint64_t *pa);

#endif
