/* SPDX-License-Identifier: MIT */
/* See tools/measure_boot.h. */
#include "tools/measure_boot.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <swtdx/expect.h>

#include "tools/boot_unpack.h"
#include "tools/file.h"
#include "tools/hex.h"
#include "tools/json_print.h"
#include "tools/platform_dir.h"
#include "tools/verbs.h"

#define UNPACKED_MAX ((size_t)256 << 20)
#define IMAGE_MAX    ((size_t)1 << 30)
#define HASH_TEXT    (2 * TDX_SHA384_SIZE + 1)

static int complain(const char *what, const char *why, int status)
{
	fprintf(stderr, "swtdx measure: %s: %s\n", what, why);
	return status;
}

static int read_into(struct tdx_expect_bytes *to, const char *path, size_t max)
{
	uint8_t *p;
	int rc;

	if (!path)
		return 0;
	rc = file_read(path, max, &p, &to->len);
	if (rc)
		return complain(path, strerror(-rc), VERB_ENVIRONMENT);
	to->p = p;
	return 0;
}

/* --- the disk, which may be larger than memory --- */

static int read_disk(void *ctx, uint64_t at, void *to, size_t len)
{
	const int rc = file_pread(*(const int *)ctx, to, len, at);

	return rc == -ENODATA ? -EIO : rc;
}

