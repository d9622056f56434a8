/* SPDX-License-Identifier: MIT */
/* See tools/boot_files.h. */
#include "tools/boot_files.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <swtdx/boot.h>

#include "tools/file.h"
#include "tools/verbs.h"

static int complain(const char *verb, const char *what, const char *why, int status)
{
	fprintf(stderr, "%s: %s: %s\n", verb, what, why);
	return status;
}

int boot_files_compose(const char *verb, const struct boot_files *f, uint8_t **image, size_t *len)
{
	struct tdx_boot b = {.cmdline = f->append ? f->append : ""};
	uint8_t *kernel = NULL, *initrd = NULL;
	void *out = NULL;
	char err[160];
	int e = file_read(f->kernel, TDVF_MAX_IMAGE, &kernel, &b.kernel_size);

	if (e)
		return complain(verb, f->kernel, strerror(-e), VERB_ENVIRONMENT);
	if (f->initrd)
		e = file_read(f->initrd, TDVF_MAX_IMAGE, &initrd, &b.initrd_size);
	if (e) {
		free(kernel);
		return complain(verb, f->initrd, strerror(-e), VERB_ENVIRONMENT);
	}
	b.kernel = kernel;
	b.initrd = initrd;
	e = tdx_boot_image(&b, &out, len, err, sizeof(err));
	free(kernel);
	free(initrd);
	*image = out;
	if (e == -ENOMEM)
		return complain(verb, f->kernel, strerror(ENOMEM), VERB_ENVIRONMENT);
	return e ? complain(verb, f->kernel, err, VERB_DIFFERENCE) : VERB_OK;
}
