/* SPDX-License-Identifier: MIT */
/* A refused image in one line: which section, which words of the file, what they said, what the
 * limit was.
 *
 * In the texts, % and a letter stands for a number of the error: v value, s size, l limit in hex,
 * e the end of value + size, V and L value and limit in decimal, o the other section, t the end of
 * the words at fault. */
#include <inttypes.h>
#include <stdio.h>

#include "measure/internal.h"

static const char *text_of(enum tdx_tdvf_fault fault)
{
	switch (fault) {
	case TDX_TDVF_OK:
		return "no error";
	case TDX_TDVF_IMAGE_TOO_SMALL:
		return "%V bytes are too few for a firmware image, which needs %L";
	case TDX_TDVF_IMAGE_TOO_LARGE:
		return "image of %v bytes, at most %l are believable";
	case TDX_TDVF_NO_METADATA:
		return "no TDX metadata: no entry in a GUID table at the end of the image, and the "
		       "word here (%v) does not point to a descriptor";
	case TDX_TDVF_TABLE_LENGTH:
		return "GUID table of %v bytes, between 0x12 and %l are possible";
	case TDX_TDVF_TABLE_ENTRY:
		return "GUID table entry of %v bytes where %l are due or left";
	case TDX_TDVF_DESCRIPTOR_OUTSIDE:
		return "descriptor said to be %v bytes before the end of an image of %l";
	case TDX_TDVF_SIGNATURE:
		return "descriptor signature %v is not \"TDVF\" (%l)";
	case TDX_TDVF_VERSION:
		return "descriptor version %V, only %L is known";
	case TDX_TDVF_SECTION_COUNT:
		return "%V sections, between 1 and %L are believable";
	case TDX_TDVF_LENGTH:
		return "descriptor length %v does not match the section count, which makes it %l";
	case TDX_TDVF_SECTIONS_OUTSIDE:
		return "%V sections end at %t, beyond the image's end %l";
	case TDX_TDVF_NO_BFV:
		return "none of %V sections is a BFV";
	case TDX_TDVF_NO_RESET_VECTOR:
		return "no BFV has data at the reset vector %l";
	case TDX_TDVF_TYPE_UNKNOWN:
		return "type %v, the last known is %l";
	case TDX_TDVF_DUPLICATE:
		return "only one such section may exist, section %o is one";
	case TDX_TDVF_ATTRIBUTES_UNKNOWN:
		return "attributes %v, known bits are %l";
	case TDX_TDVF_ATTRIBUTES_WRONG:
		return "attributes %v, this type may have %l";
	case TDX_TDVF_DATA_OUTSIDE:
		return "data %v+%s ends at %e, beyond the image's end %l";
	case TDX_TDVF_DATA_MISSING:
		return "no data in the image, this type must have some";
	case TDX_TDVF_DATA_UNEXPECTED:
		return "data of %v bytes, this type must have none";
	case TDX_TDVF_DATA_OFFSET_STRAY:
		return "data offset %v but no data";
	case TDX_TDVF_DATA_LARGER:
		return "data of %v bytes for memory of %l";
	case TDX_TDVF_DATA_OVERLAP:
		return "data %v+%s overlaps that of section %o at %l";
	case TDX_TDVF_MEMORY_EMPTY:
		return "memory of 0 bytes";
	case TDX_TDVF_MEMORY_UNEXPECTED:
		return "memory %v+%s, this type must have none";
	case TDX_TDVF_MEMORY_UNALIGNED:
		return "memory address %v is not a multiple of %l";
	case TDX_TDVF_MEMORY_SIZE_UNALIGNED:
		return "memory size %v is not a multiple of %l";
	case TDX_TDVF_MEMORY_WRAPS:
		return "memory %v+%s wraps around";
	case TDX_TDVF_MEMORY_OUTSIDE:
		return "memory %v+%s ends at %e, beyond the private addresses' end %l";
	case TDX_TDVF_MEMORY_ABSURD:
		return "memory of %v bytes makes %s to add, at most %l are believable";
	case TDX_TDVF_MEASURED_ABSURD:
		return "memory of %v bytes makes %s to measure, at most %l are believable";
	case TDX_TDVF_MEMORY_OVERLAP:
		return "memory %v+%s overlaps that of section %o at %l";
	case TDX_TDVF_MEASURED_NOT_IN_IMAGE:
		return "contents are measured but not in the image (memory %v+%s)";
	}
	return "unknown fault";
}

static int number(const struct tdx_tdvf_error *e, char letter, char *buf, size_t len)
{
	switch (letter) {
	case 'v':
		return snprintf(buf, len, "0x%" PRIx64, e->value);
	case 's':
		return snprintf(buf, len, "0x%" PRIx64, e->size);
	case 'l':
		return snprintf(buf, len, "0x%" PRIx64, e->limit);
	case 'e':
		return snprintf(buf, len, "0x%" PRIx64, e->value + e->size);
	case 't':
		return snprintf(buf, len, "0x%" PRIx64, e->at + e->size);
	case 'V':
		return snprintf(buf, len, "%" PRIu64, e->value);
	case 'L':
		return snprintf(buf, len, "%" PRIu64, e->limit);
	default:
		return snprintf(buf, len, "%d", e->other);
	}
}

const char *tdx_tdvf_error_text(const struct tdx_tdvf_error *e, char *buf, size_t len)
{
	size_t n = 0;
	int k = 0;

	if (!len)
		return buf;
	buf[0] = 0;
	if (e->section >= 0)
		k = snprintf(buf, len, "section %d (%s) at offset 0x%" PRIx64 ": ", e->section,
			     tdx_tdvf_type_name(e->type), e->at);
	else if (e->fault != TDX_TDVF_OK)
		k = snprintf(buf, len, "offset 0x%" PRIx64 ": ", e->at);
	n = k > 0 ? (size_t)k : 0;
	for (const char *t = text_of(e->fault); *t && n + 1 < len; t++) {
		if (*t == '%' && t[1]) {
			k = number(e, *++t, buf + n, len - n);
			n += k > 0 ? (size_t)k : 0;
		} else {
			buf[n++] = *t;
			buf[n] = 0;
		}
	}
	return buf;
}
