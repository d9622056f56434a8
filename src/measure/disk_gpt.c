/* SPDX-License-Identifier: MIT */
/* Partition tables: what firmware measures of them, and where the EFI system partition is. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <swtdx/disk.h>

#include "measure/internal.h"

enum {
	SECTOR = 512,
	MBR_TABLE = 446,
	MBR_ENTRY = 16,
	MBR_ENTRIES = 4,
	MBR_SIGNATURE = 510,
	MBR_TYPE_ESP = 0xef,
	GPT_HEADER = 92,
	GPT_ENTRY = 128,
	GPT_ENTRIES_MAX = 1024,
	GPT_COUNT = 8, /* of used entries, in the event */
};

/* c12a7328-f81f-11d2-ba4b-00a0c93ec93b */
static const uint8_t esp_guid[16] = {0x28, 0x73, 0x2a, 0xc1, 0x1f, 0xf8, 0xd2, 0x11,
				     0xba, 0x4b, 0x00, 0xa0, 0xc9, 0x3e, 0xc9, 0x3b};
static const uint8_t no_guid[16];

static int refuse(char err[TDX_DISK_ERROR_TEXT], const char *why)
{
	snprintf(err, TDX_DISK_ERROR_TEXT, "%s", why);
	return -EINVAL;
}

static int read_at(const struct tdx_disk *disk, uint64_t at, void *to, size_t len)
{
	return inside(at, len, disk->size) ? disk->read(disk->ctx, at, to, len) : -ENOENT;
}

/* A table: its header, and all its entries, which the caller frees. */
struct gpt {
	uint8_t header[SECTOR];
	uint8_t *entry;
	uint32_t n;
};

static int read_gpt(const struct tdx_disk *disk, struct gpt *g, char err[TDX_DISK_ERROR_TEXT])
{
	uint64_t at;
	int rc = read_at(disk, SECTOR, g->header, SECTOR);

	g->entry = NULL;
	if (!rc && memcmp(g->header, "EFI PART", 8))
		rc = -ENOENT;
	if (rc)
		return rc;
	at = le64(g->header + 72);
	g->n = le32(g->header + 80);
	if (le32(g->header + 12) < GPT_HEADER || le32(g->header + 84) != GPT_ENTRY ||
	    g->n > GPT_ENTRIES_MAX)
		return refuse(err, "the disk's partition table is of an unusual form");
	if (at > disk->size / SECTOR ||
	    !inside(at * SECTOR, (uint64_t)g->n * GPT_ENTRY, disk->size))
		return refuse(err, "the disk's partition table leads out of the image");
	g->entry = malloc((size_t)g->n * GPT_ENTRY + 1);
	if (!g->entry)
		return -ENOMEM;
	rc = read_at(disk, at * SECTOR, g->entry, (size_t)g->n * GPT_ENTRY);
	if (rc)
		free(g->entry);
	return rc;
}

int tdx_disk_gpt_event(const struct tdx_disk *disk, uint8_t **event, size_t *len,
		       char err[TDX_DISK_ERROR_TEXT])
{
	const size_t before = GPT_HEADER + GPT_COUNT;
	size_t used = 0;
	struct gpt g;
	uint8_t *p;
	int rc;

	err[0] = 0;
	rc = read_gpt(disk, &g, err);
	if (rc)
		return rc;
	p = calloc(1, before + (size_t)g.n * GPT_ENTRY);
	if (!p) {
		free(g.entry);
		return -ENOMEM;
	}
	memcpy(p, g.header, GPT_HEADER);
	for (uint32_t i = 0; i < g.n; i++) {
		const uint8_t *e = g.entry + (size_t)i * GPT_ENTRY;

		if (memcmp(e, no_guid, sizeof(no_guid)))
			memcpy(p + before + GPT_ENTRY * used++, e, GPT_ENTRY);
	}
	put_le64(p + GPT_HEADER, used);
	free(g.entry);
	*event = p;
	*len = before + used * GPT_ENTRY;
	return 0;
}

static int put_partition(const struct tdx_disk *disk, struct tdx_partition *out, unsigned number,
			 uint64_t first, uint64_t sectors, char err[TDX_DISK_ERROR_TEXT])
{
	const uint64_t all = disk->size / SECTOR;

	if (!sectors || !inside(first, sectors, all))
		return refuse(err, "the EFI system partition leads out of the image");
	*out = (struct tdx_partition){first * SECTOR, sectors * SECTOR, number};
	return 0;
}

static int esp_of_gpt(const struct tdx_disk *disk, struct tdx_partition *out,
		      char err[TDX_DISK_ERROR_TEXT])
{
	struct gpt g;
	int rc = read_gpt(disk, &g, err);

	if (rc)
		return rc;
	rc = -ENOENT;
	for (uint32_t i = 0; i < g.n && rc == -ENOENT; i++) {
		const uint8_t *e = g.entry + (size_t)i * GPT_ENTRY;
		const uint64_t first = le64(e + 32), last = le64(e + 40);

		if (!memcmp(e, esp_guid, sizeof(esp_guid)))
			rc = put_partition(
				disk, out, i + 1, first,
				last >= first && last < UINT64_MAX ? last - first + 1 : 0, err);
	}
	free(g.entry);
	return rc;
}

static int esp_of_mbr(const struct tdx_disk *disk, const uint8_t *sector, struct tdx_partition *out,
		      char err[TDX_DISK_ERROR_TEXT])
{
	for (unsigned i = 0; i < MBR_ENTRIES; i++) {
		const uint8_t *e = sector + MBR_TABLE + i * MBR_ENTRY;

		if (e[4] == MBR_TYPE_ESP)
			return put_partition(disk, out, i + 1, le32(e + 8), le32(e + 12), err);
	}
	return -ENOENT;
}

int tdx_disk_esp(const struct tdx_disk *disk, struct tdx_partition *out,
		 char err[TDX_DISK_ERROR_TEXT])
{
	uint8_t sector[SECTOR];
	struct tdx_fat fat;
	int rc;

	err[0] = 0;
	*out = (struct tdx_partition){0, disk->size, 0};
	rc = esp_of_gpt(disk, out, err);
	if (rc != -ENOENT)
		return rc;
	/* A file system's first sector has the signature of a partition table too. */
	if (!tdx_fat_open(disk, out, &fat, err))
		return 0;
	err[0] = 0;
	rc = read_at(disk, 0, sector, sizeof(sector));
	if (!rc && le16(sector + MBR_SIGNATURE) == 0xaa55)
		return esp_of_mbr(disk, sector, out, err);
	return rc ? rc : -ENOENT;
}
