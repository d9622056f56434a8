/* SPDX-License-Identifier: MIT */
/* A Linux kernel as a loader sees it: what goes where in memory, and where to jump. */
#ifndef VMM_BOOT_KERNEL_H
#define VMM_BOOT_KERNEL_H

#include <stddef.h>

#include "../firmware/layout.h"

/* One run of bytes of the kernel's file and its place, relative to `load`. */
struct boot_run {
	size_t offset, size; /* in the file */
	uint64_t at;
};

enum { BOOT_MAX_RUNS = 16 };

struct boot_kernel {
	uint64_t load;	/* physical address of the first byte */
	uint64_t size;	/* bytes from there that come out of the file */
	uint64_t end;	/* physical address where what the kernel needs at once ends */
	uint64_t entry; /* 64-bit entry */
	uint64_t file;	/* bytes its file must have, by its headers; 0: they do not tell */
	uint32_t initrd_max;
	uint8_t setup_header[FW_SETUP_HEADER_SIZE];
	unsigned nruns;
	struct boot_run run[BOOT_MAX_RUNS];
};

/* A bzImage or an ELF vmlinux. NULL, or why it is neither. */
const char *boot_kernel_parse(const uint8_t *file, size_t len, struct boot_kernel *k);

#endif
