/* SPDX-License-Identifier: MIT */
/* A small sound firmware image for tests, made word by word, to be spoilt by them.
 *
 * 32 KiB that end at 4 GiB: a CFV of one page, a BFV of the rest with the descriptor and the GUID
 * table in it, temporary memory, a TD HOB. */
#ifndef TESTS_TDVF_IMAGE_H
#define TESTS_TDVF_IMAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define IMG_SIZE     0x8000u
#define IMG_DESC     0x7000u
#define IMG_SECTIONS 5u
#define IMG_CFV	     0xffff8000ull
#define IMG_BFV	     0xffff9000ull
#define IMG_POINTER  (IMG_SIZE - 0x20)
#define IMG_FOOTER   (IMG_SIZE - 0x20 - 18)
#define IMG_ENTRY    (IMG_FOOTER - 22)
#define IMG_OTHER    (IMG_ENTRY - 26)

enum img_word {
	IMG_DATA_OFFSET = 0,
	IMG_RAW_SIZE = 4,
	IMG_MEMORY = 8,
	IMG_MEMORY_SIZE = 16,
	IMG_TYPE = 24,
	IMG_ATTRIBUTES = 28,
};

static inline void img_put(uint8_t *image, unsigned at, unsigned width, uint64_t v)
{
	for (unsigned i = 0; i < width; i++)
		image[at + i] = (uint8_t)(v >> (8 * i));
}

static inline unsigned img_section(unsigned n)
{
	return IMG_DESC + 16 + 32 * n;
}

static inline void img_put_section(uint8_t *image, unsigned n, uint32_t offset, uint32_t raw,
				   uint64_t memory, uint64_t size, uint32_t type, uint32_t attr)
{
	img_put(image, img_section(n) + IMG_DATA_OFFSET, 4, offset);
	img_put(image, img_section(n) + IMG_RAW_SIZE, 4, raw);
	img_put(image, img_section(n) + IMG_MEMORY, 8, memory);
	img_put(image, img_section(n) + IMG_MEMORY_SIZE, 8, size);
	img_put(image, img_section(n) + IMG_TYPE, 4, type);
	img_put(image, img_section(n) + IMG_ATTRIBUTES, 4, attr);
}

static inline void img_put_descriptor(uint8_t *image, uint32_t count)
{
	memcpy(image + IMG_DESC, "TDVF", 4);
	img_put(image, IMG_DESC + 4, 4, 16 + 32 * count);
	img_put(image, IMG_DESC + 8, 4, 1);
	img_put(image, IMG_DESC + 12, 4, count);
}

static inline void img_put_table(uint8_t *image)
{
	static const uint8_t footer[16] = {0xde, 0x82, 0xb5, 0x96, 0xb2, 0x1f, 0xf7, 0x45,
					   0xba, 0xea, 0xa3, 0x66, 0xc5, 0x5a, 0x08, 0x2d};
	static const uint8_t metadata[16] = {0x35, 0x65, 0x7a, 0xe4, 0x4a, 0x98, 0x98, 0x47,
					     0x86, 0x5e, 0x46, 0x85, 0xa7, 0xbf, 0x8e, 0xc2};

	img_put(image, IMG_FOOTER, 2, 18 + 22 + 26);
	memcpy(image + IMG_FOOTER + 2, footer, 16);
	img_put(image, IMG_ENTRY, 4, IMG_SIZE - IMG_DESC);
	img_put(image, IMG_ENTRY + 4, 2, 22);
	memcpy(image + IMG_ENTRY + 6, metadata, 16);
	/* An entry that means nothing to us lies beyond. */
	img_put(image, IMG_OTHER + 8, 2, 26);
	memset(image + IMG_OTHER + 10, 0x5a, 16);
}

static inline void img_make(uint8_t *image)
{
	for (unsigned i = 0; i < IMG_SIZE; i++)
		image[i] = (uint8_t)(i * 7 + i / 256);
	img_put_descriptor(image, IMG_SECTIONS);
	img_put_section(image, 0, 0x1000, IMG_SIZE - 0x1000, IMG_BFV, IMG_SIZE - 0x1000, 0, 1);
	/* 0x123 bytes short of its page: the rest counts as zero. */
	img_put_section(image, 1, 0, 0x1000 - 0x123, IMG_CFV, 0x1000, 1, 1);
	img_put_section(image, 2, 0, 0, 0x810000, 0x3000, 3, 0);
	img_put_section(image, 3, 0, 0, 0x809000, 0x2000, 2, 0);
	img_put_section(image, 4, 0, 0, 0x1000000, 0x200000, 4, 2);
	img_put_table(image);
}

#endif
