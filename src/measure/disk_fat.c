/* SPDX-License-Identifier: MIT */
/* FAT12, FAT16 and FAT32, read only: a directory's names, a file by its path. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <swtdx/disk.h>

#include "measure/internal.h"

enum {
	BOOT_SECTOR = 512,
	ENTRY = 32,
	ENTRIES_MAX = 65536, /* of a directory, by the specification */
	NAME_MAX_CHARS = 255,
	LONG_CHARS = 13, /* of a name in one entry */
	LONG_ENTRIES = 20,
	LONG_LAST = 0x40,
	ATTR_VOLUME = 0x08,
	ATTR_DIRECTORY = 0x10,
	ATTR_LONG = 0x0f,
	ATTR_LONG_MASK = 0x3f,
	FREE_ENTRY = 0xe5,
	PATH_DEPTH = 16,
	FAT12_BELOW = 4085,
	FAT16_BELOW = 65525,
};

static int refuse(char err[TDX_DISK_ERROR_TEXT], const char *why)
{
	snprintf(err, TDX_DISK_ERROR_TEXT, "the file system: %s", why);
	return -EINVAL;
}

static int read_at(const struct tdx_fat *f, uint64_t at, void *to, size_t len)
{
	return inside(at, len, f->disk->size) ? f->disk->read(f->disk->ctx, at, to, len) : -EINVAL;
}

/* Where the parts lie, in sectors from the beginning; how many clusters is which FAT. */
static int lay_out(const uint8_t *b, uint64_t size, struct tdx_fat *f,
		   char err[TDX_DISK_ERROR_TEXT])
{
	const uint32_t sector = le16(b + 11), per_cluster = b[13], reserved = le16(b + 14),
		       fats = b[16], roots = le16(b + 17);
	const uint64_t total = le16(b + 19) ? le16(b + 19) : le32(b + 32),
		       fat_size = le16(b + 22) ? le16(b + 22) : le32(b + 36);
	const uint64_t root_at = reserved + fats * fat_size;
	uint64_t data, clusters;

	if (le16(b + 510) != 0xaa55 || sector < 512 || sector > 4096 || sector & (sector - 1) ||
	    !per_cluster || per_cluster & (per_cluster - 1) || !reserved || !fats || !fat_size)
		return refuse(err, "not FAT");
	data = root_at + ((uint64_t)roots * ENTRY + sector - 1) / sector;
	if (total > size / sector || data >= total)
		return refuse(err, "larger than the partition that it is in");
	clusters = (total - data) / per_cluster;
	f->bits = clusters < FAT12_BELOW ? 12 : clusters < FAT16_BELOW ? 16 : 32;
	if ((clusters + 2) * f->bits > fat_size * sector * 8 || clusters > 0x0ffffff5)
		return refuse(err, "its table is too short for its clusters");
	f->fat = f->start + (uint64_t)reserved * sector;
	f->root = f->start + root_at * sector;
	f->data = f->start + data * sector;
	f->cluster = sector * per_cluster;
	f->clusters = (uint32_t)clusters;
	f->root_size = roots * ENTRY;
	f->root_cluster = f->bits == 32 ? le32(b + 44) : 0;
	return 0;
}

int tdx_fat_open(const struct tdx_disk *disk, const struct tdx_partition *where,
		 struct tdx_fat *out, char err[TDX_DISK_ERROR_TEXT])
{
	uint8_t boot[BOOT_SECTOR];
	int rc;

	err[0] = 0;
	*out = (struct tdx_fat){.disk = disk, .start = where->start};
	if (!inside(where->start, where->size, disk->size) || where->size < BOOT_SECTOR)
		return refuse(err, "cut off");
	rc = read_at(out, where->start, boot, sizeof(boot));
	return rc ? rc : lay_out(boot, where->size, out, err);
}

