/* SPDX-License-Identifier: MIT */
/* The names of a host kernel's code: from its vmlinux, or from the tables in its memory, those of
 * its modules too; wherever it has moved itself (KASLR). Any thread. */
#ifndef TOOLS_HOST_NAMES_H
#define TOOLS_HOST_NAMES_H

#include <pthread.h>

#include "tools/kernel_modules.h"
#include "tools/symbols.h"

struct board;

struct host_names {
	struct board *board;
	struct symbols *symbols; /* of a file; later the kernel's own. NULL: none */
	pthread_mutex_t lock;	 /* of all that follows */
	bool looked;		 /* where the kernel is, and for its own table */
	struct kernel_modules modules;
	unsigned reports; /* told, one after the other */
};

/* The functions of a vmlinux; NULL: none yet. An exit status. */
int host_names_start(struct host_names *n, const char *file);
/* Of the kernel itself, where it is a vmlinux and no other was named. */
void host_names_kernel(struct host_names *n, const uint8_t *kernel, size_t size);
void host_names_end(struct host_names *n);
/* The kernel is up: where it is, is looked at, once. `cpu` is the processor whose thread this is,
 * or any when nothing runs; so below. */
void host_names_look(struct host_names *n, unsigned cpu);
/* "function+0x12", "function+0x12 [module]", or the number. Returns text. */
const char *host_name(struct host_names *n, unsigned cpu, uint64_t address, char text[SYMBOL_TEXT]);
/* Code, as far as that is known: what looks like a return address and is none is not. */
bool host_is_code(struct host_names *n, unsigned cpu, uint64_t address);

#endif
