/* SPDX-License-Identifier: MIT */
/* What a measured boot takes from a disk: the partition table, as firmware measures it, the EFI
 * system partition, and files of its FAT file system by their paths.
 *
 * An image is whoever made it's: every number in it is cut before it is used, chains of clusters
 * end by what the file system can have. Reentrant; nothing is kept between calls but what the
 * caller holds. Errors: 0 or a negative errno. -EINVAL comes with a sentence in err, -ENOENT says
 * that what was asked for is not there; others are those of the caller's read.
 *
 * Source: UEFI 2.10 (5, 13.3), Microsoft's FAT specification 1.03, TCG PC Client Platform Firmware
 * Profile 1.06 (EV_EFI_GPT_EVENT).
 */
#ifndef SWTDX_DISK_H
#define SWTDX_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif
#pragma GCC visibility push(default)

#define TDX_DISK_ERROR_TEXT 160
/* A larger file is refused: a unified kernel image with its initrd is smaller. */
#define TDX_DISK_MAX_FILE (1u << 30)

/* A disk's bytes, wherever they are. */
struct tdx_disk {
	/* Reads within size; 0 or a negative errno. */
	int (*read)(void *ctx, uint64_t at, void *to, size_t len);
	void *ctx;
	uint64_t size; /* in bytes */
};

/* Where a partition lies, in bytes. */
struct tdx_partition {
	uint64_t start, size;
	unsigned number; /* from 1 on; 0: the file system is the whole disk */
};

/* A FAT file system that was found sound; its fields are tdx_fat_open's. */
struct tdx_fat {
	const struct tdx_disk *disk;
	uint64_t start, fat, root, data; /* offsets on the disk */
	uint32_t cluster;		 /* bytes */
	uint32_t clusters;
	uint32_t root_cluster; /* FAT32 */
	uint32_t root_size;    /* FAT12, FAT16: bytes */
	unsigned bits;	       /* of an entry: 12, 16, 32 */
};

/* What firmware measures of a GUID partition table: its header, how many entries are used, those
 * entries. *event is the caller's to free. -ENOENT: the disk has no such table. */
int tdx_disk_gpt_event(const struct tdx_disk *disk, uint8_t **event, size_t *len,
		       char err[TDX_DISK_ERROR_TEXT]);

/* The first EFI system partition, of a GUID or an MBR partition table, or the whole disk where a
 * file system begins it. -ENOENT: none. */
int tdx_disk_esp(const struct tdx_disk *disk, struct tdx_partition *out,
		 char err[TDX_DISK_ERROR_TEXT]);

/* disk must outlive out. */
int tdx_fat_open(const struct tdx_disk *disk, const struct tdx_partition *where,
		 struct tdx_fat *out, char err[TDX_DISK_ERROR_TEXT]);

/* A whole file by its path from the root, / or \ between names, in any case. *bytes is the caller's
 * to free. -ENOENT: there is no such file. */
int tdx_fat_read(const struct tdx_fat *fat, const char *path, uint8_t **bytes, size_t *len,
		 char err[TDX_DISK_ERROR_TEXT]);

/* Names in a directory, long ones where they have one; what is not ASCII in them is '?'. Ends when
 * each() says false. -ENOENT: there is no such directory. */
typedef bool tdx_fat_each(void *ctx, const char *name, uint32_t size, bool directory);
int tdx_fat_list(const struct tdx_fat *fat, const char *path, tdx_fat_each *each, void *ctx,
		 char err[TDX_DISK_ERROR_TEXT]);

#pragma GCC visibility pop
#ifdef __cplusplus
}
#endif

#endif
