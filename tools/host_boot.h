/* SPDX-License-Identifier: MIT */
/* A host kernel, its initial file system and command line, put into the board's memory. */
#ifndef TOOLS_HOST_BOOT_H
#define TOOLS_HOST_BOOT_H

#include <stdint.h>

struct board;

struct host_boot {
	const char *kernel, *initrd, *append; /* initrd may be NULL */
};

/* VERB_OK and where to start; else the verb's exit status, told on stderr. */
int host_boot_load(struct board *b, const struct host_boot *boot, uint64_t *entry);

#endif
