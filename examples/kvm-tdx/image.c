/* SPDX-License-Identifier: MIT */
/* A TDVF image: what of it goes where, and the TD HOB that tells it what memory it has. */
#include "vmm.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	TABLE_FROM_END = 0x20,
	FOOTER_SIZE = 18,
	ENTRY_SIZE = 18, /* length and GUID, behind the data */
	DESCRIPTOR_SIZE = 16,
	SECTION_SIZE = 32,
	HOB_HANDOFF = 1,
	HOB_RESOURCE = 3,
	HOB_END = 0xffff,
	RESOURCE_SYSTEM_MEMORY = 0,
	RESOURCE_UNACCEPTED = 7,
	RESOURCE_ATTRIBUTES = 0x3c07,
};

static const uint8_t guid_footer[16] = {0xde, 0x82, 0xb5, 0x96, 0xb2, 0x1f, 0xf7, 0x45,
					0xba, 0xea, 0xa3, 0x66, 0xc5, 0x5a, 0x08, 0x2d};
static const uint8_t guid_metadata[16] = {0x35, 0x65, 0x7a, 0xe4, 0x4a, 0x98, 0x98, 0x47,
					  0x86, 0x5e, 0x46, 0x85, 0xa7, 0xbf, 0x8e, 0xc2};

static uint64_t get(const uint8_t *p, unsigned bytes)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < bytes; i++)
		v |= (uint64_t)p[i] << 8 * i;
	return v;
}

static void read_whole(const char *path, struct image *image)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) || st.st_size < PAGE)
		die("%s is no image", path);
	image->size = (size_t)st.st_size;
	image->bytes = malloc(image->size);
	if (!image->bytes)
		die("no memory for %s", path);
	for (size_t at = 0; at < image->size; at += (size_t)n) {
		n = read(fd, image->bytes + at, image->size - at);
		if (n <= 0)
			die("%s cannot be read", path);
	}
	close(fd);
}

/* The table of GUIDs is read from its end. The metadata's entry has their distance from the end. */
static size_t find_descriptor(const struct image *image)
{
	const size_t end = image->size - TABLE_FROM_END;
	const uint8_t *footer = image->bytes + end - FOOTER_SIZE;
	size_t at = end - FOOTER_SIZE, first;

	if (memcmp(footer + 2, guid_footer, 16) != 0 || get(footer, 2) > end)
		die("the image has no table of GUIDs");
	first = end - get(footer, 2);
	while (at >= first + ENTRY_SIZE) {
		const uint8_t *entry = image->bytes + at - ENTRY_SIZE;
		const size_t length = get(entry, 2);

		if (length < ENTRY_SIZE || length > at - first)
			break;
		if (memcmp(entry + 2, guid_metadata, 16) == 0 && length >= ENTRY_SIZE + 4)
			return image->size - get(image->bytes + at - length, 4);
		at -= length;
	}
	die("the image has no TDX metadata");
}

static bool section_fits(const struct image *image, const struct section *s)
{
	return s->size && !(s->gpa % PAGE) && !(s->size % PAGE) && s->gpa + s->size > s->gpa &&
	       s->raw_size <= s->size && s->offset <= image->size &&
	       s->raw_size <= image->size - s->offset;
}

void image_read(const char *path, struct image *image)
{
	const uint8_t *p;
	size_t at;

	read_whole(path, image);
	at = find_descriptor(image);
	p = image->bytes + at;
	if (at > image->size - DESCRIPTOR_SIZE || memcmp(p, "TDVF", 4) != 0)
		die("%s: the metadata are elsewhere", path);
	image->nsections = (unsigned)get(p + 12, 4);
	if (image->nsections > SECTIONS ||
	    image->nsections * SECTION_SIZE > image->size - at - DESCRIPTOR_SIZE)
		die("%s: too many sections", path);
	for (unsigned i = 0; i < image->nsections; i++) {
		const uint8_t *e = p + DESCRIPTOR_SIZE + i * SECTION_SIZE;
		struct section *s = &image->section[i];

		*s = (struct section){
			(uint32_t)get(e, 4), (uint32_t)get(e + 4, 4),  get(e + 8, 8),
			get(e + 16, 8),	     (uint32_t)get(e + 24, 4), (uint32_t)get(e + 28, 4)};
		if (!section_fits(image, s))
			die("%s: section %u is wrong", path, i);
	}
}

bool section_is_added(const struct section *s)
{
	return s->type != SECTION_PERM;
}

/* --- the HOB (UEFI PI, volume 3) --- */

struct writer {
	uint8_t *at, *end;
};

static void put(struct writer *w, uint64_t v, unsigned bytes)
{
	if ((size_t)(w->end - w->at) < bytes)
		die("the image's TD HOB section is too small");
	for (unsigned i = 0; i < bytes; i++)
		*w->at++ = (uint8_t)(v >> 8 * i);
}

static void resource(struct writer *w, uint32_t type, uint64_t from, uint64_t to)
{
	if (from >= to)
		return;
	put(w, HOB_RESOURCE, 2);
	put(w, 48, 2);
	put(w, 0, 4);
	put(w, 0, 8); /* an owner of zeros */
	put(w, 0, 8);
	put(w, type, 4);
	put(w, RESOURCE_ATTRIBUTES, 4);
	put(w, from, 8);
	put(w, to - from, 8);
}

static const struct section *next_added(const struct image *image, uint64_t from, uint64_t to)
{
	const struct section *best = NULL;

	for (unsigned i = 0; i < image->nsections; i++) {
		const struct section *s = &image->section[i];

		if (section_is_added(s) && s->gpa >= from && s->gpa < to &&
		    (!best || s->gpa < best->gpa))
			best = s;
	}
	return best;
}

void image_hob(const struct image *image, uint64_t memory, const struct section *s, uint8_t *hob)
{
	struct writer w = {hob + 56, hob + s->size}, head = {hob, hob + 56};
	uint64_t at = 0;

	if (s->size < PAGE)
		die("the image's TD HOB section is too small");
	while (at < memory) {
		const struct section *next = next_added(image, at, memory);

		resource(&w, RESOURCE_UNACCEPTED, at, next ? next->gpa : memory);
		at = memory;
		if (next) {
			at = next->gpa + next->size;
			resource(&w, RESOURCE_SYSTEM_MEMORY, next->gpa, at);
		}
	}
	put(&head, HOB_HANDOFF, 2);
	put(&head, 56, 2);
	put(&head, 0, 4);
	put(&head, 9, 4); /* version */
	for (unsigned i = 0; i < 9; i++)
		put(&head, 0, 4);
	put(&head, s->gpa + (uint64_t)(w.at - hob), 8);
	put(&w, HOB_END, 2);
	put(&w, 8, 2);
	put(&w, 0, 4);
}
