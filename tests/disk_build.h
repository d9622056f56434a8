/* SPDX-License-Identifier: MIT */
/* Disks made byte by byte: FAT file systems with EFI/BOOT/BOOTX64.EFI and some files around it. */
#ifndef TESTS_DISK_BUILD_H
#define TESTS_DISK_BUILD_H

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <swtdx/disk.h>

enum { SECTOR = 512 };

struct image {
	uint8_t *p;
	uint64_t size;
	uint64_t reads;
};

static inline int read_image(void *ctx, uint64_t at, void *to, size_t len)
{
	struct image *im = ctx;

	if (at > im->size || len > im->size - at)
		abort();
	im->reads++;
	memcpy(to, im->p + at, len);
	return 0;
}

static inline struct tdx_disk disk_of(struct image *im)
{
	return (struct tdx_disk){read_image, im, im->size};
}

static inline void put(uint8_t *p, unsigned width, uint64_t v)
{
	for (unsigned i = 0; i < width; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

struct fs {
	uint8_t *p; /* its first byte */
	unsigned bits;
	size_t fat, root, data; /* offsets */
	uint32_t next;		/* free cluster */
};

static inline void set_fat(const struct fs *f, uint32_t cluster, uint32_t v)
{
	uint8_t *p = f->p + f->fat;

	if (f->bits == 12) {
		uint8_t *q = p + cluster + cluster / 2;
		unsigned w = (unsigned)(q[0] | q[1] << 8);

		w = cluster & 1 ? (w & 0xf) | (v & 0xfff) << 4 : (w & 0xf000) | (v & 0xfff);
		put(q, 2, w);
	} else {
		put(p + (size_t)cluster * f->bits / 8, f->bits / 8, v);
	}
}

static inline uint8_t *cluster_at(const struct fs *f, uint32_t cluster)
{
	return f->p + f->data + (size_t)(cluster - 2) * SECTOR;
}

/* Clusters for so many bytes, every other one, so that a chain is no range; the first. */
static inline uint32_t take(struct fs *f, const uint8_t *bytes, size_t len)
{
	uint32_t first = f->next, c = first;

	for (size_t at = 0;; at += SECTOR) {
		const size_t n = len - at < SECTOR ? len - at : SECTOR;

		if (bytes)
			memcpy(cluster_at(f, c), bytes + at, n);
		f->next += 2;
		if (at + SECTOR >= len)
			break;
		set_fat(f, c, c + 2);
		c += 2;
	}
	set_fat(f, c, 0x0fffffff);
	return first;
}

static inline uint8_t *entry(uint8_t *e, const char name[12], unsigned attr, uint32_t cluster,
			     size_t size)
{
	memcpy(e, name, 11);
	e[11] = (uint8_t)attr;
	put(e + 20, 2, cluster >> 16);
	put(e + 26, 2, cluster & 0xffff);
	put(e + 28, 4, size);
	return e + 32;
}

/* The entries before one that give it a long name. */
static inline uint8_t *long_name(uint8_t *e, const char *name)
{
	static const uint8_t at[13] = {1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30};
	const size_t n = strlen(name), parts = (n + 12) / 13;

	for (size_t part = parts; part > 0; part--, e += 32) {
		memset(e, 0xff, 32);
		e[0] = (uint8_t)(part | (part == parts ? 0x40 : 0));
		e[11] = 0x0f;
		e[12] = e[26] = e[27] = 0;
		for (size_t i = 0; i < 13; i++) {
			const size_t k = (part - 1) * 13 + i;

			if (k <= n)
				put(e + at[i], 2, k < n ? (uint8_t)name[k] : 0);
		}
	}
	return e;
}

/* As many clusters as make the kind. */
static inline uint64_t fs_size(unsigned bits)
{
	const uint64_t clusters = bits == 12 ? 400 : bits == 16 ? 5000 : 66000;

	return (1 + 2 * (clusters * bits / 8 / SECTOR + 1) + 32 + clusters) * SECTOR;
}

static inline void make_fs(uint8_t *p, uint64_t size, unsigned bits, const uint8_t *loader,
			   size_t len)
{
	const uint64_t clusters = bits == 12 ? 400 : bits == 16 ? 5000 : 66000;
	const unsigned fat_sectors = (unsigned)(clusters * bits / 8 / SECTOR + 1);
	struct fs f = {.p = p, .bits = bits, .fat = SECTOR, .next = 2};
	uint32_t root = 0, efi, boot, file, empty;
	uint8_t *e;

	f.root = f.fat + (size_t)2 * fat_sectors * SECTOR;
	f.data = f.root + (bits == 32 ? 0 : 32 * SECTOR);
	put(p + 11, 2, SECTOR);
	p[13] = 1;
	put(p + 14, 2, 1);
	p[16] = 2;
	put(p + 17, 2, bits == 32 ? 0 : 512);
	put(p + 32, 4, size / SECTOR);
	put(p + (bits == 32 ? 36 : 22), bits == 32 ? 4 : 2, fat_sectors);
	put(p + 510, 2, 0xaa55);
	if (bits == 32) {
		root = take(&f, NULL, 2 * SECTOR);
		put(p + 44, 4, root);
	}
	efi = take(&f, NULL, SECTOR);
	boot = take(&f, NULL, SECTOR);
	file = take(&f, loader, len);
	empty = 0;
	e = bits == 32 ? cluster_at(&f, root) : p + f.root;
	e = entry(e, "LABEL      ", 0x08, 0, 0);
	e = entry(e, "\345LD     TXT", 0x20, 5, 5);
	e = entry(e, "EMPTY   TXT", 0x20, empty, 0);
	entry(e, "EFI        ", 0x10, efi, 0);
	e = entry(cluster_at(&f, efi), ".          ", 0x10, efi, 0);
	e = entry(e, "..         ", 0x10, 0, 0);
	e = long_name(e, "A name that is longer than one.efi");
	e = entry(e, "ANAMET~1EFI", 0x20, file, len);
	entry(e, "BOOT       ", 0x10, boot, 0);
	e = entry(cluster_at(&f, boot), ".          ", 0x10, boot, 0);
	e = entry(e, "..         ", 0x10, efi, 0);
	entry(e, "BOOTX64 EFI", 0x20, file, len);
}

#endif
