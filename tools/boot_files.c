/* SPDX-License-Identifier: MIT */
/* See tools/boot_files.h. */
#include "tools/boot_files.h"

#include <elf.h>
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
	int kernel_fd, initrd_fd;	 /* of what is read when its place is known, or -1 */
	const char *reading;		 /* the name of one of them */
	struct boot_search search;
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

static int read_kernel(void *arg, uint64_t offset, void *to, size_t size)
{
	struct composing *c = arg;
	int e;

	c->reading = c->f->kernel;
	e = file_pread(c->kernel_fd, to, size, offset);
	if (!e)
		boot_search_look(&c->search, to, size);
	return e;
}

static int read_initrd(void *arg, void *to, size_t size)
{
	struct composing *c = arg;

	c->reading = c->f->initrd;
	return file_pread(c->initrd_fd, to, size, 0);
}

/* A regular file of a usable size that begins so is read straight to its place: its descriptor, or
 * -1. */
static int waiting(const char *path, const char *begin, size_t *size)
{
	const int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
	char first[8];
	struct stat st;

	if (fd < 0)
		return -1;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode) && st.st_size > 0 &&
	    (uintmax_t)st.st_size <= TDX_TDVF_MAX_IMAGE &&
	    !file_pread(fd, first, strlen(begin), 0) && !memcmp(first, begin, strlen(begin))) {
		*size = (size_t)st.st_size;
		return fd;
	}
	close(fd);
	return -1;
}

/* Only a kernel that is neither packed nor in something. */
static bool kernel_waits(struct composing *c)
{
	c->kernel_fd = waiting(c->f->kernel, ELFMAG, &c->b.kernel_size);
	if (c->kernel_fd < 0)
		return false;
	boot_search_td(&c->search);
	c->b.read_kernel = read_kernel;
	return true;
}

static bool initrd_waits(struct composing *c)
{
	c->initrd_fd = waiting(c->f->initrd, "", &c->b.initrd_size);
	if (c->initrd_fd < 0)
		return false;
	c->b.read_initrd = read_initrd;
	return true;
}

static int read_initrd_file(struct composing *c)
{
	int e;

	if (!c->f->initrd || initrd_waits(c))
		return VERB_OK;
	e = file_read(c->f->initrd, TDX_TDVF_MAX_IMAGE, &c->initrd, &c->b.initrd_size);
	if (e)
		return complain(c->verb, c->f->initrd, strerror(-e), VERB_ENVIRONMENT);
	c->b.initrd = c->initrd;
	return VERB_OK;
}

static int read_files(struct composing *c)
{
	int e, status;

	if (kernel_waits(c))
		return read_initrd_file(c);
	e = file_read(c->f->kernel, TDX_TDVF_MAX_IMAGE, &c->kernel, &c->b.kernel_size);
	if (e)
		return complain(c->verb, c->f->kernel, strerror(-e), VERB_ENVIRONMENT);
	c->b.kernel = c->kernel;
	status = read_initrd_file(c);
	if (status == VERB_OK)
		status = unpack(c);
	return status == VERB_OK ? open_uki(c) : status;
}

static int check_td(const struct composing *c)
{
	const enum boot_can can = c->kernel ? boot_can_be_td(c->kernel, c->b.kernel_size)
					    : boot_search_found(&c->search);

	if (can != BOOT_CANNOT)
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
		return complain(c->verb, c->reading, strerror(-e), VERB_ENVIRONMENT);
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
	c->kernel_fd = c->initrd_fd = -1;
	c->b.arg = c;
	c->b.cmdline = f->append ? f->append : "";
	status = read_files(c);
	if (status == VERB_OK)
		status = compose(c, image, len);
	free(c->kernel);
	free(c->file);
	free(c->initrd);
	if (c->kernel_fd >= 0)
		close(c->kernel_fd);
	if (c->initrd_fd >= 0)
		close(c->initrd_fd);
	free(c);
	return status;
}
