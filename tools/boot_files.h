/* SPDX-License-Identifier: MIT */
/* --kernel, --initrd and --append: the same image for whoever runs it and whoever measures it. The
 * kernel may be packed (gzip, xz, zstd), or a unified kernel image whose initrd and command line
 * count where none are given. */
#ifndef TOOLS_BOOT_FILES_H
#define TOOLS_BOOT_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct boot_files {
	const char *kernel, *initrd, *append; /* the last two may be NULL */
	uint64_t memory;		      /* of the TD, bytes */
	bool to_run; /* a kernel that cannot be a TD is refused, not only told of */
};

/* An exit status; complains in the name of `verb`. *image is the caller's to free(). */
int boot_files_compose(const char *verb, const struct boot_files *f, uint8_t **image, size_t *len);

#endif
