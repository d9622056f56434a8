/* SPDX-License-Identifier: MIT */
/* What a disk makes the firmware start: the loader that removable media have, and what that finds
 * beside it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "measure/expect_internal.h"

#define LOADER "EFI/BOOT/BOOTX64.EFI"

struct esp {
	struct maker *m;
	struct tdx_fat fat;
	char err[TDX_DISK_ERROR_TEXT];
};

/* Our sentence of a disk's error. */
static int failed(struct maker *m, int rc, const char *err)
{
	return rc == -EINVAL ? maker_refuse(m, err) : rc;
}

/* A file that is kept until the end; -ENOENT: it is not there. */
static int take(struct esp *e, const char *path, struct tdx_expect_bytes *out)
{
	uint8_t *bytes;
	size_t len;
	int rc = tdx_fat_read(&e->fat, path, &bytes, &len, e->err);

	if (rc)
		return failed(e->m, rc, e->err);
	if (e->m->nowned == EXPECT_OWNED) {
		free(bytes);
		return -ENOMEM;
	}
	e->m->owned[e->m->nowned++] = bytes;
	*out = (struct tdx_expect_bytes){bytes, len};
	return 0;
}

struct entries {
	const char *suffix;
	unsigned n;
	char first[256];
};

static bool count_entry(void *ctx, const char *name, uint32_t size, bool directory)
{
	struct entries *e = ctx;
	const size_t len = strlen(name), n = strlen(e->suffix);

	(void)size;
	if (directory || len < n || strcasecmp(name + len - n, e->suffix))
		return true;
	if (!e->n++)
		snprintf(e->first, sizeof(e->first), "%s", name);
	return true;
}

/* How many files of that suffix a directory has; one that is not there has none. */
static int entries_in(struct esp *e, const char *path, struct entries *out)
{
	int rc = tdx_fat_list(&e->fat, path, count_entry, out, e->err);

	return rc == -ENOENT ? 0 : failed(e->m, rc, e->err);
}

/* What lies beside a unified kernel image and is handed on with it. */
static int find_extras(struct esp *e, const char *image)
{
	char own[320];
	const char *const places[] = {own, "loader/addons", "loader/credentials",
				      "loader/extensions"};
	struct entries found = {.suffix = ""};
	int rc = 0;

	snprintf(own, sizeof(own), "%s.extra.d", image);
	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]) && !rc; i++)
		rc = entries_in(e, places[i], &found);
	e->m->extras = found.n;
	return rc;
}

/* The one that systemd-boot starts; which of several is its configuration's and its user's. */
static int find_entry(struct esp *e)
{
	struct entries images = {.suffix = ".efi"}, others = {.suffix = ".conf"};
	char path[320];
	int rc = take(e, "loader/loader.conf", &e->m->loader_conf);

	rc = rc == -ENOENT ? 0 : rc;
	if (!rc)
		rc = entries_in(e, "EFI/Linux", &images);
	if (!rc)
		rc = entries_in(e, "loader/entries", &others);
	if (rc || e->m->kernel.p)
		return rc;
	if (images.n != 1 || others.n)
		return maker_refuse(e->m, images.n + others.n
						  ? "systemd-boot has several entries on the disk: "
						    "name the image that it starts"
						  : "systemd-boot finds no unified kernel image in "
						    "EFI/Linux on the disk");
	snprintf(path, sizeof(path), "EFI/Linux/%s", images.first);
	rc = take(e, path, &e->m->kernel);
	return rc ? rc : find_extras(e, path);
}

static bool same(const struct tdx_expect_bytes *a, const struct tdx_expect_bytes *b)
{
	return a->len == b->len && !memcmp(a->p, b->p, a->len);
}

static int find_uki(struct esp *e)
{
	struct maker *m = e->m;
	size_t size;

	if (tdx_pe_section(m->loader.p, m->loader.len, ".linux", &size)) {
		if (m->kernel.p && !same(&m->kernel, &m->loader))
			return maker_refuse(m, "the disk's " LOADER
					       " is another unified kernel image");
		m->kernel = m->loader;
		m->loader.p = NULL;
		return find_extras(e, LOADER);
	}
	if (expect_systemd_version(&m->loader, "systemd-boot"))
		return find_entry(e);
	return maker_refuse(m, "the disk's " LOADER
			       " is neither a unified kernel image nor systemd-boot");
}

static int find_grub(struct esp *e)
{
	int rc = 0;

	if (!e->m->shim.p)
		e->m->shim = e->m->loader;
	if (!e->m->grub.p)
		rc = take(e, "EFI/BOOT/grubx64.efi", &e->m->grub);
	return rc == -ENOENT ? 0 : rc;
}

int expect_find_on_disk(struct maker *m)
{
	struct tdx_partition where;
	struct esp e = {.m = m};
	int rc;

	if (!m->in->disk)
		return 0;
	rc = tdx_disk_esp(m->in->disk, &where, e.err);
	if (rc == -ENOENT)
		return maker_refuse(m, "the disk has no EFI system partition");
	if (!rc)
		rc = tdx_fat_open(m->in->disk, &where, &e.fat, e.err);
	if (rc)
		return failed(m, rc, e.err);
	rc = take(&e, LOADER, &m->loader);
	if (rc == -ENOENT)
		return maker_refuse(m, "the disk's EFI system partition has no " LOADER);
	if (rc)
		return rc;
	return m->in->boot == TDX_EXPECT_GRUB ? find_grub(&e) : find_uki(&e);
}

/* Firmware measures a GUID partition table and no other. */
int expect_partitions(struct maker *m)
{
	static const char type[] = "EV_EFI_GPT_EVENT", what[] = "partition table";
	char err[TDX_DISK_ERROR_TEXT];
	uint8_t *event;
	size_t len;
	int rc;

	if (!m->in->disk) {
		maker_add(m, 1, type, "%s", what)->from = "missing: the disk's image";
		return 0;
	}
	rc = tdx_disk_gpt_event(m->in->disk, &event, &len, err);
	if (rc == -ENOENT)
		return 0;
	if (rc)
		return failed(m, rc, err);
	rc = maker_of(m, 1, type, what, event, len, "the disk's header and used entries");
	free(event);
	return rc;
}
