/* SPDX-License-Identifier: MIT */
/* Shared by the files of measure/: little-endian words out of untrusted bytes, and the two halves
 * of the metadata parser. */
#ifndef MEASURE_INTERNAL_H
#define MEASURE_INTERNAL_H

#include <swtdx/measure.h>

static inline uint16_t le16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t le32(const uint8_t *p)
{
	return (uint32_t)le16(p) | (uint32_t)le16(p + 2) << 16;
}

static inline uint64_t le64(const uint8_t *p)
{
	return (uint64_t)le32(p) | (uint64_t)le32(p + 4) << 32;
}

static inline void put_le16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static inline void put_le32(uint8_t *p, uint32_t v)
{
	put_le16(p, (uint16_t)v);
	put_le16(p + 2, (uint16_t)(v >> 16));
}

static inline void put_le64(uint8_t *p, uint64_t v)
{
	put_le32(p, (uint32_t)v);
	put_le32(p + 4, (uint32_t)(v >> 32));
}

/* Does [start, start + size) lie inside [0, limit)? No sum is formed that could wrap. */
static inline bool inside(uint64_t start, uint64_t size, uint64_t limit)
{
	return start <= limit && size <= limit - start;
}

/* The descriptor on the image, and the sections that follow it. */
#define TDVF_DESCRIPTOR_SIZE 16
#define TDVF_SECTION_SIZE    32

/* Offset of the descriptor; on error fills *err and returns -EINVAL. */
int tdvf_find(const uint8_t *image, size_t len, uint32_t *offset, struct tdx_tdvf_error *err);

int tdvf_fail(struct tdx_tdvf_error *err, struct tdx_tdvf_error e);

/* The signatures at the end of a PE image, one after the other; NULL: it has none. */
const uint8_t *pe_certificates(const void *image, size_t len, size_t *size);

/* Of variables (UEFI 2.10, 3.3 and 32.6.1), as they are in memory. */
extern const uint8_t efi_global_variable[16];
extern const uint8_t efi_image_security[16];

#endif
