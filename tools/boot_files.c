/* SPDX-License-Identifier: MIT */
/* See tools/boot_files.h. */
#include "tools/boot_files.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <swtdx/boot.h>

#include "tools/boot_unpack.h"
#include "tools/file.h"
#include "tools/verbs.h"

static int complain(const char *verb, const char *what, const char *why, int status)
{
	fprintf(stderr, "%s: %s: %s\n", verb, what, why);
	return status;
}

/* All that composing needs, and what is to be freed of it. */
struct composing {
	const char *verb;
	const struct boot_files *f;
	uint8_t *kernel, *initrd, *file; /* file: what `kernel` came out of, or NULL */
	int initrd_fd; /* of an initrd that is read when its place is known, or -1 */
	char cmdline[TDX_BOOT_CMDLINE_MAX + 2];
	struct tdx_boot b;
};

/* Takes the packing off, of the kernel or of what holds it. */
static int unpack(struct composing *c)
{
	const char *packing = boot_packing(c->kernel, c->b.kernel_size), *why;
	char text[160];
	uint8_t *out;
	size_t len;

	if (!packing)
		return VERB_OK;
	why = boot_unpack(c->kernel, c->b.kernel_size, TDX_TDVF_MAX_IMAGE, &out, &len);
	if (why) {
		snprintf(text, sizeof(text), "%s: %s", packing, why);
		return complain(c->verb, c->f->kernel, text, VERB_DIFFERENCE);
	}
	free(c->kernel);
	c->kernel = out;
	c->b.kernel_size = len;
	c->b.kernel = out;
	return VERB_OK;
}

/* What a unified image brings along; what the command line of swtdx gives comes first. */
static int open_uki(struct composing *c)
{
	struct boot_uki uki;
	size_t n;

	if (!boot_uki_parse(c->kernel, c->b.kernel_size, &uki))
		return VERB_OK;
	if (uki.initrd.at && !c->f->initrd) {
		c->b.initrd = uki.initrd.at;
		c->b.initrd_size = uki.initrd.size;
	}
	if (uki.cmdline.at && !c->f->append) {
		n = strnlen((const char *)uki.cmdline.at, uki.cmdline.size);
		while (n && strchr("\n\r ", uki.cmdline.at[n - 1]))
			n--;
		/* One byte over the limit is enough for the composer to say so. */
		n = n < sizeof(c->cmdline) - 1 ? n : sizeof(c->cmdline) - 1;
		memcpy(c->cmdline, uki.cmdline.at, n);
		c->b.cmdline = c->cmdline;
	}
	c->file = c->kernel;
	c->kernel = malloc(uki.kernel.size ? uki.kernel.size : 1);
	if (!c->kernel)
		return complain(c->verb, c->f->kernel, strerror(ENOMEM), VERB_ENVIRONMENT);
	memcpy(c->kernel, uki.kernel.at, uki.kernel.size);
	c->b.kernel = c->kernel;
	c->b.kernel_size = uki.kernel.size;
	return unpack(c);
}

static int read_initrd(void *arg, void *to, size_t size)
{
	const struct composing *c = arg;

	return file_pread(c->initrd_fd, to, size, 0);
}

/* A regular file of a usable size: it is read straight to its place. */
static bool initrd_waits(struct composing *c)
{
	struct stat st;

	c->initrd_fd = strcmp(c->f->initrd, "-") ? open(c->f->initrd, O_RDONLY | O_CLOEXEC) : -1;
	if (c->initrd_fd < 0)
		return false;
	if (!fstat(c->initrd_fd, &st) && S_ISREG(st.st_mode) && st.st_size > 0 &&
	    (uintmax_t)st.st_size <= TDX_TDVF_MAX_IMAGE) {
		c->b.initrd_size = (size_t)st.st_size;
		c->b.read_initrd = read_initrd;
		c->b.arg = c;
		return true;
	}
	close(c->initrd_fd);
	c->initrd_fd = -1;
	return false;
}

static int read_files(struct composing *c)
{
	int e = file_read(c->f->kernel, TDX_TDVF_MAX_IMAGE, &c->kernel, &c->b.kernel_size);

	if (e)
		return complain(c->verb, c->f->kernel, strerror(-e), VERB_ENVIRONMENT);
	c->b.kernel = c->kernel;
	if (!c->f->initrd || initrd_waits(c))
		return VERB_OK;
	e = file_read(c->f->initrd, TDX_TDVF_MAX_IMAGE, &c->initrd, &c->b.initrd_size);
	if (e)
		return complain(c->verb, c->f->initrd, strerror(-e), VERB_ENVIRONMENT);
	c->b.initrd = c->initrd;
	return VERB_OK;
}

static int check_td(const struct composing *c)
{
	if (boot_can_be_td(c->kernel, c->b.kernel_size) != BOOT_CANNOT)
		return VERB_OK;
	return complain(c->verb, c->f->kernel,
			"this kernel cannot be a TD: it was built without CONFIG_INTEL_TDX_GUEST",
			c->f->to_run ? VERB_DIFFERENCE : VERB_OK);
}

static int check_memory(const struct composing *c, const void *image, size_t len)
{
	uint64_t need;
	char text[200];

	if (tdx_boot_memory(image, len, &need) || need <= c->f->memory)
		return VERB_OK;
	snprintf(text, sizeof(text),
		 "%s needs %" PRIu64 " MiB of memory to be loaded, and the TD has %" PRIu64
		 " (--memory)",
		 c->b.initrd_size ? "this kernel with its initrd" : "this kernel",
		 (need + (1 << 20) - 1) >> 20, c->f->memory >> 20);
	return complain(c->verb, c->f->initrd ? c->f->initrd : c->f->kernel, text, VERB_DIFFERENCE);
}

static int compose(struct composing *c, uint8_t **image, size_t *len)
{
	void *out = NULL;
	char err[160];
	int status, e = tdx_boot_image(&c->b, &out, len, err, sizeof(err));

	if (e == -ENOMEM)
		return complain(c->verb, c->f->kernel, strerror(ENOMEM), VERB_ENVIRONMENT);
	if (e && !*err)
		return complain(c->verb, c->f->initrd, strerror(-e), VERB_ENVIRONMENT);
	if (e)
		return complain(c->verb, c->f->kernel, err, VERB_DIFFERENCE);
	status = check_memory(c, out, *len);
	if (status == VERB_OK)
		status = check_td(c);
	if (status == VERB_OK)
		*image = out;
	else
		free(out);
	return status;
}

int boot_files_compose(const char *verb, const struct boot_files *f, uint8_t **image, size_t *len)
{
	struct composing *c = calloc(1, sizeof(*c));
	int status;

	*image = NULL;
	if (!c)
		return complain(verb, f->kernel, strerror(ENOMEM), VERB_ENVIRONMENT);
	c->verb = verb;
	c->f = f;
	c->initrd_fd = -1;
	c->b.cmdline = f->append ? f->append : "";
	status = read_files(c);
	if (status == VERB_OK)
		status = unpack(c);
	if (status == VERB_OK)
		status = open_uki(c);
	if (status == VERB_OK)
		status = compose(c, image, len);
	free(c->kernel);
	free(c->file);
	free(c->initrd);
	if (c->initrd_fd >= 0)
		close(c->initrd_fd);
	free(c);
	return status;
}
