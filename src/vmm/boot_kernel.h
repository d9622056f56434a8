/* SPDX-License-Identifier: MIT */
/* A Linux kernel as a loader sees it: what goes where in memory, and where to jump. */
#ifndef VMM_BOOT_KERNEL_H
#define VMM_BOOT_KERNEL_H

#include <stddef.h>

#include "../firmware/layout.h"

/* A file, in memory or to be read: `size` bytes from `offset` on, all of them within it. 0, or a
 * negative errno. */
struct boot_source {
	int (*read)(void *arg, uint64_t offset, void *to, size_t size);
	void *arg; /* the bytes themselves, without `read` */
	size_t size;
};
int boot_source_read(const struct boot_source *s, uint64_t offset, void *to, size_t size);

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

/* A bzImage or an ELF vmlinux. 0; -EINVAL and what is wrong with it; with *why NULL, what reading
 * it answered. k->file is told in any case. */
int boot_kernel_parse(const struct boot_source *file, struct boot_kernel *k, const char **why);

#endif
