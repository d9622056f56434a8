/* SPDX-License-Identifier: MIT */
/* Memory that code is made in: mapped once to be written and once to be executed, never both, with
 * guard pages around. */
#ifndef X86_EXEC_MAP_H
#define X86_EXEC_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct exec_map {
	uint8_t *rw, *rx; /* first bytes behind the guards */
	size_t size;
};

/* false: with errno of the system call that failed. */
bool exec_map(struct exec_map *m, size_t size);
void exec_unmap(struct exec_map *m);

#endif