/* The cluster after this one; *next is 0 at the end of a chain. */
static int follow(const struct tdx_fat *f, uint32_t cluster, uint32_t *next,
		  char err[TDX_DISK_ERROR_TEXT])
{
	uint8_t w[4] = {0};
	const uint64_t at = f->bits == 12 ? cluster + cluster / 2 : (uint64_t)cluster * f->bits / 8;
	uint32_t v, end;
	int rc = read_at(f, f->fat + at, w, f->bits == 32 ? 4 : 2);

	if (rc)
		return rc;
	if (f->bits == 12) {
		v = cluster & 1 ? le16(w) >> 4 : le16(w) & 0xfff;
		end = 0xff8;
	} else {
		v = f->bits == 16 ? le16(w) : le32(w) & 0x0fffffff;
		end = f->bits == 16 ? 0xfff8 : 0x0ffffff8;
	}
	*next = v >= end ? 0 : v;
	if (*next && (*next < 2 || *next - 2 >= f->clusters))
		return refuse(err, "a chain of clusters leads out of it");
	return v ? 0 : refuse(err, "a chain of clusters leads into free ones");
}

/* The bytes of a chain, as many as fit into len; *got is how many there were. */
static int read_chain(const struct tdx_fat *f, uint32_t cluster, uint8_t *to, size_t len,
		      size_t *got, char err[TDX_DISK_ERROR_TEXT])
{
	int rc = 0;

	*got = 0;
	if (cluster < 2 || cluster - 2 >= f->clusters)
		return len ? refuse(err, "a file begins outside of it") : 0;
	while (*got < len && cluster && !rc) {
		const size_t n = len - *got < f->cluster ? len - *got : f->cluster;

		rc = read_at(f, f->data + (uint64_t)(cluster - 2) * f->cluster, to + *got, n);
		*got += n;
		if (!rc)
			rc = follow(f, cluster, &cluster, err);
	}
	return rc;
}

struct found {
	char name[NAME_MAX_CHARS + 1];
	uint32_t cluster, size;
	bool directory;
};

static void short_name(const uint8_t *e, char name[NAME_MAX_CHARS + 1])
{
	size_t n = 0;

	for (unsigned i = 0; i < 11; i++) {
		if (e[i] == ' ')
			continue;
		if (i == 8)
			name[n++] = '.';
		else if (i > 8 && !memchr(name, '.', n))
			name[n++] = '.';
		name[n++] = isprint(e[i]) ? (char)e[i] : '?';
	}
	name[n] = 0;
}

/* One entry of a long name; they come last first, each with its number. */
static void long_part(const uint8_t *e, char name[NAME_MAX_CHARS + 1])
{
	static const uint8_t at[LONG_CHARS] = {1, 3, 5, 7, 9, 14, 16, 18, 20, 22, 24, 28, 30};
	const unsigned number = e[0] & 0x1f;

	if (e[0] & LONG_LAST)
		memset(name, 0, NAME_MAX_CHARS + 1);
	if (!number || number > LONG_ENTRIES)
		return;
	for (unsigned i = 0; i < LONG_CHARS; i++) {
		const size_t place = (size_t)(number - 1) * LONG_CHARS + i;
		const unsigned c = le16(e + at[i]);

		if (place < NAME_MAX_CHARS)
			name[place] = c == 0xffff || !c		    ? 0
				      : c < 0x80 && isprint((int)c) ? (char)c
								    : '?';
	}
}

/* Calls each() for what is in a directory's bytes; false: it has seen enough. */
static bool walk(const uint8_t *dir, size_t len, bool (*each)(void *ctx, const struct found *),
		 void *ctx)
{
	struct found f;

	memset(&f, 0, sizeof(f));
	for (size_t at = 0; at + ENTRY <= len && dir[at]; at += ENTRY) {
		const uint8_t *e = dir + at;
		const unsigned attr = e[11];

		if (e[0] != FREE_ENTRY && (attr & ATTR_LONG_MASK) == ATTR_LONG) {
			long_part(e, f.name);
			continue;
		}
		if (e[0] != FREE_ENTRY && !(attr & ATTR_VOLUME)) {
			if (!f.name[0])
				short_name(e, f.name);
			f.cluster = (uint32_t)le16(e + 20) << 16 | le16(e + 26);
			f.size = le32(e + 28);
			f.directory = attr & ATTR_DIRECTORY;
			if (!each(ctx, &f))
				return false;
		}
		f.name[0] = 0;
	}
	return true;
}

