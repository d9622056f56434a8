/* SPDX-License-Identifier: MIT */
/* --kernel, --initrd and --append: the same image for whoever runs it and whoever measures it. */
#ifndef TOOLS_BOOT_FILES_H
#define TOOLS_BOOT_FILES_H

#include <stddef.h>
#include <stdint.h>

struct boot_files {
	const char *kernel, *initrd, *append; /* the last two may be NULL */
};

/* An exit status; complains in the name of `verb`. *image is the caller's to free(). */
int boot_files_compose(const char *verb, const struct boot_files *f, uint8_t **image, size_t *len);

#endif
