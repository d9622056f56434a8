/* SPDX-License-Identifier: MIT */
/* A host kernel, its initial file system and command line, put into the board's memory. */
#ifndef TOOLS_HOST_BOOT_H
#define TOOLS_HOST_BOOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct board;

struct host_boot {
	const char *kernel, *initrd, *append; /* initrd may be NULL */
	uint8_t *file;			      /* the kernel's */
	size_t size;
	/* It is known to have no interrupt remapping: it would stop at an I/O APIC beside local
	 * APICs that cannot leave x2APIC mode. */
	bool polled;
};

/* Reads the kernel named. VERB_OK; else the verb's exit status, told on stderr. */
int host_boot_open(struct host_boot *boot);
void host_boot_close(struct host_boot *boot);
/* VERB_OK and where to start; else the verb's exit status, told on stderr. */
int host_boot_load(struct board *b, const struct host_boot *boot, uint64_t *entry);

#endif