/* Formats that wrap a disk, by what they begin with. */
static const char *wrapped(const uint8_t head[8])
{
	static const struct {
		const char *magic, *name;
	} formats[] = {{"QFI\xfb", "qcow2"}, {"KDMV", "VMDK"}, {"vhdxfile", "VHDX"}};

	for (unsigned i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
		if (!memcmp(head, formats[i].magic, strlen(formats[i].magic)))
			return formats[i].name;
	return NULL;
}

static int open_disk(const char *path, int *fd, struct tdx_disk *disk)
{
	uint8_t head[8] = {0};
	const char *format;
	char why[128];
	off_t size;

	*fd = open(path, O_RDONLY | O_CLOEXEC);
	size = *fd < 0 ? -1 : lseek(*fd, 0, SEEK_END);
	if (size < 0 || pread(*fd, head, sizeof(head), 0) < 0)
		return complain(path, strerror(errno), VERB_ENVIRONMENT);
	*disk = (struct tdx_disk){read_disk, fd, (uint64_t)size};
	format = wrapped(head);
	if (!format)
		return 0;
	snprintf(why, sizeof(why),
		 "a disk in the format %s: raw ones are read (qemu-img convert -O raw)", format);
	return complain(path, why, VERB_DIFFERENCE);
}

/* --- all that is given --- */

struct inputs {
	struct tdx_expect_inputs in;
	struct platform_dir platform;
	struct tdx_disk disk;
	int fd; /* the disk's, or -1 */
};

static int read_platform(struct inputs *i, const char *dir)
{
	int rc = dir ? platform_dir_read(dir, &i->platform) : 0;

	i->in.platform = i->platform.file;
	i->in.nplatform = i->platform.n;
	if (rc == -E2BIG)
		return complain(dir,
				"more than 512 files, or one with a longer name than they have",
				VERB_ENVIRONMENT);
	return rc ? complain(dir, strerror(-rc), VERB_ENVIRONMENT) : 0;
}

static int unpack(struct tdx_expect_inputs *in, const char *path)
{
	uint8_t *p = NULL;
	const char *why = boot_unpack_firmware(in->firmware.p, in->firmware.len, UNPACKED_MAX, &p,
					       &in->unpacked.len);

	in->unpacked.p = p;
	return why ? complain(path, why, VERB_DIFFERENCE) : 0;
}

static int read_all(struct inputs *i, const struct measure_boot *b)
{
	struct tdx_expect_inputs *in = &i->in;
	int rc = read_into(&in->firmware, b->firmware, TDX_TDVF_MAX_IMAGE + 1);

	if (!rc)
		rc = unpack(in, b->firmware);
	if (!rc)
		rc = read_into(&in->kernel, b->files.kernel, IMAGE_MAX);
	if (!rc)
		rc = read_into(&in->initrd, b->files.initrd, IMAGE_MAX);
	if (!rc && b->disk)
		rc = open_disk(b->disk, &i->fd, &i->disk);
	if (!rc && b->disk)
		in->disk = &i->disk;
	if (!rc)
		rc = read_into(&in->shim, b->shim, IMAGE_MAX);
	if (!rc)
		rc = read_into(&in->grub, b->grub, IMAGE_MAX);
	return rc ? rc : read_platform(i, b->platform);
}

static void free_all(struct inputs *i)
{
	const struct tdx_expect_bytes all[] = {i->in.firmware, i->in.unpacked, i->in.kernel,
					       i->in.initrd,   i->in.shim,     i->in.grub};

	for (unsigned n = 0; n < sizeof(all) / sizeof(all[0]); n++)
		free((void *)all[n].p);
	platform_dir_free(&i->platform);
	if (i->fd >= 0)
		close(i->fd);
}

static void print_text(const struct tdx_expect *e)
{
	char text[HASH_TEXT];

	hex_text(text, e->mrtd.b, TDX_SHA384_SIZE);
	printf("mrtd       %s\n", text);
	for (unsigned r = 0; r < 3; r++) {
		hex_text(text, e->rtmr[r].b, TDX_SHA384_SIZE);
		printf("rtmr%u      %s\n", r,
		       e->known[r] ? text : "not known: not every event below is");
	}
	hex_text(text, e->retried.b, TDX_SHA384_SIZE);
	if (e->known[1])
		printf("or rtmr1   %s\n           where the memory map changed while Linux left "
		       "the firmware\n",
		       text);
	for (size_t i = 0; i < e->nevents; i++) {
		const struct tdx_expect_event *v = &e->event[i];

		hex_text(text, v->digest.b, TDX_SHA384_SIZE);
		printf("event      rtmr%u %s: %s\n", v->rtmr, v->type, v->what);
		printf("           %s%s%s\n", v->known ? text : v->from,
		       v->known ? "\n           from " : "", v->known ? v->from : "");
	}
}

static int print_json(const struct tdx_expect *e)
{
	json_t *rtmrs = json_array(), *events = json_array(), *root;
	char text[HASH_TEXT];

	for (unsigned r = 0; r < 3; r++) {
		hex_text(text, e->rtmr[r].b, TDX_SHA384_SIZE);
		json_array_append_new(rtmrs, e->known[r] ? json_string(text) : json_null());
	}
	for (size_t i = 0; i < e->nevents; i++) {
		const struct tdx_expect_event *v = &e->event[i];

		hex_text(text, v->digest.b, TDX_SHA384_SIZE);
		json_array_append_new(events,
				      json_pack("{s:i,s:s,s:s,s:o,s:s}", "rtmr", (int)v->rtmr,
						"type", v->type, "what", v->what, "digest",
						v->known ? json_string(text) : json_null(), "from",
						v->from));
	}
	hex_text(text, e->mrtd.b, TDX_SHA384_SIZE);
	root = json_pack("{s:s,s:b,s:s,s:o,s:o}", "schema", "swtdx.measure-boot/1", "simulated", 0,
			 "mrtd", text, "rtmr", rtmrs, "events", events);
	hex_text(text, e->retried.b, TDX_SHA384_SIZE);
	if (root && e->known[1])
		json_object_set_new(root, "rtmr1_retried", json_string(text));
	return json_print(stdout, root, JSON_INDENT(2) | JSON_PRESERVE_ORDER) ? VERB_ENVIRONMENT
									      : VERB_OK;
}

static int show(const struct measure_boot *b, const struct tdx_expect_inputs *in)
{
	char err[TDX_EXPECT_ERROR_TEXT];
	struct tdx_expect *e = calloc(1, sizeof(*e));
	const char *name = b->files.kernel ? b->files.kernel : b->disk;
	int rc = e ? tdx_expect_boot(in, e, err) : -ENOMEM;

	if (rc == -EINVAL)
		rc = complain(name, err, VERB_DIFFERENCE);
	else if (rc)
		rc = complain(name, strerror(-rc), VERB_ENVIRONMENT);
	else if (b->json)
		rc = print_json(e);
	else
		print_text(e);
	free(e);
	return rc;
}

int measure_boot(const struct measure_boot *b)
{
	struct inputs *i = calloc(1, sizeof(*i));
	int rc;

	if (!i)
		return complain(b->firmware, strerror(ENOMEM), VERB_ENVIRONMENT);
	i->fd = -1;
	i->in.boot = (enum tdx_expect_boot)b->boot;
	i->in.ovmf = (enum tdx_expect_ovmf)b->ovmf;
	i->in.append = b->files.append;
	i->in.memory = b->memory;
	i->in.disk_at = b->disk_at;
	rc = read_all(i, b);
	if (!rc)
		rc = show(b, &i->in);
	free_all(i);
	free(i);
	return rc;
}