/* A directory's bytes: cluster 0 is the root. The caller frees them. */
static int read_directory(const struct tdx_fat *f, uint32_t cluster, uint8_t **dir, size_t *len,
			  char err[TDX_DISK_ERROR_TEXT])
{
	const bool fixed = !cluster && f->bits != 32;
	const uint64_t whole = (uint64_t)f->clusters * f->cluster;
	size_t max = fixed ? f->root_size : (size_t)ENTRIES_MAX * ENTRY;
	int rc;

	if (!fixed && max > whole)
		max = (size_t)whole;
	*dir = malloc(max + 1);
	if (!*dir)
		return -ENOMEM;
	*len = max;
	rc = fixed ? read_at(f, f->root, *dir, max)
		   : read_chain(f, cluster ? cluster : f->root_cluster, *dir, max, len, err);
	if (rc)
		free(*dir);
	return rc;
}

struct search {
	const char *name;
	size_t len;
	struct found found;
	bool is;
};

static bool is_it(void *ctx, const struct found *f)
{
	struct search *s = ctx;

	for (size_t i = 0; i < s->len; i++)
		if (!f->name[i] ||
		    tolower((unsigned char)f->name[i]) != tolower((unsigned char)s->name[i]))
			return true;
	if (f->name[s->len])
		return true;
	s->found = *f;
	s->is = true;
	return false;
}

static int find(const struct tdx_fat *f, const char *path, struct found *out,
		char err[TDX_DISK_ERROR_TEXT])
{
	unsigned depth = 0;

	err[0] = 0;
	*out = (struct found){.directory = true};
	for (path += strspn(path, "/\\"); *path; path += strspn(path, "/\\")) {
		struct search s = {.name = path, .len = strcspn(path, "/\\")};
		uint8_t *dir;
		size_t len;
		int rc;

		if (!out->directory || depth++ == PATH_DEPTH)
			return -ENOENT;
		rc = read_directory(f, out->cluster, &dir, &len, err);
		if (rc)
			return rc;
		walk(dir, len, is_it, &s);
		free(dir);
		if (!s.is)
			return -ENOENT;
		*out = s.found;
		path += s.len;
	}
	return 0;
}

int tdx_fat_read(const struct tdx_fat *fat, const char *path, uint8_t **bytes, size_t *len,
		 char err[TDX_DISK_ERROR_TEXT])
{
	const uint64_t whole = (uint64_t)fat->clusters * fat->cluster;
	struct found f;
	size_t got;
	int rc = find(fat, path, &f, err);

	*bytes = NULL;
	*len = 0;
	if (!rc && f.directory)
		rc = -ENOENT;
	if (!rc && (f.size > TDX_DISK_MAX_FILE || f.size > whole))
		rc = refuse(err, "a file is larger than 1 GiB, or than its file system");
	if (rc)
		return rc;
	*bytes = malloc((size_t)f.size + 1);
	if (!*bytes)
		return -ENOMEM;
	rc = read_chain(fat, f.cluster, *bytes, f.size, &got, err);
	if (!rc && got < f.size)
		rc = refuse(err, "a file's clusters end before its bytes do");
	if (rc) {
		free(*bytes);
		*bytes = NULL;
		return rc;
	}
	*len = f.size;
	return 0;
}

struct listing {
	tdx_fat_each *each;
	void *ctx;
};

static bool list_one(void *ctx, const struct found *f)
{
	const struct listing *l = ctx;

	if (!strcmp(f->name, ".") || !strcmp(f->name, ".."))
		return true;
	return l->each(l->ctx, f->name, f->size, f->directory);
}

int tdx_fat_list(const struct tdx_fat *fat, const char *path, tdx_fat_each *each, void *ctx,
		 char err[TDX_DISK_ERROR_TEXT])
{
	struct listing l = {each, ctx};
	struct found f;
	uint8_t *dir;
	size_t len;
	int rc = find(fat, path, &f, err);

	if (!rc && !f.directory)
		rc = -ENOENT;
	if (!rc)
		rc = read_directory(fat, f.cluster, &dir, &len, err);
	if (rc)
		return rc;
	walk(dir, len, list_one, &l);
	free(dir);
	return 0;
}
