/* SPDX-License-Identifier: MIT */
/* A refused image in one line: which section, which words of the file, what they said, what the
 * limit was. */
#include <inttypes.h>
#include <stdio.h>

#include "measure/internal.h"

#define X "0x%" PRIx64

/* The part of the line after "section N (TYPE) at 0x...: ". */
static int describe(const struct tdvf_error *e, char *buf, size_t len)
{
	uint64_t end = e->value + e->size;

	switch (e->fault) {
	case TDVF_OK:
		return snprintf(buf, len, "no error");
	case TDVF_IMAGE_TOO_SMALL:
		return snprintf(buf, len,
				"%" PRIu64
				" bytes are too few for a firmware image (at least %" PRIu64 ")",
				e->value, e->limit);
	case TDVF_IMAGE_TOO_LARGE:
		return snprintf(buf, len, "image of " X " bytes, at most " X " are believable",
				e->value, e->limit);
	case TDVF_NO_METADATA:
		return snprintf(buf, len,
				"no TDX metadata: no entry in a GUID table at the end, and "
				"the word " X " does not point to a descriptor",
				e->value);
	case TDVF_TABLE_LENGTH:
		return snprintf(buf, len,
				"GUID table says it has " X " bytes, between 0x12 and " X
				" are possible",
				e->value, e->limit);
	case TDVF_TABLE_ENTRY:
		return snprintf(buf, len,
				"GUID table entry of " X " bytes where " X " are due or left",
				e->value, e->limit);
	case TDVF_DESCRIPTOR_OUTSIDE:
		return snprintf(buf, len,
				"descriptor said to be " X
				" bytes before the end of an image of " X,
				e->value, e->limit);
	case TDVF_SIGNATURE:
		return snprintf(buf, len, "descriptor signature is " X ", not \"TDVF\" (" X ")",
				e->value, e->limit);
	case TDVF_VERSION:
		return snprintf(buf, len, "descriptor version " X ", only " X " is known", e->value,
				e->limit);
	case TDVF_SECTION_COUNT:
		return snprintf(buf, len,
				"%" PRIu64 " sections, between 1 and %" PRIu64 " are believable",
				e->value, e->limit);
	case TDVF_LENGTH:
		return snprintf(buf, len,
				"descriptor length " X " does not match its section count (" X ")",
				e->value, e->limit);
	case TDVF_SECTIONS_OUTSIDE:
		return snprintf(buf, len,
				"%" PRIu64 " sections end at " X ", beyond the image's end " X,
				e->value, e->at + e->size, e->limit);
	case TDVF_NO_BFV:
		return snprintf(buf, len, "none of %" PRIu64 " sections is a BFV", e->value);
	case TDVF_NO_RESET_VECTOR:
		return snprintf(buf, len, "no BFV has data at the reset vector " X, e->limit);
	case TDVF_TYPE_UNKNOWN:
		return snprintf(buf, len, "type " X ", the last known is " X, e->value, e->limit);
	case TDVF_DUPLICATE:
		return snprintf(buf, len, "only one such section may exist, section %d is one",
				e->other);
	case TDVF_ATTRIBUTES_UNKNOWN:
		return snprintf(buf, len, "attributes " X ", known bits are " X, e->value,
				e->limit);
	case TDVF_ATTRIBUTES_WRONG:
		return snprintf(buf, len, "attributes " X ", this type may have " X, e->value,
				e->limit);
	case TDVF_DATA_OUTSIDE:
		return snprintf(buf, len,
				"data " X "+" X " ends at " X ", beyond the image's end " X,
				e->value, e->size, end, e->limit);
	case TDVF_DATA_MISSING:
		return snprintf(buf, len, "no data in the image, this type must have some");
	case TDVF_DATA_UNEXPECTED:
		return snprintf(buf, len, "data of " X " bytes, this type must have none",
				e->value);
	case TDVF_DATA_OFFSET_STRAY:
		return snprintf(buf, len, "data offset " X " but no data", e->value);
	case TDVF_DATA_LARGER:
		return snprintf(buf, len, "data of " X " bytes for memory of " X, e->value,
				e->limit);
	case TDVF_DATA_OVERLAP:
		return snprintf(buf, len, "data " X "+" X " overlaps that of section %d at " X,
				e->value, e->size, e->other, e->limit);
	case TDVF_MEMORY_EMPTY:
		return snprintf(buf, len, "memory of 0 bytes");
	case TDVF_MEMORY_UNEXPECTED:
		return snprintf(buf, len, "memory " X "+" X ", this type must have none", e->value,
				e->size);
	case TDVF_MEMORY_UNALIGNED:
		return snprintf(buf, len, "memory address " X " is not a multiple of " X, e->value,
				e->limit);
	case TDVF_MEMORY_SIZE_UNALIGNED:
		return snprintf(buf, len, "memory size " X " is not a multiple of " X, e->value,
				e->limit);
	case TDVF_MEMORY_WRAPS:
		return snprintf(buf, len, "memory " X "+" X " wraps around", e->value, e->size);
	case TDVF_MEMORY_OUTSIDE:
		return snprintf(buf, len,
				"memory " X "+" X " ends at " X
				", beyond the last private address " X,
				e->value, e->size, end, e->limit);
	case TDVF_MEMORY_ABSURD:
		return snprintf(buf, len,
				"memory of " X " bytes makes " X " to add, at most " X
				" are believable",
				e->value, e->size, e->limit);
	case TDVF_MEMORY_OVERLAP:
		return snprintf(buf, len, "memory " X "+" X " overlaps that of section %d at " X,
				e->value, e->size, e->other, e->limit);
	case TDVF_MEASURED_NOT_IN_IMAGE:
		return snprintf(buf, len,
				"contents are measured but not in the image (memory " X "+" X ")",
				e->value, e->size);
	}
	return snprintf(buf, len, "unknown fault %d", (int)e->fault);
}

const char *tdvf_error_text(const struct tdvf_error *e, char *buf, size_t len)
{
	int n = 0;

	if (!len)
		return buf;
	buf[0] = 0;
	if (e->section >= 0)
		n = snprintf(buf, len, "section %d (%s) at offset " X ": ", e->section,
			     tdvf_type_name(e->type), e->at);
	else if (e->fault != TDVF_OK)
		n = snprintf(buf, len, "offset " X ": ", e->at);
	if (n >= 0 && (size_t)n < len)
		describe(e, buf + n, len - (size_t)n);
	return buf;
}
